"""What the citizen's log tells once, and what it keeps apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kjerne.pages import citizen
from kjerne.pages.house import LogRow

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LOOK = LogRow(AT, "Ola Hagen", "LE", "Solbakken", "TREAT", "", (("Observation", 12),), "Fastlegen.", "§ 19")


def test_the_pages_of_one_visit_are_one_line_with_all_its_times() -> None:
    rows = [replace(LOOK, at=AT - timedelta(minutes=minute)) for minute in range(5)]
    (looks,) = citizen.gathered(rows)
    assert looks.row == rows[0]
    assert looks.times == tuple(row.at for row in rows)


def test_nothing_that_tells_two_looks_apart_is_lost() -> None:
    others = [
        replace(LOOK, who="Siri Vik"),
        replace(LOOK, purpose="ETREAT", acute=True),
        replace(LOOK, basis="SAMTYKKE"),
        replace(LOOK, what=(("Observation", 13),)),
        replace(LOOK, given=False),
        replace(LOOK, wrote=True),
        replace(LOOK, self_declared=True),
        replace(LOOK, at=AT - timedelta(days=1)),
    ]
    assert [looks.row for looks in citizen.gathered([LOOK, *others])] == [LOOK, *others]


def test_a_day_is_a_day_in_norway() -> None:
    before, after = datetime(2026, 11, 20, 22, 55, tzinfo=UTC), datetime(2026, 11, 20, 23, 5, tzinfo=UTC)
    assert len(citizen.gathered([replace(LOOK, at=after), replace(LOOK, at=before)])) == 2


def test_every_look_is_in_the_log_once() -> None:
    rows = [replace(LOOK, at=AT - timedelta(minutes=minute), who=f"Lege {minute % 3}") for minute in range(20)]
    told = [at for looks in citizen.gathered(rows) for at in looks.times]
    assert sorted(told) == sorted(row.at for row in rows)
