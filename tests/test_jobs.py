"""Work by the clock: done once when due, by one worker, tried again later when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kjerne.clock import FixedClock
from kjerne.jobs import Handler, Job, Worker, cancel, plan
from kjerne.store.pool import Pool, open_pool

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, 4)
    await pool.execute("DELETE FROM job")
    yield pool
    await pool.close()


def noting(seen: list[str], again: datetime | None = None) -> Handler:
    async def handler(job: Job) -> datetime | None:
        seen.append(job.key)
        return again

    return handler


async def promise(pool: Pool, key: str, due_at: datetime, kind: str = "release", payload: bytes = b"") -> None:
    async with pool.acquire() as connection, connection.transaction():
        await plan(connection, kind, key, due_at, payload)


async def test_job_is_done_once_and_not_before_its_time(pool: Pool) -> None:
    seen: list[str] = []
    clock = FixedClock(START)
    worker = Worker(pool, clock, {"release": noting(seen)})
    await promise(pool, "one", START + timedelta(hours=1))
    assert await worker.run_due() == 0
    clock.move(timedelta(hours=1))
    assert await worker.run_due() == 1
    assert await worker.run_due() == 0
    assert seen == ["one"]


async def test_job_promised_again_moves_to_the_new_time(pool: Pool) -> None:
    seen: list[str] = []
    worker = Worker(pool, FixedClock(START), {"release": noting(seen)})
    await promise(pool, "one", START)
    await promise(pool, "one", START + timedelta(hours=1))
    assert await worker.run_due() == 0


async def test_cancelled_job_is_never_done(pool: Pool) -> None:
    seen: list[str] = []
    await promise(pool, "one", START)
    async with pool.acquire() as connection:
        await cancel(connection, "release", "one")
    assert await Worker(pool, FixedClock(START), {"release": noting(seen)}).run_due() == 0


async def test_two_workers_share_the_jobs_and_none_is_done_twice(pool: Pool) -> None:
    seen: list[str] = []

    async def slow(job: Job) -> None:
        await asyncio.sleep(0.005)
        seen.append(job.key)

    for number in range(20):
        await promise(pool, f"{number:02}", START)
    workers = [Worker(pool, FixedClock(START), {"release": slow}) for _ in range(2)]
    done = await asyncio.gather(*(worker.run_due() for worker in workers))
    assert sorted(seen) == [f"{number:02}" for number in range(20)]
    assert sum(done) == 20
    assert all(done)


async def test_failed_job_waits_longer_each_time_and_keeps_its_payload(pool: Pool) -> None:
    clock = FixedClock(START)
    payloads: list[bytes] = []

    async def failing(job: Job) -> None:
        payloads.append(job.payload)
        raise ValueError("not yet")

    worker = Worker(pool, clock, {"release": failing})
    await promise(pool, "one", START, payload=b"what")
    waits = []
    for _ in range(4):
        assert await worker.run_due() == 1
        due_at = await pool.fetchval("SELECT due_at FROM job")
        waits.append((due_at - clock.now()).total_seconds())
        clock.at = due_at
    assert waits == [10, 20, 40, 80]
    assert payloads == [b"what"] * 4


async def test_what_always_comes_back_is_tried_again_within_a_minute_however_often_it_failed(pool: Pool) -> None:
    async def failing(job: Job) -> None:
        raise ValueError("not yet")

    clock = FixedClock(START)
    worker = Worker(pool, clock, {"seal": failing}, recurring=["seal"])
    await worker.start()
    await pool.execute("UPDATE job SET tries = 9 WHERE kind = 'seal'")
    await worker.run_due()
    assert await pool.fetchval("SELECT due_at FROM job WHERE kind = 'seal'") == START + timedelta(minutes=1)


async def test_job_that_comes_back_is_planned_at_the_time_it_names(pool: Pool) -> None:
    seen: list[str] = []
    worker = Worker(pool, FixedClock(START), {"release": noting(seen, START + timedelta(days=1))})
    await promise(pool, "one", START)
    assert await worker.run_due() == 1
    assert await pool.fetchval("SELECT due_at FROM job") == START + timedelta(days=1)


async def test_kind_of_a_newer_program_is_left_alone(pool: Pool) -> None:
    await promise(pool, "one", START, kind="from the future")
    assert await Worker(pool, FixedClock(START), {}).run_due() == 0
    assert await pool.fetchval("SELECT count(*) FROM job") == 1


async def test_audit_months_are_kept_made_ahead(pool: Pool) -> None:
    clock = FixedClock(datetime(2044, 5, 20, tzinfo=UTC))
    worker = Worker(pool, clock, {})
    await worker.start()
    await worker.start()
    assert await worker.run_due() == 1
    assert await pool.fetchval("SELECT to_regclass('audit_y2044m07')::text") == "audit_y2044m07"
    assert await pool.fetchval("SELECT due_at FROM job") == clock.now() + timedelta(days=1)
