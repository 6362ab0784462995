"""A reader of new rows misses none, however late a transaction commits; one that goes by a growing number does."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import audit
from kjerne.store.feed import BEGINNING, FIRST_ID, Changed, Position, audit_rows, changes, horizon
from kjerne.store.records import Change

from .conftest import NOW, Desk

OBSERVATION = type_number("Observation")
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"},"valueString":"4"}'


def change(desk: Desk, patient: int, id_: UUID | None = None) -> Change:
    return Change(OBSERVATION, id_ or desk.store.ids.make(patient), RAW, index(decode(RAW)))


async def started(desk: Desk) -> Position:
    """Behind everything that other tests wrote."""
    async with desk.store.pool.acquire() as conn:
        return Position(await horizon(conn))


async def read(desk: Desk, after: Position, limit: int = 1000) -> list[Changed]:
    async with desk.store.pool.acquire() as conn:
        return await changes(conn, after, limit)


async def naive(desk: Desk, after: int) -> int:
    """The largest transaction number that is visible: where a reader by `seq > last` stands after reading."""
    return int(await desk.store.pool.fetchval("SELECT coalesce(max(xid), '0') FROM record WHERE xid > $1", after) or 0)


async def test_a_late_commit_is_lost_to_a_naive_reader_and_not_to_ours(desk: Desk, dsn: str) -> None:
    patient = await desk.person()
    begun = await started(desk)
    grant = await desk.grant(patient, "file")
    slow, quick = change(desk, patient), change(desk, patient)
    late = await asyncpg.connect(dsn)
    try:
        transaction = late.transaction()
        await transaction.start()
        await desk.store.records.create(late, grant, slow)
        async with desk.store.pool.acquire() as conn:
            await desk.store.records.create(conn, grant, quick)
        seen = await desk.store.pool.fetch("SELECT id FROM record WHERE xid > $1", begun.xid - 1)
        last = await naive(desk, begun.xid - 1)
        assert await read(desk, begun) == []
        await transaction.commit()
    finally:
        await late.close()
    seen += await desk.store.pool.fetch("SELECT id FROM record WHERE xid > $1", last)
    assert {row["id"] for row in seen} == {quick.id}
    assert {one.at.id for one in await read(desk, begun)} == {quick.id, slow.id}


@pytest.mark.parametrize("seed", range(3))
async def test_of_many_writers_that_end_in_any_order_every_row_is_read_once(desk: Desk, dsn: str, seed: int) -> None:
    chance = random.Random(seed)
    patients = [await desk.person() for _ in range(4)]
    position = await started(desk)
    written: set[UUID] = set()

    async def writer(patient: int) -> None:
        conn = await asyncpg.connect(dsn)
        try:
            for _ in range(8):
                one = change(desk, patient)
                transaction = conn.transaction()
                await transaction.start()
                await desk.store.records.create(conn, await desk.grant(patient, "file"), one)
                await asyncio.sleep(chance.random() * 0.01)
                if chance.random() < 0.2:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    written.add(one.id)
        finally:
            await conn.close()

    found: list[UUID] = []
    writers = asyncio.gather(*(writer(patient) for patient in patients))
    while True:
        ended = writers.done()
        page = await read(desk, position, limit=chance.randint(1, 5))
        found += [one.at.id for one in page]
        position = page[-1].at if page else position
        if ended and not page:
            break
        await asyncio.sleep(0.002)
    await writers
    assert sorted(found) == sorted(written)


async def test_a_page_may_end_inside_a_transaction(desk: Desk) -> None:
    patient = await desk.person()
    position = await started(desk)
    many = [change(desk, patient) for _ in range(10)]
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.put(conn, await desk.grant(patient, "file"), many)
    found: list[UUID] = []
    while page := await read(desk, position, limit=3):
        found += [one.at.id for one in page]
        position = page[-1].at
    assert sorted(found) == sorted(one.id for one in many)


async def test_a_change_and_a_deletion_are_told_as_they_stand_when_read(desk: Desk) -> None:
    patient = await desk.person()
    position = await started(desk)
    grant, first = await desk.grant(patient, "file"), change(desk, patient)
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.create(conn, grant, first)
        await desk.store.records.put(conn, grant, [change(desk, patient, first.id)])
        (changed,) = await changes(conn, position, 10)
        await desk.store.records.remove(conn, grant, [(OBSERVATION, first.id)])
        (deleted,) = await changes(conn, changed.at, 10)
    assert (changed.at.patient, changed.version, changed.deleted) == (patient, 2, False)
    assert (deleted.at.id, deleted.version, deleted.deleted) == (first.id, 3, True)


async def test_audit_rows_are_read_in_the_same_way(desk: Desk) -> None:
    patient = await desk.person()
    begun = await started(desk)
    async with desk.store.pool.acquire() as conn:
        for _ in range(3):
            await audit.insert(conn, audit.given(await desk.grant(patient)))
        first = await audit_rows(conn, begun.xid, FIRST_ID, 2)
        rest = await audit_rows(conn, first[-1]["xid"], first[-1]["number"], 2)
    assert [row["patient"] for row in (*first, *rest)] == [patient] * 3
    assert len({row["number"] for row in (*first, *rest)}) == 3
    assert begun > BEGINNING
    assert {row["at"] for row in first} == {NOW}
