"""The log about one patient, read page by page under a grant: for the FHIR interface, and for pages that have filters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from kjerne.access import Grant
from kjerne.fhir.definitions import type_name
from kjerne.policy import insight
from kjerne.policy.words import Language
from kjerne.store import audit, document_names, log_pages, registers
from kjerne.store.house import Store
from kjerne.store.log_entry import LogEntry
from kjerne.store.log_pages import LogPage, Rows
from kjerne.store.looks import Place, Wanted


class AccessLog:
    """Reads the log of one house."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self,
        grant: Grant,
        wanted: Wanted,
        limit: int,
        after: Place | None = None,
        *,
        language: Language = "nb",
        choices: bool = False,
    ) -> LogPage:
        """The lines that the grant's reader may know of, newest first; that she read them is in the log with them.

        With `choices`, the organisations and services to narrow them by. Raises `Stale`; `Refusal` 403 where the grant is
        not for the log.
        """
        insight.must_open(grant)
        async with self._store.pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
            hidden = await audit.hidden_from(conn, grant)
            deleted = await audit.deleted(conn, grant)
            unseen = insight.unseen(grant, hidden)
            found = await log_pages.read(
                conn,
                grant,
                self._store.wrap,
                wanted,
                unseen,
                insight.SORTING,
                after=after,
                limit=limit,
                choices=choices,
            )
            if not insight.is_own(grant):
                hidden |= await document_names.untold(conn, grant, found.rows)
            gone = await log_pages.deletions(conn, grant, found.rows)
        names = await self._names(found)
        entries = insight.entries(
            found.rows,
            grant,
            organisations=names,
            type_name=type_name,
            hidden=hidden,
            deleted=deleted,
            language=language,
        )
        entries = tuple(_with_deletions(entry, gone) for entry in entries)
        last = Place(found.rows[-1]["at"], found.rows[-1]["number"]) if found.more and found.rows else None
        offered = sorted(((one, names.get(one, one)) for one in found.organisations), key=lambda pair: pair[1])
        return LogPage(entries, found.total, last, found.newer, tuple(offered), found.services, found.mark)

    async def line(self, grant: Grant, place: Place, language: Language = "nb") -> LogEntry | None:
        """One line alone, None where there is none that the reader may know of. Raises as `page` does."""
        found = await self.page(grant, Wanted(only=place), 1, language=language)
        return next(iter(found.entries), None)

    async def number(self, grant: Grant) -> str:
        """The number that the patient is known by now."""
        async with self._store.pool.acquire() as conn:
            return await self._store.people.number(conn, grant)

    async def _names(self, found: Rows) -> Mapping[str, str]:
        places = {
            row[name] for row in found.rows for name in ("organisation", "point_of_care", "patient_point_of_care")
        }
        return await registers.organisation_names(self._store.pool, sorted(places | found.organisations))


def _with_deletions(entry: LogEntry, gone: Collection[tuple[str, int]]) -> LogEntry:
    """The line, saying of what it names whether it is a deletion."""
    if not gone or entry.action != "correct":
        return entry
    return replace(entry, seen=tuple(replace(one, gone=(one.id, one.version) in gone) for one in entry.seen))
