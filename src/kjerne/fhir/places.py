"""Where in a resource a FHIRPath leads, as places that can be written to, not as values (R4 fhirpatch.html).

A small language, enough to name one place: `Observation.component[0].code`, `.first()`, `.last()`, `.where(use = 'home' and
period.exists())`, `.extension('url')`, `.ofType(Quantity)`. Nothing in it can leave the resource: each step looks at every place
that the one before it found once, and each look is counted (`effort`). Anything else is a `ValueError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from kjerne.fhir.definitions import TYPES, Element, elements, table
from kjerne.fhir.effort import spend

Tree = dict[str, Any]
STEPS_LIMIT: Final = 64
CHARACTERS_LIMIT: Final = 2_000
NESTED_LIMIT: Final = 4
"""How many conditions may stand in one another: nobody needs more, and each takes a part of Python's stack."""
_TOKENS: Final = re.compile(
    r"\s*(`[A-Za-z]\w*`|[A-Za-z_]\w*|'(?:[^'\\]|\\.)*'|@[0-9T:.+\-Z]+|[0-9]+(?:\.[0-9]+)?|[().=\[\]])", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_TRUTHS: Final = {"true": True, "false": False}
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `member`, `at` (an index; -1 for the last), `where`, `extension` (by its address), `type`."""

    kind: str
    name: str = ""
    index: int = 0
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """`a.b = 'value'`, or `a.b.exists()` where `value` is None."""

    steps: tuple[Step, ...]
    value: Any


@dataclass(slots=True)
class Place:
    """A value in a resource: member `name` of `owner`, and of its list the item `index` (None where it is no list).

    `type` is its R4 type, `Observation.component` for a structure without a name of its own. The resource has no owner.
    """

    owner: Tree
    name: str
    index: int | None
    type: str
    value: Any

    @property
    def inside(self) -> Tree | None:
        """What its members stand in; of a primitive the object beside it, which has its id and extensions."""
        if self.type not in table().kinds or table().kinds[self.type] != "primitive-type":
            return self.value if isinstance(self.value, dict) else None
        beside = self.owner.get("_" + self.name)
        if self.index is None:
            return beside if isinstance(beside, dict) else None
        if isinstance(beside, list) and self.index < len(beside) and isinstance(beside[self.index], dict):
            return beside[self.index]  # type: ignore[no-any-return]
        return None


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[str, tuple[Step, ...]]:
    """The type that a path begins at, and its steps. `ValueError` for what is not in the language."""
    if len(text) > CHARACTERS_LIMIT:
        raise ValueError("the path is too long")
    reader = _Reader(text)
    root = reader.name()
    steps = reader.steps()
    if reader.peek():
        raise ValueError("the path is not one that is understood here")
    return root, steps


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            token = _TOKENS.match(text, at)
            if token is None:
                raise ValueError("the path is not one that is understood here")
            self._tokens.append(token[1])
            at = token.end()
        self._at = 0
        self._nested = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError("the path is not one that is understood here")
        self._at += 1
        return token

    def name(self) -> str:
        token = self.take().strip("`")
        if not _NAME.fullmatch(token):
            raise ValueError("the path is not one that is understood here")
        return token

    def steps(self) -> tuple[Step, ...]:
        found: list[Step] = []
        while self.peek() in (".", "["):
            if self.take() == "[":
                found.append(Step("at", index=self._whole()))
                self.take("]")
            else:
                found.append(self._member())
            if len(found) > STEPS_LIMIT:
                raise ValueError(f"a path has at most {STEPS_LIMIT} steps")
        return tuple(found)

    def _member(self) -> Step:
        name = self.name()
        if self.peek() != "(" or name == "exists":
            return Step("member", name)
        self.take("(")
        step = self._called(name)
        self.take(")")
        return step

    def _called(self, name: str) -> Step:
        if name in ("first", "last"):
            return Step("at", index=0 if name == "first" else -1)
        if name in ("ofType", "as"):
            return Step("type", self.name())
        if name == "extension":
            return Step("extension", _text(self.take()))
        if name == "where":
            return Step("where", conditions=tuple(self._conditions()))
        raise ValueError(f"the function {name} is not understood here")

    def _conditions(self) -> list[Condition]:
        self._nested += 1
        if self._nested > NESTED_LIMIT:
            raise ValueError(f"at most {NESTED_LIMIT} conditions stand in one another")
        found = [self._condition()]
        while self.peek() == "and":
            self.take()
            found.append(self._condition())
        self._nested -= 1
        return found

    def _condition(self) -> Condition:
        begin = (Step("member", self.name()),)
        steps = begin + self.steps()
        if steps[-1] == Step("member", "exists") and self.peek() == "(":
            self.take("(")
            self.take(")")
            return Condition(steps[:-1], None)
        self.take("=")
        return Condition(steps, self._literal())

    def _literal(self) -> Any:
        token = self.take()
        if token in _TRUTHS:
            return _TRUTHS[token]
        if token[0] == "'":
            return _text(token)
        if token[0] == "@":
            return token[1:]
        if token[0].isdigit():
            return Decimal(token)
        raise ValueError("a value in a condition is a string, number, date, true or false")

    def _whole(self) -> int:
        token = self.take()
        if not token.isdigit() or len(token) > 6:
            raise ValueError("an index is a whole number")
        return int(token)


def _text(token: str) -> str:
    if token[0] != "'":
        raise ValueError("the path is not one that is understood here")

    def plain(escape: re.Match[str]) -> str:
        sign = escape[1]
        return chr(int(sign[1:], 16)) if len(sign) > 1 else _ESCAPED.get(sign, sign)

    return _ESCAPE.sub(plain, token[1:-1])


def root_of(tree: Tree, name: str) -> Place:
    """The resource itself. `ValueError` where the path begins at another type."""
    type_ = tree["resourceType"]
    if name not in (type_, "Resource", "DomainResource"):
        raise ValueError(f"the path does not begin at {type_}")
    return Place({}, "", None, type_, tree)


def walk(places: Sequence[Place], steps: Sequence[Step]) -> list[Place]:
    """Where the steps lead from some places. `ValueError` for an element that a type does not have."""
    found = list(places)
    for step in steps:
        spend(1 + len(found))
        found = _WALKED[step.kind](found, step)
        spend(len(found))
    return found


def members(place: Place, name: str) -> list[Place]:
    """The places of an element: each item of a list, whichever type a choice has."""
    held = place.inside
    if held is None:
        return []
    element = element_of(place.type, name)
    found: list[Place] = []
    for json_name, type_ in json_names(element):
        value, beside = held.get(json_name), held.get("_" + json_name)
        if value is None and beside is None:
            continue
        if element.many:
            count = max(len(one) if isinstance(one, list) else 0 for one in (value, beside))
            items = (list(value) if isinstance(value, list) else []) + [None] * count
            found += [Place(held, json_name, at, _own(type_, items[at]), items[at]) for at in range(count)]
        else:
            found.append(Place(held, json_name, None, _own(type_, value), value))
    return found


def _own(type_: str, value: Any) -> str:
    """The type of what is in a place: a contained resource says it itself."""
    if type_ == "Resource" and isinstance(value, dict) and value.get("resourceType") in TYPES:
        return str(value["resourceType"])
    return type_


def element_of(type_: str, name: str) -> Element:
    """An element of a type; `id` and `extension` are in every type. `ValueError` for one it does not have."""
    kinds = table().kinds
    of = "Element" if kinds.get(type_) == "primitive-type" else type_
    known = elements(of) if of in table().elements else {}
    if name not in known:
        raise ValueError(f"{type_} has no element of this name")
    return known[name]


def json_names(element: Element) -> list[tuple[str, str]]:
    """The names that an element can have in JSON, with the type that each says."""
    if not element.choice:
        return [(element.name, element.types[0] if element.types else "Element")]
    return [(element.name + type_[0].upper() + type_[1:], type_) for type_ in element.types]


def _members_of(places: list[Place], step: Step) -> list[Place]:
    return [found for place in places for found in members(place, step.name)]


def _at(places: list[Place], step: Step) -> list[Place]:
    return places[-1:] if step.index == -1 else places[step.index : step.index + 1]


def _of_type(places: list[Place], step: Step) -> list[Place]:
    return [place for place in places if place.type == step.name]


def _extensions(places: list[Place], step: Step) -> list[Place]:
    found = (one for place in places for one in members(place, "extension"))
    return [one for one in found if isinstance(one.value, dict) and one.value.get("url") == step.name]


def _where(places: list[Place], step: Step) -> list[Place]:
    return [place for place in places if all(_holds(place, one) for one in step.conditions)]


def _holds(place: Place, condition: Condition) -> bool:
    values = [one.value for one in walk([place], condition.steps)]
    if condition.value is None:
        return bool(values)
    # As FHIRPath compares collections: one value against one.
    return len(values) == 1 and type(condition.value) is type(_comparable(values[0])) and values[0] == condition.value


def _comparable(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


_WALKED: Final[dict[str, Callable[[list[Place], Step], list[Place]]]] = {
    "member": _members_of, "at": _at, "type": _of_type, "extension": _extensions, "where": _where,
}  # fmt: skip
