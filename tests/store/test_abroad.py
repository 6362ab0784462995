"""Foreign summaries as they lie: sealed, opened under a grant, shut by her choices, gone with the service after an opt-out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag

from kjerne.access import Choice, Grant, part_label
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.jobs import Job
from kjerne.store import abroad
from kjerne.store.abroad import WHOLE, Digests, Held, Said, Told
from kjerne.store.erasing import KIND, Eraser
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Destroyed, Shares

from .conftest import CALLER, NOW, Desk

CRITICAL = "critical-information"
DIGESTS = Digests(b"k" * 32)
RAW = b'{"resourceType": "Bundle",\n "type": "document"}'
TOLD = Told(
    "urn:x|1", "2026-01-05", "Patientoversikt", "sv", "Sjukhuset", "Sjukhuset", "SE", "application/fhir+json", len(RAW), "0f",
    "Ola Prove", "9144889", "LE", "EPJ", within=("999999999", "999999998"),
)  # fmt: skip


@pytest.fixture
def shares(tmp_path: Path) -> Shares:
    return Shares.made(tmp_path / NAME, Keys(b"w" * 32, b"p" * 32, b"s" * 32), ["results", CRITICAL])


async def granted(desk: Desk, patient: int, action: str = "file", **more: object) -> Grant:
    return replace(await desk.grant(patient, action), service=CRITICAL, **more)  # type: ignore[arg-type]


async def added(desk: Desk, patient: int, raw: bytes = RAW) -> Held:
    grant = await granted(desk, patient)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        return await abroad.add(conn, grant, desk.store.wrap, uuid4(), DIGESTS, ("urn:x", "1"), TOLD, raw)


async def listed(desk: Desk, grant: Grant, number: UUID | None = None) -> list[Held]:
    async with desk.store.pool.acquire() as conn:
        return await abroad.listed(conn, grant, desk.store.wrap, number)


async def test_a_document_is_given_back_to_the_byte_and_lies_sealed(desk: Desk) -> None:
    patient = await desk.person()
    held, grant = await added(desk, patient), await granted(desk, patient, "search")
    assert await listed(desk, grant) == [held] and held.is_open and held.told == TOLD
    async with desk.store.pool.acquire() as conn:
        assert await abroad.body(conn, grant, desk.store.wrap, held) == RAW
        assert await abroad.known(conn, grant, DIGESTS, RAW) == {held.number}
        assert await abroad.known(conn, grant, DIGESTS, RAW + b" ") == frozenset()
    row = await desk.store.pool.fetchrow("SELECT * FROM abroad_document WHERE patient = $1", patient)
    assert not any(
        b"Sjukhuset" in bytes(value) or b"Bundle" in bytes(value) for value in row if isinstance(value, bytes)
    )


async def test_the_same_document_has_another_name_for_another_patient_and_is_not_seen_there(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    first, second = await added(desk, one), await added(desk, other)
    assert first.name != second.name and first.number != second.number
    assert [held.number for held in await listed(desk, await granted(desk, one))] == [first.number]
    assert await listed(desk, await granted(desk, one), second.number) == []
    assert DIGESTS.name(one, "urn:x", "") == b""


async def test_steps_count_from_one_and_the_second_of_two_at_once_is_refused(desk: Desk) -> None:
    patient = await desk.person()
    held, grant = await added(desk, patient), await granted(desk, patient)
    said, id_ = Said("Ola Prove", "9144889", "LE", "999999999", "hun vet det"), uuid4()

    async def step(kind: abroad.Kind, place: int = 3) -> None:
        async with desk.store.pool.acquire() as conn, conn.transaction():
            await abroad.step(conn, grant, desk.store.wrap, held, place, kind, said, (2, id_))

    await step("left")
    with pytest.raises(Refusal) as caught:
        await step("same")
    assert caught.value.status == 412
    (now,) = await listed(desk, grant)
    last = now.last(3)
    assert last is not None and (last.kind, last.number, last.said, last.record) == ("left", 1, said, id_)
    assert now.is_open and now.last(4) is None
    held = now
    await step("withdrawn", WHOLE)
    (now,) = await listed(desk, grant)
    assert not now.is_open


async def test_each_look_and_step_has_its_row_that_names_the_document(desk: Desk) -> None:
    patient = await desk.person()
    held, grant = await added(desk, patient), await granted(desk, patient, "search")
    async with desk.store.pool.acquire() as conn:
        await abroad.look(conn, grant, [held])
    rows = await desk.store.pool.fetch(
        "SELECT action, service, types, ids FROM audit WHERE patient = $1 ORDER BY action", patient
    )
    assert [tuple(row) for row in rows] == [(one, CRITICAL, [abroad.TYPE], [held.number]) for one in ("file", "search")]


async def test_a_fact_that_has_changed_since_asks_the_law_anew(desk: Desk) -> None:
    patient = await desk.person()
    await added(desk, patient)
    grant = await granted(desk, patient)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, patient, Choice("restriction", CRITICAL, "", "", NOW, None))
    with pytest.raises(Stale):
        await listed(desk, grant)


@pytest.mark.parametrize("source", ["999999999", "999999998", "888888888"])
async def test_what_one_organisation_brought_is_shut_with_what_it_registered(desk: Desk, source: str) -> None:
    patient = await desk.person()
    await added(desk, patient)
    begun = NOW - timedelta(days=1)
    async with desk.store.pool.acquire() as conn:
        choice = Choice("restriction", CRITICAL, "", "", begun, None, source=source, slot=0, marked=(patient,))
        await desk.store.people.add_choice(conn, patient, choice)
    grant = await granted(desk, patient, "search", hides=part_label(0))
    subject = replace(grant.subject, choices=(choice,))
    shown = await listed(desk, replace(grant, subject=subject))
    assert len(shown) == (1 if source == "888888888" else 0)
    assert len(await listed(desk, await granted(desk, patient, "search"))) == 1, "where it is opened it is there"


async def test_after_an_opt_out_documents_and_steps_are_gone_and_the_key_with_them(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    held, kept = await added(desk, patient), await added(desk, other)
    grant = await granted(desk, patient)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await abroad.step(conn, grant, desk.store.wrap, held, WHOLE, "withdrawn", Said("", "", "", ""))
    sealed = await desk.store.pool.fetchval("SELECT body FROM abroad_document WHERE patient = $1", patient)
    async with desk.store.pool.acquire() as conn:
        number = await desk.store.people.add_choice(conn, patient, Choice("opt-out", CRITICAL, "", "", NOW, None))
    clock = FixedClock(NOW + timedelta(days=30))
    eraser = Eraser(desk.store.pool, clock, {CRITICAL: [], "results": []}, desk.store.wrap.shares)
    await eraser.erase(Job(KIND, f"{patient}:{number}", clock.now()))
    for table in ("abroad_document", "abroad_step"):
        assert await desk.store.pool.fetchval(f"SELECT count(*) FROM {table} WHERE patient = $1", patient) == 0
    assert [one.number for one in await listed(desk, await granted(desk, other))] == [kept.number]
    with pytest.raises((Destroyed, InvalidTag)):
        desk.store.wrap.of_service((await granted(desk, patient)).subject, CRITICAL).open(sealed, b"")
    assert CALLER.organisation == held.organisation
