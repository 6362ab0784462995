"""Whom a document of somebody else's making names as a patient by a national number, wherever in it that stands.

It takes trees of any shape: what is of another shape than R4 has it names nobody. Who did something (performer, recorder,
asserter) is named by numbers that are no patient's, and counts where the reference says that it is of a Patient. Source: R4's
elements whose references may lead to a Patient and to nobody who has done something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kjerne.fhir.cds_hooks import objects, said
from kjerne.registries.identifiers import is_number, numbers_in
from kjerne.registries.naming import is_national

ELEMENTS: Final = frozenset({"beneficiary", "candidate", "deliverTo", "patient", "sourcePatientInfo", "subject"})
"""By these a patient is named in whatever type they stand."""
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "Appointment": frozenset({"actor"}), "Patient": frozenset({"other"}), "ResearchSubject": frozenset({"individual"}),
    "Task": frozenset({"for"}),
}  # fmt: skip
"""And by these in one type alone, at any depth of it."""
_PATIENT: Final = re.compile(r"(?:^|[/:])Patient(?:$|[/?])")
_DIGITS: Final = 11
_Path = tuple[Any, ...]


def named_in(tree: Any, where: str = "", *, strict: bool = True) -> Iterator[tuple[str, str]]:
    """(where it stands, eleven digits) of every national number by which a patient is named, in the order of the document: in a
    Patient's own identifiers, and in each reference to a patient. `where` is what the tree itself is called. Without `strict` all
    counts that has a number's form, as under a national system."""
    waiting: list[tuple[Any, _Path, str]] = [(tree, (where,), "")]
    while waiting:
        value, path, type_ = waiting.pop()
        if isinstance(value, list):
            waiting += [(one, (path, place), type_) for place, one in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            type_ = said(value.get("resourceType")) or type_
            if value.get("resourceType") == "Patient":
                yield from _of_identifiers(value, path, strict)
            for name, one in value.items():
                if name in ELEMENTS or name in _OF_TYPE.get(type_, ()):
                    yield from _of_references(one, (path, name), strict, whole=True)
                elif isinstance(one, (dict, list)):
                    yield from _of_references(one, (path, name), strict, whole=False)
            waiting += [
                (one, (path, name), type_) for name, one in reversed(value.items()) if isinstance(one, (dict, list))
            ]


def numbers_of(identifier: Mapping[str, Any], *, strict: bool = True) -> frozenset[str]:
    """The national numbers of an identifier, in eleven digits, however they are set apart and whatever digits they have. Under a
    national system a number counts though its control digits are wrong; under none it must be one, if it is `strict`.

    >>> numbers_of({"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "010190 - 12345"})
    frozenset({'01019012345'})
    """
    system, value = said(identifier.get("system")).strip(), identifier.get("value")
    if not is_national(system) or isinstance(value, bool) or not isinstance(value, (str, int)):
        return frozenset()
    text = "".join(str(unicodedata.decimal(one, one)) for one in unicodedata.normalize("NFKC", str(value)))
    digits = "".join(filter(str.isdigit, text))
    found = {digits} if len(digits) == _DIGITS and not any(map(str.isalpha, text)) else numbers_in(text)
    return frozenset(filter(is_number, found) if strict and not system else found)


def _of_identifiers(holder: Mapping[str, Any], path: _Path, strict: bool) -> Iterator[tuple[str, str]]:
    for one in objects(holder.get("identifier")):
        yield from ((_spoken((path, "identifier")), number) for number in sorted(numbers_of(one, strict=strict)))


def _of_references(value: Any, path: _Path, strict: bool, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Of a reference, or several; with `whole` it is known to be to a patient."""
    for one in objects(value):
        address = said(one.get("reference"))
        leads = bool(_PATIENT.search(address))
        if not (whole or leads or _PATIENT.search(said(one.get("type")))):
            continue
        yield from _of_identifiers(one, path, strict)
        found = sorted(one for one in numbers_in(address) if not strict or is_number(one))
        yield from ((_spoken((path, "reference")), number) for number in found)


def _spoken(path: _Path) -> str:
    """The path in words of FHIRPath, with places of lists."""
    steps = list[str]()
    while len(path) > 1:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return f"{path[0]}{''.join(reversed(steps))}".lstrip(".")
