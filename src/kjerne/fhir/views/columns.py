"""What a column's values become: held against its FHIR type, and shaped for SQL (SQL on FHIR, "Type Hinting with Tags").

A value that does not fit is refused and never made null: what is missing in a table would be taken for missing in the record.
A refusal says which column, and nothing of the value.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from kjerne.fhir.fhirpath.values import PRIMITIVES, Item, Node, Quantity, Temporal

INTEGERS: Final = frozenset(("integer", "positiveInt", "unsignedInt", "integer64"))
NUMBERS: Final = INTEGERS | {"decimal"}
MOMENTS: Final = frozenset(("date", "dateTime", "instant", "time"))
TEXTS: Final = PRIMITIVES - NUMBERS - MOMENTS - {"boolean"}

Shape = Callable[[Any], Any]
"""A value as its column has it; `Misfit` where it does not fit."""


class Misfit(Exception):
    """A value or a view's path is not what the view says; `where` is the column or the place in the view."""

    def __init__(self, says: str, where: str, todo: str = "") -> None:
        super().__init__(says)
        self.says = says
        self.where = where
        self.todo = todo


class Unshaped(ValueError):
    """A value that the SQL type does not take, in words that show nothing of it."""


@dataclass(frozen=True)
class SqlType:
    """A type of a column in SQL: its name for DuckDB, what is stored on the way there, and how a value is shaped.

    `stored` is its type in the rows that DuckDB reads.
    """

    name: str
    stored: str
    shape: Shape


def accepts(declared: str, found: str) -> bool:
    """Whether a column of one type may hold values of the other, by how they are written."""
    if declared in TEXTS:
        return found in TEXTS or found in MOMENTS
    if declared in MOMENTS:
        return found in MOMENTS and (declared == "time") == (found == "time")
    if declared == "decimal":
        return found in NUMBERS
    if declared in INTEGERS:
        return found in INTEGERS
    return declared == found or (declared, found) in (("Quantity", "SimpleQuantity"), ("BackboneElement", found))


def simple(item: Item) -> Any:
    """An item as JSON has it: a text, a number, a truth value, a structure; None where a primitive has no value."""
    if type(item) is Node:
        return item.value
    if type(item) is Temporal:
        return item.text
    if type(item) is Quantity:
        return {"value": item.value, "unit": item.unit}
    return item


def checked(type_: str) -> Callable[[Any], bool]:
    """Whether a value, as JSON has it, can be of a FHIR type; an empty type takes whatever is no structure."""
    if not type_:
        return lambda value: type(value) is not dict and type(value) is not list
    if type_ == "boolean":
        return lambda value: type(value) is bool
    if type_ in INTEGERS:
        return lambda value: type(value) is int
    if type_ == "decimal":
        return lambda value: type(value) is int or type(value) is Decimal
    if type_ in PRIMITIVES:
        return lambda value: type(value) is str
    return lambda value: type(value) is dict


def sql_type(type_: str, tag: str) -> SqlType:
    """The column's type in SQL: the tag `ansi/type`, else the specification's default. `ValueError` for a tag we do not know."""
    if tag:
        return _tagged(" ".join(tag.upper().split()))
    if type_ and type_ not in PRIMITIVES:
        return SqlType("JSON", "VARCHAR", lambda value: value)
    return _tagged(_DEFAULTS.get(type_, "CHARACTER VARYING"))


_DEFAULTS: Final = {
    "boolean": "BOOLEAN",
    "integer": "INTEGER",
    "positiveInt": "INTEGER",
    "unsignedInt": "INTEGER",
    "integer64": "BIGINT",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "base64Binary": "BINARY",
}
_LENGTH: Final = re.compile(r"(?:CHARACTER VARYING|VARCHAR|CHARACTER|CHAR)(?:\s?\((\d{1,6})\))?")
_EXACT: Final = re.compile(r"(?:DECIMAL|NUMERIC|DEC)(?:\s?\((\d{1,2})(?:\s?,\s?(\d{1,2}))?\))?")
_BITS: Final = {"SMALLINT": 16, "INTEGER": 32, "INT": 32, "BIGINT": 64}
_DIGITS_LIMIT: Final = 38


def _tagged(tag: str) -> SqlType:
    if tag in _PLAIN:
        return _PLAIN[tag]
    if tag in _BITS:
        return SqlType({"INT": "INTEGER"}.get(tag, tag), "BIGINT", _whole(_BITS[tag]))
    if found := _LENGTH.fullmatch(tag):
        return SqlType("VARCHAR", "VARCHAR", _text(int(found[1]) if found[1] else None))
    if found := _EXACT.fullmatch(tag):
        digits, places = int(found[1] or 18), int(found[2] or 0)
        if places <= digits <= _DIGITS_LIMIT and digits:
            return SqlType(f"DECIMAL({digits},{places})", "VARCHAR", _exact(digits, places))
    raise ValueError("no such SQL type")


def _text(length: int | None) -> Shape:
    def shape(value: Any) -> str:
        if type(value) is bool:
            return "true" if value else "false"
        text = f"{value:f}" if type(value) is Decimal else str(value)
        if length is not None and len(text) > length:
            raise Unshaped("longer than the column")
        return text

    return shape


def _whole(bits: int) -> Shape:
    limit = 1 << (bits - 1)

    def shape(value: Any) -> int:
        if type(value) is str:
            value = int(value) if value.lstrip("-").isdecimal() else None
        if type(value) is Decimal and value == value.to_integral_value():
            value = int(value)
        if type(value) is not int or not -limit <= value < limit:
            raise Unshaped("no whole number, or too large a one")
        return value

    return shape


def _exact(digits: int, places: int) -> Shape:
    step, limit = Decimal(1).scaleb(-places), Decimal(10) ** (digits - places)

    def shape(value: Any) -> str:
        number = _number(value)
        if abs(number) >= limit or number != number.quantize(step):
            raise Unshaped("more digits than the column")
        return f"{number:f}"

    return shape


def _number(value: Any) -> Decimal:
    if type(value) is bool:
        raise Unshaped("no number")
    try:
        return Decimal(value)
    except ArithmeticError:
        raise Unshaped("no number") from None


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise Unshaped("no truth value")
    return value


def _float(value: Any) -> float:
    return float(_number(value))


def _day(value: Any) -> str:
    text = value if type(value) is str else ""
    if len(text) > 10 and text[10] == "T":
        text = text[:10]
    if len(text) != 10:
        raise Unshaped("no whole date")
    return date.fromisoformat(text).isoformat()


def _moment(*, zone: bool) -> Shape:
    def shape(value: Any) -> str:
        text = value if type(value) is str else ""
        if "T" not in text:
            raise Unshaped("no time of the day")
        if (datetime.fromisoformat(text).tzinfo is None) == zone:
            raise Unshaped("no time zone" if zone else "a time zone")
        return text

    return shape


def _clock(value: Any) -> str:
    return time.fromisoformat(value if type(value) is str else "").isoformat()


def _bytes(value: Any) -> str:
    text = "".join(value.split()) if type(value) is str else ""
    binascii.a2b_base64(text, strict_mode=True)
    return text


_PLAIN: Final = {
    "BOOLEAN": SqlType("BOOLEAN", "BOOLEAN", _truth),
    "DATE": SqlType("DATE", "VARCHAR", _day),
    "TIME": SqlType("TIME", "VARCHAR", _clock),
    "TIMESTAMP": SqlType("TIMESTAMP", "VARCHAR", _moment(zone=False)),
    "TIMESTAMP WITHOUT TIME ZONE": SqlType("TIMESTAMP", "VARCHAR", _moment(zone=False)),
    "TIMESTAMP WITH TIME ZONE": SqlType("TIMESTAMP WITH TIME ZONE", "VARCHAR", _moment(zone=True)),
    "REAL": SqlType("REAL", "DOUBLE", _float),
    "FLOAT": SqlType("DOUBLE", "DOUBLE", _float),
    "DOUBLE PRECISION": SqlType("DOUBLE", "DOUBLE", _float),
    **dict.fromkeys(
        ("BINARY", "BINARY VARYING", "VARBINARY", "BLOB", "BINARY LARGE OBJECT"),
        SqlType("BLOB", "VARCHAR", _bytes),
    ),
}
