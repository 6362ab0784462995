"""A document from its bytes to what is shown of it. The one door: limits, and what is no document, are told here."""

from __future__ import annotations

from typing import Final

from kjerne.errors import Refusal
from kjerne.reading import content, kinds
from kjerne.reading.view import File, Unreadable, View

LIMIT_BYTES: Final = 10_000_000
"""A letter with some scanned sheets. The page holds it a second time, in letters, for whoever wants the file."""


def read(raw: bytes, declared: str = "") -> View:
    """What is shown of a document that its sender calls `declared` (a media type; empty where it says nothing).

    `Refusal` 400 where there is nothing, 413 where it is too large, 422 where it is broken (`document_broken`) or of no kind that
    is shown (`document_other`); `says` is a key of the catalogue under `broken.` and never a word of the document.
    """
    if not raw.strip(b" \t\r\n\0"):
        raise Refusal(400, "There is no document.", where="document")
    if len(raw) > LIMIT_BYTES:
        raise Refusal(413, f"The document is larger than {LIMIT_BYTES} bytes.", where="document_size")
    type_ = kinds.kind_of(raw)
    shelf = content.Shelf()
    try:
        blocks = content.blocks_of(raw, declared, shelf)
    except Unreadable as why:
        where = "document_other" if why.key == "kind" else "document_broken"
        raise Refusal(422, why.key, where=where) from why
    notes = content.told_of(raw, declared)
    return View(type_, File(raw, type_), blocks, notes=notes, files=shelf.files)
