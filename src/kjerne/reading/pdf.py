"""PDF: looked at from outside, and shown by the browser's own reader.

Nothing here opens a PDF. A browser's reader does that in a process without rights; ours would be one more way in.
"""

from __future__ import annotations

import re
from typing import Final

from kjerne.reading.view import Note, Unreadable

_TAIL_BYTES: Final = 2_048
_VERSION: Final = re.compile(rb"%PDF-[12]\.\d")


def _name(*names: str) -> bytes:
    """A pattern for names, of which any letter may be written by its number (ISO 32000-1, 7.3.5)."""
    letters = ["".join(f"(?:{one}|#{ord(one):02X}|#{ord(one):02x})" for one in name) for name in names]
    return f"/(?:{'|'.join(letters)})".encode("ascii")


_LOCKED: Final = re.compile(_name("Encrypt") + rb"\s*(?:\d|<<)")
_ACTS: Final = re.compile(_name("JavaScript", "Launch", "EmbeddedFile", "RichMedia", "XFA") + rb"(?![A-Za-z0-9#])")


def check(raw: bytes) -> tuple[Note, ...]:
    """What the reader must know of it; `Unreadable` where it is broken off. A writer may leave some bytes behind the end."""
    if not _VERSION.match(raw):
        raise Unreadable("pdf")
    if b"%%EOF" not in raw[-_TAIL_BYTES:] or b"startxref" not in raw[-_TAIL_BYTES:]:
        raise Unreadable("pdf")
    notes = (("note.locked", _LOCKED), ("note.acts", _ACTS))
    return tuple(Note(key) for key, sign in notes if sign.search(raw))
