"""Links to a copy of the summary as they are kept: opened under the law, over with what they were made of, forgotten in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from kjerne.access import Choice, Grant
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.registries.homes import row_number
from kjerne.store import summary_links as links
from kjerne.store.erasing import Eraser
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.reading import Reader
from kjerne.store.records import Change
from kjerne.store.shares import NAME, Shares
from kjerne.store.summary_links import Content, Kept, New, Opened, Try, Wrong

from .conftest import NOW, Desk
from .test_erasing import RAW, REGRET, opted_out

OBSERVATION = type_number("Observation")
SERVICES = ("other", "results")
FILES = (Content("application/fhir+json", "a..b.c.d"),)
RIGHT, WRONG = b"right", b"wrong"
DAY = timedelta(days=1)


@pytest.fixture
def shares(tmp_path: Path) -> Shares:
    services = ["results", "other", "critical-information", "record"]
    return Shares.made(tmp_path / NAME, Keys(b"w" * 32, b"p" * 32, b"s" * 32), services)


@pytest.fixture(autouse=True)
async def _clean(desk: Desk) -> None:
    await desk.store.pool.execute("DELETE FROM summary_link")
    await desk.store.pool.execute("DELETE FROM summary_link_file")


def new(name: str = "one", *, life: timedelta = DAY, expected: frozenset[UUID] = frozenset(), **more: Any) -> New:
    made = New(
        links.digest_of(name), uuid4(), b"maker", RIGHT, "Ferie", SERVICES, expected, FILES, NOW + life
    )  # fmt: skip
    return replace(made, **more)


async def grant_of(desk: Desk, patient: int, at: datetime = NOW) -> Grant:
    return await desk.grant(patient, "download", at=at)


async def made(desk: Desk, patient: int, one: New) -> New:
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await links.make(conn, await grant_of(desk, patient), desk.store.wrap, one)
    return one


async def tried(
    desk: Desk, patient: int, one: New, passcode: bytes | None = RIGHT, at: datetime = NOW
) -> Opened | Wrong | None:
    grant = await grant_of(desk, patient, at)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        return await links.open_link(
            conn, grant, desk.store.wrap, reader(desk), Try(one.id_digest, passcode, "Dr. Hansen")
        )


def reader(desk: Desk) -> Reader:
    return Reader(desk.store.wrap, desk.store.dictionaries)


async def listed(desk: Desk, patient: int, at: datetime = NOW, *, own: bool = True) -> tuple[Kept, ...]:
    grant = await grant_of(desk, patient, at)
    grant = replace(grant, subject=replace(grant.subject, caller_key=patient if own else None))
    async with desk.store.pool.acquire() as conn, conn.transaction():
        return await links.listed(conn, grant, desk.store.wrap)


async def record(desk: Desk, patient: int) -> UUID:
    id_ = desk.store.ids.make(patient)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = await desk.grant(patient, "file")
        await desk.store.records.put(conn, grant, [Change(OBSERVATION, id_, RAW, index(decode(RAW)))])
    return id_


async def written(desk: Desk, patient: int, service: str, tree: dict[str, Any], id_: UUID, number: int) -> None:
    raw = encode(tree)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = replace(await desk.grant(patient, "file"), service=service)
        await desk.store.records.put(conn, grant, [Change(number, id_, raw, index(decode(raw)))])


async def content_of(desk: Desk, one: New) -> tuple[bytes | None, str]:
    row = await desk.store.pool.fetchrow("SELECT content, ended_why FROM summary_link WHERE digest = $1", one.id_digest)
    assert row is not None
    return row["content"], row["ended_why"]


async def test_it_gives_what_was_put_in_until_it_is_over(desk: Desk) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    pool, last = desk.store.pool, one.until - timedelta(microseconds=1)
    assert await links.living(pool, one.id_digest, last) == (patient, b"maker")
    assert await tried(desk, patient, one, at=last) == Opened(FILES, NOW)
    assert await links.living(pool, one.id_digest, one.until) is None
    assert await tried(desk, patient, one, at=one.until) is None


async def test_it_opens_under_nobody_elses_grant(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    one = await made(desk, patient, new())
    assert await tried(desk, other, one) is None


async def test_its_maker_sees_when_and_by_whom_it_was_opened_or_tried(desk: Desk) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    await tried(desk, patient, one, WRONG)
    await tried(desk, patient, one, at=NOW + timedelta(minutes=1))
    (kept,) = await listed(desk, patient)
    assert (kept.label, kept.opened, kept.wrong, kept.state) == ("Ferie", 1, 1, "open")
    assert [(each.recipient, each.wrong) for each in kept.openings] == [("Dr. Hansen", False), ("Dr. Hansen", True)]
    (others,) = await listed(desk, patient, own=False)
    assert others.openings == tuple(each._replace(recipient="") for each in kept.openings), "not who stands in for her"
    assert (await listed(desk, patient, one.until))[0].state == "over"
    rules = await desk.store.pool.fetch("SELECT rule, outcome FROM audit WHERE patient = $1", patient)
    assert {(row["rule"], row["outcome"]) for row in rules} == {
        (links.MADE, 0), (links.REFUSED, 1), (links.OPENED, 0), (links.LISTED, 0),
    }  # fmt: skip


async def test_what_a_copy_was_made_without_is_told_beside_its_name_and_sealed_with_it(desk: Desk) -> None:
    patient = await desk.person()
    for name, label, lacking in (
        ("one", "Ferie", ("allergies", "results")),
        ("two", "", ("allergies",)),
        ("six", "Å, b", ()),
    ):
        await made(desk, patient, new(name, label=label, lacking=lacking))
    told = {(one.label, one.lacking) for one in await listed(desk, patient)}
    assert told == {("Ferie", ("allergies", "results")), ("", ("allergies",)), ("Å, b", ())}
    held = await desk.store.pool.fetch("SELECT label FROM summary_link")
    assert not any(b"allergies" in row["label"] for row in held)


async def test_tries_at_once_from_two_hosts_are_never_more_than_the_limit(desk: Desk, dsn: str, shares: Shares) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    other = await open_store(dsn, Keys(b"w" * 32, b"p" * 32, b"s" * 32), shares, pool_size=4)
    try:
        hosts = (desk, Desk(other))
        found = await asyncio.gather(*(tried(hosts[number % 2], patient, one, WRONG) for number in range(30)))
    finally:
        await other.close()
    assert sorted(each.left for each in found if isinstance(each, Wrong)) == list(range(links.WRONG_MOST))
    assert found.count(None) == 30 - links.WRONG_MOST
    rows = await desk.store.pool.fetch("SELECT 1 FROM audit WHERE patient = $1 AND rule = $2", patient, links.REFUSED)
    assert len(rows) == links.WRONG_MOST


async def test_it_is_ended_once_by_its_number_and_by_nobody_elses_patient(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    one = await made(desk, patient, new())

    async def revoke(whose: int, number: UUID) -> bool:
        async with desk.store.pool.acquire() as conn, conn.transaction():
            return await links.revoke(conn, await grant_of(desk, whose), number)

    assert not await revoke(other, one.number)
    assert not await revoke(patient, uuid4())
    assert await revoke(patient, one.number)
    assert not await revoke(patient, one.number)
    assert await content_of(desk, one) == (None, "revoked")
    assert await tried(desk, patient, one) is None


async def test_there_are_so_many_at_once_and_no_more(desk: Desk) -> None:
    patient = await desk.person()
    every = [await made(desk, patient, new(f"n{number}")) for number in range(links.LIVING_MOST)]
    with pytest.raises(Refusal) as refused:
        await made(desk, patient, new("more"))
    assert (refused.value.status, refused.value.where) == (409, "links")
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await links.revoke(conn, await grant_of(desk, patient), every[0].number)
    await made(desk, patient, new("more"))


async def test_what_was_taken_away_while_it_was_drawn_is_not_handed_out(desk: Desk) -> None:
    patient = await desk.person()
    there = await record(desk, patient)
    with pytest.raises(Stale):
        await made(desk, patient, new(expected=frozenset({there, desk.store.ids.make(patient)})))
    one = await made(desk, patient, new(expected=frozenset({there})))
    row = await desk.store.pool.fetchrow("SELECT types, ids, versions FROM summary_link")
    assert row is not None
    assert (row["types"], row["ids"], row["versions"]) == ([OBSERVATION], [there], [1])
    assert isinstance(await tried(desk, patient, one), Opened)


IN_ERROR: dict[str, Any] = {"coding": [{"code": "entered-in-error"}]}


@pytest.mark.parametrize(
    ("service", "type_", "later", "ends"),
    [
        ("results", "Observation", {"status": "entered-in-error"}, True),
        ("results", "Observation", {"status": "cancelled"}, True),
        ("results", "Observation", {"status": "corrected"}, False),
        ("critical-information", "Flag", {"status": "entered-in-error"}, True),
        ("critical-information", "AllergyIntolerance", {"verificationStatus": IN_ERROR}, True),
        ("critical-information", "AllergyIntolerance", {"criticality": "high"}, False),
        ("record", "Condition", {"verificationStatus": IN_ERROR}, True),
        ("record", "Immunization", {"status": "entered-in-error"}, True),
        ("record", "Immunization", {"status": "not-done"}, False),
    ],
)
async def test_what_is_said_to_be_taken_back_ends_it_in_each_service_and_a_correction_does_not(
    desk: Desk, service: str, type_: str, later: dict[str, Any], ends: bool
) -> None:
    patient, number = await desk.person(), row_number(type_, service)
    id_ = desk.store.ids.make(patient, beside=number != type_number(type_))
    tree: dict[str, Any] = {"resourceType": type_, "status": "final"}
    await written(desk, patient, service, tree, id_, number)
    one = await made(desk, patient, new(expected=frozenset({id_})))
    await written(desk, patient, service, tree | later, id_, number)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = await grant_of(desk, patient)
        file = await links.file_of(conn, grant, desk.store.wrap, reader(desk), one.id_digest, 0)
    assert (file is None) == ends, "an address of a file that was given out before gives nothing either"
    assert (await tried(desk, patient, one) is None) == ends
    assert (await content_of(desk, one))[1] == ("changed" if ends else "")


async def test_what_is_taken_back_between_the_drawing_of_a_copy_and_its_making_ends_it_too(desk: Desk) -> None:
    patient = await desk.person()
    id_ = await record(desk, patient)
    tree = {"resourceType": "Observation", "status": "entered-in-error"}
    await written(desk, patient, "results", tree, id_, OBSERVATION)
    one = await made(desk, patient, new(expected=frozenset({id_})))
    assert await tried(desk, patient, one) is None


async def test_what_was_written_last_counts_and_what_was_taken_back_in_between_does_not(desk: Desk) -> None:
    patient = await desk.person()
    id_ = await record(desk, patient)
    one = await made(desk, patient, new(expected=frozenset({id_})))
    for status in ("entered-in-error", "final"):
        await written(desk, patient, "results", {"resourceType": "Observation", "status": status}, id_, OBSERVATION)
    assert isinstance(await tried(desk, patient, one), Opened)


@pytest.mark.parametrize("kind", ["opt-out", "restriction", "block", "record"])
@pytest.mark.parametrize("service", ["", "results", "other"])
async def test_a_choice_that_shuts_something_later_ends_it_by_whichever_way_it_came(
    desk: Desk, kind: Any, service: str
) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    async with desk.store.pool.acquire() as conn:
        later = Choice(kind, service, "", "", NOW + timedelta(seconds=1), None)
        await desk.store.people.add_choice(conn, patient, later)
    assert await tried(desk, patient, one, at=NOW + timedelta(minutes=1)) is None
    assert await content_of(desk, one) == (None, "choice")


@pytest.mark.parametrize(
    "choice",
    [
        Choice("block", "results", "1", "", NOW - timedelta(seconds=1), None),
        Choice("restriction", "documents", "", "", NOW + timedelta(seconds=1), None),
        Choice("consent", "results", "1", "", NOW + timedelta(seconds=1), None),
    ],
)
async def test_a_choice_of_before_one_of_another_service_and_one_that_opens_end_nothing(
    desk: Desk, choice: Choice
) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, patient, choice)
    assert isinstance(await tried(desk, patient, one, at=NOW + timedelta(minutes=1)), Opened)


async def test_what_a_service_deletes_after_an_opt_out_goes_with_its_copies_and_others_stay(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    gone, stays = await made(desk, patient, new("gone")), await made(desk, other, new("stays"))
    apart = await made(desk, patient, new("apart", services=("other",)))
    eraser = Eraser(desk.store.pool, FixedClock(NOW + REGRET), {"results": [], "other": []}, desk.store.wrap.shares)
    await eraser.erase(await opted_out(desk, patient))
    left = await desk.store.pool.fetch("SELECT digest FROM summary_link")
    assert {row["digest"] for row in left} == {stays.id_digest, apart.id_digest}
    assert gone.id_digest not in {row["digest"] for row in left}


async def test_a_copy_from_a_backup_opens_for_nobody_once_a_services_key_is_destroyed(desk: Desk) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new(life=timedelta(days=60)))
    backup = await desk.store.pool.fetchrow("SELECT * FROM summary_link")
    assert backup is not None
    eraser = Eraser(desk.store.pool, FixedClock(NOW + REGRET), {"other": []}, desk.store.wrap.shares)
    await eraser.erase(await opted_out(desk, patient, "other"))
    names = ", ".join(backup.keys())
    marks = ", ".join(f"${place + 1}" for place in range(len(backup)))
    await desk.store.pool.execute(f"INSERT INTO summary_link ({names}) VALUES ({marks})", *backup.values())
    await desk.store.pool.execute("UPDATE summary_link SET made_at = $1", NOW + REGRET)
    assert await tried(desk, patient, one, at=NOW + REGRET + DAY) is None


async def test_copies_are_deleted_when_they_are_over_and_what_is_told_of_them_later(desk: Desk) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    async with desk.store.pool.acquire() as conn:
        await links.add_file(conn, b"file", one.id_digest, 0, NOW)
    pool = desk.store.pool
    await links.sweep(pool, NOW)
    assert (await content_of(desk, one))[0] is not None
    await links.sweep(pool, one.until)
    assert (await content_of(desk, one))[0] is None
    assert await pool.fetchval("SELECT count(*) FROM summary_link_file") == 0
    assert (await listed(desk, patient, one.until))[0].label == "Ferie"
    await links.sweep(pool, one.until + links.KEPT)
    assert await pool.fetchval("SELECT count(*) FROM summary_link") == 0


async def test_a_file_is_given_once_and_in_time(desk: Desk) -> None:
    patient = await desk.person()
    one = await made(desk, patient, new())
    pool = desk.store.pool
    async with pool.acquire() as conn:
        for name in (b"once", b"late"):
            await links.add_file(conn, name, one.id_digest, 0, NOW)
    assert await links.spend(pool, b"once", NOW) == (one.id_digest, 0)
    assert await links.spend(pool, b"once", NOW) is None
    assert await links.spend(pool, b"late", NOW + links.FILE_LIFE) is None
    async with pool.acquire() as conn, conn.transaction():
        grant = await grant_of(desk, patient)
        assert await links.file_of(conn, grant, desk.store.wrap, reader(desk), one.id_digest, 0) == FILES[0]
        assert await links.file_of(conn, grant, desk.store.wrap, reader(desk), one.id_digest, 1) is None
