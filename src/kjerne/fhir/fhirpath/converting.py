"""FHIRPath's functions on one value: conversions (5.5), text (5.6) and numbers (5.7)."""

from __future__ import annotations

import base64
import binascii
import html
import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from kjerne.fhir.fhirpath.calling import Arguments, Environment, Invocation
from kjerne.fhir.fhirpath.operators import Misuse, single
from kjerne.fhir.fhirpath.values import Items, Node, Quantity, Temporal, is_number

Maker = Callable[[Arguments], Invocation]
Convert = Callable[[Any], Any]

_TRUE: Final = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "0", "0.0"))
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_QUANTITY: Final = re.compile(r"([+-]?\d{1,40}(?:\.\d{1,40})?)\s*(?:'([^']+)'|([a-zA-Z]+))?", re.ASCII)
_WORDS: Final = re.compile(r"(?:year|month|week|day|hour|minute|second|millisecond)s?")


def text_of(value: Any) -> str | None:
    """A System value as text; None for a structure."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return f"{value:f}"
    if type(value) is Temporal:
        return value.text
    if type(value) is Quantity:
        return f"{value.value:f} {value.unit if value.calendar else repr(value.unit)}"
    return None if type(value) is Node or value is None else str(value)


def _boolean(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    text = value.lower() if type(value) is str else text_of(value) if is_number(value) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _integer(value: Any) -> int | None:
    if type(value) is bool or type(value) is int:
        return int(value)
    return int(value) if type(value) is str and _INTEGER.fullmatch(value) else None


def _decimal(value: Any) -> Decimal | None:
    if type(value) is bool or is_number(value):
        return Decimal(value)
    return Decimal(value) if type(value) is str and _DECIMAL.fullmatch(value) else None


def _moment(kind: str) -> Convert:
    def convert(value: Any) -> Temporal | None:
        if type(value) is Temporal:
            if value.kind == kind:
                return value
            if value.kind == "Time" or kind == "Time":
                return None
            parts = value.parts[:3] if kind == "Date" else value.parts
            return Temporal(kind, parts, value.offset, value.text[:10] if kind == "Date" else value.text)
        if type(value) is not str:
            return None
        try:
            return Temporal.of(kind, value.removeprefix("T") if kind == "Time" else value)
        except ValueError:
            return None

    return convert


def _quantity(value: Any) -> Quantity | None:
    if type(value) is Quantity:
        return value
    if type(value) is bool or is_number(value):
        return Quantity(Decimal(value), "1")
    found = _QUANTITY.fullmatch(value) if type(value) is str else None
    if found is None or (found[3] and not _WORDS.fullmatch(found[3])):
        return None
    return Quantity(Decimal(found[1]), found[2] or found[3] or "1", calendar=bool(found[3]))


def _string(value: Any) -> str | None:
    return text_of(value)


def _to(convert: Convert) -> Maker:
    def make(arguments: Arguments) -> Invocation:
        arguments.between(0, 1)

        def work(focus: Items, this: Items, env: Environment) -> Items:
            value = single(focus)
            found = None if value is None else convert(value)
            return [] if found is None else [found]

        return work

    return make


def _converts(convert: Convert) -> Maker:
    def make(arguments: Arguments) -> Invocation:
        arguments.between(0, 1)

        def work(focus: Items, this: Items, env: Environment) -> Items:
            value = single(focus)
            return [] if value is None else [convert(value) is not None]

        return work

    return make


_CONVERT: Final[dict[str, Convert]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": _string,
    "Quantity": _quantity,
    **{kind: _moment(kind) for kind in ("Date", "DateTime", "Time")},
}

CONVERSIONS: Final[dict[str, Maker]] = {
    **{f"to{name}": _to(convert) for name, convert in _CONVERT.items()},
    **{f"convertsTo{name}": _converts(convert) for name, convert in _CONVERT.items()},
}


def _on(kinds: tuple[type, ...], work: Callable[..., Any], *, least: int = 0, most: int = 0) -> Maker:
    """A function of one value and the values of its arguments; empty where any of them is."""

    def make(arguments: Arguments) -> Invocation:
        arguments.between(least, most)
        inner = [arguments.expression(place) for place in range(len(arguments))]

        def invoke(focus: Items, this: Items, env: Environment) -> Items:
            values = [single(focus), *(single(one(this, env)) for one in inner)]
            if None in values:
                return []
            if type(values[0]) not in kinds:
                raise Misuse(f"{arguments.name} on what it is not made for")
            try:
                found = work(*values)
            except (TypeError, AttributeError, ValueError, InvalidOperation, OverflowError):
                raise Misuse(f"{arguments.name} with what it is not made for") from None
            return [] if found is None else found if type(found) is list else [found]

        return invoke

    return make


def _text(work: Callable[..., Any], arguments: int = 0, *, least: int | None = None) -> Maker:
    return _on((str,), work, least=arguments if least is None else least, most=arguments)


def _number(work: Callable[..., Any], arguments: int = 0, *, least: int | None = None) -> Maker:
    kinds = (int, Decimal, Quantity)
    return _on(kinds, work, least=arguments if least is None else least, most=arguments)


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(0, length)]


def _encode(text: str, form: str) -> str | None:
    raw = text.encode()
    if form == "hex":
        return raw.hex()
    if form == "base64":
        return base64.b64encode(raw).decode()
    return base64.urlsafe_b64encode(raw).decode() if form == "urlbase64" else None


def _decode(text: str, form: str) -> str | None:
    try:
        if form == "hex":
            return bytes.fromhex(text).decode()
        if form == "base64":
            return binascii.a2b_base64(text, strict_mode=True).decode()
        return base64.urlsafe_b64decode(text).decode() if form == "urlbase64" else None
    except ValueError:
        return None


def _escape(text: str, form: str) -> str | None:
    if form == "html":
        return html.escape(text, quote=True)
    return json.dumps(text, ensure_ascii=False)[1:-1] if form == "json" else None


def _unescape(text: str, form: str) -> str | None:
    if form == "html":
        return html.unescape(text)
    return _unescape_json(text) if form == "json" else None


def _unescape_json(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text.replace('\\"', '"')


def _join(arguments: Arguments) -> Invocation:
    arguments.between(0, 1)
    between = arguments.expression(0) if len(arguments) else None

    def join(focus: Items, this: Items, env: Environment) -> Items:
        separator = single(between(this, env)) if between else ""
        texts = [single([one]) for one in focus if type(one) is not Node or one.value is not None]
        if any(type(text) is not str for text in texts) or type(separator) is not str:
            raise Misuse("join() is for text")
        return [separator.join(texts)]

    return join


TEXTS: Final[dict[str, Maker]] = {
    "startsWith": _text(str.startswith, 1),
    "endsWith": _text(str.endswith, 1),
    "contains": _text(lambda text, part: part in text, 1),
    "indexOf": _text(str.find, 1),
    "lastIndexOf": _text(str.rfind, 1),
    "substring": _text(_substring, 2, least=1),
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "trim": _text(str.strip),
    "length": _text(len),
    "replace": _text(lambda text, old, new: text.replace(old, new), 2),
    "split": _text(lambda text, separator: text.split(separator), 1),
    "toChars": _text(list),
    "encode": _text(_encode, 1),
    "decode": _text(_decode, 1),
    "escape": _text(_escape, 1),
    "unescape": _text(_unescape, 1),
    "join": _join,
}


def _real(work: Callable[..., float]) -> Callable[..., Decimal | None]:
    def compute(*values: Any) -> Decimal | None:
        try:
            return Decimal(repr(work(*(float(value) for value in values))))
        except (ValueError, ZeroDivisionError):
            return None

    return compute


def _absolute(value: Any) -> Any:
    return Quantity(abs(value.value), value.unit, value.calendar) if type(value) is Quantity else abs(value)


def _power(base: Any, exponent: Any) -> Any:
    if type(base) is int and type(exponent) is int and exponent >= 0:
        if exponent > 1000:
            raise Misuse("power() of more than 1000")
        return base**exponent
    found = float(base) ** float(exponent) if base >= 0 or exponent == int(exponent) else None
    return None if found is None or math.isinf(found) else Decimal(repr(found))


def _round(value: Any, places: int = 0) -> Decimal:
    if places < 0:
        raise Misuse("round() to fewer than no places")
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


NUMBERS: Final[dict[str, Maker]] = {
    "abs": _number(_absolute),
    "ceiling": _number(math.ceil),
    "floor": _number(math.floor),
    "truncate": _number(math.trunc),
    "round": _number(_round, 1, least=0),
    "exp": _number(_real(math.exp)),
    "ln": _number(_real(math.log)),
    "log": _number(_real(math.log), 1),
    "sqrt": _number(_real(math.sqrt)),
    "power": _number(_power, 1),
}
