"""Which documents are taken, and that they are what they say they are: by how the bytes begin, and whom they are about.

Only types that a reader can be shown are taken (the national allow-list). An XML document is opened under the door that all
XML goes through; where it, or what lies within it, names a patient by a national number it must be the one of its metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kjerne.errors import Refusal
from kjerne.reading import kinds, people
from kjerne.reading.about import compared
from kjerne.wire import xml
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX

XML_TYPES: Final = frozenset({"application/xml", "text/xml"})
LIMIT_BYTES: Final = xml.LIMIT_BYTES
ANOTHERS: Final = "XDSPatientIdDoesNotMatch"
_BOM: Final = b"\xef\xbb\xbf"


def _is_text(first: bytes) -> bool:
    """No byte that no text has. The beginning may end inside a letter, so its encoding is not looked at."""
    return not any(byte < 32 and byte not in b"\t\n\r\f" for byte in first)


def _begins(*with_: bytes) -> Callable[[bytes], bool]:
    return lambda first: first.startswith(with_)


def _is_xml(first: bytes) -> bool:
    return first.removeprefix(_BOM).lstrip().startswith(b"<") or first[:2] in (b"\xff\xfe", b"\xfe\xff")


TAKEN: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "application/pdf": _begins(b"%PDF-"),
    "image/jpeg": _begins(b"\xff\xd8\xff"),
    "image/png": _begins(b"\x89PNG\r\n\x1a\n"),
    "image/tiff": _begins(b"II*\0", b"MM\0*"),
    "image/gif": _begins(b"GIF87a", b"GIF89a"),
    "application/rtf": _begins(b"{\\rtf"),
    "text/rtf": _begins(b"{\\rtf"),
    "text/plain": _is_text,
    **dict.fromkeys(XML_TYPES, _is_xml),
}
"""Media type -> whether bytes that begin so are one."""


def hold(media_type: str, first: bytes, where: str) -> None:
    """`Rejected` where the type is not taken, or the bytes are not of it."""
    known = TAKEN.get(media_type)
    if known is None:
        raise _rejected(f"The type of the document is not one of {', '.join(sorted(TAKEN))}.", where)
    if not first or not known(first):
        raise _rejected("The document is not of the type that its metadata name, or it is empty.", where)


def hold_patient(
    first: bytes, size_bytes: int, read: Callable[[], bytes], media_type: str, patient: CX, where: str
) -> None:
    """`Rejected` where an XML document cannot be opened, is too large for it, or names another patient than its metadata.

    A text that is XML is shown as what it is, so it is asked too. `read` gives all of it, of which `first` is how it begins.
    """
    is_called_xml = media_type in XML_TYPES
    if not (is_called_xml or kinds.may_be_xml(first)):
        return
    if size_bytes > LIMIT_BYTES:
        raise _rejected(f"A document that is XML, or begins so, has {LIMIT_BYTES} bytes at most.", where)
    raw = read()
    if not is_called_xml and kinds.kind_of(raw) != kinds.XML:
        return
    try:
        root = xml.parse(raw)
    except Refusal as refusal:
        if not is_called_xml:
            return  # a text that begins like XML
        raise _rejected(f"The document cannot be opened. {refusal.says}", where) from refusal
    try:
        about = compared(people.named(root, xml.parse), {patient.number})
    except Refusal as refusal:
        raise _rejected(refusal.says, where) from refusal
    if about == "another":
        says = "The document names another patient than its metadata."
        raise Rejected(RegistryError(ANOTHERS, says, where))


def _rejected(says: str, where: str) -> Rejected:
    return Rejected(RegistryError("XDSRepositoryMetadataError", says, where))
