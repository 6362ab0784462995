"""What the pages ask of the house about patient summaries, its own and others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kjerne.reading import about

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, Patient, Visit


@dataclass(frozen=True, slots=True)
class Made:
    """A summary that was made now, as the FHIR document that the wire would give, and whom it is about. `shut` are the choices by
    which she withholds some of it (`Denial.outcome`), as far as they may be told."""

    document: Mapping[str, Any]
    patient: Patient
    shut: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a document is about the patient who is open, and who that is."""

    said: about.Said
    patient: Patient


class SummaryHouse(Protocol):
    """The doors to patient summaries, and to documents at hand."""

    async def summary(self, who: Identity, visit: Visit, language: str) -> Made:
        """Makes one. `Denied` where the law opens none of the services that it is drawn from; what one of them does not give, it
        says itself."""
        ...

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        """Writes into the log of each who is registered under one of the numbers that a document about her was read. The reader
        does not hear whether anybody is."""
        ...

    async def held_against(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Held | None:
        """Whether a document that names these numbers is about the open patient, under any number that she has or had; None where
        the reader may not know who she is. A line in her log is written with it."""
        ...
