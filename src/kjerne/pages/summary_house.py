"""What the pages ask of the house about patient summaries, its own and others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, Patient, Visit


@dataclass(frozen=True, slots=True)
class Made:
    """A summary that was made now, as the FHIR document that the wire would give, and whom it is about. `shut` are the choices by
    which she withholds some of it (`Denial.outcome`), as far as they may be told."""

    document: Mapping[str, Any]
    patient: Patient
    shut: frozenset[str] = frozenset()


class SummaryHouse(Protocol):
    """The doors to patient summaries."""

    async def summary(self, who: Identity, visit: Visit, language: str) -> Made:
        """Makes one. `Denied` where the law opens none of the services that it is drawn from; what one of them does not give, it
        says itself."""
        ...

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        """Writes into the log of each who is registered under one of the numbers that a document about her was read. The reader
        does not hear whether anybody is."""
        ...
