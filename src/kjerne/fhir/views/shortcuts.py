"""Paths that only go down through a resource, read from its JSON without the engine between: most columns are such.

A shortcut gives the values that the engine would, or raises `Otherwise`, and then the engine is asked: where an element has its
`_name` beside it, a list has a hole, or the JSON is not what R4 says. tests/fhir/views/test_shortcuts.py holds both together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final, NamedTuple

from kjerne.fhir.fhirpath.keys import reference_key
from kjerne.fhir.fhirpath.navigating import members
from kjerne.fhir.fhirpath.reading import Term
from kjerne.fhir.fhirpath.values import PRIMITIVES

Values = list[Any]
Read = Callable[[Values], Values]

_TEXTS: Final = frozenset("string code id uri url canonical oid uuid markdown".split())
_DAYS: Final = frozenset(("date", "dateTime", "instant"))
_DAY_DIGITS: Final = 8
_OPEN: Final = frozenset(("Resource", "DomainResource", "Element", "BackboneElement"))


class Otherwise(Exception):
    """This resource is not as simple as the path: the engine is asked."""


class _Step(NamedTuple):
    """What reads values, and of which FHIR type those are; an empty type goes no further."""

    read: Read
    type: str


def shortcut(term: Term, type_: str) -> Callable[[Any], Values] | None:
    """What reads a path's values from the JSON of one element of a type; None where the path does more than go down."""
    found = _step(term, type_)
    if found is None:
        return None
    read = found.read
    return lambda value: read([value])


def _step(term: Term, this: str) -> _Step | None:
    if term.kind == "name":
        name = str(term.value)
        return None if name in _OPEN else _Step(_same, this) if name == this else _member(this, name)
    if term.kind == "variable":
        return _Step(_same, this) if term.value == "$this" else None
    if term.kind == "call":
        return _call(term, _Step(_same, this), this, "")
    return _dot(term, this) if term.kind == "dot" else None


def _dot(term: Term, this: str) -> _Step | None:
    before, invoked = term.parts
    if invoked.kind == "call" and invoked.value == "ofType" and (choice := _chosen(before, invoked, this)):
        return choice
    left = _step(before, this)
    if left is None or not left.type:
        return None
    if invoked.kind == "call":
        return _call(invoked, left, this, left.type)
    return _after(left, _member(left.type, str(invoked.value))) if invoked.kind == "name" else None


def _chosen(before: Term, invoked: Term, this: str) -> _Step | None:
    """`value.ofType(Quantity)`: the one JSON member of that type."""
    wanted = invoked.parts[0] if len(invoked.parts) == 1 else None
    if wanted is None or wanted.kind != "name":
        return None
    left: _Step | None = _Step(_same, this)
    last = before
    if before.kind == "dot":
        left, last = _step(before.parts[0], this), before.parts[1]
    if left is None or last.kind != "name":
        return None
    named = members(left.type).get(str(last.value), ())
    found = [key for key, of in named if of == wanted.value]
    return _after(left, _Step(_reader(found[0]), wanted.value)) if len(named) > 1 and found else None


def _member(of: str, name: str) -> _Step | None:
    named = members(of).get(name, ()) if of not in PRIMITIVES else ()
    if len(named) != 1 or named[0][1] in _OPEN:
        return None
    key, type_ = named[0]
    return _Step(_reader(key), type_)


def _after(left: _Step, right: _Step | None) -> _Step | None:
    if right is None:
        return None
    if left.read is _same:
        return right
    first, second = left.read, right.read

    def both(values: Values) -> Values:
        found = first(values)
        return second(found) if found else found

    return _Step(both, right.type)


def _same(values: Values) -> Values:
    return values


def _reader(key: str) -> Read:
    beside = f"_{key}"

    def read(values: Values) -> Values:
        if len(values) == 1:  # nearly always
            return member(values[0])
        return [found for one in values for found in member(one)]

    def member(one: Any) -> Values:
        if type(one) is not dict or beside in one:
            raise Otherwise
        value = one.get(key)
        if type(value) is not list:
            return [] if value is None else [value]
        if None in value:
            raise Otherwise
        return value

    return read


def _call(term: Term, focus: _Step, this: str, of: str) -> _Step | None:
    """A function that needs no more than the values: `of` is the type of what it is called on, empty at the beginning."""
    name, arguments = str(term.value), term.parts
    if name in _CALLS and len(arguments) <= _CALLS[name][1]:
        return _CALLS[name][0](focus, arguments)
    if name == "iif" and not of and len(arguments) == 3:
        return _choice(arguments, this)
    return None


def _first(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    return None if arguments else _after(focus, _Step(lambda values: values[:1], focus.type))


def _exists(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    read = focus.read
    return None if arguments else _Step(lambda values: [bool(read(values))], "")


def _count(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    read = focus.read
    return None if arguments else _Step(lambda values: [len(read(values))], "")


def _resource_key(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    if arguments or focus.read is not _same:
        return None

    def keys(values: Values) -> Values:
        found = [one.get("id") if type(one) is dict else None for one in values]
        if any(type(one) is not str for one in found):
            raise Otherwise
        return found

    return _Step(keys, "")


def _reference_key(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    if focus.type != "Reference" or (arguments and arguments[0].kind != "name"):
        return None
    wanted = str(arguments[0].value) if arguments else ""

    def keys(values: Values) -> Values:
        found = (reference_key(one, wanted) for one in values)
        return [one for one in found if one is not None]

    return _after(focus, _Step(keys, ""))


def _extension(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    wanted = _literal(arguments)
    read = None if wanted is None else _member(focus.type, "extension")
    if read is None:
        return None
    extensions = read.read

    def named(values: Values) -> Values:
        return [one for one in extensions(values) if _value(one, "url") == wanted]

    return _after(focus, _Step(named, "Extension"))


def _where(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    """`where(system = 'http://loinc.org')`."""
    asked = arguments[0] if len(arguments) == 1 else None
    if asked is None or asked.kind != "operator" or asked.value != "=" or asked.parts[0].kind != "name":
        return None
    name, wanted = str(asked.parts[0].value), _literal(asked.parts[1:])
    named = members(focus.type).get(name, ()) if focus.type not in PRIMITIVES else ()
    if wanted is None or len(named) != 1 or named[0][1] not in _TEXTS or name == focus.type:
        return None
    key = named[0][0]
    return _after(focus, _Step(lambda values: [one for one in values if _value(one, key) == wanted], focus.type))


def _value(one: Any, key: str) -> Any:
    """The text of a member; None where there is none."""
    value = one.get(key) if type(one) is dict else 0
    if type(value) is not str and (value is not None or f"_{key}" in one):
        raise Otherwise
    return value


def _literal(arguments: tuple[Term, ...]) -> str | None:
    value = arguments[0].value if len(arguments) == 1 and arguments[0].kind == "literal" else None
    return value if type(value) is str else None


def _low(focus: _Step, arguments: tuple[Term, ...]) -> _Step | None:
    """`lowBoundary(8)`: the day of what is no less precise than that."""
    if focus.type not in _DAYS or [one.value for one in arguments] != [_DAY_DIGITS]:
        return None
    return _after(focus, _Step(_day, ""))


def _day(values: Values) -> Values:
    text = values[0] if len(values) == 1 else None
    if type(text) is not str or (len(text) > 10 and text[10] != "T") or not text[:10].isascii():
        raise Otherwise
    try:
        return [date.fromisoformat(text[:10]).isoformat()]
    except ValueError:
        raise Otherwise from None


def _choice(arguments: tuple[Term, ...], this: str) -> _Step | None:
    """`iif(a.exists(), a, b)`."""
    asked, then, otherwise = arguments
    if asked.kind != "dot" or asked.parts[1] != Term("call", "exists"):
        return None
    there, one, two = (_step(term, this) for term in (asked.parts[0], then, otherwise))
    if there is None or one is None or two is None:
        return None
    known, first, second = there.read, one.read, two.read
    return _Step(
        lambda values: first(values) if known(values) else second(values), one.type if one.type == two.type else ""
    )


_CALLS: Final[dict[str, tuple[Callable[[_Step, tuple[Term, ...]], _Step | None], int]]] = {
    "first": (_first, 0),
    "exists": (_exists, 0),
    "count": (_count, 0),
    "getResourceKey": (_resource_key, 0),
    "getReferenceKey": (_reference_key, 1),
    "extension": (_extension, 1),
    "where": (_where, 1),
    "lowBoundary": (_low, 1),
}
