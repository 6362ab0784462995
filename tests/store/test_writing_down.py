"""The rows of what leaves of a look: all of them, once nobody is writing about the patients, and of what still stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.store import followup, writing_down
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.records import Change, hold
from kjerne.store.writing_down import held_still, looking, write_down

from .conftest import CALLER, Desk
from .test_finding import file, observation

OBSERVATION = type_number("Observation")
READER = replace(CALLER, hpr="9144870")
"""Who filed something has seen it too, and is told as well."""
Seen = tuple[int, UUID, int]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long that whoever waits here is still waiting when the test has done what it waits for."""
    monkeypatch.setattr(writing_down, "PATIENCE_SECONDS", 25.0)


async def rows(desk: Desk, patient: int) -> list[list[str]]:
    found = await desk.store.pool.fetch(
        "SELECT ids FROM audit WHERE patient = $1 AND action = 'search' ORDER BY xid, number", patient
    )
    return [[str(id_) for id_ in row["ids"]] for row in found]


async def looked_at(desk: Desk, grant: Grant) -> list[tuple[int, UUID, int]]:
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    async with desk.store.pool.acquire() as conn:
        found = await reader.look(conn, grant, [OBSERVATION], 10)
    return [(one.type, one.id, one.version) for one, _ in found]


async def correct(desk: Desk, conn: Connection, grant: Grant, seen: Seen) -> None:
    """As a message does it: her row is held, the record changed, and its readers told by what the log has then."""
    await hold(conn, grant)
    raw = encode(observation("NPU1", 2))
    await desk.store.records.put(conn, grant, [Change(OBSERVATION, seen[1], raw, index(decode(raw)))])
    await followup.tell_readers(conn, grant, "corrected", [(seen[0], seen[1], seen[2] + 1)])


async def told(desk: Desk, grant: Grant) -> list[int]:
    async with desk.store.pool.acquire() as conn:
        found = await followup.notices(conn, grant.caller.hpr, 1000)
    return [one.read_version for one in found if one.patient == grant.subject.patient]


async def waits_for_a_lock(desk: Desk, task: asyncio.Task[None]) -> bool:
    """Whether the task has come to wait for another transaction, before it is done."""
    asked = (
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE NOT l.granted AND l.locktype = 'transactionid' AND a.datname = current_database())"
    )
    while not task.done():
        if await desk.store.pool.fetchval(asked):
            return True
        await asyncio.sleep(0.01)
    return False


def begun(desk: Desk, work: Callable[[Connection], Awaitable[None]]) -> asyncio.Task[None]:
    async def run() -> None:
        async with desk.store.pool.acquire() as conn, conn.transaction():
            await work(conn)

    return asyncio.create_task(run())


async def test_facts_that_have_changed_leave_no_row_of_any_grant(desk: Desk) -> None:
    patient = await desk.person()
    (id_,) = await file(desk, patient, observation("NPU1", 1))
    grant = await desk.grant(patient, "search", caller=READER)
    seen = await looked_at(desk, grant)
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    fresh = await desk.grant(patient, "search", caller=READER)
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Stale):
            await write_down(conn, [(fresh, seen), (grant, [])])
        assert await rows(desk, patient) == []
        await write_down(conn, [(fresh, seen), (fresh, [])])
    assert sorted(await rows(desk, patient)) == [[], [id_]]


@pytest.mark.parametrize("became", ["another version", "nothing"])
async def test_what_has_another_version_by_now_is_not_written_down_as_seen(desk: Desk, became: str) -> None:
    """Who corrects a record tells those whose rows stand: a row that comes after would be told late, or by nobody."""
    patient = await desk.person()
    (id_,) = await file(desk, patient, observation("NPU1", 1))
    grant = await desk.grant(patient, "search", caller=READER)
    seen = await looked_at(desk, grant)
    statement = "UPDATE record SET version = version + 1" if became == "another version" else "DELETE FROM record"
    await desk.store.pool.execute(f"{statement} WHERE id = $1", id_)
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Stale):
            await write_down(conn, [(grant, seen)])
    assert await rows(desk, patient) == []


async def test_a_correction_that_is_under_way_is_waited_for_and_what_was_seen_before_it_is_looked_at_anew(
    desk: Desk,
) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1))
    grant = await desk.grant(patient, "search", caller=READER)
    (seen,) = await looked_at(desk, grant)
    async with desk.store.pool.acquire() as writing:
        async with writing.transaction():
            await correct(desk, writing, await desk.grant(patient, "file"), seen)
            page = begun(desk, lambda conn: write_down(conn, [(grant, [seen])]))
            assert await waits_for_a_lock(desk, page), "what is being corrected is written down as seen"
        with pytest.raises(Stale):
            await page
    assert await rows(desk, patient) == []
    assert await told(desk, grant) == []


async def test_a_correction_that_comes_while_a_row_is_written_waits_for_it_and_tells_that_reader(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1))
    grant, filing = await desk.grant(patient, "search", caller=READER), await desk.grant(patient, "file")
    (seen,) = await looked_at(desk, grant)
    async with desk.store.pool.acquire() as page:
        async with page.transaction():
            await write_down(page, [(grant, [seen])])
            correction = begun(desk, lambda conn: correct(desk, conn, filing, seen))
            assert await waits_for_a_lock(desk, correction), "whoever corrects does not see the row"
        await correction
    assert await told(desk, grant) == [1]


async def test_who_writes_for_long_is_not_waited_for_and_nothing_is_written_down(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_down, "PATIENCE_SECONDS", 0.05)
    patient = await desk.person()
    grant = await desk.grant(patient, "search", caller=READER)
    async with desk.store.pool.acquire() as page:
        async with desk.store.pool.acquire() as writing, writing.transaction():
            await hold(writing, await desk.grant(patient, "file"))
            with pytest.raises(Stale):
                await write_down(page, [(grant, [])])
            with pytest.raises(Stale):
                async with held_still(page, grant, if_=True):
                    pytest.fail("she is not held")
        assert await rows(desk, patient) == []
        await write_down(page, [(grant, [])])
        assert await page.fetchval("SHOW lock_timeout") == "0", "what comes after on this connection is as it was"
    assert await rows(desk, patient) == [[]]


async def test_few_wait_for_who_is_writing_and_all_others_leave_their_connection(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    grant, of_other = await desk.grant(patient, "search", caller=READER), await desk.grant(other, "search")
    async with desk.store.pool.acquire() as writing, writing.transaction():
        await hold(writing, await desk.grant(patient, "file"))
        page = begun(desk, lambda conn: write_down(conn, [(grant, [])]))
        assert await waits_for_a_lock(desk, page)
        for _ in range(5):
            with pytest.raises(Stale):
                await asyncio.wait_for(begun(desk, lambda conn: write_down(conn, [(grant, [])])), 20)
        assert not page.done()
        await asyncio.wait_for(begun(desk, lambda conn: write_down(conn, [(of_other, [])])), 20)
        assert await rows(desk, other) == [[]], "a page of another patient waits for nobody"
    await page
    assert await rows(desk, patient) == [[]]


async def test_who_looks_anew_has_no_connection_until_fewer_wait_for_who_is_writing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, patient = desk.store.pool, await desk.person()
    grant = await desk.grant(patient, "search", caller=READER)
    made: list[str] = []

    async def look() -> None:
        async with looking(pool, grant, 2) as conn:
            made.append("look")
            await write_down(conn, [(grant, [])])

    async with pool.acquire() as writing:
        async with writing.transaction():
            await hold(writing, await desk.grant(patient, "file"))
            first = begun(desk, lambda conn: write_down(conn, [(grant, [])]))
            assert await waits_for_a_lock(desk, first)
            anew = [asyncio.create_task(look()) for _ in range(5)]
            for _ in range(5):  # of 4 connections the writer has one, and who waits one
                assert await asyncio.wait_for(pool.fetchval("SELECT 1"), 20) == 1
            with monkeypatch.context() as short, pytest.raises(Stale):
                short.setattr(writing_down, "PATIENCE_SECONDS", 0.05)
                await look()
            assert made == []
        await asyncio.gather(first, *anew)
    assert len(made) == 5
    assert await rows(desk, patient) == [[]] * 6


async def test_two_readers_of_one_patient_do_not_wait_for_each_other(desk: Desk) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "search", caller=READER)
    async with desk.store.pool.acquire() as first, first.transaction():
        await write_down(first, [(grant, [])])
        other = begun(desk, lambda conn: write_down(conn, [(grant, [])]))
        assert not await waits_for_a_lock(desk, other)
    await other
    assert await rows(desk, patient) == [[], []]


async def test_several_patients_are_held_in_the_order_of_their_keys_however_the_grants_stand(desk: Desk) -> None:
    """A message about a mother and her child takes both rows by their keys: in another order each could wait for the other."""
    mother, child = sorted([await desk.person(), await desk.person()])
    of_mother, of_child = await desk.grant(mother, "search"), await desk.grant(child, "search")
    async with desk.store.pool.acquire() as writing, writing.transaction():
        await hold(writing, of_mother)
        page = begun(desk, lambda conn: write_down(conn, [(of_child, []), (of_mother, [])]))
        assert await waits_for_a_lock(desk, page)
        await asyncio.wait_for(hold(writing, of_child), 20)
    await page
    assert await rows(desk, mother) == await rows(desk, child) == [[]]


async def test_a_page_that_was_overtaken_holds_her_still_while_it_looks(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1))
    grant, filing = await desk.grant(patient, "search", caller=READER), await desk.grant(patient, "file")
    async with desk.store.pool.acquire() as page:
        async with held_still(page, grant, if_=True):
            (seen,) = await looked_at(desk, grant)
            correction = begun(desk, lambda conn: correct(desk, conn, filing, seen))
            assert await waits_for_a_lock(desk, correction)
            await write_down(page, [(grant, [seen])])
        await correction
        assert await told(desk, grant) == [1]
        await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
        async with held_still(page, grant, if_=False):
            assert not page.is_in_transaction()
        with suppress(Stale):
            async with held_still(page, grant, if_=True):
                pytest.fail("the facts of before are used")
