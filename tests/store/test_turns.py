"""Long work leaves turns for others."""

from __future__ import annotations

import asyncio

from kjerne.fhir.effort import limited, spend
from kjerne.store.turns import ROWS_AT_ONCE, STEPS_AT_ONCE, in_turns


async def test_others_have_their_turn_after_every_hundred_rows() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    rows = [row async for row in in_turns(range(5 * ROWS_AT_ONCE + 1))]
    beside.cancel()
    assert rows == list(range(5 * ROWS_AT_ONCE + 1))
    assert turns == 5


async def test_rows_that_are_much_work_leave_turns_sooner() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    with limited(100 * STEPS_AT_ONCE):
        async for _ in in_turns(range(10)):
            spend(STEPS_AT_ONCE)
    beside.cancel()
    assert turns == 10
