"""The register of participation: which organisation takes part in which service, as source or consumer, where and when.

Rows are added and ended, never changed; what is widened is ended and begun anew, so the history is whole. Who takes part
is remembered by each worker for at most `REMEMBERED_SECONDS`: one small look at the register's stamp lets everything
that was remembered stand or fall, so a closing holds on all workers within that time. Where the database does not
answer, nobody takes part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from kjerne.access import Caller, Part
from kjerne.exchange import Asks, Joined
from kjerne.fhir.match import fold
from kjerne.store import registers
from kjerne.store.pool import Connection, Pool

REMEMBERED_SECONDS: Final = 2
REMEMBERED: Final = 20_000
"""Places (organisation and point of care) that a worker remembers the participation of."""
CALLERS_REMEMBERED: Final = 1_000

Role = Literal["source", "consumer"]
_Place = tuple[tuple[Part, ...], frozenset[str], frozenset[str]]
"""A place's rows, and the units above and below it."""
Phase = Literal["pilot", "rollout", "national"]


@dataclass(frozen=True, slots=True)
class Participation:
    """One row; in force in [since, until). `areas` are municipalities and counties by number, empty for everywhere."""

    number: int
    organisation: str
    service: str
    part: Role
    areas: tuple[str, ...]
    phase: Phase
    since: datetime
    until: datetime | None
    basis: str
    made_by: str
    made_at: datetime
    ended_by: str = ""
    ended_at: datetime | None = None
    ended_why: str = ""
    widens: int | None = None

    def is_in_force(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)

    def is_over(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now


_COLUMNS: Final = (
    "number, organisation, service, part, areas, phase, since, until, basis, made_by, made_at, ended_by, ended_at, "
    "ended_why, widens"
)

# UNION and not UNION ALL: a register in which two units lie below each other ends all the same.
_PARTS: Final = """
WITH RECURSIVE above AS (
  SELECT o.number, o.parent FROM organisation o WHERE o.number = $2
  UNION SELECT o.number, o.parent FROM organisation o JOIN above a ON o.number = a.parent
), place AS (
  SELECT coalesce((SELECT municipality FROM organisation WHERE number = $2), '') AS municipality
)
SELECT p.service, p.part, p.since, p.until,
  p.areas = '{}' OR place.municipality = ANY(p.areas) OR left(place.municipality, 2) = ANY(p.areas)
FROM participation p, place WHERE p.organisation = $1 OR ($1 IN (SELECT number FROM above)
  AND p.organisation IN (SELECT number FROM above))"""


async def parts(pool: Pool | Connection, organisation: str, point_of_care: str) -> tuple[Part, ...]:
    """Every row that names the legal entity, or the point of care or a unit above it, and whether it covers the place.

    A unit that the register of organisations does not have below the legal entity lends it nothing.
    """
    rows = await pool.fetch(_PARTS, organisation, point_of_care or organisation)
    return tuple(Part(*row) for row in rows)


class Takers:
    """What one worker knows of who takes part."""

    def __init__(self, pool: Pool, ticks: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._ticks = ticks
        self._stamp: int | None = None
        self._changes = 0
        """Times that something new was noticed: answers to looks can overtake each other, this only grows."""
        self._looked_at = float("-inf")
        self._known: dict[tuple[str, str], _Place] = {}
        # The caller of a token is one value for as long as the token is remembered; it is copied once.
        self._told: dict[int, tuple[Caller, Caller]] = {}

    async def told(self, caller: Caller, joined: Joined | None = None) -> Caller:
        """The caller with what the registers have of her organisation; a citizen needs none, and has none.

        A transaction (`joined`) never waits for a connection of the pool: whoever holds those may wait for it.
        """
        if caller.kind == "citizen" or not caller.organisation:
            return caller
        if self._ticks() - self._looked_at >= REMEMBERED_SECONDS:
            await self._look(joined or self._pool)
        before = self._told.get(id(caller))
        if before is not None and before[0] is caller:
            return before[1]
        place = caller.organisation, caller.point_of_care
        known = self._known.get(place)
        if known is None:
            changes = self._changes
            async with (joined or self._pool).acquire() as conn:
                known = await parts(conn, *place), *await registers.around(conn, *place)
            # Kept only if no change was noticed meanwhile: what was read may be from before it.
            if changes != self._changes:
                return _placed(caller, known)
            _keep(self._known, place, known, REMEMBERED)
        told = _placed(caller, known)
        _keep(self._told, id(caller), (caller, told), CALLERS_REMEMBERED)
        return told

    async def _look(self, asked: Asks) -> None:
        begun = self._ticks()
        async with asked.acquire() as conn:
            stamp = int(await conn.fetchval("SELECT stamp FROM participation_stamp"))
        if stamp != self._stamp:
            self._known.clear()
            self._told.clear()
            self._stamp = stamp
            self._changes += 1
        self._looked_at = max(self._looked_at, begun)


def _placed(caller: Caller, known: _Place) -> Caller:
    return replace(caller, parts=known[0], above=known[1], below=known[2])


def _keep(memory: dict[Any, Any], key: Any, value: Any, limit: int) -> None:
    """Puts it in, and what was put in first out where there are more."""
    if len(memory) >= limit:
        del memory[next(iter(memory))]
    memory[key] = value


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are listed; what is empty asks for all. `name`: of the organisation, by words that stand in it, in any order
    and without case and accents; or how its number begins."""

    service: str = ""
    part: str = ""
    phase: str = ""
    organisation: str = ""
    state: Literal["", "in-force", "coming", "ended"] = ""
    name: str = ""


_NAMES: Final = """
SELECT DISTINCT p.organisation, coalesce(o.name, '') FROM participation p LEFT JOIN organisation o ON o.number = p.organisation"""
_LISTED: Final = f"""
SELECT {_COLUMNS} FROM participation
WHERE ($1 = '' OR service = $1) AND ($2 = '' OR part = $2) AND ($3 = '' OR phase = $3) AND ($4 = '' OR organisation = $4)
  AND ($9::text[] IS NULL OR organisation = ANY($9))
  AND CASE $5 WHEN 'in-force' THEN since <= $6 AND (until IS NULL OR $6 < until)
    WHEN 'coming' THEN since > $6 AND (until IS NULL OR since < until) WHEN 'ended' THEN until <= $6 OR since = until
    ELSE true END
ORDER BY number DESC LIMIT $7 OFFSET $8"""


async def listed(
    conn: Connection, wanted: Wanted, now: datetime, limit: int, skipped: int = 0
) -> tuple[Participation, ...]:
    """Rows of the register, newest first."""
    asked = wanted.service, wanted.part, wanted.phase, wanted.organisation, wanted.state
    named = await _named(conn, wanted.name) if wanted.name.strip() else None
    rows = await conn.fetch(_LISTED, *asked, now, limit, skipped, named)
    return tuple(_row(row) for row in rows)


async def _named(conn: Connection, name: str) -> list[str]:
    """Numbers of the register's organisations that a name is of. They are some thousands at most, and a database of any locale
    folds Norwegian letters as we do."""
    words = fold(name).split()
    rows = await conn.fetch(_NAMES)
    return [row[0] for row in rows if row[0].startswith(name.strip()) or all(one in fold(row[1]) for one in words)]


_CHAIN: Final = f"""
WITH RECURSIVE before AS (
  SELECT p.* FROM participation p WHERE p.number = $1
  UNION SELECT p.* FROM participation p JOIN before b ON p.number = b.widens
), whole AS (
  SELECT b.* FROM before b UNION SELECT p.* FROM participation p JOIN whole w ON p.widens = w.number
)
SELECT {_COLUMNS} FROM whole ORDER BY number"""


async def chain(conn: Connection, number: int) -> tuple[Participation, ...]:
    """The row, what it was widened from and what it was widened to, oldest first; empty where there is none."""
    return tuple(_row(row) for row in await conn.fetch(_CHAIN, number))


async def same_place(conn: Connection, organisation: str, service: str, part: Role) -> tuple[Participation, ...]:
    """Everything the register has of an organisation in one role of one service."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM participation WHERE organisation = $1 AND service = $2 AND part = $3 ORDER BY number",
        organisation, service, part,
    )  # fmt: skip
    return tuple(_row(row) for row in rows)


_ADD: Final = """
INSERT INTO participation (organisation, service, part, areas, phase, since, until, basis, made_by, made_at, widens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING number"""


async def add(conn: Connection, rows: Sequence[Participation]) -> list[int]:
    """Writes new rows and gives their numbers."""
    return [
        await conn.fetchval(
            _ADD, one.organisation, one.service, one.part, list(one.areas), one.phase, one.since, one.until,
            one.basis, one.made_by, one.made_at, one.widens,
        )
        for one in rows
    ]  # fmt: skip


async def end(conn: Connection, number: int, until: datetime, by: str, at: datetime, why: str) -> None:
    """Gives a row its end; nothing else of a row is ever changed, and the database holds the program to it."""
    await conn.execute(
        "UPDATE participation SET until = $2, ended_by = $3, ended_at = $4, ended_why = $5 WHERE number = $1",
        number, until, by, at, why,
    )  # fmt: skip


async def counts(conn: Connection, now: datetime) -> dict[str, int]:
    """Organisations that take part now, by role."""
    rows = await conn.fetch(
        "SELECT part, count(DISTINCT organisation) FROM participation "
        "WHERE since <= $1 AND (until IS NULL OR $1 < until) GROUP BY part",
        now,
    )
    return {row[0]: row[1] for row in rows}


async def is_empty(conn: Connection) -> bool:
    """Whether nobody has ever taken part."""
    return not await conn.fetchval("SELECT EXISTS (SELECT FROM participation)")


@dataclass(frozen=True, slots=True)
class Reach:
    """An organisation of the register and how far its participation reaches: `covered` of its `units` (itself included)."""

    name: str
    units: int
    covered: int


_REACH: Final = """
WITH RECURSIVE below AS (
  SELECT o.number, o.municipality FROM organisation o WHERE o.number = $1
  UNION SELECT o.number, o.municipality FROM organisation o JOIN below b ON o.parent = b.number
)
SELECT (SELECT name FROM organisation WHERE number = $1), count(*),
  count(*) FILTER (WHERE $2::text[] = '{}' OR municipality = ANY($2) OR left(municipality, 2) = ANY($2))
FROM below"""


async def reach(conn: Connection, organisation: str, areas: Sequence[str]) -> Reach | None:
    """Whom a row names and how many units it covers; None where the register of organisations has no such number."""
    row = await conn.fetchrow(_REACH, organisation, list(areas))
    return Reach(row[0], row[1], row[2]) if row and row[0] is not None else None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One organisation that takes part as a source now, as the pages tell it."""

    name: str
    phase: Phase
    areas: tuple[str, ...]
    since: datetime


async def sources(pool: Pool, service: str, now: datetime) -> tuple[SourceRow, ...]:
    """Who takes part as a source of a service now, by name."""
    rows = await pool.fetch(
        "SELECT coalesce(o.name, p.organisation), p.phase, p.areas, p.since FROM participation p "
        "LEFT JOIN organisation o ON o.number = p.organisation WHERE p.service = $1 AND p.part = 'source' "
        "AND p.since <= $2 AND (p.until IS NULL OR $2 < p.until) ORDER BY 1, p.number",
        service, now,
    )  # fmt: skip
    return tuple(SourceRow(row[0], row[1], tuple(row[2]), row[3]) for row in rows)


# Whoever answers for a legal entity answers for its units, and a unit takes part through what stands above it.
_AMONG: Final = """
WITH RECURSIVE above AS (
  SELECT n.number AS own, n.number FROM unnest($1::text[]) AS n(number)
  UNION SELECT a.own, o.parent FROM organisation o JOIN above a ON o.number = a.number WHERE o.parent <> ''
), below AS (
  SELECT n.number AS own, n.number FROM unnest($1::text[]) AS n(number)
  UNION SELECT b.own, o.number FROM organisation o JOIN below b ON o.parent = b.number
)
SELECT DISTINCT a.own FROM (SELECT own, number FROM above UNION SELECT own, number FROM below) a
JOIN participation p ON p.organisation = a.number
WHERE p.service = $2 AND p.part = 'source' AND p.since <= $3 AND (p.until IS NULL OR $3 < p.until)"""


async def sources_among(
    conn: Connection, organisations: Collection[str], service: str, now: datetime
) -> frozenset[str]:
    """Those of these organisations that take part as a source now, somewhere: themselves, by a unit above or one of their own."""
    return frozenset(row[0] for row in await conn.fetch(_AMONG, sorted(organisations), service, now))


async def is_source(conn: Connection, caller: Caller, service: str, now: datetime) -> bool:
    """Whether a caller takes part as a source now, where she works: by the rows that the law looks at."""
    rows = await parts(conn, caller.organisation, caller.point_of_care)
    return any(
        (row.service, row.part, row.here) == (service, "source", True)
        and row.since <= now
        and (row.until is None or now < row.until)
        for row in rows
    )


def _row(row: Any) -> Participation:
    return Participation(**{**row, "areas": tuple(row["areas"])})
