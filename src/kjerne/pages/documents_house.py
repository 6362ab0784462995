"""What the pages ask of the house about documents of other institutions, and the plain values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from kjerne.reading.about import Said
from kjerne.services.documents.model import Part
from kjerne.services.documents.room import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kjerne.pages.house import Identity, Patient, Visit
    from kjerne.services.results.named import Named

SHOWN: Final = 15
"""Documents on a page, as the national demonstration client has them."""


@dataclass(frozen=True, slots=True)
class WantedDocuments:
    """What a page of the list asks for. `since` is the first day, as `YYYYMMDD`; empty for all."""

    sort: str = "date"
    descending: bool = True
    category: str = ""
    institution: str = ""
    since: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class DocumentList:
    """A page of the list: `rows` of `total` that fit, what there is to choose from, and how each source answered. `opened` are
    those that the reader has opened before, `locked` how many the patient has shut. `known` are all documents of the list by
    number, those that were replaced too: what a row hangs together with."""

    patient: Patient
    rows: tuple[Document, ...] = field(repr=False)
    total: int
    all: int
    locked: int
    parts: tuple[Part, ...] = field(repr=False)
    categories: tuple[tuple[str, str], ...]
    institutions: tuple[str, ...]
    opened: frozenset[UUID]
    known: Mapping[UUID, Document] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DocumentOpened:
    """A document as its source gave it. `compared` says of the numbers that it names whether they are the patient's."""

    patient: Patient
    document: Document
    raw: bytes = field(repr=False)
    compared: Callable[[Sequence[str]], Said]


class DocumentsHouse(Protocol):
    """The doors to documents of other institutions."""

    async def documents(self, who: Identity, visit: Visit, wanted: WantedDocuments) -> DocumentList:
        """One list over all sources, with its line in the log. `Refusal` 504 where none answered, 403 where all say no."""
        ...

    async def document_names(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Mapping[str, Named]:
        """What documents of the log are called, by number: those alone that the citizen has been told of herself, where the law
        opens documents to her today."""
        ...

    async def document_opened(self, who: Identity, visit: Visit, number: UUID) -> DocumentOpened:
        """One document, with its line in the log. `Refusal` 404 where it is not there, 413 where it is too large for a page."""
        ...
