"""How the values of a sliced element are told apart: each discriminator made into a test once (R4 profiling.html#discriminator).

The path of a discriminator is followed once for all slices. Fixed values and patterns are tests on the value alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import is_type, step
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.values import PRIMITIVES, Node
from kjerne.fhir.value_sets import Codes

if TYPE_CHECKING:
    from kjerne.fhir.judging import Run
    from kjerne.fhir.profiles import Slot

Test = Callable[[Node, "Run"], bool]
Reach = Callable[[Node, "Run"], list[Node]]
"""What the path of a discriminator leads to from a value: sought once for all slices."""
Told = Callable[[list[Node], "Run"], bool]
"""Whether what was reached is a slice's."""
_PLAIN: Final = re.compile(r"[a-z]\w*(?:\.[a-z]\w*)*")


def told_apart(slot: Slot, one: Slot, conforms: Callable[[Slot], Test]) -> list[Told] | None:
    """A test for each discriminator; None where the definition of the slice does not say what one of them asks."""
    tests = [_told(kind, path, one, conforms) for kind, path in slot.discriminators]
    known = [test for test in tests if test is not None]
    return known if known and len(known) == len(tests) else None


def _told(kind: str, path: str, one: Slot, conforms: Callable[[Slot], Test]) -> Told | None:
    if kind == "value" and path == "url" and "url" not in one.members and one.profiles:
        # Extensions are told apart by the address of their definition, where the slice does not repeat it.
        addresses = frozenset(profile.partition("|")[0] for profile in one.profiles)
        return lambda nodes, _: any(node.value in addresses for node in nodes)
    if "resolve()" in path:
        # What a reference leads to stands elsewhere.
        return None
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
        return lambda nodes, run: any(only(node, run) for node in nodes)
    return lambda nodes, run: any(test(node, run) for node in nodes for test in tests)


def reaching(path: str) -> Reach:
    """What a discriminator's path leads to."""
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
    return slot.listed is not None and not slot.extensible


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
    listed = wanted.listed if _is_bound(wanted) and wanted.value is None else None
    tests: dict[str, Callable[[Any], bool]] = {}
    below = [
        (name, _fits(inner))
        for name, inner in wanted.members.items()
        if (inner.least > 0 or inner.value is not None) and _says_something(inner)
    ]

    def test(node: Node, run: Run) -> bool:
        if fits is not None and not fits(node.value):
            return False
        if listed is not None:
            if node.type not in tests:
                tests[node.type] = in_list(listed, node.type)
            if not tests[node.type](node.value):
                return False
        return all(any(inner(one, run) for one in step([node], name)) for name, inner in below)

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
    single = of in ("Coding", "Quantity")
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
    rows = [value] if of in ("Coding", "Quantity") else value.get("coding", []) if type(value) is dict else []
    pairs = [(one.get("system"), one.get("code")) for one in rows if type(one) is dict]
    return [(system, code) for system, code in pairs if type(system) is str and type(code) is str]


def held(value: Any, of: str) -> bool:
    """Whether a value has a code at all."""
    if of in PRIMITIVES:
        return value is not None
    if type(value) is not dict:
        return False
    rows = [value] if of in ("Coding", "Quantity") else value.get("coding", [])
    return any(type(one) is dict and "code" in one for one in rows)
