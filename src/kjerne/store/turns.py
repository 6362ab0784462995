"""Long work on many rows, done so that other requests of the same process have their turn between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

ROWS_AT_ONCE: Final = 100
"""Rows that are looked at before others have their turn: some five milliseconds."""

Row = TypeVar("Row")


async def in_turns(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """The rows, with a turn for others after every hundred."""
    for place, row in enumerate(rows, start=1):
        yield row
        if place % ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
