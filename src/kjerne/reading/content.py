"""Any file as blocks, whether it is the document or lies within one: text and tables from its bytes, or the file to be shown."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from kjerne.reading import charset, images, kinds, pdf, rtf
from kjerne.reading.view import FILES_LIMIT, Attached, Block, File, Note, Paragraph, Picture, Span, Unreadable

PICTURES: Final = frozenset({kinds.PNG, kinds.JPEG, kinds.GIF})
_LINES: Final = 60
"""A text without empty lines is parted here, so that no paragraph is endless."""


class Shelf:
    """The files of one document, each once, by hash."""

    def __init__(self) -> None:
        self.files = dict[str, File]()
        self.patience_seconds = images.SECONDS
        """How long all its TIFFs may still take."""

    def put(self, data: bytes, type_: str) -> str:
        """The file's hash. Raises `Unreadable` where there are too many."""
        file = File(data, type_)
        name = file.hash
        if name not in self.files and len(self.files) >= FILES_LIMIT:
            raise Unreadable("files")
        self.files.setdefault(name, file)
        return name


def blocks_of(raw: bytes, declared: str, shelf: Shelf, label: str = "") -> tuple[Block, ...]:
    """A file that is no XML. Raises `Unreadable` where it is not whole, or of a kind that is not shown."""
    type_ = kinds.kind_of(raw)
    reads: dict[str, Callable[[], tuple[Block, ...]]] = {
        kinds.TEXT: lambda: _text(raw, declared),
        kinds.RTF: lambda: _rtf(raw, shelf),
        kinds.PDF: lambda: (*pdf.check(raw), Attached(shelf.put(raw, type_), label, framed=True)),
        kinds.TIFF: lambda: _tiff(raw, shelf, label),
    }
    if type_ in PICTURES:
        return (_picture(raw, type_, shelf, label),)
    if type_ not in reads:
        raise Unreadable("kind")
    return reads[type_]()


def told_of(raw: bytes, declared: str) -> tuple[Note, ...]:
    """That a file is not what its sender calls it."""
    found = kinds.kind_of(raw)
    if not kinds.contradicts(declared, found):
        return ()
    said = found if found != kinds.UNKNOWN else ""
    called = (("declared", kinds.called(declared)[:100]), ("found", kinds.called(said)))
    return (Note("note.other-kind" if said else "note.unknown-kind", called),)


def _picture(raw: bytes, type_: str, shelf: Shelf, label: str = "") -> Picture:
    images.check(raw, type_)
    return Picture(shelf.put(raw, type_), label)


def _tiff(raw: bytes, shelf: Shelf, label: str) -> tuple[Block, ...]:
    began = monotonic()
    try:
        pages = images.pages_of(raw, shelf.patience_seconds)
    finally:
        shelf.patience_seconds -= monotonic() - began
    shown = tuple(Picture(shelf.put(one, kinds.PNG), label) for one in pages.shown)
    notes = (Note("note.lighter"),) if pages.is_lighter else ()
    if len(shown) == pages.of:
        return (*notes, *shown)
    return (*notes, Note("note.pages", (("shown", str(len(shown))), ("count", str(pages.of)))), *shown)


def _rtf(raw: bytes, shelf: Shelf) -> tuple[Block, ...]:
    read = rtf.read(raw)
    notes, pictures = list(read.notes), list[Block]()
    for one in read.pictures:
        try:
            pictures.append(_picture(one, kinds.kind_of(one), shelf))
        except (Unreadable, KeyError):
            notes.append(Note("note.picture-unshown"))
    return (*dict.fromkeys(notes), *read.blocks, *pictures)


def _text(raw: bytes, declared: str) -> tuple[Block, ...]:
    found = charset.decoded(raw, declared)
    return (*found.notes, *paragraphs(found.text))


def paragraphs(text: str) -> tuple[Paragraph, ...]:
    """Plain text as it was typed, parted at empty lines.

    >>> [one.spans[0].text for one in paragraphs("a\\n b\\n\\n\\nc")]
    ['a\\n b', 'c']
    """
    found, lines = list[Paragraph](), list[str]()
    for line in (*text.split("\n"), ""):
        if line.strip():
            lines.append(line.rstrip())
        if lines and (not line.strip() or len(lines) >= _LINES):
            found.append(Paragraph((Span("\n".join(lines)),), typed=True))
            lines = []
    return tuple(found)
