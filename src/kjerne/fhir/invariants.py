"""R4's invariants: every one of the definitions, its FHIRPath compiled once and run where it can be broken.

Most invariants speak of elements that are seldom there: from the expression's tree it is read which (`triggers`), and where
they are absent nothing runs. The few on elements of every result are written out as functions of the same meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

from kjerne.fhir import definitions
from kjerne.fhir.dates import interval
from kjerne.fhir.effort import kept, spend
from kjerne.fhir.fhirpath.calling import Environment, Expression
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import members, root
from kjerne.fhir.fhirpath.operators import Misuse, truth
from kjerne.fhir.fhirpath.reading import Term, parse
from kjerne.fhir.fhirpath.values import Node
from kjerne.fhir.rulebook import Constraint, rules

Look = Callable[[dict[str, Any]], bool]
"""A look at one element."""
Sets = list[frozenset[str]]

EVALUATION_STEPS: Final = 5
"""What an expression on one element costs, however little it finds."""

MENDED: Final = {
    "que-7": "operator = 'exists' implies (answer is boolean)",
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
}
"""Expressions that say something else than R4's own words beside them; corrected in R4B."""

BARE: Final = "sqty-1"
"""Of the quantities of R4's own types that are SimpleQuantity, its one profile of them that asks something: no comparator."""

ELSEWHERE: Final = frozenset(("ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"))
"""Checked of every element, reference or narrative by `fhir.validate` and `fhir.xhtml` themselves."""


@dataclass(frozen=True)
class Invariant:
    """One invariant of a structure. `broken` by an element; where it looks at the resource around, `within` has the say."""

    key: str
    says: str
    broken: Look
    within: Callable[[dict[str, Any], dict[str, Any]], bool] | None = None


def of_type(type: str) -> tuple[Invariant, ...]:
    """What must hold of a type or nested structure, with what stands on members that are no structure of their own."""
    return _by_type().get(type, ())


@cache
def _by_type() -> dict[str, tuple[Invariant, ...]]:
    made: dict[str, list[Invariant]] = {}
    known = definitions.table().elements
    for path, constraints in rules().constraints.items():
        for one in constraints:
            if one.warning or one.key in ELSEWHERE:
                continue
            expression = MENDED.get(one.key, one.expression)
            place = path
            if path not in known:
                # On a member of a shared type (Organization.address): all its values, seen from where it stands.
                place, _, name = path.rpartition(".")
                if one.key == BARE:
                    made.setdefault(place, []).append(Invariant(one.key, _says(one), _compared(place, name)))
                    continue
                expression = f"{name.removesuffix('[x]')}.all({expression})"
            made.setdefault(place, []).append(_invariant(place, one, expression))
    return {place: tuple(found) for place, found in made.items()}


def _says(constraint: Constraint) -> str:
    return f"must hold: {constraint.says} ({constraint.key})"


def _invariant(place: str, constraint: Constraint, text: str) -> Invariant:
    says = _says(constraint)
    written = WRITTEN.get(constraint.key)
    if written is not None:
        return Invariant(constraint.key, says, written)
    term = parse(text)
    if _looks_around(term) and place not in definitions.TYPES:
        return Invariant(constraint.key, says, lambda _: True, _within(place, compiled(text)))
    return Invariant(constraint.key, says, _triggered(_evaluated(place, compiled(text)), triggers(term, place)))


def _evaluated(type: str, expression: Expression) -> Look:
    """Whether an element breaks the expression. What FHIRPath cannot tell (empty, or an error) breaks nothing."""

    def broken(element: dict[str, Any]) -> bool:
        node = Node(element, type)
        spend(EVALUATION_STEPS)
        try:
            return truth(expression([node], Environment(node, node, context=[node]))) is False
        except Misuse:
            return False

    return broken


def _within(type: str, expression: Expression) -> Callable[[dict[str, Any], dict[str, Any]], bool]:
    def holds(element: dict[str, Any], resource: dict[str, Any]) -> bool:
        spend(EVALUATION_STEPS)
        node, around = Node(element, type), root(resource)
        environment = Environment(around, around, context=[node], resolve=lambda text: led_to(resource, text))
        try:
            return truth(expression([node], environment)) is not False
        except Misuse:
            return True

    return holds


def led_to(resource: dict[str, Any], reference: str) -> Node | None:
    """What a reference leads to without leaving the resource, or just its type where the reference tells it."""
    if reference.startswith("#"):
        found = contained(resource).get(reference[1:])
        return None if found is None else root(found)
    name = reference.split("/_history/", maxsplit=1)[0].rpartition("/")[0].rpartition("/")[2]
    return root({"resourceType": name}) if name in definitions.TYPES else None


def contained(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """As `_contained`, made once for each check."""
    return kept(resource, _contained)  # type: ignore[no-any-return]


def _contained(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a resource contains, by its id; of one id the first."""
    inner = resource.get("contained")
    found = [one for one in inner if type(one) is dict] if type(inner) is list else []
    return {one["id"]: one for one in reversed(found) if type(one.get("id")) is str}


def _triggered(broken: Look, needed: Sets | None) -> Look:
    """Run only where every set has a member in the element."""
    if needed is None:
        return broken
    if len(needed) == 1:
        only = needed[0]
        return lambda element: not only.isdisjoint(element) and broken(element)
    first, second, rest = needed[0], needed[1], tuple(needed[2:])
    return lambda element: (
        not (first.isdisjoint(element) or second.isdisjoint(element) or any(one.isdisjoint(element) for one in rest))
        and broken(element)
    )


def triggers(term: Term, type: str) -> Sets | None:
    """Sets of JSON names: where an element has none of one of them, the term is true of it. None: always look."""
    if term.kind == "operator" and term.value in ("or", "implies"):
        left = _false_without if term.value == "implies" else triggers
        sides = [left(term.parts[0], type), triggers(term.parts[1], type)]
        found = [one for side in sides if side for one in side]
        return found or None
    if term.kind == "operator" and term.value == "and":
        both = [triggers(part, type) for part in term.parts]
        if any(one is None for one in both):
            return None
        return [frozenset[str]().union(*(one for side in both for one in side or ()))]
    if _calls(term, "empty", "all", "isDistinct"):
        return _first_step(term.parts[0], type)
    if _calls(term, "not"):
        return _false_without(term.parts[0], type)
    return None


def _false_without(term: Term, type: str) -> Sets | None:
    """Sets of JSON names: where an element has none of one of them, the term is not true of it."""
    if _calls(term, "exists", "hasValue", "startsWith", "contains", "matches"):
        return _first_step(term.parts[0], type)
    if term.kind == "operator" and term.value == "and":
        found = [one for part in term.parts for one in _false_without(part, type) or ()]
        return found or None
    if term.kind == "operator" and term.value == "=":
        return _first_step(term.parts[0], type)
    return None


def _calls(term: Term, *names: str) -> bool:
    return term.kind == "dot" and term.parts[1].kind == "call" and term.parts[1].value in names


def _first_step(term: Term, type: str) -> Sets | None:
    """The JSON names of the member that a path starts from: without it the path is empty."""
    while term.kind == "dot":
        if term.parts[1].kind == "call" and term.parts[1].value not in _STAY_EMPTY:
            return None
        term = term.parts[0]
    found = members(type).get(term.value) if term.kind == "name" else None
    return [frozenset(name for key, _ in found for name in (key, f"_{key}"))] if found else None


_STAY_EMPTY: Final = frozenset("where select first tail ofType as trace substring descendants children".split())
"""Functions that make nothing of nothing."""


def _looks_around(term: Term) -> bool:
    """Whether a term asks about the resource that its element stands in."""
    if term.kind == "variable":
        return term.value in ("%resource", "%rootResource")
    return (term.kind == "call" and term.value == "resolve") or any(_looks_around(part) for part in term.parts)


def _period(element: dict[str, Any]) -> bool:
    """per-1. A bound may be less precise than the other: 2024 to 2024-03 is in order."""
    start, end = element.get("start"), element.get("end")
    if not (isinstance(start, str) and isinstance(end, str)):
        return False
    try:
        return interval(start)[0] >= interval(end)[1]
    except ValueError:
        return False


def _range(element: dict[str, Any]) -> bool:
    """rng-2, told of one unit only: which is less of two units is the receiver's to compute."""
    low, high = element.get("low"), element.get("high")
    if type(low) is not dict or type(high) is not dict:
        return False
    if low.get("code") != high.get("code") or low.get("unit") != high.get("unit"):
        return False
    least, most = low.get("value"), high.get("value")
    return isinstance(least, (int, Decimal)) and isinstance(most, (int, Decimal)) and least > most


def _compared(place: str, name: str) -> Look:
    """sqty-1, of the member of a structure that R4 narrows to it: written out, since nearly every result has such limits."""
    keys = tuple(key for key, _ in members(place)[name.removesuffix("[x]")])

    def broken(element: dict[str, Any]) -> bool:
        for key in keys:
            found = element.get(key)
            for one in found if type(found) is list else (found,):
                if type(one) is dict and ("comparator" in one or "_comparator" in one):
                    return True
        return False

    return broken


def _needs(first: str, other: str) -> Look:
    """Broken where the one is and not the other, be they values or extensions alone."""
    first_beside, other_beside = f"_{first}", f"_{other}"

    def broken(element: dict[str, Any]) -> bool:
        if other in element or other_beside in element:
            return False
        return first in element or first_beside in element

    return broken


WRITTEN: Final[dict[str, Look]] = {
    "per-1": _period,
    "rng-2": _range,
    "qty-3": _needs("code", "system"),
    "cpt-2": _needs("value", "system"),
    "att-1": _needs("data", "contentType"),
    "obs-3": frozenset(("low", "high", "text", "_text")).isdisjoint,
}
"""Of elements that nearly every result has. A test holds each against the definitions' own expression."""
