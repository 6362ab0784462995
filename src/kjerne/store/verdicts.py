"""What came of each reading that stands out: added to and never changed, naming a line of the log and no patient."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from typing import Final, Literal, get_args
from uuid import UUID

from kjerne.store.pool import Connection

Verdict = Literal["in-order", "to-ask", "reported"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Noted:
    """One verdict on a line, by whom; `step` counts them."""

    step: int
    verdict: Verdict
    at: datetime
    author: str


def line_of_day(day: date, hpr: str, organisation: str) -> UUID:
    """The line that a practitioner's day is: the same each time the list is made."""
    return UUID(bytes=blake2b(f"{day}|{hpr}|{organisation}".encode(), digest_size=16).digest())


async def of_line(conn: Connection, line: UUID) -> tuple[Noted, ...]:
    """Every verdict on one line, oldest first."""
    rows = await conn.fetch("SELECT step, verdict, at, author FROM log_verdict WHERE line = $1 ORDER BY step", line)
    return tuple(Noted(*row) for row in rows)


async def latest(conn: Connection, lines: Collection[UUID]) -> dict[UUID, Noted]:
    """The verdict that stands, by line; nothing of a line that nobody has judged."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (line) line, step, verdict, at, author FROM log_verdict WHERE line = ANY($1::uuid[]) "
        "ORDER BY line, step DESC",
        list(lines),
    )
    return {row[0]: Noted(*tuple(row)[1:]) for row in rows}


_NOTE: Final = """
INSERT INTO log_verdict (line, step, verdict, at, person, author)
SELECT $1, $2::integer + 1, $3, $4, $5, $6
WHERE $2 = (SELECT coalesce(max(step), 0) FROM log_verdict WHERE line = $1)
ON CONFLICT DO NOTHING RETURNING step"""


async def note(
    conn: Connection, line: UUID, after: int, verdict: Verdict, at: datetime, person: bytes, author: str
) -> bool:
    """Adds a verdict behind step `after`; False where somebody else has been there since."""
    return await conn.fetchval(_NOTE, line, after, verdict, at, person, author) is not None
