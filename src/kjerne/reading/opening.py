"""A document from its bytes to what is shown of it. The one door: limits, and what is no document, are told here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.reading import cda, content, kinds, kith, people
from kjerne.reading.room import Room
from kjerne.reading.view import Block, File, Key, Note, Section, Unreadable, View

LIMIT_BYTES: Final = 10_000_000
"""A letter with some scanned sheets. The page holds it a second time, in letters, for whoever wants the file."""
Parse = Callable[[bytes], etree._Element]  # noqa: SLF001 - what lxml calls the type
"""The program's one door for XML (`wire.xml.parse`), which lies above: `Refusal` for what may not pass."""


def read(raw: bytes, parse: Parse, declared: str = "") -> View:
    """What is shown of a document that its sender calls `declared` (a media type; empty where it says nothing).

    `Refusal` 400 where there is nothing, 413 where it is too large, 422 where it is broken (`document_broken`), no XML that may
    pass (`document_unread`) or of no kind that is shown (`document_other`). `says` of what is unread is a sentence, of the
    two others a key of the catalogue under `broken.`; neither is a word of the document.
    """
    if not raw.strip(b" \t\r\n\0"):
        raise Refusal(400, "There is no document.", where="document")
    if len(raw) > LIMIT_BYTES:
        raise Refusal(413, f"The document is larger than {LIMIT_BYTES} bytes.", where="document_size")
    type_ = kinds.kind_of(raw)
    notes = content.told_of(raw, declared)
    if type_ == kinds.XML:
        return _of_xml(raw, parse, notes)
    shelf = content.Shelf()
    try:
        blocks = content.blocks_of(raw, declared, shelf)
    except Unreadable as why:
        where = "document_other" if why.key == "kind" else "document_broken"
        raise Refusal(422, why.key, where=where) from why
    return View(type_, File(raw, type_), blocks, notes=notes, files=shelf.files)


def _of_xml(raw: bytes, parse: Parse, notes: tuple[Note, ...]) -> View:
    try:
        root = parse(raw)
    except Refusal as refusal:
        # Which line, and what is wrong there: never what it says.
        at = f" ({refusal.where})" if refusal.where else ""
        raise Refusal(422, f"{refusal.says}{at}", where="document_unread") from refusal
    room = Room(lambda data, room: _within(data, parse, room))
    found = _read(root, room)
    if found is None:
        raise Refusal(422, "kind", where="document_other")
    kind, document = found
    blocks, about, rest = document.body(), document.about(), document.rest()
    notes = (*notes, *document.notes(), *((Note("note.cut"),) if room.is_cut else ()))
    return View(
        kind, File(raw, kinds.XML), blocks, document.title(), document.date(), document.lead(), about, rest, notes,
        room.shelf.files, people.named(root, parse),
    )  # fmt: skip


def _read(root: etree._Element, room: Room) -> tuple[str, cda.Read | kith.Read] | None:
    if root.tag == cda.ROOT:
        return "cda", cda.Read(root, room)
    return ("kith", kith.Read(root, room)) if kith.is_message(root) else None


def _within(data: bytes, parse: Parse, room: Room) -> tuple[Block, ...]:
    """A message or document that lies within another, with whom it is about; what lies within it in turn is handed over."""
    try:
        found = _read(parse(data), room)
    except Refusal:
        raise Unreadable("xml") from None
    if found is None:
        raise Unreadable("kind")
    within, room.within = room.within, None
    document = found[1]
    blocks = (*document.notes(), *document.about(), *document.body(), *document.rest())
    room.within = within
    return (Section(document.title() or Key("page.attachment"), blocks),)
