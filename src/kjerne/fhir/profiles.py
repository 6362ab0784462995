"""A profile from a package or of R4 itself, made into checks: what it asks of a resource beyond R4 (R4 profiling.html).

Cardinality, fixed values and patterns, types, required code lists, invariants, slices by value, pattern, type, profile and
existence, and the profiles of extensions. What is judged lies in the snapshot; a value set that is not listed and an
expression that cannot be read are named in `Profile.unjudged`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from kjerne.errors import Fault, Refusal
from kjerne.fhir import definitions
from kjerne.fhir.core_profiles import BesideCore
from kjerne.fhir.effort import TooCostly, limited
from kjerne.fhir.faults import Pending, settled
from kjerne.fhir.fhirpath.calling import Expression
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import root
from kjerne.fhir.fhirpath.reading import Term, parse
from kjerne.fhir.invariants import BARE, triggers
from kjerne.fhir.judging import ADVICE, Look, Run, look_at, strewn
from kjerne.fhir.packages import Definitions
from kjerne.fhir.placing import misnamed, misplaced
from kjerne.fhir.rulebook import rules
from kjerne.fhir.value_sets import Codes, Has, Listed, Terminology

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
STRENGTHS: Final = ("required", "extensible")

_STEP: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


@dataclass(frozen=True)
class Rule:
    """An invariant of the profile's own."""

    key: str
    says: str
    expression: Expression
    term: Term

    def needs(self, of: str) -> tuple[frozenset[str], ...]:
        """Sets of members: an element of this type that has none of one of them keeps to it, whatever else it has."""
        return tuple(triggers(self.term, of) or ())


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
    targets: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    """Its targets where they are fewer than R4's, which R4 itself holds references to; else none."""
    by_type: dict[str, tuple[str, ...]] = field(default_factory=dict)
    listed: Codes | None = None
    asked: Has | None = None
    value_set: str = ""
    extensible: bool = False
    rules: tuple[Rule, ...] = ()
    discriminators: tuple[tuple[str, str], ...] = ()
    closed: bool = False
    ordered: bool = False
    at_end: bool = False
    longest: int | None = None
    ends: tuple[tuple[str, Any], ...] = ()
    members: dict[str, Slot] = field(default_factory=dict)
    slices: dict[str, Slot] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A profile that has been made ready."""

    address: str
    type: str
    top: Slot
    unjudged: tuple[str, ...]
    misplaced: tuple[Pending, ...] = ()
    misnamed: Mapping[str, list[Fault]] = field(default_factory=dict)
    """Of an extension: what is wrong by the element that it stands on, which is known later, and by the name of its own."""


class Judged(NamedTuple):
    """What a profile finds wrong in a resource, and what it only advises against."""

    faults: list[Fault]
    advice: list[Fault]


class Profiles:
    """The profiles of a library and those of R4 itself, each made ready when it is first asked for."""

    def __init__(self, library: Definitions, terminology: Terminology | None = None) -> None:
        self._library = BesideCore(library)
        self._terminology = terminology or Listed(library)
        self._made: dict[str, Profile | Refusal | None] = {}
        self._looks: dict[tuple[int, str], Look | None] = {}

    def find(self, canonical: str) -> Profile | None:
        """A profile by its address; None where neither a package nor R4 has it. `Refusal` 422 for one that nothing can be held
        against."""
        if canonical not in self._made:
            definition = self._library.find(canonical)
            if definition is None:
                # Not kept: whoever writes can name as many as she likes.
                return None
            self._made[canonical] = self._read(definition)
        found = self._made[canonical]
        if isinstance(found, Refusal):
            raise Refusal(found.status, found.says, where=found.where)
        return found

    def _read(self, definition: dict[str, Any]) -> Profile | Refusal | None:
        if definition.get("resourceType") != "StructureDefinition":
            return None
        try:
            return _read(definition, self._terminology)
        except Refusal as refusal:
            return refusal

    def check(self, tree: dict[str, Any], canonical: str) -> list[Fault]:
        """The faults of a resource against a profile; `Refusal` (422) where there is no such profile."""
        return self.judge(tree, canonical).faults

    def judge(self, tree: dict[str, Any], canonical: str) -> Judged:
        """As `check`, with what the profile advises. The resource is one of R4: that was looked at before."""
        profile = self.find(canonical)
        if profile is None:
            raise Refusal(422, "No package that is loaded has this profile.", where="profile", todo="Add its package.")
        if tree.get("resourceType") != profile.type:
            return Judged(
                [Fault(f"resourceType must be {profile.type}.", "resourceType", "structure", "profile-type")], []
            )
        look = self._look(profile.top, profile.type)
        run = Run(self.find, self._look, root(tree), 0)
        try:
            with limited():
                found = [*((look(tree, None, run) if look is not None else None) or ()), *(strewn(tree, run) or ())]
                found = settled(tree, found)
        except TooCostly:
            says = "The resource is too costly to hold against the profile."
            return Judged([Fault(says, profile.type, "too-costly", "validation-steps")], [])
        if not found:
            return Judged([], [])
        # A value of a slice is looked at as an element too, and a part of an extension by itself: what both find is told once.
        told = [Fault(one.says, profile.type + one.where, one.code, one.rule) for one in dict.fromkeys(found)]
        return Judged([one for one in told if one.rule not in ADVICE], [one for one in told if one.rule in ADVICE])

    def _look(self, slot: Slot, of: str) -> Look | None:
        """The look at a slot's values, made once for each type."""
        key = (id(slot), of)
        if key not in self._looks:
            self._looks[key] = look_at(slot, of)
        return self._looks[key]


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


def _read(definition: dict[str, Any], terminology: Terminology) -> Profile:
    """A profile made ready; `Refusal` (422) where it, or a value set that it names, has not the form that R4 gives it."""
    try:
        return _made(definition, terminology)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        raise Refusal(422, "The profile has not the form of one in R4.", where=str(definition.get("url"))) from None


def _made(definition: dict[str, Any], terminology: Terminology) -> Profile:
    rows = definition.get("snapshot", {}).get("element", [])
    if not rows:
        raise Refusal(422, "The profile has no snapshot.", where=str(definition.get("url")))
    unjudged: list[str] = []
    slots: dict[str, Slot] = {}
    for row in rows:
        slot = _slot(row, terminology, unjudged)
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
    top = slots[rows[0].get("id", rows[0]["path"])]
    return Profile(
        definition["url"], definition["type"], top, tuple(unjudged), misplaced(definition), misnamed(definition)
    )


def _slot(row: dict[str, Any], terminology: Terminology, unjudged: list[str]) -> Slot:
    fixed = next((name for name in row if name.startswith(("fixed", "pattern"))), "")
    types = row.get("type", [])
    slicing = row.get("slicing", {})
    listed, asked = _bound(row, terminology, unjudged)
    return Slot(
        name=row["path"].rpartition(".")[2].removesuffix("[x]"),
        slice=row.get("sliceName", ""),
        least=int(row.get("min", 0)),
        most=None if row.get("max", "*") == "*" else int(row["max"]),
        value=row.get(fixed) if fixed else None,
        is_pattern=fixed.startswith("pattern"),
        types=frozenset(one["code"] for one in types if "/" not in one["code"]),
        profiles=tuple(profile for one in types for profile in one.get("profile", ())),
        targets=(targets := tuple(profile for one in types for profile in one.get("targetProfile", ()))),
        leads=targets if _are_fewer(row["path"], targets) else (),
        by_type={one["code"]: tuple(one["profile"]) for one in types if one.get("profile")},
        listed=listed,
        asked=asked,
        value_set=str(row.get("binding", {}).get("valueSet", "")),
        extensible=row.get("binding", {}).get("strength") == "extensible",
        rules=tuple(_rules(row, unjudged)),
        discriminators=tuple((str(one["type"]), str(one["path"])) for one in slicing.get("discriminator", ())),
        closed=slicing.get("rules") == "closed",
        ordered=slicing.get("ordered") is True,
        at_end=slicing.get("rules") == "openAtEnd",
        longest=int(row["maxLength"]) if "maxLength" in row else None,
        ends=tuple((name[:3], row[name]) for name in row if name.startswith(("minValue", "maxValue"))),
    )


def _are_fewer(path: str, targets: tuple[str, ...]) -> bool:
    """Whether a reference may lead to less by a profile than by R4."""
    parent, _, name = path.rpartition(".")
    known = definitions.elements(parent) if parent in definitions.table().elements else {}
    own = known.get(name.removesuffix("[x]"))
    wanted = {one.partition("|")[0].removeprefix(CORE) for one in targets}
    return bool(wanted) and "Resource" not in wanted and not (own and own.targets and set(own.targets) <= wanted)


def _bound(row: dict[str, Any], terminology: Terminology, unjudged: list[str]) -> tuple[Codes | None, Has | None]:
    """The codes of an element's value set, or how it is asked of one code."""
    binding = row.get("binding", {})
    address = binding.get("valueSet")
    if binding.get("strength") not in STRENGTHS or not isinstance(address, str):
        return None, None
    found = terminology.codes(address)
    asked = terminology.asking(address) if found is None else None
    if found is None and asked is None and binding["strength"] == "required":
        unjudged.append(f"{row['path']}: {address}")
    return found, asked


def _rules(row: dict[str, Any], unjudged: list[str]) -> Iterator[Rule]:
    """The invariants that R4 does not have itself."""
    for one in row.get("constraint", ()):
        if one.get("severity") != "error" or "expression" not in one or _is_r4s(one):
            continue
        try:
            text = one["expression"]
            yield Rule(str(one["key"]), str(one.get("human", one["key"])), compiled(text), parse(text))
        except ValueError:
            unjudged.append(f"{row['path']}: {one['key']}")


def _is_r4s(one: dict[str, Any]) -> bool:
    """Whether an invariant is that of a type of R4, which every resource is held against anyway, and not a profile's.

    Where it does not say whose it is, it is R4's if that has one of this key that says or asks the same: authors count theirs
    from `inv-1` on, as R4 does.
    """
    source = str(one.get("source", ""))
    if source.startswith(CORE):
        return source.removeprefix(CORE) in definitions.table().kinds
    told = {one.get("human"), "".join(str(one["expression"]).split())}
    return not source and not told.isdisjoint(_own(str(one["key"])))


@cache
def _own(key: str) -> frozenset[str]:
    """What R4's own invariants of a key say in words and, without blanks, ask; one of them is asked only where R4 itself does."""
    if key == BARE:
        return frozenset()
    named = [one for constraints in rules().constraints.values() for one in constraints if one.key == key]
    return frozenset(text for one in named for text in (one.says, "".join(one.expression.split())))
