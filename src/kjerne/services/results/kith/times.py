"""Times of the message as FHIR writes them, with the precision they were sent in.

KITH's TS is dateTime, date, year and month, or year (kith.xsd). A time without zone is Norwegian local time and gets
Oslo's offset; a date stays a date, and loses the zone that XML lets it have, since FHIR knows none. Nothing is turned
into GMT: that has moved results to the day before (NILAR bug 46517).
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
    r"(?:T(?P<clock>[0-9]{2}:[0-9]{2})(?P<seconds>:[0-9]{2}(?:\.[0-9]{1,12})?)?)?"
    r"(?P<zone>Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)
_MIDNIGHT_AFTER: Final = re.compile(r"24:00:00(?:\.0+)?")
"""XML's other name for the first moment of the next day, which FHIR does not have."""
_NONE: Final = timedelta()
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
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
    >>> stamp("2017-09-20T24:00:00Z").text, stamp("2017-09-20+02:00").text
    ('2017-09-21T00:00:00Z', '2017-09-20')
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    day, zone = match["date"], match["zone"] or ""
    clock = match["clock"] + (match["seconds"] or ":00") if match["clock"] else ""
    if clock and len(day) < 10:
        return None
    try:
        if _MIDNIGHT_AFTER.fullmatch(clock):
            day, clock = f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}", "00:00:00"
        at = datetime.fromisoformat(f"{day}T{clock}{zone}" if clock else day + _TO_FULL_DATE[len(day)])
    except (ValueError, OverflowError):
        return None
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=OSLO)
    if not clock:
        return Stamp(day, at)
    return Stamp(f"{day}T{clock}{zone or _offset(at)}", at)


def is_after(text: str, made: Stamp) -> bool:
    """Whether a time lies more than a day (zones, clocks) after `made`: then nothing can have been taken at it."""
    found = stamp(text)
    return found is not None and found.at > made.at + _DAY


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
