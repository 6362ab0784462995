"""Patient summaries of the made-up house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kjerne.pages.house import Identity


@dataclass
class FakeSummary:
    """`read_about` are the numbers of the documents that were read."""

    read_about: list[str] = field(default_factory=list)

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        self.read_about += numbers
