"""The work by the clock put together: proofs are swept, the log is sealed, an opt-out ends in deletion."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kjerne import housekeeping
from kjerne.access import Choice
from kjerne.clock import FixedClock
from kjerne.jobs import Worker, plan
from kjerne.store import logins
from kjerne.store.checkpoints import Checkpoints, made_key
from kjerne.store.erasing import KIND
from kjerne.store.house import Store, open_store
from kjerne.store.keys import Keys
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.proofs import ProofTable
from kjerne.store.shares import Shares
from kjerne.store.subjects import PersonDetail
from kjerne.store.verifying import verify

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def store(dsn: str, shares: Shares) -> AsyncIterator[Store]:
    opened = await open_store(dsn, Keys(b"w" * 32, b"p" * 32, b"s" * 32), shares, pool_size=4)
    await opened.pool.execute("DELETE FROM job")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "audit-checkpoints.jsonl", made_key(tmp_path / "key.pem"))


@pytest.fixture
async def worker(store: Store, clock: FixedClock, checkpoints: Checkpoints) -> Worker:
    made = housekeeping.worker(store.pool, clock, checkpoints, store.keys, store.wrap.shares)
    await made.start()
    return made


async def person_who_opted_out(store: Store) -> tuple[int, int]:
    given = Identifier(secrets.token_bytes(16), "FNR", "x", date(2000, 1, 1))
    async with store.pool.acquire() as conn, conn.transaction():
        new = NewPerson(PersonDetail(), (given,), synthetic=True)
        (patient,) = await store.people.register(conn, [new], START)
        number = await store.people.add_choice(conn, patient, Choice("opt-out", "results", "", "", START, None))
        await plan(conn, KIND, f"{patient}:{number}", START + timedelta(days=30))
        await conn.execute(
            "INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr) "
            "VALUES ($1, gen_random_uuid(), $2, 'urn:x', 'NPU03230', 'shown', '9144889')",
            patient, START,
        )  # fmt: skip
    return patient, number


async def test_what_always_comes_back_comes_back(store: Store, worker: Worker, clock: FixedClock) -> None:
    assert await worker.run_due() == 5
    rows = await store.pool.fetch("SELECT kind, due_at FROM job")
    assert {row["kind"]: row["due_at"] - START for row in rows} == {
        "audit-months": timedelta(days=1),
        "audit-seal": timedelta(seconds=1),
        "login-sweep": timedelta(hours=1),
        "proof-sweep": timedelta(minutes=1),
        "repeat-count": timedelta(hours=1),
    }


async def test_used_proofs_are_forgotten_when_none_can_come_again(
    store: Store, worker: Worker, clock: FixedClock
) -> None:
    proofs = ProofTable(store.pool, clock)
    await proofs.remember()
    clock.move(timedelta(minutes=1))
    assert await proofs(b"proof", int(clock.now().timestamp()))
    for minutes, left in ((1, 1), (10, 0)):
        clock.move(timedelta(minutes=minutes))
        await worker.run_due()
        assert await store.pool.fetchval("SELECT count(*) FROM proof") == left


async def test_an_ended_login_is_forgotten_when_its_cookie_is_too_old(
    store: Store, worker: Worker, clock: FixedClock
) -> None:
    await logins.end(store.pool, "a-login", START + timedelta(hours=3))
    for hours, remembered in ((0, True), (2, True), (1, False)):
        clock.move(timedelta(hours=hours))
        await worker.run_due()
        assert await logins.has_ended(store.pool, "a-login") is remembered


async def test_an_opt_out_ends_in_a_deletion_that_is_sealed(
    store: Store, worker: Worker, clock: FixedClock, checkpoints: Checkpoints
) -> None:
    patient, _ = await person_who_opted_out(store)
    clock.at = START + timedelta(days=30) - timedelta(seconds=1)
    await worker.run_due()
    assert await store.pool.fetchval("SELECT count(*) FROM reuse_answer WHERE patient = $1", patient) == 1
    clock.at = START + timedelta(days=30)
    await worker.run_due()
    assert await store.pool.fetchval("SELECT count(*) FROM reuse_answer WHERE patient = $1", patient) == 0
    assert await store.pool.fetchval("SELECT action FROM audit WHERE patient = $1", patient) == "erase"
    clock.move(timedelta(seconds=2))
    await worker.run_due()
    async with store.pool.acquire() as conn:
        verdict = await verify(conn, checkpoints)
    assert (verdict.findings, verdict.unsealed) == ((), 0)
    assert verdict.rows >= 1
