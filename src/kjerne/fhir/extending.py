"""Extensions that R4 itself defines: known, on the element they are made for, with the value they are made of.

An extension from elsewhere is taken as it is, if its address is absolute. One that claims to be HL7's own and is not in its
package is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir import definitions
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import spend
from kjerne.fhir.faults import Faults, Pending, fault
from kjerne.fhir.fhirpath.navigating import is_type, members
from kjerne.fhir.fhirpath.values import Node
from kjerne.fhir.rulebook import Extension, Part, rules

_OWN: Final = re.compile(r"http://hl7\.org/fhir/StructureDefinition/[A-Za-z0-9\-]+")
_OTHER_VERSION: Final = re.compile(r"http://hl7\.org/fhir/[1-5]\.0/StructureDefinition/extension-")
_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}(?:\[x\])?")
_STEP: Final = re.compile(r"\.(_?\w+)((?:\[\d+\])?)")
_TYPE_SET: Final = frozenset(TYPES)

STEP_STEPS: Final = 8
"""What one step of the path to an extension costs."""


def extension(value: Any, on: str, *, modifier: bool = False) -> Faults:
    """One extension on an element of type `on` (empty: beside a primitive); those within another are parts of it."""
    address = value.get("url")
    if type(address) is not str:
        return None
    if _OTHER_VERSION.match(address):
        return _other_version(value)
    known = rules().extensions.get(address)
    if known is None:
        if _OWN.fullmatch(address):
            return fault("must be an extension that R4 defines", ".url", "extension", "known-extension")
        if ":" not in address:
            return fault("must have an absolute address", ".url", "extension", "absolute-extension")
        return None
    found: list[Fault] = []
    if known.modifier != modifier:
        says = "must stand in modifierExtension" if known.modifier else "must not stand in modifierExtension"
        found += fault(says, "", "extension", "extension-modifier")
    found += _value(value, known.types) or ()
    found += _parts(value, known) or ()
    contexts = known.contexts + ALSO.get(address, ())
    if _plain_names(on).isdisjoint(contexts):
        # By its type alone it is out of place: the path to it decides.
        says = f"must stand on {' or '.join(contexts)}"
        misplaced = out_of_context(contexts)
        found.append(Pending(f"The element {says}.", "", "extension", "extension-context", broken=misplaced))
    return found


@cache
def _plain_names(type_: str) -> frozenset[str]:
    """What an element of a type may be called in a context, wherever it stands."""
    general = (one for one in _GENERAL if type_ and is_type(Node({}, type_), one))
    return frozenset({type_, "Element", *general})


_STRUCTURES: Final = "http://hl7.org/fhir/StructureDefinition/"
ALSO: Final = {
    f"{_STRUCTURES}structuredefinition-fhir-type": ("ElementDefinition.type",),
    f"{_STRUCTURES}structuredefinition-normative-version": ("ElementDefinition",),
    f"{_STRUCTURES}regex": ("ElementDefinition.type",),
}
"""Where R4's own definitions, and every snapshot that is made of them, put an extension that is allowed elsewhere alone."""


def _other_version(value: dict[str, Any]) -> Faults:
    """An element of another version of FHIR (R4 versions.html#extensions): its parts are called as elements are."""
    inner = value.get("extension")
    found: list[Fault] = []
    for place, one in enumerate(inner if type(inner) is list else ()):
        address = one.get("url") if type(one) is dict else None
        if type(address) is str and ":" not in address and not _ELEMENT.fullmatch(address):
            says = "must be the name of an element"
            found += fault(says, f".extension[{place}].url", "extension", "extension-part")
    return found


def _value(value: dict[str, Any], types: tuple[str, ...]) -> Faults:
    """The value is of a type that the extension has."""
    names = [name for name in value if name.startswith("value")]
    if not names:
        return None
    allowed = {f"value{one[0].upper()}{one[1:]}" for one in types}
    if names[0] not in allowed:
        says = f"must be one of {', '.join(sorted(allowed))}" if allowed else "must have no value, but extensions"
        return fault(says, f".{names[0]}", "extension", "extension-value")
    return None


def _parts(value: dict[str, Any], known: Extension) -> Faults:
    inner = value.get("extension")
    rows = [one for one in inner if type(one) is dict] if type(inner) is list else []
    found: list[Fault] = []
    counts: dict[str, int] = {}
    for place, one in enumerate(rows):
        address = one.get("url")
        if type(address) is not str or ":" in address:
            continue
        counts[address] = counts.get(address, 0) + 1
        part: Part | None = known.parts.get(address)
        if part is None:
            found += fault(
                "must be a part that the extension has", f".extension[{place}].url", "extension", "extension-part"
            )
        elif part.most and counts[address] > part.most:
            found += fault("must not be repeated", f".extension[{place}]", "extension", "extension-part")
        elif part.types and (wrong := _value(one, part.types)):
            found += [Fault(bad.says, f".extension[{place}]{bad.where}", bad.code, bad.rule) for bad in wrong]
    missing = [name for name, part in known.parts.items() if part.least and name not in counts]
    if missing and known.parts:
        found += fault(f"must have the part {missing[0]}", "", "extension", "extension-part")
    return found


def out_of_context(contexts: tuple[str, ...]) -> Callable[[dict[str, Any], str], bool]:
    """Whether the element that has the extension at a path in a resource is none of those in which it may stand."""

    def broken(resource: dict[str, Any], where: str) -> bool:
        names = set(_names(resource, where, contexts))
        return bool(names) and names.isdisjoint(contexts)

    return broken


def _names(resource: dict[str, Any], where: str, contexts: tuple[str, ...]) -> Iterator[str]:
    """Names by which a context may mean the element that has the extension at `where`; none where it is not sure.

    Every step may be spelled in two ways: only what one of the contexts begins with is spelled on.
    """
    steps = _STEP.findall(where)
    while steps and steps[-1][0] not in ("extension", "modifierExtension"):
        steps.pop()
    steps = steps[:-1]
    spend(STEP_STEPS * (1 + len(steps)))
    value: Any = resource
    type_ = str(resource.get("resourceType"))
    paths = {type_}
    for name, index in steps:
        key = name.removeprefix("_")
        element = _element(type_, key)
        if element is None or type(value) is not dict:
            return
        value = value.get(name)
        if index and type(value) is list and int(index[1:-1]) < len(value):
            value = value[int(index[1:-1])]
        bare, of = element
        named = value.get("resourceType") if of == "Resource" and type(value) is dict else None
        if type(named) is str and named in _TYPE_SET:
            of = named
            paths = {of}
        else:
            spelled = {f"{path}.{bare}" for path in paths}
            spelled |= {f"{path}[x]" for path in spelled}
            paths = {one for one in spelled if any(context.startswith(one) for context in contexts)} | {of}
        type_ = of
    yield from paths
    yield from _plain_names(type_)


_GENERAL: Final = ("Resource", "DomainResource", "BackboneElement", "Quantity", "string", "uri", "integer")


@lru_cache(maxsize=4096)
def _element(type_: str, key: str) -> tuple[str, str] | None:
    """An element's name and type by its JSON name."""
    if type_ not in definitions.table().elements:
        return None
    return next(((name, of) for name, found in members(type_).items() for json, of in found if json == key), None)
