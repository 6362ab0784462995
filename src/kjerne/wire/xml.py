"""The one door for XML: size, depth, encoding and document type are settled here, before anything is looked at.

No DTD, no entity but the five of XML, no network. The encoding is the one declared, except where the bytes prove
another: a byte order mark, or a file declared single-byte or UTF-16 whose every high byte belongs to a valid UTF-8 sequence.
Bytes that fit no declaration are refused with their line, never guessed.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lxml import etree

from kjerne.errors import Fault, Refusal
from kjerne.xml_door import parsed

DEPTH: Final = 200
"""A Svarrapport in its envelope is some ten deep before the first result; results stand in results as a sender likes."""
LIMIT_BYTES: Final = 10_000_000
ATTRIBUTES: Final = 64
"""No schema in use knows a third as many; to read an element's attributes costs the square of how many it has."""
SINGLE_BYTE: Final = frozenset({"iso8859-1", "cp1252", "iso8859-15", "iso8859-4", "iso8859-10"})
MULTI_BYTE: Final = frozenset({"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be"})
NOT_WELL_FORMED: Final = "T01"
"""Code of 8221 for a receipt: not XML, not well-formed, or not readable."""

_DECLARATION: Final = re.compile(
    rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["'][^>]{0,100}\?>"""
)
_ANY_DECLARATION: Final = re.compile(rb"\s*<\?xml\s[^>]{0,400}\?>")
_BEGUN_AGAIN: Final = re.compile(rb"\s*<\?xml\s")
_DOCTYPE: Final = re.compile(rb"(?:\s++|<\?(?:[^?]++|\?(?!>))*+\?>|<!--(?:[^-]++|-(?!->))*+-->)*+<!DOCTYPE")
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UNMARKED: Final = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
"""How UTF-16 without a byte order mark begins; no other encoding that we take can."""
_CONTROLS_OF_1252: Final = re.compile(rb"[\x80-\x9f]")


class Document(NamedTuple):
    """A parsed document, its root with line numbers, and what was repaired on the way."""

    root: etree._Element
    notes: tuple[str, ...]


class Decoded(NamedTuple):
    """The document's bytes as UTF-8 without declaration or mark, and what was repaired."""

    utf8: bytes
    notes: tuple[str, ...]


def parse(raw: bytes, *, depth: int = DEPTH, limit_bytes: int = LIMIT_BYTES) -> etree._Element:
    """The root element of `raw`; `Refusal` 413 where it is too large, 400 where it is no XML that may pass."""
    return document(raw, depth=depth, limit_bytes=limit_bytes).root


def document(raw: bytes, *, depth: int = DEPTH, limit_bytes: int = LIMIT_BYTES) -> Document:
    """As `parse`, with the notes that the sender should get."""
    if len(raw) > limit_bytes:
        raise Refusal(
            413, f"The message is larger than {limit_bytes} bytes.", faults=(Fault("Too large.", code="T99"),)
        )
    utf8, notes = decoded(raw)
    if _DOCTYPE.match(utf8):
        raise _refused("The message has a document type (DTD), which is never accepted.", "line 1")
    try:
        root = parsed(utf8)
    except etree.XMLSyntaxError as error:
        raise _refused(_reason(error), f"line {error.lineno or 1}") from None
    too_deep: Any = _deeper_than(depth)(root)
    for element in too_deep:
        where = f"{element.tag.rpartition('}')[2]} line {element.sourceline}"
        raise _refused(f"Elements are nested more than {depth} deep.", where)
    _check_attributes(utf8, root)
    return Document(root, notes)


def _check_attributes(utf8: bytes, root: etree._Element) -> None:
    """The tree is gone through only where some tag may hold so many: between two `<` stand that many `=`."""
    if any(len(piece) > 4 * ATTRIBUTES and piece.count(b"=") > ATTRIBUTES for piece in utf8.split(b"<")):
        for element in root.iter():
            if len(element.attrib) > ATTRIBUTES:
                where = f"line {element.sourceline}"
                raise _refused(f"An element has more than {ATTRIBUTES} attributes.", where)


def decoded(raw: bytes) -> Decoded:
    """`raw` as UTF-8, by byte order mark, declaration and proof, in that order."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _marked(raw[len(mark) :], encoding)
    for beginning, encoding in _UNMARKED:
        if raw.startswith(beginning):
            return _marked(raw, encoding)
    if not raw.lstrip()[:1] == b"<":
        raise _refused("The message is not XML: it does not begin with '<'.", "line 1")
    declared = _declared(raw)
    if declared == "utf-8":
        return Decoded(_without_declaration(_checked_utf8(raw)), ())
    if declared in SINGLE_BYTE:
        return _single_byte(raw, declared)
    # Declared UTF-16 by a program that wrote its text as something else: the first byte proves that it is not.
    return Decoded(
        _without_declaration(_checked_utf8(raw)),
        ("Declared UTF-16, but the bytes are not; every one of them proves UTF-8.",),
    )


def _marked(raw: bytes, encoding: str) -> Decoded:
    if encoding == "utf-8":
        declared = _declared(raw)
        notes = (
            () if declared == "utf-8" else (f"Declared {declared}, but its byte order mark says UTF-8; read as UTF-8.",)
        )
        return Decoded(_without_declaration(_checked_utf8(raw)), notes)
    try:
        utf8 = raw.decode(encoding).encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise _refused("The message begins as UTF-16, but not all of it is.", "line 1") from None
    return Decoded(_without_declaration(utf8), ())


def _declared(raw: bytes) -> str:
    match = _DECLARATION.match(raw)
    if match is None:
        return "utf-8"
    name = match[1].decode("ascii")
    try:
        found = codecs.lookup(name).name
    except LookupError:
        found = ""
    if found not in SINGLE_BYTE | MULTI_BYTE:
        raise _refused(f"The encoding {name} is not known.", "line 1", "Send UTF-8 or ISO-8859-1.")
    return "utf-8" if found == "ascii" else found


def _checked_utf8(raw: bytes) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refused(
            f"The message is read as UTF-8, but the byte {raw[error.start]:02X} is not UTF-8.",
            f"line {line}",
            "Declare the encoding that the file has (perhaps ISO-8859-1), or send it as UTF-8.",
        ) from None
    return raw


def _single_byte(raw: bytes, declared: str) -> Decoded:
    body = _without_declaration(raw)
    if body.isascii():
        return Decoded(body, ())
    try:
        body.decode()
    except UnicodeDecodeError:
        return _by_code_page(body, declared)
    return Decoded(body, (f"Declared {declared}, but every byte proves UTF-8; read as UTF-8.",))


def _by_code_page(body: bytes, declared: str) -> Decoded:
    """ISO-8859-1 has no printable sign in 80-9F; a file that uses them is Windows-1252, as the web reads it too."""
    notes: tuple[str, ...] = ()
    if declared == "iso8859-1" and _CONTROLS_OF_1252.search(body):
        declared, notes = "cp1252", ("Declared ISO-8859-1, but uses signs of Windows-1252; read as Windows-1252.",)
    try:
        return Decoded(body.decode(declared).encode(), notes)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _refused(f"The byte {body[error.start]:02X} is no sign of {declared}.", f"line {line}") from None


def _without_declaration(raw: bytes) -> bytes:
    """Without the declaration, whose encoding may no longer be true; line numbers stay."""
    match = _ANY_DECLARATION.match(raw)
    if match is None:
        return raw
    lines, rest = match[0].count(b"\n"), raw[match.end() :]
    if again := _BEGUN_AGAIN.match(rest):
        line = 1 + lines + again[0].count(b"\n")
        raise _refused("A second XML declaration stands behind the first.", f"line {line}")
    return b"\n" * lines + rest


@lru_cache(maxsize=8)
def _deeper_than(depth: int) -> etree.XPath:
    """The first element that lies deeper."""
    return etree.XPath("(" + "/*" * (depth + 1) + ")[1]")


def _reason(error: etree.XMLSyntaxError) -> str:
    """The parser's own sentence without the text of the document, which may be a patient's."""
    log: Any = error.error_log
    kind = log.last_error.type_name if log.last_error is not None else ""
    words = kind.removeprefix("ERR_").replace("_", " ").lower()
    return f"The message is not well-formed XML: {words or 'unreadable'}."


def _refused(says: str, where: str, todo: str = "") -> Refusal:
    return Refusal(400, says, where=where, todo=todo, faults=(Fault(says, where, NOT_WELL_FORMED),))
