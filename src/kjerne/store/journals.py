"""Journals that are asked: how each stands, and what they have said is new and was not fetched yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.store.pool import Connection, Pool

LEASE: Final = timedelta(minutes=2)
"""For so long whoever has taken something has it alone; if it is not settled by then it is taken again."""


class Look(NamedTuple):
    """A journal to be looked after: its subscription there, how often that failed, and until when it was swept."""

    name: str
    subscription: str
    tries: int
    swept_to: datetime | None


class News(NamedTuple):
    """What is new in a journal. `noted` is how often it was said when it was taken."""

    journal: str
    address: str
    number: int
    noted: int
    since: datetime
    tries: int


class Dead(NamedTuple):
    """What was given up, and why."""

    number: int
    journal: str
    address: str
    since: datetime
    tries: int
    fault: str
    dead_at: datetime


class State(NamedTuple):
    """How a journal stands: whether it is subscribed to, what is wrong, what waits and what was given up."""

    journal: str
    subscribed: bool
    fault: str
    tries: int
    waiting: int
    dead: int


async def note(conn: Pool | Connection, journal: str, addresses: Collection[str], now: datetime) -> None:
    """What a journal says is new: taken at once, also where it had been given up."""
    await conn.execute(
        "INSERT INTO journal_news (journal, address, since, due_at) SELECT $1, a, $3, $3 FROM unnest($2::text[]) AS a "
        "ON CONFLICT (journal, address) DO UPDATE SET noted = journal_news.noted + 1, due_at = $3, tries = 0, dead_at = NULL, "
        "since = CASE WHEN journal_news.dead_at IS NULL THEN journal_news.since ELSE $3 END",
        journal, sorted(addresses), now,
    )  # fmt: skip


async def begin(pool: Pool, names: Sequence[str], now: datetime) -> None:
    """Those of the file are looked after."""
    await pool.execute(
        "INSERT INTO journal (name, due_at) SELECT n, $2 FROM unnest($1::text[]) AS n ON CONFLICT DO NOTHING",
        list(names), now,
    )  # fmt: skip


async def sweep_now(pool: Pool, name: str, now: datetime) -> None:
    """A journal that says that something is new, and not what, is looked through."""
    await pool.execute("UPDATE journal SET due_at = $2 WHERE name = $1", name, now)


async def to_look_after(pool: Pool, names: Sequence[str], now: datetime) -> Look | None:
    """One whose time it is, taken for a while."""
    row = await pool.fetchrow(
        "UPDATE journal j SET due_at = $3 FROM (SELECT name FROM journal WHERE name = ANY($1::text[]) AND due_at <= $2 "
        "ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) t WHERE j.name = t.name "
        "RETURNING j.name, j.subscription, j.tries, j.swept_to",
        list(names), now, now + LEASE,
    )  # fmt: skip
    return Look(*tuple(row)) if row else None


async def looked_after(
    pool: Pool, name: str, subscription: str, fault: str, tries: int, due_at: datetime, swept_to: datetime | None
) -> None:
    """What came of it."""
    await pool.execute(
        "UPDATE journal SET subscription = $2, fault = $3, tries = $4, due_at = $5, swept_to = coalesce($6, swept_to) "
        "WHERE name = $1", name, subscription, fault, tries, due_at, swept_to,
    )  # fmt: skip


async def next_due(pool: Pool, names: Sequence[str], now: datetime) -> News | None:
    """One that is to be fetched now, taken for a while."""
    row = await pool.fetchrow(
        "UPDATE journal_news n SET due_at = $3 FROM (SELECT journal, address FROM journal_news WHERE journal = ANY($1::text[]) "
        "AND due_at <= $2 AND dead_at IS NULL ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) t "
        "WHERE n.journal = t.journal AND n.address = t.address "
        "RETURNING n.journal, n.address, n.number, n.noted, n.since, n.tries",
        list(names), now, now + LEASE,
    )  # fmt: skip
    return News(*tuple(row)) if row else None


async def done(pool: Pool, one: News, now: datetime) -> None:
    """It is filed; where it was said again meanwhile it is fetched once more."""
    gone = await pool.execute(
        "DELETE FROM journal_news WHERE journal = $1 AND address = $2 AND noted = $3",
        one.journal,
        one.address,
        one.noted,
    )
    if gone == "DELETE 0":
        await pool.execute(
            "UPDATE journal_news SET due_at = $3 WHERE journal = $1 AND address = $2", one.journal, one.address, now
        )


async def again(pool: Pool, one: News, due_at: datetime, fault: str) -> None:
    """It could not be fetched or filed now."""
    await pool.execute(
        "UPDATE journal_news SET tries = tries + 1, due_at = $3, fault = $4 WHERE journal = $1 AND address = $2 AND noted = $5",
        one.journal, one.address, due_at, fault, one.noted,
    )  # fmt: skip


async def bury(pool: Pool, one: News, now: datetime, fault: str) -> None:
    """Given up until an operator runs it again or the journal says that it is new."""
    await pool.execute(
        "UPDATE journal_news SET tries = tries + 1, dead_at = $3, fault = $4 WHERE journal = $1 AND address = $2 AND noted = $5",
        one.journal, one.address, now, fault, one.noted,
    )  # fmt: skip


async def dead(conn: Connection, limit: int) -> list[Dead]:
    """What was given up, the oldest first."""
    rows = await conn.fetch(
        "SELECT number, journal, address, since, tries, fault, dead_at FROM journal_news WHERE dead_at IS NOT NULL "
        "ORDER BY dead_at, number LIMIT $1", limit,
    )  # fmt: skip
    return [Dead(*tuple(row)) for row in rows]


async def revive(conn: Connection, number: int, now: datetime) -> bool:
    """Runs again what was given up; False where nothing under that number was."""
    done_ = await conn.execute(
        "UPDATE journal_news SET dead_at = NULL, tries = 0, since = $2, due_at = $2 WHERE number = $1 AND dead_at IS NOT NULL",
        number, now,
    )  # fmt: skip
    return done_ != "UPDATE 0"


async def states(conn: Connection) -> list[State]:
    """How all stand, by name."""
    rows = await conn.fetch(
        "SELECT j.name, j.subscription <> '', j.fault, j.tries, count(n.*) FILTER (WHERE n.dead_at IS NULL), count(n.dead_at) "
        "FROM journal j LEFT JOIN journal_news n ON n.journal = j.name GROUP BY j.name ORDER BY j.name"
    )
    return [State(*tuple(row)) for row in rows]
