"""What a published file says of a code system, piece by piece and in any order: how a system of any size is read as a stream."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"

USES: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "f": {"system": SNOMED, "code": "900000000000003001", "display": "Fully specified name"},
    "s": {"system": SNOMED, "code": "900000000000013009", "display": "Synonym"},
    "n": {"system": LOINC, "code": "SHORTNAME", "display": "SHORTNAME"},
    "l": {"system": LOINC, "code": "LONG_COMMON_NAME", "display": "LONG_COMMON_NAME"},
    "c": {"system": LOINC, "code": "CONSUMER_NAME", "display": "CONSUMER_NAME"},
    "v": {"system": LOINC, "code": "LinguisticVariantDisplayName", "display": "LinguisticVariantDisplayName"},
}
"""What a name is used for, by the letter that is kept: a Coding for each of a million names would be most of the disk."""


class Known(NamedTuple):
    """A code is one of the system's. Without a `display` it goes by its first name. `line` is where the file says so."""

    code: str
    display: str = ""
    definition: str = ""
    active: bool = True
    abstract: bool = False
    line: int = 0


class Named(NamedTuple):
    """A name of a code, used for what the letter in `USES` says. With an `id` its languages are those of `Preferred`."""

    code: str
    value: str
    language: str = ""
    use: str = ""
    id: str = ""


class Preferred(NamedTuple):
    """The name of this id is used in a language; it comes `first`, or among others."""

    id: str
    language: str
    first: bool


class Valued(NamedTuple):
    """A property of a code: its name, the element of `value[x]`, the value."""

    code: str
    name: str
    element: str
    value: Any


class Under(NamedTuple):
    """A code stands right under another."""

    code: str
    parent: str


class Member(NamedTuple):
    """A code is in a set of the system's own: a reference set of SNOMED CT, an answer list of LOINC."""

    group: str
    code: str


Part = Known | Named | Preferred | Valued | Under | Member
