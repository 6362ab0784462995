"""Whom a resource names beside its subject: another patient that the record is about too, or rests on.

Those are the references that R4 leaves open to any resource (`Observation.focus`, `Communication.about`, `List.entry.item`), and
R4's own extension by which a FamilyMemberHistory says whose record the relative has. Who did something in it (performer,
asserter, sender) has done it for another, and it is not about her: R4's compartment of a patient has those references, and
they lead nowhere here (law, K103).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from kjerne.fhir import definitions
from kjerne.registries.identifiers import is_number
from kjerne.registries.naming import is_national, subject_element

Path = tuple[str, ...]

RELATIVE: Final = "http://hl7.org/fhir/StructureDefinition/familymemberhistory-patient-record"
NAMED_LIMIT: Final = 20
"""How many others one record leads away from: a list of a ward's patients is nobody's record."""
_NOT_LOOKED_IN: Final = frozenset({"contained", "extension", "modifierExtension", "securityContext", "text", "meta"})
_ADDRESS: Final = re.compile(r"(?:^|/)Patient/[0-9a-fA-F-]{36}(?:/_history/[^/\s]+)?")


class Others(NamedTuple):
    """Those who are named: by addresses, as they stand, and by national numbers. Nobody where both are empty."""

    addresses: frozenset[str]
    numbers: frozenset[str]


NOBODY: Final = Others(frozenset(), frozenset())


@cache
def open_paths(name: str) -> tuple[Path, ...]:
    """The elements of a type whose references may lead to any resource, by their names in JSON; its subject's is none."""
    return tuple(path for path in _open(name, (), frozenset({name})) if path[0] != _own(name)[0])


def _open(type_: str, above: Path, met: frozenset[str]) -> Iterator[Path]:
    for element in definitions.elements(type_).values():
        if element.name in _NOT_LOOKED_IN:
            continue
        for inner in element.types:
            if inner == "Reference" and not element.targets:
                yield (*above, f"{element.name}Reference" if element.choice else element.name)
            elif "." in inner and inner not in met:
                yield from _open(inner, (*above, element.name), met | {inner})


def others_in(tree: Mapping[str, Any]) -> Others:
    """Whom a resource names: by an address that may be a Patient's here, or by a national number where the reference says that
    it is of a Patient."""
    found = [one for path in open_paths(str(tree["resourceType"])) if path[0] in tree for one in _at(tree, path)]
    if tree["resourceType"] == "FamilyMemberHistory":
        found += [one.get("valueReference") for one in tree.get("extension", ()) if one.get("url") == RELATIVE]
    if not found:
        return NOBODY
    references = [one for one in found if isinstance(one, dict)]
    addresses = {text for one in references if _ADDRESS.search(text := str(one.get("reference", "")))}
    numbers = {_number(one.get("identifier") or {}) for one in references if one.get("type") == "Patient"} - {""}
    if len(addresses) + len(numbers) > NAMED_LIMIT:
        return NOBODY
    return Others(frozenset(addresses), frozenset(numbers))


def telling(tree: Mapping[str, Any]) -> frozenset[str]:
    """The elements that no part of a resource goes without where it names another: whose it is, and by which it names her."""
    if others_in(tree) == NOBODY:
        return frozenset()
    name = str(tree["resourceType"])
    also = ("extension",) if name == "FamilyMemberHistory" else ()
    return _own_in(tree) | {*also, *(path[0] for path in open_paths(name))}


def whose(tree: Mapping[str, Any]) -> frozenset[str]:
    """As `telling`, of a resource among those of several people: whose it is stands by each."""
    return telling(tree) | _own_in(tree)


def _own_in(tree: Mapping[str, Any]) -> frozenset[str]:
    """Where a resource says whose it is, and with it the contained Patient by which it does."""
    own = _own(str(tree["resourceType"]))
    by = {one["reference"][:1] for one in _at(tree, own) if isinstance(one, dict) and one.get("reference")}
    return frozenset({own[0], "contained"} if "#" in by else {own[0]})


def _own(name: str) -> Path:
    return tuple(subject_element(name).split("."))


def _at(value: Any, path: Path) -> Iterator[Any]:
    """What stands at a path, each of several by itself."""
    if isinstance(value, list):
        for one in value:
            yield from _at(one, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _number(identifier: Mapping[str, Any]) -> str:
    value = str(identifier.get("value", ""))
    return value if is_national(identifier.get("system", "")) and is_number(value) else ""
