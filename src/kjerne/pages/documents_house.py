"""What the pages ask of the house about documents of other institutions, and the plain values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from kjerne.reading import about
from kjerne.services.documents.model import Part, Pieces
from kjerne.services.documents.room import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kjerne.pages.house import Identity, Patient, Visit
    from kjerne.services.results.named import Named
    from kjerne.store.document_filters import Filter, Said

SHOWN: Final = 15
"""Documents on a page, as the national demonstration client has them."""


@dataclass(frozen=True, slots=True)
class WantedDocuments:
    """What a page of the list asks for. `since` is the first day, as `YYYYMMDD`; empty for all. `text` is what each document that
    is listed tells (`services.documents.free_text`). `everybody` has every source asked, also those that are known to have
    nothing."""

    sort: str = "date"
    descending: bool = True
    category: str = ""
    institution: str = ""
    since: str = ""
    page: int = 1
    text: str = field(default="", repr=False)
    everybody: bool = False


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
    compared: Callable[[Sequence[str]], about.Said]


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A document to be kept as it came: its size, its first bytes, and all of them, to be read once or closed."""

    size_bytes: int
    first: bytes = field(repr=False)
    pieces: Pieces = field(repr=False)


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

    async def document_file(self, who: Identity, visit: Visit, number: UUID) -> DocumentFile | DocumentOpened:
        """As `document_opened`, of any size that sources are asked for: whole where a page could show it, so that whom it names
        can be looked for, else to be passed on as it comes."""
        ...

    async def document_filters(self, who: Identity) -> Sequence[Filter]:
        """The filters that the reader has kept, by name."""
        ...

    async def keep_document_filter(self, who: Identity, said: Said) -> None:
        """A new filter. `Refusal` 409 where she has too many, or one of that name."""
        ...

    async def rename_document_filter(self, who: Identity, number: UUID, name: str) -> None:
        """`Refusal` 404 where there is none of this number, 409 where another has the name."""
        ...

    async def drop_document_filter(self, who: Identity, number: UUID) -> None:
        """`Refusal` 404 where there is none of this number."""
        ...
