"""Exports as they were asked for and approved: rows about work. Whom one is of, where it is not of everybody, is sealed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, get_args

from kjerne.access import Caller
from kjerne.exchange import PatientRef
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
    request: str = "/fhir/R4/$export"
    since: datetime | None = None
    cohort: bytes | None = None
    people: int = 0
    testing: bool = False
    """The sandbox's test client's: it waits for nobody, and is of people who are made up."""
    checking: bool = False
    """Its records are held against the rules of today, and none of them leaves."""
    filters: tuple[str, ...] = ()
    """Searches (`Observation?code=...`) that say which records of a type leave, as they were written."""
    kind: str = "export"
    """What it is called in the log, before its number."""


class Asked(NamedTuple):
    """What an export is asked for: `cohort` is whom it is of, sealed by who asks, and `people` how many those are as they were
    named; None: everybody."""

    author: str
    ground: str
    recipient: str
    types: Sequence[int]
    request: str
    since: datetime | None
    cohort: bytes | None
    people: int
    testing: bool
    checking: bool = False
    filters: Sequence[str] = ()


_ROWS = f"""
SELECT * FROM (SELECT e.number, e.at, e.client, e.asked_by, e.author, e.ground, e.recipient, e.types, e.opened_at, e.ended_at,
  CASE WHEN e.cohort IS NULL THEN cardinality(e.upper) ELSE ceil(e.people / {PATIENTS_IN_A_FILE}.0)::integer END,
  e.refused_at, e.refused_by, e.refused_why,
  CASE WHEN e.refused_at IS NOT NULL THEN 'refused' WHEN e.ended_at IS NOT NULL THEN 'withdrawn'
    WHEN e.opened_at IS NULL THEN 'waiting' WHEN e.opened_at + $2::interval <= $1::timestamptz THEN 'expired' ELSE 'open'
    END AS state,
  (SELECT coalesce(array_agg(ROW(a.person, a.name, a.at, a.why) ORDER BY a.at), '{{}}')
    FROM export_approval a WHERE a.export = e.number),
  e.request, e.since, e.cohort, e.people, e.testing, e.checking, e.filters
  FROM export e) one"""
_ONE = f"{_ROWS} WHERE number = $3"
_LISTED = f"{_ROWS} WHERE $3 = '' OR state = $3 ORDER BY at DESC, number LIMIT $4 OFFSET $5"


async def add(conn: Connection, caller: Caller, asked: Asked, at: datetime) -> int:
    """A new export, which nobody has approved yet; its number. The test client's is open. Those that have grown old forget whom
    they named."""
    number = secrets.randbits(53)
    await conn.execute(_FORGET_OLD, at, LIFE)
    await conn.execute(
        "INSERT INTO export (number, at, client, asked_by, asked_hpr, author, ground, recipient, types, request, since, cohort, "
        "people, testing, checking, filters) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        number, at, caller.client, caller.digest, caller.hpr, asked.author, asked.ground, asked.recipient,
        list(asked.types), asked.request, asked.since, asked.cohort, asked.people, asked.testing,
        asked.checking, list(asked.filters),
    )  # fmt: skip
    if asked.testing:
        await conn.execute(_OPEN, number, at, PATIENTS_IN_A_FILE)
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
    missing = 0 if found.testing else max(0, APPROVALS + 1 - len(humans(signed)))
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
UPDATE export e SET opened_at = $2, upper = coalesce((
  SELECT array_agg(k.patient ORDER BY k.patient) FROM (
    SELECT patient, row_number() OVER (ORDER BY patient) AS n, count(*) OVER () AS total FROM person
    WHERE wrapped_key IS NOT NULL AND e.cohort IS NULL AND (synthetic OR NOT e.testing)) k
  WHERE k.n % $3 = 0 OR k.n = k.total), '{}')
WHERE number = $1 AND opened_at IS NULL"""


_FORGET: Final = "cohort = CASE WHEN cohort IS NULL THEN NULL ELSE ''::bytea END"
"""Of an export that is over nobody asks any more whom it named; that it named some stays."""
_FORGET_OLD: Final = f"UPDATE export SET {_FORGET} WHERE cohort <> '' AND opened_at + $2::interval <= $1"


async def refuse(conn: Connection, number: int, name: str, why: str, at: datetime) -> None:
    """It is refused for good, by whom and why; an export that is held."""
    await conn.execute(
        f"UPDATE export SET refused_at = $2, refused_by = $3, refused_why = $4, {_FORGET} WHERE number = $1",
        number,
        at,
        name,
        why,
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
    await conn.execute(f"UPDATE export SET ended_at = coalesce(ended_at, $2), {_FORGET} WHERE number = $1", number, at)


async def patients(conn: Connection, number: int, file: int) -> list[int]:
    """The person keys of one file, counted from 0; of linked keys the lowest alone, since a grant opens all of them."""
    rows = await conn.fetch(
        "SELECT p.patient FROM person p, export e WHERE e.number = $1 AND p.patient <= e.upper[$2 + 1] "
        "AND p.patient > coalesce(e.upper[$2], 0) AND p.wrapped_key IS NOT NULL AND (p.synthetic OR NOT e.testing) "
        "AND NOT EXISTS (SELECT 1 FROM unnest(p.linked) other WHERE other < p.patient) ORDER BY p.patient",
        number, file,
    )  # fmt: skip
    return [row[0] for row in rows]


# Whoever was named twice, or by two numbers, is in the file of where she was named first, under the lowest of her keys.
_NAMED: Final = """
SELECT found.patient FROM (
  SELECT DISTINCT ON (k.patient) k.patient, n.place
  FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS n(digest, key, place)
  JOIN LATERAL (SELECT n.key AS patient UNION SELECT i.patient FROM person_identifier i WHERE i.digest = n.digest) i ON true
  JOIN person p ON p.patient = i.patient, LATERAL (
    SELECT min(q.patient) AS patient FROM person q WHERE q.patient = ANY(p.patient || p.linked) AND q.wrapped_key IS NOT NULL) k
  ORDER BY k.patient, n.place) found
WHERE found.patient IS NOT NULL AND found.place > $3::bigint AND found.place <= $4::bigint ORDER BY found.place"""


async def named(conn: Connection, cohort: Sequence[PatientRef], file: int) -> list[int]:
    """As `patients`, of an export whose people were named: as many to a file as were named, whether they are known or not."""
    rows = await conn.fetch(
        _NAMED, [one.digest for one in cohort], [one.key for one in cohort], file * PATIENTS_IN_A_FILE,
        (file + 1) * PATIENTS_IN_A_FILE,
    )  # fmt: skip
    return [row[0] for row in rows]


def _typed(row: tuple[Any, ...]) -> Export:
    *values, approvals, request, since, cohort, people, testing, checking, filters = row
    values[7] = tuple(values[7])
    found = Export(*values, tuple(Approval(*one) for one in approvals))  # type: ignore[call-arg]  # as many as it has
    return replace(
        found, request=request, since=since, cohort=cohort, people=people, testing=testing, checking=checking,
        filters=tuple(filters),
    )  # fmt: skip
