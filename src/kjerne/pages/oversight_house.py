"""What the pages of whoever answers for the log ask of the house: `pages.house.PagesHouse` is this too.

Every method is the operator's alone, and raises as `PagesHouse` says. What tells of readings or changes something leaves a row
in the log before it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from kjerne.services.critical.coverage import Figure
from kjerne.services.exports.approving import Standing
from kjerne.services.oversight.review import Chosen, Line, Listing, Opened, Period
from kjerne.store.cards import Count
from kjerne.store.comparing import Comparison, Tail
from kjerne.store.exports import Export
from kjerne.store.journals import Dead, State
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


@dataclass(frozen=True, slots=True)
class ExportList:
    """A page of exports, newest first."""

    rows: tuple[Export, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ExportShown:
    """One export; `people` are all it could hold, `standing` says why the reader may not approve it, empty where she may."""

    export: Export
    people: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class JournalList:
    """How each journal stands, and what was given up, the oldest first. `registered` are those of the file, `fault` is what is
    wrong with that."""

    states: tuple[State, ...]
    dead: tuple[Dead, ...]
    registered: frozenset[str] = frozenset()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class LogState:
    """Where the chain of the log stands, and what the last comparisons found, newest first."""

    tail: Tail
    comparisons: tuple[Comparison, ...]


class OversightHouse(Protocol):
    """The operator's review of the log, and her decisions on exports."""

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

    async def exports(self, who: Identity, state: str, skipped: int) -> ExportList:
        """Exports in one state, or all."""
        ...

    async def export(self, who: Identity, number: int) -> ExportShown:
        """One of them. `Refusal` 404 where there is none."""
        ...

    async def decide_export(self, who: Identity, number: int, verdict: str, why: str) -> None:
        """Approves or refuses it. `Refusal` with `reason` or `verdict` where the form is wrong, `export` where it cannot be."""
        ...

    async def log_state(self, who: Identity) -> LogState:
        """The log as its seals have it; figures alone."""
        ...

    async def warning_counts(self, who: Identity) -> tuple[Count, ...]:
        """What became of the warnings that clinicians were shown lately, of nobody in particular."""
        ...

    async def coverage(self, who: Identity) -> tuple[Figure, ...]:
        """How far critical information reaches, of nobody in particular."""
        ...

    async def journals(self, who: Identity) -> JournalList:
        """How the journals stand that are asked for their critical information, and what was given up."""
        ...

    async def fetch_again(self, who: Identity, number: int) -> None:
        """Something that was given up is fetched anew. `Refusal` 404 where there is no such."""
        ...
