"""The citizen's choices over HTTP with a made-up house: what each does is shown first, and nothing is saved before."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from kjerne.access import Wish
from kjerne.pages import choices, words
from kjerne.pages.house import OwnChoice, Represented
from kjerne.policy.reach import CLOSING
from kjerne.policy.services import IN_USE
from pages.browser import Browser, hidden, text
from pages.fake import FakeHouse


async def test_the_citizen_sees_effect_before_anything_is_saved(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    preview = await browser.post(page, "/me/privacy/preview", kind="restriction")
    assert "Dette skjer når du lagrer" in text(preview)
    assert house.made == []
    saved = await browser.post(preview, "/me/privacy/save", kind="restriction", hpr="")
    assert [choice.kind for choice in house.made] == ["restriction"]
    assert "Valget er lagret" in text(saved)


async def test_a_part_is_restricted_for_some_in_two_steps(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    preview = await browser.post(page, "/me/privacy/preview", kind="restriction", of="radiology", whom="nurses")
    assert "Hva Svar fra røntgen og annen bildediagnostikk For hvem Sykepleiere" in text(preview)
    assert "De får vite at noe er sperret, ikke hva." in text(preview)
    assert house.made == []
    saved = await browser.post(preview, "/me/privacy/save", kind="restriction", of="radiology", whom="nurses")
    assert [(one.part, one.role, one.organisation) for one in house.made] == [("radiology", "nurses", "")]
    assert "Sperret: Svar fra røntgen og annen bildediagnostikk – Sykepleiere" in text(saved)
    preview = await browser.post(
        page, "/me/privacy/preview", kind="restriction", of="from:983974899", whom="at:100000008"
    )
    assert "Hva Svar fra Prøvelaboratoriet For hvem Haukeland" in text(preview)
    assert 'name="of" value="from:983974899"' in preview.text


async def test_somebody_is_blocked_by_her_number_once_her_name_is_shown(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    wrong = await browser.post(page, "/me/privacy/preview", kind="block", hpr="", typed="123")
    assert (wrong.status_code, house.made) == (404, [])
    assert "skriv et HPR-nummer som finnes" in text(wrong)
    preview = await browser.post(page, "/me/privacy/preview", kind="block", hpr="", typed=" 9000002 ")
    assert "Blokker en person: Siri Vik" in text(preview)
    assert 'name="hpr" value="9000002"' in preview.text


async def test_an_opt_out_tells_the_day_of_deletion_and_can_be_regretted(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    preview = await browser.post(page, "/me/privacy/preview", kind="opt-out")
    assert re.search(r"Opplysningene slettes \d+\. \w+ \d{4}\. Etter det kan ingen hente dem tilbake", text(preview))
    saved = await browser.post(preview, "/me/privacy/save", kind="opt-out", seen=hidden(preview, "seen"))
    assert "Angre reservasjonen" in text(saved)
    assert "Reserver deg mot tjenesten" not in text(saved)
    lifted = await browser.post(saved, "/me/privacy/lift", number="m0")
    assert "Valget er opphevet" in text(lifted)


async def test_an_opt_out_whose_time_to_regret_is_over_promises_no_day(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    due = datetime(2026, 3, 2, 12, tzinfo=UTC)
    house.made.append(OwnChoice("m0", "opt-out", due - timedelta(days=30), ends_at=due))
    page = await browser.get("/me/privacy")
    assert "fristen for å ombestemme deg gikk ut 2. mars 2026" in text(page)
    assert "slettes 2. mars" not in text(page) and "Angre reservasjonen" not in text(page)
    assert 'aria-label="Opphev: Reservert' in page.text


async def test_a_consent_holds_to_the_end_of_its_last_day(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    given = {"kind": "consent", "whom": "at:100000008", "course": "hofte-12", "until": "2031-01-05"}
    preview = await browser.post(page, "/me/privacy/preview", **given)
    assert "Til og med dato 5. januar 2031" in text(preview)
    await browser.post(preview, "/me/privacy/save", **given)
    (made,) = house.made
    assert (made.course, made.ends_at) == ("hofte-12", datetime(2031, 1, 5, 23, tzinfo=UTC))
    for wrong in ({"whom": ""}, {"until": "2001-01-01"}, {"until": "soon"}, {"kind": "anything"}):
        refused = await browser.post(page, "/me/privacy/preview", **{**given, **wrong})
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text


async def test_a_single_result_is_restricted_from_its_own_page(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    report = re.search(r"/me/report/([^\"/]+)", (await browser.get("/me")).text)
    assert report
    page = await browser.get(f"/me/report/{report[1]}")
    preview = await browser.post(page, "/me/privacy/preview", kind="record", record=report[1])
    assert "heller ikke senere rettelser av det" in text(preview)
    await browser.post(preview, "/me/privacy/save", kind="record", record=report[1])
    assert [one.record for one in house.made] == [report[1]]


async def test_what_the_house_refuses_is_told_on_the_page(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    refused = await browser.post(page, "/me/privacy/save", kind="restriction", of="from:999999999")
    assert (refused.status_code, house.made) == (400, [])
    assert "Velg en virksomhet fra listen." in text(refused)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"of": "nope"}, "Velg hva du vil sperre, fra listen."),
        ({"of": "from:974760673"}, "Velg hva du vil sperre, fra listen."),
        ({"whom": "role:XX"}, "Velg hvem det gjelder for, fra listen."),
        ({"whom": "at:999999999"}, "Velg hvem det gjelder for, fra listen."),
        ({"kind": "consent", "whom": "at:100000008", "until": "9999-12-31"}, "Datoen må være"),
    ],
)
async def test_what_the_page_does_not_offer_is_refused_on_it_in_words(
    browser: Browser, fields: dict[str, str], says: str
) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    refused = await browser.post(page, "/me/privacy/preview", **({"kind": "restriction"} | fields))
    assert (refused.status_code, says in text(refused)) == (400, True)
    assert 'action="/me/privacy/preview"' in refused.text, "the form is there to choose again"


async def test_no_effect_is_told_of_restricting_an_answer_that_she_does_not_have(browser: Browser) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    other = "5a1f0f9e-6f0c-4d53-9f0e-0c5d1f1f7b11"
    refused = [await browser.post(page, "/me/privacy/preview", kind="record", record=id_) for id_ in (other, "x", "")]
    assert {(one.status_code, "Du har ikke et slikt svar her." in text(one)) for one in refused} == {(404, True)}


async def test_choices_are_about_one_service_at_a_time(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy?service=critical-information")
    assert 'href="/me/privacy?service=critical-information" aria-current="page"' in page.text
    assert "Tor Eide" not in page.text, "what she chose about results"
    assert "Sperr kritisk informasjon" in text(page) and "radiology" not in page.text
    for whom in ("Registrert av Haukeland", "All kritisk informasjon"):
        assert whom in text(page)
    wish = {"kind": "restriction", "service": "critical-information", "of": "from:100000008"}
    preview = await browser.post(page, "/me/privacy/preview", **wish)
    assert "Hva Registrert av Haukeland" in text(preview)
    assert "ikke tåler et legemiddel" not in text(preview) and "samme sted registrerer senere" in text(preview)
    saved = await browser.post(preview, "/me/privacy/save", **wish)
    assert [(one.service, one.source) for one in house.made] == [("critical-information", "100000008")]
    assert "Sperret: Registrert av 100000008" in text(saved)
    assert "Sperret: Registrert" not in text(await browser.get("/me/privacy"))
    lifted = await browser.post(saved, "/me/privacy/lift", number="m0", service="critical-information")
    assert "Sperr kritisk informasjon" in text(lifted) and house.made == []


async def test_an_objection_to_the_record_promises_no_deletion_and_is_taken_back(
    browser: Browser, house: FakeHouse
) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy?service=record")
    assert "Du motsetter deg at journalen din deles her. Ingenting slettes." in text(page)
    assert 'value="consent"' not in page.text, "nobody asks her first"
    preview = await browser.post(page, "/me/privacy/preview", kind="opt-out", service="record")
    assert "uttrykkelig" in text(preview) and "må føre journal" in text(preview)
    assert "Opplysningene slettes" not in text(preview) and "30 dager" not in text(preview)
    wish = {"kind": "opt-out", "service": "record", "seen": hidden(preview, "seen")}
    saved = await browser.post(preview, "/me/privacy/save", **wish)
    assert [(one.kind, one.service, one.ends_at) for one in house.made] == [("opt-out", "record", None)]
    assert "Angre reservasjonen" in text(saved) and "slettes" not in text(saved)
    lifted = await browser.post(saved, "/me/privacy/lift", number="m0", service="record")
    assert "Valget er opphevet" in text(lifted)


@pytest.mark.parametrize("service", ["measurements", "horoscopes"])
async def test_a_service_that_is_not_in_use_cannot_be_chosen_for(
    browser: Browser, house: FakeHouse, service: str
) -> None:
    await browser.citizen()
    assert (await browser.get(f"/me/privacy?service={service}")).status_code == 404
    page = await browser.get("/me/privacy")
    answer = await browser.post(page, "/me/privacy/save", kind="opt-out", service=service)
    assert (answer.status_code, house.made) == (404, [])


async def test_a_part_of_results_is_none_of_critical_information(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    wish = {"kind": "restriction", "service": "critical-information", "of": "radiology"}
    answer = await browser.post(page, "/me/privacy/save", **wish)
    assert (answer.status_code, house.made) == (400, [])


@pytest.mark.parametrize(
    ("service", "refused"), [("results", "Nye prøvesvar"), ("critical-information", "Ny kritisk informasjon")]
)
async def test_all_that_an_opt_out_does_is_told_before_it_is_saved(
    browser: Browser, service: str, refused: str
) -> None:
    await browser.citizen()
    page = await browser.get(f"/me/privacy?service={service}")
    preview = text(await browser.post(page, "/me/privacy/preview", kind="opt-out", service=service))
    assert f"{refused} tas ikke imot så lenge du er reservert." in preview
    assert "kommer heller ikke senere, selv om du ombestemmer deg" in preview
    assert "Du ser selv det som er her, til det slettes." in preview
    assert "Det du har meldt fra om eller bedt om å få rettet her, og svarene du fikk, slettes samtidig." in preview


_HERS: Final = {
    "nb": r"\b(din|dine|ditt)\b|\b(om|gir?|ga) deg\b|du samtykker|du (ikke )?(tåler|bruker|er reservert)",
    "nn": r"\b(din|dine|ditt|di|mi)\b|\b(om|gir|gjev|gav) deg\b|du samtykk|du (ikkje )?(toler|bruker|er reservert)",
    "en": r"\byour\b(?! mind)|\b(gives?|treats|treated) you\b|you (consent|take|do not tolerate|are opted)",
}
"""Words that speak to whose record it is."""
OF_KIND: Final = ("title", "text", "save")
OTHER: Final = Represented(1, "Kari Nordvik", "proxy")


@pytest.mark.parametrize("language", _HERS)
@pytest.mark.parametrize("service", sorted(IN_USE))
def test_no_text_of_a_choice_says_yours_to_who_acts_for_somebody(service: str, language: words.Language) -> None:
    wishes = [Wish(kind, service) for kind in choices.KINDS] + [Wish("restriction", service, part="genetics")]
    keys = {
        choices._key(service, name) for name in ("lead", *(f"{kind}_{of}" for kind in choices.KINDS for of in OF_KIND))
    }
    keys |= {key for wish in wishes for key in choices._effects(wish)}
    for key in sorted(key for key in keys if words.knows(key)):
        said = words.say(language, choices._said_to(OTHER, key), name=OTHER.name)
        assert not re.search(_HERS[language], said), (key, said)


@pytest.mark.parametrize("page_of", ["privacy", "preview"])
async def test_who_acts_for_somebody_reads_whose_choices_they_are(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, page_of: str
) -> None:
    async def represented(_: object) -> tuple[Represented, ...]:
        return (OTHER,)

    monkeypatch.setattr(house, "represented", represented)
    house.can = CLOSING
    await browser.citizen()
    page = await browser.get("/me/privacy")
    if page_of == "preview":
        page = await browser.post(page, "/me/privacy/preview", kind="restriction")
        assert "De kan åpne sperren med samtykke, eller hvis det er akutt. Det står alltid i loggen." in text(page)
    else:
        assert "Her velger du hvem som får se prøvesvarene til Kari Nordvik." in text(page)
    assert "Valg for Kari Nordvik" in text(page)
    # Her own name, in the log, is the one thing on the page that is hers who acts.
    assert not re.search(_HERS["nb"], text(page).replace("i loggen med navnet ditt", ""))


async def test_an_opt_out_that_deletes_nothing_does_not_say_that_something_is_turned_away(browser: Browser) -> None:
    await browser.citizen()
    for service in ("record", "settlement"):
        page = await browser.get(f"/me/privacy?service={service}")
        preview = text(await browser.post(page, "/me/privacy/preview", kind="opt-out", service=service))
        assert "tas ikke imot" not in preview and "slettes samtidig" not in preview


async def test_the_first_page_of_who_has_opted_out_says_that_no_news_is_taken_in(browser: Browser) -> None:
    await browser.citizen()
    assert "tas ikke imot" not in text(await browser.get("/me"))
    page = await browser.get("/me/privacy?service=critical-information")
    wish = {"kind": "opt-out", "service": "critical-information"}
    preview = await browser.post(page, "/me/privacy/preview", **wish)
    await browser.post(preview, "/me/privacy/save", **wish, seen=hidden(preview, "seen"))
    assert "tas ikke imot" not in text(await browser.get("/me")), "results still come"
    page = await browser.post(await browser.get("/me/privacy"), "/me/privacy/preview", kind="opt-out")
    await browser.post(page, "/me/privacy/save", kind="opt-out", seen=hidden(page, "seen"))
    home = text(await browser.get("/me"))
    assert "Nye prøvesvar tas ikke imot her, fordi du har reservert deg." in home
    assert "Ingen nye svar" not in home


@pytest.mark.parametrize(
    "wish",
    [{"kind": "block", "typed": "9000002"}, {"kind": "restriction"}, {"kind": "restriction", "of": "from:100000008"}],
)
async def test_a_choice_about_settlement_promises_no_health_worker_what_none_has(
    browser: Browser, wish: dict[str, str]
) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy?service=settlement")
    preview = text(await browser.post(page, "/me/privacy/preview", service="settlement", **wish))
    assert "Dette skjer når du lagrer" in preview
    assert "heller ikke oppgjøret" in preview or "Ingen helsepersonell ser oppgjøret fra før" in preview
    for untrue in ("kan fortsatt se dem", "Helsepersonell ser at", "borte fra det helsepersonell ser"):
        assert untrue not in preview


async def test_an_opt_out_is_not_saved_before_its_own_effect_was_shown(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/privacy")
    other = await browser.post(page, "/me/privacy/preview", kind="opt-out", service="record")
    for seen in ("", "opt-out", hidden(other, "seen")):
        answer = await browser.post(page, "/me/privacy/save", kind="opt-out", seen=seen)
        assert house.made == [], seen
        assert "Dette skjer når du lagrer" in text(answer)
    saved = await browser.post(answer, "/me/privacy/save", kind="opt-out", seen=hidden(answer, "seen"))
    assert [one.kind for one in house.made] == ["opt-out"] and "Valget er lagret" in text(saved)
