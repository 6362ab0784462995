"""Several requests in one transaction: whole or not at all, with the log of what was refused or read all the same."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import asyncpg
import pytest

from kjerne.access import Once
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.store import audit
from kjerne.store.joined import OneTransaction, Try, concerned, humans, in_one
from kjerne.store.proofs import note_values
from kjerne.store.reading import Reader

from .conftest import NOW, Desk
from .test_records import OBSERVATION, audit_of, change, create, potassium, read


async def one(desk: Desk, held: list[int], work: Any, tries: list[Try] | None = None) -> Any:
    async def told(_: OneTransaction, tried: Try) -> None:
        (tries if tries is not None else []).append(tried)

    return await in_one(desk.store.pool, desk.store.records, held, work, told)


async def test_what_is_filed_together_is_as_if_filed_alone(desk: Desk) -> None:
    patient, raw = await desk.person(), potassium("4.10")
    alone = await create(desk, patient, raw)
    fresh, grant = change(desk.store, patient, raw), await desk.grant(patient, "file")

    async def work(joined: OneTransaction) -> None:
        joined.file(grant, fresh)
        async with joined.acquire() as conn:
            assert await conn.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 2, (
                "the block sees it"
            )

    await one(desk, [patient], work)
    rows = await desk.store.pool.fetch("SELECT * FROM record WHERE patient = $1", patient)
    own = {"id", "body", "xid"}
    first, second = ({name: value for name, value in row.items() if name not in own} for row in rows)
    assert first == second
    found = await read(desk, await desk.grant(patient), fresh.id)
    assert found is not None and found.raw == raw
    logged = [
        (row["action"], row["ids"], row["types"], row["versions"], row["at"]) for row in await audit_of(desk, patient)
    ]
    assert logged[:2] == [("file", [id_], [OBSERVATION], [1], NOW) for id_ in (alone.id, fresh.id)]
    whole = await desk.store.pool.fetch("SELECT * FROM audit WHERE patient = $1 AND action = 'file'", patient)
    own = {"ids", "number", "xid"}
    one_row, other_row = ({name: value for name, value in row.items() if name not in own} for row in whole)
    assert one_row == other_row


async def test_what_is_filed_together_has_a_line_each_under_its_own_grant(desk: Desk) -> None:
    people = [await desk.person(), await desk.person()]
    filed = [(change(desk.store, one, potassium(value)), one) for one in people for value in ("4.1", "4.2")]

    async def work(joined: OneTransaction) -> None:
        for place, (fresh, patient) in enumerate(filed):
            grant = await desk.grant(patient, "file")
            joined.file(replace(grant, at=NOW + timedelta(seconds=place), rule=f"rule-{place}"), fresh)

    await one(desk, people, work)
    rows = await desk.store.pool.fetch(
        "SELECT patient, ids, rule, at FROM audit WHERE patient = ANY($1::bigint[]) AND action = 'file' ORDER BY at",
        people,
    )
    assert [tuple(row) for row in rows] == [
        (patient, [fresh.id], f"rule-{place}", NOW + timedelta(seconds=place))
        for place, (fresh, patient) in enumerate(filed)
    ]
    for fresh, patient in filed:
        found = await read(desk, await desk.grant(patient), fresh.id)
        assert found is not None and found.raw == fresh.raw


async def test_what_waits_for_the_last_write_is_done_once_and_sees_it(desk: Desk) -> None:
    patient, counted = await desk.person(), list[int]()
    grant = await desk.grant(patient, "file")

    async def count(conn: Any) -> None:
        counted.append(await conn.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient))

    async def work(joined: OneTransaction) -> None:
        for value in ("4.1", "4.2"):
            joined.at_the_end("the same", count)
            joined.file(grant, change(desk.store, patient, potassium(value)))

    await one(desk, [patient], work)
    assert counted == [2]


async def test_what_was_logged_before_under_the_same_correlation_id_is_not_logged_again(desk: Desk) -> None:
    patient = await desk.person()
    for _ in range(3):
        await create(desk, patient, potassium("4.1"))
    fresh, files = change(desk.store, patient, potassium("4.2")), await desk.grant(patient, "file")

    async def work(joined: OneTransaction) -> None:
        async with joined.acquire() as conn:
            await audit.insert(conn, audit.given(files))
        joined.file(files, fresh)
        raise Refusal(404, "nothing here")

    tries = list[Try]()
    for _ in range(2):
        with pytest.raises(Refusal):
            await one(desk, [patient], work, tries)
    assert [row["action"] for row in await audit_of(desk, patient)] == ["file"] * 3
    assert [one.action for one in tries] == []


async def test_a_refusal_takes_all_back_but_the_lines_of_what_was_refused_and_a_look_is_a_try(desk: Desk) -> None:
    patient, tries = await desk.person(), list[Try]()
    there = await create(desk, patient, potassium("4.1"))
    fresh, files, reads = (
        change(desk.store, patient, potassium("4.2")),
        await desk.grant(patient, "file"),
        await desk.grant(patient),
    )
    reader = Reader(desk.store.wrap, desk.store.dictionaries)

    async def work(joined: OneTransaction) -> None:
        joined.file(files, fresh)
        async with joined.acquire() as conn:
            assert await reader.read(conn, reads, OBSERVATION, there.id)
        joined.refused(
            audit.of_nobody(files.caller, "results", "read", "a-rule", "", "", NOW, "corr-1", refused=True), ()
        )
        raise Refusal(404, "nothing here")

    with pytest.raises(Refusal):
        await one(desk, [patient], work, tries)
    assert [one for one in tries if one.action == "read"] == [
        Try(NOW, "read", "results", ((OBSERVATION, there.id, 1),))
    ]
    assert await read(desk, await desk.grant(patient), fresh.id) is None
    rows = await audit_of(desk, patient)
    assert [(row["action"], row["ids"]) for row in rows][:1] == [("file", [there.id])]
    assert sum(row["action"] == "read" for row in rows) == 1, (
        "the one after it: of what did not leave only the try is told"
    )
    assert await desk.store.pool.fetchval("SELECT count(*) FROM audit WHERE patient = 0 AND rule = 'a-rule'") == 1


async def test_what_was_let_in_to_write_is_told_of_as_a_try_by_what_stands_and_not_by_what_was_made(desk: Desk) -> None:
    patient = await desk.person()
    there, fresh = await create(desk, patient, potassium("4.1")), change(desk.store, patient, potassium("4.2"))
    files, corrects = await desk.grant(patient, "file"), await desk.grant(patient, "correct")
    tries: list[Try] = []

    async def work(joined: OneTransaction) -> None:
        joined.file(files, fresh)
        async with joined.acquire() as conn:
            await audit.insert(conn, audit.given(corrects), [(OBSERVATION, there.id, 2)])
        raise Refusal(422, "wrong")

    before = await audit_of(desk, patient)
    with pytest.raises(Refusal):
        await one(desk, [patient], work, tries)
    tried = [one for one in tries if one.action == "correct"]
    assert tried == [Try(NOW, "correct", "results", ((OBSERVATION, there.id, 1),))]
    assert all(named == ((OBSERVATION, there.id, 1),) for *_, named in tries)
    assert await audit_of(desk, patient) == before, "what is written of them is the law's"


async def test_the_line_of_a_refusal_that_failed_nothing_is_written_with_the_rest(desk: Desk) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "file")

    async def work(joined: OneTransaction) -> None:
        joined.refused(
            audit.of_nobody(grant.caller, "results", "correct", "b-rule", "", "", NOW, "corr-1", refused=True), ()
        )

    await one(desk, [patient], work)
    assert await desk.store.pool.fetchval("SELECT count(*) FROM audit WHERE patient = 0 AND rule = 'b-rule'") == 1


async def test_a_fact_that_changed_is_seen_and_all_is_begun_anew(desk: Desk) -> None:
    patient = await desk.person()
    old = await desk.grant(patient, "file")
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    seen: list[str] = []

    async def work(joined: OneTransaction) -> str:
        grant = old if not seen else await desk.grant(patient, "file")
        seen.append("begun")
        joined.file(grant, change(desk.store, patient, potassium("4.1")))
        return "done"

    assert await one(desk, [patient], work) == "done"
    assert len(seen) == 2
    assert await desk.store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 1


async def test_what_goes_on_changing_is_refused_and_a_fault_takes_all_back(desk: Desk) -> None:
    patient = await desk.person()

    async def changing(_: OneTransaction) -> None:
        raise Stale

    with pytest.raises(Refusal) as told:
        await one(desk, [patient], changing)
    assert told.value.status == 503
    grant = await desk.grant(patient, "file")

    async def at_fault(joined: OneTransaction) -> None:
        joined.file(grant, change(desk.store, patient, potassium("4.1")))
        async with joined.acquire() as conn:
            await conn.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await one(desk, [patient], at_fault)
    assert await desk.store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 0


async def test_those_about_the_same_persons_wait_in_one_order(desk: Desk) -> None:
    """Named in whatever order, and by others' keys: none waits for one that waits for it."""
    people = [await desk.person() for _ in range(4)]
    at_work: list[int] = []

    async def work(_: OneTransaction) -> None:
        at_work.append(1)
        assert len(at_work) == 1, "nobody else is at work on them"
        await asyncio.sleep(0.01)
        at_work.pop()

    await asyncio.gather(*(one(desk, people[turn:] + people[:turn], work) for turn in range(4)))


async def test_who_is_concerned_is_found_by_number_and_by_key(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    digest = await desk.store.pool.fetchval("SELECT digest FROM person_identifier WHERE patient = $1", patient)
    found = await concerned(desk.store.pool, [digest, b"nobody's number."], [other, 5])
    assert found.by_digest == {digest: patient}
    assert found.held == sorted([patient, other])


async def test_who_is_concerned_is_told_on_a_proof_that_nobody_has_used_and_not_on_another(desk: Desk) -> None:
    async def refuse() -> NoReturn:
        raise Refusal(401, "used before")

    patient, values = await desk.person(), note_values(secrets.token_bytes(16), int(NOW.timestamp()))
    first, second, nobodys = (
        Once(values, refuse),
        Once(values, refuse),
        Once(note_values(secrets.token_bytes(16), int(NOW.timestamp())), refuse),
    )
    assert (await concerned(desk.store.pool, [], [patient], first)).held == [patient]
    assert (await concerned(desk.store.pool, [], [patient], first)).held == [patient], "the same request asks again"
    with pytest.raises(Refusal, match="used before"):
        await concerned(desk.store.pool, [], [patient], second)
    assert await concerned(desk.store.pool, [], [], nobodys) == ({}, [])
    assert (first.noted, second.noted, nobodys.noted) == (True, False, True)


async def test_numbers_that_are_linked_are_one_human_and_nobody_else_is(desk: Desk) -> None:
    one_key, other_key, stranger = await desk.person(), await desk.person(), await desk.person()
    before = await humans(desk.store.pool, [], [one_key, other_key, stranger])
    assert len(set(before.values())) == 3
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await desk.store.people.link(conn, one_key, other_key, "register", "same", NOW)
    (digest,) = (
        row["digest"]
        for row in await desk.store.pool.fetch("SELECT digest FROM person_identifier WHERE patient = $1", other_key)
    )
    found = await humans(desk.store.pool, [digest, b"nobody"], [one_key, other_key, stranger])
    assert found[digest] == found[one_key] == found[other_key] == min(one_key, other_key)
    assert found[stranger] == stranger
    assert b"nobody" not in found
