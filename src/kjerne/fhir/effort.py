"""How much work the check of one resource may be, counted in steps: all that grows faster than the body is held to one sum.

The check runs before the law is asked, in the process that serves everybody. A step is some microsecond: an item that an
expression looks at, or a fault that is handed up one element.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

STEPS_LIMIT: Final = 250_000
"""Some half second. Of HL7's examples at hand the dearest takes 17,000."""
STEPS_AT_ONCE: Final = 5_000
"""Steps of `work` before others have their turn: some five milliseconds."""


class TooCostly(Exception):
    """The steps are spent: the resource is refused, right or not."""


class _Effort:
    """What is left to one check, and what it keeps: by the identity of what it was made of, which lives as long."""

    __slots__ = ("kept", "left")

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.kept: dict[int, Any] = {}


class Sum:
    """What is left to several checks together."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps


_now: ContextVar[_Effort | None] = ContextVar("effort", default=None)
_of_all: ContextVar[Sum | None] = ContextVar("effort of all", default=None)


@contextmanager
def limited(steps: int = STEPS_LIMIT) -> Iterator[None]:
    """The block ends with `TooCostly` where it takes more steps."""
    effort = _Effort(steps)
    token = _now.set(effort)
    try:
        yield
    finally:
        _now.reset(token)
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
    """Counts work as `spend` does, and lets other requests of the process have their turn every some thousand steps."""
    before = left()
    spend(steps)
    if before // STEPS_AT_ONCE != left() // STEPS_AT_ONCE:
        await asyncio.sleep(0)


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
