"""Exports as they were asked for and approved: rows about work, none about a patient."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kjerne.access import Caller
from kjerne.store.pool import Connection

PATIENTS_IN_A_FILE: Final = 20
"""A file is made whole in memory when it is fetched."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export. `approvals` are the names of who approved it; `files` how many there are of each type once it is open."""

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
    approvers: tuple[bytes, ...]
    approvals: tuple[str, ...]
    files: int


_ROWS = """
SELECT e.number, e.at, e.client, e.asked_by, e.author, e.ground, e.recipient, e.types, e.opened_at, e.ended_at,
  (SELECT coalesce(array_agg(a.person ORDER BY a.at), '{}') FROM export_approval a WHERE a.export = e.number),
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
        "INSERT INTO export (number, at, client, asked_by, author, ground, recipient, types) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        number, at, caller.client, caller.digest, author, ground, recipient, types,
    )  # fmt: skip
    return number


async def one(conn: Connection, number: int) -> Export | None:
    row = await conn.fetchrow(_ONE, number)
    return _typed(tuple(row)) if row else None


async def listed(conn: Connection, limit: int) -> list[Export]:
    """Newest first."""
    return [_typed(tuple(row)) for row in await conn.fetch(_LISTED, limit)]


async def approve(conn: Connection, number: int, person: bytes, name: str, at: datetime, wanted: int) -> None:
    """One person's approval; with the last that is wanted the files are laid out. Holds the export's row (in a transaction)."""
    await conn.execute("SELECT 1 FROM export WHERE number = $1 FOR UPDATE", number)
    await conn.execute(
        "INSERT INTO export_approval (export, person, name, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        number, person, name, at,
    )  # fmt: skip
    await conn.execute(_OPEN, number, at, wanted, PATIENTS_IN_A_FILE)


_OPEN = """
UPDATE export SET opened_at = $2, upper = coalesce((
  SELECT array_agg(k.patient ORDER BY k.patient) FROM (
    SELECT patient, row_number() OVER (ORDER BY patient) AS n, count(*) OVER () AS total FROM person
    WHERE wrapped_key IS NOT NULL) k
  WHERE k.n % $4 = 0 OR k.n = k.total), '{}')
WHERE number = $1 AND opened_at IS NULL AND (SELECT count(*) FROM export_approval WHERE export = $1) >= $3"""


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
    number, at, client, asked_by, author, ground, recipient, types, opened, ended, approvers, approvals, files = row
    return Export(
        number, at, client, asked_by, author, ground, recipient, tuple(types), opened, ended, tuple(approvers),
        tuple(approvals), files,
    )  # fmt: skip
