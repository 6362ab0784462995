"""The citizen's log behind the pages: who has looked, a page at a time and as she asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_name
from kjerne.pages.house import Identity, LogRow, RuleLanguage, Visit
from kjerne.pages.live_desk import DeskPages
from kjerne.pages.my_house import LogPart
from kjerne.policy import insight
from kjerne.services.results.values import OSLO
from kjerne.store import audit, chains, looks, registers
from kjerne.store.looks import Part, Place, Wanted

ROWS_SHOWN: Final = 200
"""Rows of the log on one page; those that are alike are shown as one line."""
WRITING: Final = frozenset({"file", "correct", "write", "choose"})
Deed = Literal["examined", "traced", "linked", "disclosed", "exported", "asked", "handled"]
DEEDS: Final[Mapping[str, Deed]] = {
    "examine": "examined", "trace": "traced", "link": "linked", "disclose": "disclosed", "export": "exported",
    "ask": "asked", "handle": "handled",
}  # fmt: skip
SORTING: Final = looks.Sorting(
    insight.ACUTE_PURPOSES, insight.ACUTE_BASES, insight.FILING, WRITING | {"erase"}, frozenset(DEEDS) - {"ask"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class LogPages(DeskPages):
    """Implements the log of `pages.my_house.MyHouse`."""

    async def log(
        self, who: Identity, visit: Visit, language: RuleLanguage, wanted: Wanted, after: str = ""
    ) -> LogPart:
        """Who looked, newest first: a name, never a number; which kinds of records; on which ground."""
        place = place_of(after) if after else None

        async def use(grant: Grant) -> LogPart:
            async with self.store.pool.acquire() as conn:
                hidden = await audit.hidden_from(conn, grant)
                part = await looks.page(
                    conn, grant, self.store.wrap, wanted, SORTING, hidden, place, ROWS_SHOWN + 1
                )  # fmt: skip
            rows = whole_days(part.rows, ROWS_SHOWN)
            names = await registers.organisation_names(self.store.pool, _numbers(part, rows))
            entries = insight.entries(
                rows, grant, organisations=names, type_name=type_name, hidden=hidden, language=language
            )
            return LogPart(
                rows=tuple(row_of(entry) for entry in entries),
                newer=part.newer,
                total=part.total,
                onward=handle(rows[-1]) if len(rows) < len(part.rows) else "",
                organisations=_offered(part, names, entries),
                services=tuple(sorted(part.services)),
            )

        return await self.under(who, visit, "insight", use)


def _numbers(part: Part, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = {row[name] for row in rows for name in ("organisation", "point_of_care")}
    return sorted(shown | part.organisations)


def _offered(part: Part, names: Mapping[str, str], entries: Sequence[insight.LogEntry]) -> tuple[tuple[str, str], ...]:
    """The organisations to choose from, by name; none where this reader is not told where the patient was treated."""
    if any(entry.place_withheld for entry in entries):
        return ()
    return tuple(sorted(((one, names.get(one, one)) for one in part.organisations), key=lambda pair: pair[1]))


def whole_days(rows: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    """At most so many rows, and no day (in Norway) in part: a visit that is told once is counted whole.

    A day alone of more rows than that is cut all the same.
    """
    if len(rows) <= most:
        return rows
    beyond = rows[most]["at"].astimezone(OSLO).date()
    kept = [row for row in rows[:most] if row["at"].astimezone(OSLO).date() != beyond]
    return kept or rows[:most]


def handle(row: Mapping[str, Any]) -> str:
    """A row's place in the log as it stands in an address or a form."""
    return f"{(row['at'] - _EPOCH) // _MICROSECOND}.{UUID(str(row['number'])).hex}"


def place_of(text: str) -> Place:
    """What `handle` named; `Refusal` 404 where it is no place."""
    moment, _, number = text.partition(".")
    try:
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 17):
            raise ValueError
        return Place(_EPOCH + int(moment) * _MICROSECOND, UUID(hex=number))
    except (ValueError, OverflowError):
        raise Refusal(404, "There is no such line in the log.", where="look") from None


def row_of(entry: insight.LogEntry) -> LogRow:
    """A line of the log as the page reads it."""
    return LogRow(
        at=entry.at,
        who=entry.who,
        role=entry.role,
        organisation=entry.organisation,
        purpose=entry.purpose,
        basis=entry.basis,
        what=_what(entry),
        says=entry.ground,
        law=entry.law,
        by=entry.by,
        wrote=entry.action in WRITING,
        withdrew=entry.rule == chains.WITHDRAWN_RULE,
        given=entry.given,
        acute=entry.acute,
        self_declared=entry.self_declared,
        deed=DEEDS.get(entry.action, ""),
        reason=entry.reason,
        handle=handle({"at": entry.at, "number": entry.origin.number}),
        took=entry.action == "download",
    )


def _what(entry: insight.LogEntry) -> tuple[tuple[str, int], ...]:
    """The kinds of records that left, each with how many, whatever number of their versions."""
    return tuple(sorted(Counter(type_ for type_, _ in {(seen.type, seen.id) for seen in entry.seen}).items()))
