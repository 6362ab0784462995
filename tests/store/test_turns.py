"""Long work leaves turns for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kjerne.fhir.effort import limited, spend
from kjerne.store.turns import ROWS_AT_ONCE, STEPS_AT_ONCE, in_turns


@asynccontextmanager
async def other() -> AsyncIterator[list[int]]:
    """Somebody else's work beside the block's: a number for each turn that it had."""
    turns = list[int]()

    async def work() -> None:
        while True:
            turns.append(len(turns))
            await asyncio.sleep(0)

    beside = asyncio.create_task(work())
    yield turns
    beside.cancel()


async def test_others_have_their_turn_after_every_hundred_rows() -> None:
    async with other() as turns:
        rows = [row async for row in in_turns(range(5 * ROWS_AT_ONCE + 1))]
    assert rows == list(range(5 * ROWS_AT_ONCE + 1))
    assert len(turns) == 5


async def test_rows_that_are_much_work_leave_turns_sooner() -> None:
    async with other() as turns:
        with limited(100 * STEPS_AT_ONCE):
            async for _ in in_turns(range(10)):
                spend(STEPS_AT_ONCE)
    assert len(turns) == 10
