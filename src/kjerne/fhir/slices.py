"""How the values of a sliced element are told apart: each discriminator made into a test once (R4 profiling.html#discriminator).

The path of a discriminator is followed once for all slices. Fixed values and patterns are tests on the value alone. A test
answers None where it cannot tell: a code that nobody knows the value set of, or a reference that leads out of the resource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import is_type, step
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.values import PRIMITIVES, Node
from kjerne.fhir.value_sets import Codes, Has

if TYPE_CHECKING:
    from kjerne.fhir.judging import Run
    from kjerne.fhir.profiles import Profile, Slot

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
ASKING_STEPS: Final = 50
"""What it costs to ask the store of a code."""
CODINGS_LIMIT: Final = 20
"""Codings of one element that are asked about."""
SINGLE: Final = frozenset(("Coding", "Quantity", "Age", "Count", "Distance", "Duration"))
"""Types that are a code themselves, and do not hold several."""
_RESOURCES: Final = frozenset((*TYPES, "Resource", "DomainResource"))
Test = Callable[[Node, "Run"], bool | None]
Reach = Callable[[Node, "Run"], list[Node]]
"""What the path of a discriminator leads to from a value: sought once for all slices."""
Told = Callable[[list[Node], "Run"], bool | None]
"""Whether what was reached is a slice's."""
_PLAIN: Final = re.compile(r"[a-z]\w*(?:\.[a-z]\w*)*")


def told_apart(slot: Slot, one: Slot, conforms: Callable[[Slot], Test]) -> list[Told] | None:
    """A test for each discriminator; None where the definition of the slice does not say what one of them asks."""
    tests = [_told(kind, path, one, conforms) for kind, path in slot.discriminators]
    known = [test for test in tests if test is not None]
    return known if known and len(known) == len(tests) else None


def keys(slot: Slot, one: Slot) -> frozenset[str] | None:
    """The texts of which one stands at the only discriminator of a slice, where that is all that tells it apart.

    They are looked up once for all slices. None where it takes a test.
    """
    if len(slot.discriminators) != 1 or slot.discriminators[0][0] != "value":
        return None
    path = slot.discriminators[0][1]
    if not _PLAIN.fullmatch(path):
        return None
    if path == "url" and "url" not in one.members and one.profiles:
        return frozenset(_addresses(one))
    asked = [inner for inner in _at(one, path) if _tells("value", inner)]
    texts = frozenset(inner.value for inner in asked if type(inner.value) is str)
    plain = all(type(inner.value) is str and not inner.members for inner in asked)
    return texts if texts and plain else None


def _told(kind: str, path: str, one: Slot, conforms: Callable[[Slot], Test]) -> Told | None:
    if kind == "value" and path == "url" and "url" not in one.members and one.profiles:
        # Extensions are told apart by the address of their definition, where the slice does not repeat it.
        addresses = frozenset(profile.partition("|")[0] for profile in one.profiles)
        return lambda nodes, _: any(node.value in addresses for node in nodes)
    before, resolves, after = path.partition("resolve()")
    if resolves:
        targets = [target for inner in _at(one, before.strip(".") or "$this") for target in inner.targets]
        return _by_target(kind, after.strip("."), targets) if targets else None
    asked = _at(one, path)
    if kind == "exists":
        wanted = any(inner.most != 0 for inner in asked)
        return lambda nodes, _: bool(nodes) == wanted
    return _by_what_it_says(kind, [inner for inner in asked if _tells(kind, inner)], conforms)


def _by_what_it_says(kind: str, asked: list[Slot], conforms: Callable[[Slot], Test]) -> Told | None:
    """By the types, profiles or values that the elements of a slice have."""
    if not asked:
        return None
    if kind == "type":
        types = frozenset(name for inner in asked for name in inner.types)
        return lambda nodes, _: any(is_type(node, name) for node in nodes for name in types)
    tests = [conforms(inner) if kind == "profile" else _fits(inner) for inner in asked]
    if len(tests) == 1:
        only = tests[0]
        return lambda nodes, run: _one_of(only(node, run) for node in nodes)
    return lambda nodes, run: _one_of(test(node, run) for node in nodes for test in tests)


def _one_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether one of them is true; None where none is and one cannot be told."""
    unsure = False
    for one in verdicts:
        if one:
            return True
        unsure = unsure or one is None
    return None if unsure else False


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all of them are true; None where none is false and one cannot be told."""
    unsure = False
    for one in verdicts:
        if one is False:
            return False
        unsure = unsure or one is None
    return None if unsure else True


def _by_target(kind: str, path: str, targets: list[str]) -> Told | None:
    """By what a reference leads to: its type, its profile, or a value in it that its profile fixes."""
    if (kind == "value") != bool(path) or kind not in ("type", "profile", "value"):
        return None
    reach = reaching(path) if path else None

    def fits(address: str, found: Node, run: Run, *, whole: bool) -> bool | None:
        name = address.removeprefix(CORE)
        if address.startswith(CORE) and name in _RESOURCES:
            return is_type(found, name) if reach is None else None
        profile = run.find(address)
        if profile is None:
            return None
        if kind == "type" or not is_type(found, profile.type):
            return is_type(found, profile.type)
        if not whole:
            return None
        return run.keeps(profile, found) if reach is None else _says(profile, path, reach(found, run), run)

    def test(nodes: list[Node], run: Run) -> bool | None:
        spend(len(nodes) * len(targets))
        verdicts: list[bool | None] = []
        for node in nodes:
            found, whole = run.led_to(node)
            verdicts += [fits(one, found, run, whole=whole) if found is not None else None for one in targets]
        return _one_of(verdicts)

    return test


def _says(profile: Profile, path: str, nodes: list[Node], run: Run) -> bool | None:
    """Whether what a path leads to in a resource is what its profile fixes there; None where it fixes nothing."""
    tests = [_fits(inner) for inner in _at(profile.top, path) if _tells("value", inner)]
    return _one_of(test(node, run) for node in nodes for test in tests) if tests else None


def reaching(path: str) -> Reach:
    """What a discriminator's path leads to; of one that leads through a reference, the reference."""
    path = path.partition("resolve()")[0].strip(".") or "$this"
    if path == "$this":
        return lambda node, _: [node]
    if _PLAIN.fullmatch(path):
        names = path.split(".")

        def stepped(node: Node, _: Run) -> list[Node]:
            items: list[Any] = [node]
            for name in names:
                items = step(items, name)
            return items

        return stepped
    try:
        expression = compiled(path)
    except ValueError:
        return lambda _node, _run: []

    def evaluated(node: Node, run: Run) -> list[Node]:
        try:
            found = expression([node], run.environment(node))
        except Misuse:
            return []
        return [one for one in found if isinstance(one, Node)]

    return evaluated


def _tells(kind: str, slot: Slot) -> bool:
    """Whether an element of a slice says something that a discriminator of this kind can use."""
    if kind == "type":
        return bool(slot.types)
    if kind == "profile":
        return bool(slot.profiles or slot.types)
    return _is_bound(slot) or _says_something(slot)


def _is_bound(slot: Slot) -> bool:
    return (slot.listed is not None or slot.asked is not None) and not slot.extensible


def _at(slot: Slot, path: str) -> list[Slot]:
    """The elements of a slice that a discriminator's path leads to, slices of them too."""
    found = [slot]
    for part in path.split("."):
        name, _, argument = part.partition("(")
        if part == "$this" or name == "ofType":
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


def _addresses(slot: Slot) -> set[str]:
    return {profile.partition("|")[0] for profile in slot.profiles}


def _says_something(slot: Slot) -> bool:
    below = any(_says_something(one) for one in slot.members.values() if one.least > 0 or one.value is not None)
    return slot.value is not None or below


def _fits(wanted: Slot) -> Test:
    """Whether a value has every fixed value and pattern of an element and of those below it."""
    fits = fitting(wanted) if wanted.value is not None else None
    bound = _is_bound(wanted) and wanted.value is None
    listed, asked = (wanted.listed, wanted.asked) if bound else (None, None)
    tests: dict[str, Callable[[Any], bool]] = {}
    below = [
        (name, _fits(inner))
        for name, inner in wanted.members.items()
        if (inner.least > 0 or inner.value is not None) and _says_something(inner)
    ]

    def test(node: Node, run: Run) -> bool | None:
        if fits is not None and not fits(node.value):
            return False
        if listed is not None:
            if node.type not in tests:
                tests[node.type] = in_list(listed, node.type)
            if not tests[node.type](node.value):
                return False
        if asked is not None and (told := is_asked(node.value, node.type, asked)) is not True:
            if told is None:
                run.untold.add(wanted.value_set)
            return told
        return all_of(_one_of(inner(one, run) for one in step([node], name)) for name, inner in below)

    return test


def fitting(slot: Slot) -> Callable[[Any], bool]:
    """Whether a value is the fixed value of an element, or has its pattern."""
    wanted = slot.value
    return _matching(wanted) if slot.is_pattern else lambda value: bool(wanted == value)


def _matching(pattern: Any) -> Callable[[Any], bool]:
    """Whether a value has all that a pattern has (R4 elementdefinition-definitions.html#pattern)."""
    if isinstance(pattern, dict):
        members = [(name, _matching(inner)) for name, inner in pattern.items()]

        def has_members(value: Any) -> bool:
            return type(value) is dict and all(inner(value.get(name)) for name, inner in members)

        return has_members
    if isinstance(pattern, list):
        wanted = [_matching(one) for one in pattern]

        def has_items(value: Any) -> bool:
            if type(value) is not list:
                return False
            if len(value) > 1:
                spend(len(value) * len(wanted))
            return all(any(one(other) for other in value) for one in wanted)

        return has_items
    return lambda value: bool(pattern == value)


def in_list(listed: Codes, of: str) -> Callable[[Any], bool]:
    """Whether a value of a type is, or has, a code of a list. What is no code at all is not judged by it."""
    if of in PRIMITIVES:
        every = frozenset[str]().union(*listed.values())
        return lambda value: value is None or (type(value) is str and value in every)
    single = of in SINGLE
    if not single and of != "CodeableConcept":
        # Some guides bind an extension and mean its value.
        return lambda _: True

    def test(value: Any) -> bool:
        if type(value) is not dict:
            return True
        rows = [value] if single else value.get("coding", [])
        if len(rows) > 1:
            spend(len(rows))
        return any(type(one) is dict and one.get("code") in listed.get(str(one.get("system")), ()) for one in rows)

    return test


def coded(value: Any, of: str) -> list[tuple[str, str]]:
    """(system, code) of each coding of a value that has one; of a primitive the code alone."""
    if of in PRIMITIVES:
        return [("", value)] if type(value) is str else []
    rows = [value] if of in SINGLE else value.get("coding", []) if type(value) is dict else []
    pairs = [(one.get("system"), one.get("code")) for one in rows if type(one) is dict]
    return [(system, code) for system, code in pairs if type(system) is str and type(code) is str]


def is_asked(value: Any, of: str, has: Has) -> bool | None:
    """Whether a value has a code of a value set that is asked code by code; None where that cannot be told."""
    rows = coded(value, of)
    spend(ASKING_STEPS * len(rows))
    return _one_of(has(system, code) for system, code in rows[:CODINGS_LIMIT])


def held(value: Any, of: str) -> bool:
    """Whether a value has a code at all."""
    if of in PRIMITIVES:
        return value is not None
    if type(value) is not dict:
        return False
    rows = [value] if of in SINGLE else value.get("coding", [])
    return any(type(one) is dict and "code" in one for one in rows)
