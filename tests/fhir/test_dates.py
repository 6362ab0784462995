"""Dates as intervals, in Norwegian time where no zone is written, at every edge of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.fhir.dates import EARLIEST, LAST_DAY, LATEST, interval, later, local, microseconds, period


@pytest.mark.parametrize(
    ("text", "start", "width"),
    [
        ("2024-03-31", datetime(2024, 3, 30, 23, tzinfo=UTC), timedelta(hours=23)),
        ("2024-10-27", datetime(2024, 10, 26, 22, tzinfo=UTC), timedelta(hours=25)),
        ("2024-12", datetime(2024, 11, 30, 23, tzinfo=UTC), timedelta(days=31)),
        ("2024", datetime(2023, 12, 31, 23, tzinfo=UTC), timedelta(days=366)),
        ("2024-03-14T10:00:00.5Z", datetime(2024, 3, 14, 10, 0, 0, 500000, tzinfo=UTC), timedelta(milliseconds=100)),
        (
            "2024-03-14T10:00:00.123456789Z",
            datetime(2024, 3, 14, 10, 0, 0, 123456, tzinfo=UTC),
            timedelta(microseconds=1),
        ),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC), timedelta(seconds=1)),
    ],
)
def test_a_date_stands_for_all_of_its_precision(text: str, start: datetime, width: timedelta) -> None:
    assert interval(text) == (start, start + width)


@pytest.mark.parametrize(
    "text",
    """
    2024-00 2024-13 2024-02-30 2023-02-29 0000 24 2024-3-1 2024-03-14T25:00:00Z 2024-03-14T10 2024-03-14T10:00:61Z
    2024-03-14T10:00:00+15:00 2024-03-14T10:00+05:60 2024-03-14T10:00:00+01 ２０２４
    """.split(),
)
def test_what_is_no_date_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        interval(text)


@pytest.mark.parametrize(
    "text",
    ["0001", "0001-01-01", "9999", "9999-12", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_the_ends_of_time_hold(text: str) -> None:
    start, end = interval(text)
    assert EARLIEST <= start < end <= LATEST
    microseconds(start)


def test_a_clock_in_norway_shows_every_instant_there_is() -> None:
    assert local("2026-06-30T22:30:00Z").isoformat() == "2026-07-01T00:30:00+02:00"
    assert local("2016-12-31T23:59:60Z").isoformat() == "2017-01-01T01:00:00+01:00"
    for end in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert local(end).year in (1, 9999)


def test_days_after_a_moment_end_with_the_calendar() -> None:
    assert later(datetime(2026, 1, 1, tzinfo=UTC), 14) == datetime(2026, 1, 15, tzinfo=UTC)
    assert later(datetime(9999, 12, 17, tzinfo=UTC), 14) == later(LATEST, 1) == LAST_DAY


@given(st.text("0123456789-T:.+Z", max_size=25))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_interval_or_an_error(text: str) -> None:
    try:
        start, end = interval(text)
    except ValueError:
        return
    assert start < end


def test_a_period_is_open_where_an_end_is_missing() -> None:
    assert period({"end": "2024"}) == (EARLIEST, datetime(2024, 12, 31, 23, tzinfo=UTC))
    assert period({"start": "2024"}) == (datetime(2023, 12, 31, 23, tzinfo=UTC), LATEST)
    assert period({}) is period({"start": "x"}) is period("2024") is None
