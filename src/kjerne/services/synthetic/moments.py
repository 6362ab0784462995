"""When something happened to somebody, as FHIR says it, by Norwegian clocks; and how old she was."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from kjerne.fhir.dates import OSLO
from kjerne.services.synthetic.fhir_shapes import Person

_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:T([01]\d|2[0-3]):([0-5]\d)(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?"
)
FIRST_YEAR, LAST_YEAR = 1850, 2100
"""A day before or after these is nobody's: it stands for one that is not known."""


def age_on(person: Person, day: int) -> str | None:
    """Whole years on a day; of a birth date without day or month from the middle of what it says."""
    parts = person.birthDate.split("-")
    try:
        born = date(int(parts[0]), int(parts[1]) if len(parts) > 1 else 7, int(parts[2]) if len(parts) > 2 else 1)
    except (ValueError, OverflowError):
        return None
    on = date.fromordinal(day)
    return str(max(on.year - born.year - ((on.month, on.day) < (born.month, born.day)), 0))


def is_somebodys(day: date) -> bool:
    """Whether something can have happened to somebody on a day."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def day_of(text: str) -> int | None:
    """Day (ordinal) of a date or moment; None where it is none."""
    found = moment_of(text)
    return found[0] if found else None


def moment_of(text: str) -> tuple[int, int] | None:
    """Day (ordinal) and minute by Norwegian clocks; as they are written where no zone is."""
    found = _MOMENT.fullmatch(text)
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
    if found is None or day is None or not is_somebodys(day):
        return None
    if not found[2]:
        return day.toordinal(), 0
    hour, minute = int(found[2]), int(found[3])
    if found[4]:
        try:
            here = datetime.fromisoformat(f"{found[1]}T{hour:02d}:{minute:02d}{found[4]}").astimezone(OSLO)
        except ValueError:
            return None
        return here.toordinal(), here.hour * 60 + here.minute
    return day.toordinal(), hour * 60 + minute
