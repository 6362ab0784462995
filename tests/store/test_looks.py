"""Which rows of a log its reader may know of, and which she asks for: what is shown, counted and offered agrees."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kjerne.access import Caller, Grant, Label
from kjerne.fhir.definitions import type_number
from kjerne.policy import insight
from kjerne.store import audit, log_pages
from kjerne.store.log_pages import Rows
from kjerne.store.looks import Place, Show, Sorting, Wanted

from .conftest import CALLER, NOW, Desk

SORTING: Final = Sorting({"ETREAT", "BTG"}, {"AKUTT"}, {"file", "write", "choose"}, {"trace"})
OTHER: Final = replace(CALLER, organisation="888888888", name="Siri Vik", hpr="9000002", digest=b"another-digest-1")
LAB: Final = Caller("system", "lab", frozenset(), name="Laboratoriet", organisation="777777777")
RELATIVE: Final = Caller("citizen", "portal", frozenset(), digest=b"relatives-digest", name="Tor", level=4)
PROXY: Final = Caller("citizen", "portal", frozenset(), digest=b"proxys-digest-12", name="Liv", level=4)


class Log:
    """One patient's log, written and read."""

    def __init__(self, desk: Desk, patient: int) -> None:
        self.desk, self.patient = desk, patient

    async def add(
        self, caller: Caller, action: str = "search", *, days: int = 0, ids: tuple[UUID, ...] = (), refused: bool = False,
        **changes: Any,
    ) -> None:  # fmt: skip
        grant = await self.desk.grant(self.patient, action, caller=caller, at=NOW - timedelta(days=days))
        row = audit.given(replace(grant, **changes))
        if refused:
            row = (*row[:3], audit.REFUSED, *row[4:])
        named = [(type_number("Observation"), id_, 1) for id_ in ids]
        async with self.desk.store.pool.acquire() as conn:
            await audit.insert(conn, row, named)

    async def grant(self, caller: Caller = CALLER, purpose: str = "PATRQT") -> Grant:
        grant = await self.desk.grant(self.patient, "insight", caller=caller, hides=Label.WITHHELD_FROM_CITIZEN)
        return replace(grant, purpose=purpose)

    async def page(
        self, wanted: Wanted | Show = "all", *, limit: int = 100, after: Place | None = None, grant: Grant | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> Rows:  # fmt: skip
        asked = wanted if isinstance(wanted, Wanted) else Wanted(show=wanted)
        grant = grant or await self.grant()
        # A page is read before its own row is there, but after those of earlier pages.
        asked = asked if asked.until else replace(asked, until=NOW)
        unseen = insight.unseen(grant, hidden)
        async with self.desk.store.pool.acquire() as conn, conn.transaction():
            return await log_pages.read(
                conn, grant, self.desk.store.wrap, asked, unseen, SORTING, after=after, limit=limit, choices=True
            )


@pytest.fixture
async def log(desk: Desk) -> Log:
    found = Log(desk, await desk.person())
    await Log(desk, await desk.person()).add(CALLER, days=1)
    await found.add(CALLER, days=1)
    await found.add(OTHER, days=2, purpose="ETREAT")
    await found.add(OTHER, days=3, refused=True)
    await found.add(LAB, "file", days=4)
    await found.add(RELATIVE, days=5)
    return found


def days(part: Rows) -> list[int]:
    return [(NOW - row["at"]).days for row in part.rows]


@pytest.mark.parametrize(
    ("show", "expected"),
    [("all", [1, 2, 3, 4, 5]), ("others", [1, 2, 3]), ("seen", [1, 2]), ("acute", [2]), ("refused", [3])],
)
async def test_what_was_done_is_asked_for(log: Log, show: Show, expected: list[int]) -> None:
    part = await log.page(show)
    assert (days(part), part.total) == (expected, len(expected))


async def test_a_period_is_half_open_and_an_organisation_is_one(log: Log) -> None:
    period = Wanted(NOW - timedelta(days=3), NOW - timedelta(days=1))
    assert days(await log.page(period)) == [2, 3]
    part = await log.page(replace(period, organisation="888888888", since=None))
    assert (days(part), part.total) == ([2, 3], 2)
    assert part.organisations == {"999999999", "888888888", "777777777"}, "all of the log, to choose from"
    assert part.services == {"results"}
    assert (await log.page(replace(period, service="maternity"))).total == 0


async def test_pages_meet_every_row_once_and_say_how_far_they_have_come(log: Log) -> None:
    for _ in range(4):
        await log.add(CALLER, days=2)  # of one moment: only their numbers tell them apart
    met: list[UUID] = []
    after = None
    while True:
        part = await log.page(limit=2, after=after)
        assert (part.newer, part.total) == (len(met), 9)
        if not part.rows:
            break
        met += [row["number"] for row in part.rows]
        after = Place(part.rows[-1]["at"], part.rows[-1]["number"])
    assert len(met) == len(set(met)) == 9


async def test_the_filing_of_what_is_hidden_is_neither_shown_nor_counted(log: Log) -> None:
    hidden, open_ = uuid4(), uuid4()
    await log.add(LAB, "file", days=6, ids=(hidden,))
    await log.add(LAB, "file", days=7, ids=(hidden, open_))
    await log.add(replace(LAB, organisation="666666666"), "file", days=8, ids=(hidden,))
    part = await log.page(hidden=frozenset({str(hidden)}))
    assert (days(part), part.total) == ([1, 2, 3, 4, 5, 7], 6)
    assert "666666666" not in part.organisations, "nor is where it came from"
    assert (await log.page()).total == 8


async def test_a_proxy_sees_no_other_proxies_and_a_parent_does(log: Log) -> None:
    await log.add(PROXY, days=6)
    as_proxy, as_parent = await log.grant(PROXY, "PWATRNY"), await log.grant(PROXY, "FAMRQT")
    assert days(await log.page(grant=as_proxy)) == [1, 2, 3, 4, 6]
    assert (await log.page(grant=as_proxy)).total == 5
    assert (await log.page(grant=as_parent)).total == 6


async def test_each_reading_of_the_log_is_itself_in_it(log: Log) -> None:
    await log.page()
    rows = await log.desk.store.pool.fetch(
        "SELECT at FROM audit WHERE patient = $1 AND action = 'insight'", log.patient
    )
    assert [row["at"] for row in rows] == [NOW]


async def test_one_row_is_found_by_its_place_and_by_nobody_elses_grant(log: Log) -> None:
    row = (await log.page("refused")).rows[0]
    place = Place(row["at"], row["number"])
    other = Log(log.desk, await log.desk.person())
    async with log.desk.store.pool.acquire() as conn:
        found = await log_pages.one(conn, await log.grant(), log.desk.store.wrap, place)
        assert found is not None
        assert found["number"] == row["number"]
        assert await log_pages.one(conn, await other.grant(), log.desk.store.wrap, place) is None


READERS: Final = ("the patient", "a parent", "a proxy", "a guardian", "a proxy of the patient herself", "the keeper")


async def reader(log: Log, who: str) -> Grant:
    """As the law gives it; a guardian reads for the same purpose as a proxy."""
    if who == "a parent":
        return await log.grant(RELATIVE, "FAMRQT")
    if who in ("a proxy", "a guardian"):
        return await log.grant(PROXY if who == "a proxy" else RELATIVE, "PWATRNY")
    if who == "the keeper":
        return await log.grant(LAB, "")
    grant = await log.grant(purpose="PATRQT" if who == "the patient" else "PWATRNY")
    subject = replace(grant.subject, caller_key=log.patient)
    return replace(grant, subject=subject, caller=replace(PROXY, digest=next(iter(subject.digests))))


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("shielded", [False, True])
async def test_what_is_true_of_a_row_is_true_of_what_is_shown_counted_and_offered(
    desk: Desk, who: str, shielded: bool
) -> None:
    log = Log(desk, await desk.person())
    hidden, open_ = uuid4(), uuid4()
    own = replace(CALLER, digest=next(iter((await log.grant()).subject.digests)))
    callers = (CALLER, own, replace(PROXY, digest=own.digest), RELATIVE, PROXY, LAB)
    for place, caller in enumerate(callers):
        for action in ("search", "file", "write", "correct", "choose", "handle"):
            for ids in ((), (hidden,), (open_,), (hidden, open_)):
                at = replace(caller, organisation=f"10000000{place}" if action == "search" else f"20000000{place}")
                await log.add(at, action, days=1, ids=ids)
    grant = await reader(log, who)
    if shielded:
        grant = replace(grant, subject=replace(grant.subject, protection="strengtFortrolig"))
    unseen = insight.unseen(grant, [str(hidden)])
    every = await desk.store.pool.fetch("SELECT * FROM audit WHERE patient = $1 AND action <> 'insight'", log.patient)
    known = [row for row in every if not unseen.holds(row)]
    part = await log.page(limit=200, grant=grant, hidden=frozenset({str(hidden)}))
    assert {row["number"] for row in part.rows} == {row["number"] for row in known}
    assert (part.total, len(every)) == (len(known), len(callers) * 24)
    stands_in = who in ("a proxy", "a guardian")
    assert ("handle" in {row["action"] for row in known}) is not stands_in
    told = insight.entries(
        [*map(dict, audit.worded(grant, desk.store.wrap, every))], grant, organisations={}, type_name=str,
        hidden={str(hidden)},
    )  # fmt: skip
    assert sorted(entry.origin.number for entry in told) == sorted(row["number"] for row in known)
    withheld = shielded and who in ("a parent", "a proxy", "a guardian")
    assert part.organisations == (set() if withheld else {row["organisation"] for row in known})
    assert all(entry.place_withheld == withheld for entry in told)


@pytest.mark.parametrize("show", ["all", "refused"])
async def test_places_that_are_withheld_are_neither_offered_nor_found_by_asking(log: Log, show: Show) -> None:
    grant = await log.grant(PROXY, "FAMRQT")
    grant = replace(grant, subject=replace(grant.subject, protection="fortrolig"))
    nothing = Wanted(show=show, since=NOW - timedelta(minutes=1))
    assert (await log.page(nothing, grant=grant)).organisations == set(), "also where no line shows that it is so"
    for organisation in ("888888888", "100000000"):
        part = await log.page(Wanted(show=show, organisation=organisation), grant=grant)
        assert (part.rows, part.total, part.newer) == ((), 0, 0)
    assert (await log.page(Wanted(show=show, organisation="888888888"))).total > 0


MANY: Final = 50_000


@pytest.mark.slow
async def test_the_oldest_page_of_a_very_long_log_is_as_quick_as_the_newest(log: Log) -> None:
    grant = await log.grant()
    columns = ", ".join(
        f"v.{name.strip()}" for name in audit.COLUMNS.split(",") if name.strip() not in ("at", "number")
    )
    values = ", ".join(f"${place}::{kind}" for place, kind in enumerate(audit.TYPES, 1))
    async with log.desk.store.pool.acquire() as conn:
        await conn.execute(
            f"INSERT INTO audit (at, number, {columns.replace('v.', '')}, types, ids, versions) "
            f"SELECT v.at - n * interval '7 minutes', gen_random_uuid(), {columns}, '{{}}', '{{}}', '{{}}' "
            f"FROM (VALUES ({values})) v ({audit.COLUMNS}), generate_series(1, {MANY}) n",
            *audit.given(grant),
        )
    oldest = Place(NOW - timedelta(minutes=7 * (MANY - 100)), UUID(int=2**128 - 1))

    async def seconds(after: Place | None) -> tuple[float, Rows]:
        begun = time.perf_counter()
        part = await log.page(limit=200, after=after)
        return time.perf_counter() - begun, part

    await seconds(None)
    (newest_took, newest), (oldest_took, last) = await seconds(None), await seconds(oldest)
    assert newest.total == last.total >= MANY
    assert len(last.rows) < 200
    assert max(newest_took, oldest_took) < 2, (newest_took, oldest_took)
