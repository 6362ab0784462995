"""A form says yes to what was shown, over the real platform: what came while the page stood open is not signed by it."""

from __future__ import annotations

import re
import secrets

from kjerne.fhir.encode import encode
from pages.browser import hidden
from pages.test_live import a_report, by_fhir, send, tab, text
from platform_fixture import Standing
from words import fresh

STALE = "Siden var for gammel til å handle på"
FERRITIN = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU19763"}], "text": "P-Ferritin"}


def test_a_version_that_came_while_the_page_was_open_is_not_signed(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    hers = platform.persona("gp").hpr.encode()

    def sent(value: str, *, corrects: bool = False) -> None:
        raw = a_report(nin, mark, value, corrects=corrects, analysis=f"P-Prøve {mark}")
        send(platform, raw.replace(b"7654321", hers))

    sent("140")
    with tab(platform, "gp") as it:
        listed = it.type(nin)
        at = listed.url.path
        link = re.search(rf'href="([^"]+/report/[^"]+)">(?:(?!</li>).)*{mark}', listed.text, re.DOTALL)
        assert link, "it waits for her"
        first = it.get(link[1])
        sent("151", corrects=True)
        answer = it.post(first, f"{at}/acknowledge", report=hidden(first, "report"))
        assert answer.status_code == 409
        assert STALE in text(answer)
        page = it.get(first.url.path)
        assert "151" in text(page) and "Kvitter" in text(page), "it waits for her still"
        it.post(page, f"{at}/acknowledge", report=hidden(page, "report"))
        assert "Kvittert" in text(it.get(first.url.path))


def test_a_result_that_changes_by_fhir_is_not_signed_unseen_and_makes_its_report_unread_again(
    platform: Standing,
) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    raw = a_report(nin, mark, "140", analysis=name)
    send(platform, raw.replace(b"7654321", platform.persona("gp").hpr.encode()))

    def measured(value: int) -> None:
        """What the laboratory's own system writes over its result."""
        form = [("code", f"NPU9{int(mark, 16) % 10_000:04}")]
        (tree,) = platform.search("Observation", form, purpose="TREAT").resources()
        tree = tree | {"status": "corrected", "valueQuantity": tree["valueQuantity"] | {"value": value}}
        headers = {"content-type": "application/fhir+json", "if-match": f'W/"{tree["meta"]["versionId"]}"'}
        answer = platform.client.call(
            "PUT", f"/fhir/R4/Observation/{tree['id']}", as_="lab", body=encode(tree), headers=headers
        )
        assert answer.status_code == 200, answer.text

    with tab(platform, "gp") as it:
        listed = it.type(nin)
        at = listed.url.path
        link = re.search(rf'href="([^"]+/report/[^"]+)">(?:(?!</li>).)*{mark}', listed.text, re.DOTALL)
        assert link, "it waits for her"
        first = it.get(link[1])
        measured(99)
        answer = it.post(first, f"{at}/acknowledge", report=hidden(first, "report"))
        assert (answer.status_code, STALE in text(answer)) == (409, True)
        for value in (99, 98):
            page = it.get(first.url.path)
            assert str(value) in text(page) and "Kvittert" not in text(page), "it waits for her"
            it.post(page, f"{at}/acknowledge", report=hidden(page, "report"))
            assert "Kvittert" in text(it.get(first.url.path))
            measured(value - 1)


def test_an_answer_whose_result_has_changed_is_neither_followed_nor_overridden(platform: Standing) -> None:
    day = f"{platform.clock.now():%Y-%m-%dT00:00:00Z}"
    result = {"code": FERRITIN, "effectiveDateTime": day}
    id_ = by_fhir(platform, "", "40", **result)
    with tab(platform, "gp") as it:
        at = it.type(platform.nin("citizen")).url.path
        asked = it.post(it.get(at), f"{at}/done", asked="Ferritin")
        told = {"shown": hidden(asked, "shown"), "reason": "Ny medisin"}
        by_fhir(platform, "", "400", id_, 1, status="corrected", **result)
        for outcome in ("followed", "overridden"):
            answer = it.post(asked, f"{at}/done/answer", outcome=outcome, **told)
            assert (answer.status_code, STALE in text(answer)) == (409, True), outcome
        again = it.post(it.get(at), f"{at}/done", asked="Ferritin")
        answer = it.post(again, f"{at}/done/answer", shown=hidden(again, "shown"), outcome="followed")
        assert answer.status_code == 200


def test_what_has_to_be_read_is_never_said_to_be_usable_and_shows_its_comment(platform: Standing) -> None:
    day = f"{platform.clock.now():%Y-%m-%dT00:00:00Z}"
    potassium = {"coding": [{"system": FERRITIN["coding"][0]["system"], "code": "NPU03230"}], "text": "P-Kalium"}
    high = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "H"}]}]
    by_fhir(
        platform, "", "9", of="new-mother", status="corrected", code=potassium, effectiveDateTime=day,
        interpretation=high, note=[{"text": "Merket med et annet navn. Bruk ikke svaret"}],
    )  # fmt: skip
    with tab(platform, "gp") as it:
        at = it.type(platform.nin("new-mother")).url.path
        asked = it.post(it.get(at), f"{at}/done", asked="Kalium")
        box = text(asked).partition("Allerede tatt?")[2]
    assert re.search(r"Kalium: svar finnes, les det først .*over .*9 mmol/L .*rettet .*Bruk ikke svaret", box)
    assert "kan brukes" not in box and "Bruk svaret som finnes" not in box


def test_what_is_not_answered_for_good_is_said_to_be_waited_for(platform: Standing) -> None:
    now = platform.clock.now()
    sodium = {"coding": [{"system": FERRITIN["coding"][0]["system"], "code": "NPU03429"}], "text": "P-Natrium"}
    by_fhir(
        platform,
        "",
        "139",
        of="pregnant",
        status="preliminary",
        code=sodium,
        effectiveDateTime=f"{now:%Y-%m-%dT00:00:00Z}",
    )
    with tab(platform, "gp") as it:
        at = it.type(platform.nin("pregnant")).url.path
        box = text(it.post(it.get(at), f"{at}/done", asked="Natrium")).partition("Allerede tatt?")[2]
    assert re.search(
        r"Natrium: bestilt eller tatt \d\d\.\d\d\.\d{4}, venter på endelig svar .*139 mmol/L foreløpig", box
    )


def test_two_results_of_one_day_are_told_apart_by_the_clock_where_they_are_listed(platform: Standing) -> None:
    nin, mark = platform.nin("pregnant"), secrets.token_hex(4)
    hers = platform.persona("gp").hpr.encode()
    for value, hour in (("140", b"07:10"), ("151", b"16:40")):
        raw = a_report(nin, mark, value, analysis=f"P-Prøve {mark}").replace(b"7654321", hers)
        raw = raw.replace(f"R-{mark}".encode(), f"R-{mark}-{value}".encode())
        send(platform, raw.replace(b"2026-03-02T08:15", b"2026-03-05T" + hour))
    with tab(platform, "gp") as it:
        page = it.type(nin)
    unread = text(page).partition("Venter på kvittering")[2].partition("Allerede tatt?")[0]
    assert "tatt 05.03.2026 07:10" in unread and "tatt 05.03.2026 16:40" in unread
    rows = re.findall(r'<li class="stack-row">.*?</li>', page.text, re.DOTALL)
    (row,) = (" ".join(re.sub("<[^>]+>", " ", one).split()) for one in rows if mark in one)
    assert re.search(r"151 .*05\.03\.2026 16:40 .*05\.03\.2026 07:10 .*140", row)


def test_a_flag_that_is_a_bare_number_is_called_a_code_and_not_a_part_of_the_value(platform: Standing) -> None:
    name = f"P-Prøve {fresh()}"
    flag = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8244", "code": "9"}]}
    by_fhir(platform, name, "4", interpretation=[flag])
    with tab(platform, "gp") as it:
        page = text(it.type(platform.nin("citizen")))
    assert re.search(rf"{name} .*?merket med koden 9 4 ", page)
    with tab(platform, "citizen", "me") as it:
        hers = text(it.get("/me/results"))
    assert "Laboratoriet har merket svaret med koden 9, som vi ikke kjenner." in hers
