"""Numbers and dates as the reader writes them; what the laboratory sent is never rounded or regrouped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time

from kjerne.pages.words import Language, knows, many, say
from kjerne.services.results.judging import OtherRange, Range
from kjerne.services.results.points import Aside
from kjerne.services.results.values import OSLO, Value, When

_LOCALES: Final[dict[Language, Locale]] = {
    "nb": Locale.parse("nb_NO"),
    "nn": Locale.parse("nn_NO"),
    "en": Locale.parse("en_GB"),
    "se": Locale.parse("se_NO"),
}
_COMPARATORS: Final = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "ad": "~"}


def number(value: Decimal, language: Language) -> str:
    """A decimal with every digit that was sent and the language's decimal sign.

    >>> number(Decimal("1.10"), "nb"), number(Decimal("1.10"), "en")
    ('1,10', '1.10')
    """
    text = format(value, "f").replace("-", "\N{MINUS SIGN}")
    return text if language == "en" else text.replace(".", ",")


_MEASURED: Final = re.compile(r"([<>=\u2264\u2265]{0,2} ?(?![1-9]\d{0,2}\.\d{3}(?!\d))\d+)\.(\d+)(?![\d.])")


def measured(text: str, language: Language) -> str:
    """A MIC or zone as it was written, with the language's decimal sign where it begins with a number. A dot that may stand
    before thousands ("1.024", as `kith.ranges`) stays: only the laboratory knows.

    >>> measured("<=0.125 mg/L", "nb"), measured("0.125", "en"), measured("1.2.2026", "nb"), measured(">1.024", "nb")
    ('<=0,125 mg/L', '0.125', '1.2.2026', '>1.024')
    """
    return text if language == "en" else _MEASURED.sub(r"\1,\2", text, count=1) if _MEASURED.match(text) else text


def value(found: Value, language: Language) -> str:
    """A value without its unit: number with comparator, text, date, yes or no, or the two that belong together.

    >>> value(Value(ends=(Value(Decimal(1)), Value(Decimal(64))), joint="ratio"), "nb"), value(Value(truth=False), "nb")
    ('1:64', 'nei')
    """
    if found.number is not None:
        sign = _COMPARATORS.get(found.comparator, found.comparator)
        text = number(found.number, language)
        return f"{sign}\N{NARROW NO-BREAK SPACE}{text}" if sign else text
    if found.truth is not None:
        return say(language, "value.yes" if found.truth else "value.no")
    if found.on is not None:
        return moment(found.on, language)
    return _joined(found, language) if found.joint else found.text


def _joined(found: Value, language: Language) -> str:
    """Two values as one; an end that is not given leaves the other as a limit."""
    if found.joint == "samples":
        count = many(language, "value.samples", found.count)
        return f"{count}, {_between(found, language)}" if found.ends else count
    if found.joint == "ratio":
        one, other = (_side(end, language) or "\N{EN DASH}" for end in found.ends or ())
        return f"{one} : {other}" if any(end and end.unit for end in found.ends or ()) else f"{one}:{other}"
    return _between(found, language)


def _between(found: Value, language: Language) -> str:
    first, last = (_side(end, language) for end in found.ends or (None, None))
    if found.joint == "period":
        if first and last:
            return f"{first} \N{EN DASH} {last}"
        return say(language, "value.since", date=first) if first else say(language, "value.until", date=last)
    if first and last:
        # Beside a minus sign a bare dash reads as another.
        space = "\N{NARROW NO-BREAK SPACE}" if "\N{MINUS SIGN}" in first + last else ""
        return f"{first}{space}\N{EN DASH}{space}{last}"
    return f"≥\N{NARROW NO-BREAK SPACE}{first}" if first else f"≤\N{NARROW NO-BREAK SPACE}{last}"


def _side(end: Value | None, language: Language) -> str:
    return f"{value(end, language)} {end.unit}".strip() if end else ""


def span(found: Range, language: Language) -> str:
    """A reference range in the reader's way of writing; the laboratory's own words where it gave no numbers. What the
    value is not judged by stands behind it, with its unit and for whom it is.
    """
    told = (_limits(found, language), *(_other(one, language) for one in found.others))
    return "; ".join(one for one in told if one)


def _other(found: OtherRange, language: Language) -> str:
    limits = _limits(found, language)
    limits = limits if limits == found.text else f"{limits} {found.unit}".strip()
    *others, kind = (*found.whom, "") if not found.meaning else found.whom
    kind = say(language, f"range.{found.meaning}") if knows(f"range.{found.meaning}") else kind
    age = say(language, "range.age", age=_age_of(found.age, language)) if found.age else ""
    whom = ", ".join(one for one in (*others, age, kind) if one)
    return f"{whom}: {limits}" if whom and limits else whom or limits


def _age_of(found: Value, language: Language) -> str:
    unit = say(language, f"range.unit_{found.unit}") if knows(f"range.unit_{found.unit}") else found.unit
    return f"{value(found, language)} {unit}".strip()


def _limits(found: Range | OtherRange, language: Language) -> str:
    if found.low is not None and found.high is not None:
        return f"{number(found.low, language)}\N{EN DASH}{number(found.high, language)}"
    if found.text:
        # Whether the limit itself is inside ("<= 5" or "< 5") stands only in the laboratory's words.
        return found.text
    if found.high is not None:
        return f"≤\N{NARROW NO-BREAK SPACE}{number(found.high, language)}"
    if found.low is not None:
        return f"≥\N{NARROW NO-BREAK SPACE}{number(found.low, language)}"
    return ""


def aside(found: Aside, language: Language) -> str:
    """One circumstance of a value in words: "materiale Serum", "merket høy", "uten referanseområde"."""
    if found.none:
        return say(language, f"aside.no_{found.what}")
    if found.what == "sample":
        return say(language, f"aside.sample_{found.words}")
    flag = say(language, f"value.{found.flag.name}") if found.flag else ""
    said = flag or found.words or (moment(found.at, language) if found.at else span(found.range, language))
    return say(language, f"aside.{found.what}", said=said)


def size(bytes_: int, language: Language) -> str:
    """How big a file is, in the unit that says it shortest.

    >>> size(420, "nb"), size(1_250_000, "nb"), size(48_000, "en")
    ('1 kB', '1,2 MB', '48 kB')
    """
    if bytes_ < 1_000_000:
        return f"{max(round(bytes_ / 1000), 1)} kB"
    return f"{number(Decimal(bytes_) / 1_000_000 // Decimal('0.1') * Decimal('0.1'), language)} MB"


def day(at: date | datetime | When | None, language: Language) -> str:
    """A date in figures: 11.03.2026 (English: 11 Mar 2026, which no reader can take for November); as much as is known."""
    if at is None:
        return ""
    found = _day(at)
    if isinstance(at, When) and at.part:
        return f"{found.year:04d}" if at.part == "year" else format_skeleton("yMMMM", found, locale=_LOCALES[language])
    if language == "en":
        return format_date(found, "d MMM yyyy", _LOCALES["en"])
    return f"{found.day:02d}.{found.month:02d}.{found.year:04d}"


def short_day(at: date | datetime | When, language: Language) -> str:
    """A date without its year, for a column that shows the year below it."""
    found = _day(at)
    return format_date(found, "d MMM", _LOCALES["en"]) if language == "en" else f"{found.day:02d}.{found.month:02d}."


def long_day(at: date | datetime | When, language: Language) -> str:
    """A date in words: 11. mars 2026."""
    return format_date(_day(at), "long", _LOCALES[language])


def month(at: date, language: Language) -> str:
    """Month and year for a chart's axis: mars 26."""
    return format_skeleton("yMMM", datetime.combine(at, time(), OSLO), locale=_LOCALES[language])


def clock(at: datetime | When | None, language: Language) -> str:
    """Time of day where there is one: 08:15."""
    moment = at.moment if isinstance(at, When) else at
    return "" if moment is None else format_time(_in_norway(moment), "HH:mm", locale=_LOCALES[language])


def moment(at: datetime | When | None, language: Language) -> str:
    """Date, and time of day where there is one."""
    if at is None:
        return ""
    local = _in_norway(at) if isinstance(at, datetime) else at
    return f"{day(local, language)} {clock(at, language)}".strip()


def told_apart(dates: Iterable[When | None], language: Language) -> Callable[[When | None], str]:
    """How the dates of one list are written: with the time of day where it has another of the same day."""
    days = Counter(at.day for at in dates if at)
    return lambda at: moment(at, language) if at and days[at.day] > 1 else day(at, language)


def _day(at: date | datetime | When) -> date:
    if isinstance(at, When):
        return at.day
    return _in_norway(at).date() if isinstance(at, datetime) else at


def _in_norway(at: datetime) -> datetime:
    """As a clock in Norway shows it; as it stands where the calendar ends before: many write its last second for *never*."""
    try:
        return at.astimezone(OSLO)
    except OverflowError:
        return at


def age(born: date | None, now: datetime, language: Language) -> str:
    """Age as it is said at a bedside: days up to a month, months up to two years, then years."""
    if born is None:
        return say(language, "patient.age_unknown")
    today = now.astimezone(OSLO).date()
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months < 1:
        return many(language, "patient.days", max((today - born) // timedelta(days=1), 0))
    if months < 24:
        return many(language, "patient.months", months)
    return say(language, "patient.years", n=months // 12)
