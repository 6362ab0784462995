"""The days and years that rules turn on, and which addresses are protected."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from kjerne.policy.people import OSLO, age, norwegian_day
from kjerne.registries.protection import is_protected


def test_a_day_begins_at_norwegian_midnight_summer_and_winter() -> None:
    assert norwegian_day(datetime(2026, 6, 30, 21, 59, tzinfo=UTC)) == date(2026, 6, 30)
    assert norwegian_day(datetime(2026, 6, 30, 22, 0, tzinfo=UTC)) == date(2026, 7, 1)
    assert norwegian_day(datetime(2026, 12, 31, 22, 59, tzinfo=UTC)) == date(2026, 12, 31)
    assert norwegian_day(datetime(2026, 12, 31, 23, 0, tzinfo=UTC)) == date(2027, 1, 1)
    assert norwegian_day(datetime(2026, 3, 1, 0, 30, tzinfo=OSLO)) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("born", "day", "years"),
    [
        (date(2014, 11, 23), date(2026, 11, 22), 11),
        (date(2014, 11, 23), date(2026, 11, 23), 12),
        (date(2008, 2, 29), date(2024, 2, 28), 15),
        (date(2008, 2, 29), date(2024, 2, 29), 16),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2026, 11, 24), date(2026, 11, 23), -1),
    ],
)
def test_age_in_whole_years(born: date, day: date, years: int) -> None:
    assert age(born, day) == years


def test_an_address_is_protected_unless_it_is_known_not_to_be() -> None:
    assert [is_protected(word) for word in ("", "ugradert", "klientadresse")] == [False] * 3
    assert [is_protected(word) for word in ("fortrolig", "strengtFortrolig", "6", "ukjent")] == [True] * 4
