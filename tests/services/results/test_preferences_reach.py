"""What a restriction reaches: all that a record leads to and what leads to it, whoever filed it, by whatever way and when."""

from __future__ import annotations

import re
import secrets
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Wish
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from pages.test_live import with_a_file

from .conftest import LAB, OTHERS, Worker, message
from .kith.conftest import Kith

DISCIPLINES = "urn:oid:2.16.578.1.12.4.1.1.8202"
KINDS = {"laboratory": "CLIN", "radiology": "RAD", "genetics": "MGEN"}


async def filed(worker: Worker, number: str, type_: str, kind: str = "", **fields: Any) -> str:
    """The id of a resource that the laboratory files by FHIR."""
    own: dict[str, Any] = {"resourceType": type_, **fields}
    if type_ != "Binary":
        own |= {"status": "final", "code": {"text": "Prøve"}}
    if kind:
        own["category"] = [{"coding": [{"system": DISCIPLINES, "code": KINDS[kind]}]}]
    async with worker.client(LAB) as client:
        answer = await client.post(f"/fhir/R4/{type_}", json=own, headers={"person-id": number})
    assert answer.status_code == 201, answer.text
    return str(decode(answer.content)["id"])


async def opens(worker: Worker, number: str, type_: str, id_: str) -> set[bool]:
    """Whether a doctor gets a record, by each way that there is."""
    async with worker.client(worker.doctor(number)) as client:
        place = f"/fhir/R4/{type_}/{id_}"
        read = [(await client.get(place + more)).status_code for more in ("", "/_history", "/_history/1")]
        listed = await client.get(f"/fhir/R4/{type_}", headers={"person-id": number})
    assert set(read) <= {200, 404}
    return {*(status == 200 for status in read), id_ in listed.text}


def a_file(id_: str, before: str = "") -> list[dict[str, str]]:
    return [{"contentType": "image/png", "url": f"{before}Binary/{id_}"}]


PICTURE = {"contentType": "image/png", "data": "iVBORw0K"}


@pytest.mark.parametrize("before", ["", "https://kjerne.example/fhir/R4/"])
async def test_the_file_of_a_restricted_report_is_restricted_with_it(
    workers: tuple[Worker, Worker], number: str, before: str
) -> None:
    one, other = workers
    await one.person(number)
    file = await filed(one, number, "Binary", **PICTURE)
    report = await filed(one, number, "DiagnosticReport", "laboratory", presentedForm=a_file(file, before))
    assert await opens(one, number, "Binary", file) == {True}
    held = await one.choose(number, Wish("record", record=report))
    assert await opens(other, number, "DiagnosticReport", report) == {False}
    assert await opens(other, number, "Binary", file) == {False}
    await one.lift(number, held)
    assert await opens(other, number, "Binary", file) == {True}


async def test_a_file_is_of_the_kinds_of_the_reports_that_show_it_and_of_every_kind_where_none_does(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    file, shared, alone = [await filed(one, number, "Binary", **PICTURE) for _ in range(3)]
    await filed(one, number, "DiagnosticReport", "laboratory", presentedForm=a_file(file) + a_file(shared))
    await filed(one, number, "DiagnosticReport", "genetics", presentedForm=a_file(shared))
    for part, shut in (("radiology", {alone}), ("laboratory", {file, shared, alone}), ("genetics", {shared, alone})):
        held = await one.choose(number, Wish("restriction", part=part))
        for id_ in (file, shared, alone):
            assert await opens(other, number, "Binary", id_) == {id_ not in shut}, part
        await one.lift(number, held)


async def test_a_file_that_came_in_a_message_goes_with_its_report(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    await one.take(with_a_file(message(number, "4.1"), b"%PDF-1.4 skannet"))
    rows = "SELECT id FROM record WHERE patient = $1 AND type = $2"
    file = str(await one.house.store.pool.fetchval(rows, key, type_number("Binary")))
    for wish, is_open in (
        (Wish("record", record=await one.report_of(number, "4.1")), False),
        (Wish("restriction", part="laboratory"), False),
        (Wish("restriction", part="radiology"), True),
    ):
        held = await one.choose(number, wish)
        assert await opens(other, number, "Binary", file) == {is_open}
        await one.lift(number, held)


GENETICS = Wish("restriction", part="genetics")


def results(*ids: str) -> list[dict[str, str]]:
    return [{"reference": f"Observation/{id_}"} for id_ in ids]


async def test_what_leads_to_a_restricted_part_belongs_to_it_whenever_it_was_filed(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)

    async def file() -> tuple[str, str]:
        own = await filed(one, number, "Observation", "genetics")
        fields = {"conclusion": "En patogen variant", "result": results(own)}
        return own, await filed(one, number, "DiagnosticReport", "laboratory", **fields)

    before = await file()
    held = await one.choose(number, GENETICS)
    for own, report in (before, await file()):
        assert await opens(other, number, "Observation", own) == {False}
        assert await opens(other, number, "DiagnosticReport", report) == {False}
    plain = await filed(one, number, "Observation", "laboratory")
    of_it = await filed(one, number, "DiagnosticReport", "laboratory", result=results(plain))
    for type_, id_ in (("Observation", plain), ("DiagnosticReport", of_it)):
        assert await opens(other, number, type_, id_) == {True}
    await one.lift(number, held)
    assert await opens(other, number, "DiagnosticReport", before[1]) == {True}


async def test_an_import_is_marked_as_one_that_was_created(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.choose(number, GENETICS)
    own, plain = [await filed(one, number, "Observation", kind) for kind in ("genetics", "laboratory")]
    subject = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}}
    coded = [{"coding": [{"system": DISCIPLINES, "code": "LAB"}]}]
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Prøve"}, "category": coded}
    lines = [encode(report | {"subject": subject, "result": results(id_)}) for id_ in (own, plain)]
    async with one.client(LAB) as client:
        answer = await client.post(
            "/fhir/R4/$import", content=b"\n".join(lines), headers={"content-type": "application/fhir+ndjson"}
        )
    assert answer.status_code == 200, answer.text
    ids = re.findall(r"DiagnosticReport/([0-9a-f-]{36})/_history/1", answer.text)
    assert [await opens(other, number, "DiagnosticReport", id_) for id_ in ids] == [{False}, {True}]


async def test_an_update_that_leads_to_what_is_restricted_is_so_too(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    plain, own, late = [
        await filed(one, number, "Observation", kind) for kind in ("laboratory", "genetics", "laboratory")
    ]
    reports = [await filed(one, number, "DiagnosticReport", "laboratory", result=results(plain)) for _ in range(2)]

    async def add(report: str, *more: str) -> None:
        place = f"/fhir/R4/DiagnosticReport/{report}"
        coded = [{"coding": [{"system": DISCIPLINES, "code": "LAB"}]}]
        tree = {"resourceType": "DiagnosticReport", "id": report, "status": "corrected", "code": {"text": "Prøve"}}
        async with one.client(LAB) as client:
            sent = tree | {"category": coded, "result": results(plain, *more)}
            answer = await client.put(place, json=sent, headers={"if-match": 'W/"1"', "person-id": number})
        assert answer.status_code == 200, answer.text

    await one.choose(number, GENETICS)
    await add(reports[0], own)
    assert await other.sees(number) == []
    assert await opens(other, number, "DiagnosticReport", reports[0]) == {False}
    await one.choose(number, Wish("record", record=reports[1]))
    assert await opens(other, number, "Observation", late) == {True}
    await add(reports[1], late)
    assert await opens(other, number, "Observation", late) == {False}


async def test_a_file_is_of_the_kinds_of_a_report_that_comes_after_it(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.choose(number, Wish("restriction", part="radiology"))
    files = [await filed(one, number, "Binary", **PICTURE) for _ in range(2)]
    assert [await opens(other, number, "Binary", id_) for id_ in files] == [{False}, {False}]
    for kind, id_ in zip(("laboratory", "radiology"), files, strict=True):
        await filed(one, number, "DiagnosticReport", kind, presentedForm=a_file(id_))
    assert [await opens(other, number, "Binary", id_) for id_ in files] == [{True}, {False}]


async def test_what_a_source_added_by_a_correction_is_restricted_with_the_rest_of_it(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)

    def version(service: str, *values: str) -> bytes:
        items = "".join(
            Kith.item(f"NPU0323{place}", Kith.number(value), id_=str(place), service="N" if place else service)
            for place, value in enumerate(values)
        )
        inside = Kith.person(Kith.SAMPLE + items, number=number)
        report = Kith.report(patient=inside, id_="31", service=service)
        day = f"2026-03-0{1 + len(values)}T12:00:05"
        return Kith.message(report, id_=secrets.token_hex(8), generated=day)

    await one.take(version("N", "4.1"), OTHERS)
    await one.take(version("M", "4.1", "5.5"), OTHERS)
    held = await one.choose(number, Wish("restriction", source=OTHERS.organisation))
    assert await other.sees(number) == []
    await one.take(version("M", "4.1", "5.5", "6.6"), OTHERS)
    assert await other.sees(number) == []
    await one.lift(number, held)
    assert await other.sees(number) == ["4.1", "5.5", "6.6"]


@pytest.mark.parametrize("code", ["NORN_FFL", "NORU"])
async def test_a_record_that_is_hidden_from_her_cannot_be_told_from_one_that_is_not_there(
    workers: tuple[Worker, Worker], number: str, code: str
) -> None:
    one, other = workers
    await one.person(number)
    marks = [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": code, "display": "2026-12-01"}]
    ids = one.house.store.ids
    hidden = await filed(one, number, "Observation", "laboratory", meta={"security": marks})
    report = await filed(one, number, "DiagnosticReport", "laboratory", result=results(hidden))
    told = []
    for id_ in (hidden, str(ids.make(ids.patient(UUID(hidden))))):
        with pytest.raises(Refusal) as refusal:
            await one.choose(number, Wish("record", record=id_))
        told.append((refusal.value.status, str(refusal.value), refusal.value.where, refusal.value.rule))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert await opens(other, number, "Observation", hidden) == {True}
    await one.choose(number, Wish("record", record=report))
    assert await opens(other, number, "Observation", hidden) == {False}
