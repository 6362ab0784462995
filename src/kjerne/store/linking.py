"""The links between person keys as a history, and what went over one of them: counts and places, never names of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from kjerne.access import OPENING, Grant
from kjerne.store import audit
from kjerne.store.chains import REPORT
from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

LOOKS_LIMIT: Final = 10_000
"""Rows of the log that are looked through for one link; more is said to be more."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link, in force in [at, undone_at). `one` and `other` are person keys and never leave the house."""

    number: int
    one: int
    other: int
    at: datetime
    made_by: str
    reason: str
    undone_at: datetime | None = None
    undone_by: str = ""
    undone_why: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One look that, by a link, opened records of the other person: by whom in general, when, and how many of each type."""

    at: datetime
    kind: str
    role: str
    organisation: str
    purpose: str
    types: tuple[tuple[int, int], ...]


_COLUMNS = "number, patient, other, at, made_by, reason, undone_at, coalesce(undone_by, '') AS undone_by, undone_why"
_LISTED = f"""
SELECT {_COLUMNS} FROM person_link WHERE ($1::timestamptz IS NULL OR at < $1) ORDER BY at DESC, number LIMIT $2"""
_ONE = f"SELECT {_COLUMNS} FROM person_link WHERE number = $1"


async def listed(conn: Connection, before: datetime | None, limit: int) -> list[Link]:
    """Links made before an instant, newest first, those that were undone too."""
    return [Link(*row) for row in await conn.fetch(_LISTED, before, limit)]


async def link(conn: Connection, number: int) -> Link | None:
    """One link by its number."""
    row = await conn.fetchrow(_ONE, number)
    return Link(*row) if row else None


_LOOKS = """
SELECT at, caller_kind, caller_role, organisation, purpose, patient, types, ids FROM audit
WHERE patient = ANY($1::bigint[]) AND at >= $2 AND at < $3 AND outcome = $4 AND action = ANY($5::text[])
  AND cardinality(ids) > 0 ORDER BY at, number LIMIT $6"""


async def shown_over(
    conn: Connection, grants: Sequence[Grant], sides: tuple[frozenset[int], frozenset[int]], since: datetime,
    until: datetime, ids: SealedIds,
) -> tuple[list[Shown], bool]:  # fmt: skip
    """The looks in [since, until) at one side's person that opened records of the other side's, oldest first; and whether
    there were more rows than are looked through. `grants` are those of both, each with its row in the log."""
    own = {key for grant in grants for key in grant.subject.keys}
    keys = sorted(key for key in (sides[0] | sides[1]) if key in own)
    rows = await conn.fetch(_LOOKS, keys, since, until, audit.GIVEN, sorted(OPENING), LOOKS_LIMIT + 1)
    found = []
    for at, kind, role, organisation, purpose, patient, types, names in map(tuple, rows[:LOOKS_LIMIT]):
        beyond = sides[1] if patient in sides[0] else sides[0]
        if over := _beyond(types, names, beyond, ids):
            found.append(Shown(at, kind, role, organisation, purpose, over))
    return found, len(rows) > LOOKS_LIMIT


def _beyond(
    types: Sequence[int], names: Sequence[UUID], beyond: frozenset[int], ids: SealedIds
) -> tuple[tuple[int, int], ...]:
    """(type, how many) of the records that lie with a person of the other side."""
    over = [type_ for type_, name in zip(types, names, strict=True) if ids.patient(name) in beyond]
    return tuple((type_, over.count(type_)) for type_ in sorted(set(over)))


async def stamp_of(conn: Connection, keys: frozenset[int]) -> int:
    """The stamp of one side of a link alone. Call while the rows are held."""
    rows = await conn.fetch("SELECT stamp FROM person WHERE patient = ANY($1::bigint[])", sorted(keys))
    return sum(row["stamp"] for row in rows)


async def reports_of(conn: Connection, key: int) -> list[bytes]:
    """The chains of laboratory reports that lie under a key."""
    rows = await conn.fetch("SELECT digest FROM locator WHERE kind = $1 AND patient = $2", REPORT, key)
    return [row["digest"] for row in rows]


async def persons_by(conn: Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    """The person keys that these numbers were registered under, without any link."""
    rows = await conn.fetch(
        "SELECT digest, patient FROM person_identifier WHERE digest = ANY($1::bytea[]) ORDER BY valid_to IS NULL, valid_from",
        list(digests),
    )
    return {row["digest"]: row["patient"] for row in rows}


async def sides(conn: Connection, of: Link) -> tuple[frozenset[int], frozenset[int]]:
    """The person keys on either side of a link, by all other links in force; the same set twice where these join them."""
    return await _joined(conn, of.one, of.number), await _joined(conn, of.other, of.number)


_NEIGHBOURS = """
SELECT patient, other FROM person_link WHERE undone_at IS NULL AND number <> $2
  AND (patient = ANY($1::bigint[]) OR other = ANY($1::bigint[]))"""


async def _joined(conn: Connection, key: int, but: int) -> frozenset[int]:
    reached, frontier = {key}, {key}
    while frontier:
        rows = await conn.fetch(_NEIGHBOURS, sorted(frontier), but)
        frontier = {end for row in rows for end in row} - reached
        reached |= frontier
    return frozenset(reached)
