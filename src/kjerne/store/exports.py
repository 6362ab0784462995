"""Exports as they were asked for and approved: rows about work, none about a patient."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from kjerne.access import Caller
from kjerne.store import approvers
from kjerne.store.approvers import Signature, humans
from kjerne.store.pool import Connection

APPROVALS: Final = 2
"""Of humans, neither of them who asked."""
PATIENTS_IN_A_FILE: Final = 20
"""A file is made whole in memory when it is fetched."""
LIFE: Final = timedelta(days=7)
"""An export grows old so long after its last approval."""
State = Literal["waiting", "open", "refused", "withdrawn", "expired"]
STATES: Final[tuple[State, ...]] = get_args(State)


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's; `person` is her digest."""

    person: bytes
    name: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """One export, and its state at the moment it was read; `files` is how many there are of each type once it is open.

    `signed` are who asked for it and who approved it, and `missing` is how many approvals are wanted still, of humans who did
    not ask for it and are not one and the same as the register of persons has them now: a number that was linked since makes
    no second human, and the export waits again.
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
    files: int
    refused_at: datetime | None
    refused_by: str
    refused_why: str
    state: State
    approvals: tuple[Approval, ...]
    signed: tuple[Signature, ...] = ()
    missing: int = APPROVALS


_ROWS = """
SELECT * FROM (SELECT e.number, e.at, e.client, e.asked_by, e.author, e.ground, e.recipient, e.types, e.opened_at, e.ended_at,
  cardinality(e.upper), e.refused_at, e.refused_by, e.refused_why,
  CASE WHEN e.refused_at IS NOT NULL THEN 'refused' WHEN e.ended_at IS NOT NULL THEN 'withdrawn'
    WHEN e.opened_at IS NULL THEN 'waiting' WHEN e.opened_at + $2::interval <= $1::timestamptz THEN 'expired' ELSE 'open'
    END AS state,
  (SELECT coalesce(array_agg(ROW(a.person, a.name, a.at, a.why) ORDER BY a.at), '{}')
    FROM export_approval a WHERE a.export = e.number)
  FROM export e) one"""
_ONE = f"{_ROWS} WHERE number = $3"
_LISTED = f"{_ROWS} WHERE $3 = '' OR state = $3 ORDER BY at DESC, number LIMIT $4 OFFSET $5"


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


async def one(conn: Connection, number: int, now: datetime) -> Export | None:
    row = await conn.fetchrow(_ONE, now, LIFE, number)
    return await _counted(conn, _typed(tuple(row))) if row else None


async def listed(conn: Connection, now: datetime, limit: int, state: str = "", skipped: int = 0) -> list[Export]:
    """Newest first; those in one state, or all."""
    rows = await conn.fetch(_LISTED, now, LIFE, state, limit, skipped)
    return [await _counted(conn, _typed(tuple(row))) for row in rows]


async def _counted(conn: Connection, found: Export) -> Export:
    signed = await approvers.of_export(conn, found.number)
    missing = max(0, APPROVALS + 1 - len(humans(signed)))
    state = "waiting" if missing and found.state == "open" else found.state
    return replace(found, signed=signed, missing=missing, state=state)


async def hold(conn: Connection, number: int) -> None:
    """Holds the export's row, so that whoever else decides on it waits (in a transaction)."""
    await conn.execute("SELECT 1 FROM export WHERE number = $1 FOR UPDATE", number)


async def approve(conn: Connection, export: Export, caller: Caller, name: str, why: str, at: datetime) -> None:
    """One human's approval of an export that is held; with the last that is wanted the files are laid out."""
    await conn.execute(
        "INSERT INTO export_approval (export, person, hpr, name, at, why) VALUES ($1, $2, $3, $4, $5, $6)",
        export.number, caller.digest, caller.hpr, name, at, why,
    )  # fmt: skip
    if export.missing <= 1:
        await conn.execute(_OPEN, export.number, at, PATIENTS_IN_A_FILE)


_OPEN = """
UPDATE export SET opened_at = $2, upper = coalesce((
  SELECT array_agg(k.patient ORDER BY k.patient) FROM (
    SELECT patient, row_number() OVER (ORDER BY patient) AS n, count(*) OVER () AS total FROM person
    WHERE wrapped_key IS NOT NULL) k
  WHERE k.n % $3 = 0 OR k.n = k.total), '{}')
WHERE number = $1 AND opened_at IS NULL"""


async def refuse(conn: Connection, number: int, name: str, why: str, at: datetime) -> None:
    """It is refused for good, by whom and why; an export that is held."""
    await conn.execute(
        "UPDATE export SET refused_at = $2, refused_by = $3, refused_why = $4 WHERE number = $1", number, at, name, why
    )


async def people(conn: Connection) -> int:
    """How many persons an export could hold, before anybody's choice: each human once."""
    return int(
        await conn.fetchval(
            "SELECT count(*) FROM person p WHERE p.wrapped_key IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM unnest(p.linked) other WHERE other < p.patient)"
        )
    )


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
    *values, approvals = row
    values[7] = tuple(values[7])
    return Export(*values, tuple(Approval(*one) for one in approvals))  # type: ignore[call-arg]  # as many as it has
