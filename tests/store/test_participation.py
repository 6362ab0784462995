"""The register of participation: whom a row takes in, and how soon an end of it is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kjerne.access import Caller
from kjerne.store import participation
from kjerne.store.participation import REMEMBERED_SECONDS, Takers, Wanted
from kjerne.store.pool import Pool, open_pool
from kjerne.store.registers import OrganisationRow, fill
from participating import LONG_AGO, a_row

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRUST, HOSPITAL, WARD, OFFICE, LOST = "100000016", "100000024", "100000032", "100000040", "100000059"


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, 3)
    async with pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM organisation"):
            rows = [(TRUST, "", "5001"), (HOSPITAL, TRUST, "5001"), (WARD, HOSPITAL, "4601"), (OFFICE, "", "5001"),
                    (LOST, "100000067", "")]  # fmt: skip
            await fill(
                conn, [], [OrganisationRow(n, above, f"Sted {n}", "", "", "", place) for n, above, place in rows]
            )
        await conn.execute("UPDATE participation SET until = since, ended_at = now()")
    yield pool
    await pool.close()


async def opened(pool: Pool, organisation: str, part: str = "consumer", **changes: object) -> int:
    async with pool.acquire() as conn:
        return (await participation.add(conn, [a_row(organisation, part, **changes)]))[0]  # type: ignore[arg-type]


async def in_force(pool: Pool, organisation: str, point_of_care: str = "") -> list[tuple[str, bool]]:
    """(role, here) of what the place has in force."""
    rows = await participation.parts(pool, organisation, point_of_care)
    return [(row.part, row.here) for row in rows if row.until is None]


@pytest.mark.parametrize(("named", "takes_in"), [
    (TRUST, {TRUST, HOSPITAL, WARD}),
    (HOSPITAL, {HOSPITAL, WARD}),
    (WARD, {WARD}),
    (OFFICE, set()),
])  # fmt: skip
async def test_a_row_takes_in_the_unit_it_names_and_all_below_it(pool: Pool, named: str, takes_in: set[str]) -> None:
    await opened(pool, named)
    assert {unit for unit in (TRUST, HOSPITAL, WARD) if await in_force(pool, TRUST, unit)} == takes_in


async def test_a_unit_that_is_not_the_entitys_lends_it_nothing(pool: Pool) -> None:
    await opened(pool, HOSPITAL)
    assert await in_force(pool, OFFICE, WARD) == []
    assert await in_force(pool, TRUST, LOST) == []


@pytest.mark.parametrize(("areas", "here"), [
    ((), {HOSPITAL: True, WARD: True}),
    (("5001",), {HOSPITAL: True, WARD: False}),
    (("50",), {HOSPITAL: True, WARD: False}),
    (("46", "1103"), {HOSPITAL: False, WARD: True}),
    (("500",), {HOSPITAL: False, WARD: False}),
])  # fmt: skip
async def test_a_row_covers_the_points_of_care_in_its_areas(
    pool: Pool, areas: tuple[str, ...], here: dict[str, bool]
) -> None:
    await opened(pool, TRUST, areas=areas)
    assert {unit: (await in_force(pool, TRUST, unit))[0][1] for unit in here} == here


async def test_a_place_of_no_known_municipality_is_in_no_area(pool: Pool) -> None:
    await opened(pool, LOST, areas=("50",))
    await opened(pool, "100000075", areas=("50",))
    assert await in_force(pool, LOST) == [("consumer", False)]
    assert await in_force(pool, "100000075") == [("consumer", False)]


def caller(organisation: str, point_of_care: str = "", kind: str = "practitioner") -> Caller:
    return Caller(kind, "journal", frozenset(), organisation=organisation, point_of_care=point_of_care)  # type: ignore[arg-type]


class Seconds:
    """A watch that is turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def standing(takers: Takers, who: Caller) -> bool:
    return any(part.until is None for part in (await takers.told(who)).parts)


async def test_an_opening_and_a_closing_hold_on_every_worker_within_two_seconds(pool: Pool) -> None:
    watch = Seconds()
    workers = [Takers(pool, watch), Takers(pool, watch)]
    assert [await standing(one, caller(OFFICE)) for one in workers] == [False, False]
    number = await opened(pool, OFFICE)
    watch.now += REMEMBERED_SECONDS
    assert [await standing(one, caller(OFFICE)) for one in workers] == [True, True]
    async with pool.acquire() as conn:
        await participation.end(conn, number, NOW, "a test", NOW, "utprøvingen er over")
    watch.now += REMEMBERED_SECONDS - 0.001
    assert await standing(workers[0], caller(OFFICE))  # what is remembered, is for so long
    watch.now += 0.001
    assert [await standing(one, caller(OFFICE)) for one in workers] == [False, False]


async def test_a_unit_that_moves_to_another_owner_takes_part_where_that_one_does(pool: Pool) -> None:
    watch = Seconds()
    takers = Takers(pool, watch)
    await opened(pool, OFFICE)
    assert not any(part.until is None for part in (await takers.told(caller(TRUST, HOSPITAL))).parts)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE organisation SET parent = $1 WHERE number = $2", OFFICE, TRUST)
    watch.now += REMEMBERED_SECONDS
    assert await standing(takers, caller(TRUST, HOSPITAL))
    await pool.execute("UPDATE organisation SET parent = '' WHERE number = $1", TRUST)


async def test_what_was_read_before_a_change_is_not_remembered_after_it(pool: Pool) -> None:
    """A slow look that began before a closing ends after it was noticed."""
    watch = Seconds()
    takers = Takers(pool, watch)
    number = await opened(pool, OFFICE)
    await takers.told(caller(TRUST))
    slow, noticed = takers.told, []

    class Between:
        """The pool, on which somebody else closes and notices while our answer is on its way."""

        def __init__(self) -> None:
            self.fetchval = pool.fetchval

        def acquire(self) -> AbstractAsyncContextManager[Any]:
            return nullcontext(self)

        async def fetch(self, statement: str, *values: object) -> object:
            rows = await pool.fetch(statement, *values)
            if not noticed:
                noticed.append(True)
                async with pool.acquire() as conn:
                    await participation.end(conn, number, NOW, "a test", NOW, "")
                watch.now += REMEMBERED_SECONDS
                await slow(caller(TRUST))
            return rows

    takers._pool = Between()  # type: ignore[assignment]
    assert await standing(takers, caller(OFFICE))  # read before the closing was there
    assert not await standing(takers, caller(OFFICE))


async def test_a_caller_is_copied_once_and_anew_after_a_change(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Seconds()
    takers, one, other = Takers(pool, watch), caller(OFFICE), caller(TRUST)
    told = await takers.told(one)
    assert await takers.told(one) is told
    assert await takers.told(replace(one, jti="another token")) is not told
    await opened(pool, OFFICE)
    watch.now += REMEMBERED_SECONDS
    assert await takers.told(one) is not told
    monkeypatch.setattr(participation, "CALLERS_REMEMBERED", 1)
    monkeypatch.setattr(participation, "REMEMBERED", 1)
    for _ in range(2):
        assert not await standing(takers, other)
        assert await standing(takers, one)


async def test_a_citizen_and_a_system_without_organisation_have_no_part(pool: Pool) -> None:
    await opened(pool, OFFICE)
    takers = Takers(pool)
    assert (await takers.told(caller(OFFICE, kind="citizen"))).parts == ()
    assert (await takers.told(caller("", kind="system"))).parts == ()


async def test_where_the_database_does_not_answer_nobody_takes_part(dsn: str, pool: Pool) -> None:
    await opened(pool, OFFICE)
    watch, own = Seconds(), await open_pool(dsn, 1)
    takers = Takers(own, watch)
    assert await standing(takers, caller(OFFICE))
    await own.close()
    watch.now += REMEMBERED_SECONDS
    with pytest.raises(asyncpg.InterfaceError):
        await takers.told(caller(OFFICE))


async def test_the_program_can_give_a_row_its_end_and_change_nothing_else_of_it(pool: Pool) -> None:
    number = await opened(pool, OFFICE)
    async with pool.acquire() as conn:
        await participation.end(conn, number, NOW, "drift", NOW, "utprøvingen er over")
        (row,) = await participation.chain(conn, number)
    assert (row.until, row.ended_by, row.ended_at, row.ended_why) == (NOW, "drift", NOW, "utprøvingen er over")
    for change in ("organisation = '1'", "areas = '{}'", "phase = 'national'", "since = now()", "basis = ''"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(f"UPDATE participation SET {change}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DELETE FROM participation")


async def test_the_register_is_listed_by_what_is_asked_for(pool: Pool) -> None:
    over = await opened(pool, OFFICE, until=NOW)
    here = await opened(pool, OFFICE, phase="pilot", areas=("5001",))
    later = await opened(pool, TRUST, "source", since=NOW + timedelta(days=1))

    async def numbers(**wanted: str) -> list[int]:
        async with pool.acquire() as conn:
            rows = await participation.listed(conn, Wanted(**wanted), NOW, 3)  # type: ignore[arg-type]
        return [row.number for row in rows if row.number in (over, here, later)]

    assert await numbers() == [later, here, over]
    assert await numbers(state="in-force") == [here]
    assert await numbers(state="coming") == [later]
    assert await numbers(state="ended", organisation=OFFICE) == [over]
    assert await numbers(phase="pilot") == [here]
    assert await numbers(part="source") == [later]
    assert await numbers(service="documents") == []


async def test_the_register_is_searched_by_words_of_a_name_and_by_how_a_number_begins(pool: Pool) -> None:
    ours = {"100000601": "Ålesund sjukehus, Medisinsk avdeling", "100000610": "Sjukehuset i Ørsta", "100000628": ""}
    async with pool.acquire() as conn:
        await conn.executemany(
            "INSERT INTO organisation (number, parent, name, kind, resh, her, municipality) VALUES ($1, '', $2, '', '', '', '')",
            [one for one in ours.items() if one[1]],
        )
    for number in ours:
        await opened(pool, number)
        await opened(pool, number, "source")

    async def found(name: str, part: str = "source") -> set[str]:
        async with pool.acquire() as conn:
            rows = await participation.listed(conn, Wanted(name=name, part=part), NOW, 50)
        return {row.organisation for row in rows}

    alesund, orsta, unnamed = ours
    assert await found("SJUKEHUS") == {alesund, orsta}
    assert await found("avdeling ålesund") == {alesund}, "words in any order, Norwegian letters folded too"
    assert await found("ØRSTA", "consumer") == {orsta}
    assert await found("10000062") == {unnamed}, "one that the register of organisations does not have"
    assert await found("ålesund ørsta") == await found("%") == await found("sjukehus_") == set()
    assert await found("   ") > set(ours), "nothing but spaces is no name"


async def test_a_chain_of_widenings_is_found_from_any_of_its_rows(pool: Pool) -> None:
    first = await opened(pool, OFFICE)
    second = await opened(pool, OFFICE, widens=first)
    third = await opened(pool, OFFICE, widens=second)
    await opened(pool, OFFICE)
    async with pool.acquire() as conn:
        for number in (first, second, third):
            assert [row.number for row in await participation.chain(conn, number)] == [first, second, third]
        assert await participation.chain(conn, 0) == ()


async def test_how_far_a_row_reaches_is_counted_in_units(pool: Pool) -> None:
    async with pool.acquire() as conn:
        whole = await participation.reach(conn, TRUST, ())
        part = await participation.reach(conn, TRUST, ("46",))
        assert whole
        assert part
        assert (whole.name, whole.units, whole.covered) == (f"Sted {TRUST}", 3, 3)
        assert (part.units, part.covered) == (3, 1)
        assert await participation.reach(conn, "999999999", ()) is None


async def test_sources_are_those_in_force_by_name(pool: Pool) -> None:
    await opened(pool, TRUST, "source", phase="pilot", areas=("5001",))
    await opened(pool, OFFICE, "source", until=NOW)
    await opened(pool, HOSPITAL)
    found = await participation.sources(pool, "results", NOW)
    assert [(one.name, one.phase, one.areas, one.since) for one in found] == [
        (f"Sted {TRUST}", "pilot", ("5001",), LONG_AGO)
    ]
    async with pool.acquire() as conn:
        assert await participation.counts(conn, NOW) == {"source": 1, "consumer": 1}


@pytest.mark.parametrize(("named", "found"), [
    (TRUST, {TRUST, HOSPITAL, WARD}),
    (HOSPITAL, {TRUST, HOSPITAL, WARD}),
    (WARD, {TRUST, HOSPITAL, WARD}),
    (OFFICE, {OFFICE}),
])  # fmt: skip
async def test_an_organisation_is_a_source_by_itself_by_a_unit_above_and_by_one_of_its_own(
    pool: Pool, named: str, found: set[str]
) -> None:
    everybody = {TRUST, HOSPITAL, WARD, OFFICE, LOST}
    await opened(pool, named, "source")
    await opened(pool, LOST)
    async with pool.acquire() as conn:
        assert await participation.sources_among(conn, everybody, "results", NOW) == found
        assert await participation.sources_among(conn, everybody, "documents", NOW) == set()


async def test_units_beside_a_source_are_none(pool: Pool) -> None:
    async with pool.acquire() as conn:
        beside = "100000075"
        if not await conn.fetchval("SELECT count(*) FROM organisation WHERE number = $1", beside):
            await fill(conn, [], [OrganisationRow(beside, TRUST, "Ved siden av", "", "", "", "5001")])
        await opened(pool, WARD, "source")
        assert await participation.sources_among(conn, {beside, TRUST}, "results", NOW) == {TRUST}


@pytest.mark.parametrize(("unit", "is_one"), [("", False), (HOSPITAL, True), (WARD, True), (OFFICE, False)])
async def test_a_caller_is_a_source_where_she_works(pool: Pool, unit: str, is_one: bool) -> None:
    await opened(pool, HOSPITAL, "source")
    async with pool.acquire() as conn:
        assert await participation.is_source(conn, caller(TRUST, unit), "results", NOW) is is_one
        assert not await participation.is_source(conn, caller(TRUST, unit), "results", LONG_AGO - timedelta(days=1))
        assert not await participation.is_source(conn, caller(TRUST, unit), "documents", NOW)
