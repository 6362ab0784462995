"""The documented orders of the list: by date, name, type, mark, category, department and institution."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kjerne.fhir.match import fold
from kjerne.services.documents.room import Document
from kjerne.services.documents.seeing import marks
from kjerne.xds.values import Code, DocumentEntry, bare

DEPARTMENTS: Final = "2.16.578.1.12.4.1.4.102"


def institution(entry: DocumentEntry) -> str:
    """The name of the organisation that wrote it."""
    return _place(entry, department=False)


def department(entry: DocumentEntry) -> str:
    """The name of the department that wrote it (RESH)."""
    return _place(entry, department=True)


def author(entry: DocumentEntry) -> str:
    """The person who wrote it, the first that is named."""
    person = next((one.person for one in entry.authors if one.person), None)
    return f"{person.given} {person.family}".strip() if person else ""


def words(code: Code | None) -> str:
    """A code as people read it."""
    return (code.display or code.code) if code else ""


def _place(entry: DocumentEntry, *, department: bool) -> str:
    for author in entry.authors:
        for one in author.institutions:
            if (bare(one.authority) == DEPARTMENTS) is department:
                return one.name or one.number
    return ""


def collated(text: str) -> str:
    """A key that puts words in Norwegian order: case and accents away, and æ, ø and å last, with ä and ö beside the first two.

    >>> sorted(["ågot", "Ørn", "abe", "Zebra", "Ærlig", "Äpple"], key=collated)
    ['abe', 'Zebra', 'Äpple', 'Ærlig', 'Ørn', 'ågot']
    """
    return fold(unicodedata.normalize("NFKC", text).casefold().translate(_LAST))


_LAST: Final = {ord(sign): chr(0xF000 + place) for place, signs in enumerate(("æä", "øö", "å")) for sign in signs}

SORTS: Final[Mapping[str, Callable[[DocumentEntry], str]]] = {
    "date": lambda entry: entry.created or entry.service_start,
    "name": lambda entry: collated(entry.title),
    "type": lambda entry: collated(words(entry.type_code)),
    "securityLabel": lambda entry: " ".join(sorted(marks(entry))),
    "category": lambda entry: collated(words(entry.class_code)),
    "department": lambda entry: collated(department(entry)),
    "organization": lambda entry: collated(institution(entry)),
}


def in_order(documents: Sequence[Document], sort: str, descending: bool) -> list[Document]:
    """The documents by a key, newest first where it is the same, so that pages do not overlap."""
    found = sorted(documents, key=lambda one: str(one.number))
    found.sort(key=lambda one: SORTS["date"](one.entry), reverse=True)
    found.sort(key=lambda one: SORTS[sort](one.entry), reverse=descending)
    return found
