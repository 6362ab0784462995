"""Figures of how far critical information reaches: true to the counts, and silent where they would tell of somebody."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.services.critical.coverage import LEAST, STEP, Figure, told
from kjerne.store.coverage import Counted, Level, counted

DAY = date(2026, 11, 27)
SINCE = [datetime(2025, 11, 27, tzinfo=UTC), datetime(2023, 11, 27, tzinfo=UTC)]
TYPE = 9999
MANY = ((20, 20), (20, 20), (20, 20))


def place(number: str, people: int, registered: int, level: Level = "organisation", region: str = "50") -> Counted:
    return Counted(level, number, region, people, registered, MANY)


def figures(*places: Counted) -> list[Figure]:
    return told(places, lambda *_: None)


def test_a_share_is_told_rounded_where_many_have_and_many_have_not() -> None:
    one, other = figures(place("1", 203, 52), place("2", 98, 41))
    assert (one.people, one.registered, one.percent, one.ages) == (205, 50, 24, (20, 20, 20))
    assert other.registered == 40


@pytest.mark.parametrize(("people", "registered"), [(9, 0), (100, 9), (100, 0), (100, 91), (100, 100), (12, 6)])
def test_few_who_have_or_have_not_are_withheld(people: int, registered: int) -> None:
    (one,) = figures(place("1", people, registered))
    assert one.registered is None and one.percent is None


def test_where_one_is_withheld_the_next_smallest_is_too_and_the_sum_tells_neither() -> None:
    places = [place("1", 100, 3), place("2", 100, 30), place("3", 100, 40)]
    assert [one.registered for one in figures(*places)] == [None, None, 40]
    elsewhere = figures(*places, place("4", 100, 50, region="46"))
    assert [one.registered for one in elsewhere] == [50, None, None, 40], "another region is no part of the sum"


def test_a_county_that_is_withheld_is_not_told_by_its_organisations_either() -> None:
    regions = [
        place("03", 100, 7, "region", "03"),
        place("11", 100, 50, "region", "11"),
        place("50", 300, 150, "region"),
    ]
    whole = place("", 500, 207, "all", "")
    of_few, of_one = place("1", 100, 7, region="03"), place("2", 100, 50, region="11")
    for several in ([of_one], [place("2", 50, 20, region="11"), place("3", 50, 30, region="11")]):
        found = {(one.level, one.place): one.registered for one in figures(whole, *regions, of_few, *several)}
        assert (found["region", "03"], found["region", "11"], found["region", "50"]) == (None, None, 150)
        assert None in [found["organisation", one.place] for one in several]
        assert found["all", ""] == 205


places = st.builds(
    lambda number, people, share, region: place(str(number), people, people * share // 100, region=region),
    st.integers(1, 10**6), st.integers(1, 60), st.integers(0, 100), st.sampled_from(["46", "50"]),
)  # fmt: skip


@given(st.lists(places, max_size=8, unique_by=lambda one: one.place))
def test_nothing_is_told_that_rests_on_few_nor_one_alone_withheld(given_: list[Counted]) -> None:
    by_place = {one.place: one for one in given_}
    found = figures(*given_)
    assert {one.place for one in found} == by_place.keys()
    for one in found:
        if one.registered is not None:
            true = by_place[one.place]
            assert min(true.registered, true.people - true.registered) >= LEAST
            assert abs(one.registered - true.registered) <= STEP / 2
    for region in ("46", "50"):
        here = [one.registered for one in found if one.region == region]
        assert len(here) < 2 or here.count(None) != 1


@pytest.fixture
async def conn(dsn: str) -> Any:
    found = await asyncpg.connect(dsn)
    turn = found.transaction()
    await turn.start()
    yield found
    await turn.rollback()
    await found.close()


async def person(conn: Any, key: int, *ties: tuple[str, str, date | None], linked: tuple[int, ...] = ()) -> None:
    await conn.execute(
        "INSERT INTO person (patient, linked, detail, synthetic, made_at) VALUES ($1, $2, '', true, now())",
        key,
        list(linked),
    )
    for number, (kind, organisation, until) in enumerate(ties):
        await conn.execute(
            "INSERT INTO person_tie (patient, number, kind, organisation, until) VALUES ($1, $2, $3, $4, $5)",
            key, number, kind, organisation, until,
        )  # fmt: skip


async def record(conn: Any, key: int, at: datetime, type_: int = TYPE) -> None:
    await conn.execute(
        'INSERT INTO record (patient, id, type, version, dictionary, at, tokens, "values", body) '
        "VALUES ($1, gen_random_uuid(), $2, 1, 0, $3, '{}', '', '')", key, type_, at,
    )  # fmt: skip


async def test_humans_are_counted_once_in_each_place_by_the_ties_of_the_day(conn: Any) -> None:
    for number, municipality in (("one", "5001"), ("two", "5001"), ("far", "4601")):
        await conn.execute(
            "INSERT INTO organisation (number, name, kind, municipality) VALUES ($1, $1, 'clinic', $2)",
            number,
            municipality,
        )
    await person(conn, -1, ("care", "one", None), ("practice-list", "two", None), linked=(-2,))
    await person(conn, -2, ("care", "one", None), linked=(-1,))
    await person(conn, -3, ("care", "one", DAY), ("parent", "two", None))
    await person(conn, -4, ("care", "far", date(2026, 11, 28)))
    await record(conn, -2, datetime(2026, 1, 1, tzinfo=UTC))
    await record(conn, -2, datetime(2020, 1, 1, tzinfo=UTC))
    await record(conn, -4, datetime(2024, 1, 1, tzinfo=UTC), TYPE - 1)
    found = {(one.level, one.place): one for one in await counted(conn, [TYPE], DAY, SINCE)}
    young_and_old = ((1, 1), (0, 0), (1, 1))
    assert found["organisation", "one"] == Counted("organisation", "one", "50", 1, 1, young_and_old)
    assert found["organisation", "two"] == Counted("organisation", "two", "50", 1, 1, young_and_old)
    assert found["region", "50"] == Counted("region", "50", "50", 1, 1, young_and_old)
    assert found["organisation", "far"].registered == 0
    assert (found["all", ""].people, found["all", ""].registered) == (2, 1)
