"""The pages over HTTP with a made-up house: who gets where, what a form must carry, and which text a no becomes."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from importlib.resources import files
from urllib.parse import unquote

import httpx
import pytest

from kjerne.clock import FixedClock
from kjerne.exchange import unsettled
from kjerne.pages import session
from kjerne.pages.app import ROUTES, pages_app
from kjerne.pages.house import Chart, Identity, Shows, Visit
from kjerne.pages.summary_house import Made
from kjerne.policy.words import says
from kjerne.registries.identifiers import parse
from kjerne.registries.made_up import MadeUp
from pages.browser import Browser, as_shown, hidden, later, text, token
from pages.fake import NOW, PROTECTED, FakeDoor, FakeHouse

NUMBER = "15877912345"
UNRELATED = "21858800000"


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _, kind in ROUTES if kind])
async def test_no_page_with_a_record_opens_without_a_login(browser: Browser, method: str, path: str) -> None:
    filled = path.replace("{visit}", "v").replace("{series}", "s").replace("{report}", "r").replace("{file}", "f")
    filled = filled.replace("{number}", "1").replace("{kind}", "close")
    answer = await browser.client.request(method, filled, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


async def test_a_citizen_cannot_enter_as_clinician_and_no_clinician_as_citizen(browser: Browser) -> None:
    await browser.citizen()
    assert (await browser.get("/clinician")).url.path == "/login"
    await browser.clinician()
    assert (await browser.get("/me")).url.path == "/login"
    assert (await browser.get("/operations")).url.path == "/login"
    await browser.operator()
    for path in ("/clinician", "/me"):
        assert (await browser.get(path)).url.path == "/login"


async def test_a_login_for_the_other_entrance_is_refused(
    house_and_browser: tuple[FakeHouse, Browser, FakeDoor],
) -> None:
    _, browser, door = house_and_browser
    for subject, login in (
        ("citizen", browser.clinician), ("operator", browser.clinician), ("clinician", browser.operator),
        ("citizen", browser.operator), ("operator", browser.citizen),
    ):  # fmt: skip
        door.next_subject = subject
        answer = await login()
        assert answer.status_code == 403
        for path in ("/clinician", "/me", "/operations"):
            assert (await browser.get(path)).url.path == "/login"


async def test_an_answer_from_the_provider_without_a_login_under_way_is_refused(browser: Browser) -> None:
    assert (await browser.get("/login/return?state=s&code=clinician")).status_code == 403


async def test_every_page_keeps_the_strict_policy_and_holds_no_inline_script_or_style(browser: Browser) -> None:
    await browser.clinician()
    await browser.open("Kari Nordvik")
    seen: set[str] = set()
    for start in ("/", "/login", "/clinician"):
        await _crawl(browser, start, seen)
    opened = await browser.open("Kari Nordvik")
    await _crawl(browser, opened.url.path, seen)
    await browser.citizen()
    await _crawl(browser, "/me", seen)
    await browser.operator()
    await _crawl(browser, "/operations", seen)
    assert len(seen) > 40


async def _crawl(browser: Browser, start: str, seen: set[str]) -> None:
    queue = [start]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        page = await browser.get(path)
        assert page.status_code == 200, path
        assert "'unsafe" not in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", page.text), path
        links = re.findall(r'href="(/[^"#]*)', unescape(page.text))
        queue += [link for link in links if not re.match(r"/(static|language|login/start|logout)|.*/file/", link)]


async def test_the_person_number_never_stands_in_an_address(browser: Browser) -> None:
    page = await browser.clinician()
    opened = await browser.post(page, "/clinician/open", purpose="TREAT", basis="", patient="", number=NUMBER)
    assert "Kari Nordvik" in text(opened)
    sheet = await browser.get(f"{opened.url.path}/print")
    for page in (opened, sheet):
        assert "158779 12345" in text(page), "whoever the law has opened her to sees the whole number"
        assert NUMBER not in page.text.replace("158779 12345", "")
        assert NUMBER not in str(page.url)
        assert "12345" not in re.search(r"<title>(.*?)</title>", page.text)[1]  # type: ignore[index]
        assert not re.search(r'(?:href|action|value)="[^"]*158779', page.text)


async def test_the_identity_bar_says_who_why_and_that_she_is_synthetic(browser: Browser) -> None:
    await browser.clinician()
    said = text(await browser.open("Kari Nordvik"))
    for part in ("Kari Nordvik", "kvinne, 47 år", "158779 12345", "Syntetisk", "Formål: Behandling"):
        assert part in said


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"purpose": "", "number": NUMBER}, "Velg et formål"),
        ({"purpose": "BTG", "number": NUMBER}, "må begrunnes"),
        ({"purpose": "TREAT", "basis": "AKUTT", "number": NUMBER}, "må begrunnes"),
        ({"purpose": "TREAT", "number": "123"}, "ikke et gyldig"),
        ({"purpose": "COC", "number": NUMBER}, "må begrunnes"),
    ],
)
async def test_a_wrong_choice_is_told_on_the_form(browser: Browser, fields: dict[str, str], says: str) -> None:
    page = await browser.clinician()
    answer = await browser.post(page, "/clinician/open", **({"basis": "", "patient": ""} | fields))
    assert answer.status_code == 400
    assert says in text(answer)
    kept = re.search(r'<input [^>]*id="number"[^>]*>', answer.text)
    assert kept
    assert f'value="{fields["number"]}"' in kept[0], "what she typed is not to be typed again"
    assert answer.headers["cache-control"] == "no-store"
    assert fields["number"] not in str(answer.url)


async def test_a_test_persons_number_is_told_as_such_where_there_are_real_people_alone(
    house: FakeHouse, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = MadeUp(alone=False)

    async def find(_: FakeHouse, __: object, number: str) -> int:
        production.keep_out(parse(number, strict=False))
        return 0

    monkeypatch.setattr(FakeHouse, "find", find)
    answer = await browser.post(
        await browser.clinician(), "/clinician/open", basis="", patient="", purpose="TREAT", number=NUMBER
    )
    assert answer.status_code == 400
    assert "en syntetisk testpersons" in text(answer)


async def test_what_must_be_justified_says_so_before_it_is_sent(browser: Browser) -> None:
    page = await browser.clinician()
    fields = dict(re.findall(r'name="purpose" value="(\w+)".*?<span class="quiet">(.*?)</span>', page.text))
    assert {purpose for purpose, told in fields.items() if "Må begrunnes" in told} == {"COC", "BTG"}
    assert "Akutt situasjon (må begrunnes)" in text(page)


async def test_a_post_from_a_tab_opened_for_another_patient_is_refused(house: FakeHouse, browser: Browser) -> None:
    await browser.clinician()
    kari = await browser.open("Kari Nordvik")
    per = await browser.open("Per Aasen")
    answer = await browser.post(kari, f"{kari.url.path}/acknowledge", report=as_shown(kari, "rep-urine"))
    assert answer.status_code == 409
    assert "En annen pasient er åpen" in text(answer)
    assert "fortsette med den pasienten" in text(answer), "he may be a man"
    crossed = await browser.post(kari, f"{per.url.path}/acknowledge", report=as_shown(kari, "rep-urine"))
    assert crossed.status_code == 409
    assert house.done == []


async def test_a_page_of_a_patient_that_was_left_cannot_be_read_again(browser: Browser) -> None:
    await browser.clinician()
    kari = await browser.open("Kari Nordvik")
    await browser.post(kari, f"{kari.url.path}/close")
    left = await browser.get(kari.url.path)
    assert left.status_code == 409 and "Ingen pasient er åpen" in text(left)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
async def test_a_post_from_another_site_is_refused(browser: Browser, house: FakeHouse, headers: dict[str, str]) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    body = {"token": token(page), "report": as_shown(page, "rep-urine")}
    answer = await browser.client.post(f"{page.url.path}/acknowledge", data=body, headers=headers)
    assert answer.status_code == 403
    assert house.done == []


@pytest.mark.parametrize("posted", ["", "rubbish", "AAAA"])
async def test_a_form_without_its_token_is_refused(browser: Browser, house: FakeHouse, posted: str) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    body = {"token": posted, "report": as_shown(page, "rep-urine")}
    answer = await browser.client.post(f"{page.url.path}/acknowledge", data=body)
    assert answer.status_code == 403
    assert house.done == []


async def test_acknowledging_from_a_stale_page_is_refused(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    later(house, session.STALE_MINUTES + 1)
    answer = await browser.post(page, f"{page.url.path}/acknowledge", report=as_shown(page, "rep-urine"))
    assert (answer.status_code, house.done) == (409, [])
    fresh = await browser.get(page.url.path)
    await browser.post(fresh, f"{page.url.path}/acknowledge", report=as_shown(fresh, "rep-urine"))
    assert house.done == [("acknowledged", "rep-urine")]


@pytest.mark.parametrize("posted", ["", "rep-urine", "another login's"])
async def test_a_report_that_this_login_was_not_shown_is_not_signed(
    browser: Browser, house: FakeHouse, posted: str
) -> None:
    await browser.clinician()
    if posted == "another login's":
        posted = as_shown(await browser.open("Kari Nordvik"), "rep-urine")
        await browser.clinician()
    page = await browser.open("Kari Nordvik")
    answer = await browser.post(page, f"{page.url.path}/acknowledge", report=posted)
    assert (answer.status_code, house.done) == (403, [])


def test_the_style_sheet_shows_a_page_as_stale_when_the_server_does() -> None:
    static = files("kjerne.pages").joinpath("static")
    seconds = re.search(r"grow-stale 0s linear (\d+)s", static.joinpath("kjerne.css").read_text("utf-8"))
    script = re.search(r"STALE_MS = ([\d_]+)", static.joinpath("kjerne.js").read_text("utf-8"))
    assert seconds
    assert script
    assert int(seconds[1]) == session.STALE_MINUTES * 60 == int(script[1]) // 1000


@pytest.mark.parametrize(
    ("name", "status", "says", "never"),
    [
        ("Liv Moen", 403, "Opplysningene er sperret", "Ingen prøvesvar er registrert"),
        ("Nils Dahl", 403, "Pasienten har blokkert deg", "Åpne sperren"),
        ("Ada Lien", 403, "Pasienten har reservert seg", "Åpne sperren"),
        ("Jon Berge", 503, "Kilden svarte ikke", "Ingen prøvesvar er registrert"),
        ("Per Aasen", 200, "Ingen prøvesvar er registrert", "svarte ikke"),
    ],
)
async def test_locked_silent_and_nothing_are_different_texts(
    browser: Browser, name: str, status: int, says: str, never: str
) -> None:
    await browser.clinician()
    page = await browser.open(name)
    assert page.status_code == status
    assert says in text(page)
    assert never not in text(page)
    assert name in text(page), "the identity bar stays, whatever the answer is"


async def test_what_changed_each_time_it_was_looked_at_is_not_told_as_a_source_that_is_silent(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.clinician()
    root = (await browser.open("Kari Nordvik")).url.path

    async def chart(who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        raise unsettled()

    monkeypatch.setattr(house, "chart", chart)
    page = await browser.get(root)
    assert (page.status_code, "Noe ble endret akkurat nå" in text(page)) == (503, True)
    assert "Prøv igjen" in text(page) and "svarte ikke" not in text(page).split("Noe ble endret")[1]
    assert "Kari Nordvik" in text(page)


async def typed(browser: Browser, number: str, **fields: str) -> httpx.Response:
    page = await browser.get("/clinician")
    filled = {"purpose": "TREAT", "basis": "", "patient": "", "number": number} | fields
    return await browser.choose(page, **filled)


def body(page: httpx.Response) -> str:
    """What the page says, without what is made anew for each."""
    return re.sub(r"[0-9a-f]{32}|value=\"[^\"]*\"|\d\d:\d\d", "", page.text)


async def test_a_number_that_nobody_has_and_a_stranger_end_in_the_same_page(browser: Browser) -> None:
    await browser.clinician()
    stranger, nobody = await typed(browser, UNRELATED), await typed(browser, "12345678901")
    assert stranger.status_code == nobody.status_code == 403
    assert "Du har ikke tilgang til denne pasienten" in text(stranger)
    assert body(stranger) == body(nobody)
    for part in ("Eva Strand", "36 år", "38 år", "218588", "Personen finnes ikke"):
        assert part not in text(stranger) + text(nobody)


async def test_a_protected_address_is_neither_named_nor_told_nor_opened_by_a_declared_need(browser: Browser) -> None:
    await browser.clinician()
    page = await typed(browser, PROTECTED)
    assert page.status_code == 403
    assert body(page) == body(await typed(browser, "12345678901")), "nothing tells her from somebody who is not there"
    page = await typed(browser, PROTECTED)
    after = await browser.post(page, f"{page.url.path}/declare", reason="Henvist fra legevakten i natt")
    assert after.status_code == 403
    assert "adresse" not in text(after)
    assert "Har du tjenstlig behov likevel?" in text(await typed(browser, UNRELATED))


@pytest.mark.parametrize("name", ["Nils Dahl", "Ada Lien"])
async def test_no_need_can_be_declared_against_a_block_or_an_opt_out(browser: Browser, name: str) -> None:
    await browser.clinician()
    assert "Erklær behov" not in text(await browser.open(name))


async def test_a_source_that_is_silent_is_named_beside_what_the_others_gave(browser: Browser) -> None:
    await browser.clinician()
    said = text(await browser.open("Kari Nordvik"))
    assert "Helse Vest svarte ikke." in said
    assert "2 svar er sperret av pasienten." in said
    assert "B-Hemoglobin" in said


async def test_a_lock_opens_on_declared_consent_with_a_reason_and_only_so(browser: Browser) -> None:
    await browser.clinician()
    locked = await browser.open("Liv Moen")
    page = await browser.get(f"{locked.url.path}/unlock")
    assert "Pasienten får se at du åpnet sperren" in text(page)
    assert "Administrasjon" not in text(page), "its form has no such choice"
    assert "Skriv minst 8 tegn" in text(page)
    for fields in ({}, {"basis": "SAMTYKKE"}, {"basis": "UNNTAK", "reason": "trenger svarene nå"}):
        assert (await browser.post(page, f"{locked.url.path}/unlock", **fields)).status_code == 400
    opened = await browser.post(page, f"{locked.url.path}/unlock", basis="SAMTYKKE", reason="Avklart med pasienten")
    assert opened.status_code == 200
    assert "Samtykke fra pasienten til kl. 11:12" in text(opened)


async def test_a_need_that_no_register_shows_can_be_declared_and_is_marked(browser: Browser) -> None:
    await browser.clinician()
    refused = await typed(browser, UNRELATED)
    opened = await browser.post(refused, f"{refused.url.path}/declare", reason="Henvist fra legevakten i natt")
    assert opened.status_code == 200
    assert "egenerklært behov" in text(opened)


async def test_corrected_withdrawn_ours_and_limits_are_shown_as_such(browser: Browser) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    assert re.search(r"<del>5,9</del> <span class=\"mark corrected\">rettet</span>", page.text)
    assert re.search(r"<del>4,80</del>.*?<span class=\"mark withdrawn\">trukket</span>", page.text, re.DOTALL)
    assert 'class="flag low ours"' in page.text
    assert "<\N{NARROW NO-BREAK SPACE}1" in unescape(page.text)


async def test_the_look_up_box_answers_and_counts_what_was_done_with_it(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    answer = await browser.post(page, f"{page.url.path}/done", asked="b-hba1c")
    assert "B-HbA1c: er tatt og kan brukes" in text(answer)
    assert f'<a href="{page.url.path}" aria-current="page">Prøvesvar</a>' in answer.text, "she is on the same tab"
    assert "18.02.2027" in text(answer)
    assert "47,5 mmol/mol" in text(answer), "as the reader writes numbers"
    told, shown = f"{page.url.path}/done/answer", hidden(answer, "shown")
    assert (await browser.post(answer, told, shown="q1", outcome="followed")).status_code == 403
    await browser.post(answer, told, shown=shown, outcome="overridden", reason="")
    assert house.done == [], "an override without a reason is not one"
    await browser.post(answer, told, shown=shown, outcome="overridden", reason="Ny medisin")
    assert house.done == [("overridden", "Ny medisin")]
    never = await browser.post(page, f"{page.url.path}/done", asked="P-Ferritin")
    assert "ingen tidligere svar som kan brukes, av det du kan se" in text(never)


@pytest.mark.parametrize(
    ("asked", "offered"), [("Hb", "B-HbA1c"), ("ferritin", "P-Ferritin"), ("b-hba1c dcct", "B-HbA1c")]
)
async def test_a_word_that_is_no_analysis_is_answered_with_a_choice_and_never_guessed_at(
    browser: Browser, house: FakeHouse, asked: str, offered: str
) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    answer = await browser.post(page, f"{page.url.path}/done", asked=asked)
    assert "Mente du en av disse?" in text(answer)
    assert f'name="asked" value="{offered}"' in answer.text
    assert "er tatt og kan brukes" not in text(answer)
    unknown = await browser.post(page, f"{page.url.path}/done", asked="x")
    assert "Mente du" not in text(unknown)


async def test_a_notice_of_a_corrected_result_waits_at_login_until_it_is_seen(browser: Browser) -> None:
    page = await browser.clinician()
    assert "P-Kalium" in text(page)
    assert "5,9 mmol/L" in text(page)
    assert "4,6 mmol/L" in text(page)
    assert re.search(r"P-Troponin T trukket Du så 48 ng/L \d\d\.11\.2026\. Svaret er trukket tilbake", text(page))
    childs = "B-Glukose Gjelder nyfødt barn, ikke pasienten selv rettet Du så 1,4 mmol/L"
    assert childs in text(page)
    assert text(page).count("Gjelder nyfødt barn") == 1
    assert "4 varsler om noe du har lest" in text(page)
    after = await browser.post(page, "/clinician/notice", number="n1")
    assert "5,9 mmol/L" not in text(after)
    assert "3 varsler om noe du har lest" in text(after)
    await browser.post(after, "/clinician/notice", number="n2")
    assert "Ett varsel om noe" in text(await browser.post(after, "/clinician/notice", number="n4"))


async def test_a_notice_about_somebody_she_may_not_open_says_when_she_read_it_and_of_whom_nothing(
    browser: Browser,
) -> None:
    page = await browser.clinician()
    row = next(li for li in re.findall(r"<li>.*?</li>", page.text, re.DOTALL) if "16.11.2026" in li)
    assert "Et svar du åpnet 16.11.2026, er endret. Åpne pasienten for å se hva som er nytt." in row
    assert 'name="patient"' not in row
    assert "16.11.2026" not in text(await browser.post(page, "/clinician/notice", number="n3"))


async def test_a_report_on_the_wrong_patient_is_told_without_what_it_said(browser: Browser) -> None:
    said = text(await browser.clinician())
    assert re.search(
        r"Per Aasen 22\.11\.2026 14:12 Svaret lå på feil pasient og er trukket tilbake trukket Du åpnet det 15", said
    )


async def test_who_may_act_for_whom_is_told_with_areas_and_the_last_day(browser: Browser) -> None:
    await browser.citizen()
    page = text(await browser.get("/me/representation"))
    assert "Emil Nordvik Foreldreansvar Kan se prøvesvar" in page
    assert "Siv Dahl Fullmakt: innsyn i opplysninger, noeNytt · til og med 31. januar 2027" in page


async def test_the_log_shows_names_and_never_numbers(browser: Browser) -> None:
    await browser.citizen()
    page = await browser.get("/me/log?show=all")
    assert "Ola Hagen" in text(page)
    assert "fikk ikke se" in text(page)
    assert "Så: 1 svar, 1 resultat " in text(page)
    assert "Akutt situasjon der alt som er sperret, åpnes" in text(page)
    assert not re.search(r"\b\d{11}\b", text(page))


async def test_a_delayed_result_is_said_to_be_coming_and_not_what_it_says(browser: Browser) -> None:
    said = text(await browser.citizen())
    assert "Et prøvesvar" in said
    assert "Vevsprøve" not in said
    assert "Vises 2. desember 2026" in said


@pytest.mark.parametrize("language", ["nb", "nn", "en", "se"])
async def test_every_page_speaks_every_language(browser: Browser, language: str) -> None:
    await browser.clinician()
    await browser.get(f"/language?to={language}&back=/")
    page = await browser.open("Kari Nordvik")
    assert f'<html lang="{"nb" if language == "se" else language}">' in page.text
    assert ("11.1" if language == "en" else "11,1") in text(page)


async def test_a_refusal_gives_its_rule_in_the_readers_language(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    await browser.get("/language?to=en&back=/")
    house.rules[8] = "address-protected"
    said = text(await browser.open("Emil Nordvik"))
    assert says("address-protected", "en") in said
    assert says("address-protected", "nb") not in said


async def test_what_a_laboratory_wrote_is_marked_as_norwegian_on_an_english_page(browser: Browser) -> None:
    await browser.clinician()
    root = (await browser.open("Kari Nordvik")).url.path
    await browser.get("/language?to=en&back=/")
    page = await browser.get(f"{root}/report/rep-ct")
    assert re.search(r'<p class="prose"><span lang="no">R: Ingen holdepunkter', page.text)
    assert re.search(r'<a href="[^"]+" lang="no">B-Hemoglobin</a>', (await browser.get(root)).text)
    assert '<i lang="la">Escherichia coli</i>' in (await browser.get(f"{root}/report/rep-urine")).text


async def test_a_page_that_reads_bokmal_for_northern_sami_has_no_word_in_another_language(browser: Browser) -> None:
    await browser.citizen()
    await browser.get("/language?to=se&back=/")
    page = await browser.get("/me")
    assert '<html lang="nb">' in page.text
    assert "desember 2026" in text(page), "dates are said in the language of the page, not of the wish"
    assert '<a href="/language?to=se&amp;back=%2Fme" hreflang="se" lang="se" aria-current="true">' in page.text
    assert ' lang="no"' not in page.text


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "x"])
async def test_the_language_switch_leads_nowhere_else(browser: Browser, back: str) -> None:
    answer = await browser.client.get("/language", params={"to": "nn", "back": back}, follow_redirects=False)
    assert answer.headers["location"] == "/"


async def test_the_language_switch_leads_back_to_where_the_reader_was(browser: Browser) -> None:
    page = await browser.get("/login?to=me")
    link = re.search(r'href="(/language\?to=en[^"]+)"', page.text)
    assert link
    assert unquote(unescape(link[1])).endswith("back=/login?to=me")


class Hostile(FakeHouse):
    """A house whose every text tries to become markup (trust.md 1.1.5: attest texts may carry XSS)."""

    async def chart(self, who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        chart = await super().chart(who, visit, shows)
        for resource in (*chart.observations, *chart.reports):
            resource.get("code", {})["text"] = EVIL
            for note in resource.get("performer", []):
                note["display"] = EVIL
            if "valueCodeableConcept" in resource:
                resource["valueCodeableConcept"]["text"] = EVIL
        return chart

    async def summary(self, who: Identity, visit: Visit, language: str) -> Made:
        made = await super().summary(who, visit, language)
        told = {
            "resourceType": EVIL,
            "code": {"text": EVIL, "coding": [{"system": EVIL, "code": EVIL, "display": EVIL}]},
        }
        return replace(made, document={"entry": [{"fullUrl": EVIL, "resource": told}]})


EVIL = "\"'><script>alert(1)</script><svg onload=alert(1)>{{7*7}}"


async def test_hostile_texts_stay_texts() -> None:
    clock = FixedClock(NOW)
    browser = Browser(pages_app(Hostile(clock), FakeDoor(clock), key=bytes(32), clock=clock, secure=False))
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    paths = {link for link in re.findall(r'href="(/clinician/v/[^"#?]+)', opened.text) if "/v/" in link}
    assert len(paths) > 5
    for path in paths:
        page = await browser.get(path)
        assert "<script>alert" not in page.text, path
        assert "<svg onload" not in page.text, path
        assert "{{7*7}}" in unescape(page.text) or "unlock" in path or "/critical" in path or "/documents" in path


async def test_a_form_that_is_too_long_or_no_form_is_refused(browser: Browser) -> None:
    page = await browser.clinician()
    long = await browser.post(page, "/clinician/open", reason="x" * 40_000)
    assert long.status_code == 413
    as_json = await browser.client.post("/clinician/open", json={"token": token(page)})
    assert as_json.status_code == 415
    many = await browser.client.post("/clinician/open", data={f"f{n}": "1" for n in range(60)})
    assert many.status_code == 400


@pytest.mark.parametrize("path", ["/nothing", "/clinician/nothing", "/static/nothing.css"])
async def test_an_unknown_page_is_told_in_a_page(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "content-security-policy" in answer.headers
    assert "Traceback" not in answer.text


async def test_the_sheet_says_who_printed_it_about_whom_and_when(browser: Browser) -> None:
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    said = text(await browser.get(f"{opened.url.path}/print"))
    for part in (
        "Skrevet ut av Ola Hagen",
        "Kari Nordvik",
        "23.11.2026 10:12",
        "Helse Vest svarte ikke",
        "Escherichia coli",
    ):
        assert part in said
