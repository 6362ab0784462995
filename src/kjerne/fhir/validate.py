"""Is this an R4 resource? One walk over the tree with checkers made from the definitions; each fault has its path.

Checked: names and types, cardinality, one `value[x]`, formats and calendar, no empty object or array, required code
lists, reference targets, the invariants of `fhir.invariants`, and contained resources (dom-2 to dom-5).
A text in a fault never repeats what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir import (
    attachments,
    bundles,
    codings,
    conformance,
    definitions,
    extending,
    invariants,
    lengths,
    rulebook,
)
from kjerne.fhir.definitions import TYPES, Element
from kjerne.fhir.effort import TooCostly, limited
from kjerne.fhir.faults import UNREADABLE, Faults, Pending, Rule, fault, settled, under
from kjerne.fhir.invariants import Invariant
from kjerne.fhir.primitives import CHECKS, NARROWER, SAYS, Check

FAULTS_LIMIT: Final = 100
"""Enough to mend a resource by; a hostile one cannot make a list longer than itself."""

Checker = Callable[[Any], Faults]

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "Coding": (codings.coding,),
    "Quantity": (codings.quantity,),
    "Identifier": (codings.identifier,),
    "Attachment": (attachments.attachment,),
    "Bundle": (bundles.bundle,),
    "SearchParameter": (conformance.search_parameter,),
    "StructureDefinition": (conformance.structure_definition,),
    "Questionnaire": (conformance.questionnaire,),
    "CodeSystem": (conformance.code_system,),
    "ValueSet": (conformance.value_set,),
}
"""Rules of R4's text that are neither shape nor invariant, by type."""

_BEING_MADE: Final[set[str]] = set()
_LOCAL: Final = "local-reference"
_TYPE_SET: Final = frozenset(TYPES)
_PLAIN_NAME: Final = re.compile(r"_?[A-Za-z]{1,64}")
_RELATIVE: Final = re.compile(r"([A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?")


def check(tree: dict[str, Any], type: str) -> list[Fault]:
    """The faults of a resource that should be a `type`; empty where it is right. `where` is an element path."""
    if tree.get("resourceType") != type:
        return [Fault(f"resourceType must be {type}.", where="resourceType", code="structure")]
    try:
        with limited():
            found = _structure(type)(tree) or []
            if found or "contained" in tree:
                found = _resolved(tree, found)
    except TooCostly:
        return [Fault("The resource is too costly to validate.", type, "too-costly", "validation-steps")]
    return [replace(one, where=f"{type}{one.where}") for one in found[:FAULTS_LIMIT]]


@cache
def _structure(type: str) -> Checker:
    """The checker of a type or nested structure, with those of all that it holds (`_nested`)."""
    _BEING_MADE.add(type)
    try:
        return _made(type)
    finally:
        _BEING_MADE.discard(type)


def _made(type: str) -> Checker:
    rules: dict[str, Checker] = {"resourceType": _resource_type} if type in _TYPE_SET else {}
    plain: dict[str, Check] = {}
    paired: dict[str, tuple[Checker, bool]] = {}
    required: dict[str, frozenset[str]] = {}
    choices: list[frozenset[str]] = []
    grammars = rulebook.rules().shaped.get(type, {})
    for element in definitions.elements(type).values():
        narrower = NARROWER.get((type, element.name))
        names = {element.name: narrower} if narrower else dict(_names(element))
        for name, of in names.items():
            shaped = grammars.get(element.name) if of == "code" else None
            one = codings.shaped(shaped) if shaped else _member_of(type, element, of)
            rules[name] = _list(one) if element.many else one
            if of in CHECKS and not element.many and not element.codes and not shaped:
                plain[name] = CHECKS[of]
            if of in CHECKS:
                rules[f"_{name}"] = _list(_shadow, holes=True) if element.many else _shadow
                paired[name] = (one, element.many)
        every = frozenset(names) | {f"_{name}" for name in names}
        if element.required:
            required[element.name] = every
        if element.choice:
            choices.append(every)
    return _object(rules, plain, paired, _checks(type, required, choices))


def _names(element: Element) -> Iterator[tuple[str, str]]:
    for of in element.types:
        yield (element.name + of[0].upper() + of[1:] if element.choice else element.name), of


Wrong = tuple[Callable[[dict[str, Any]], Any], Callable[[dict[str, Any]], Faults]]
"""A quick look that says whether something is wrong, and what then makes the faults."""


def _object(
    rules: dict[str, Checker],
    plain: dict[str, Check],
    paired: dict[str, tuple[Checker, bool]],
    checks: tuple[Wrong, ...],
) -> Checker:
    def checker(value: Any) -> Faults:
        if type(value) is not dict:
            return fault("must be an object")
        faults: list[Fault] = []
        for name, inner in value.items():
            # Most members are single primitives that are right: they cost one call, the rest go the long way.
            right = plain.get(name)
            if right is not None and right(inner):
                continue
            rule = rules.get(name)
            if rule is None or (found := rule(inner)):
                faults += _member(name, value, paired, None if rule is None else found)
                if _enough(faults):
                    return faults
        for wrong, explained in checks:
            try:
                if wrong(value):
                    faults += explained(value) or ()
            except UNREADABLE:
                # A rule is made for what has its shape: where it has not, that has been told.
                faults += () if _told(faults) else fault("cannot be held against R4's rules", code="structure")
        if len(value) < 2 and (not value or "id" in value):
            faults += fault("must not be empty (ele-1)", code="invariant", rule="ele-1")
        return faults

    return checker


def _member(name: str, value: dict[str, Any], paired: dict[str, tuple[Checker, bool]], found: Faults) -> list[Fault]:
    """What is wrong with one member, once something is: `found` is None where R4 does not know the name."""
    if found is None:
        return _unknown(name)
    if name in paired and f"_{name}" in value:
        found = _with_shadow(paired[name], value[name], value[f"_{name}"]) or []
    return under(f".{name}", found)


def _checks(type: str, required: dict[str, frozenset[str]], choices: list[frozenset[str]]) -> tuple[Wrong, ...]:
    """What is looked at in a whole element: what must be there, one type of a choice, invariants, RULES, lengths of names."""
    found: list[Wrong] = [(names.isdisjoint, _absent(name)) for name, names in required.items()]
    found += [(_more_than_one(names), partial(_several, names)) for names in choices]
    found += [(one.broken, partial(_broken, one)) for one in invariants.of_type(type)]
    found += [(rule, rule) for rule in RULES.get(type, ())]
    if long := lengths.RULES.get(type):
        found.append((long, long))
    return tuple(found)


def _absent(name: str) -> Rule:
    return lambda _: fault("is required", f".{name}", code="required")


def _more_than_one(names: frozenset[str]) -> Callable[[dict[str, Any]], bool]:
    return lambda value: len(names.intersection(value)) > 1


def _broken(invariant: Invariant, value: dict[str, Any]) -> Faults:
    """An invariant's fault; pending, where it looks at the resource around."""
    within = invariant.within
    if within is None:
        return None if not value else fault(invariant.says, code="invariant", rule=invariant.key)
    says = f"The element {invariant.says}."
    return [Pending(says, "", "invariant", invariant.key, broken=lambda resource, _: not within(value, resource))]


def _told(faults: list[Fault]) -> bool:
    return any(one.code != _LOCAL and not isinstance(one, Pending) for one in faults)


def _enough(faults: list[Fault]) -> bool:
    """Whether to stop looking: never on pending faults alone, which may all turn out right."""
    return len(faults) > FAULTS_LIMIT and faults[-1].code != _LOCAL and not isinstance(faults[-1], Pending)


def _unknown(name: str) -> list[Fault]:
    if _PLAIN_NAME.fullmatch(name):
        return fault("is not known in R4", f".{name}")
    return fault("holds a name that is not known in R4")


def _several(names: frozenset[str], value: dict[str, Any]) -> Faults:
    found = {name.removeprefix("_") for name in names.intersection(value)}
    return fault("may have one type only", "." + sorted(found)[1]) if len(found) > 1 else []


def _with_shadow(rule: tuple[Checker, bool], value: Any, shadow: Any) -> Faults:
    """A list of primitives may have holes where `_name` has an extension at the same place (R4 json.html#primitive)."""
    one, many = rule
    if not many or type(value) is not list or type(shadow) is not list:
        return (_list(one) if many else one)(value)
    faults: list[Fault] = []
    for place, inner in enumerate(value):
        beside = shadow[place] if place < len(shadow) else None
        found = one(inner) if inner is not None else None if beside is not None else fault("must not be null")
        faults += under(f"[{place}]", found) if found else ()
    return faults


def _list(one: Checker, *, holes: bool = False) -> Checker:
    def checker(value: Any) -> Faults:
        if type(value) is not list:
            return fault("must be an array")
        if not value:
            return fault("must not be an empty array", code="invariant")
        faults: list[Fault] = []
        for place, inner in enumerate(value):
            found = None if holes and inner is None else one(inner)
            if found:
                faults += under(f"[{place}]", found)
                if _enough(faults):
                    break
        return faults

    return checker


def _member_of(type: str, element: Element, of: str) -> Checker:
    return _extension(type, element.name) if of == "Extension" else _value(element, of)


def _value(element: Element, type: str) -> Checker:
    if type == "code" and element.codes:
        return _listed_code(element.codes)
    if type in CHECKS:
        return _primitive(type)
    if type == "Resource":
        return _contained if element.name == "contained" else _any_resource
    if type == "Reference":
        return _reference(frozenset(element.targets))
    if element.codes and type in ("Coding", "CodeableConcept"):
        return _bound(type, element.codes)
    return _nested(type)


def _extension(on: str, name: str) -> Checker:
    """ext-1, and what the extension's own definition says. `on` is the type that has it, `name` the element."""
    if on == "Extension":
        return _part
    shape, beside = _nested("Extension"), "" if on == "Element" else on

    def checker(value: Any) -> Faults:
        found = shape(value) or []
        if type(value) is dict:
            found += _either(value) or ()
            found += extending.extension(value, beside, modifier=name == "modifierExtension") or ()
        return found or None

    return checker


def _part(value: Any) -> Faults:
    """An extension within another: by a relative address a part of it, which the whole's definition looks at."""
    if type(value) is dict and ":" in str(value.get("url", "")):
        return _whole_part(value)
    found = _structure("Extension")(value) or []
    return found + (_either(value) or []) if type(value) is dict else found


def _whole_part(value: Any) -> Faults:
    return _extension("Element", "extension")(value)


def _either(value: dict[str, Any]) -> Faults:
    if ("extension" in value) == any(name.startswith(("value", "_value")) for name in value):
        return fault("must have either a value or extensions, not both (ext-1)", code="invariant", rule="ext-1")
    return None


def _nested(type: str) -> Checker:
    """The checker of a type within another: itself, or where it is being made (types hold each other: Extension,
    Questionnaire.item) one that finds it at first use."""
    if type not in _BEING_MADE:
        return _structure(type)
    made: list[Checker] = []

    def checker(value: Any) -> Faults:
        if not made:
            made.append(_structure(type))
        return made[0](value)

    return checker


@cache
def _primitive(type: str) -> Checker:
    right, says = CHECKS[type], SAYS[type]
    return lambda value: None if right(value) else fault(says, code="value")


@cache
def _listed_code(address: str) -> Checker:
    codes = frozenset[str]().union(*definitions.table().codes[address].values())

    def checker(value: Any) -> Faults:
        if type(value) is str and value in codes:
            return None
        return fault(f"must be one of the codes of {address}", "", "code-invalid", "required-binding")

    return checker


def _bound(type: str, address: str) -> Checker:
    """Coding or CodeableConcept under a required code list: one coding at least is of the list."""
    listed = {(system, code) for system, codes in definitions.table().codes[address].items() for code in codes}
    shape = _nested(type)

    def checker(value: Any) -> Faults:
        found = shape(value)
        if found:
            return found
        inner = [value] if type == "Coding" else value.get("coding", ())
        if any((one.get("system"), one.get("code")) in listed for one in inner):
            return None
        return fault(f"must have a code of {address}", "", "code-invalid", "required-binding")

    return checker


@cache
def _reference(targets: frozenset[str]) -> Checker:
    shape = _nested("Reference")

    def checker(value: Any) -> Faults:
        found = shape(value)
        if found:
            return found
        text = value.get("reference", "")
        if text[:1] == "#":
            # Whether it is there is known at the resource's root alone: handed up under a code of its own.
            return [Fault(text[1:], ".reference", _LOCAL), *_aimed_inside(value, text[1:], targets)]
        relative = _RELATIVE.fullmatch(text) if text else None
        aims = relative[1] if relative else value.get("type", "")
        if relative and relative[1] not in _TYPE_SET:
            return fault("must name a resource type of R4", ".reference", code="value")
        if wrong := _aimed(value, aims, targets):
            return wrong
        if not relative and text and ":" not in text:
            return fault("must be Type/id, an address or #id", ".reference", code="value")
        return None

    return checker


def _aimed_inside(value: dict[str, Any], id_: str, targets: frozenset[str]) -> list[Fault]:
    """As `_aimed`, of a reference to what is contained: pending, since its type is known at the resource's root alone."""
    if not id_ or not (targets or "type" in value):
        return []

    def broken(resource: dict[str, Any], _: str) -> bool:
        held = invariants.contained(resource).get(id_)
        return held is not None and bool(_aimed(value, str(held.get("resourceType")), targets))

    says = "The element must point at a contained resource of a type that it may point at, and names."
    return [Pending(says, "", "value", broken=broken)]


def _aimed(value: dict[str, Any], aims: str, targets: frozenset[str]) -> Faults:
    """The type that a reference says or names: one of those it may, and the same by both (R4 references.html#Reference)."""
    if aims in _TYPE_SET and (named := value.get("type", aims)) != aims and named in _TYPE_SET:
        return fault("must be the type that the reference names", ".type", code="value")
    if targets and aims in _TYPE_SET and aims not in targets:
        return fault(f"must point at {' or '.join(sorted(targets))}", code="value")
    return None


def _resource_type(value: Any) -> Faults:
    return None if type(value) is str and value in _TYPE_SET else fault("must be a resource type of R4")


def _shadow(value: Any) -> Faults:
    """The `_name` beside a primitive: an Element, id and extensions only."""
    return _structure("Element")(value) if value != {} else fault("must not be empty", code="invariant")


def _any_resource(value: Any) -> Faults:
    if type(value) is not dict or _resource_type(value.get("resourceType")):
        return fault("must be a resource of R4")
    found = _structure(value["resourceType"])(value)
    return _resolved(value, found or []) if found or "contained" in value else None


def _contained(value: Any) -> Faults:
    """dom-2, dom-4 and dom-5: a contained resource contains none, and has no version, time or security label."""
    if type(value) is not dict or _resource_type(value.get("resourceType")):
        return fault("must be a resource of R4")
    faults = _structure(value["resourceType"])(value) or []
    if "contained" in value:
        faults += fault("must not contain resources itself (dom-2)", code="invariant")
    meta = value.get("meta")
    if type(meta) is dict and meta.keys() & {"versionId", "lastUpdated", "security"}:
        faults += fault("must not have a version, a time or a security label (dom-4, dom-5)", ".meta", code="invariant")
    return faults


def _resolved(tree: dict[str, Any], faults: list[Fault]) -> list[Fault]:
    """Local references (ref-1) kept as faults only where nothing contained has the id; dom-3 the other way round."""
    faults = settled(tree, faults)
    inner = tree.get("contained")
    contained = [one for one in inner if type(one) is dict] if type(inner) is list else []
    ids = {one.get("id") for one in contained if type(one.get("id")) is str}
    kept = []
    for one in faults:
        if one.code != _LOCAL:
            kept.append(one)
        elif one.says and one.says not in ids:
            kept += fault("must point at a contained resource (ref-1)", one.where, "invariant", "ref-1")
    for place in _repeated(contained):
        says = "must be the id of one contained resource alone"
        kept += fault(says, f".contained[{place}].id", "duplicate", "contained-id")
    if contained:
        named = set(_local_names(tree))
        for place, held in enumerate(contained):
            if not (type(held.get("id")) is str and held["id"] in named) and "" not in set(_local_names(held)):
                says = "must be referred to from the resource that contains it (dom-3)"
                kept += fault(says, f".contained[{place}]", code="invariant")
    return kept


def _repeated(contained: list[dict[str, Any]]) -> list[int]:
    """The places whose id stands before: what `#id` means would be the reader's choice (R4 references.html#contained)."""
    seen: set[str] = set()
    found: list[int] = []
    for place, one in enumerate(contained):
        id_ = one.get("id")
        if type(id_) is str:
            found += [place] if id_ in seen else []
            seen.add(id_)
    return found


def _local_names(value: Any) -> Iterator[str]:
    """Every `#id` in a tree, as a reference, canonical or uri. Iterative: depth is the sender's."""
    rest = [value]
    while rest:
        one = rest.pop()
        if type(one) is dict:
            rest.extend(one.values())
        elif type(one) is list:
            rest.extend(one)
        elif type(one) is str and one[:1] == "#":
            yield one[1:]
