"""A profile from a package, made into checks: what it asks of a resource beyond R4 (R4 profiling.html).

Cardinality, fixed values and patterns, types, required code lists, invariants, slices by value, pattern, type, profile and
existence, and the profiles of extensions. What is judged lies in the snapshot; a value set that is not listed and an
expression that cannot be read are named in `Profile.unjudged`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from kjerne.errors import Fault, Refusal
from kjerne.fhir.faults import fault
from kjerne.fhir.fhirpath.calling import Environment, Expression
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import is_type, members, root
from kjerne.fhir.fhirpath.operators import Misuse, truth
from kjerne.fhir.fhirpath.values import PRIMITIVES, Node
from kjerne.fhir.packages import Library
from kjerne.fhir.rulebook import rules
from kjerne.fhir.value_sets import Codes, codes

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
EXTENSION_DEPTH: Final = 5

_STEP: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


@dataclass(frozen=True)
class Rule:
    """An invariant of the profile's own."""

    key: str
    says: str
    expression: Expression


@dataclass
class Slot:
    """One element of a profile, with the elements and slices below it."""

    name: str
    slice: str = ""
    least: int = 0
    most: int | None = None
    value: Any = None
    is_pattern: bool = False
    types: frozenset[str] = frozenset()
    profiles: tuple[str, ...] = ()
    listed: Codes | None = None
    rules: tuple[Rule, ...] = ()
    discriminators: tuple[tuple[str, str], ...] = ()
    closed: bool = False
    members: dict[str, Slot] = field(default_factory=dict)
    slices: dict[str, Slot] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A profile that has been made ready."""

    address: str
    type: str
    top: Slot
    unjudged: tuple[str, ...]


class Profiles:
    """The profiles of a library, each made ready when it is first asked for."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._made: dict[str, Profile | None] = {}

    def find(self, canonical: str) -> Profile | None:
        """A profile by its address; None where no package has it."""
        if canonical not in self._made:
            definition = self._library.find(canonical)
            usable = definition is not None and definition.get("resourceType") == "StructureDefinition"
            self._made[canonical] = _read(definition, self._library) if definition is not None and usable else None
        return self._made[canonical]

    def check(self, tree: dict[str, Any], canonical: str) -> list[Fault]:
        """The faults of a resource against a profile; `Refusal` (422) where there is no such profile."""
        profile = self.find(canonical)
        if profile is None:
            raise Refusal(422, "No package that is loaded has this profile.", where="profile", todo="Add its package.")
        if tree.get("resourceType") != profile.type:
            return [Fault(f"resourceType must be {profile.type}.", "resourceType", "structure", "profile-type")]
        node = root(tree)
        found = _Judge(self, node).element(profile.top, node, "", 0)
        # A value of a slice is looked at as an element too: what both find is told once.
        return [Fault(one.says, profile.type + one.where, one.code, one.rule) for one in dict.fromkeys(found)]


def without_known(faults: list[Fault], tree: dict[str, Any], profiles: Profiles) -> list[Fault]:
    """Faults but those of extensions that R4 does not have and a package does."""
    kept = []
    for one in faults:
        if one.rule == "known-extension":
            found = profiles.find(str(_value_at(tree, one.where)))
            if found is not None and found.type == "Extension":
                continue
        kept.append(one)
    return kept


def _value_at(tree: Any, where: str) -> Any:
    """What stands at an element path."""
    for name, place in _STEP.findall(where.partition(".")[2]):
        tree = tree.get(name) if isinstance(tree, dict) else None
        if place:
            tree = tree[int(place)] if isinstance(tree, list) and int(place) < len(tree) else None
    return tree


def _read(definition: dict[str, Any], library: Library) -> Profile:
    """A profile made ready; `Refusal` (422) where it, or a value set that it names, has not the form that R4 gives it."""
    try:
        return _made(definition, library)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        raise Refusal(422, "The profile has not the form of one in R4.", where=str(definition.get("url"))) from None


def _made(definition: dict[str, Any], library: Library) -> Profile:
    rows = definition.get("snapshot", {}).get("element", [])
    if not rows:
        raise Refusal(422, "The profile has no snapshot.", where=str(definition.get("url")))
    unjudged: list[str] = []
    slots: dict[str, Slot] = {}
    for row in rows:
        slot = _slot(row, definition, library, unjudged)
        path = row["id"] if "id" in row else row["path"]
        parent, _, last = path.rpartition(".")
        slots[path] = slot
        name, _, sliced = last.partition(":")
        if not parent:
            continue
        if sliced:
            owner = slots.get(f"{parent}.{name}")
            above = owner.slices if owner is not None else slots[parent].members
            above[sliced] = slot
        elif parent in slots:
            slots[parent].members[slot.name] = slot
    if not isinstance(definition["type"], str):
        raise TypeError
    return Profile(definition["url"], definition["type"], slots[rows[0].get("id", rows[0]["path"])], tuple(unjudged))


def _slot(row: dict[str, Any], definition: dict[str, Any], library: Library, unjudged: list[str]) -> Slot:
    fixed = next((name for name in row if name.startswith(("fixed", "pattern"))), "")
    types = row.get("type", [])
    slicing = row.get("slicing", {})
    return Slot(
        name=row["path"].rpartition(".")[2].removesuffix("[x]"),
        slice=row.get("sliceName", ""),
        least=int(row.get("min", 0)),
        most=None if row.get("max", "*") == "*" else int(row["max"]),
        value=row.get(fixed) if fixed else None,
        is_pattern=fixed.startswith("pattern"),
        types=frozenset(one["code"] for one in types if "/" not in one["code"]),
        profiles=tuple(profile for one in types for profile in one.get("profile", ())),
        listed=_listed(row, library, unjudged),
        rules=tuple(_rules(row, definition, unjudged)),
        discriminators=tuple((str(one["type"]), str(one["path"])) for one in slicing.get("discriminator", ())),
        closed=slicing.get("rules") == "closed",
    )


def _listed(row: dict[str, Any], library: Library, unjudged: list[str]) -> Codes | None:
    binding = row.get("binding", {})
    address = binding.get("valueSet")
    if binding.get("strength") != "required" or not isinstance(address, str):
        return None
    found = codes(library, address)
    if found is None:
        unjudged.append(f"{row['path']}: {address}")
    return found


def _rules(row: dict[str, Any], definition: dict[str, Any], unjudged: list[str]) -> Iterator[Rule]:
    """The invariants that R4 does not have itself."""
    for one in row.get("constraint", ()):
        source = str(one.get("source", definition.get("url")))
        if (
            one.get("severity") != "error"
            or source.startswith(CORE)
            or "expression" not in one
            or one["key"] in _own_keys()
        ):
            continue
        try:
            yield Rule(str(one["key"]), str(one.get("human", one["key"])), compiled(one["expression"]))
        except ValueError:
            unjudged.append(f"{row['path']}: {one['key']}")


@cache
def _own_keys() -> frozenset[str]:
    """Keys of R4's own invariants, which every resource is held against anyway."""
    return frozenset(one.key for constraints in rules().constraints.values() for one in constraints)


class _Judge:
    """One resource under one profile."""

    def __init__(self, profiles: Profiles, resource: Node) -> None:
        self._profiles = profiles
        self._resource = resource

    def element(self, slot: Slot, node: Node, where: str, depth: int) -> list[Fault]:
        """The faults of one value of an element, and of everything below it."""
        found = [*self._own(slot, node, where, depth)]
        if isinstance(node.value, dict) or node.beside is not None:
            for name, inner in slot.members.items():
                found += self._member(inner, list(_values(node, name, where)), f"{where}.{name}", depth)
        return found

    def _own(self, slot: Slot, node: Node, where: str, depth: int) -> Iterator[Fault]:
        if slot.value is not None and not _fits_value(slot, node.value):
            says = "must have the pattern of the profile" if slot.is_pattern else "must be the value of the profile"
            yield from fault(says, where, "value", "profile-value")
        if slot.listed is not None and not _in_list(slot.listed, node):
            yield from fault("must have a code of the profile's value set", where, "code-invalid", "required-binding")
        for rule in slot.rules:
            environment = Environment(self._resource, self._resource, context=[node])
            try:
                broken = truth(rule.expression([node], environment)) is False
            except Misuse:
                broken = False
            if broken:
                yield from fault(f"must hold: {rule.says} ({rule.key})", where, "invariant", rule.key)
        if node.type == "Extension" and depth < EXTENSION_DEPTH:
            yield from self._extension(node, where, depth)

    def _extension(self, node: Node, where: str, depth: int) -> Iterator[Fault]:
        """An extension's own definition, where a package has it."""
        profile = self._profiles.find(str(node.value.get("url")))
        if profile is not None and profile.type == "Extension":
            yield from self.element(profile.top, node, where, depth + 1)

    def _member(self, slot: Slot, values: list[tuple[str, Node]], where: str, depth: int) -> list[Fault]:
        found = [*_counted(slot, values, where)]
        types = slot.types - {"Resource", "DomainResource"}
        for at, node in values:
            if types and not any(is_type(node, one) for one in types):
                found += fault(f"must be one of {', '.join(sorted(types))}", at, "structure", "profile-type")
            found += self.element(slot, node, at, depth)
        return found + (self._sliced(slot, values, where, depth) if slot.slices else [])

    def _sliced(self, slot: Slot, values: list[tuple[str, Node]], where: str, depth: int) -> list[Fault]:
        """Each value in its slice. A slice that cannot be told from others is not judged, nor what may be of it."""
        told = {name: one for name, one in slot.slices.items() if self._is_told(slot, one)}
        taken: dict[str, list[tuple[str, Node]]] = {name: [] for name in told}
        found: list[Fault] = []
        for at, node in values:
            name = next((name for name, one in told.items() if self._belongs(slot, one, node, depth)), None)
            if name is not None:
                taken[name].append((at, node))
            elif slot.closed and len(told) == len(slot.slices):
                found += fault("must be one of the profile's slices", at, "structure", "profile-slice")
        for name, one in told.items():
            found += self._member(one, taken[name], where, depth)
        return found

    def _is_told(self, slot: Slot, one: Slot) -> bool:
        """Whether the slice's definition says what its discriminators ask for."""
        return bool(slot.discriminators) and all(
            kind == "exists" or _by_address(kind, path, one) or any(_tells(kind, inner) for inner in _at(one, path))
            for kind, path in slot.discriminators
        )

    def _belongs(self, slot: Slot, one: Slot, node: Node, depth: int) -> bool:
        """Whether a value is of a slice, by every discriminator of the slicing."""
        return all(self._discriminated(kind, path, one, node, depth) for kind, path in slot.discriminators)

    def _discriminated(self, kind: str, path: str, one: Slot, node: Node, depth: int) -> bool:
        if _by_address(kind, path, one):
            return isinstance(node.value, dict) and node.value.get("url") in _addresses(one)
        nodes = self._reached(node, path)
        if kind == "exists":
            asked = _at(one, path)
            return bool(nodes) == any(inner.most != 0 for inner in asked)
        wanted = [inner for inner in _at(one, path) if _tells(kind, inner)]
        if kind == "type":
            return any(is_type(inner, name) for inner in nodes for each in wanted for name in each.types)
        if kind == "profile":
            return any(self._conforms(inner, each, depth) for inner in nodes for each in wanted)
        return any(_fits(each, inner) for inner in nodes for each in wanted)

    def _conforms(self, node: Node, wanted: Slot, depth: int) -> bool:
        """Whether what stands here is of one of the profiles; of a base type, whether it is one."""
        for address in wanted.profiles or tuple(CORE + name for name in wanted.types):
            if address.startswith(CORE) and is_type(node, address.removeprefix(CORE)):
                return True
            profile = self._profiles.find(address)
            if profile is not None and is_type(node, profile.type) and depth < EXTENSION_DEPTH:
                return not _Judge(self._profiles, node).element(profile.top, node, "", depth + 1)
        return False

    def _reached(self, node: Node, path: str) -> list[Node]:
        if path == "$this":
            return [node]
        try:
            found = compiled(path)([node], Environment(self._resource, self._resource, context=[node]))
        except (ValueError, Misuse):
            return []
        return [one for one in found if isinstance(one, Node)]


def _counted(slot: Slot, values: list[tuple[str, Node]], where: str) -> Iterator[Fault]:
    must = f"must have the slice {slot.slice}" if slot.slice else "must be there"
    if len(values) < slot.least:
        yield from fault(f"{must} {slot.least} times or more", where, "required", "profile-cardinality")
    if slot.most is not None and len(values) > slot.most:
        says = f"{must} {slot.most} times at most" if slot.most else must.replace("must", "must not", 1)
        yield from fault(says, where, "structure", "profile-cardinality")


def _values(node: Node, name: str, where: str) -> Iterator[tuple[str, Node]]:
    """Every value of an element with its place. A choice may be named whole (`value`) or by one type (`valueQuantity`)."""
    if not isinstance(node.value, dict):
        if isinstance(node.beside, dict):
            yield from _values(Node(node.beside, "Element"), name, where)
        return
    known = members(node.type)
    keys = known.get(name) or tuple(pair for pairs in known.values() for pair in pairs if pair[0] == name)
    for key, of in keys:
        value, beside = node.value.get(key), node.value.get(f"_{key}")
        if isinstance(value, list) or isinstance(beside, list):
            values, shadows = (one if isinstance(one, list) else [] for one in (value, beside))
            for place in range(max(len(values), len(shadows))):
                one = values[place] if place < len(values) else None
                shadow = shadows[place] if place < len(shadows) else None
                yield f"{where}.{key}[{place}]", _node(one, of, shadow)
        elif value is not None or beside is not None:
            yield f"{where}.{key}", _node(value, of, beside)


def _node(value: Any, of: str, beside: Any) -> Node:
    if of == "Resource" and isinstance(value, dict):
        return root(value)
    return Node(value, of, beside)


def _by_address(kind: str, path: str, one: Slot) -> bool:
    """Extensions are told apart by the address of their definition, where the slice does not repeat it."""
    return kind == "value" and path == "url" and "url" not in one.members and bool(one.profiles)


def _addresses(slot: Slot) -> set[str]:
    return {profile.partition("|")[0] for profile in slot.profiles}


def _tells(kind: str, slot: Slot) -> bool:
    """Whether an element of a slice says something that a discriminator of this kind can use."""
    if kind == "type":
        return bool(slot.types)
    if kind == "profile":
        return bool(slot.profiles or slot.types)
    return slot.listed is not None or _says_something(slot)


def _at(slot: Slot, path: str) -> list[Slot]:
    """The elements of a slice that a discriminator's path leads to, slices of them too."""
    found = [slot]
    for step in path.split("."):
        name, _, argument = step.partition("(")
        if step in ("$this", "resolve()") or name == "ofType":
            continue
        if name == "extension":
            address = argument.strip("')")
            found = [one for each in found for one in _slices(each, name) if address in _addresses(one)]
        else:
            inner = [each.members[name] for each in found if name in each.members]
            found = [one for each in inner for one in (each, *each.slices.values())]
    return found


def _slices(slot: Slot, name: str) -> list[Slot]:
    return list(slot.members[name].slices.values()) if name in slot.members else []


def _fits(wanted: Slot, node: Node) -> bool:
    """Whether a value has every fixed value and pattern of an element and of those below it."""
    if wanted.value is not None and not _fits_value(wanted, node.value):
        return False
    if wanted.listed is not None and wanted.value is None and not _in_list(wanted.listed, node):
        return False
    for name, inner in wanted.members.items():
        if inner.least == 0 and inner.value is None:
            continue
        values = [one for _, one in _values(node, name, "")]
        if _says_something(inner) and not any(_fits(inner, one) for one in values):
            return False
    return True


def _says_something(slot: Slot) -> bool:
    below = any(_says_something(one) for one in slot.members.values() if one.least > 0 or one.value is not None)
    return slot.value is not None or below


def _fits_value(slot: Slot, value: Any) -> bool:
    return _matches(slot.value, value) if slot.is_pattern else bool(slot.value == value)


def _matches(pattern: Any, value: Any) -> bool:
    """Whether a value has all that a pattern has (R4 elementdefinition-definitions.html#pattern)."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_matches(inner, value.get(name)) for name, inner in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(_matches(one, other) for other in value) for one in pattern)
    return bool(pattern == value)


def _in_list(listed: Codes, node: Node) -> bool:
    value = node.value
    if value is None:
        return True
    if node.type in PRIMITIVES:
        return any(value in inner for inner in listed.values())
    if not isinstance(value, dict):
        return True
    rows = [value] if node.type in ("Coding", "Quantity") else value.get("coding", [])
    return any(isinstance(one, dict) and one.get("code") in listed.get(str(one.get("system")), ()) for one in rows)
