from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kjerne.services.results.kith.times import moment, stamp


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("2017-09-20T07:57:00", "2017-09-20T07:57:00+02:00"),
        ("2021-01-26T07:57:00", "2021-01-26T07:57:00+01:00"),
        ("2021-05-25T07:43:54.2497149Z", "2021-05-25T07:43:54.2497149Z"),
        ("2021-05-25T07:43:54-05:00", "2021-05-25T07:43:54-05:00"),
        ("2017-09-20T07:57", "2017-09-20T07:57:00+02:00"),
        ("2017-09-20T24:00:00", "2017-09-21T00:00:00+02:00"),
        ("2017-12-31T24:00:00Z", "2018-01-01T00:00:00Z"),
        ("2017-09-20", "2017-09-20"),
        ("2017-09-20Z", "2017-09-20"),
        ("2017-09-20-11:00", "2017-09-20"),
        ("2017-09+02:00", "2017-09"),
        ("2017Z", "2017"),
        ("2017-09", "2017-09"),
        ("2017", "2017"),
    ],
)
def test_a_time_keeps_its_precision_and_gets_an_offset(sent: str, written: str) -> None:
    known = stamp(sent)
    assert known is not None
    assert known.text == written


def test_midnight_stays_on_its_own_day() -> None:
    known = stamp("2021-03-08T00:00:00")
    assert known is not None
    assert known.text == "2021-03-08T00:00:00+01:00"
    assert known.at == datetime(2021, 3, 7, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "i går",
        "2021-02-30",
        "2021-13-01",
        "20210301",
        "2021-03-01 10:00:00",
        "2021-03-01T25:00:00",
        "2021-03-01T24:00:01",
        "2021-03-01T10:00:00+14:30",
        "2021-03-01T10",
        "10:00:00",
        "0001-01-01",
    ],
)
def test_what_is_no_time_is_none(sent: str) -> None:
    assert stamp(sent) is None


def test_an_instant_of_a_date_is_its_midnight_in_oslo() -> None:
    assert moment("2021-07-01") == "2021-07-01T00:00:00+02:00"
    assert moment("2021-07-01T10:00:00+02:00") == "2021-07-01T10:00:00+02:00"
