"""The log about one patient, read page by page under a grant: for the FHIR interface, and for pages that have filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.definitions import type_name
from kjerne.policy import insight
from kjerne.policy.words import Language
from kjerne.store import audit, log_pages, registers
from kjerne.store.house import Store
from kjerne.store.log_entry import LogEntry
from kjerne.store.log_pages import LogPage, Place, Wanted


class AccessLog:
    """Reads the log of one house."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, grant: Grant, wanted: Wanted, language: Language = "nb") -> LogPage:
        """The lines that the grant's reader may know of, newest first; that she read them is in the log with them.

        Raises `Stale`; `Refusal` 403 where the grant is not for the log.
        """
        insight.must_open(grant)
        async with self._store.pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
            hidden = await audit.hidden_from(conn, grant)
            unseen = insight.unseen(grant, map(UUID, hidden))
            rows, total, more = await log_pages.read(conn, grant, self._store.wrap, wanted, unseen)
        entries = await self._entries(rows, grant, hidden, language)
        last = Place(rows[-1]["at"], rows[-1]["number"]) if more and rows else None
        return LogPage(entries, total, last)

    async def number(self, grant: Grant) -> str:
        """The number that the patient is known by now."""
        async with self._store.pool.acquire() as conn:
            return await self._store.people.number(conn, grant)

    async def _entries(
        self, rows: Sequence[dict[str, Any]], grant: Grant, hidden: frozenset[str], language: Language
    ) -> tuple[LogEntry, ...]:
        numbers = {row[name] for row in rows for name in ("organisation", "point_of_care", "patient_point_of_care")}
        names = await registers.organisation_names(self._store.pool, sorted(numbers))
        return insight.entries(rows, grant, organisations=names, type_name=type_name, hidden=hidden, language=language)
