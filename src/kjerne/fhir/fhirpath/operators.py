"""FHIRPath's operators on collections (FHIRPath 6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Any, Final

from kjerne.fhir.fhirpath import calendar
from kjerne.fhir.fhirpath.values import (
    Item,
    Items,
    Quantity,
    Temporal,
    equal,
    equivalent,
    is_number,
    key,
    plain,
)

_TRUE: Final[Items] = [True]
_FALSE: Final[Items] = [False]
Truth = bool | None


class Misuse(Exception):
    """An operator or function on what it is not made for: the evaluation ends with an error."""


def single(items: Items) -> Item:
    """The only item, as a System value; None where there is none."""
    if len(items) > 1:
        raise Misuse("more than one item")
    return plain(items[0]) if items else None


def truth(items: Items) -> Truth:
    """A collection as a truth value: an only item that is no truth value counts as true (FHIRPath 4.5)."""
    if not items:
        return None
    value = single(items)
    return value if type(value) is bool else True


def indexed(items: Items, place: Items) -> Items:
    """`items[place]`."""
    at = single(place)
    if type(at) is not int:
        raise Misuse("an index is a whole number")
    return [items[at]] if 0 <= at < len(items) else []


def signed(items: Items, *, negative: bool) -> Items:
    """`-items`."""
    value = single(items)
    if value is None:
        return []
    if type(value) is Quantity:
        return [Quantity(-value.value, value.unit, value.calendar)] if negative else [value]
    if not is_number(value):
        raise Misuse("a sign before what is no number")
    return [-value if negative else value]


def _or(one: Truth, two: Truth) -> Items:
    if one or two:
        return _TRUE
    return [] if one is None or two is None else _FALSE


def _and(one: Truth, two: Truth) -> Items:
    if one is False or two is False:
        return _FALSE
    return [] if one is None or two is None else _TRUE


def _xor(one: Truth, two: Truth) -> Items:
    return [] if one is None or two is None else [one != two]


def _implies(one: Truth, two: Truth) -> Items:
    if one is False or two is True:
        return _TRUE
    return [] if one is None or two is None else _FALSE


LOGIC: Final[dict[str, tuple[dict[bool, Items], Callable[[Truth, Truth], Items]]]] = {
    "or": ({True: _TRUE}, _or),
    "and": ({False: _FALSE}, _and),
    "xor": ({}, _xor),
    "implies": ({False: _TRUE}, _implies),
}
"""What the left side decides alone, and what both sides make."""


def equals(left: Items, right: Items) -> Items:
    """`=`: empty where either side is."""
    if not left or not right:
        return []
    if len(left) != len(right):
        return _FALSE
    answers = [equal(one, two) for one, two in zip(left, right, strict=True)]
    if False in answers:
        return _FALSE
    return [] if None in answers else _TRUE


def _differs(left: Items, right: Items) -> Items:
    return [not answer for answer in equals(left, right)]


def alike(left: Items, right: Items) -> bool:
    """`~`: order does not count, and two empty collections are alike."""
    rest = list(right)
    if len(left) != len(rest):
        return False
    for one in left:
        place = next((at for at, two in enumerate(rest) if equivalent(one, two)), None)
        if place is None:
            return False
        del rest[place]
    return True


def order(one: Any, two: Any) -> int | None:
    """-1, 0 or 1 of two System values; None where it cannot be told."""
    if type(one) is Temporal and type(two) is Temporal:
        if (one.kind == "Time") != (two.kind == "Time"):
            raise Misuse("a time beside a date")
        return one.compare(two)
    if type(one) is Quantity or type(two) is Quantity:
        pair = [Quantity(Decimal(side), "1") if is_number(side) else side for side in (one, two)]
        if not all(type(side) is Quantity for side in pair):
            raise Misuse("a quantity beside what is none")
        answer: int | None = pair[0].compare(pair[1])
        return answer
    if (is_number(one) and is_number(two)) or (type(one) is str and type(two) is str):
        return int(one > two) - int(one < two)
    raise Misuse("values that have no order")


def _compared(wanted: Callable[[int], bool]) -> Callable[[Items, Items], Items]:
    def compare(left: Items, right: Items) -> Items:
        one, two = single(left), single(right)
        if one is None or two is None:
            return []
        found = order(one, two)
        return [] if found is None else [wanted(found)]

    return compare


def union(left: Items, right: Items) -> Items:
    """`|`: each item once."""
    return distinct([*left, *right])


def distinct(items: Items) -> Items:
    """Each item once, in order."""
    seen: set[Any] = set()
    found: Items = []
    for one in items:
        name = key(one)
        if name not in seen:
            seen.add(name)
            found.append(one)
    return found


def _contains(left: Items, right: Items) -> Items:
    if len(right) > 1:
        raise Misuse("more than one item")
    if not right:
        return []
    return [any(equal(one, right[0]) for one in left)]


def _plus(left: Items, right: Items) -> Items:
    one, two = single(left), single(right)
    if one is None or two is None:
        return []
    if type(one) is str and type(two) is str:
        return [one + two]
    if is_number(one) and is_number(two):
        return [one + two]
    if type(one) is Temporal and type(two) is Quantity:
        return calendar.moved(one, two, 1)
    if type(one) is Quantity and type(two) is Quantity:
        return _added(one, two, 1)
    raise Misuse("+ on what cannot be added")


def _minus(left: Items, right: Items) -> Items:
    one, two = single(left), single(right)
    if one is None or two is None:
        return []
    if is_number(one) and is_number(two):
        return [one - two]
    if type(one) is Temporal and type(two) is Quantity:
        return calendar.moved(one, two, -1)
    if type(one) is Quantity and type(two) is Quantity:
        return _added(one, two, -1)
    raise Misuse("- on what cannot be subtracted")


def _added(one: Quantity, two: Quantity, sign: int) -> Items:
    if one.unit != two.unit:
        return []
    return [Quantity(one.value + sign * two.value, one.unit, one.calendar)]


def _joined(left: Items, right: Items) -> Items:
    one, two = single(left), single(right)
    if any(side is not None and type(side) is not str for side in (one, two)):
        raise Misuse("& on what is no text")
    return [(one or "") + (two or "")]


def _times(left: Items, right: Items) -> Items:
    one, two = single(left), single(right)
    if one is None or two is None:
        return []
    if type(one) is Quantity or type(two) is Quantity:
        pair = [side if type(side) is Quantity else Quantity(Decimal(side), "1") for side in (one, two)]
        units = [side.unit for side in pair if side.unit != "1"]
        return [Quantity(pair[0].value * pair[1].value, ".".join(units) or "1")]
    if is_number(one) and is_number(two):
        return [one * two]
    raise Misuse("* on what is no number")


def _divided(left: Items, right: Items) -> Items:
    one, two = single(left), single(right)
    if one is None or two is None:
        return []
    try:
        if type(one) is Quantity or type(two) is Quantity:
            pair = [side if type(side) is Quantity else Quantity(Decimal(side), "1") for side in (one, two)]
            unit = _quotient(pair[0].unit, pair[1].unit)
            return [Quantity(pair[0].value / pair[1].value, unit)]
        if is_number(one) and is_number(two):
            return [Decimal(one) / Decimal(two)]
    except (DivisionByZero, InvalidOperation):
        return []
    raise Misuse("/ on what is no number")


def _quotient(above: str, below: str) -> str:
    if above == below:
        return "1"
    return above if below == "1" else f"{'' if above == '1' else above}/{below}"


def _whole(remainder: bool) -> Callable[[Items, Items], Items]:
    def divide(left: Items, right: Items) -> Items:
        one, two = single(left), single(right)
        if one is None or two is None:
            return []
        if not (is_number(one) and is_number(two)):
            raise Misuse("div and mod are for numbers")
        if two == 0:
            return []
        whole = int(Decimal(one) / Decimal(two))
        if not remainder:
            return [whole]
        rest = one - two * whole
        return [rest]

    return divide


BINARY: Final[dict[str, Callable[[Items, Items], Items]]] = {
    "=": equals,
    "!=": _differs,
    "~": lambda left, right: [alike(left, right)],
    "!~": lambda left, right: [not alike(left, right)],
    "<": _compared(lambda found: found < 0),
    "<=": _compared(lambda found: found <= 0),
    ">": _compared(lambda found: found > 0),
    ">=": _compared(lambda found: found >= 0),
    "|": union,
    "in": lambda left, right: _contains(right, left),
    "contains": _contains,
    "+": _plus,
    "-": _minus,
    "&": _joined,
    "*": _times,
    "/": _divided,
    "div": _whole(remainder=False),
    "mod": _whole(remainder=True),
}
