"""Moments and numbers with a precision: moved by a quantity, and the bounds of what they may mean (FHIRPath 5.7, 6.6)."""

from __future__ import annotations

import calendar as months
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from kjerne.fhir.fhirpath.values import Items, Quantity, Temporal

_SECONDS: Final = {
    "week": 604_800, "wk": 604_800, "day": 86_400, "d": 86_400, "hour": 3600, "h": 3600, "minute": 60, "min": 60,
    "second": 1, "s": 1, "millisecond": Decimal("0.001"), "ms": Decimal("0.001"),
}  # fmt: skip
_NAMES: Final = ("year", "month", "day", "hour", "minute", "second")
_DIGITS: Final = (4, 6, 8, 10, 12, 17)


def moved(moment: Temporal, by: Any, sign: int) -> Items:
    """A moment plus or minus a duration; as precise as it was. Empty where the calendar has no such day."""
    unit = by.unit.removesuffix("s") if by.calendar else by.unit
    amount = sign * by.value
    if unit not in ("second", "s"):
        amount = Decimal(int(amount))
    if not by.calendar and unit in ("a", "mo"):
        raise ValueError("a year or month that is no word of the calendar")
    if unit in ("year", "month"):
        found = _months_later(moment, int(amount) * (12 if unit == "year" else 1))
    elif unit in _SECONDS:
        found = _seconds_later(moment, amount * _SECONDS[unit], unit)
    else:
        raise ValueError("not a duration")
    return [] if found is None else [found]


def _made(moment: Temporal, parts: tuple[int | Decimal, ...]) -> Temporal:
    return Temporal(moment.kind, parts, moment.offset, written(moment.kind, parts, moment.offset))


def written(kind: str, parts: tuple[int | Decimal, ...], offset: int | None) -> str:
    """As FHIR writes it."""
    texts = [f"{part:04d}" if place == 0 and kind != "Time" else _two(part) for place, part in enumerate(parts)]
    if kind == "Time":
        return ":".join(texts)
    text = "-".join(texts[:3])
    if len(texts) > 3:
        text += "T" + ":".join(texts[3:])
        if offset is not None:
            text += (
                "Z" if offset == 0 else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
            )
    return text


def _two(part: int | Decimal) -> str:
    whole = int(part)
    return f"{whole:02d}" + (str(part)[str(part).index(".") :] if type(part) is Decimal and "." in str(part) else "")


def _months_later(moment: Temporal, number: int) -> Temporal | None:
    if moment.kind == "Time":
        return None
    parts = list(moment.parts)
    if len(parts) == 1:
        parts[0] = int(parts[0]) + (abs(number) // 12) * (1 if number > 0 else -1)
    else:
        count = int(parts[0]) * 12 + int(parts[1]) - 1 + number
        parts[0], parts[1] = count // 12, count % 12 + 1
    if not 1 <= int(parts[0]) <= 9999:
        return None
    if len(parts) > 2:
        parts[2] = min(int(parts[2]), months.monthrange(int(parts[0]), int(parts[1]))[1])
    return _made(moment, tuple(parts))


def _seconds_later(moment: Temporal, seconds: Decimal, unit: str) -> Temporal | None:
    if moment.kind == "Time":
        return _time_later(moment, seconds)
    whole = int(seconds) if abs(seconds) >= 1 or seconds == 0 else 0
    if len(moment.parts) < 3:
        # A partial date moves by whole units of its own precision.
        days = whole // 86_400 if whole >= 0 else -(-whole // 86_400)
        step = abs(days) // (365 if len(moment.parts) == 1 else 30) * (1 if days > 0 else -1)
        return _months_later(moment, step * (12 if len(moment.parts) == 1 else 1))
    if len(moment.parts) == 3 and unit not in ("week", "wk", "day", "d"):
        whole = whole // 86_400 * 86_400 if whole >= 0 else -(-whole // 86_400 * 86_400)
    fraction = seconds - whole
    year, month, day, hour, minute = (int(one) for one in (*moment.parts, 0, 0)[:5])
    second = Decimal(moment.parts[5]) if len(moment.parts) > 5 else Decimal(0)
    exact = second + fraction
    try:
        later = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=whole + int(exact // 1))
    except OverflowError:
        return None
    rest = later.second + exact % 1
    return _made(moment, (later.year, later.month, later.day, later.hour, later.minute, rest)[: len(moment.parts)])


def _time_later(moment: Temporal, seconds: Decimal) -> Temporal:
    hour, minute, second = (*moment.parts, 0, 0)[:3]
    total = (int(hour) * 3600 + int(minute) * 60 + Decimal(second) + seconds) % 86_400
    parts = (int(total // 3600), int(total % 3600 // 60), total % 60)
    return _made(moment, parts[: len(moment.parts)])


def boundary(value: Any, precision: int | None, *, high: bool) -> Items:
    """`lowBoundary` and `highBoundary`: the least or greatest that a value of this precision may mean."""
    if type(value) is Temporal:
        return _moment_boundary(value, precision, high=high)
    if type(value) is Quantity:
        return [Quantity(one, value.unit, value.calendar) for one in boundary(value.value, precision, high=high)]
    if type(value) is not int and type(value) is not Decimal:
        return []
    places = 8 if precision is None else precision
    if not 0 <= places <= 28:
        return []
    exponent = Decimal(value).as_tuple().exponent
    half = Decimal(5).scaleb((exponent if isinstance(exponent, int) else 0) - 1)
    bound = Decimal(value) + (half if high else -half)
    return [bound.quantize(Decimal(1).scaleb(-places), ROUND_CEILING if high else ROUND_FLOOR)]


def moment(now: datetime, *, date: bool) -> Temporal:
    """The time of the evaluation, as `now()` or `today()`."""
    return Temporal.of("Date", now.date().isoformat()) if date else Temporal.of("DateTime", now.isoformat())


def _moment_boundary(value: Temporal, precision: int | None, *, high: bool) -> Items:
    digits = _DIGITS if value.kind != "Time" else (2, 4, 9)
    wanted = precision if precision is not None else 8 if value.kind == "Date" else digits[-1]
    if wanted not in digits:
        return []
    size = digits.index(wanted) + 1
    parts = list(value.parts[:size])
    if size > len(value.parts) and value.kind != "Time" and len(value.parts) < size:
        limits: tuple[int | Decimal, ...] = (9999, 12, 31, 23, 59, Decimal("59.999"))
        lows: tuple[int | Decimal, ...] = (1, 1, 1, 0, 0, Decimal("0.000"))
    else:
        limits, lows = (23, 59, Decimal("59.999")), (0, 0, Decimal("0.000"))
    while len(parts) < size:
        place = len(parts)
        if high and value.kind != "Time" and place == 2:
            parts.append(months.monthrange(int(parts[0]), int(parts[1]))[1])
        else:
            parts.append(limits[place] if high else lows[place])
    if size == len(digits) and len(value.parts) == size:
        parts[-1] = _milliseconds(Decimal(parts[-1]), high=high)
    offset = value.offset
    if value.kind != "Time" and size > 3 and offset is None:
        # A moment without a zone lies between the zones of the world: +14:00 and -12:00.
        offset = -720 if high else 840
    kind = value.kind if size <= 3 or value.kind == "Time" else "DateTime"
    return [Temporal(kind, tuple(parts), offset, written(kind, tuple(parts), offset))]


def _milliseconds(second: Decimal, *, high: bool) -> Decimal:
    exponent = second.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    if places >= 3 or not high:
        return second.quantize(Decimal("0.001"))
    return second.quantize(Decimal("0.001")) + Decimal("0.999").scaleb(-places).quantize(Decimal("0.001"), ROUND_FLOOR)


def precision(value: Any) -> Items:
    """How many digits a number has after the point, or a moment in all."""
    if type(value) is Temporal:
        digits = (2, 4, 9) if value.kind == "Time" else _DIGITS
        return [digits[len(value.parts) - 1]]
    if type(value) is int:
        return [0]
    exponent = value.as_tuple().exponent if type(value) is Decimal else None
    return [-exponent] if isinstance(exponent, int) else []
