"""What sources give: the list of each with how it came, and a document that has come whole.

The gateway that speaks to them lies above (`kjerne.gateway`); the room knows it by `Gateway` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from kjerne.access import Grant
from kjerne.xds.forms import CX
from kjerne.xds.values import Association, DocumentEntry, SubmissionSet

SERVICE: Final = "documents"
Fault = Literal["late", "busy", "away", "refused", "broken", "large", "long", "resting", "gone", "unable", "many"]
"""Why a source gave nothing: it did not answer in time, was not asked in time since others were in front, could not be reached,
said no, answered what cannot be read or is not what was asked for, has a document that is larger than any that is passed on or
more of her than one list takes, failed so often that it is left alone for a while, says that there is no such document, answered
with an error of its own (that it is too busy, say, which is no no), or says that it has more than it tells of at one time."""
FAULTS: Final[Mapping[Fault, str]] = {
    "late": "did not answer in time",
    "busy": "was not asked in time, since too many questions were in front",
    "away": "could not be reached",
    "refused": "does not give it",
    "broken": "answered with something that cannot be used",
    "large": "has it, and it is larger than what is passed on",
    "long": "has more of this patient than one list takes",
    "resting": "has failed several times and is not asked for some seconds",
    "gone": "says that there is no such document",
    "unable": "answered that it cannot give it now",
    "many": "says that it has more documents than it tells of at one time",
}


Unasked = Literal["elsewhere", "number"]
"""Why a source was not asked: by its own register it has nothing of hers and no care with it is known, or she has no number that
sources know."""
UNASKED: Final[Mapping[Unasked, str]] = {
    "elsewhere": "was not asked: it has registered no documents about this patient, and no care there is known",
    "number": "was not asked: the patient has no national number",
}


class NotGiven(Exception):
    """A source gave nothing. `says` is for the operator's log: it holds no words of the source and no number. With `of_one` the
    fault is of one patient's documents, or of one document, and says nothing of the source."""

    def __init__(self, fault: Fault, says: str, *, of_one: bool = False) -> None:
        super().__init__(says)
        self.fault = fault
        self.says = says
        self.of_one = of_one


@dataclass(frozen=True, slots=True)
class Part:
    """What one source has of her. Where it did not answer, `entries` are of an earlier answer to the same caller on the same
    ground, given `at`; None where there is none to show. `left_out` counts what it told of another patient or community, or in
    a way that cannot be read. `relations` say by entryUUID what documents are to each other; among `entries` are those that
    another has replaced. `lacks` says that a part of what it has is not here: it said so itself, or it gave nothing under one of
    her numbers, now or before. `unasked` says why nobody asked it."""

    source: str
    title: str
    organisation: str
    fault: Fault | None = None
    at: datetime | None = None
    entries: tuple[DocumentEntry, ...] = field(default=(), repr=False)
    left_out: int = 0
    relations: tuple[Association, ...] = ()
    lacks: bool = False
    unasked: Unasked | None = None


@dataclass(frozen=True, slots=True)
class Sets:
    """The submission sets in which documents of one source came. `members` are (set, document) by entryUUID, and of the documents
    none that was not asked about. Where it did not answer `fault` says why."""

    source: str
    fault: Fault | None = None
    sets: tuple[SubmissionSet, ...] = field(default=(), repr=False)
    members: tuple[tuple[str, str], ...] = ()
    lacks: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where one document lies, and her numbers: the one that she has there, as far as is known, and the others."""

    source: str
    home: str
    repository: str
    unique_id: str
    patient: CX
    others: tuple[CX, ...] = ()


class Pieces(Protocol):
    """Bytes as they are read, once. What they are read from is let go at the end, and by `aclose` also where nobody began."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A document whose size and hash are those of its metadata. `pieces` is read once, to its end, or closed."""

    entry: DocumentEntry
    size_bytes: int
    first: bytes
    pieces: Pieces


@dataclass(frozen=True, slots=True)
class Asker:
    """Who a citizen is to sources: her own number where she asks about another, empty where she is the patient, and who speaks
    for her where no portal does."""

    number: str = field(default="", repr=False)
    organisation: str = ""


NOBODY: Final = Asker()
"""Health personnel are told by their grant alone."""


class Gateway(Protocol):
    """What asks sources, in the name of whom a grant was given to; `asker` says more of a citizen."""

    async def listed(
        self, grant: Grant, numbers: Sequence[CX], asker: Asker = NOBODY, *, everybody: bool = True
    ) -> tuple[Part, ...]:
        """Every source that takes part, in the order of the register. Never later than the longest deadline. Without `everybody`
        those are not asked that are known to have nothing."""

    async def sets(
        self, grant: Grant, told: Mapping[str, Sequence[DocumentEntry]], asker: Asker = NOBODY
    ) -> tuple[Sets, ...]:
        """The sets in which documents came that were told of, asked for by these alone: by the name of each source. Each answers
        within its deadline, which begins anew."""

    async def places(self, now: datetime) -> Sequence[str]:
        """The organisations that answer for the sources that take part now."""

    async def unasked(self, grant: Grant) -> tuple[Part, ...]:
        """The same about somebody of whom none has anything, told without asking any of them."""

    async def entry(self, grant: Grant, place: Place, asker: Asker = NOBODY) -> Part:
        """What its source says of one document now, and of those that go with it; `NotGiven` where it says nothing."""

    async def opened(self, grant: Grant, place: Place, entry: DocumentEntry, asker: Asker = NOBODY) -> Opened:
        """The document itself; `NotGiven` where it is not given, or is not what its metadata say."""
