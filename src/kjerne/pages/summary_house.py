"""What the pages ask of the house about patient summaries, its own and others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kjerne.pages.house import Identity


class SummaryHouse(Protocol):
    """The doors to patient summaries."""

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        """Writes into the log of each who is registered under one of the numbers that a document about her was read. The reader
        does not hear whether anybody is."""
        ...
