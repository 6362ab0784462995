"""A request that takes too long is stopped, those beside it are not, and one timer does for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any

import pytest

import hurried
from kjerne.wire.deadline import Deadlines


def hurrying(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The same moments at each run, however busy the machine is."""

    @wraps(test)
    def on_its_loop() -> None:
        hurried.done(test())

    return on_its_loop


async def worked(deadlines: Deadlines, seconds: float) -> str:
    with deadlines.limit():
        await asyncio.sleep(seconds)
    return "done"


@hurrying
async def test_each_is_stopped_when_its_own_time_is_up() -> None:
    deadlines = Deadlines(0.6)
    late = asyncio.create_task(worked(deadlines, 5))
    await asyncio.sleep(0.4)
    later = asyncio.create_task(worked(deadlines, 5))
    quick = await worked(deadlines, 0.3)
    assert (quick, late.done(), later.done()) == ("done", True, False)
    with pytest.raises(TimeoutError):
        await late
    with pytest.raises(TimeoutError):
        await later
    assert later.cancelling() == 0


@hurrying
async def test_those_who_ended_in_time_leave_nothing_to_stop() -> None:
    deadlines = Deadlines(0.3)
    assert await asyncio.gather(*(worked(deadlines, 0) for _ in range(20))) == ["done"] * 20
    await asyncio.sleep(0.5)
    assert await worked(deadlines, 0.01) == "done"
    with pytest.raises(TimeoutError):
        await worked(deadlines, 1)


@hurrying
async def test_what_goes_wrong_inside_goes_on_unchanged() -> None:
    with pytest.raises(KeyError), Deadlines(1).limit():
        raise KeyError("inside")


@hurrying
async def test_a_task_that_somebody_cancelled_is_cancelled_and_not_late() -> None:
    task = asyncio.create_task(worked(Deadlines(5), 5))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@hurrying
async def test_a_task_that_is_late_and_cancelled_too_is_cancelled() -> None:
    deadlines = Deadlines(0.02)

    async def stubborn() -> None:
        with deadlines.limit():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
            await asyncio.sleep(1)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
