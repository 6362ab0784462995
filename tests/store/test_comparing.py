"""The log compared once a day, what is found kept as figures, and the tail told as unsealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from kjerne.store import comparing
from kjerne.store.comparing import EVERY, Comparer
from kjerne.store.pool import Pool
from sealed_log import Log, sealed_log


@pytest.fixture
async def log(dsn: str, owner_dsn: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with sealed_log(dsn, owner_dsn, tmp_path) as made:
        await made.owner.execute("DELETE FROM log_comparison")
        await made.fill(3, 3)
        yield made


async def found(log: Log) -> list[tuple[str, int, int, tuple[str, ...]]]:
    async with log.pool.acquire() as conn:
        return [(one.state, one.rows, one.unsealed, tuple(one.findings)) for one in await comparing.kept(conn, 9)]


async def test_it_is_compared_when_a_day_has_passed_and_by_one_alone(log: Log) -> None:
    comparer = Comparer(log.pool, log.clock, log.checkpoints)
    assert await comparer.compare_if_due()
    assert not await comparer.compare_if_due()
    log.clock.move(EVERY)
    await log.edit(5)
    assert await comparer.compare_if_due()
    assert [one[0] for one in await found(log)] == ["broken", "whole"]
    assert (await found(log))[0][3] == ("row-edited",)


async def test_the_tail_is_told_as_unsealed_until_it_waits_for_too_long(log: Log) -> None:
    now = log.clock.now()
    await log.write(2)
    async with log.pool.acquire() as conn:
        tail = await comparing.tail(conn)
    assert (tail.seal, tail.rows, tail.unsealed, tail.oldest) == (2, 6, 2, now)
    assert not tail.is_behind(now + timedelta(seconds=30))
    assert tail.is_behind(now + timedelta(minutes=2))
    assert await Comparer(log.pool, log.clock, log.checkpoints).compare_if_due()
    assert await found(log) == [("whole", 6, 2, ())]


async def test_what_was_found_is_never_changed(log: Log) -> None:
    pool: Pool = log.pool
    await Comparer(pool, log.clock, log.checkpoints).compare_if_due()
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE log_comparison SET state = 'whole'")
