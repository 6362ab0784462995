"""After a result was read: told of a correction, waiting for its requester, signed for, asked for again."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag

from kjerne.access import Grant, Label, Tie
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.jobs import Worker
from kjerne.store import audit, followup
from kjerne.store.house import Store
from kjerne.store.records import Change

from .conftest import CALLER, NOW, Desk

Named = tuple[int, UUID, int]
TODAY = NOW.date()


async def waiting_for(store: Store, grant: Grant, day: date = TODAY) -> list[followup.Unread]:
    """What waits for the caller of a grant, of its patient alone: others' tests file too."""
    async with store.pool.acquire() as conn:
        found = await followup.waiting(conn, grant.caller.hpr, [grant.caller.organisation], day, 500)
    return [one for one in found if one.patient == grant.subject.patient]


async def tied(desk: Desk, patient: int, *ties: Tie) -> Grant:
    """A grant about somebody with these ties: a tie ends the grants of before."""
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_ties(conn, [(patient, tie) for tie in ties])
    return await desk.grant(patient)


@pytest.fixture
async def grant(desk: Desk) -> Grant:
    return await desk.grant(await desk.person())


def a_record(version: int = 1) -> Named:
    return (3, uuid.uuid4(), version)


async def opened(store: Store, grant: Grant, *named: Named) -> None:
    async with store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant), named)


async def asked_for(store: Store, grant: Grant, hpr: str, report: Named, at: datetime) -> None:
    """A version of the report is filed and waits for whoever has this number."""
    raw = b'{"resourceType":"DiagnosticReport"}'
    change = Change(report[0], report[1], raw, index(decode(raw)))
    async with store.pool.acquire() as conn:
        (written,) = await store.records.put(conn, grant, [change], [followup.put_in_inbox(hpr, report[0], at)])
    assert written.version == report[2]


async def test_who_had_opened_a_record_is_told_once_and_marks_it_seen(store: Store, grant: Grant) -> None:
    seen, unseen = a_record(), a_record()
    later = replace(grant, at=NOW + timedelta(hours=1))
    for look in (grant, later, grant):
        await opened(store, look, seen)
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", [(seen[0], seen[1], 2), (unseen[0], unseen[1], 2)])
        assert unseen[1] not in {one.id for one in await followup.notices(conn, grant.caller.hpr)}
        (notice,) = [one for one in await followup.notices(conn, grant.caller.hpr) if one.id == seen[1]]
        assert (notice.kind, notice.version, notice.patient) == ("corrected", 2, grant.subject.patient)
        assert notice.read_at == later.at
        await followup.see_notices(conn, grant.caller.hpr, [notice.number], NOW)
        assert notice.number not in {one.number for one in await followup.notices(conn, grant.caller.hpr)}
        with pytest.raises(Refusal) as refused:
            await followup.see_notices(conn, grant.caller.hpr, [notice.number], NOW)
    assert refused.value.status == 404


@pytest.mark.parametrize("asked", ["for the row", "for nothing"])
async def test_who_was_reading_while_a_result_was_corrected_is_told_once_her_row_is_in_the_log(
    store: Store, grant: Grant, asked: str
) -> None:
    """She saw the version before: her transaction began first and ends after the correction."""
    type_, id_, version = a_record()
    clock = FixedClock(grant.at)
    worker = Worker(
        store.pool, clock, {followup.TELL_LATE: lambda job: followup.tell_late(store.pool, job, clock.now())}
    )
    none = f"DELETE FROM job WHERE kind = '{followup.TELL_LATE}'"
    await store.pool.execute(none)

    async def told() -> list[int]:
        async with store.pool.acquire() as conn:
            found = await followup.notices(conn, grant.caller.hpr, 1000)
        return [one.read_version for one in found if one.id == id_]

    async with store.pool.acquire() as reading:
        transaction = reading.transaction()
        await transaction.start()
        if asked == "for the row":
            await audit.insert(reading, audit.given(grant), [(type_, id_, version)])
        async with store.pool.acquire() as conn, conn.transaction():
            await followup.tell_readers(conn, grant, "corrected", [(type_, id_, version + 1)])
        if asked == "for nothing":  # her row is written when the correction is there
            await audit.insert(reading, audit.given(grant), [(type_, id_, version)])
        clock.move(followup.LATE)
        await worker.run_due(2)
        assert await told() == [], "her look is not in the log yet"
        await transaction.commit()
    for _ in range(2):  # the second time nothing is left to do
        clock.move(followup.LOOKED_AGAIN)
        await worker.run_due()
        assert await told() == [version]
    assert not await store.pool.fetchval(f"SELECT count(*) FROM job WHERE kind = '{followup.TELL_LATE}'")


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_who_is_told_late_saw_what_was_before_the_change(store: Store, grant: Grant, version: int) -> None:
    type_, id_, _ = a_record()
    await store.pool.execute(f"DELETE FROM job WHERE kind = '{followup.TELL_LATE}'")
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", [(type_, id_, 2)])
    await opened(store, replace(grant, at=grant.at + timedelta(seconds=2)), (type_, id_, version))
    clock = FixedClock(grant.at + followup.LATE)
    worker = Worker(
        store.pool, clock, {followup.TELL_LATE: lambda job: followup.tell_late(store.pool, job, clock.now())}
    )
    await worker.run_due()
    async with store.pool.acquire() as conn:
        found = [one for one in await followup.notices(conn, grant.caller.hpr, 1000) if one.id == id_]
    assert [one.read_version for one in found] == ([1] if version == 1 else [])


async def test_of_one_change_of_a_report_those_are_seen_that_were_told_and_no_other(store: Store, grant: Grant) -> None:
    seen = [a_record(), a_record(), a_record()]
    await opened(store, grant, *seen)
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", seen)
        told = [one for one in await followup.notices(conn, grant.caller.hpr) if one.patient == grant.subject.patient]
        assert {one.id for one in told} == {id_ for _, id_, _ in seen}
        await followup.see_notices(conn, grant.caller.hpr, [one.number for one in told[:2]], NOW)
        left = await followup.notices(conn, grant.caller.hpr)
    assert {one.number for one in told} & {one.number for one in left} == {told[2].number}


async def test_a_notice_knows_the_version_that_its_reader_saw_last(store: Store, grant: Grant) -> None:
    type_, id_, _ = a_record()
    await opened(store, grant, (type_, id_, 1))
    await opened(store, replace(grant, at=NOW + timedelta(hours=1)), (type_, id_, 3), (type_, id_, 2))
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", [(type_, id_, 4)])
        (notice,) = [one for one in await followup.notices(conn, grant.caller.hpr) if one.id == id_]
    assert (notice.read_version, notice.version) == (3, 4)


@pytest.mark.parametrize("many", [1, 1000])
async def test_many_changes_tell_what_few_do(
    store: Store, grant: Grant, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followup, "MANY", many)
    one, other, unseen = a_record(), a_record(), a_record()
    looks = [replace(grant, at=NOW + timedelta(hours=hour)) for hour in range(4)]
    await opened(store, looks[0], one, other)
    await opened(store, looks[1], (one[0], one[1], 2), other)
    await opened(store, looks[2], (one[0], one[1], 3), (one[0], one[1], 2))
    async with store.pool.acquire() as conn:
        await followup.tell_readers(
            conn, looks[3], "corrected", [(type_, id_, 4) for type_, id_, _ in (one, other, unseen)]
        )
        told = {n.id: (n.version, n.read_at, n.read_version) for n in await followup.notices(conn, grant.caller.hpr)}
    assert {id_: told.get(id_) for id_ in (one[1], other[1], unseen[1])} == {
        one[1]: (4, looks[2].at, 3), other[1]: (4, looks[1].at, 1), unseen[1]: None,
    }  # fmt: skip


async def test_to_have_seen_the_newest_notice_of_a_result_is_to_have_seen_them_all(store: Store, grant: Grant) -> None:
    seen, other = a_record(), a_record()
    await opened(store, grant, seen, other)
    later = replace(grant, at=NOW + timedelta(hours=1))
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", [seen, other])
        await followup.tell_readers(conn, later, "corrected", [seen])
        told = [one for one in await followup.notices(conn, grant.caller.hpr) if one.patient == grant.subject.patient]
        await followup.see_notices(conn, grant.caller.hpr, [told[0].number], NOW)
        left = [one for one in await followup.notices(conn, grant.caller.hpr) if one.patient == grant.subject.patient]
    assert [one.id for one in told[:1]] == [seen[1]]
    assert [one.id for one in left] == [other[1]]


async def test_nobody_marks_anothers_notice_as_seen(store: Store, grant: Grant) -> None:
    seen = a_record()
    await opened(store, grant, seen)
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "withdrawn", [seen])
        (notice,) = [one for one in await followup.notices(conn, grant.caller.hpr) if one.id == seen[1]]
        with pytest.raises(Refusal):
            await followup.see_notices(conn, "1", [notice.number], NOW)


async def test_what_nobody_opened_is_told_to_nobody(store: Store, grant: Grant) -> None:
    unseen = a_record()
    async with store.pool.acquire() as conn:
        await followup.tell_readers(conn, grant, "corrected", [unseen])
        assert not await conn.fetchval("SELECT count(*) FROM notice WHERE id = $1", unseen[1])


async def test_a_report_waits_for_its_requester_until_she_signs_this_version(store: Store, desk: Desk) -> None:
    report, mine = a_record(), CALLER.hpr
    grant = await tied(desk, await desk.person(), Tie("practice-list", hpr=mine))
    await asked_for(store, grant, mine, report, NOW)
    async with store.pool.acquire() as conn:
        assert await followup.waiting_ids(conn, grant) == {report[1]: 1}
        await followup.acknowledge(conn, grant, *report)
        await followup.acknowledge(conn, grant, *report)
        assert await followup.waiting_ids(conn, grant) == {}
        assert await followup.acknowledged(conn, grant) == {report[1]: (1, NOW)}
    await asked_for(store, grant, mine, (report[0], report[1], 2), NOW + timedelta(days=1))
    async with store.pool.acquire() as conn:
        assert await followup.waiting_ids(conn, grant) == {report[1]: 2}
    waiting = await waiting_for(store, grant)
    assert [one[:4] for one in waiting] == [(grant.subject.patient, report[1], 2, NOW + timedelta(days=1))]


async def test_a_report_that_is_gone_waits_for_nobody(store: Store, desk: Desk) -> None:
    """Nobody could sign it. One that was filed on a wrong person is not hers to sign either."""
    deleted, moved, stands = a_record(), a_record(), a_record()
    grant = await tied(desk, await desk.person(), Tie("care", organisation=CALLER.organisation))
    for one in (deleted, moved, stands):
        await asked_for(store, grant, grant.caller.hpr, one, NOW)
    async with store.pool.acquire() as conn:
        await store.records.remove(conn, grant, [deleted[:2]])
        await conn.execute("UPDATE record SET labels = $2 WHERE id = $1", moved[1], int(Label.WITHDRAWN))
        assert await followup.waiting_ids(conn, grant) == {stands[1]: 1}
    waiting = await waiting_for(store, grant)
    assert [one[1] for one in waiting] == [stands[1]]


async def test_only_those_who_are_hers_that_day_wait_also_by_another_number_of_theirs(store: Store, desk: Desk) -> None:
    """Of others nothing is open to her, and whoever sends can name her as requester without end."""
    mine, report = CALLER.hpr, a_record()
    grant = await tied(
        desk, await desk.person(),
        Tie("practice-list", hpr="1234567"), Tie("care", organisation="123456785"), Tie("parent", hpr=mine),
        Tie("practice-list", hpr=mine, since=TODAY, until=TODAY + timedelta(days=1)),
    )  # fmt: skip
    await asked_for(store, grant, mine, report, NOW)
    assert [len(await waiting_for(store, grant, TODAY + timedelta(days=days))) for days in (-1, 0, 1)] == [0, 1, 0]
    other = await desk.person()
    await tied(desk, other, Tie("practice-list", hpr=mine, since=TODAY + timedelta(days=1)))
    async with store.pool.acquire() as conn:
        await store.people.link(conn, grant.subject.patient, other, "operator", "Samme person", NOW)
    assert [one.id for one in await waiting_for(store, grant, TODAY + timedelta(days=1))] == [report[1]]


async def test_anothers_inbox_is_not_mine(store: Store, grant: Grant) -> None:
    await asked_for(store, grant, "1234567", a_record(), NOW)
    async with store.pool.acquire() as conn:
        assert await followup.waiting_ids(conn, grant) == {}


async def test_a_synthetic_past_is_signed_for_up_to_a_day(store: Store, grant: Grant) -> None:
    old, new = a_record(), a_record()
    await asked_for(store, grant, grant.caller.hpr, old, NOW - timedelta(days=30))
    await asked_for(store, grant, grant.caller.hpr, new, NOW)
    async with store.pool.acquire() as conn:
        await followup.acknowledge_until(conn, NOW, NOW)
        assert await followup.waiting_ids(conn, grant) == {new[1]: 1}


async def test_a_shown_answer_is_decided_on_once_and_counted(store: Store, grant: Grant) -> None:
    code = f"code-{uuid.uuid4()}"
    async with store.pool.acquire() as conn:
        for outcome in ("followed", "overridden", ""):
            number = uuid.uuid4()
            await followup.keep_shown(conn, grant, number, "s", code)
            if outcome:
                await followup.keep_outcome(conn, grant, store.wrap, number, outcome, "why")
                await followup.keep_outcome(conn, grant, store.wrap, number, "followed", "")
        counts = [row for row in await followup.reuse_counts(conn, NOW) if row[1] == code]
        later = [row for row in await followup.reuse_counts(conn, NOW + timedelta(seconds=1)) if row[1] == code]
    assert counts == [("s", code, "followed", 1), ("s", code, "overridden", 1), ("s", code, "shown", 3)]
    assert later == []


async def test_an_answer_that_was_never_shown_cannot_be_decided_on(store: Store, grant: Grant) -> None:
    async with store.pool.acquire() as conn:
        number = uuid.uuid4()
        await followup.keep_outcome(conn, grant, store.wrap, number, "followed", "")
        assert await conn.fetchval("SELECT count(*) FROM reuse_answer WHERE number = $1", number) == 0


async def test_why_an_answer_was_overridden_opens_with_her_key_of_the_service_alone_and_in_its_own_row(
    store: Store, grant: Grant
) -> None:
    number, why = uuid.uuid4(), "Ny dose siden sist"
    async with store.pool.acquire() as conn:
        await followup.keep_shown(conn, grant, number, "s", "c")
        await followup.keep_outcome(conn, grant, store.wrap, number, "overridden", why)
        row = await conn.fetchrow("SELECT * FROM reuse_answer WHERE number = $1 AND outcome = 'overridden'", number)
        whole = await conn.fetchval("SELECT string_agg(r::text, '') FROM reuse_answer r WHERE r.number = $1", number)
    key, patient = store.wrap.of_service(grant.subject, "results"), grant.subject.patient
    place = b"reuse-why" + patient.to_bytes(8, "big") + number.bytes
    assert key.open(row["why"], place).decode() == why
    for word in (why, why.encode().hex()):
        assert word not in whole
    with pytest.raises(InvalidTag):
        key.open(row["why"], place[:-1] + bytes([place[-1] ^ 1]))
    with pytest.raises(InvalidTag):
        store.wrap.unwrap(patient, grant.subject.wrapped[0]).open(row["why"], place)
