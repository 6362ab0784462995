"""The review of the log behind the pages: listed without a patient, opened under a grant, judged by whoever answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

from kjerne.access import Caller
from kjerne.pages.house import Identity
from kjerne.pages.live_answers import AnswerPages, operator
from kjerne.pages.oversight_house import ReviewLine, ReviewList
from kjerne.services.oversight.review import Chosen, Line, Period, Reviewer

LINES_SHOWN: Final = 50
"""Readings on one page."""


class ReviewPages(AnswerPages):
    """Implements the review of `pages.oversight_house.OversightHouse`."""

    async def review(self, who: Identity, period: Period, chosen: Chosen, skipped: int) -> ReviewList:
        """A page of the list."""
        caller = await self._reviewer(who)
        found = await Reviewer(self.store).listed(
            caller, period, chosen, LINES_SHOWN, skipped, self.clock.now(), _correlation()
        )
        return ReviewList(found, await self.organisations(found.organisations))

    async def review_line(self, who: Identity, period: Period, number: UUID) -> ReviewLine:
        """One line of it."""
        caller = await self._reviewer(who)
        line, history = await Reviewer(self.store).line(caller, period, number, self.clock.now(), _correlation())
        return ReviewLine(line, history, await self._places(line))

    async def open_line(self, who: Identity, period: Period, number: UUID, reason: str) -> ReviewLine:
        """One line, and whom it was about."""
        caller, correlation = await self._reviewer(who), _correlation()
        reviewer, admit = Reviewer(self.store), self.door.admit(caller, correlation)
        opened = await reviewer.opened(admit, caller, period, number, reason)
        return replace(await self.review_line(who, period, number), opened=opened)

    async def note_verdict(self, who: Identity, period: Period, number: UUID, verdict: str, after: int) -> None:
        """A verdict, with its row in the platform's log."""
        caller = await self._reviewer(who)
        await Reviewer(self.store).note(caller, period, number, verdict, after, self.clock.now(), _correlation())

    async def _reviewer(self, who: Identity) -> Caller:
        operator(who)
        return await self.caller(who, None)

    async def _places(self, line: Line) -> Mapping[str, str]:
        return await self.organisations([line.of.organisation, getattr(line.of, "point_of_care", "")])


def _correlation() -> str:
    return f"page-{uuid4().hex}"
