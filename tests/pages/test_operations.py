"""The operator's pages: two steps to every change, forms that belong to this login, and nothing of any patient."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from kjerne.pages.oversight_house import JournalList, LogState
from kjerne.policy.taking_part import Absence
from kjerne.services.critical.coverage import Figure
from kjerne.store.cards import Count
from kjerne.store.comparing import Tail
from kjerne.store.journals import Dead, State
from pages.browser import Browser, later, text
from pages.fake import NOW, FakeDoor, FakeHouse, patients
from pages.fake_oversight import the_log_state

OPENING = {
    "kind": "open", "organisation": "100000016", "service": "results", "part": "source", "areas": "50 4601",
    "phase": "pilot", "since": "", "until": "", "basis": "Avtale om utprøving",
}  # fmt: skip
HouseAndBrowser = tuple[FakeHouse, Browser, FakeDoor]


def numbers(page: httpx.Response) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/operations/participation/(\d+)"', page.text)


async def previewed(browser: Browser, **fields: str) -> httpx.Response:
    page = await browser.get("/operations/participation/open")
    return await browser.post(page, "/operations/participation/preview", **(OPENING | fields))


async def saved(browser: Browser, page: httpx.Response, **fields: str) -> httpx.Response:
    """Posts what stands hidden on the page that shows the effect."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return await browser.post(
        page, "/operations/participation/save", **({k: v for k, v in hidden.items() if k != "token"} | fields)
    )


async def test_the_register_is_read_by_service_phase_and_whether_it_is_in_force(browser: Browser) -> None:
    home = await browser.operator()
    assert numbers(home) == ["4", "3", "1"]  # what is in force now
    assert numbers(await browser.get("/operations?state=")) == ["5", "4", "3"]
    assert numbers(await browser.get("/operations?state=&after=3")) == ["2", "1"]
    assert numbers(await browser.get("/operations?state=ended")) == ["2"]
    assert numbers(await browser.get("/operations?state=coming")) == ["5"]
    assert numbers(await browser.get("/operations?phase=pilot&part=source&service=results")) == ["3"]
    assert numbers(await browser.get("/operations?phase=nonsense")) == ["4", "3", "1"]


async def test_the_register_is_searched_by_name_which_stays_in_the_form_and_in_the_link(browser: Browser) -> None:
    await browser.operator()
    page = await browser.get("/operations?state=&name=F%C3%BCrst")
    assert 'value="Fürst"' in page.text
    every = {
        *numbers(await browser.get("/operations?state=")),
        *numbers(await browser.get("/operations?state=&after=3")),
    }
    assert set() < set(numbers(page)) < every
    assert "Ingen rader i registeret passer" in text(await browser.get("/operations?name=finnes+ikke"))
    assert (await browser.get(f"/operations?name={'x' * 101}")).status_code == 400
    page = await browser.get("/operations?state=&name=s")
    assert 'href="/operations?state=&amp;name=s&amp;after=50"' in page.text


async def test_more_rows_are_reached_by_a_link_that_keeps_the_choice(browser: Browser) -> None:
    await browser.operator()
    page = await browser.get("/operations?state=&part=consumer")
    assert "Vis flere" not in page.text
    page = await browser.get("/operations?state=")
    assert 'href="/operations?state=&amp;after=50"' in page.text


async def test_a_change_is_explained_before_it_is_made(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    await browser.operator()
    before = list(house.register.rows)
    page = await previewed(browser)
    assert house.register.rows == before
    told = text(page)
    assert "Virksomheten kan sende inn prøvesvar" in told
    assert "4 av 6 enheter" in told
    assert "fylke 50, kommune 4601" in told
    assert "Gjelder fra nå, på alle maskiner innen to sekunder." in told
    answer = await saved(browser, page)
    assert "Virksomheten er tatt inn." in text(answer)
    made = house.register.rows[-1]
    assert (made.organisation, made.part, made.areas) == ("100000016", "source", ("50", "4601"))


async def test_an_organisation_that_is_in_no_register_is_said_to_be_so(browser: Browser) -> None:
    await browser.operator()
    assert "kjenner ikke 974749025" in text(await previewed(browser, organisation="974749025"))


async def test_a_row_is_widened_and_closed_and_its_history_tells_both(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    await browser.operator()
    form = await browser.get("/operations/participation/3/widen")
    assert 'value="5001"' in form.text
    fields = {
        "kind": "widen",
        "number": "3",
        "areas": "",
        "phase": "rollout",
        "until": "",
        "basis": "Vedtak om bredding",
    }
    page = await browser.post(form, "/operations/participation/preview", **fields)
    answer = await saved(browser, page)
    assert "Deltakelsen er utvidet." in text(answer)
    assert [(row.number, row.widens) for row in house.register.rows[-1:]] == [(6, 3)]
    form = await browser.get("/operations/participation/6/close")
    page = await browser.post(
        form, "/operations/participation/preview", kind="close", number="6", at="", why="Avtalen er sagt opp"
    )
    assert "blir avvist og venter i køen" in text(page)
    told = text(await saved(browser, page))
    for said in (
        "Tatt inn (rad 3)",
        "Utvidet (rad 6)",
        "Avsluttet (rad 6)",
        "Avtalen er sagt opp",
        "av Drift Driftsen",
    ):
        assert said in told
    assert "/operations/participation/6/widen" not in (await browser.get("/operations/participation/6")).text


@pytest.mark.parametrize(("fields", "says"), [
    ({"organisation": "12"}, "Organisasjonsnummeret har ni sifre"),
    ({"basis": "kort"}, "Skriv grunnlaget på én linje"),
])  # fmt: skip
async def test_a_fault_is_told_on_the_form_with_what_was_typed(
    browser: Browser, fields: dict[str, str], says: str
) -> None:
    await browser.operator()
    page = await previewed(browser, **fields)
    assert page.status_code == 400
    assert says in text(page)
    assert 'aria-invalid="true"' in page.text
    assert 'value="50 4601"' in page.text


async def test_what_changed_between_the_two_steps_is_told_when_it_is_saved(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    await browser.operator()
    form = await browser.get("/operations/participation/3/widen")
    fields = {"kind": "widen", "number": "3", "areas": "50", "phase": "pilot", "until": "", "basis": "Hele fylket"}
    page = await browser.post(form, "/operations/participation/preview", **fields)
    house.register.rows[2] = replace(house.register.rows[2], areas=("50",))
    before = list(house.register.rows)
    answer = await saved(browser, page)
    assert (answer.status_code, "Ingenting blir videre" in text(answer)) == (400, True)
    assert house.register.rows == before


@pytest.mark.parametrize("path", ["preview", "save"])
async def test_a_form_of_another_login_or_site_changes_nothing(house_and_browser: HouseAndBrowser, path: str) -> None:
    house, browser, _ = house_and_browser
    page = await browser.operator()
    before = list(house.register.rows)
    await browser.operator()  # another login in the same browser
    stale = await browser.post(page, f"/operations/participation/{path}", **OPENING)
    own = await browser.get("/operations")
    headers = {"origin": "http://elsewhere.test", "sec-fetch-site": "cross-site"}
    token = re.search(r'name="token" value="([^"]+)"', own.text)
    assert token
    foreign = await browser.client.post(
        f"/operations/participation/{path}", data=OPENING | {"token": token[1]}, headers=headers
    )
    assert (stale.status_code, foreign.status_code) == (403, 403)
    assert house.register.rows == before


async def test_an_old_page_saves_nothing(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    await browser.operator()
    page = await previewed(browser)
    later(house, 11)
    before = list(house.register.rows)
    assert (await saved(browser, page)).status_code == 409
    assert house.register.rows == before


@pytest.mark.parametrize("path", ["/operations/participation/99", "/operations/participation/x",
    "/operations/participation/3/erase", "/operations?after=x", "/operations/participation/99/close"])  # fmt: skip
async def test_what_is_not_there_is_a_page_that_says_so(browser: Browser, path: str) -> None:
    await browser.operator()
    assert (await browser.get(path)).status_code == 404


async def test_an_unknown_change_is_refused(browser: Browser) -> None:
    page = await browser.operator()
    assert (await browser.post(page, "/operations/participation/save", kind="erase")).status_code == 400


async def test_the_rejected_queue_says_whose_when_and_where_what_is_wrong(browser: Browser) -> None:
    await browser.operator()
    page = await browser.get("/operations/rejected")
    told = text(page)
    assert "Fürst medisinsk laboratorium" in told
    assert "Pasientens personnummer kan ikke brukes. Message/ServReport/Patient/OffId linje 4" in told
    assert "Meldingen kunne ikke tas imot. Result linje 40" in told, "of a fault without words of its own"
    assert '<span lang="en">unknown code system</span>' in page.text
    assert "Avviste meldinger 3" in told
    assert 'href="/operations/rejected?after=2.0"' in page.text
    assert "999999999" in text(await browser.get("/operations/rejected?after=2.0"))


async def test_no_page_of_the_operator_names_a_patient(browser: Browser) -> None:
    await browser.operator()
    names = [one.name for one in patients().values()]
    for path in (
        "/operations",
        "/operations/participation/4",
        "/operations/rejected",
        "/operations/participation/open",
    ):
        told = text(await browser.get(path))
        assert not [name for name in names if name in told]


# The others' pages


async def test_each_page_with_results_says_which_sources_take_part_and_which_are_a_pilot(browser: Browser) -> None:
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    pages = [await browser.get("/clinician"), opened]
    printed = await browser.get(f"{opened.url.path}/print")
    await browser.citizen()
    pages += [await browser.get("/me"), await browser.get("/me/results")]
    for page in pages:
        told = text(page)
        assert "2 kilder deltar i prøvesvar, 1 i utprøving" in told
        assert "Sundvika sykehus, Bildediagnostikk kommune 5001" in told
    assert "Sundvika sykehus, Bildediagnostikk (utprøving)" in text(printed)


@pytest.mark.parametrize(("why", "says"), [
    (Absence("never"), "Står ikke der"),
    (Absence("elsewhere"), "ikke i området der du arbeider"),
    (Absence("coming", NOW + timedelta(days=1)), "Deltar fra 24.11.2026"),
    (Absence("ended", NOW - timedelta(days=1)), "Deltok til 22.11.2026"),
])  # fmt: skip
async def test_a_clinician_outside_is_told_so_and_shown_nobody(
    house_and_browser: HouseAndBrowser, why: Absence, says: str
) -> None:
    house, browser, _ = house_and_browser
    house.outside = why
    page = await browser.clinician()
    told = text(page)
    assert page.status_code == 403
    assert "Virksomheten din deltar ikke" in told
    assert says in told
    assert "Solbakken legesenter" in told
    assert not [one.name for one in patients().values() if one.name in told]


async def test_a_clinician_whose_part_ends_while_a_patient_is_open_meets_the_same_page(
    house_and_browser: HouseAndBrowser,
) -> None:
    house, browser, _ = house_and_browser
    await browser.clinician()
    opened = await browser.open("Per Aasen")
    house.rules[2] = "organisation-takes-no-part"
    page = await browser.get(opened.url.path)
    assert page.status_code == 403
    assert "Virksomheten din deltar ikke" in text(page)
    assert "Per Aasen" not in text(page)


@pytest.mark.parametrize("language", ["nn", "en"])
async def test_the_operators_pages_are_in_three_languages(browser: Browser, language: str) -> None:
    await browser.operator()
    await browser.get(f"/language?to={language}&back=/operations")
    heading = {"nn": "Deltakarar", "en": "Participants"}[language]
    assert f">{heading}</h1>" in (await browser.get("/operations")).text


async def test_numbers_are_linked_and_a_link_undone_in_two_steps(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    page = await browser.get("/operations/persons")
    assert "Fikk nytt nummer i fjor" in text(page) and "De er to" in text(page)
    form = await browser.get("/operations/persons/link")
    effect = await browser.post(form, "/operations/persons/preview", one="1", other="2", reason="Samme person")
    assert "Registeret sier ikke det samme om de to." in text(effect)
    assert house.done == []
    await browser.post(effect, "/operations/persons/save", one="1", other="2", reason="Samme person")
    undo = await browser.get("/operations/persons/7")
    shown = await browser.post(undo, "/operations/persons/7/preview", reason="De er to personer")
    assert "Solbakken legesenter LE 2 resultater" in text(shown)
    await browser.post(shown, "/operations/persons/7/undo", reason="De er to personer")
    assert house.done == [("1", "2"), ("7", "De er to personer")]


async def test_the_state_of_the_log_is_told_as_figures_with_its_tail_as_unsealed(
    house_and_browser: HouseAndBrowser,
) -> None:
    house, browser, _ = house_and_browser
    home = await browser.operator()
    assert 'href="/operations/log"' in home.text
    told = text(await browser.get("/operations/log"))
    for said in (
        "Siste segl 40",
        "Rader under segl 2113",
        "Rader uten segl 2",
        "Hel. Alt som",
        "Rader 1980",
    ):
        assert said in told
    later(house, 5)
    assert "Forseglingen henger etter." in text(await browser.get("/operations/log"))


async def test_what_became_of_warnings_is_told_rule_by_rule(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    home = await browser.operator()
    assert 'href="/operations/warnings"' in home.text
    assert "Ingen kort er vist." in text(await browser.get("/operations/warnings"))
    house.warned = (
        Count("same-use", "info", "shown", "", 4), Count("same-substance", "warning", "shown", "", 5),
        Count("same-substance", "critical", "shown", "", 7), Count("same-substance", "critical", "accepted", "", 2),
        Count("same-substance", "critical", "overridden", "tolerated", 3),
        Count("same-substance", "warning", "overridden", "", 1),
    )  # fmt: skip
    told = text(await browser.get("/operations/warnings"))
    assert "Samme virkestoff 12 7 2 4 Pasienten har tålt det før (3) Samme bruk etter ATC 4 0 0 0" in told


async def test_coverage_is_told_by_region_and_organisation_and_what_is_withheld_says_so(
    house_and_browser: HouseAndBrowser,
) -> None:
    house, browser, _ = house_and_browser
    home = await browser.operator()
    assert 'href="/operations/coverage"' in home.text
    assert "Ingen er knyttet til noen virksomhet." in text(await browser.get("/operations/coverage"))
    house.reach = (
        Figure("all", "", "", "", 400, 100, (50, 40, 20)), Figure("region", "46", "46", "", 400, 100, (50, 40, None)),
        Figure("organisation", "100000024", "46", "Bergen legevakt", 120, None, (None, None, None)),
    )  # fmt: skip
    told = text(await browser.get("/operations/coverage"))
    assert "Alle 400 100 25 % 50 40 20 Fylke 46 400 100 25 % 50 40 holdt tilbake" in told
    assert "Bergen legevakt 120 holdt tilbake" in told


async def test_what_was_given_up_of_a_journal_is_seen_and_fetched_anew(house_and_browser: HouseAndBrowser) -> None:
    house, browser, _ = house_and_browser
    home = await browser.operator()
    assert 'href="/operations/journals"' in home.text
    assert "Det hentes ikke fra noen journal." in text(await browser.get("/operations/journals"))
    at = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
    gone = Dead(7, "sundvika", "AllergyIntolerance/a1", at, 3, ".criticality profile-cardinality", at)
    house.asked_journals = JournalList(
        (
            State("sundvika", True, "", 0, 2, 1, "it answered 503", 3, at, at), State("other", False, "down", 4, 0, 0),
            State("former", True, "", 0, 0, 0),
        ),
        (gone, gone._replace(number=8, journal="former")), frozenset({"sundvika", "other"}), "journals.toml: no table",
    )  # fmt: skip
    page = await browser.get("/operations/journals")
    told = text(page)
    assert "sundvika Abonnerer 2 3 1" in told and "Det som venter, stopper på: it answered 503" in told
    assert "other Ikke ennå 0 0 0 – – down" in told and "former Tatt ut av filen 0 0 0 – – –" in told
    assert "kan ikke leses, og det hentes ikke fra noen av dem. journals.toml: no table" in told
    assert "/operations/journals/8" not in page.text, "of a journal that is taken out nothing can be fetched"
    assert "sundvika: AllergyIntolerance/a1 .criticality profile-cardinality" in text(page)
    done = await browser.post(page, "/operations/journals/7")
    assert house.fetched_again == (7,) and "Den hentes på nytt." in text(done)


async def test_a_log_that_is_broken_says_so_first_and_one_that_was_never_compared_too(
    house_and_browser: HouseAndBrowser,
) -> None:
    house, browser, _ = house_and_browser
    await browser.operator()
    house.state = the_log_state("broken", "row-edited", "tail-cut")
    told = text(await browser.get("/operations/log"))
    assert "Brutt. Noe stemmer ikke." in told
    assert "row-edited tail-cut og 3 til" in told
    house.state = LogState(Tail(0, None, 0, 0, None), ())
    told = text(await browser.get("/operations/log"))
    assert "Ingen segl ennå" in told
    assert "ikke sammenlignet herfra ennå" in told
