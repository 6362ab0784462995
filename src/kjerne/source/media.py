"""Which documents are taken, and that they are what they say they are: by how the bytes begin, and whom they are about.

Only types that a reader can be shown are taken (the national allow-list). An XML document is opened under the door that all
XML goes through; where it names a patient by a national number it must be the one that its metadata name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.wire import xml
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX

XML_TYPES: Final = frozenset({"application/xml", "text/xml"})
_BOM: Final = b"\xef\xbb\xbf"
_CDA: Final = "{urn:hl7-org:v3}"
_PERSONS: Final = frozenset(f"2.16.578.1.12.4.1.4.{kind}" for kind in "123")
_KINDS: Final[Mapping[str, str]] = {
    "FNR": "2.16.578.1.12.4.1.4.1", "DNR": "2.16.578.1.12.4.1.4.2", "FHN": "2.16.578.1.12.4.1.4.3",
}  # fmt: skip


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


def hold_patient(raw: bytes, patient: CX, where: str) -> None:
    """`Rejected` where an XML document cannot be opened, or names another patient than its metadata."""
    try:
        root = xml.parse(raw)
    except Refusal as refusal:
        raise _rejected(f"The document cannot be opened. {refusal.says}", where) from refusal
    named = set(_named(root))
    if named and named != {patient}:
        raise Rejected(
            RegistryError("XDSPatientIdDoesNotMatch", "The document names another patient than its metadata.", where)
        )


def _named(root: etree._Element) -> Iterator[CX]:
    """The national numbers by which a CDA document or a KITH message names its patient."""
    for one in root.iterfind(f"{_CDA}recordTarget/{_CDA}patientRole/{_CDA}id"):
        if one.get("root") in _PERSONS and one.get("extension"):
            yield CX(one.get("extension", "").strip(), one.get("root", ""))
    for patient in root.iter("{*}Patient"):
        places = [(patient, "OffId", "TypeOffId"), *((one, "Id", "TypeId") for one in patient.iterfind("{*}Ident"))]
        for place, name, type_name in places:
            number, kind = (place.findtext(f"{{*}}{name}") or "").strip(), place.find(f"{{*}}{type_name}")
            if number and kind is not None and kind.get("V") in _KINDS:
                yield CX(number, _KINDS[kind.get("V", "")])


def _rejected(says: str, where: str) -> Rejected:
    return Rejected(RegistryError("XDSRepositoryMetadataError", says, where))
