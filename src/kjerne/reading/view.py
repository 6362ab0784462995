"""What is shown of a document: blocks of text, tables, rows and files, whoever made it.

Texts are a document's own and are never markup. What something is called is such a text too, or a `Key`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

BLOCKS_LIMIT: Final = 20_000
"""Blocks, spans, cells and rows of one document: a page with more is slow in any browser."""
FILES_LIMIT: Final = 50
"""Files within one document: a discharge letter has a handful."""
LEAD: Final = 6
"""Names that stand under the title."""


class Key(str):
    """A text that stands in the catalogue of words beside this file (`words`), in each language, by this key."""

    __slots__ = ()


class Code(NamedTuple):
    """A code, its system as the document names it, what the document calls it, and what it calls the system."""

    system: str
    code: str
    display: str
    name: str = ""


class Span(NamedTuple):
    """A run of text in a line. `marks` are of `MARKS`; `note` is the number of the footnote that it leads to."""

    text: str
    marks: frozenset[str] = frozenset()
    note: int = 0


MARKS: Final = frozenset({"strong", "emphasis", "under", "struck", "added", "sub", "sup", "code"})


class Paragraph(NamedTuple):
    """Lines of text; `typed` where spaces and line ends stand as they were typed."""

    spans: tuple[Span, ...]
    typed: bool = False


class Cell(NamedTuple):
    """A cell of a table, over so many columns and rows."""

    blocks: tuple[Block, ...]
    head: bool = False
    columns: int = 1
    rows: int = 1


class Table(NamedTuple):
    """A table; the first `heads` rows are its head."""

    caption: str
    rows: tuple[tuple[Cell, ...], ...]
    heads: int = 0


class Items(NamedTuple):
    """A list."""

    caption: str
    items: tuple[tuple[Block, ...], ...]
    ordered: bool = False


class Footnote(NamedTuple):
    """What a `Span.note` leads to."""

    number: int
    blocks: tuple[Block, ...]


class Picture(NamedTuple):
    """A picture that a browser shows safely: one of `View.files`, by its hash."""

    hash: str
    label: str = ""


class Attached(NamedTuple):
    """A file within the document, or the document itself: one of `View.files`, by its hash. `framed` where it is shown here."""

    hash: str
    label: str = ""
    framed: bool = False


class Field(NamedTuple):
    """A value by what it is called. `path` is from outside in; `is_time` where the text is a time of ISO 8601, or two."""

    path: tuple[str, ...]
    text: str
    codes: tuple[Code, ...] = ()
    blocks: tuple[Block, ...] = ()
    is_time: bool = False


class Fields(NamedTuple):
    """Rows of values."""

    rows: tuple[Field, ...]


class Group(NamedTuple):
    """Values that belong together, within a section."""

    path: tuple[str, ...]
    blocks: tuple[Block, ...]


class Section(NamedTuple):
    """A part of the document with a heading."""

    title: str
    blocks: tuple[Block, ...]
    code: Code | None = None


class Folded(NamedTuple):
    """What is there for whoever looks for it."""

    title: str
    blocks: tuple[Block, ...]


class Note(NamedTuple):
    """Something that the reader must know of the document: a key of the catalogue, with what is put in."""

    key: str
    values: tuple[tuple[str, str], ...] = ()


Block = Paragraph | Table | Items | Footnote | Picture | Attached | Fields | Group | Section | Folded | Note


@dataclass(frozen=True, slots=True)
class File:
    """A file as it came, of a media type that its bytes bear out; empty where they bear out none that is known."""

    data: bytes = field(repr=False)
    type: str

    @property
    def hash(self) -> str:
        """SHA-256 in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class View:
    """A document as it is shown.

    `kind` is a key of the catalogue under `kind.`. `about` is whom it says that it is about, `lead` what stands under the title,
    `rest` what is there for whoever looks for it. `numbers` are the national numbers of whom it is about (`reading.about`).
    """

    kind: str
    original: File
    blocks: tuple[Block, ...]
    title: str = ""
    date: str = ""
    lead: tuple[Field, ...] = ()
    about: tuple[Block, ...] = ()
    rest: tuple[Block, ...] = ()
    notes: tuple[Note, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()


class Unreadable(Exception):
    """A file that is not whole or not safe; `key` says how, in the catalogue under `broken.`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key
