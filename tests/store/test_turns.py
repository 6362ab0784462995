"""Long work leaves turns for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kjerne.fhir.effort import STEPS_AT_ONCE, limited, spend
from kjerne.store.turns import ROWS_AT_ONCE, in_turns


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


async def test_of_several_long_works_one_goes_on_between_two_turns_of_others() -> None:
    pieces = list[tuple[int, str]]()

    async def long(name: str, turns: list[int]) -> None:
        async for row in in_turns(range(4 * ROWS_AT_ONCE)):
            if row % ROWS_AT_ONCE == 0 and row:
                pieces.append((len(turns), name))

    async with other() as turns:
        await asyncio.gather(*(long(name, turns) for name in "abc"))
    rounds = [round_ for round_, _ in pieces]
    assert len(set(rounds)) == len(rounds) == 9
    assert [name for _, name in sorted(pieces)] == list("abcabcabc")


async def test_long_work_that_is_stopped_while_it_waits_keeps_nobody_waiting() -> None:
    async def long() -> int:
        return len([row async for row in in_turns(range(4 * ROWS_AT_ONCE))])

    works = [asyncio.create_task(long()) for _ in range(5)]
    await asyncio.sleep(0)
    for one in works[:3]:
        one.cancel()
    ended = await asyncio.wait_for(asyncio.gather(*works, return_exceptions=True), 30)
    assert [type(one) for one in ended[:3]] == [asyncio.CancelledError] * 3
    assert ended[3:] == [4 * ROWS_AT_ONCE] * 2
