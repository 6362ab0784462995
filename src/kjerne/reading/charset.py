"""Bytes of a text in an unknown encoding as text, never without saying what was taken for granted."""

from __future__ import annotations

import codecs
import re
from typing import Final, NamedTuple

from kjerne.reading.view import Note, Unreadable

CHARACTERS_LIMIT: Final = 2_000_000
"""Of one text: some five hundred pages."""
_MARKED: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARED: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._-]{1,40})", re.ASCII)
_TAKEN: Final = frozenset(
    "utf-8 utf-16 utf-16-le utf-16-be ascii cp1252 iso8859-1 iso8859-4 iso8859-10 iso8859-15 cp865 cp850".split()
)
_ENDS: Final = re.compile(r"\r\n|[\r\x0b\f]")
_CONTROLS: Final = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")


class Decoded(NamedTuple):
    """The text with `\\n` at its line ends, and what the reader must know."""

    text: str
    notes: tuple[Note, ...]


def decoded(raw: bytes, declared: str = "") -> Decoded:
    """By its mark, else as UTF-8 where every byte proves it, else as declared, else as Windows-1252 with a word of it.

    >>> decoded("Blåbær".encode("cp1252")).notes
    (Note(key='note.guessed-encoding', values=(('encoding', 'Windows-1252'),)),)
    """
    text, notes = _text(raw, declared)
    if len(_CONTROLS.findall(text[:10_000])) > len(text[:10_000]) // 50:
        raise Unreadable("text")
    text = _CONTROLS.sub("\ufffd", _ENDS.sub("\n", text))
    if len(text) > CHARACTERS_LIMIT:
        return Decoded(text[:CHARACTERS_LIMIT], (*notes, Note("note.cut")))
    return Decoded(text, notes)


def _text(raw: bytes, declared: str) -> tuple[str, tuple[Note, ...]]:
    for mark, encoding in _MARKED:
        if raw.startswith(mark):
            return _replaced(raw[len(mark) :], encoding)
    try:
        return raw.decode(), ()
    except UnicodeDecodeError:
        pass
    named = _DECLARED.search(declared)
    if named and (encoding := _known(named[1])):
        return _replaced(raw, encoding)
    text = raw.decode("cp1252", "replace")
    return text, (Note("note.guessed-encoding", (("encoding", "Windows-1252"),)),)


def _replaced(raw: bytes, encoding: str) -> tuple[str, tuple[Note, ...]]:
    text = raw.decode(encoding, "replace")
    return text, (Note("note.lost-letters"),) if "\ufffd" in text else ()


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return ""
    # The web and most programs mean Windows-1252 by it; no letter of ISO-8859-1 is another there.
    return "" if found not in _TAKEN else "cp1252" if found in ("iso8859-1", "ascii") else found
