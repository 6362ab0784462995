"""People in law: the day it is in Norway, whole years of age, and who has a protected address.

Everything comes from registers, never from the digits of a number. Ages are whole years and every interval is half-open
(`12 <= age < 16`): inclusive ends are where real Norwegian access code errs on birthdays (docs/law.md, conflict K1).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

OSLO: Final = ZoneInfo("Europe/Oslo")
"""Birthdays, care courses and practice lists turn at Norwegian midnight, not at UTC's."""

UNBORN: Final = -1
"""A birth date a little ahead of the clock is a newborn's, not an unknown age."""
PARENTS_UNTIL: Final = 12
LOGS_IN_FROM: Final = 13
HEALTH_MAJORITY: Final = 16
ADULT: Final = 18
OLDEST: Final = 200


def norwegian_day(at: datetime) -> date:
    """The calendar day in Norway at this instant."""
    return _day_of_minute(int(at.timestamp() // 60))


@lru_cache(maxsize=256)
def _day_of_minute(minute: int) -> date:
    """Every day of Norway begins with a whole minute (before 1895 with the 17th of an hour of UTC), so each is looked up once."""
    return datetime.fromtimestamp(minute * 60, OSLO).date()


def age(born: date, day: date) -> int:
    """Whole years lived on `day`.

    Born on 29 February, a person turns a year older on 1 March in a common year: the first day on which the whole year
    has passed. No Norwegian statute was found that says otherwise (docs/law.md, conflict K2).
    """
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def birthday(born: date, years: int) -> date:
    """The first day on which so many whole years have passed."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)
