"""Journals that are asked: how each stands, and what they have said is new and was not fetched yet.

Whoever takes something has it for a while and under a number, its lease. What comes of it is written only where that number still
stands: an answer to an older question is never filed over that to a newer one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.store.pool import Connection, Pool

LEASE: Final = timedelta(minutes=2)
"""For so long whoever has taken something has it alone; if it is not settled by then it is taken again."""
OLDER: Final = "it was written there before what is filed of it already"
"""The fault of what its source says it wrote earlier than what it gave before: filed where an operator has it fetched anew."""
MOVED: Final = (
    "its address is another than before: nothing is fetched until formerly names that one, or it has another name"
)


class Look(NamedTuple):
    """A journal to be looked after: its subscription there, how often that failed, and until when each type was looked through.
    `noted` is how often that was asked for when it was taken."""

    name: str
    subscription: str
    tries: int
    noted: int
    lease: int
    swept: Mapping[str, datetime]


class News(NamedTuple):
    """What is new in a journal. `noted` is how often it was said when it was taken, `gone_at` since when there is no such record
    there, and `believed` whether an operator has it filed though it is older than what is filed."""

    journal: str
    address: str
    number: int
    noted: int
    since: datetime
    tries: int
    lease: int
    gone_at: datetime | None
    believed: bool


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
    """How a journal stands: whether it is subscribed to, what is wrong, what waits and why, what was given up, how much nothing
    is filed of for now, when it last answered, and until when all of it was looked through."""

    journal: str
    subscribed: bool
    fault: str
    tries: int
    waiting: int
    dead: int
    why: str = ""
    aside: int = 0
    answered_at: datetime | None = None
    looked_to: datetime | None = None


async def note(conn: Pool | Connection, journal: str, addresses: Collection[str], now: datetime) -> None:
    """What a journal says is new: taken at once, also where it had been given up. What is in somebody's hands is taken again when
    those are done with it."""
    await conn.execute(
        "INSERT INTO journal_news (journal, address, since, due_at) SELECT $1, a, $3, $3 FROM unnest($2::text[]) AS a "
        "ON CONFLICT (journal, address) DO UPDATE SET noted = journal_news.noted + 1, tries = 0, dead_at = NULL, "
        "due_at = CASE WHEN journal_news.leased_until > $3 THEN journal_news.due_at ELSE $3 END, "
        "since = CASE WHEN journal_news.dead_at IS NULL AND NOT journal_news.aside THEN journal_news.since ELSE $3 END, "
        "aside = false",
        journal, sorted(addresses), now,
    )  # fmt: skip


async def begin(pool: Pool, systems: Mapping[str, str], now: datetime) -> list[str]:
    """Those of the file are looked after. `systems` is by name the address by which a journal's records are known; the names of
    those for whom that is the same as ever, the others being told of (`MOVED`)."""
    rows = await pool.fetch("SELECT name, system, fault FROM journal WHERE name = ANY($1::text[])", list(systems))
    known = {row["name"]: row for row in rows}
    new = [name for name in systems if name not in known or not known[name]["system"]]
    if new:
        await pool.execute(
            "INSERT INTO journal (name, system, due_at) SELECT n, s, $3 FROM unnest($1::text[], $2::text[]) AS t(n, s) "
            "ON CONFLICT (name) DO UPDATE SET system = excluded.system WHERE journal.system = ''",
            new, [systems[name] for name in new], now,
        )  # fmt: skip
    moved = [name for name, row in known.items() if row["system"] and row["system"] != systems[name]]
    if any(known[name]["fault"] != MOVED for name in moved):
        await pool.execute("UPDATE journal SET fault = $2, due_at = $3 WHERE name = ANY($1::text[])", moved, MOVED, now)
    return sorted(systems.keys() - set(moved))


async def sweep_now(pool: Pool, name: str, now: datetime) -> None:
    """A journal that says that something is new, and not what, is looked through, and what nothing could be filed of is asked for
    again."""
    await pool.execute(
        "UPDATE journal SET noted = noted + 1, due_at = CASE WHEN leased_until > $2 THEN due_at ELSE $2 END WHERE name = $1",
        name, now,
    )  # fmt: skip
    await pool.execute(
        "UPDATE journal_news SET due_at = $2, tries = 0 WHERE journal = $1 AND aside AND coalesce(leased_until <= $2, true)",
        name, now,
    )  # fmt: skip


async def to_look_after(pool: Pool, names: Sequence[str], now: datetime) -> Look | None:
    """One whose time it is, taken for a while."""
    row = await pool.fetchrow(
        "UPDATE journal j SET due_at = $3, leased_until = $3, lease = j.lease + 1 "
        "FROM (SELECT name FROM journal WHERE name = ANY($1::text[]) AND due_at <= $2 "
        "ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) t WHERE j.name = t.name "
        "RETURNING j.name, j.subscription, j.tries, j.noted, j.lease",
        list(names), now, now + LEASE,
    )  # fmt: skip
    if row is None:
        return None
    looks = await pool.fetch("SELECT type, swept_to FROM journal_look WHERE journal = $1", row["name"])
    name, subscription, tries, noted, lease = tuple(row)
    return Look(name, subscription, tries, noted, lease, {one["type"]: one["swept_to"] for one in looks})


async def go_on(pool: Pool, look: Look, now: datetime) -> bool:
    """Keeps a journal that is being looked through, and its subscription as it is by now; False where another has taken it
    meanwhile."""
    kept = await pool.execute(
        "UPDATE journal SET due_at = $3, leased_until = $3, subscription = $4 WHERE name = $1 AND lease = $2",
        look.name, look.lease, now + LEASE, look.subscription,
    )  # fmt: skip
    return kept != "UPDATE 0"


async def swept(pool: Pool, name: str, type_: str, to: datetime, now: datetime) -> None:
    """All of a type that was written there until then was asked for, and answered."""
    await pool.execute("UPDATE journal SET answered_at = $2 WHERE name = $1", name, now)
    await pool.execute(
        "INSERT INTO journal_look (journal, type, swept_to) VALUES ($1, $2, $3) ON CONFLICT (journal, type) "
        "DO UPDATE SET swept_to = greatest(journal_look.swept_to, excluded.swept_to)", name, type_, to,
    )  # fmt: skip


async def looked_after(
    pool: Pool, look: Look, subscription: str, fault: str, tries: int, due_at: datetime, now: datetime
) -> None:
    """What came of it; where it was asked for again meanwhile it is looked through once more."""
    await pool.execute(
        "UPDATE journal SET subscription = $3, fault = $4, tries = $5, leased_until = NULL, "
        "due_at = CASE WHEN noted = $6 THEN $7::timestamptz ELSE $8::timestamptz END WHERE name = $1 AND lease = $2",
        look.name, look.lease, subscription, fault, tries, look.noted, due_at, now,
    )  # fmt: skip


async def next_due(pool: Pool, names: Sequence[str], now: datetime) -> News | None:
    """One that is to be fetched now, taken for a while."""
    row = await pool.fetchrow(
        "UPDATE journal_news n SET due_at = $3, leased_until = $3, lease = n.lease + 1 "
        "FROM (SELECT journal, address FROM journal_news WHERE journal = ANY($1::text[]) "
        "AND due_at <= $2 AND dead_at IS NULL ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) t "
        "WHERE n.journal = t.journal AND n.address = t.address "
        "RETURNING n.journal, n.address, n.number, n.noted, n.since, n.tries, n.lease, n.gone_at, n.believed",
        list(names), now, now + LEASE,
    )  # fmt: skip
    return News(*tuple(row)) if row else None


async def still_held(conn: Connection, one: News) -> bool:
    """Whether what was taken is still in the same hands. Call in the transaction that files it: nobody else takes it before that
    is over."""
    row = await conn.fetchrow(
        "SELECT 1 FROM journal_news WHERE journal = $1 AND address = $2 AND lease = $3 FOR UPDATE",
        one.journal, one.address, one.lease,
    )  # fmt: skip
    return row is not None


async def done(pool: Pool, one: News, now: datetime) -> None:
    """It is filed; where it was said again meanwhile it is fetched once more."""
    await pool.execute("UPDATE journal SET answered_at = $2 WHERE name = $1", one.journal, now)
    gone = await pool.execute(
        "DELETE FROM journal_news WHERE journal = $1 AND address = $2 AND lease = $3 AND noted = $4",
        one.journal, one.address, one.lease, one.noted,
    )  # fmt: skip
    if gone == "DELETE 0":
        await pool.execute(
            "UPDATE journal_news SET due_at = $4, leased_until = NULL, gone_at = NULL, believed = false "
            "WHERE journal = $1 AND address = $2 AND lease = $3",
            one.journal, one.address, one.lease, now,
        )  # fmt: skip


async def again(
    pool: Pool, one: News, now: datetime, due_at: datetime, fault: str, *, gone_at: datetime | None = None, aside: bool = False
) -> None:  # fmt: skip
    """It could not be fetched or filed now: later again, or at once where it was said again meanwhile."""
    await pool.execute(
        "UPDATE journal_news SET leased_until = NULL, fault = $6, gone_at = $7, aside = $8, "
        "tries = CASE WHEN noted = $4 THEN tries + 1 ELSE 0 END, "
        "due_at = CASE WHEN noted = $4 THEN $5::timestamptz ELSE $9::timestamptz END "
        "WHERE journal = $1 AND address = $2 AND lease = $3",
        one.journal, one.address, one.lease, one.noted, due_at, fault, gone_at, aside, now,
    )  # fmt: skip


async def bury(pool: Pool, one: News, now: datetime, fault: str) -> None:
    """Given up until an operator runs it again or the journal says that it is new; where it has said so meanwhile it is fetched
    once more."""
    await pool.execute(
        "UPDATE journal_news SET leased_until = NULL, fault = $6, gone_at = NULL, aside = false, believed = false, "
        "tries = CASE WHEN noted = $4 THEN tries + 1 ELSE 0 END, "
        "dead_at = CASE WHEN noted = $4 THEN $5::timestamptz END, due_at = $5 "
        "WHERE journal = $1 AND address = $2 AND lease = $3",
        one.journal, one.address, one.lease, one.noted, now, fault,
    )  # fmt: skip


async def dead(conn: Connection, limit: int) -> list[Dead]:
    """What was given up, the oldest first."""
    rows = await conn.fetch(
        "SELECT number, journal, address, since, tries, fault, dead_at FROM journal_news WHERE dead_at IS NOT NULL "
        "ORDER BY dead_at, number LIMIT $1", limit,
    )  # fmt: skip
    return [Dead(*tuple(row)) for row in rows]


async def revive(conn: Connection, number: int, names: Sequence[str], now: datetime) -> bool:
    """Runs again what was given up of one of these journals; False where nothing under that number was."""
    done_ = await conn.execute(
        "UPDATE journal_news SET dead_at = NULL, tries = 0, since = $3, due_at = $3, believed = fault = $4 "
        "WHERE number = $1 AND journal = ANY($2::text[]) AND dead_at IS NOT NULL",
        number, list(names), now, OLDER,
    )  # fmt: skip
    return done_ != "UPDATE 0"


async def states(conn: Connection) -> list[State]:
    """How all stand, by name. Why something waits is what stopped most of it."""
    rows = await conn.fetch(
        "SELECT j.name, j.subscription <> '', j.fault, j.tries, count(n.*) FILTER (WHERE n.dead_at IS NULL AND NOT n.aside), "
        "count(n.dead_at), coalesce(mode() WITHIN GROUP (ORDER BY n.fault) "
        "FILTER (WHERE n.dead_at IS NULL AND NOT n.aside AND n.fault <> ''), ''), count(n.*) FILTER (WHERE n.aside), "
        "j.answered_at, (SELECT CASE WHEN count(*) = 5 THEN min(l.swept_to) END FROM journal_look l WHERE l.journal = j.name) "
        "FROM journal j LEFT JOIN journal_news n ON n.journal = j.name GROUP BY j.name ORDER BY j.name"
    )
    return [State(*tuple(row)) for row in rows]
