"""The replay table: one proof counts once, on every worker, also across a crash."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import asyncpg
import pytest

from kjerne.access import Once
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.store import migrate
from kjerne.store.embedded import Embedded
from kjerne.store.pool import Pool, open_pool
from kjerne.store.proofs import NOTE, WAIT_SECONDS, ProofTable, note, note_values

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIGNED_AT = int(NOON.timestamp())


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(dsn, 4)
    yield opened
    await opened.close()


async def test_a_proof_counts_once(pool: Pool) -> None:
    table = ProofTable(pool, FixedClock(NOON))
    digest = secrets.token_bytes(16)
    assert await table(digest, SIGNED_AT)
    assert not await table(digest, SIGNED_AT)
    assert await table(secrets.token_bytes(16), SIGNED_AT)


async def test_of_many_workers_with_one_proof_exactly_one_is_let_in(pool: Pool) -> None:
    workers = [ProofTable(pool, FixedClock(NOON)) for _ in range(20)]
    digest = secrets.token_bytes(16)
    answers = await asyncio.gather(*(worker(digest, SIGNED_AT) for worker in workers))
    assert answers.count(True) == 1


async def test_the_note_can_be_part_of_a_larger_statement(pool: Pool) -> None:
    digest = secrets.token_bytes(16)
    statement = f"WITH fresh AS ({NOTE}) SELECT count(*) FROM fresh"
    assert await pool.fetchval(statement, *note_values(digest, SIGNED_AT)) == 1
    assert await pool.fetchval(statement, *note_values(digest, SIGNED_AT)) == 0


def once() -> Once:
    """A proof that a request came with."""

    async def refuse() -> NoReturn:
        raise Refusal(401, "used before")

    return Once(note_values(secrets.token_bytes(16), SIGNED_AT), refuse)


async def test_a_request_notes_its_proof_one_time_and_another_with_the_same_is_refused(pool: Pool) -> None:
    first = once()
    second = Once(first.values, first.refuse)
    async with pool.acquire() as conn:
        await note(conn, first)
        await note(conn, first)
        with pytest.raises(Refusal, match="used before"):
            await note(conn, second)


async def test_no_proof_is_noted_where_a_transaction_could_take_the_note_back(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(RuntimeError):
            await note(conn, once())


async def test_a_sweep_keeps_the_minutes_around_now(pool: Pool) -> None:
    clock = FixedClock(NOON)
    table = ProofTable(pool, clock)
    digest = secrets.token_bytes(16)
    assert await table(digest, SIGNED_AT)
    clock.move(timedelta(minutes=5))
    await table.sweep()
    assert not await table(digest, SIGNED_AT)
    clock.move(timedelta(minutes=1))
    assert await table.sweep() == 1
    assert await table.sweep() == 0


async def test_the_ring_closes_over_the_hour(pool: Pool) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 12, 58, tzinfo=UTC))
    table = ProofTable(pool, clock)
    digest = secrets.token_bytes(16)
    signed_at = int(clock.now().timestamp())
    assert await table(digest, signed_at)
    clock.move(timedelta(minutes=4))
    await table.sweep()
    assert not await table(digest, signed_at)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A server of the test's own, to be crashed."""
    own = Embedded(tmp_path)
    await own.start()
    yield own
    await own.stop()


async def test_after_a_database_crash_older_proofs_are_refused_as_unknown_and_later_ones_taken(
    server: Embedded,
) -> None:
    await migrate.upgrade(server.dsn("kjerne_owner"))
    dsn = server.dsn("kjerne_app")
    clock = FixedClock(NOON)
    before = await open_pool(dsn, 1)
    used = secrets.token_bytes(16)
    assert await ProofTable(before, clock)(used, SIGNED_AT + 4)
    await _crash(before, server.data / "postgres.log")
    after = await _reopened(dsn)
    clock.move(timedelta(seconds=1))
    table = ProofTable(after, clock)
    for digest, signed_at in ((used, SIGNED_AT + 4), (secrets.token_bytes(16), SIGNED_AT + 6)):
        with pytest.raises(Refusal, match="is not known") as refused:
            await table(digest, signed_at)
        assert refused.value.status == 503
        assert ("retry-after", str(WAIT_SECONDS)) in refused.value.headers
    later = secrets.token_bytes(16)
    assert await table(later, SIGNED_AT + 1 + WAIT_SECONDS)
    assert not await table(later, SIGNED_AT + 1 + WAIT_SECONDS), "this one was used, and it is known"
    with pytest.raises(Refusal, match="is not known"):
        await table(used, SIGNED_AT + 4)
    await after.close()


async def _crash(pool: Pool, log: Path) -> None:
    """Ends one server process the hard way: PostgreSQL then takes all others down and recovers."""
    os.kill(await pool.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    while "reinitializing" not in log.read_text():
        await asyncio.sleep(0.01)
    pool.terminate()


async def _reopened(dsn: str) -> Pool:
    for _ in range(600):
        try:
            return await open_pool(dsn, 1)
        except (asyncpg.PostgresError, OSError):
            await asyncio.sleep(0.1)
    raise AssertionError("the server did not come back")
