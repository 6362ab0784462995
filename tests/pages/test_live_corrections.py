"""Corrections as their readers meet them, over the real platform: told once, old value in sight, under the law."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from kjerne.access import Label
from kjerne.pages import live_desk
from pages.test_live import DAY, Tab, a_report, blocked, by_fhir, filed, seen, send, tab, text
from pages.test_live_lists import key_of
from platform_fixture import Standing


def test_a_correction_is_told_once_with_old_and_new_and_read_under_the_law(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    send(platform, a_report(nin, mark, "140", analysis=f"P-Prøve {mark}"))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        send(platform, a_report(nin, mark, "151", corrects=True, analysis=f"P-Prøve {mark}"))
        since = platform.clock.now()
        desk = it.get("/clinician")
        said = text(desk)
        assert said.count(mark) == 1
        assert re.search(rf"P-Prøve {mark} rettet Du så 140 mmol/L {DAY}. Svaret er nå 151 mmol/L", said)
        rows = platform.rows(
            "SELECT * FROM audit WHERE caller_hpr = $1 AND at >= $2 AND ids <> '{}'", platform.persona("gp").hpr, since
        )
        assert rows
        assert {row["purpose"] for row in rows} == {"TREAT"}
        with blocked(platform, "citizen", "gp"):
            shut = text(it.get("/clinician"))
        assert mark not in shut, "a blocked doctor's desk names nobody"
        assert "Et svar du åpnet" in shut
        number = re.search(rf'name="number" value="([^"]+)"><button[^>]*P-Prøve {mark}', desk.text)
        assert number
        assert mark not in text(it.post(desk, "/clinician/notice", number=number[1]))


def test_a_correction_that_is_not_signed_is_corrected_and_unsettled_on_every_page_and_in_the_notice(
    platform: Standing,
) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    send(platform, a_report(nin, mark, "140", analysis=name))
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        assert mark in text(it.type(nin))
        unsigned = a_report(nin, mark, "149", corrects=True, analysis=name)
        send(platform, unsigned.replace(b"<StatusInvestigation V='3'/>", b"<StatusInvestigation V='10'/>"))
        assert re.search(
            rf"{name} rettet uavklart Du så 140 mmol/L {DAY}. Svaret er nå 149", text(it.get("/clinician"))
        )
        sheet = it.type(nin)
        row = re.search(rf'href="([^"]+)/trend/([^"]+)"[^>]*>{name}', sheet.text)
        assert row
        for page in (sheet, it.get(f"{row[1]}/trend/{row[2]}"), it.get(f"{row[1]}/print")):
            assert re.search(rf"{name[2:]}.*?149.*?140 rettet uavklart", text(page)), page.url
        said = text(own.get(f"/me/trend/{row[2]}"))
    assert "rettet" in said.casefold()
    assert "Laboratoriet har ikke sagt om svaret er endelig." in said


def test_a_corrected_analysis_is_told_with_both_names_and_units_as_the_tables_write_them(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    first = a_report(nin, mark, "88", analysis=f"P-Feil {mark}").replace(b"mmol/L", b"mg/L")
    code = f"NPU9{int(mark, 16) % 10_000:04}".encode()
    second = a_report(nin, mark, "88", corrects=True, analysis=f"B-Rett {mark}").replace(b"mmol/L", b"10*9/L")
    second = second.replace(code, b"NPU02593")
    send(platform, first)
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        send(platform, second)
        told = rf"B-Rett {mark} rettet Du så P-Feil {mark} 88 mg/L {DAY}. Svaret er nå 88 10⁹/L"
        assert re.search(told, text(it.get("/clinician")))
        said = text(it.type(nin))
    assert f"rettet til B-Rett {mark}" in said
    assert f"før rettelsen: P-Feil {mark} 88 mg/L rettet" in said


def test_a_correction_to_another_unit_is_shown_with_no_unit_but_its_own_on_every_page(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    send(platform, a_report(nin, mark, "70", analysis=name).replace(b"mmol/L", b"%"))
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        sheet = it.type(nin)
        old = re.search(rf'href="([^"]+/trend/[^"]+)"[^>]*>{name}', sheet.text)
        send(platform, a_report(nin, mark, "2.5", corrects=True, analysis=name).replace(b"U='mmol/L'", b"U='0'"))
        sheet = it.get(sheet.url.path)
        new = re.search(rf'href="([^"]+)/trend/([^"]+)"[^>]*>{name}', sheet.text)
        assert old and new and old[1] != f"{new[1]}/trend/{new[2]}", "another unit is another row"
        trend = it.get(f"{new[1]}/trend/{new[2]}")
        for page in (sheet, trend, it.get(f"{new[1]}/print"), own.get(f"/me/trend/{new[2]}")):
            said = text(page)
            assert re.search(rf"{name[2:]}.*?2,5(?! ?%).*?70 %", said), page.url
            assert not re.search(rf"{name[2:]} %", said), page.url
        assert 'data-unit="%"' not in trend.text


def test_of_two_corrections_one_is_told_from_what_was_read_to_what_is(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    send(platform, a_report(nin, mark, "140", analysis=name))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        send(platform, a_report(nin, mark, "151", corrects=True, analysis=name))
        send(platform, a_report(nin, mark, "160", corrects=True, analysis=name, day=22))
        desk = it.get("/clinician")
        assert re.search(rf"{name} rettet Du så 140 mmol/L {DAY}. Svaret er nå 160 mmol/L", text(desk))
        assert (text(desk).count(mark), "151" in text(desk)) == (1, False)
        send(platform, a_report(nin, mark, "140", corrects=True, analysis=name, day=23))
        desk = it.get("/clinician")
        told = rf"{name} rettet Du så 160 mmol/L {DAY}. Svaret er nå 140 mmol/L"
        assert re.search(told, text(desk)), "her desk had told her of 160"
        assert mark not in text(seen(it, desk, name)), "with the newest notice of a result the earlier ones are seen"


def test_a_correction_back_to_what_was_read_is_not_told(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    send(platform, a_report(nin, mark, "140", analysis=name))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        send(platform, a_report(nin, mark, "151", corrects=True, analysis=name))
        send(platform, a_report(nin, mark, "140", corrects=True, analysis=name, day=22))
        assert mark not in text(it.get("/clinician"))


def test_a_change_back_to_what_was_read_is_read_once_and_never_told(platform: Standing) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    with tab(platform, "gp") as it:
        assert name in text(it.type(nin))
        by_fhir(platform, name, "151", id_, 1, status="corrected")
        by_fhir(platform, name, "140", id_, 2, status="corrected")
        since = platform.clock.now()
        for _ in range(2):
            assert name not in text(it.get("/clinician"))
        looks = platform.rows("SELECT 1 FROM audit WHERE at >= $1 AND $2 = ANY(ids)", since, UUID(id_))
        assert len(looks) == 1
    assert not platform.rows("SELECT 1 FROM notice WHERE id = $1 AND seen_at IS NULL", UUID(id_))


def test_changes_that_are_not_told_never_take_the_place_of_one_that_is(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    ids = [by_fhir(platform, f"P-Prøve {mark} {place}", "140") for place in range(4)]
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        by_fhir(platform, f"P-Prøve {mark} 0", "151", ids[0], 1, status="corrected")
        for place in (1, 2, 3):
            by_fhir(platform, f"P-Prøve {mark} {place}", "151", ids[place], 1, status="corrected")
            by_fhir(platform, f"P-Prøve {mark} {place}", "140", ids[place], 2, status="corrected")
        monkeypatch.setattr(live_desk, "NOTICES_LOOKED_AT", 2)
        said = text(it.get("/clinician"))
    assert "Ett varsel om noe du har lest" in said
    assert said.count(mark) == 1
    assert f"P-Prøve {mark} 0 rettet" in said


def test_corrections_by_fhir_of_one_patient_are_one_notice_that_leads_to_each(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    names = [f"P-Prøve {mark} {place}" for place in range(3)]
    ids = [by_fhir(platform, name, "140") for name in names]
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        for id_, name in zip(ids, names, strict=True):
            by_fhir(platform, name, "151", id_, 1, status="corrected")
        desk = it.get("/clinician")
        assert "Ett varsel om noe du har lest" in text(desk)
        assert desk.text.count('action="/clinician/notice"') == 1
        for name in names:
            assert re.search(rf"{name} rettet Du så 140 mmol/L {DAY}. Svaret er nå 151 mmol/L", text(desk))
        by_fhir(platform, names[0], "160", ids[0], 2, status="corrected")
        after = seen(it, desk, names[2])
        assert re.search(rf"{names[0]} rettet Du så 151 mmol/L {DAY}. Svaret er nå 160 mmol/L", text(after))
        assert not [name for name in names[1:] if name in text(after)], "what came after she looked is open still"


def test_what_is_shut_among_many_corrections_is_told_apart_and_stays_open(platform: Standing) -> None:
    """Else it would go with the button of what she read, and her record would be known to have something shut in it."""
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    shown, hidden = (by_fhir(platform, f"P-Prøve {mark} {place}", "140") for place in range(2))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        for place, id_ in enumerate((shown, hidden)):
            by_fhir(platform, f"P-Prøve {mark} {place}", "151", id_, 1, status="corrected")
        platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(hidden), int(Label.RESTRICTED))
        desk = it.get("/clinician")
        assert f"{mark} 0 rettet" in text(desk)
        assert f"{mark} 1" not in text(desk)
        assert text(desk).count("Et svar du åpnet") == 1
        after = text(seen(it, desk, f"P-Prøve {mark} 0"))
        assert (mark in after, after.count("Et svar du åpnet")) == (False, 1)


def test_of_many_patients_the_number_is_told_and_the_rest_is_one_press_away(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, patients = secrets.token_hex(4), ("citizen", "new-mother", "pregnant")
    ids = [by_fhir(platform, f"P-Prøve {mark} {place}", "140", of=one) for place, one in enumerate(patients)]
    with tab(platform, "gp") as it:
        for one in patients:
            assert mark in text(it.type(platform.nin(one)))
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        for place, id_ in enumerate(ids):
            by_fhir(platform, f"P-Prøve {mark} {place}", "151", id_, 1, status="corrected")
        monkeypatch.setattr(live_desk, "NOTICES_SHOWN", 2)
        first = it.get("/clinician")
        assert "3 varsler om noe du har lest" in text(first)
        assert [f"{mark} {place} rettet" in text(first) for place in range(3)] == [False, True, True]
        onward = re.search(r'href="(/clinician\?[^"]*notices=2)#notices"', first.text)
        assert onward
        rest = it.get(unescape(onward[1]))
        assert [f"{mark} {place} rettet" in text(rest) for place in range(3)] == [True, False, False]
        monkeypatch.setattr(live_desk, "NOTICES_LOOKED_AT", 2)
        assert "Her er de 2 nyeste. Enda flere venter" in text(it.get("/clinician"))


def test_a_correction_by_fhir_is_told_and_keeps_the_old_value_in_sight(platform: Standing) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        assert name in text(it.type(nin))
        by_fhir(platform, name, "151", id_, 1, status="corrected")
        desk = it.get("/clinician")
        assert re.search(rf"{name} rettet Du så 140 mmol/L {DAY}. Svaret er nå 151 mmol/L", text(desk))
        assert name not in text(seen(it, desk, name))
        assert re.search(rf"{name}.*? 151 .*?før rettelsen: 140 rettet", text(it.type(nin)))
        (row,) = platform.rows(
            "SELECT ids, versions FROM audit WHERE caller_hpr = $1 AND action = 'search' AND service = 'results' "
            "ORDER BY at DESC LIMIT 1",
            platform.persona("gp").hpr,
        )
        assert [v for i, v in zip(row["ids"], row["versions"], strict=True) if str(i) == id_] == [2, 1]
        listed = own.get("/me/results")
        trend = re.search(rf'href="(/me/trend/\w+)"[^>]*>(?:(?!</a>).)*{name[2:]}', listed.text, re.DOTALL)
        assert trend
        assert "Før rettelsen sto det: 140" in text(own.get(trend[1]))


def test_a_file_that_is_replaced_by_fhir_in_report_and_binary_is_told_once(platform: Standing) -> None:
    name = f"Skannet {secrets.token_hex(4)}"
    old, new = ({"contentType": "application/pdf", "data": b64encode(data).decode()} for data in (b"%PDF-1", b"%PDF-2"))
    binary = filed(platform, {"resourceType": "Binary"} | old)
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": name}, "conclusion": "Se vedlegg"}
    id_ = filed(platform, report | {"presentedForm": [{"url": f"Binary/{binary}"}, old]})
    with tab(platform, "gp") as it:
        visit = it.type(platform.nin("citizen"))
        assert it.get(f"{visit.url.path}/report/{id_}/file/{binary}").content == b"%PDF-1"
        filed(platform, {"resourceType": "Binary"} | new, binary)
        filed(platform, report | {"presentedForm": [{"url": f"Binary/{binary}"}, new]}, id_)
        told = rf" rettet Du så svaret {DAY}\. Et vedlegg er siden byttet ut eller tatt bort\."
        desk = text(it.get("/clinician"))
        assert len(re.findall(name + told, desk)) == 1
        assert not re.search("Vedlegg" + told, desk), "the file is a part of the report"
        assert f"{name} rettet" in text(it.get(f"{visit.url.path}/report/{id_}"))


def test_a_result_that_is_taken_back_by_fhir_is_told_and_stays_struck(platform: Standing) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        assert name in text(it.type(nin))
        by_fhir(platform, name, "140", id_, 1, status="entered-in-error")
        said = text(it.get("/clinician"))
        assert re.search(rf"{name} trukket Du så 140 mmol/L {DAY}. Svaret er trukket tilbake", said)
        for page in (it.type(nin), own.get("/me/results")):
            row = re.search(rf"{name[2:]}.*?<del>140</del>", page.text, re.DOTALL)
            assert row, page.url


def test_what_the_patient_shuts_after_a_correction_by_fhir_shows_neither_value(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_desk, "OWN_LIMIT", 0)  # her name on the doctor's list is a look of its own
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    with tab(platform, "gp") as it:
        assert name in text(it.type(nin))
        by_fhir(platform, name, "151", id_, 1, status="corrected")
        platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(id_), int(Label.RESTRICTED))
        since = platform.clock.now()
        desk = text(it.get("/clinician"))
        assert name not in desk
        assert "Et svar du åpnet" in desk, "that it was changed she hears all the same"
        looks = platform.rows(
            "SELECT ids FROM audit WHERE at >= $1 AND caller_hpr = $2", since, platform.persona("gp").hpr
        )
        assert all(row["ids"] for row in looks), "where nothing was shown there is no line of a look"
        assert name not in text(it.type(nin))
    with blocked(platform, "citizen", "gp"), tab(platform, "gp") as it:
        assert name not in text(it.get("/clinician"))


@pytest.mark.parametrize("ground", ["a declared need", "a broken glass"])
def test_a_reader_with_no_standing_ground_hears_of_a_correction_without_a_name(platform: Standing, ground: str) -> None:
    def opened(it: Tab) -> httpx.Response:
        reason = "Henvist fra legevakten"
        return it.declare(nin, reason) if ground == "a declared need" else it.type(nin, purpose="BTG", reason=reason)

    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    person = platform.persona("citizen")
    send(platform, a_report(nin, mark, "140", analysis=f"P-Prøve {mark}"))
    with tab(platform, "outsider") as it:
        assert mark in text(opened(it))
        send(platform, a_report(nin, mark, "151", corrects=True, analysis=f"P-Prøve {mark}"))
        since = platform.clock.now()
        desk = it.get("/clinician")
        said = text(desk)
        assert re.search(r"Et svar du åpnet \d\d\.\d\d\.\d{4}, er endret\.", said)
        for told in (mark, person.person_name, nin[:6]):
            assert told not in said
        key = platform.run(key_of(platform, "citizen"))
        assert not platform.rows(
            "SELECT 1 FROM audit WHERE at >= $1 AND caller_hpr <> '' AND patient = $2", since, key
        ), "of others she sees her own list"
        number = re.search(r'name="number" value="([^"]+)"', desk.text)
        assert number
        after = it.post(desk, "/clinician/notice", number=number[1])
        assert desk.text.count("Et svar du åpnet") == after.text.count("Et svar du åpnet") + 1
        assert "rettet" in text(opened(it))


def test_a_report_moved_from_the_wrong_patient_is_told_to_reader_and_patient(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_desk, "OWN_LIMIT", 0)  # the notice alone names her without a record
    wrong, right, mark = platform.nin("citizen"), platform.nin("new-mother"), secrets.token_hex(4)
    send(platform, a_report(wrong, mark, "140", analysis=f"P-Flyttet {mark}"))
    name = platform.persona("citizen").person_name
    with tab(platform, "gp") as it:
        assert mark in text(it.type(wrong))
        send(platform, a_report(right, mark, "141", corrects=True, analysis=f"P-Flyttet {mark}"))
        since = platform.clock.now()
        said = text(it.get("/clinician"))
        assert re.search(rf"{name} [\d. :]+ Svaret lå på feil pasient og er trukket tilbake", said)
        assert platform.rows(
            "SELECT number FROM audit WHERE patient = $1 AND caller_hpr = $2 AND at >= $3 AND ids = '{}' AND outcome = 0",
            platform.run(key_of(platform, "citizen")),
            platform.persona("gp").hpr,
            since,
        ), "her name alone is a look too"
        assert mark not in said, "what it was about is another's"
        assert re.search(r"Du åpnet det \d\d\.\d\d\.\d{4} \d\d:\d\d\.", said)
    with tab(platform, "citizen", "me") as it:
        log = text(it.get("/me/log?show=all"))
    assert "Trakk tilbake: 1 svar, 1 resultat" in log or "Trakk tilbake: 1 resultat, 1 svar" in log
    assert "sendt inn på feil person" in log


def test_a_notice_of_several_reports_of_the_wrong_patient_says_how_many_and_when_each_was_opened(
    platform: Standing,
) -> None:
    wrong, right = platform.nin("pregnant"), platform.nin("new-mother")
    marks = [secrets.token_hex(4) for _ in range(3)]
    for mark in marks:
        send(platform, a_report(wrong, mark, "140", analysis=f"P-Flyttet {mark}"))
    with tab(platform, "gp") as it:
        assert all(mark in text(it.type(wrong)) for mark in marks)
        for mark in marks:
            send(platform, a_report(right, mark, "141", corrects=True, analysis=f"P-Flyttet {mark}"))
        said = text(it.get("/clinician"))
    told = re.search(
        r"3 svar lå på feil pasient og er trukket tilbake trukket Du åpnet dem ([^:]+:\d\d(?:, [^.,]+)?)", said
    )
    assert told, "one notice, of three"
    assert all(mark not in said for mark in marks)


HIGH = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "H"}]}]
MORNING, EVENING = "2026-11-20T08:00:00+01:00", "2026-11-20T20:00:00+01:00"


@pytest.mark.parametrize(
    ("before", "after", "then", "now"),
    [
        ({"interpretation": HIGH}, {}, "merket høy", "uten merke"),
        ({}, {"interpretation": HIGH}, "uten merke", "merket høy"),
        (
            {"referenceRange": [{"low": {"value": 137}, "high": {"value": 145}}]},
            {"referenceRange": [{"low": {"value": 130}, "high": {"value": 145}}]},
            "referanseområde 137–145",
            "referanseområde 130–145",
        ),
        ({}, {"effectiveDateTime": EVENING}, "tatt 20.11.2026 08:00", "tatt 20.11.2026 20:00"),
        ({"method": {"text": "Gammel"}}, {"method": {"text": "Ny"}}, "metode Gammel", "metode Ny"),
        (
            {"specimen": {"display": "Serum"}},
            {"specimen": {"display": "Plasma"}},
            "materiale Serum",
            "materiale Plasma",
        ),
    ],
)
def test_what_a_reading_hangs_on_is_told_and_shown_as_a_value_is_when_fhir_corrects_it(
    platform: Standing, before: dict[str, Any], after: dict[str, Any], then: str, now: str
) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140", **before)
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        assert name in text(it.type(nin))
        by_fhir(platform, name, "140", id_, 1, status="corrected", **after)
        desk = it.get("/clinician")
        told = rf"{name} rettet Du så 140 mmol/L {DAY}. Siden er rettet: {then} , nå {now} \."
        assert re.search(told, re.sub(r"(?<=\d\d\d\d), (?=\d\d:)| kl\. ", " ", text(desk))), text(desk)[:3000]
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row
        assert "før rettelsen:" in row[1]
        assert f"<del>{then[:20]}" in row[1]
        listed = own.get("/me/results")
        trend = re.search(rf'href="(/me/trend/\w+)"[^>]*>(?:(?!</a>).)*{name[2:]}', listed.text, re.DOTALL)
        assert trend
        assert f"Før rettelsen sto det: {then[:15]}" in text(own.get(trend[1]))


@pytest.mark.parametrize(
    ("before", "after", "then", "now"),
    [
        (b"", b"<DevResultInd V='1'/>", "uten merke", "merket høy"),
        (b"<DevResultInd V='1'/>", b"", "merket høy", "uten merke"),
        (
            b"<RefInterval><Descr>137 - 145</Descr></RefInterval>",
            b"<RefInterval><Descr>130 - 145</Descr></RefInterval>",
            "referanseområde 137–145",
            "referanseområde 130–145",
        ),
        (b"DN='Serum'", b"DN='Plasma'", "materiale Serum", "materiale Plasma"),
        (b"T08:15:00", b"T20:15:00", "tatt 02.03.2026 08:15", "tatt 02.03.2026 20:15"),
    ],
)
def test_what_a_reading_hangs_on_is_told_and_shown_when_a_message_corrects_it(
    platform: Standing, before: bytes, after: bytes, then: str, now: str
) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"

    def sent(what: bytes, *, corrects: bool) -> bytes:
        raw = a_report(nin, mark, "140", corrects=corrects, analysis=name)
        if before and before in raw:
            raw = raw.replace(before, what)
        else:
            raw = raw.replace(b"</Investigation>", b"</Investigation>" + what)
        return raw.replace(b"V='S'", b"V='P'") if b"Plasma" in what else raw

    send(platform, sent(before, corrects=False))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        send(platform, sent(after, corrects=True))
        told = rf"{name} rettet Du så 140 mmol/L {DAY}. Siden er rettet: {then} , nå {now} \."
        assert re.search(told, text(it.get("/clinician")))
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row and f"<del>{then[:20]}" in row[1]


def a_result(name: str) -> dict[str, Any]:
    """A result that leaves it to its specimen to say when that was taken."""
    value = {"value": 140, "unit": "mmol/L"}
    return {"resourceType": "Observation", "status": "final", "code": {"text": name}, "valueQuantity": value}


def test_what_lies_in_the_specimen_counts_for_the_results_that_point_to_it(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    tube = {"resourceType": "Specimen", "type": {"text": "Serum"}, "collection": {"collectedDateTime": MORNING}}
    held = filed(platform, tube)
    of = {"specimen": {"reference": f"Specimen/{held}"}}
    names = [f"P-Prøve {mark} {place}" for place in range(2)]
    by_fhir(platform, names[0], "140", **of)
    filed(platform, a_result(names[1]) | of)
    other = by_fhir(platform, f"P-Annen {mark}", "140")
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        filed(platform, tube | {"type": {"text": "Plasma"}, "collection": {"collectedDateTime": EVENING}}, held)
        desk = text(it.get("/clinician"))
        taken = r"tatt 20.11.2026\D+08:00 , nå tatt 20.11.2026\D+20:00 ; "
        for name, time in zip(names, ("", taken), strict=True):  # the first has a time of its own, which counts alone
            told = rf"{name} rettet Du så 140 mmol/L {DAY}. Siden er rettet: {time}"
            assert re.search(told + "materiale Serum , nå materiale Plasma", desk), desk[:2000]
        assert f"P-Annen {mark}" not in desk
        page = it.type(nin).text
        for name, time in zip(names, ("", taken), strict=True):
            row = re.search(rf"{name}</a>(.*?)</tr>", page, re.DOTALL)
            assert row and "<del>materiale Serum</del>" in row[1]
            assert bool(re.search(r"<del>tatt 20\.11\.2026\D+08:00</del>", row[1])) == bool(time)
    assert not platform.rows("SELECT 1 FROM notice WHERE id = ANY($1::uuid[])", [UUID(held), UUID(other)])


def deleted(platform: Standing, type_: str, id_: str) -> None:
    answer = platform.client.call("DELETE", f"/fhir/R4/{type_}/{id_}", as_="lab", patient="")
    assert answer.status_code in (200, 204), answer.text


@pytest.mark.parametrize("how", ["deleted", "entered-in-error", "unsatisfactory"])
def test_a_specimen_that_is_taken_back_or_no_good_is_told_and_its_results_keep_what_it_said(
    platform: Standing, how: str
) -> None:
    nin, name = platform.nin("new-mother"), f"P-Prøve {secrets.token_hex(4)}"
    tube = {"resourceType": "Specimen", "type": {"text": "Serum"}, "collection": {"collectedDateTime": MORNING}}
    held = filed(platform, tube, of="new-mother")
    filed(platform, a_result(name) | {"specimen": {"reference": f"Specimen/{held}"}}, of="new-mother")
    says = "prøven var uegnet" if how == "unsatisfactory" else "prøven er trukket tilbake"
    with tab(platform, "gp") as it, tab(platform, "new-mother", "me") as own:
        assert name in text(it.type(nin))
        if how == "deleted":
            deleted(platform, "Specimen", held)
        else:
            filed(platform, tube | {"status": how}, held)
        told = rf"{name} rettet Du så 140 mmol/L {DAY}. Siden er rettet: prøven i orden , nå {says}"
        assert re.search(told, text(it.get("/clinician")))
        page = it.type(nin).text
        row = re.search(rf"{name}</a>(.*?)</tr>", page, re.DOTALL)
        assert row and says in row[1] and "<del>prøven i orden</del>" in row[1]
        assert "uten dato" not in row[1]
        listed = own.get("/me/results")
        trend = re.search(rf'href="(/me/trend/\w+)"[^>]*>(?:(?!</a>).)*{name[2:]}', listed.text, re.DOTALL)
        assert trend
        said = text(own.get(trend[1]))
        assert "Spør den som behandler deg hva det betyr" in said and "20. november 2026" in said
