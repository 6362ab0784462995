"""Critical information on the pages of the made-up house: what is shown, what a form refuses, and that nothing typed is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import unescape

import httpx
import pytest

from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages import desk
from kjerne.pages.critical_house import CriticalChart
from kjerne.pages.house import Chart, Identity, Visit
from kjerne.registries import recorders
from kjerne.registries.kj_profiles import ATC, BASE, SNOMED
from kjerne.services.critical import drafts
from kjerne.services.critical.drafts import Draft
from kjerne.services.critical.entries import Coded
from pages.browser import Browser
from pages.fake import FakeHouse, _denial
from pages.fake_critical import FIRST, HAGEN, PENICILLIN, SEEN, SHOCK, _kept, the_entries

KIND = "drug-reaction"
ALLERGY = {
    "kind": KIND, "do": "save", "pick": f"{ATC}|J01CA04", "criticality": "high", "reaction": "1", "source": "2",
    "note": "Sett på avdelingen",
}  # fmt: skip


def text(page: httpx.Response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def box(page: httpx.Response) -> str:
    found = re.search(r'<section class="critical[ "].*?</section>', page.text, re.DOTALL)
    assert found, text(page)[:500]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])))


def sealed(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, text(page)[:500]
    return unescape(found[1])


async def opened(browser: Browser, name: str = "Kari Nordvik") -> tuple[httpx.Response, str]:
    await browser.clinician()
    page = await browser.open(name)
    return page, page.url.path


async def test_the_box_stands_before_every_result_with_severity_certainty_source_and_who(browser: Browser) -> None:
    page, _ = await opened(browser)
    assert page.text.index('class="critical') < page.text.index('id="unread"')
    said = box(page)
    first = said.index("Fenoksymetylpenicillin")
    assert first < said.index("Peanøtt")
    for words in (
        "Alvorlig og bekreftet", "Ikke bekreftet", "Kilde: Observert", "Registrert 11.04.2024 av Tor Eide, lege, Haukeland",
        "endret 21.05.2024 av Ola Hagen, lege, Solbakken legesenter", "Historikk, 2 versjoner", "Satt inn 02.09.2021",
        "Avkreftet 1", "Feilregistrert 1", "Gjelder ikke lenger 1", "Én virksomhet deltar som kilde",
    ):  # fmt: skip
        assert words in said, words
    assert 'class="badge gravest"' in page.text and 'class="critical-entry weighs-most"' in page.text


async def test_nothing_registered_no_answer_and_locked_are_three_texts(browser: Browser, house: FakeHouse) -> None:
    page, root = await opened(browser, "Per Aasen")
    nothing = box(page)
    house.failing.add(2)
    page = await browser.get(root)
    assert page.status_code == 200, "the results are shown all the same"
    silent = box(page)
    alone = await browser.get(f"{root}/critical")
    assert (alone.status_code, "Kilden svarte ikke." in text(alone)) == (503, True)
    await browser.open("Liv Moen")
    locked = text(await browser.get(f"{await _root(browser)}/critical"))
    assert "Ingenting som du kan se, er registrert." in nothing and "Noe kan være skjult" in nothing
    assert "Det betyr ikke at pasienten ikke har noe kritisk." in nothing
    assert "Kilden svarte ikke." in silent and "Det betyr ikke at ingenting er registrert." in silent
    assert "Pasienten har sperret kritisk informasjon" in locked and "Åpne sperren" in locked
    for said, others in (
        (nothing, ("Kilden svarte ikke", "Sperret")),
        (silent, ("Ingenting som du kan se", "Sperret")),
    ):
        assert not [other for other in others if other in said]
    assert "Ingenting som du kan se" not in locked


async def test_what_is_refuted_alone_is_not_told_as_nothing_registered(browser: Browser, house: FakeHouse) -> None:
    house.entries[2] = [one for one in the_entries() if one.id == "a-3"]
    page, _ = await opened(browser, "Per Aasen")
    assert "Ingenting som du kan se, gjelder nå." in box(page) and "er registrert." not in box(page)
    assert "Avkreftet 1" in box(page)


NONE_KNOWN = Draft("drug-reaction", Coded(SNOMED, "716186003", "Ingen kjent allergi"), "high", True, SHOCK, SEEN)


async def test_that_nothing_is_known_is_no_danger_and_stands_with_whoever_wrote_it(
    browser: Browser, house: FakeHouse
) -> None:
    house.entries[2] = [_kept("a-1", NONE_KNOWN)]
    page, root = await opened(browser, "Per Aasen")
    said = box(page)
    assert (
        "Registrert som ikke kjent Ingen kjent allergi" in said and "Ingenting annet som du kan se, gjelder nå." in said
    )
    assert "Registrert 11.04.2024 av Tor Eide" in said
    for danger in ("Legemiddelreaksjon", "Alvorlig", "Anafylaktisk", "Kritisk informasjon 1"):
        assert danger not in said, danger
    assert "has-entries" not in page.text and "weighs-most" not in page.text
    house.entries[2] = [_kept("a-1", NONE_KNOWN), _kept("a-2", Draft(KIND, PENICILLIN, "low", False, SHOCK, SEEN))]
    page = await browser.get(f"{root}/critical")
    said = box(page)
    assert (
        said.index("Fenoksymetylpenicillin") < said.index("Registrert som ikke kjent")
        and "Kritisk informasjon 1" in said
    )
    assert "Uenighet. Haukeland universitetssjukehus har registrert at dette ikke er kjent: Ingen kjent allergi" in said
    assert "Uenighet. Haukeland universitetssjukehus har registrert: Fenoksymetylpenicillin" in said


async def test_the_citizen_is_not_told_to_avoid_what_is_not_known(browser: Browser, house: FakeHouse) -> None:
    house.entries[1] = [_kept("a-1", NONE_KNOWN)]
    await browser.citizen()
    for path in ("/me", "/me/critical"):
        said = text(await browser.get(path))
        assert (
            "Ingen kjent allergi" in said
            and "Det eneste som gjelder nå og kan vises her, er at dette ikke er kjent." in said
        )
        assert "Helsepersonell skal unngå" not in said and "Kan være farlig" not in said and "Anafylaktisk" not in said
    assert "Helsepersonell har spurt eller undersøkt, og skrevet at noe slikt ikke er kjent." in said


def refusing(no: Refusal | Denied) -> Callable[[Identity, Visit], Awaitable[Chart]]:
    async def chart(_: Identity, __: Visit) -> Chart:
        raise no

    return chart


async def test_what_is_critical_stands_first_where_results_are_shut_or_silent(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = Denied(_denial("General", house.clock.now(), ""))
    for no, status, words in (
        (shut, 403, "Opplysningene er sperret"),
        (Refusal(504, "late"), 503, "Kilden svarte ikke"),
    ):
        monkeypatch.setattr(house, "chart", refusing(no))
        page, _ = await opened(browser)
        assert page.status_code == status
        assert "Fenoksymetylpenicillin" in box(page) and "Alvorlig og bekreftet" in box(page)
        assert page.text.index('class="critical') < page.text.index('class="narrow withheld')
        assert words in text(page) and "eget register" not in text(page)
        assert len(re.findall("<h1", page.text)) == 1


async def test_where_neither_answers_both_say_so(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "chart", refusing(Refusal(504, "late")))
    house.failing.add(1)
    page, _ = await opened(browser)
    assert page.status_code == 503 and "Kilden svarte ikke." in box(page)
    assert "Ingenting som du kan se" not in text(page)


async def test_a_reader_does_not_wait_for_a_register_that_does_not_answer(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Identity, __: Visit) -> CriticalChart:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(house, "critical", never)
    monkeypatch.setattr(desk, "PATIENCE_SECONDS", 0.05)
    _, root = await opened(browser)
    page = await browser.get(f"{root}/critical")
    assert page.status_code == 503 and "Kilden svarte ikke." in text(page)


async def _root(browser: Browser) -> str:
    page = await browser.get("/clinician")
    answer = await browser.post(
        page, "/clinician/open", purpose="TREAT", basis="", reason="", patient=_handle(page, "Liv Moen")
    )
    return answer.url.path


def _handle(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="patient" value="([^"]+)"><span class="row-main"><strong>{name}', page.text)
    assert found
    return found[1]


async def test_an_allergy_is_searched_for_registered_and_shown_first(browser: Browser, house: FakeHouse) -> None:
    _, root = await opened(browser)
    form = await browser.get(f"{root}/critical/new?kind={KIND}")
    found = await browser.post(form, f"{root}/critical/new", **ALLERGY | {"do": "search", "words": "amoks", "pick": ""})
    assert "1 treff" in text(found) and f'value="{ATC}|J01CA04"' in found.text
    assert "Sett på avdelingen" in found.text, "what was typed before the search stands"
    assert not house.registered
    saved = await browser.post(found, f"{root}/critical/new", **ALLERGY)
    assert "Opplysningen er registrert." in text(saved) and "Sett på avdelingen" in text(saved)
    (draft,) = house.registered
    assert (draft.about.name, draft.criticality, draft.reaction.code, draft.confirmed) == (
        "Amoksicillin",
        "high",
        "1",
        False,
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"pick": ""}, "Velg noe her."),
        ({"pick": "http://nowhere.example|1"}, "Velg noe her."),
        ({"pick": "typed", "system": ATC, "code": "J99", "name": "Noe"}, "Kodeverket har ingen slik kode."),
        ({"pick": "typed", "system": "http://nowhere.example", "code": "1", "name": "Noe"}, "Skriv kode og navn"),
        ({"criticality": "deadly"}, "Velg noe her."),
        ({"reaction": "99"}, "Velg noe her."),
        ({"source": ""}, "Velg noe her."),
        ({"valid_until": "2026-02-30"}, "Skriv en dato som finnes."),
        ({"note": "gjelder 15877912345"}, "Her står et fødselsnummer."),
        ({"note": "x" * 1001}, "Høyst 1000 tegn."),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_the_rest_stays(
    browser: Browser, house: FakeHouse, fields: dict[str, str], fault: str
) -> None:
    _, root = await opened(browser)
    form = await browser.get(f"{root}/critical/new?kind={KIND}")
    refused = await browser.post(form, f"{root}/critical/new", **ALLERGY | {"note": "Står her"} | fields)
    assert (refused.status_code, house.registered) == (400, [])
    assert fault in text(refused)
    assert fields.get("note", "Står her")[:40] in refused.text


async def test_without_terminology_a_code_and_a_name_are_typed(browser: Browser, house: FakeHouse) -> None:
    house.terms = False
    _, root = await opened(browser)
    form = await browser.get(f"{root}/critical/new?kind={KIND}")
    assert "Ingen kodeverk er lastet her." in text(form)
    typed = {"pick": "typed", "system": ATC, "code": "J01DB01", "name": "Cefaleksin"}
    said = {"reaction": "", "reaction_code": "3", "reaction_name": "Utslett"}
    saved = await browser.post(form, f"{root}/critical/new", **ALLERGY | typed | said)
    assert "Opplysningen er registrert." in text(saved), text(saved)[:400]
    assert house.registered[0].reaction.name == "Utslett"


async def test_what_is_alike_is_shown_before_it_is_made_and_anew_when_it_has_changed(
    browser: Browser, house: FakeHouse
) -> None:
    _, root = await opened(browser)
    form = await browser.get(f"{root}/critical/new?kind={KIND}")
    sent = ALLERGY | {"pick": f"{ATC}|{PENICILLIN.code}"}
    asked = await browser.post(form, f"{root}/critical/new", **sent)
    assert (asked.status_code, house.registered) == (409, [])
    assert "Pasienten har en opplysning som ligner" in text(asked) and "Sett på avdelingen" in asked.text
    shown = {"alike": sealed(asked, "alike"), "despite": "yes"}
    kept = house.entries[1][0]
    kept.next(kept.versions[0][2], house.clock.now())
    again = await browser.post(asked, f"{root}/critical/new", **sent | shown)
    assert (again.status_code, house.registered) == (409, []), "it has changed since she was shown it"
    saved = await browser.post(
        again, f"{root}/critical/new", **sent | {"alike": sealed(again, "alike"), "despite": "yes"}
    )
    assert saved.status_code == 200 and len(house.registered) == 1


async def test_what_a_profile_refuses_is_told_with_its_place(browser: Browser, house: FakeHouse) -> None:
    _, root = await opened(browser)
    form = await browser.get(f"{root}/critical/new?kind={KIND}")
    refused = await browser.post(form, f"{root}/critical/new", **ALLERGY | {"note": house.refused_note})
    assert refused.status_code == 422 and "Registeret tar ikke imot dette." in text(refused)
    assert house.refused_note in refused.text


@pytest.mark.parametrize(
    ("entry", "deed", "fields", "noted"),
    [
        ("AllergyIntolerance/a-2", "verify", {}, "Opplysningen er bekreftet."),
        ("AllergyIntolerance/a-2", "refute", {"why": "Testet uten reaksjon"}, "Opplysningen varsler ikke lenger."),
        ("Condition/c-1", "retract", {"why": "Gjaldt en annen pasient"}, "Opplysningen er trukket tilbake som feil."),
        ("AllergyIntolerance/a-3", "restore", {"why": "Reagerte likevel"}, "Opplysningen gjelder igjen."),
        ("DeviceUseStatement/d-1", "refute", {"why": "Tatt ut igjen"}, "Opplysningen varsler ikke lenger."),
    ],
)
async def test_an_entry_is_verified_refuted_restored_and_taken_back(
    browser: Browser, entry: str, deed: str, fields: dict[str, str], noted: str
) -> None:
    _, root = await opened(browser)
    page = await browser.get(f"{root}/critical/{entry}")
    done = await browser.post(page, f"{root}/critical/{entry}/{deed}", shown=sealed(page, "shown"), **fields)
    assert noted in text(done)
    assert all(f"{word}" in text(done) for word in fields.values())


async def test_a_deed_with_consequences_asks_for_a_reason(browser: Browser) -> None:
    _, root = await opened(browser)
    at = f"{root}/critical/AllergyIntolerance/a-2"
    page = await browser.get(at)
    refused = await browser.post(page, f"{at}/refute", shown=sealed(page, "shown"), why="nei")
    assert refused.status_code == 400 and "Skriv en begrunnelse på minst 8 tegn." in text(refused)
    assert ">nei</textarea>" in refused.text


async def test_a_stale_form_shows_both_versions_and_keeps_what_was_typed(browser: Browser, house: FakeHouse) -> None:
    _, root = await opened(browser)
    at = f"{root}/critical/AllergyIntolerance/a-2"
    form, page = await browser.get(f"{at}/change"), await browser.get(at)
    fields = {
        "pick": sealed(form, "pick"),
        "criticality": "low",
        "reaction": "kept",
        "source": "kept",
        "category": "food",
    }
    other = await browser.post(page, f"{at}/verify", shown=sealed(page, "shown"))
    assert "Opplysningen er bekreftet." in text(other)
    mine = fields | {"kind": "other-allergen", "do": "save", "note": "Mitt syn på saken"}
    conflict = await browser.post(form, f"{at}/change", shown=sealed(form, "shown"), **mine)
    said = text(conflict)
    assert conflict.status_code == 409 and "Noen har endret dette siden du åpnet siden." in said
    assert "Sikkerhet Ikke bekreftet" in said and "Sikkerhet Bekreftet annerledes nå" in said
    assert "Mitt syn på saken" in conflict.text
    assert len(house.entries[1][1].versions) == 2
    saved = await browser.post(conflict, f"{at}/change", shown=sealed(conflict, "shown"), **mine)
    assert "Endringen er lagret." in text(saved) and "Mitt syn på saken" in text(saved)
    stale = await browser.post(page, f"{at}/refute", shown=sealed(page, "shown"), why="Testet uten reaksjon")
    assert stale.status_code == 409 and ">Testet uten reaksjon</textarea>" in stale.text
    assert "Noen har endret dette" in text(stale)


async def test_what_she_did_not_touch_follows_the_version_that_has_come_since(
    browser: Browser, house: FakeHouse
) -> None:
    _, root = await opened(browser)
    at = f"{root}/critical/AllergyIntolerance/a-2"
    mine, theirs = await browser.get(f"{at}/change"), await browser.get(f"{at}/change")
    as_it_stood = {
        "kind": "other-allergen", "do": "save", "pick": sealed(mine, "pick"), "criticality": "high", "reaction": "kept",
        "source": "kept", "category": "food", "note": "", "valid_until": "",
    }  # fmt: skip
    raised = as_it_stood | {"criticality": "unable-to-assess", "valid_until": "2031-05-01"}
    done = await browser.post(theirs, f"{at}/change", shown=sealed(theirs, "shown"), **raised)
    assert "Endringen er lagret." in text(done)
    conflict = await browser.post(
        mine, f"{at}/change", shown=sealed(mine, "shown"), **as_it_stood | {"note": "Bare en merknad"}
    )
    assert conflict.status_code == 409 and "Det du ikke rørte, følger det som står nå." in text(conflict)
    chosen = re.findall(r'name="(criticality|category|reaction)" value="([\w-]+)" checked', conflict.text)
    assert dict(chosen) == {"criticality": "unable-to-assess", "category": "food", "reaction": "kept"}
    assert 'value="2031-05-01"' in conflict.text and ">Bare en merknad</textarea>" in conflict.text


async def test_what_confirms_asks_first_and_does_not_stand_as_the_first_button(browser: Browser) -> None:
    _, root = await opened(browser)
    page = await browser.get(f"{root}/critical/AllergyIntolerance/a-2")
    deeds = page.text[page.text.index('class="critical-deeds"') :]
    assert deeds.index("/change") < deeds.index("<summary><strong>Bekreft</strong>") < deeds.index("/verify")
    assert "Er det undersøkt og sikkert, ikke bare en mistanke?" in text(page)


async def test_where_no_code_is_known_words_alone_are_registered_and_no_code_is_made_up(
    browser: Browser, house: FakeHouse
) -> None:
    house.terms = False
    _, root = await opened(browser)
    other = await browser.get(f"{root}/critical/new?kind=critical-condition")
    assert "så ikke gjett" in text(other) and "«Endret prosedyre»" in text(other)
    form = await browser.get(f"{root}/critical/new?kind=procedure-change")
    assert "Koden kan stå tom." in text(form)
    fields = {"kind": "procedure-change", "do": "save", "pick": "typed", "system": SNOMED, "source": ""}
    refused = await browser.post(form, f"{root}/critical/new", **fields, code="", name="")
    assert refused.status_code == 400
    done = await browser.post(form, f"{root}/critical/new", **fields, code="", name="Skal ikke ha blod")
    assert "Opplysningen er registrert." in text(done) and "Skal ikke ha blod" in box(done)
    (_, _, tree) = house.entries[1][-1].versions[0]
    assert tree["code"] == {"text": "Skal ikke ha blod"}


async def test_a_search_within_a_change_keeps_the_version_that_was_shown_first(browser: Browser) -> None:
    _, root = await opened(browser)
    at = f"{root}/critical/AllergyIntolerance/a-2"
    form, page = await browser.get(f"{at}/change"), await browser.get(at)
    await browser.post(page, f"{at}/verify", shown=sealed(page, "shown"))
    fields = {
        "pick": sealed(form, "pick"),
        "criticality": "low",
        "reaction": "kept",
        "source": "kept",
        "category": "food",
    }
    searched = await browser.post(
        form, f"{at}/change", shown=sealed(form, "shown"), do="search", words="amoks", **fields
    )
    saved = await browser.post(searched, f"{at}/change", shown=sealed(searched, "shown"), do="save", **fields)
    assert saved.status_code == 409


async def test_a_tab_that_was_opened_for_another_patient_changes_nothing(browser: Browser, house: FakeHouse) -> None:
    _, root = await opened(browser)
    at = f"{root}/critical/AllergyIntolerance/a-2"
    page, form = await browser.get(at), await browser.get(f"{root}/critical/new?kind={KIND}")
    other = await browser.open("Per Aasen")
    here = other.url.path
    for path, asked in (
        (f"{at}/verify", page), (f"{here}/critical/AllergyIntolerance/a-2/verify", page),
        (f"{root}/critical/new", form), (f"{here}/critical/new", form),
    ):  # fmt: skip
        fields = {"shown": sealed(page, "shown")} if asked is page else ALLERGY
        answer = await browser.post(asked, path, **fields)
        assert (answer.status_code, "En annen pasient er åpen" in text(answer)) == (409, True), path
    assert not house.registered and len(house.entries[1][1].versions) == 1


async def test_a_form_of_another_entry_or_login_is_refused(browser: Browser) -> None:
    _, root = await opened(browser)
    page = await browser.get(f"{root}/critical/AllergyIntolerance/a-2")
    wrong = await browser.post(
        page, f"{root}/critical/Condition/c-1/retract", shown=sealed(page, "shown"), why="Feil person"
    )
    assert wrong.status_code == 403
    absent = await browser.get(f"{root}/critical/Condition/nobody")
    assert (absent.status_code, "Opplysningen finnes ikke" in text(absent)) == (404, True)
    assert (await browser.post(page, f"{root}/critical/Condition/c-1/eat", shown="x")).status_code == 404


async def test_a_role_is_offered_what_the_law_lets_it_register_and_no_more(browser: Browser, house: FakeHouse) -> None:
    house.identities["clinician"] = replace(house.identities["clinician"], role="SP")
    _, root = await opened(browser)
    kinds = await browser.get(f"{root}/critical/new")
    assert re.findall(r"\?kind=([\w-]+)", kinds.text) == ["radiotherapy", "cytostatics", "dialysis"]
    assert (await browser.get(f"{root}/critical/new?kind={KIND}")).status_code == 403
    page = await browser.get(f"{root}/critical/AllergyIntolerance/a-2")
    assert "Autorisasjonen din lar deg ikke endre" in text(page) and 'name="shown"' not in page.text
    form = await browser.get(f"{root}/critical/new?kind=dialysis")
    saved = await browser.post(form, f"{root}/critical/new", kind="dialysis", do="save", source="")
    assert "Opplysningen er registrert." in text(saved) and house.registered[0].about.code == "265764009"
    refused = await browser.post(form, f"{root}/critical/new", **ALLERGY)
    assert (refused.status_code, len(house.registered)) == (403, 1)


async def test_a_profession_that_registers_nothing_reads_all_the_same(browser: Browser, house: FakeHouse) -> None:
    house.identities["clinician"] = replace(house.identities["clinician"], role="FA1")
    page, root = await opened(browser)
    assert "Fenoksymetylpenicillin" in box(page) and "Registrer ny" not in box(page)
    assert "ikke registrere den" in text(await browser.get(f"{root}/critical/new"))


async def test_refuted_and_entered_in_error_are_folded_away_each_by_its_own_word(browser: Browser) -> None:
    page, _ = await opened(browser)
    folded = dict(re.findall(r"<summary>([^<]+?) <span.*?</summary>(.*?)</ul></details>", page.text, re.DOTALL))
    assert "Acetylsalisylsyre" in folded["Avkreftet"] and "Diabetes type 1" in folded["Feilregistrert"]
    assert "Diabetes type 1" not in folded["Avkreftet"] and "<del>Acetylsalisylsyre</del>" in folded["Avkreftet"]


async def test_the_sheet_that_is_handed_over_has_it_first(browser: Browser) -> None:
    _, root = await opened(browser)
    sheet = await browser.get(f"{root}/print")
    paper = sheet.text[sheet.text.index("critical-paper") :]
    assert paper.index("Fenoksymetylpenicillin") < paper.index("<table")
    assert "Acetylsalisylsyre" not in paper, "what is refuted is no warning"


async def test_the_citizen_reads_it_in_plain_words_with_who_wrote_it_and_how_to_have_it_corrected(
    browser: Browser, house: FakeHouse
) -> None:
    home = await browser.citizen()
    assert "Fenoksymetylpenicillin" in box(home)
    page = await browser.get("/me/critical")
    said = text(page)
    for words in (
        "Reagerer på et legemiddel. Helsepersonell skal unngå å gi det.", "Kan være farlig", "Bekreftet av lege",
        "Mistenkt, ikke bekreftet av lege", "av Tor Eide, lege, Haukeland", "Undersøkt, og det stemmer ikke",
        "Skrevet ved en feil", "Er noe feil, eller mangler det noe?", "Skriv ut",
    ):  # fmt: skip
        assert words in said, words
    assert "J01CE02" not in said, "codes are for who writes"
    house.failing.add(1)
    silent = await browser.get("/me/critical")
    assert (silent.status_code, "Kilden svarte ikke." in text(silent)) == (503, True)
    assert (await browser.get("/me")).status_code == 200


@pytest.mark.parametrize("language", ["nn", "en"])
async def test_every_page_speaks_the_readers_language(browser: Browser, language: str) -> None:
    _, root = await opened(browser)
    browser.client.cookies.set("kjerne_language", language)
    told = {"nn": ("Stadfest", "Ikkje stadfesta"), "en": ("Confirm", "Not confirmed")}[language]
    page = await browser.get(f"{root}/critical/AllergyIntolerance/a-2")
    assert all(word in text(page) for word in told)
    for path in ("critical", "critical/new", f"critical/new?kind={KIND}", "critical/AllergyIntolerance/a-2/change"):
        assert (await browser.get(f"{root}/{path}")).status_code == 200, path


async def test_the_desk_tells_what_she_saw_and_what_it_is_now(browser: Browser) -> None:
    page = await browser.clinician()
    was = (
        "Du så 13.11.2026: Legemiddelreaksjon Fenoksymetylpenicillin Anafylaktisk reaksjon Alvorlig Ikke bekreftet Nå:"
    )
    assert was in text(page) and "Alvorlig og bekreftet" in text(page) and "Det er tatt bort." in text(page)
    assert was not in text(await browser.post(page, "/clinician/notice", number="n4"))


EVIL = "\"'><script>alert(1)</script><svg onload=alert(1)>{{7*7}}"


async def test_where_others_say_the_same_or_contradict_it_both_say_so_and_whose_it_is(
    browser: Browser, house: FakeHouse
) -> None:
    theirs = Draft("drug-reaction", PENICILLIN, "high", reaction=SHOCK, source=SEEN)
    refuted, double = _kept("a-8", theirs, HAGEN), _kept("a-9", replace(theirs, criticality="low"), HAGEN)
    was = refuted.versions[0][2]
    refuted.next(recorders.changed(drafts.refuted(was, "Tålte en full kur."), was, HAGEN, FIRST), FIRST)
    house.entries[1] += [refuted, double, _kept("a-10", theirs, HAGEN)]
    page, root = await opened(browser)
    said = box(page)
    for words in (
        "Uenighet. Solbakken legesenter har avkreftet: Fenoksymetylpenicillin",
        "Uenighet. Gjelder fortsatt hos Solbakken legesenter: Fenoksymetylpenicillin",
        "Uenighet. Solbakken legesenter har satt «lite alvorlig»: Fenoksymetylpenicillin",
        "Også registrert av Solbakken legesenter",
    ):
        assert words in said, (words, said)
    assert f'href="{root}/critical/AllergyIntolerance/a-8"' in page.text
    assert text(page).count("Avkreftet 2") == 1, "nothing is merged"
    for path in (f"{root}/critical", f"{root}/critical/AllergyIntolerance/a-1", f"{root}/print"):
        assert "Solbakken legesenter har avkreftet: Fenoksymetylpenicillin" in text(await browser.get(path)), path


async def test_hostile_texts_stay_texts(browser: Browser, house: FakeHouse) -> None:
    tree = house.entries[1][0].versions[0][2]
    tree["code"]["coding"][0]["display"] = EVIL
    tree["reaction"][0]["manifestation"][0]["coding"][0]["display"] = EVIL
    tree["extension"].append({"url": f"{BASE}KjNote", "valueString": EVIL})
    board, root = await opened(browser)
    paths = ("critical", "critical/AllergyIntolerance/a-1", "critical/AllergyIntolerance/a-1/change", "print")
    pages = [board, *[await browser.get(f"{root}/{path}") for path in paths]]
    await browser.citizen()
    for page in (*pages, await browser.get("/me"), await browser.get("/me/critical")):
        assert "<script>alert" not in page.text and "<svg onload" not in page.text, page.url
        assert "{{7*7}}" in unescape(page.text), page.url
