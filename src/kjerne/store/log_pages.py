"""The log about one patient, page by page: what a reader may not know of is left out before anything is counted.

Lines are told apart here as `policy.insight` tells them apart, so that a page is full, and a total is the number of
lines that its reader can come to. That the log was read is itself a row of it, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.fhir.search import Bounds
from kjerne.store import audit
from kjerne.store.codec import Wrap
from kjerne.store.log_entry import LogEntry
from kjerne.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Unseen:
    """Whose lines have no place in a reader's log, whatever she asks for (`policy.insight.unseen`).

    Lines of `filing` where all that was filed is `hidden`; for a proxy, lines of citizens who are none of `own`.
    """

    filing: tuple[str, ...]
    hidden: tuple[UUID, ...]
    no_other_representatives: bool
    own: tuple[bytes, ...] = field(repr=False)


class Place(NamedTuple):
    """A line's place in the order of the log: newest first, lines of one instant by number."""

    at: datetime
    number: UUID


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of [since, until), within all of `bounds`, one alone (`only`), behind `after`, at most `limit`."""

    since: datetime
    until: datetime
    limit: int
    bounds: tuple[Bounds, ...] = ()
    only: Place | None = None
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in order, how many there are in all, and where the next page begins (None: there is none)."""

    entries: tuple[LogEntry, ...]
    total: int
    after: Place | None


_OPERATORS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MOMENT: Final = {"date_from": "a.at", "at": "a.at", "date_to": "a.at + interval '1 microsecond'"}


class _Conditions:
    """The WHERE clause, with its values."""

    def __init__(self, grant: Grant, wanted: Wanted, unseen: Unseen) -> None:
        self.values: list[Any] = [list(grant.subject.keys), wanted.since, wanted.until]
        self.texts = ["a.patient = ANY($1::bigint[]) AND a.at >= $2 AND a.at < $3"]
        for alternatives in wanted.bounds:
            either = (
                " AND ".join(
                    f"{_MOMENT[one.column]} {_OPERATORS[one.operator]} {self.add(one.moment)}" for one in together
                )
                for together in alternatives
            )
            self.texts.append("(" + " OR ".join(f"({text})" for text in either) + ")")
        if wanted.only:
            self.texts.append(f"a.at = {self.add(wanted.only.at)} AND a.number = {self.add(wanted.only.number)}")
        if unseen.hidden:
            actions, ids = self.add(list(unseen.filing)), self.add(list(unseen.hidden))
            self.texts.append(f"NOT (a.action = ANY({actions}::text[]) AND a.ids <> '{{}}' AND a.ids <@ {ids}::uuid[])")
        if unseen.no_other_representatives:
            own = self.add(list(unseen.own))
            self.texts.append(f"(a.caller_kind <> 'citizen' OR a.caller_digest = ANY({own}::bytea[]))")

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def text(self) -> str:
        return " AND ".join(self.texts)


async def read(
    conn: Connection, grant: Grant, wrap: Wrap, wanted: Wanted, unseen: Unseen
) -> tuple[list[dict[str, Any]], int, bool]:
    """(rows with their words opened, how many there are in all, whether more follow). Raises `Stale`.

    The caller's transaction; it holds the audit row of the reading.
    """
    where = _Conditions(grant, wanted, unseen)
    total = await conn.fetchval(f"SELECT count(*) FROM audit a WHERE {where.text}", *where.values)
    if wanted.after:
        where.texts.append(
            f"(a.at, a.number) < ({where.add(wanted.after.at)}::timestamptz, {where.add(wanted.after.number)}::uuid)"
        )
    limit = where.add(wanted.limit + 1)
    rows = await conn.fetch(
        f"SELECT {audit.COLUMNS}, types, ids, versions, about, reason FROM audit a "
        f"WHERE {where.text} ORDER BY a.at DESC, a.number DESC LIMIT {limit}",
        *where.values,
    )
    stamp = await conn.fetchval(
        "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])", list(grant.subject.keys)
    )
    if stamp != grant.subject.stamp:
        raise Stale
    await audit.insert(conn, audit.given(grant))
    return audit.worded(grant, wrap, rows[: wanted.limit]), total, len(rows) > wanted.limit
