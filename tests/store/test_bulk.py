"""Rows that come by COPY are the rows that come one by one, and all of them come or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kjerne.access import Choice
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store.bulk import Bulk, Filing, Fresh
from kjerne.store.reading import Reader
from kjerne.store.records import Change

from .conftest import NOW, Desk

OBSERVATION = type_number("Observation")


def raw(
    when: str = '"effectiveDateTime":"2026-11-20T08:00:00+01:00",', code: str = '"coding":[{"code":"NPU03230"}],'
) -> bytes:
    return (
        f'{{"resourceType":"Observation","status":"final",{when}"code":{{{code}"text":"P-Kalium"}},'
        '"valueQuantity":{"value":4.10,"unit":"mmol/L"}}'
    ).encode()


SHAPES = (
    raw(),
    raw(when=""),
    raw(code=""),
    raw(when='"effectivePeriod":{"start":"1950"},'),
    b'{"resourceType":"Specimen"}',
)


def fresh(body: bytes) -> Fresh:
    tree = decode(body)
    return Fresh.of(type_number(tree["resourceType"]), body, index(tree))


@pytest.fixture
def bulk(desk: Desk) -> Bulk:
    return Bulk(desk.store.wrap, desk.store.dictionaries, desk.store.ids)


async def write(desk: Desk, bulk: Bulk, filings: Sequence[Filing]) -> list[list[UUID]]:
    async with desk.store.pool.acquire() as conn:
        return await bulk.write(conn, filings)


async def count(desk: Desk, patient: int) -> int:
    found: int = await desk.store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient)
    return found


@pytest.mark.parametrize("body", SHAPES, ids=["whole", "no date", "no code", "open period", "nearly empty"])
async def test_a_row_is_the_same_as_one_that_was_written_alone(desk: Desk, bulk: Bulk, body: bytes) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "file")
    type_ = type_number(decode(body)["resourceType"])
    alone = Change(type_, desk.store.ids.make(patient), body, index(decode(body)))
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.create(conn, grant, alone)
        ((id_,),) = await bulk.write(conn, [Filing(grant, [fresh(body)])])
    rows = await desk.store.pool.fetch("SELECT * FROM record WHERE patient = $1", patient)
    one, other = sorted((dict(row) for row in rows), key=lambda row: bool(row["id"] == id_))
    sealed = {"id", "xid", "body"}
    assert {name: one[name] for name in one if name not in sealed} == {
        name: other[name] for name in other if name not in sealed
    }
    assert len(one["body"]) == len(other["body"])


async def test_what_was_written_is_read_back_as_received(desk: Desk, bulk: Bulk) -> None:
    patient = await desk.person()
    ((_, id_),) = await write(
        desk, bulk, [Filing(await desk.grant(patient, "file"), [fresh(raw(when="")), fresh(raw())])]
    )
    async with desk.store.pool.acquire() as conn:
        reader = Reader(desk.store.wrap, desk.store.dictionaries)
        record = await reader.read(conn, await desk.grant(patient), OBSERVATION, id_)
    assert record is not None
    assert (record.raw, record.version) == (raw(), 1)


async def test_each_grant_has_one_audit_row_that_names_exactly_its_records(desk: Desk, bulk: Bulk) -> None:
    patients = [await desk.person() for _ in range(3)]
    filings = [
        Filing(await desk.grant(patient, "file"), [fresh(raw())] * (place + 1))
        for place, patient in enumerate(patients)
    ]
    written = await write(desk, bulk, filings)
    for patient, ids in zip(patients, written, strict=True):
        (row,) = await desk.store.pool.fetch(
            "SELECT action, ids, versions, types FROM audit WHERE patient = $1", patient
        )
        assert (row["action"], row["ids"]) == ("file", ids)
        assert (row["versions"], row["types"]) == ([1] * len(ids), [OBSERVATION] * len(ids))
        kept = await desk.store.pool.fetch("SELECT id FROM record WHERE patient = $1", patient)
        assert {one["id"] for one in kept} == set(ids)


async def test_a_choice_made_after_one_grant_stops_what_is_for_everybody(desk: Desk, bulk: Bulk) -> None:
    one, other = await desk.person(), await desk.person()
    filings = [Filing(await desk.grant(patient, "file"), [fresh(raw())]) for patient in (one, other)]
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, other, Choice("opt-out", "results", "", "", NOW, None))
    with pytest.raises(Stale):
        await write(desk, bulk, filings)
    assert (await count(desk, one), await count(desk, other)) == (0, 0)
    assert await desk.store.pool.fetchval("SELECT count(*) FROM audit WHERE patient = $1", one) == 0


async def test_two_imports_about_the_same_people_in_other_order_both_end(desk: Desk, bulk: Bulk) -> None:
    patients = [await desk.person() for _ in range(5)]
    filings = [Filing(await desk.grant(patient, "file"), [fresh(raw())] * 20) for patient in patients]
    await asyncio.gather(write(desk, bulk, filings), write(desk, bulk, filings[::-1]))
    assert [await count(desk, patient) for patient in patients] == [40] * 5


def test_a_time_on_disk_counts_microseconds_from_the_year_2000() -> None:
    moment = index(decode(raw(when='"effectiveDateTime":"2000-01-01T00:00:01.5Z",'))).date_from
    assert moment == datetime(2000, 1, 1, 0, 0, 1, 500000, tzinfo=UTC)
    assert fresh(raw(when='"effectiveDateTime":"2000-01-01T00:00:01.5Z",')).dates[:12] == bytes(3) + b"\x08" + (
        1_500_000
    ).to_bytes(8, "big")
