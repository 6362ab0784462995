"""Numbers and dates as the reader writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

import pytest

from kjerne.pages import charts, formats
from kjerne.pages.words import COMPLETE, Language
from kjerne.services.results.judging import Range
from kjerne.services.results.values import Value, When


@pytest.mark.parametrize(
    ("language", "number", "day", "time"),
    [
        ("nb", "1,10", "11.03.2026", "11.03.2026 08:15"),
        ("nn", "1,10", "11.03.2026", "11.03.2026 08:15"),
        ("en", "1.10", "11 Mar 2026", "11 Mar 2026 08:15"),
    ],
)
def test_numbers_and_dates_follow_the_language(language: Language, number: str, day: str, time: str) -> None:
    at = datetime(2026, 3, 11, 7, 15, tzinfo=UTC)
    assert formats.number(Decimal("1.10"), language) == number
    assert formats.day(at, language) == day
    assert formats.moment(at, language) == time


@pytest.mark.parametrize(
    ("sent", "nb"),
    [
        (">100.000 pr.ml.", ">100.000 pr.ml."),
        ("10.000", "10.000"),
        (">1.024 mg/L", ">1.024 mg/L"),
        ("0.125", "0,125"),
        ("1.5 mg/L", "1,5 mg/L"),
        ("32.25", "32,25"),
    ],
)
def test_a_dot_that_may_stand_before_thousands_is_no_decimal_sign(sent: str, nb: str) -> None:
    assert formats.measured(sent, "nb") == nb


def test_a_date_without_a_time_gets_none() -> None:
    assert formats.moment(When(date(2026, 3, 11)), "nb") == "11.03.2026"


def test_a_limit_keeps_its_sign_and_large_numbers_are_not_regrouped() -> None:
    assert formats.value(Value(Decimal(5), "<"), "nb").replace("\N{NARROW NO-BREAK SPACE}", " ") == "< 5"
    assert formats.value(Value(Decimal("1E+3")), "nb") == "1000"
    assert formats.value(Value(Decimal("-2.5")), "nb") == "\N{MINUS SIGN}2,5"


def test_a_one_sided_range_is_given_in_the_laboratorys_words() -> None:
    assert formats.span(Range(high=Decimal(5), text="<= 5"), "nb") == "<= 5"
    assert formats.span(Range(Decimal("11.7"), Decimal("15.3"), "11.7 - 15.3"), "nb") == "11,7–15,3"


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        (date(1979, 11, 24), "46 år"),
        (date(1979, 11, 23), "47 år"),
        (date(2026, 11, 20), "3 dager"),
        (date(2025, 11, 24), "11 mnd."),
        (date(2024, 2, 29), "2 år"),
        (None, "alder ukjent"),
    ],
)
def test_age_is_said_as_at_a_bedside(born: date | None, expected: str) -> None:
    assert formats.age(born, datetime(2026, 11, 23, 9, tzinfo=UTC), "nb") == expected


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (3.1, 5.4), (0.001, 0.0034), (120.0, 145.0), (0.0, 9000.0)])
def test_an_axis_has_a_few_round_numbers_inside_its_ends(low: float, high: float) -> None:
    found = charts.ticks(low, high)
    assert 3 <= len(found) <= 8
    assert all(low <= float(tick) <= high for tick in found)


def ends(one: Value | None, other: Value | None, joint: Literal["ratio", "range", "period"]) -> Value:
    return Value(ends=(one, other), joint=joint)


TITRE = ends(Value(Decimal(1)), Value(Decimal(64)), "ratio")
DOSES = ends(Value(Decimal(5), unit="mg"), Value(Decimal("0.5"), unit="mL"), "ratio")
BETWEEN = ends(Value(Decimal("3.5")), Value(Decimal(7)), "range")
FROM_MARCH = ends(Value(on=When(date(2026, 3, 1), part="month")), None, "period")
UNTIL_THEN = ends(None, Value(on=When(date(2026, 3, 11))), "period")
DAYS = ends(Value(on=When(date(2026, 3, 11))), Value(on=When(date(2026, 3, 15))), "period")
SAMPLES = Value(unit="mV", ends=(Value(Decimal("-0.5")), Value(Decimal(2))), joint="samples", count=500)


@pytest.mark.parametrize(
    ("found", "nb", "nn", "en"),
    [
        (TITRE, "1:64", "1:64", "1:64"),
        (ends(None, Value(Decimal(64)), "ratio"), "–:64", "–:64", "–:64"),
        (DOSES, "5 mg : 0,5 mL", "5 mg : 0,5 mL", "5 mg : 0.5 mL"),
        (Value(truth=True), "ja", "ja", "yes"),
        (Value(truth=False), "nei", "nei", "no"),
        (BETWEEN, "3,5–7", "3,5–7", "3.5–7"),
        (ends(Value(Decimal(3)), None, "range"), "≥ 3", "≥ 3", "≥ 3"),
        (ends(None, Value(Decimal(7)), "range"), "≤ 7", "≤ 7", "≤ 7"),
        (DAYS, "11.03.2026 – 15.03.2026", "11.03.2026 – 15.03.2026", "11 Mar 2026 – 15 Mar 2026"),
        (FROM_MARCH, "fra mars 2026", "frå mars 2026", "from March 2026"),
        (UNTIL_THEN, "til 11.03.2026", "til 11.03.2026", "until 11 Mar 2026"),
        (SAMPLES, "500 målinger, −0,5 – 2", "500 målingar, −0,5 – 2", "500 measurements, -0.5 – 2"),
        (Value(joint="samples", count=1), "1 måling", "1 måling", "1 measurement"),
        (Value(on=When(date(2026, 1, 1), part="year")), "2026", "2026", "2026"),
        (Value(on=When(date(1, 1, 1))), "01.01.0001", "01.01.0001", "1 Jan 0001"),
    ],
)
def test_every_kind_of_value_is_written_as_its_reader_does(found: Value, nb: str, nn: str, en: str) -> None:
    written = [formats.value(found, language).replace("\N{NARROW NO-BREAK SPACE}", " ") for language in COMPLETE]
    assert written == [nb, nn, en.replace("-0", "\N{MINUS SIGN}0")]


def test_dates_of_a_list_have_a_time_of_day_where_it_has_two_of_a_day() -> None:
    morning, evening, other = (
        When(date(2026, 3, day), datetime(2026, 3, day, hour, tzinfo=UTC)) for day, hour in ((11, 7), (11, 15), (12, 7))
    )
    told = formats.told_apart((morning, None, evening, other, When(date(2026, 3, 12))), "nb")
    assert [told(at) for at in (morning, evening)] == ["11.03.2026 08:00", "11.03.2026 16:00"]
    assert told(When(date(2026, 3, 12))) == "12.03.2026", "a date without a time has none to tell"
    assert formats.told_apart((morning, other), "nb")(morning) == "11.03.2026"
    assert told(None) == ""


@pytest.mark.parametrize("at", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_days_too(at: datetime) -> None:
    assert formats.day(at, "nb").endswith(f"{at.year % 100:02}")
    assert formats.moment(at, "nb").startswith(formats.day(at, "nb"))
