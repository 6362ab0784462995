"""Of which types a path's values may be, before any resource is seen; and what in it R4 does not know.

Nothing here is needed to run a view: it is how a mistake is told before the files are read (SQL on FHIR, "Column Types").
What cannot be told is None, and is held against the column's type value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from kjerne.fhir.fhirpath.navigating import members
from kjerne.fhir.fhirpath.reading import Term
from kjerne.fhir.fhirpath.values import PRIMITIVES, Quantity, Temporal

Types = frozenset[str] | None
"""FHIR types that a value may have: None where it cannot be told, empty where there is no such element."""

_OPEN: Final = frozenset(("Resource", "DomainResource", "Element", "BackboneElement"))
"""Types that others specialise: what such a value holds is seen when it is there."""
_OF_PRIMITIVES: Final = {"id": "string", "extension": "Extension"}
_SYSTEM: Final = {"Date": "date", "DateTime": "dateTime", "Time": "time"}

_BOOLEANS: Final = frozenset(
    """
    exists empty not all allTrue allFalse anyTrue anyFalse contains startsWith endsWith matches matchesFull is isDistinct
    subsetOf supersetOf hasValue comparable htmlChecks conformsTo convertsToBoolean convertsToInteger convertsToDecimal
    convertsToString convertsToQuantity convertsToDate convertsToDateTime convertsToTime toBoolean
    """.split()
)
_RETURNS: Final = {
    **dict.fromkeys(_BOOLEANS, "boolean"),
    **dict.fromkeys("count length indexOf lastIndexOf toInteger precision ceiling floor truncate".split(), "integer"),
    **dict.fromkeys("toDecimal round exp ln log sqrt".split(), "decimal"),
    **dict.fromkeys(
        "join upper lower trim substring replace replaceMatches toString encode decode escape unescape split toChars"
        " getResourceKey getReferenceKey".split(),
        "string",
    ),
    **{f"to{name}": of for name, of in _SYSTEM.items()},
    "toQuantity": "Quantity",
    "now": "dateTime",
    "today": "date",
    "extension": "Extension",
}
_SAME: Final = frozenset(
    "where first last tail single take skip distinct intersect exclude trace sort getValue".split()
)
_OF_A_TYPE: Final = frozenset(("ofType", "as", "is", "getReferenceKey"))
"""Functions whose argument is the name of a type."""
_BOUNDS: Final = frozenset(("lowBoundary", "highBoundary"))
_BOOLEAN: Final = frozenset(("boolean",))
_BY_ITEM: Final = frozenset("where exists all select repeat aggregate iif sort".split())
"""Functions whose arguments are about each item of what they are called on."""
_TRUTHS: Final = frozenset("and or xor implies = != ~ !~ < <= > >= in contains".split())


@dataclass
class Scope:
    """The types of a view's variables, and what was met that R4 does not have."""

    resource: str
    constants: Mapping[str, str]
    unknown: list[str] = field(default_factory=list)


def infer(term: Term, this: Types, scope: Scope) -> Types:
    """The types of a path's values, where `$this` is of the types `this`."""
    of = _BY_KIND.get(term.kind)
    return None if of is None else of(term, this, scope)


def _first_name(term: Term, this: Types, scope: Scope) -> Types:
    """A path may begin with the type of what it is about."""
    name = str(term.value)
    begins = this is not None and (name in this or name in _OPEN)
    return this if begins else _member(this, name, scope)


def _of_dot(term: Term, this: Types, scope: Scope) -> Types:
    left, invoked = infer(term.parts[0], this, scope), term.parts[1]
    if invoked.kind == "call":
        return _of_call(invoked, left, this, scope)
    return _member(left, str(invoked.value), scope) if invoked.kind == "name" else infer(invoked, left, scope)


def _of_operator(term: Term, this: Types, scope: Scope) -> Types:
    left, right = (infer(part, this, scope) for part in term.parts)
    if term.value in _TRUTHS:
        return _BOOLEAN
    if term.value == "|":
        return _joined(left, right)
    if term.value == "&":
        return frozenset(("string",))
    return left if term.value in ("+", "-", "*") and left == right else None


def _of_type(term: Term, this: Types, scope: Scope) -> Types:
    infer(term.parts[0], this, scope)
    operator, wanted = term.value
    return _BOOLEAN if operator == "is" else _named(wanted)


def _of_index(term: Term, this: Types, scope: Scope) -> Types:
    found, *_ = [infer(part, this, scope) for part in term.parts]
    return found


def _of_literal(term: Term, this: Types, scope: Scope) -> Types:  # noqa: ARG001 - each kind is asked with the same
    value = term.value
    if type(value) is Temporal:
        return frozenset((_SYSTEM[value.kind],))
    of = {bool: "boolean", int: "integer", Decimal: "decimal", str: "string", Quantity: "Quantity"}.get(type(value))
    return None if of is None else frozenset((of,))


def _of_variable(term: Term, this: Types, scope: Scope) -> Types:
    name = str(term.value)
    if name in ("$this", "$total"):
        return this if name == "$this" else None
    if name in ("%resource", "%rootResource", "%context"):
        return frozenset((scope.resource,))
    return frozenset(("integer" if name in ("$index", "%rowIndex") else scope.constants.get(name[1:], "string"),))


def _of_call(term: Term, focus: Types, this: Types, scope: Scope) -> Types:
    name = str(term.value)
    if name in _OF_A_TYPE:
        return _named(_dotted(term.parts[0])) if name in ("ofType", "as") else frozenset((_RETURNS[name],))
    inside = focus if name in _BY_ITEM else this
    arguments = [infer(part, inside, scope) for part in term.parts]
    if name in _RETURNS:
        return frozenset((_RETURNS[name],))
    if name in _BOUNDS and focus is not None:
        return frozenset(_bound(one) for one in focus)
    if name in ("union", "combine", "select", "iif"):
        return _joined(*{"select": arguments, "iif": arguments[1:]}.get(name, [focus, *arguments]))
    return focus if name in _SAME else None


def _bound(of: str) -> str:
    return {"integer": "decimal", "Period": "dateTime", "instant": "dateTime"}.get(of, of)


def _joined(*parts: Types) -> Types:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _member(this: Types, name: str, scope: Scope) -> Types:
    if this is None or this & _OPEN:
        return None
    if not this:
        return this
    found = {of for one in this for _, of in members(_without_space(one)).get(name, ())}
    if this & PRIMITIVES and name in _OF_PRIMITIVES:
        found.add(_OF_PRIMITIVES[name])
    if not found:
        scope.unknown.append(f"{' and '.join(sorted(this)[:3])} has no element {name}")
    return frozenset(found)


def _named(name: str) -> Types:
    bare = _without_space(name)
    return frozenset((_SYSTEM.get(bare, bare[0].lower() + bare[1:] if bare in _SYSTEM_NAMES else bare),))


_SYSTEM_NAMES: Final = frozenset("Boolean String Integer Decimal Date DateTime Time".split())


def _without_space(name: str) -> str:
    return name.removeprefix("System.").removeprefix("FHIR.")


def _dotted(term: Term) -> str:
    words: list[str] = []
    while term.kind == "dot":
        words.insert(0, str(term.parts[1].value))
        term = term.parts[0]
    return ".".join([str(term.value), *words])


_BY_KIND: Final[dict[str, Callable[[Term, Types, Scope], Types]]] = {
    "literal": _of_literal,
    "variable": _of_variable,
    "name": _first_name,
    "call": lambda term, this, scope: _of_call(term, this, this, scope),
    "dot": _of_dot,
    "index": _of_index,
    "sign": _of_index,
    "type": _of_type,
    "operator": _of_operator,
}
