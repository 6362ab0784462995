"""How much work the check of one resource may be, counted in steps: all that grows faster than the body is held to one sum.

The check runs before the law is asked, in the process that serves everybody. A step is some microsecond: an item that an
expression looks at, or a fault that is handed up one element. Long work is done in pieces of some millisecond, and of all
that is in work in a process one piece is done in each round of the loop, so that others wait for one piece and not for many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary

STEPS_LIMIT: Final = 250_000
"""Some half second. Of HL7's examples at hand the dearest takes 17,000."""
STEPS_AT_ONCE: Final = 1_000
"""Steps of long work before others have their turn: some millisecond."""
DEAR_STEPS: Final = 100_000
"""Work of that many steps is dear, where whoever begins it says that it is held to `DEAR_AT_ONCE`."""
DEAR_AT_ONCE: Final = 4
"""Of these so many are in work in a process. Each holds a connection to the database, of `KJERNE_POOL_SIZE`."""


class TooCostly(Exception):
    """The steps are spent: the resource is refused, right or not."""


class Crowded(Exception):
    """As much dear work as there may be is in work already."""


class _Effort:
    """What is left to one check, and what it keeps: by the identity of what it was made of, which lives as long."""

    __slots__ = ("dear_from", "kept", "left")

    def __init__(self, steps: int, dear_from: int) -> None:
        self.left = steps
        self.dear_from = dear_from
        self.kept: dict[int, Any] = {}


class _Rounds:
    """Whose turn it is: of all that wait one goes on in each round of the loop, first come first served."""

    def __init__(self) -> None:
        self._waiting = deque[asyncio.Future[None]]()
        self._is_given = False  # somebody goes on in the next round

    async def turn(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_given:
            mine = loop.create_future()
            self._waiting.append(mine)
            await mine
        else:
            self._is_given = True
            loop.call_soon(self._next, loop)
            await asyncio.sleep(0)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_given = False
        while self._waiting and not self._is_given:
            if not (first := self._waiting.popleft()).done():  # else she was stopped meanwhile
                first.set_result(None)
                self._is_given = True
                loop.call_soon(self._next, loop)


class Sum:
    """What is left to several checks together."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps


_now: ContextVar[_Effort | None] = ContextVar("effort", default=None)
_of_all: ContextVar[Sum | None] = ContextVar("effort of all", default=None)
_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rounds] = WeakKeyDictionary()
_in_work: set[_Effort] = set()
"""What of it is dear."""


@contextmanager
def limited(steps: int = STEPS_LIMIT, *, among_dear: bool = False) -> Iterator[None]:
    """The block ends with `TooCostly` where it takes more steps, and with `Crowded` where it is `among_dear`, has turned out to
    be dear, and as much is in work already."""
    effort = _Effort(steps, steps - DEAR_STEPS if among_dear else -1)
    token = _now.set(effort)
    try:
        yield
    finally:
        _now.reset(token)
        _in_work.discard(effort)
        if (of_all := _of_all.get()) is not None:
            of_all.left -= steps - effort.left


@contextmanager
def summed(steps: int) -> Iterator[Sum]:
    """Counts what all checks of the block take together. None is cut short by it: who makes them looks at what is left."""
    of_all = Sum(steps)
    token = _of_all.set(of_all)
    try:
        yield of_all
    finally:
        _of_all.reset(token)


def spend(steps: int) -> None:
    """Counts work; outside `limited` nothing is."""
    effort = _now.get()
    if effort is not None:
        effort.left -= steps
        if effort.left < 0:
            raise TooCostly


async def work(steps: int) -> None:
    """Counts work as `spend` does, and lets other requests of the process have their turn every thousand steps."""
    before = left()
    spend(steps)
    if before // STEPS_AT_ONCE != left() // STEPS_AT_ONCE:
        await turn()


async def turn() -> None:
    """Between two pieces of long work: whoever is served meanwhile, and what other long work there is, goes first."""
    effort = _now.get()
    if effort is not None and effort.left <= effort.dear_from and effort not in _in_work:
        if len(_in_work) >= DEAR_AT_ONCE:
            raise Crowded
        _in_work.add(effort)
    loop = asyncio.get_running_loop()
    if (rounds := _rounds.get(loop)) is None:
        rounds = _rounds[loop] = _Rounds()
    await rounds.turn()


def is_crowded() -> bool:
    """Whether no more dear work may be begun, which this is held to and is not yet."""
    effort = _now.get()
    is_held = effort is not None and effort.dear_from >= 0 and effort not in _in_work
    return is_held and len(_in_work) >= DEAR_AT_ONCE


def foresee(steps: int) -> None:
    """`Crowded` at once where so many steps that are still to come would make it dear, and no more may be in work."""
    effort = _now.get()
    if effort is not None and is_crowded() and effort.left - steps <= effort.dear_from:
        raise Crowded


def left() -> int:
    """How many steps there are left; none are counted outside `limited`."""
    effort = _now.get()
    return effort.left if effort is not None else 0


def kept(of: Any, make: Callable[[Any], Any]) -> Any:
    """What `make` makes of a part of the resource, once for each check."""
    effort = _now.get()
    if effort is None:
        return make(of)
    if id(of) not in effort.kept:
        effort.kept[id(of)] = make(of)
    return effort.kept[id(of)]
