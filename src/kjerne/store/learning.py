"""Permissions to learn from the people of a store, and who these people are: keys alone, for whom the law is asked one by one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from kjerne.store.pool import Connection

State = Literal["in force", "over", "ended"]


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission. `who` learns, on which `ground`; in force in [at, until), where nobody has ended it. `export` is the number
    of the export that it stands on."""

    number: int
    at: datetime
    until: datetime
    who: str
    ground: str
    made_by: str
    export: int
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_why: str = ""

    def state(self, now: datetime) -> State:
        if self.ended_at is not None:
            return "ended"
        return "in force" if now < self.until else "over"


class Count(NamedTuple):
    """How many people a store holds who are not deleted: real ones, or such as nobody said are made up, and made-up ones."""

    real: int
    made_up: int


_COLUMNS: Final = "number, at, until, who, ground, made_by, export, ended_at, ended_by, ended_why"


_BEGIN: Final = """SELECT p.patient FROM person p WHERE p.patient > $1 AND p.wrapped_key IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM unnest(p.linked) other WHERE other < p.patient)"""
_END: Final = " ORDER BY p.patient LIMIT $2"
_EVERYBODY: Final = f"{_BEGIN}{_END}"
_MADE_UP: Final = f"""{_BEGIN} AND p.synthetic
  AND NOT EXISTS (SELECT 1 FROM person q WHERE q.patient = ANY(p.linked) AND NOT q.synthetic){_END}"""


async def add(
    conn: Connection, who: str, ground: str, made_by: str, export: int, at: datetime, until: datetime
) -> Permission:
    """A new permission, in force at once."""
    found = Permission(secrets.randbits(53), at, until, who, ground, made_by, export)
    await conn.execute(
        "INSERT INTO learning_permission (number, at, until, who, ground, made_by, export) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        found.number, at, until, who, ground, made_by, export,
    )  # fmt: skip
    return found


async def one(conn: Connection, number: int) -> Permission | None:
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM learning_permission WHERE number = $1", number)
    return Permission(*row) if row else None


async def listed(conn: Connection, limit: int) -> list[Permission]:
    """Newest first."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM learning_permission ORDER BY at DESC, number LIMIT $1", limit)
    return [Permission(*row) for row in rows]


async def end(conn: Connection, number: int, by: str, why: str, at: datetime) -> bool:
    """Ends one that is in force; whether there was one."""
    told = await conn.fetchval(
        "UPDATE learning_permission SET ended_at = $2, ended_by = $3, ended_why = $4 "
        "WHERE number = $1 AND ended_at IS NULL AND until > $2 RETURNING number",
        number, at, by, why,
    )  # fmt: skip
    return told is not None


async def count(conn: Connection) -> Count:
    row = await conn.fetchrow(
        "SELECT count(*) FILTER (WHERE NOT synthetic), count(*) FILTER (WHERE synthetic) FROM person "
        "WHERE wrapped_key IS NOT NULL"
    )
    return Count(*row) if row else Count(0, 0)


async def people(conn: Connection, after: int, limit: int, *, made_up: bool) -> list[int]:
    """Person keys behind one, in order: of linked keys the lowest alone, since a grant opens all of them.
    `made_up`: nobody else."""
    rows = await conn.fetch(_MADE_UP if made_up else _EVERYBODY, after, limit)
    return [row[0] for row in rows]
