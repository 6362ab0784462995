"""Long work on many rows, done so that other requests of the same process have their turn between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

from kjerne.fhir.effort import STEPS_AT_ONCE, left, turn

ROWS_AT_ONCE: Final = 100
"""Rows before others have their turn, where they are so little work that their steps do not count: a millisecond or less."""

Row = TypeVar("Row")


async def in_turns(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """The rows, with a turn for others after every hundred, and sooner where a few of them are much work."""
    since = left()
    for place, row in enumerate(rows, start=1):
        yield row
        if place % ROWS_AT_ONCE == 0 or since - left() >= STEPS_AT_ONCE:
            await turn()
            since = left()
