"""That a record of a registry or a space is about no patient: what would lead to one, or name one, is refused.

Such records lie open to everybody who may read anything here, so what stands in them is told to all. Looked at are references,
whatever is written as an address, every text and every number; not what is packed in an attachment's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from kjerne.errors import Fault, Refusal
from kjerne.registries import identifiers
from kjerne.registries.homes import HOMES, SHARED_TYPES
from kjerne.registries.naming import is_national

PEOPLE: Final = frozenset({"Patient", "Person", "RelatedPerson", "Group", "ResearchSubject"})
OF_PATIENTS: Final = PEOPLE | {name for name, home in HOMES.items() if home.kind == "patient"}
_REFERENCE: Final = frozenset({"reference", "type", "identifier", "display", "id", "extension"})
_ADDRESS: Final = re.compile(
    r"(?:\S+/)?([A-Z][A-Za-z]+)/[A-Za-z.\-]*[0-9][A-Za-z0-9.\-]*(?:/_history/\S+)?[/#]?\S{0,64}"
)
"""A text that is an address of a record, which has a figure in its id."""
_WITHIN: Final = re.compile(r"\b([A-Z][A-Za-z]+)/[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
"""An address of a record of a patient, as they are here, with other words around it."""
_OF_CODES: Final = frozenset({"CodeSystem", "ValueSet", "ConceptMap", "NamingSystem"})
"""Types whose codes are figures by the thousand, of which some look like a person's number."""


def check_of_nobody(tree: Mapping[str, Any]) -> None:
    """`Refusal` 422 with every place where a valid resource leads to a patient's record, or holds a person number."""
    name = str(tree["resourceType"])
    found = [
        _fault(f"{name}.contained[{place}]", "a record of hers is contained in it")
        for place, one in enumerate(tree.get("contained", ()))
        if one.get("resourceType") not in SHARED_TYPES
    ]
    found += _faults(name, tree, of_codes=name in _OF_CODES)
    if found:
        first, *rest = found
        raise Refusal(
            422, first.says, where=first.where, code=first.code, fault=first, faults=tuple(rest),
            todo="A record that lies open is about no patient: file what is about one on her.",
        )  # fmt: skip


def _faults(where: str, value: Any, *, of_codes: bool, name: str = "") -> Iterator[Fault]:
    """The faults of a value and of what is in it; `name` is the element that it is in."""
    if isinstance(value, list):
        for place, one in enumerate(value):
            yield from _faults(f"{where}[{place}]", one, of_codes=of_codes, name=name)
    elif isinstance(value, dict):
        if _leads_to_a_patient(value):
            yield _fault(where, "it leads to a patient or to what is filed on one")
        if value.get("system") and is_national(value["system"]) and "value" in value:
            yield _fault(where, "a person number stands in it")
        for inner, one in value.items():
            yield from _faults(f"{where}.{inner}", one, of_codes=of_codes, name=inner)
    elif isinstance(value, str):
        if not (of_codes and name == "code") and identifiers.holds_a_number(value):
            yield _fault(where, "a person number stands in it")
        elif name != "reference" and _names_a_record(unquote(value)):
            yield _fault(where, "it leads to a patient or to what is filed on one")
    elif isinstance(value, (int, Decimal)) and identifiers.is_a_number(value):
        yield _fault(where, "a person number stands in it")


def _names_a_record(text: str) -> bool:
    """Whether a text is an address of what is filed on a patient, or has one in it that such an id ends."""
    whole = _ADDRESS.fullmatch(text)
    return bool(whole and whole[1] in OF_PATIENTS) or any(type_ in OF_PATIENTS for type_ in _WITHIN.findall(text))


def _leads_to_a_patient(value: Mapping[str, Any]) -> bool:
    """Of a reference: by its address, or by the type that it says."""
    if not value.keys() <= _REFERENCE or value.keys() <= {"type", "id", "extension"}:
        return False
    named, reference = value.get("type"), value.get("reference")
    types = {named.rpartition("/")[2]} if isinstance(named, str) else set()
    if isinstance(reference, str):
        types.add(_type_in(unquote(reference)))
    return not types.isdisjoint(OF_PATIENTS)


def _type_in(reference: str) -> str:
    """The type in `Type/id`, `Type?criteria` or an address that ends so."""
    path, asks, _ = reference.partition("#")[0].partition("?")
    steps = path.partition("/_history/")[0].rstrip("/").split("/")
    return steps[-1] if asks or len(steps) == 1 else steps[-2]


def _fault(where: str, says: str) -> Fault:
    return Fault(f"The element is about a patient: {says}.", where, "business-rule", "about-nobody")
