"""What an operator may write in the register, and what a change does to the rows that are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.services.participation.register import Asked, Change, Kind, Register
from kjerne.store import participation
from kjerne.store.participation import Participation
from kjerne.store.pool import Pool, open_pool
from kjerne.store.registers import OrganisationRow, fill

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPERATOR = Caller("practitioner", "driftsverktøy", frozenset({"kjerne:operations"}), name="Drift Driftsen")
HOSPITAL, WARD = "983658725", "974760673"
BASIS = "Avtale om utprøving"


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, 4)
    async with pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM organisation"):
            await fill(conn, [], [
                OrganisationRow(HOSPITAL, "", "Sykehuset", "", "", "", "5001"),
                OrganisationRow(WARD, HOSPITAL, "Posten", "", "", "", "4601"),
            ])  # fmt: skip
        await conn.execute("UPDATE participation SET until = since, ended_at = now()")
    yield pool
    await pool.close()


@pytest.fixture
def register(pool: Pool) -> Register:
    return Register(pool, {"results"})


def opening(**fields: str) -> Asked:
    given = {"organisation": HOSPITAL, "service": "results", "part": "consumer", "phase": "pilot", "basis": BASIS}
    return Asked("open", given | fields)


async def saved(register: Register, asked: Asked, now: datetime = NOW) -> int:
    return (await register.save(OPERATOR, asked, now, "c-1"))[0]


async def row(pool: Pool, number: int) -> Participation:
    async with pool.acquire() as conn:
        rows = await participation.chain(conn, number)
    return next(one for one in rows if one.number == number)


async def refused(register: Register, asked: Asked, now: datetime = NOW) -> tuple[int, str]:
    """Status and place of the refusal; planned and saved are refused alike."""
    with pytest.raises(Refusal) as planned:
        await register.plan(OPERATOR, asked, now)
    with pytest.raises(Refusal) as written:
        await register.save(OPERATOR, asked, now, "c-1")
    assert str(planned.value) == str(written.value)
    return written.value.status, written.value.where


async def test_an_opening_is_planned_with_its_reach_and_changes_nothing_until_it_is_saved(
    register: Register, pool: Pool
) -> None:
    change = await register.plan(OPERATOR, opening(areas="5001"), NOW)
    assert change.reach
    assert (change.reach.name, change.reach.units, change.reach.covered) == ("Sykehuset", 2, 1)
    async with pool.acquire() as conn:
        assert await participation.counts(conn, NOW) == {}
    found = await row(pool, await saved(register, opening(areas="5001")))
    assert (found.since, found.until, found.areas, found.made_by) == (NOW, None, ("5001",), "Drift Driftsen")


async def test_each_change_has_its_author_and_reason_in_the_platforms_log(register: Register, pool: Pool) -> None:
    first = await saved(register, opening())
    second = await saved(register, Asked("widen", {"phase": "rollout", "basis": "Vedtak om bredding"}, first))
    await saved(register, Asked("close", {"why": "Avtalen er sagt opp"}, second))
    rows = await pool.fetch(
        "SELECT patient, action, rule, about, reason, caller_name FROM audit WHERE about = ANY($1) ORDER BY rule",
        [f"participation/{first}", f"participation/{second}"],
    )
    assert [tuple(one) for one in rows] == [
        (0, "participate", "participation-closed", f"participation/{second}", "Avtalen er sagt opp", "Drift Driftsen"),
        (0, "participate", "participation-opened", f"participation/{first}", BASIS, "Drift Driftsen"),
        (0, "participate", "participation-widened", f"participation/{second}", "Vedtak om bredding", "Drift Driftsen"),
    ]


async def test_a_widening_ends_a_row_and_makes_the_next_in_the_same_instant(register: Register, pool: Pool) -> None:
    first = await saved(register, opening(areas="5001", until="2026-12-31"))
    later = NOW + timedelta(hours=1)
    asked = Asked("widen", {"areas": "50 4601", "until": "", "basis": "Utvidet avtale"}, first)
    second = await saved(register, asked, later)
    old, new = await row(pool, first), await row(pool, second)
    assert (old.until, old.ended_by, old.ended_at, old.areas) == (later, "Drift Driftsen", later, ("5001",))
    assert (new.since, new.until, new.areas, new.phase, new.widens) == (later, None, ("4601", "50"), "pilot", first)


async def test_a_closing_now_or_later_gives_the_row_its_end(register: Register, pool: Pool) -> None:
    number = await saved(register, opening())
    await saved(register, Asked("close", {"at": "2027-01-01", "why": "Utprøvingen er over"}, number))
    found = await row(pool, number)
    assert found.until == datetime(2026, 12, 31, 23, tzinfo=UTC)  # the day begins in Norway
    await saved(register, Asked("close", {"why": "Likevel straks"}, number), NOW + timedelta(days=1))
    assert (await row(pool, number)).until == NOW + timedelta(days=1)


async def test_what_has_not_begun_can_be_called_off_and_never_was(register: Register, pool: Pool) -> None:
    number = await saved(register, opening(since="2026-12-01"))
    await saved(register, Asked("close", {"why": "Blir ikke noe av"}, number))
    found = await row(pool, number)
    assert found.since == found.until
    assert await refused(register, Asked("close", {"why": "En gang til nå"}, number)) == (409, "ended")
    await saved(register, opening())  # and stands in nobody's way


WRONG: list[tuple[dict[str, str], str]] = [
    ({"organisation": "983658724"}, "organisation"),
    ({"organisation": ""}, "organisation"),
    ({"service": "documents"}, "service"),
    ({"part": "reader"}, "part"),
    ({"phase": ""}, "phase"),
    ({"areas": "501"}, "areas"),
    ({"areas": "Bergen"}, "areas"),
    ({"areas": " ".join(str(1000 + n) for n in range(401))}, "areas"),
    ({"since": "2026-11-22"}, "since"),
    ({"since": "i morgen"}, "since"),
    ({"until": "2026-11-23"}, "until"),
    ({"basis": "avtale"}, "basis"),
    ({"basis": "avtale\nmed linjer"}, "basis"),
    ({"basis": "Avtale med 15877912345"}, "basis"),
    ({"basis": "x" * 501}, "basis"),
]


@pytest.mark.parametrize(("fields", "where"), WRONG, ids=[f"{next(iter(f))} {n}" for n, (f, _) in enumerate(WRONG)])
async def test_an_opening_that_says_something_wrong_is_told_where(
    register: Register, fields: dict[str, str], where: str
) -> None:
    assert await refused(register, opening(**fields)) == (400, where)


@pytest.mark.parametrize(("fields", "status"), [
    ({}, 409),
    ({"areas": "50"}, 409),
    ({"areas": "4601"}, None),
    ({"part": "source"}, None),
    ({"organisation": WARD}, None),
    ({"since": "2026-12-31"}, None),
    ({"since": "2026-12-30"}, 409),
])  # fmt: skip
async def test_nobody_takes_part_twice_in_one_thing(
    register: Register, fields: dict[str, str], status: int | None
) -> None:
    await saved(register, opening(areas="5001", until="2026-12-31"))
    if status:
        assert await refused(register, opening(**fields)) == (status, "overlap")
    else:
        await saved(register, opening(**fields))


async def test_two_openings_at_once_are_one(register: Register) -> None:
    import asyncio

    done: list[Any] = await asyncio.gather(
        *(register.save(OPERATOR, opening(), NOW, "c-1") for _ in range(3)), return_exceptions=True
    )
    assert sorted(isinstance(one, Refusal) for one in done) == [False, True, True]


NARROWER: list[tuple[dict[str, str], tuple[int, str]]] = [
    ({"areas": "4601"}, (400, "narrower")),
    ({"phase": "pilot"}, (400, "narrower")),
    ({"until": "2026-12-01"}, (400, "narrower")),
    ({}, (400, "same")),
    ({"areas": "5001, 5001"}, (400, "same")),
    ({"basis": ""}, (400, "basis")),
]


@pytest.mark.parametrize(("fields", "told"), NARROWER, ids=[str(n) for n in range(len(NARROWER))])
async def test_a_widening_is_wider_in_something_and_narrower_in_nothing(
    register: Register, fields: dict[str, str], told: tuple[int, str]
) -> None:
    number = await saved(register, opening(areas="5001", phase="rollout", until="2026-12-31"))
    assert await refused(register, Asked("widen", {"basis": "Utvidet avtale"} | fields, number)) == told


async def test_a_county_is_wider_than_its_municipalities_and_everywhere_than_all(
    register: Register, pool: Pool
) -> None:
    number = await saved(register, opening(areas="5001 5003"))
    number = await saved(register, Asked("widen", {"areas": "50,5001", "basis": "Hele fylket"}, number))
    assert (await row(pool, number)).areas == ("50",)
    number = await saved(register, Asked("widen", {"areas": "", "basis": "Hele landet"}, number))
    assert (await row(pool, number)).areas == ()
    assert await refused(register, Asked("widen", {"areas": "50", "basis": "Hele fylket"}, number)) == (400, "narrower")


@pytest.mark.parametrize("kind", ["widen", "close"])
async def test_only_a_row_that_is_there_and_not_over_is_changed(register: Register, kind: Kind) -> None:
    fields = {"basis": "Utvidet avtale", "phase": "national", "why": "Utprøvingen er over"}
    assert await refused(register, Asked(kind, fields, 0)) == (404, "number")
    number = await saved(register, opening(until="2026-11-24"))
    assert await refused(register, Asked(kind, fields, number), NOW + timedelta(days=2)) == (409, "ended")


async def test_what_has_not_begun_is_not_widened_and_no_end_is_put_off_by_closing(register: Register) -> None:
    number = await saved(register, opening(since="2026-12-01", until="2026-12-31"))
    widening = Asked("widen", {"phase": "national", "basis": "Utvidet avtale"}, number)
    assert await refused(register, widening) == (409, "coming")
    for at in ("2027-01-05", "2026-11-01"):
        assert await refused(register, Asked("close", {"at": at, "why": "Utprøvingen er over"}, number)) == (400, "at")


async def test_an_organisation_that_no_register_has_is_taken_in_and_said_to_be_unknown(register: Register) -> None:
    change: Change = (await register.save(OPERATOR, opening(organisation="974749025"), NOW, "c-1"))[1]
    assert change.reach is None
