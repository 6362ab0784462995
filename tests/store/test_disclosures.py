"""Readings of what one organisation filed, in the order of the log, whichever key of the patient they lie under."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from kjerne.access import Caller
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import audit, disclosures
from kjerne.store.disclosures import BEGINNING, Disclosure, Reached
from kjerne.store.records import Change

from .conftest import CALLER, NOW, Desk

LAB = "995544332"
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"}}'
OBSERVATION = type_number("Observation")


async def filed(desk: Desk, patient: int, by: str = LAB) -> UUID:
    grant = await desk.grant(patient, "file", caller=Caller("system", "lab", frozenset(), organisation=by))
    change = Change(OBSERVATION, desk.store.ids.make(patient), RAW, index(decode(RAW)))
    async with desk.store.pool.acquire() as conn:
        return (await desk.store.records.create(conn, grant, change)).id


async def read(desk: Desk, patient: int, *ids: UUID, action: str = "read", caller: Caller = CALLER) -> None:
    grant = await desk.grant(patient, action, caller=caller)
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant), [(OBSERVATION, id_, 1) for id_ in ids])


async def told(
    desk: Desk, after: Reached, *, by: str = LAB, scan: int = 1000, limit: int = 100
) -> tuple[list[Disclosure], Reached, bool]:
    async with desk.store.pool.acquire() as conn:
        found, reached, further = await disclosures.disclosed(conn, by, {"results"}, after, scan=scan, limit=limit)
    return list(found), reached, further


async def here(desk: Desk) -> Reached:
    reached = BEGINNING
    while True:
        _, reached, further = await told(desk, reached)
        if not further:
            return reached


async def test_only_its_own_records_among_those_that_were_read(desk: Desk) -> None:
    patient = await desk.person()
    own, others = await filed(desk, patient), await filed(desk, patient, "911111111")
    start = await here(desk)
    await read(desk, patient, own, others, action="search")
    (found,), _, further = await told(desk, start)
    assert (found.records, found.organisation, found.role, further) == (
        ((OBSERVATION, own, 1),),
        "999999999",
        "LE",
        False,
    )
    (theirs,), _, _ = await told(desk, start, by="911111111")
    assert theirs.records == ((OBSERVATION, others, 1),)
    assert (await told(desk, start, by=""))[0] == []


async def test_looks_by_the_patient_by_systems_and_into_the_log_are_none(desk: Desk) -> None:
    patient = await desk.person()
    own, start = await filed(desk, patient), await here(desk)
    await read(desk, patient, own, caller=replace(CALLER, kind="citizen"))
    await read(desk, patient, own, caller=replace(CALLER, kind="system"))
    for action in ("insight", "disclose", "choose"):
        await read(desk, patient, own, action=action)
    assert (await told(desk, start))[0] == []


async def test_a_reading_under_a_linked_key_is_of_the_same_record(desk: Desk) -> None:
    former, patient = await desk.person(), await desk.person()
    own = await filed(desk, former)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await desk.store.people.link(conn, patient, former, "register", "one person", NOW)
    start = await here(desk)
    await read(desk, patient, own)
    (found,), _, _ = await told(desk, start)
    assert found.records == ((OBSERVATION, own, 1),)


async def test_the_log_is_looked_through_in_steps(desk: Desk) -> None:
    patient = await desk.person()
    own, start = await filed(desk, patient), await here(desk)
    for _ in range(3):
        await read(desk, patient, action="search")
        await read(desk, patient, own)
    met, reached, steps = list[Disclosure](), start, 0
    while True:
        found, reached, further = await told(desk, reached, scan=2)
        met, steps = met + found, steps + 1
        if not further:
            break
    assert (len(met), steps) == (3, 4)
    found, reached, further = await told(desk, start, limit=2)
    assert (found, reached, further) == (met[:2], met[1].place, True)


async def test_a_row_that_is_not_decided_yet_is_not_passed_by(desk: Desk) -> None:
    patient = await desk.person()
    own, start = await filed(desk, patient), await here(desk)
    grant = await desk.grant(patient)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await audit.insert(conn, audit.given(grant), [(OBSERVATION, own, 1)])
        await read(desk, patient, own)
        found, reached, _ = await told(desk, start)
        assert found == []
    assert len((await told(desk, reached))[0]) == 2


async def test_a_time_to_begin_at_is_the_seal_that_holds_it(desk: Desk) -> None:
    seal = (
        "INSERT INTO audit_seal (shard, number, format, from_xid, until_xid, first_row, last_row, earliest, latest, sealed_at, "
        "digest, \"before\", head, marks) VALUES (0, $1, 4, $2, $3, 1, 1, $4, $4, $4, '', '', '', '')"
    )
    async with desk.store.pool.acquire() as conn:
        made = conn.transaction()
        await made.start()
        for number, day in ((10**9, 100), (10**9 + 1, 200)):
            await conn.execute(seal, number, number * 1000, (number + 1) * 1000, NOW + timedelta(days=day))
        starts = [(await disclosures.beginning_at(conn, NOW + timedelta(days=day))).xid for day in (101, 200, 201)]
        await made.rollback()
    assert starts == [(10**9 + 1) * 1000, (10**9 + 1) * 1000, (10**9 + 2) * 1000]


async def test_a_reading_in_another_service_is_not_the_sources_to_hear_of(desk: Desk) -> None:
    patient = await desk.person()
    own, start = await filed(desk, patient), await here(desk)
    grant = replace(await desk.grant(patient), service="critical-information")
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant), [(OBSERVATION, own, 1)])
    assert (await told(desk, start))[0] == []
    await read(desk, patient, own)
    assert len((await told(desk, start))[0]) == 1
