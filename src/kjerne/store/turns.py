"""Long work on many rows, done so that other requests of the same process have their turn between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

from kjerne.fhir.effort import left

ROWS_AT_ONCE: Final = 100
STEPS_AT_ONCE: Final = 5_000
"""Rows, or steps of a counted search, before others have their turn: some five milliseconds."""

Row = TypeVar("Row")


async def in_turns(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """The rows, with a turn for others after every hundred, and sooner where a few of them are much work."""
    since = left()
    for place, row in enumerate(rows, start=1):
        yield row
        if place % ROWS_AT_ONCE == 0 or since - left() >= STEPS_AT_ONCE:
            await asyncio.sleep(0)
            since = left()
