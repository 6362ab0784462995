"""The log about one patient, page by page: whatever its length, a page costs a page, and what is left out is counted.

What a reader may not know of (`store.looks`) is left out before anything is counted, so that a page is full, and a total is
the number of lines that its reader can come to. That the log was read is itself a row of it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.store import audit
from kjerne.store.codec import Wrap
from kjerne.store.log_entry import LogEntry
from kjerne.store.looks import Conditions, Place, Sorting, Unseen, Wanted
from kjerne.store.pool import Connection, columns


@dataclass(frozen=True, slots=True)
class Rows:
    """A page's rows with their words opened. `newer` wanted ones lie before it, `total` there are in all, `more` follow.

    `organisations` and `services` are those of every line the reader may know of, whatever she asked for. `mark` is which lines
    there were, committed ones alone: further pages that ask for it are of the same log, whatever is written meanwhile.
    """

    rows: tuple[Mapping[str, Any], ...]
    total: int
    more: bool
    newer: int = 0
    organisations: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    mark: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in order, how many there are in all and before these, and where the next page begins (None: there is none).

    `organisations` (number and name) and `services` are all that stand in the log, where they were asked for. `mark` is for
    the next page to ask for (`looks.Wanted`).
    """

    entries: tuple[LogEntry, ...]
    total: int
    after: Place | None
    newer: int = 0
    organisations: tuple[tuple[str, str], ...] = ()
    services: frozenset[str] = frozenset()
    mark: str = ""


_SELECT: Final = f"SELECT {audit.COLUMNS}, types, ids, versions, about, reason FROM audit a"


async def read(
    conn: Connection,
    grant: Grant,
    wrap: Wrap,
    wanted: Wanted,
    unseen: Unseen,
    sorting: Sorting,
    *,
    after: Place | None,
    limit: int,
    choices: bool,
) -> Rows:
    """The wanted rows after a place, at most so many; with `choices`, what there is to narrow them by. Raises `Stale`.

    The caller's transaction, which sees the log as it was when it began (repeatable read); it holds the audit row of the
    reading.
    """
    where = Conditions(grant, wanted, unseen, sorting)
    counts = await _counted(conn, Conditions(grant, wanted, unseen, sorting), after, choices=choices)
    place = f" AND {where.behind(after)}" if after else ""
    bound = where.value(limit + 1, "bigint")
    rows = await conn.fetch(
        f"{_SELECT} WHERE {where.known} AND {where.asked}{place} ORDER BY a.at DESC, a.number DESC LIMIT {bound}",
        *where.values,
    )
    mark = wanted.mark or str(await conn.fetchval("SELECT pg_current_snapshot()::text"))
    await _proven(conn, grant)
    await audit.insert(conn, audit.given(grant))
    return Rows(
        tuple(audit.worded(grant, wrap, rows[:limit])),
        total=sum(row[2] for row in counts),
        more=len(rows) > limit,
        newer=sum(row[3] for row in counts),
        organisations=frozenset(row[0] for row in counts if row[0] and not unseen.places_withheld),
        services=frozenset(row[1] for row in counts if row[1]),
        mark=mark,
    )


async def _counted(conn: Connection, where: Conditions, after: Place | None, *, choices: bool) -> list[Any]:
    """(organisation, service, how many are wanted, how many of those before a place); one nameless row without `choices`."""
    newer = f"count(*) FILTER (WHERE {where.asked} AND NOT {where.behind(after)})" if after else "0"
    if choices:
        return await conn.fetch(
            f"SELECT a.organisation, a.service, count(*) FILTER (WHERE {where.asked}), {newer} FROM audit a "
            f"WHERE {where.known} GROUP BY a.organisation, a.service",
            *where.values,
        )
    return await conn.fetch(
        f"SELECT '', '', count(*), {newer} FROM audit a WHERE {where.known} AND {where.asked}", *where.values
    )


async def _proven(conn: Connection, grant: Grant) -> None:
    stamp = await conn.fetchval(
        "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])", list(grant.subject.keys)
    )
    if stamp != grant.subject.stamp:
        raise Stale


async def deletions(conn: Connection, grant: Grant, rows: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, int]]:
    """Which of the versions that rows of corrections name are deletions: id and number. What an opt-out has erased says nothing
    any more."""
    corrections = (row for row in rows if row["action"] == "correct")
    named = [one for row in corrections for one in zip(row["types"], row["ids"], row["versions"], strict=True)]
    found = await conn.fetch(_DELETIONS, list(grant.subject.keys), *columns(named, 3)) if named else ()
    return frozenset((str(row[0]), row[1]) for row in found)


_DELETIONS: Final = """
SELECT h.id, h.version FROM record_history h
JOIN unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n(type, id, version) USING (type, id, version)
WHERE h.patient = ANY($1::bigint[]) AND h.deleted"""


async def one(conn: Connection, grant: Grant, wrap: Wrap, place: Place) -> Mapping[str, Any] | None:
    """The row of the patient's log at a place, None where there is none, for whoever leaves her own row with what it is for."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE a.patient = ANY($1::bigint[]) AND a.at = $2 AND a.number = $3",
        list(grant.subject.keys), place.at, place.number,
    )  # fmt: skip
    return next(iter(audit.worded(grant, wrap, rows)), None)
