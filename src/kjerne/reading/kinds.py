"""What bytes are, by how they begin. What a sender calls a file decides nothing but a word to the reader."""

from __future__ import annotations

import re
from typing import Final

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
GIF: Final = "image/gif"
TIFF: Final = "image/tiff"
RTF: Final = "application/rtf"
XML: Final = "application/xml"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
UNKNOWN: Final = "application/octet-stream"

_BEGIN: Final = (
    (b"%PDF-", PDF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"{\\rtf", RTF),
)
_FOREIGN: Final = (
    b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x7fELF", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!\x1a", b"\0asm",
)  # fmt: skip
"""Office files, programs, archives and pictures of other kinds: none of these is text."""
_LETTERED: Final = (b"MZ", b"BM", b"RIFF")
"""Programs, bitmaps and sounds, which begin as words do (MZ-tvillinger, BMI): by the bytes behind that no text has."""
_NO_TEXT: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_MARKUP: Final = re.compile(
    rb"<(?:\?[A-Za-z]|!(?:--|DOCTYPE|\[)|([A-Za-z_][^\s<>/='\"]*)(?:\s+[^\s<>/='\"]+\s*=|\s*/?>|\s*\Z))"
)
"""How XML begins; `<Hb 8,2>` does not."""
_NOTATION: Final = re.compile(rb"\{\s*\"|\[\s*[{\[\"]|(?:\[\s*\]|\{\s*\})\s*\Z")
"""How JSON begins; `[Epikrise]`, `{svar}` and `[ ] ja` do not."""
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BLANK: Final = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*+")
_SAME: Final = {
    "text/xml": XML, "application/x-pdf": PDF, "image/jpg": JPEG, "image/pjpeg": JPEG, "image/tif": TIFF, "image/x-tiff": TIFF,
    "text/rtf": RTF, "text/richtext": RTF, "application/x-rtf": RTF, "application/msword": RTF, "text/json": JSON,
}  # fmt: skip
"""Other names of a media type. A Word file that is none is often RTF under its name."""
_WORDS: Final = {
    PDF: "PDF", PNG: "PNG", JPEG: "JPEG", GIF: "GIF", TIFF: "TIFF", RTF: "RTF", XML: "XML", JSON: "JSON", TEXT: "TXT",
}  # fmt: skip


def kind_of(raw: bytes) -> str:
    """The media type of the bytes; `UNKNOWN` where they are of none that is read here.

    >>> kind_of(b"%PDF-1.7"), kind_of(b"MZ\\x90\\0"), kind_of(b" <a/>"), kind_of("Blåbær".encode())
    ('application/pdf', 'application/octet-stream', 'application/xml', 'text/plain')
    """
    for beginning, type_ in _BEGIN:
        if raw.startswith(beginning):
            return type_
    if raw.startswith(_FOREIGN) or (raw.startswith(_LETTERED) and _NO_TEXT.search(raw, 0, 400)):
        return UNKNOWN
    first = _first(raw)
    if (found := _MARKUP.match(first)) and _is_closed(raw, found):
        return XML
    if _NOTATION.match(first):
        return JSON
    return TEXT if raw.startswith(_MARKS) or b"\0" not in raw[:4000] else UNKNOWN


def may_be_xml(begins: bytes) -> bool:
    """Whether bytes that begin so may be XML; whether they are, all of them say (`kind_of`)."""
    first = _first(begins)
    return not first or first.startswith(b"<")


def _first(raw: bytes) -> bytes:
    """What they begin with, behind marks and however many blanks, without the zeros of UTF-16."""
    begun = _BLANK.match(raw)
    at = begun.end() if begun else 0
    return raw[at : at + 400].replace(b"\0", b"").lstrip()


def _is_closed(raw: bytes, begun: re.Match[bytes]) -> bool:
    """Whether what begins as an element ends as one; `<CRP> 5` does not."""
    if begun[1] is None or begun[0].endswith(b"/>") or not begun[0].endswith(b">") or b"\0" in raw[:400]:
        return True
    return b"</" + begun[1] in raw


def known(declared: str) -> str:
    """A media type as it is known here, without its parameters; FHIR's and HL7's own are what they are written in.

    >>> known("text/xml; charset=utf-8"), known("application/fhir+json"), known("application/zip")
    ('application/xml', 'application/json', 'application/zip')
    """
    bare = declared.partition(";")[0].strip().lower()
    if bare.endswith(("+xml", "+json")):
        return XML if bare.endswith("+xml") else JSON
    return _SAME.get(bare, bare)


def contradicts(declared: str, found: str) -> bool:
    """Whether a sender calls a file something that its bytes are not. Text may be of any kind of text."""
    called = known(declared)
    if called in ("", UNKNOWN) or called == found:
        return False
    return not (found in (TEXT, JSON, XML) and called.startswith("text/"))


def called(type_: str) -> str:
    """A media type in a word."""
    return _WORDS.get(known(type_), type_)
