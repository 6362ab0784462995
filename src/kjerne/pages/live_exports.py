"""Exports behind the pages: listed, looked at and decided on by the persons who run the platform."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from kjerne.errors import Refusal
from kjerne.pages.house import Identity
from kjerne.pages.live_answers import operator
from kjerne.pages.live_review import ReviewPages
from kjerne.pages.oversight_house import ExportList, ExportShown
from kjerne.services.exports.approving import Approvals, standing
from kjerne.store import exports
from kjerne.store.approvers import of_caller

EXPORTS_SHOWN: Final = 50
"""Exports on one page."""


class ExportPages(ReviewPages):
    """Implements the exports of `pages.oversight_house.OversightHouse`."""

    async def exports(self, who: Identity, state: str, skipped: int) -> ExportList:
        """A page of them."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await exports.listed(conn, self.clock.now(), EXPORTS_SHOWN + 1, state, skipped)
        return ExportList(tuple(rows[:EXPORTS_SHOWN]), len(rows) > EXPORTS_SHOWN)

    async def export(self, who: Identity, number: int) -> ExportShown:
        """One of them."""
        operator(who)
        caller = await self.caller(who, None)
        async with self.store.pool.acquire() as conn:
            found = await exports.one(conn, number, self.clock.now())
            people = await exports.people(conn)
            own = await of_caller(conn, caller)
        if found is None:
            raise Refusal(404, "No export has this number.", where="page")
        return ExportShown(found, people if found.cohort is None else found.people, standing(own, found))

    async def decide_export(self, who: Identity, number: int, verdict: str, why: str) -> None:
        """One person's word on it."""
        operator(who)
        approvals = Approvals(self.store.pool)
        decide = {"approve": approvals.approve, "refuse": approvals.refuse}.get(verdict)
        if decide is None:
            raise Refusal(400, "It is approved or refused.", where="verdict")
        await decide(await self.caller(who, None), number, why, self.clock.now(), f"page-{uuid4().hex}")
