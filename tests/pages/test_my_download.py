"""The downloaded copy: readable by a person and a machine, made while it is sent, and loading nothing."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kjerne.errors import Refusal
from kjerne.pages.house import Chart, LogRow, OwnChoice, Visit
from kjerne.pages.zipped import Packed, Zip
from pages import resources as r
from pages.browser import Browser, later, text
from pages.fake import FakeHouse
from pages.fake_doors import the_log

AT = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)


async def downloaded(browser: Browser) -> zipfile.ZipFile:
    await browser.citizen()
    page = await browser.get("/me/download")
    answer = await browser.post(page, "/me/download/file")
    assert answer.status_code == 200, text(answer)
    assert answer.headers["content-disposition"] == 'attachment; filename="kjerne-2026-11-23.zip"'
    assert answer.headers["cache-control"] == "no-store"
    found = zipfile.ZipFile(io.BytesIO(answer.content))
    assert found.testzip() is None
    return found


async def test_one_file_holds_all_for_a_person_and_for_a_machine(browser: Browser, house: FakeHouse) -> None:
    found = await downloaded(browser)
    assert {name.partition("/")[0] for name in found.namelist()} == {
        "bundle.json", "vedlegg", "logg.json", "valg.json", "henvendelser.json", "index.html",
    }  # fmt: skip
    bundle = json.loads(found.read("bundle.json"))
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert (bundle["resourceType"], bundle["type"], kinds[0]) == ("Bundle", "collection", "Patient")
    chart = await house.chart(house.identities["citizen"], Visit("v", 1, "PATRQT", AT))
    ids = {entry["resource"]["id"] for entry in bundle["entry"][1:]}
    assert ids == {one["id"] for one in (*chart.reports, *chart.observations)}
    assert len(json.loads(found.read("logg.json"))) == len(the_log())
    assert [choice["kind"] for choice in json.loads(found.read("valg.json"))] == ["block"]


async def test_every_choice_is_in_it_for_a_person_and_for_a_machine(browser: Browser, house: FakeHouse) -> None:
    at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    chart = await house.chart(house.identities["citizen"], Visit("v", 1, "PATRQT", AT))
    record = next(one["id"] for one in chart.reports)
    house.made += [
        OwnChoice("1", "restriction", at, part="genetics", role="nurses"),
        OwnChoice("2", "restriction", at, source="Prøvelaboratoriet", organisation="Haukeland"),
        OwnChoice("3", "restriction", at),
        OwnChoice(
            "4", "consent", at, organisation="Haukeland", course="F-17", ends_at=datetime(2026, 12, 31, 23, tzinfo=UTC)
        ),
        OwnChoice("5", "record", at, record=record, by="parent"),
        OwnChoice("6", "record", at, record="not-in-the-copy"),
    ]
    found = await downloaded(browser)
    kept = [
        {name: one[name] for name in one if name not in ("kind", "madeAt")}
        for one in json.loads(found.read("valg.json"))[1:]
    ]
    assert kept == [
        {"service": "results", "part": "genetics", "role": "nurses"},
        {"service": "results", "source": "Prøvelaboratoriet", "organisation": "Haukeland"},
        {"service": "results"},
        {"service": "results", "organisation": "Haukeland", "course": "F-17", "endsAt": "2026-12-31T23:00:00+00:00"},
        {"service": "results", "record": f"DiagnosticReport/{record}", "setBy": "parent"},
        {"service": "results", "record": "DiagnosticReport/not-in-the-copy"},
    ]
    page = found.read("index.html").decode()
    for told in (
        "Sperret: Genetiske svar – Sykepleiere", "Sperret: Svar fra Prøvelaboratoriet – Haukeland",
        "Sperret: Alle prøvesvar – Alt helsepersonell", "Samtykke: Haukeland – F-17", "til og med 31. desember 2026",
        "satt av en forelder", "Enkeltsvar sperret: not-in-the-copy",
    ):  # fmt: skip
        assert told in page, told
    assert f"Enkeltsvar sperret: {record}" not in page, "the report by its title"


async def test_the_page_inside_tells_what_the_files_tell(browser: Browser) -> None:
    found = await downloaded(browser)
    page = found.read("index.html").decode()
    for told in ("Kari Nordvik", "B-Hemoglobin", "Ingen tegn til demyelinisering.", "Siri Vik", "Blokkert", "vedlegg/"):
        assert told in page, told
    assert "<script" not in page
    assert "default-src 'none'" in page


async def told_of(browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, tree: r.Resource) -> str:
    """The row of one resource in a copy that holds nothing else."""
    chart = await house.chart(house.identities["citizen"], Visit("v", 1, "PATRQT", AT))
    reports, results = ((tree,), ()) if tree["resourceType"] == "DiagnosticReport" else ((), (tree,))

    async def one(*_: object) -> Chart:
        return replace(chart, reports=reports, observations=results)

    monkeypatch.setattr(house, "chart", one)
    page = (await downloaded(browser)).read("index.html").decode()
    (row,) = [line for line in page.splitlines() if "Utvalgt" in line]
    return row.partition("Utvalgt")[2]


PRESSURE = [
    {"code": {"text": "Systolisk"}, "valueQuantity": r.quantity("151", "mmHg")},
    {"code": {"text": "Diastolisk"}, "dataAbsentReason": {"text": "Støy"}},
]
WAS_317 = r.change("corrected", "2026-11-20T12:00:00+01:00", valueQuantity=r.quantity("317", "mg/L"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"status": "entered-in-error", "valueQuantity": r.quantity("7", "mg/L")},
            ["<td><del>7 mg/L</del> (trukket)</td>"],
        ),
        (
            {"status": "corrected", "valueQuantity": r.quantity("7", "mg/L"), "extension": [WAS_317]},
            ["<td>7 mg/L før rettelsen: <del>317 mg/L</del> (rettet)</td>"],
        ),
        ({"component": PRESSURE}, ["Systolisk 151 mmHg; Diastolisk uten verdi", "Diastolisk: Støy"]),
        ({}, ["<td>uten verdi</td>"]),
        ({"status": "entered-in-error"}, ["(trukket)"]),
    ],
    ids=["withdrawn", "corrected", "parts", "empty", "withdrawn and empty"],
)
async def test_a_result_is_told_as_on_the_pages(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, changes: r.Resource, told: list[str]
) -> None:
    said = await told_of(browser, house, monkeypatch, r.observation("1", "Utvalgt", "", "2026-11-19") | changes)
    for one in told:
        assert one in said


async def test_a_report_is_told_as_on_the_pages(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = r.change("corrected", "2026-11-20T12:00:00+01:00", valueString="Brudd.")
    report = r.report("1", "CLIN", "Utvalgt", "2026-11-19", (), status="corrected")
    report |= {"conclusion": "Ikke brudd.", "conclusionCode": [{"text": "Normalt funn"}], "extension": [was]}
    said = await told_of(browser, house, monkeypatch, report)
    for one in ("Ikke brudd. – Normalt funn", "<del>Brudd.</del>", "(rettet)"):
        assert one in said


async def test_a_withdrawn_reports_conclusion_is_struck(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = r.report("1", "CLIN", "Utvalgt", "2026-11-19", (), status="entered-in-error")
    report |= {"conclusionCode": [{"text": "Normalt funn"}]}
    said = await told_of(browser, house, monkeypatch, report)
    assert "<td><del>Normalt funn</del> (trukket)</td>" in said


async def test_what_somebody_wrote_is_text_and_nothing_else(browser: Browser, house: FakeHouse) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    house.looked = (replace(the_log()[1], who=evil, reason=evil),)
    page = (await downloaded(browser)).read("index.html").decode()
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


async def test_an_old_page_takes_nothing_out(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/download")
    later(house, 11)
    assert (await browser.post(page, "/me/download/file")).status_code == 409
    assert (await browser.get("/me/download/file")).status_code == 405


async def test_a_long_log_is_in_the_file_to_its_end(browser: Browser, house: FakeHouse) -> None:
    house.log_page = 2
    found = await downloaded(browser)
    assert [one["name"] for one in json.loads(found.read("logg.json"))] == [row.who for row in the_log()]


async def test_a_no_on_the_way_breaks_the_file_off(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise Refusal(403, "No more.")

    monkeypatch.setattr(house, "copy_files", refuse)
    await browser.citizen()
    page = await browser.get("/me/download")
    with pytest.raises(Refusal):
        await browser.post(page, "/me/download/file")


def test_a_file_that_is_broken_off_does_not_open() -> None:
    made = Zip(AT)
    with made.entry("bundle.json") as out:
        out.write(b"{}")
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(made.drained()))
    made.close()


def test_what_is_sent_is_not_kept() -> None:
    made, told, sent, row = Zip(AT), Packed(), 0, "x" * 900
    tracemalloc.start()
    with made.entry("many.json") as out:
        for number in range(60_000):
            out.write(f"{number}{row}".encode())
            told.add(f"<tr><td>{number}</td><td>P-Kalium</td></tr>\n")
            sent += len(made.drained())
    with made.entry("index.html") as out:
        read = 0
        for part in told.unpacked():
            out.write(part)
            read += len(part)
            sent += len(made.drained())
    made.close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read > 2_000_000, "all of it comes back"
    assert peak < 4_000_000, "of 54 MB that were written"


@pytest.mark.parametrize("row", [LogRow(AT, "", "", "", "", "", (), "Filed.", "", by="system")])
async def test_a_line_without_a_name_is_told_without_one(browser: Browser, house: FakeHouse, row: LogRow) -> None:
    house.looked = (row,)
    found = await downloaded(browser)
    (told,) = json.loads(found.read("logg.json"))
    assert "name" not in told
