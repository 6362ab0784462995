"""Deletion after an opt-out: thirty days, then everything of that service, once, and the log tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from kjerne.access import Choice, Label
from kjerne.clock import FixedClock
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.jobs import Job
from kjerne.store import audit, followup, former_ids, inquiries, messages, notifying
from kjerne.store.chains import Chains, Kept, Source, Version
from kjerne.store.erasing import KIND, Eraser
from kjerne.store.inquiries import Inquiry, Told
from kjerne.store.looks import Place
from kjerne.store.records import Change
from kjerne.store.shares import Destroyed

from .conftest import NOW, Desk

OBSERVATION, ALLERGY = type_number("Observation"), type_number("AllergyIntolerance")
REGRET = timedelta(days=30)
EVERYTHING = (
    "record", "record_history", "report_source", "report_version", "requester_inbox", "notice", "acknowledgement", "reuse_answer",
    "locator", "former_id",
)  # fmt: skip
ERASE_KEY = "SELECT erase_key(1, 1, 'results', '{}', now(), '', '', '')"
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"},"valueString":"4"}'


async def filled(desk: Desk, patient: int) -> None:
    """One row at least in each table that the results service fills about a person."""
    id_, report = desk.store.ids.make(patient), patient.to_bytes(16, "big")
    chains = Chains(desk.store.records)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = await desk.grant(patient, "file")
        for raw in (RAW, RAW.replace(b'"4"', b'"5"')):
            waits = followup.put_in_inbox("9144889", OBSERVATION, NOW)
            await desk.store.records.put(conn, grant, [Change(OBSERVATION, id_, raw, index(decode(raw)))], [waits])
        source = Source(NOW, f"message-{patient}", b"<the report/>")
        version = Version(report, NOW, source.message, patient, b"sealed")
        await chains.keep(conn, grant, Kept(report, [source], [], orphan=False, versions=[version]))
        name = f"message-{patient}.0a1b2c3d"
        copy = desk.store.copies.taken("1", name, b"<all/>", [desk.store.records.key(grant)])
        row = messages.row(copy, sender="1", message=name, raw=b"<all/>", at=NOW, receipt=b"ok")
        await messages.keep(conn, row)
        await audit.insert(conn, audit.given(grant), [(OBSERVATION, id_, 1)])
        await followup.tell_readers(conn, grant, "corrected", [(OBSERVATION, id_, 2)])
        await followup.acknowledge(conn, grant, OBSERVATION, id_, 2)
        await followup.keep_shown(conn, grant, id_, "urn:x", "NPU03230")
        await former_ids.keep(conn, grant, {(OBSERVATION, desk.store.ids.make(patient)): id_})


TOLD = Told("Kari Prøve", "22.11.2026, Ola Hagen", "no-care", "Jeg var ikke der den dagen.", "here")


async def asked(desk: Desk, patient: int, service: str = "results") -> Inquiry:
    """A look that she has reported."""
    made = Inquiry(patient, uuid4(), "misuse", NOW, "999999999", look=Place(NOW, uuid4()), service=service)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await inquiries.add(conn, await desk.grant(patient, "ask"), desk.store.wrap, made, TOLD)
    return made


async def kept(desk: Desk, patient: int) -> dict[str, int]:
    return {
        name: await desk.store.pool.fetchval(f"SELECT count(*) FROM {name} WHERE patient = $1", patient)
        for name in EVERYTHING
    }


async def log_of(desk: Desk, patient: int) -> list[Any]:
    return list(await desk.store.pool.fetch("SELECT * FROM audit WHERE patient = $1 AND action = 'erase'", patient))


async def opted_out(desk: Desk, patient: int, service: str = "results") -> Job:
    async with desk.store.pool.acquire() as conn:
        number = await desk.store.people.add_choice(conn, patient, Choice("opt-out", service, "", "", NOW, None))
    return Job(KIND, f"{patient}:{number}", NOW + REGRET)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW + REGRET)


@pytest.fixture
def eraser(desk: Desk, clock: FixedClock) -> Eraser:
    return Eraser(desk.store.pool, clock, {"results": [OBSERVATION], "other": []}, desk.store.wrap.shares)


async def test_a_choice_about_one_record_names_it_no_more_when_it_is_deleted(desk: Desk, eraser: Eraser) -> None:
    patient, people = await desk.person(), desk.store.people
    await filled(desk, patient)
    one = Choice("record", "results", "", "", NOW - timedelta(days=2), None, record=uuid4())
    async with desk.store.pool.acquire() as conn:
        in_force = await people.add_choice(conn, patient, one)
        ended = await people.add_choice(conn, patient, replace(one, ended_at=NOW - timedelta(days=1)))
        elsewhere = await people.add_choice(conn, patient, replace(one, service="other"))
    await eraser.erase(await opted_out(desk, patient))
    rows = await desk.store.pool.fetch(
        "SELECT number, record, ended_at FROM privacy_choice WHERE patient = $1 AND kind = 'record'", patient
    )
    found = {row["number"]: (row["record"], row["ended_at"]) for row in rows}
    assert found == {
        in_force: (None, NOW + REGRET), ended: (None, NOW - timedelta(days=1)), elsewhere: (one.record, None),
    }  # fmt: skip


async def test_thirty_days_after_an_opt_out_nothing_of_the_service_is_left_but_the_log(
    desk: Desk, eraser: Eraser
) -> None:
    patient, other = await desk.person(), await desk.person()
    await filled(desk, patient)
    await filled(desk, other)
    before = await kept(desk, other)
    assert all(before.values())
    await eraser.erase(await opted_out(desk, patient))
    assert set((await kept(desk, patient)).values()) == {0}
    assert await kept(desk, other) == before
    (row,) = await log_of(desk, patient)
    assert (row["outcome"], row["service"], row["caller_kind"]) == (0, "results", "system")
    assert sorted(row["versions"]) == [1, 2]
    assert await desk.store.pool.fetchval("SELECT count(*) FROM audit WHERE patient = $1", patient) > 1


async def test_the_message_that_carried_the_report_is_emptied_and_its_receipt_stays(desk: Desk, eraser: Eraser) -> None:
    patient, other = await desk.person(), await desk.person()
    await filled(desk, patient)
    await filled(desk, other)
    await eraser.erase(await opted_out(desk, patient))
    rows = await desk.store.pool.fetch(
        "SELECT message, sealed = '' AS empty, receipt FROM message_in WHERE message LIKE ANY($1)",
        [f"message-{key}.%" for key in (patient, other)],
    )
    assert {row["message"]: row["empty"] for row in rows} == {
        f"message-{patient}.0a1b2c3d": True,
        f"message-{other}.0a1b2c3d": False,
    }
    assert {row["receipt"] for row in rows} == {b"ok"}


async def test_done_twice_it_deletes_and_tells_once(desk: Desk, eraser: Eraser) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    job = await opted_out(desk, patient)
    await eraser.erase(job)
    await eraser.erase(job)
    assert len(await log_of(desk, patient)) == 1


async def test_a_choice_that_was_taken_back_deletes_nothing(desk: Desk, eraser: Eraser) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    job = await opted_out(desk, patient)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.end_choice(conn, patient, int(job.key.split(":")[1]), NOW + timedelta(days=29))
    before = await kept(desk, patient)
    await eraser.erase(job)
    assert await kept(desk, patient) == before
    assert await log_of(desk, patient) == []


async def test_nothing_is_deleted_a_second_too_early(desk: Desk, eraser: Eraser, clock: FixedClock) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    job = await opted_out(desk, patient)
    before = await kept(desk, patient)
    clock.at = NOW + REGRET - timedelta(seconds=1)
    await eraser.erase(job)
    assert await kept(desk, patient) == before


async def test_what_each_service_keeps_goes_with_its_own_key_and_no_other(desk: Desk, clock: FixedClock) -> None:
    """Records of two services lie side by side under one person, each under a key of its own."""
    patient, store = await desk.person(), desk.store
    await filled(desk, patient)
    theirs = await desk.grant(patient, "file")
    grant = replace(theirs, service="other")
    raw = b'{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},"patient":{"display":"-"}}'
    change = Change(ALLERGY, store.ids.make(patient), raw, index(decode(raw)))
    async with store.pool.acquire() as conn:
        await store.records.create(conn, grant, change)
        observations = await conn.fetchval(
            "SELECT count(*) FROM record WHERE patient = $1 AND type = $2", patient, OBSERVATION
        )
        eraser = Eraser(store.pool, clock, {"results": [OBSERVATION], "other": [ALLERGY]}, store.wrap.shares)
        await eraser.erase(await opted_out(desk, patient, "other"))
        left = await conn.fetch("SELECT type, count(*) FROM record WHERE patient = $1 GROUP BY type", patient)
    assert [tuple(row) for row in left] == [(OBSERVATION, observations)]
    with pytest.raises(Destroyed):
        store.wrap.of_service(grant.subject, "other")
    store.wrap.of_service(theirs.subject, "results")


async def test_an_opt_out_of_one_service_leaves_another_alone(desk: Desk, eraser: Eraser) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    before = await kept(desk, patient)
    await eraser.erase(await opted_out(desk, patient, "other"))
    assert await kept(desk, patient) == before


async def test_an_opt_out_of_everything_leaves_a_service_that_the_law_keeps(desk: Desk, clock: FixedClock) -> None:
    """A record that must be kept: it is shut, and neither it nor its key goes, whichever choice the job is for."""
    patient, store = await desk.person(), desk.store
    await filled(desk, patient)
    grant = replace(await desk.grant(patient, "file"), service="other")
    raw = b'{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},"patient":{"display":"-"}}'
    change = Change(ALLERGY, store.ids.make(patient), raw, index(decode(raw)))
    types = {"results": [OBSERVATION], "other": [ALLERGY]}
    eraser = Eraser(store.pool, clock, types, store.wrap.shares, kept=["other"])
    async with store.pool.acquire() as conn:
        await store.records.create(conn, grant, change)
        for service in ("other", ""):
            await eraser.erase(await opted_out(desk, patient, service))
        left = await conn.fetch("SELECT type, count(*) FROM record WHERE patient = $1 GROUP BY type", patient)
    assert [tuple(row) for row in left] == [(ALLERGY, 1)]
    store.wrap.of_service(grant.subject, "other")


async def test_a_person_with_two_linked_keys_is_deleted_under_both(desk: Desk, eraser: Eraser) -> None:
    one, other = await desk.person(), await desk.person()
    await filled(desk, one)
    await filled(desk, other)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "register", "same", NOW)
    await eraser.erase(await opted_out(desk, one))
    assert set((await kept(desk, one) | await kept(desk, other)).values()) == {0}
    assert len(await log_of(desk, one) + await log_of(desk, other)) == 2


async def test_a_number_that_is_linked_later_is_deleted_thirty_days_after_the_link(
    desk: Desk, eraser: Eraser, clock: FixedClock
) -> None:
    one, other = await desk.person(), await desk.person()
    await filled(desk, other)
    job, before = await opted_out(desk, one), await kept(desk, other)
    await eraser.erase(job)
    linked_at = clock.now() + timedelta(days=5)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "register", "same", linked_at)
    again = Job(KIND, f"{job.key}:1", linked_at + REGRET)
    for days, left in ((29, before), (30, dict.fromkeys(before, 0)), (31, dict.fromkeys(before, 0))):
        await Eraser(desk.store.pool, FixedClock(linked_at + timedelta(days=days)), {"results": [OBSERVATION]},
                     desk.store.wrap.shares).erase(again)  # fmt: skip
        assert await kept(desk, other) == left, days
    assert len(await log_of(desk, other)) == 1


async def test_a_link_made_in_the_regret_period_does_not_hold_up_her_own_deletion(desk: Desk, eraser: Eraser) -> None:
    one, other = await desk.person(), await desk.person()
    await filled(desk, one)
    await filled(desk, other)
    job, before = await opted_out(desk, one), await kept(desk, other)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "register", "same", NOW + timedelta(days=10))
    await eraser.erase(job)
    assert set((await kept(desk, one)).values()) == {0}
    assert await kept(desk, other) == before


async def test_the_program_cannot_delete_history_by_itself(desk: Desk) -> None:
    for statement in (
        "DELETE FROM record_history",
        "DELETE FROM notice",
        "SELECT erase_results_rest(1, '{}')",
        ERASE_KEY,
    ):
        with pytest.raises(Exception, match="permission denied"):
            await desk.store.pool.execute(statement)


async def test_what_she_wrote_of_her_results_goes_with_them_row_and_step(desk: Desk, eraser: Eraser) -> None:
    patient, other = await desk.person(), await desk.person()
    made = {one: await asked(desk, one) for one in (patient, other)}
    backup = await desk.store.pool.fetchrow("SELECT told FROM inquiry WHERE patient = $1", patient)
    await eraser.erase(await opted_out(desk, patient))
    async with desk.store.pool.acquire() as conn:
        assert await inquiries.of_patient(conn, await desk.grant(patient, "ask"), desk.store.wrap) == []
        assert await inquiries.found(conn, made[patient].number) is None
        (kept_one,) = await inquiries.of_patient(conn, await desk.grant(other, "ask"), desk.store.wrap)
        assert kept_one[1] == TOLD
        for table in ("inquiry", "inquiry_step"):
            rows = "SELECT count(*) FILTER (WHERE patient = $1), count(*) FILTER (WHERE patient = $2) FROM "
            assert tuple(await conn.fetchrow(rows + table, patient, other)) == (0, 1), table
        key = desk.store.wrap.of_service((await desk.grant(patient, "ask")).subject, "results")
    with pytest.raises(InvalidTag):
        key.open(backup["told"], b"inquiry" + patient.to_bytes(8, "big") + made[patient].number.bytes)


@pytest.mark.parametrize(("out_of", "left"), [("results", ["", "other"]), ("other", ["", "results"])])
async def test_what_she_wrote_of_another_service_or_of_her_log_stays_and_opens(
    desk: Desk, eraser: Eraser, out_of: str, left: list[str]
) -> None:
    patient = await desk.person()
    for service in ("results", "other", ""):
        made = await asked(desk, patient, service)
        async with desk.store.pool.acquire() as conn, conn.transaction():
            step = inquiries.Step(NOW, "answered", "Drift", f"Svar om {service}.")
            await inquiries.move(conn, await desk.grant(patient, "handle"), desk.store.wrap, made, step)
    await eraser.erase(await opted_out(desk, patient, out_of))
    async with desk.store.pool.acquire() as conn:
        rows = await inquiries.of_patient(conn, await desk.grant(patient, "ask"), desk.store.wrap)
        steps = await conn.fetchval("SELECT count(*) FROM inquiry_step WHERE patient = $1", patient)
    assert sorted((one.service, told, done[-1].answer) for one, told, done in rows) == [
        (service, TOLD, f"Svar om {service}.") for service in left
    ]
    assert steps == 4
    assert len(await log_of(desk, patient)) == 1


async def test_what_she_is_told_by_goes_with_the_last_service_and_not_before(desk: Desk, eraser: Eraser) -> None:
    patient, store = await desk.person(), desk.store
    async with store.pool.acquire() as conn, conn.transaction():
        grant = await desk.grant(patient, "insight")
        herself = replace(grant, subject=replace(grant.subject, caller_key=patient))
        chosen = notifying.Profile("daily", "email", "kari@example.test", "nb", NOW)
        await notifying.choose(conn, herself, store.wrap, chosen)

    async def profiles() -> int:
        return int(await store.pool.fetchval("SELECT count(*) FROM notify_profile WHERE patient = $1", patient))

    first = await opted_out(desk, patient)
    await eraser.erase(first)
    assert await profiles() == 1
    async with store.pool.acquire() as conn:
        await store.people.end_choice(conn, patient, int(first.key.split(":")[1]), NOW + REGRET)
    await eraser.erase(await opted_out(desk, patient, "other"))
    assert await profiles() == 1, "she has taken results back"
    await eraser.erase(await opted_out(desk, patient))
    assert await profiles() == 0


async def test_why_she_was_tested_again_opens_from_no_backup_of_before(desk: Desk, eraser: Eraser) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    grant = await desk.grant(patient)
    number = await desk.store.pool.fetchval("SELECT number FROM reuse_answer WHERE patient = $1", patient)
    async with desk.store.pool.acquire() as conn:
        await followup.keep_outcome(conn, grant, desk.store.wrap, number, "overridden", "Ny dose siden sist")
        backup = await conn.fetchval("SELECT why FROM reuse_answer WHERE patient = $1 AND why <> ''", patient)
    place = b"reuse-why" + patient.to_bytes(8, "big") + number.bytes
    assert desk.store.wrap.of_service(grant.subject, "results").open(backup, place) == b"Ny dose siden sist"
    await eraser.erase(await opted_out(desk, patient))
    with pytest.raises(Destroyed):
        desk.store.wrap.of_service(grant.subject, "results")
    own = desk.store.wrap.unwrap(patient, grant.subject.wrapped[0])
    now = desk.store.wrap.of_service((await desk.grant(patient)).subject, "results")
    for key in (own, now):
        with pytest.raises(InvalidTag):
            key.open(backup, place)


async def test_of_what_was_deleted_the_log_names_nothing_to_those_from_whom_anything_is_kept(
    desk: Desk, eraser: Eraser
) -> None:
    patient = await desk.person()
    await filled(desk, patient)
    async with desk.store.pool.acquire() as conn:
        parents = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_PARENTS)
        assert await audit.hidden_from(conn, parents) == frozenset()
        await eraser.erase(await opted_out(desk, patient))
        (row,) = await log_of(desk, patient)
        after = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_PARENTS)
        assert await audit.hidden_from(conn, after) >= {str(one) for one in row["ids"]}
        whole = await desk.grant(patient, "insight", hides=Label(0))
        assert await audit.hidden_from(conn, whole) == frozenset()
