"""Norwegian days and birthdays as the oracle counts them; imports nothing of the product."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache


@cache
def day_in_norway(now: datetime) -> date:
    """Central European time, an hour more between the last Sundays of March and October, from 01:00 UTC."""
    spring, autumn = (_last_sunday(now.year, month) for month in (3, 10))
    naive = now.replace(tzinfo=None) - (now.utcoffset() or timedelta())
    summer = spring + timedelta(hours=1) <= naive < autumn + timedelta(hours=1)
    return (naive + timedelta(hours=2 if summer else 1)).date()


def _last_sunday(year: int, month: int) -> datetime:
    day = datetime(year, month, 31)  # noqa: DTZ001 - compared with naive UTC above
    while day.weekday() != 6:
        day -= timedelta(days=1)
    return day


def birthday(born: date, years: int) -> date:
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)
