"""What the pages of whoever answers for the log ask of the house: `pages.house.PagesHouse` is this too.

Every method is the operator's alone, leaves a row in the log before it answers, and raises as `PagesHouse` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from kjerne.services.oversight.review import Chosen, Line, Listing, Opened, Period
from kjerne.store.verdicts import Noted

if TYPE_CHECKING:
    from kjerne.pages.house import Identity


@dataclass(frozen=True, slots=True)
class ReviewList:
    """Readings that stand out, naming no patient; `names` are of their organisations."""

    listing: Listing
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One line with every verdict on it, oldest first; `opened` once it was opened for a reason."""

    line: Line
    history: tuple[Noted, ...]
    names: Mapping[str, str]
    opened: Opened | None = None


class OversightHouse(Protocol):
    """The operator's review of the log."""

    async def review(self, who: Identity, period: Period, chosen: Chosen, skipped: int) -> ReviewList:
        """Readings of a period that stand out."""
        ...

    async def review_line(self, who: Identity, period: Period, number: UUID) -> ReviewLine:
        """One of them, before it is opened. `Refusal` 404 where the list of the period has none."""
        ...

    async def open_line(self, who: Identity, period: Period, number: UUID, reason: str) -> ReviewLine:
        """Whom it was about, for a reason that stands in the log of whom it was about. `Denied` where the law says no."""
        ...

    async def note_verdict(self, who: Identity, period: Period, number: UUID, verdict: str, after: int) -> None:
        """What came of it. `Refusal` 409 where somebody else has judged it after that step."""
        ...
