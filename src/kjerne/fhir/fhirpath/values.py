"""What FHIRPath computes with: nodes of a resource, moments with a precision, and quantities.

A literal is a plain Python value (bool, int, Decimal, str, `Temporal`, `Quantity`); what a path reaches in a resource is a
`Node`, which knows its FHIR type and the `_name` beside a primitive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from kjerne.fhir.ucum import canonical

Item = Any
"""A literal's value or a `Node`."""
Items = list[Item]

_STRINGS: Final = frozenset("string code id uri url canonical oid uuid markdown base64Binary xhtml".split())
_TEMPORALS: Final = {"date": "Date", "dateTime": "DateTime", "instant": "DateTime", "time": "Time"}
_INTEGERS: Final = frozenset(("integer", "positiveInt", "unsignedInt", "integer64"))
PRIMITIVES: Final = _STRINGS | _INTEGERS | frozenset(_TEMPORALS) | {"boolean", "decimal"}
QUANTITIES: Final = frozenset("Quantity Age Count Distance Duration SimpleQuantity MoneyQuantity".split())

_MOMENT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_TIME: Final = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?", re.ASCII)
_CALENDAR_UNITS: Final = {"second": "s", "millisecond": "ms", "seconds": "s", "milliseconds": "ms"}
_DAYS: Final = {"week": "wk", "day": "d", "hour": "h", "minute": "min"}


class Node:
    """One place in a resource. `type` is the FHIR type, or the path of a nested structure; `beside` the `_name`."""

    __slots__ = ("beside", "type", "value")

    def __init__(self, value: Any, type: str, beside: Any = None) -> None:
        self.value = value
        self.type = type
        self.beside = beside


@dataclass(frozen=True)
class Temporal:
    """A date, a moment or a time, as precise as it was written. `offset` in minutes, where there is a zone."""

    kind: str
    parts: tuple[int | Decimal, ...]
    offset: int | None = None
    text: str = ""

    @staticmethod
    def literal(text: str) -> Temporal:
        """`@2024-03`, `@2024-03-14T08:15Z`, `@T08:15`; `ValueError` where it is none."""
        if text.startswith("@T"):
            return Temporal.of("Time", text[2:])
        return Temporal.of("DateTime" if "T" in text else "Date", text[1:])

    @staticmethod
    def of(kind: str, text: str) -> Temporal:
        """From the text of a primitive or a literal."""
        found = (_TIME if kind == "Time" else _MOMENT).fullmatch(text)
        if found is None:
            raise ValueError("not a moment")
        groups = found.groups() if kind == "Time" else found.groups()[:-1]
        parts = tuple(Decimal(one) if place == len(groups) - 1 else int(one) for place, one in enumerate(groups) if one)
        if kind == "Date" and "T" in text:
            raise ValueError("not a date")
        _check_parts(parts, time=kind == "Time")
        return Temporal(kind, parts, None if kind == "Time" else _offset(found[7]), text)

    def compare(self, other: Temporal) -> int | None:
        """-1, 0 or 1; None where precision or a missing zone leaves it open (FHIRPath 6.2)."""
        if (self.kind == "Time") != (other.kind == "Time"):
            return None
        mine, theirs = self._zoned(other)
        if mine is None or theirs is None:
            return None
        for one, two in zip(mine, theirs, strict=False):
            if one != two:
                return -1 if one < two else 1
        return 0 if len(mine) == len(theirs) else None

    def _zoned(self, other: Temporal) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
        if len(self.parts) <= 3 or len(other.parts) <= 3 or self.kind == "Time":
            return self.parts, other.parts
        if (self.offset is None) != (other.offset is None):
            return None, None
        return self.universal(), other.universal()

    def universal(self) -> tuple[Any, ...]:
        """The parts in UTC, as many as there were."""
        if not self.offset:
            return self.parts
        year, month, day, hour, minute = (int(one) for one in (*self.parts, 0)[:5])
        try:
            moved = datetime(year, month, day, hour, minute, tzinfo=UTC) - timedelta(minutes=self.offset)
        except OverflowError:
            return self.parts
        return (moved.year, moved.month, moved.day, moved.hour, moved.minute, *self.parts[5:])[: len(self.parts)]


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone == "Z":
        return 0
    return (int(zone[1:3]) * 60 + int(zone[4:6])) * (-1 if zone[0] == "-" else 1)


def _check_parts(parts: tuple[int | Decimal, ...], *, time: bool) -> None:
    limits = ((0, 23), (0, 59), (0, 60)) if time else ((1, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 60))
    if any(not low <= part <= high for part, (low, high) in zip(parts, limits, strict=False)):
        raise ValueError("not a moment")
    if not time and len(parts) >= 3:
        date(int(parts[0]), int(parts[1]), int(parts[2]))


@dataclass(frozen=True)
class Quantity:
    """A value with a unit: a UCUM code, or a word of the calendar."""

    value: Decimal
    unit: str
    calendar: bool = False

    def compare(self, other: Quantity) -> int | None:
        """-1, 0 or 1; None where the units do not measure the same."""
        mine, theirs = self.measured(), other.measured()
        if mine is None or theirs is None or mine[1] != theirs[1]:
            return None
        return (mine[0] > theirs[0]) - (mine[0] < theirs[0])

    def measured(self) -> tuple[Fraction, Any] | None:
        """The value in base units, and which those are. A year or month of the calendar is no number of seconds."""
        unit = self.unit
        if self.calendar:
            single = unit.removesuffix("s")
            unit = _CALENDAR_UNITS.get(unit) or _DAYS.get(single, "")
            if not unit:
                return Fraction(self.value), single
        known = canonical(unit)
        if known is None:
            return Fraction(self.value), unit
        return Fraction(self.value) * known[0], known[1]


def plain(item: Item) -> Any:
    """The System value of an item: what a primitive or quantity says; a `Node` where it is a structure."""
    if type(item) is not Node or item.value is None:
        return item
    kind, value = item.type, item.value
    if kind in _TEMPORALS and type(value) is str:
        try:
            return Temporal.of(_TEMPORALS[kind], value)
        except ValueError:
            return value
    if type(value) is dict:
        return _quantity(item) or item
    return Decimal(value) if kind == "decimal" and type(value) is int else value


def _quantity(node: Node) -> Quantity | None:
    number = node.value.get("value") if node.type in QUANTITIES else None
    if type(number) is not int and type(number) is not Decimal:
        return None
    return Quantity(Decimal(number), str(node.value.get("code") or node.value.get("unit") or "1"))


def is_number(value: Any) -> bool:
    """A number; a truth value is none."""
    return type(value) is int or type(value) is Decimal


def equal(left: Item, right: Item) -> bool | None:
    """`=` of two items; None where it cannot be told."""
    one, two = plain(left), plain(right)
    if type(one) is Temporal and type(two) is Temporal:
        order = one.compare(two)
        return None if order is None and _open(one, two) else order == 0
    if type(one) is Quantity or type(two) is Quantity:
        one, two = _as_quantity(one), _as_quantity(two)
        if one is None or two is None:
            return False
        order = one.compare(two)
        return None if order is None else order == 0
    if type(one) is Node and type(two) is Node:
        return bool(one.value == two.value and one.beside == two.beside)
    if is_number(one) and is_number(two):
        return bool(one == two)
    return type(one) is type(two) and bool(one == two)


def _open(one: Temporal, two: Temporal) -> bool:
    """Whether `=` of the two is empty instead of false."""
    return (one.kind == "Time") == (two.kind == "Time")


def _as_quantity(value: Any) -> Quantity | None:
    if type(value) is Quantity:
        return value
    return Quantity(Decimal(value), "1") if is_number(value) else None


def equivalent(left: Item, right: Item) -> bool:
    """`~` of two items."""
    one, two = plain(left), plain(right)
    if type(one) is str and type(two) is str:
        return " ".join(one.lower().split()) == " ".join(two.lower().split())
    if is_number(one) and is_number(two):
        places = min(_places(one), _places(two))
        return round(Decimal(one), places) == round(Decimal(two), places)
    if type(one) is Temporal and type(two) is Temporal:
        return one.compare(two) == 0
    if type(one) is Quantity and type(two) is Quantity:
        return _about(one, two)
    if type(one) is Node and type(two) is Node and type(one.value) is dict and type(two.value) is dict:
        return bool(_folded(one.value) == _folded(two.value))
    return equal(left, right) is True


def _about(one: Quantity, two: Quantity) -> bool:
    """Whether two quantities are the same at the precision of the less precise."""
    mine, theirs = one.measured(), two.measured()
    if mine is None or theirs is None or mine[1] != theirs[1]:
        return False
    steps = [Decimal(10) ** -_places(side.value) for side in (one, two)]
    units = [
        found[0] / Fraction(side.value) if side.value else Fraction(1) for found, side in ((mine, one), (theirs, two))
    ]
    widest = max(Fraction(step) * unit for step, unit in zip(steps, units, strict=True))
    return abs(mine[0] - theirs[0]) < widest


def _places(number: int | Decimal) -> int:
    exponent = Decimal(number).normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _folded(value: Any) -> Any:
    """A structure without what equivalence leaves out: ids, letter case, order."""
    if type(value) is dict:
        return {name: _folded(inner) for name, inner in value.items() if name != "id"}
    if type(value) is list:
        return sorted((_folded(one) for one in value), key=repr)
    return " ".join(value.lower().split()) if type(value) is str else value


def key(item: Item) -> Any:
    """A hashable key, the same for items that are `=`."""
    value = plain(item)
    if type(value) is Node:
        return ("node", repr(value.value), repr(value.beside))
    if type(value) is bool:
        return ("bool", value)
    if is_number(value):
        return ("number", value)
    if type(value) is Quantity:
        return ("quantity", *(value.measured() or ()))
    if type(value) is Temporal:
        return ("moment", value.kind, value.universal(), value.offset is None)
    return ("text", value)
