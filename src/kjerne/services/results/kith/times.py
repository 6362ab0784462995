"""Times of the message as FHIR writes them, with the precision they were sent in.

KITH's TS is dateTime, date, year and month, or year (kith.xsd). A time without zone is Norwegian local time and gets
Oslo's offset; a date stays a date. Nothing is turned into GMT: that has moved results to the day before (NILAR bug
46517).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

OSLO: Final = ZoneInfo("Europe/Oslo")

FIRST_YEAR: Final = 1850
LAST_YEAR: Final = 9999
"""Half-open: the last year of the calendar is somebody's "never", and no zone or delay can be added to it."""

_FORM: Final = re.compile(
    r"(?P<date>[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)"
    r"(?:(?P<clock>T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?))?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NONE: Final = timedelta()
_MINUTE: Final = timedelta(minutes=1)
_TO_FULL_DATE: Final = {4: "-01-01", 7: "-01", 10: ""}


class Stamp(NamedTuple):
    """`text` as FHIR dateTime, `at` the moment it begins (aware), for ordering only."""

    text: str
    at: datetime


@lru_cache(maxsize=8192)
def stamp(text: str) -> Stamp | None:
    """The time in `text`, or None where it is no time of the calendar.

    >>> stamp("2017-09-20T07:57:00").text
    '2017-09-20T07:57:00+02:00'
    >>> stamp("2017-09").text
    '2017-09'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = match["date"], match["clock"], match["zone"]
    if clock and len(day) < 10:
        return None
    try:
        at = datetime.fromisoformat(day + _TO_FULL_DATE[len(day)] + (clock or "") + (zone or ""))
    except ValueError:
        return None
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=OSLO)
    if not clock:
        return Stamp(day, at)
    return Stamp(day + clock + (zone or _offset(at)), at)


def moment(text: str) -> str:
    """A FHIR instant of a FHIR dateTime: a date without time becomes its midnight in Oslo."""
    if len(text) > 10:
        return text
    found = stamp(text)
    if found is None:
        return text
    return found.at.isoformat()[:19] + _offset(found.at)


def _offset(at: datetime) -> str:
    minutes = (at.utcoffset() or _NONE) // _MINUTE
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
