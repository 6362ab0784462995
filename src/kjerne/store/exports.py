"""Exports as they were asked for and approved: rows about work, none about a patient."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.store.pool import Connection

APPROVALS: Final = 2
"""Of humans, neither of them who asked."""
PATIENTS_IN_A_FILE: Final = 20
"""A file is made whole in memory when it is fetched."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export. `approvals` are the names of who approved it; `files` how many there are of each type once it is open.

    `missing` is how many approvals are wanted still, of humans who did not ask for it and are not one and the same as the
    register of persons has them now: a number that was linked since makes no second human.
    """

    number: int
    at: datetime
    client: str
    asked_by: bytes
    author: str
    ground: str
    recipient: str
    types: tuple[int, ...]
    opened_at: datetime | None
    ended_at: datetime | None
    approvals: tuple[str, ...]
    files: int
    missing: int = APPROVALS

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and not self.missing


_ROWS = """
SELECT e.number, e.at, e.client, e.asked_by, e.author, e.ground, e.recipient, e.types, e.opened_at, e.ended_at,
  (SELECT coalesce(array_agg(a.name ORDER BY a.at), '{}') FROM export_approval a WHERE a.export = e.number),
  cardinality(e.upper) FROM export e"""
_ONE = f"{_ROWS} WHERE e.number = $1"
_LISTED = f"{_ROWS} ORDER BY e.at DESC LIMIT $1"


async def add(
    conn: Connection, caller: Caller, author: str, ground: str, recipient: str, types: list[int], at: datetime
) -> int:
    """A new export, which nobody has approved yet; its number."""
    number = secrets.randbits(53)
    await conn.execute(
        "INSERT INTO export (number, at, client, asked_by, asked_hpr, author, ground, recipient, types) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        number, at, caller.client, caller.digest, caller.hpr, author, ground, recipient, types,
    )  # fmt: skip
    return number


async def one(conn: Connection, number: int) -> Export | None:
    row = await conn.fetchrow(_ONE, number)
    return await _counted(conn, _typed(tuple(row))) if row else None


async def listed(conn: Connection, limit: int) -> list[Export]:
    """Newest first."""
    return [await _counted(conn, _typed(tuple(row))) for row in await conn.fetch(_LISTED, limit)]


async def _counted(conn: Connection, found: Export) -> Export:
    asker, *approvers = await _signatures(conn, found.number)
    return replace(found, missing=max(0, APPROVALS - len(humans([asker, *approvers])) + 1))


@dataclass(frozen=True, slots=True)
class Signature:
    """Who asked for an export or approved it: the number she was logged in with, her HPR number, and the person keys that the
    number leads to now, with all that are linked to it."""

    digest: bytes
    hpr: str
    keys: frozenset[int] = frozenset()

    def is_the_same_human(self, other: Signature) -> bool:
        return bool(
            (self.digest and self.digest == other.digest)
            or (self.hpr.lstrip("0") and self.hpr.lstrip("0") == other.hpr.lstrip("0"))
            or self.keys & other.keys
        )


def humans(signatures: Sequence[Signature]) -> list[list[Signature]]:
    """The signatures of each human; the first of them is the first one's."""
    found: list[list[Signature]] = []
    for one in signatures:
        same = [group for group in found if any(one.is_the_same_human(other) for other in group)]
        joined = [other for group in same for other in group] + [one]
        place = found.index(same[0]) if same else len(found)
        found = [group for group in found if group not in same]
        found.insert(place, joined)
    return found


_SIGNED = """
SELECT n.digest, n.hpr, (SELECT coalesce(array_agg(k.key), '{}') FROM person_identifier i JOIN person p USING (patient),
  unnest(p.patient || p.linked) AS k(key) WHERE i.digest = n.digest AND n.digest <> '') FROM (
  SELECT asked_by AS digest, asked_hpr AS hpr, false AS approves, at FROM export WHERE number = $1
  UNION ALL SELECT person, hpr, true, at FROM export_approval WHERE export = $1) n ORDER BY n.approves, n.at"""
_OF_ONE = """
SELECT coalesce(array_agg(k.key), '{}') FROM person_identifier i JOIN person p USING (patient),
  unnest(p.patient || p.linked) AS k(key) WHERE i.digest = $1"""


async def _signatures(conn: Connection, number: int) -> list[Signature]:
    """Of who asked, and of who has approved."""
    return [Signature(row[0], row[1], frozenset(row[2])) for row in await conn.fetch(_SIGNED, number)]


async def approve(conn: Connection, number: int, caller: Caller, name: str, at: datetime) -> None:
    """One human's approval; with the last that is wanted the files are laid out. Holds the export's row (in a transaction).

    `Refusal` 403 for who asked, 409 for who has approved it already, under whichever of her numbers.
    """
    await conn.execute("SELECT 1 FROM export WHERE number = $1 FOR UPDATE", number)
    asker, *approvers = await _signatures(conn, number)
    own = Signature(caller.digest, caller.hpr, frozenset(await conn.fetchval(_OF_ONE, caller.digest)))
    of_her = next(group for group in humans([asker, *approvers, own]) if own in group)
    if asker in of_her:
        raise Refusal(403, "who asked for an export does not approve it", where="approve")
    if len(of_her) > 1:
        raise Refusal(409, "you have approved this export already", where="approve")
    await conn.execute(
        "INSERT INTO export_approval (export, person, hpr, name, at) VALUES ($1, $2, $3, $4, $5)",
        number, caller.digest, caller.hpr, name, at,
    )  # fmt: skip
    if len(humans([asker, *approvers, own])) > APPROVALS:
        await conn.execute(_OPEN, number, at, PATIENTS_IN_A_FILE)


_OPEN = """
UPDATE export SET opened_at = $2, upper = coalesce((
  SELECT array_agg(k.patient ORDER BY k.patient) FROM (
    SELECT patient, row_number() OVER (ORDER BY patient) AS n, count(*) OVER () AS total FROM person
    WHERE wrapped_key IS NOT NULL) k
  WHERE k.n % $3 = 0 OR k.n = k.total), '{}')
WHERE number = $1 AND opened_at IS NULL"""


async def end(conn: Connection, number: int, at: datetime) -> None:
    await conn.execute("UPDATE export SET ended_at = coalesce(ended_at, $2) WHERE number = $1", number, at)


async def patients(conn: Connection, number: int, file: int) -> list[int]:
    """The person keys of one file, counted from 0; of linked keys the lowest alone, since a grant opens all of them."""
    rows = await conn.fetch(
        "SELECT p.patient FROM person p, export e WHERE e.number = $1 AND p.patient <= e.upper[$2 + 1] "
        "AND p.patient > coalesce(e.upper[$2], 0) AND p.wrapped_key IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM unnest(p.linked) other WHERE other < p.patient) ORDER BY p.patient",
        number, file,
    )  # fmt: skip
    return [row[0] for row in rows]


def _typed(row: tuple[Any, ...]) -> Export:
    number, at, client, asked_by, author, ground, recipient, types, opened, ended, approvals, files = row
    return Export(
        number, at, client, asked_by, author, ground, recipient, tuple(types), opened, ended, tuple(approvals), files
    )
