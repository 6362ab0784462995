"""FHIR dates as half-open intervals of UTC (R4 search.html#date: a date stands for every instant within its precision).

A date without a zone is Norwegian time: read as UTC it would move a midnight sample to the day before.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

OSLO: Final = ZoneInfo("Europe/Oslo")
EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""Ends of open periods; PostgreSQL and asyncpg carry both."""

LAST_DAY: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Where what would leave the calendar stays: a moment that every time zone can still write."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

Interval = tuple[datetime, datetime]

_FORM: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)


@lru_cache(maxsize=8192)
def interval(text: str) -> Interval:
    """[first instant, first instant after) of a date, dateTime or instant. Raises `ValueError` for anything else."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise ValueError("not a FHIR date")
    if parts[4] is None:
        return _calendar(parts[1], parts[2], parts[3])
    fraction = (parts[7] or "")[:6]
    width = _MINUTE if parts[6] is None else _WIDTHS[len(fraction)]
    try:
        start = _moment(text, leap=parts[6] == "60").astimezone(UTC)
        return start, start + width
    except OverflowError:
        return (EARLIEST, EARLIEST + width) if text.startswith("0001") else (LATEST - width, LATEST)


_MINUTE: Final = timedelta(minutes=1)
_WIDTHS: Final = tuple(timedelta(microseconds=10 ** (6 - digits)) for digits in range(7))


def _moment(text: str, *, leap: bool) -> datetime:
    # A leap second is the second after 59, which no clock here can show.
    start = datetime.fromisoformat(text.replace(":60", ":59", 1) if leap else text) + timedelta(seconds=leap)
    if start.tzinfo is None:
        return start.replace(tzinfo=OSLO)
    if text[-1] != "Z" and (text[-5:] > "14:00" or text[-2:] > "59"):
        raise ValueError("no such time zone")
    return start


def _calendar(year: str, month: str | None, day: str | None) -> Interval:
    y, m, d = int(year), int(month or 1), int(day or 1)
    start = _midnight(y, m, d)
    if month is None:
        return start, _midnight(y + 1, 1, 1)
    if day is None:
        return start, _midnight(y + m // 12, m % 12 + 1, 1)
    if (y, m, d) == (9999, 12, 31):
        return start, LATEST
    after = date(y, m, d) + timedelta(days=1)
    return start, _midnight(after.year, after.month, after.day)


def _midnight(year: int, month: int, day: int) -> datetime:
    if year > 9999:
        return LATEST
    local = datetime(year, month, day, tzinfo=OSLO)
    return EARLIEST if year == 1 and month == day == 1 else local.astimezone(UTC)


def local(text: str) -> datetime:
    """The first instant of a date, dateTime or instant as a clock in Norway shows it. Raises `ValueError`."""
    start = interval(text)[0]
    return min(start, LAST_DAY).astimezone(OSLO)


def later(moment: datetime, days: int) -> datetime:
    """So many days after a moment, as far as the calendar goes."""
    return LAST_DAY if LAST_DAY - moment < timedelta(days=days) else moment + timedelta(days=days)


def microseconds(moment: datetime) -> int:
    """Since 1970, exact: what `values` hold."""
    return (moment - EPOCH) // MICROSECOND


def period(value: object) -> Interval | None:
    """A Period's interval, open where an end is missing; None where it has neither end or they are no dates."""
    if not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    if not (isinstance(start, str) or isinstance(end, str)):
        return None
    try:
        first = interval(start)[0] if isinstance(start, str) else EARLIEST
        last = interval(end)[1] if isinstance(end, str) else LATEST
    except ValueError:
        return None
    return first, last
