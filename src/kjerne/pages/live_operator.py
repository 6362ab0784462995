"""The operator's part of the pages' house: the register of participation, and the queues.

Of patients only linking is: it opens no record, and each of the two has its row in her log.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import uuid4

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Admit, PatientRef
from kjerne.pages.house import Identity, Participants, RejectedQueue
from kjerne.pages.live import SERVICE
from kjerne.pages.live_abroad import AbroadPages
from kjerne.pages.live_answers import operator
from kjerne.pages.live_documents import DocumentPages
from kjerne.pages.live_exports import ExportPages
from kjerne.pages.live_launched import LaunchedPages
from kjerne.pages.live_summary import SummaryPages
from kjerne.pages.oversight_house import JournalList, LogState
from kjerne.policy.services import IN_USE, kept_by_law
from kjerne.policy.taking_part import Absence, absence, takes_part
from kjerne.registries.journals import Journals
from kjerne.registries.naming import identified
from kjerne.services.critical.coverage import Figure, figures
from kjerne.services.participation.register import Asked, Change, Register
from kjerne.services.persons.linking import Compared, Linker, Meanwhile
from kjerne.services.results.parting import Parting
from kjerne.services.standards import types_by_service
from kjerne.services.warnings import api as warnings
from kjerne.store import cards, comparing, journals, messages, participation, registers
from kjerne.store.cards import Count
from kjerne.store.linking import Link
from kjerne.store.participation import SourceRow, Takers, Wanted

ROWS_SHOWN: Final = 50
"""Rows of the register, and messages of the queue, on one page."""
COMPARISONS_SHOWN: Final = 15
"""Comparisons of the log: two weeks of them."""


class OperatorPages(LaunchedPages, ExportPages, SummaryPages, AbroadPages, DocumentPages):
    """Implements the rest of `pages.house.PagesHouse`."""

    registered_journals: Journals | None = None
    """The file of the journals that are asked."""

    async def absence(self, who: Identity) -> Absence | None:
        """Asked of the register itself: a page that turns her away must not do so from memory."""
        caller, now = await Takers(self.store.pool).told(await self.caller(who, None)), self.clock.now()
        if takes_part(caller, SERVICE, "consumer", now):
            return None
        return absence(caller, SERVICE, "consumer", now)

    async def sources(self) -> tuple[SourceRow, ...]:
        """Who sends in results now."""
        return await participation.sources(self.store.pool, SERVICE, self.clock.now())

    async def participants(self, who: Identity, wanted: Wanted, skipped: int) -> Participants:
        """A page of the register, newest first."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await participation.listed(conn, wanted, self.clock.now(), ROWS_SHOWN + 1, skipped)
        names = await self._names(row.organisation for row in rows)
        return Participants(rows[:ROWS_SHOWN], names, len(rows) > ROWS_SHOWN)

    async def participation(self, who: Identity, number: int) -> Participants:
        """One row with what it was widened from and to."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await participation.chain(conn, number)
        if not rows:
            raise Refusal(404, "No row of the register has this number.", where="participation")
        return Participants(rows, await self._names(row.organisation for row in rows))

    async def plan_participation(self, who: Identity, asked: Asked) -> Change:
        """What a change would do."""
        return await self._register().plan(await self._author(who), asked, self.clock.now())

    async def change_participation(self, who: Identity, asked: Asked) -> int:
        """Makes the change, with its row in the platform's log."""
        author = await self._author(who)
        number, _ = await self._register().save(author, asked, self.clock.now(), f"page-{uuid4().hex}")
        return number

    async def rejected(self, who: Identity, after: str) -> RejectedQueue:
        """The rejected messages of all senders."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await messages.rejected(conn, "", ROWS_SHOWN + 1, after)
            total = await messages.rejected_total(conn, "")
        names = await self._names(row.sender for row in rows)
        onward = rows[ROWS_SHOWN - 1].place if len(rows) > ROWS_SHOWN else ""
        return RejectedQueue(tuple(rows[:ROWS_SHOWN]), names, total, onward)

    async def log_state(self, who: Identity) -> LogState:
        """The chain's end, and what the worker found."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            return LogState(await comparing.tail(conn), await comparing.kept(conn, COMPARISONS_SHOWN))

    async def warning_counts(self, who: Identity) -> tuple[Count, ...]:
        """The counts that `GET /critical-information/warning-counts` gives."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            since = self.clock.now() - timedelta(days=warnings.COUNTED_DAYS)
            return tuple(await cards.counts(conn, warnings.SERVICE, since))

    async def coverage(self, who: Identity) -> tuple[Figure, ...]:
        """The figures that `GET /critical-information/coverage` gives."""
        operator(who)
        types = types_by_service()[warnings.SERVICE]
        async with self.store.pool.acquire() as conn:
            return tuple(await figures(conn, self.store.pool, types, self.clock.now()))

    async def journals(self, who: Identity) -> JournalList:
        """What `GET /critical-information/fetches` tells."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            states, dead = await journals.states(conn), await journals.dead(conn, ROWS_SHOWN)
        file = self.registered_journals
        registered = frozenset(one.name for one in file.all()) if file else frozenset[str]()
        return JournalList(tuple(states), tuple(dead), registered, file.fault() if file else "")

    async def fetch_again(self, who: Identity, number: int) -> None:
        """Runs it again."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            names = [one.name for one in self.registered_journals.all()] if self.registered_journals else []
            if not await journals.revive(conn, number, names, self.clock.now()):
                says = "Nothing that was given up of a journal of the file has this number."
                raise Refusal(404, says, where="page")

    async def links(self, who: Identity) -> tuple[Link, ...]:
        """The history of links."""
        operator(who)
        return tuple(await self._linker().history(None))

    async def compare_persons(self, who: Identity, one: str, other: str, reason: str) -> Compared:
        """What the register says of two typed numbers."""
        author = await self._author(who)
        return await self._linker().compare(self._admit(author), self._pair(one, other), reason)

    async def link_persons(self, who: Identity, one: str, other: str, reason: str) -> int:
        """Links two typed numbers."""
        author = await self._author(who)
        number, _ = await self._linker().link(self._admit(author), author, self._pair(one, other), reason)
        return number

    async def shown_over(self, who: Identity, number: int, reason: str) -> Meanwhile:
        """What was shown over a link."""
        return await self._linker().meanwhile(self._admit(await self._author(who)), number, reason)

    async def unlink_persons(self, who: Identity, number: int, reason: str) -> None:
        """Undoes a link."""
        author = await self._author(who)
        await self._linker().undo(self._admit(author), author, number, reason)

    def _linker(self) -> Linker:
        return Linker(self.store, types_by_service(), kept_by_law(), Parting(self.store, self._digest).part)

    def _admit(self, author: Caller) -> Admit:
        return self.door.admit(author, f"page-{uuid4().hex}")

    def _pair(self, one: str, other: str) -> tuple[PatientRef, PatientRef]:
        return identified(self._identify, one, "one"), identified(self._identify, other, "other")

    def _register(self) -> Register:
        return Register(self.store.pool, IN_USE)

    async def _author(self, who: Identity) -> Caller:
        operator(who)
        return await self.caller(who, None)

    async def _names(self, numbers: Iterable[str]) -> dict[str, str]:
        return await registers.organisation_names(self.store.pool, sorted(set(numbers)))
