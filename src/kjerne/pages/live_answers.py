"""What citizens say is wrong, behind the pages of whoever answers for the log: a list of nobody in particular, and each opened
for a reason."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from kjerne.access import OPERATIONS, Grant
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef, granted
from kjerne.pages.house import Identity
from kjerne.pages.live import SERVICE, Carry, uuid_of
from kjerne.pages.live_citizen import CitizenPages
from kjerne.pages.my_house import InquiryList, InquiryOpened
from kjerne.store import inquiries
from kjerne.store.inquiries import Inquiry, Wanted

T = TypeVar("T")
LISTED: Final = 50


def operator(who: Identity) -> None:
    """Whoever calls this has come past the page's own check; a login without the scope gets no further all the same."""
    carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
    if who.kind != "operator" or OPERATIONS not in carry.scopes:
        raise Refusal(403, "This login is not the operator's.", where="other_kind")


class AnswerPages(CitizenPages):
    """Implements the operator's inquiries of `pages.my_house.MyHouse`."""

    async def listed_inquiries(self, who: Identity, wanted: Wanted, skipped: int) -> InquiryList:
        """A page of all, those that wait longest first."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await inquiries.listed(conn, wanted, LISTED + 1, skipped)
            waiting = await inquiries.waiting(conn)
        names = await self.organisations(row.organisation for row in rows)
        return InquiryList(tuple(rows[:LISTED]), names, waiting, len(rows) > LISTED)

    async def listed_inquiry(self, who: Identity, number: str) -> InquiryList:
        """One row of that list."""
        operator(who)
        row = await self._found(number)
        return InquiryList((row,), await self.organisations([row.organisation]), 0)

    async def open_inquiry(self, who: Identity, number: str, reason: str) -> InquiryOpened:
        """One with all that it says, for a reason that the patient reads."""
        operator(who)
        held = await self._found(number)

        async def use(grant: Grant) -> InquiryOpened:
            async with self.store.pool.acquire() as conn:
                opened = await self.inquiry_desk.opened(conn, grant, held, reason)
                person = await self.person(conn, held.patient)
            places = [held.organisation, str((opened.look or {}).get("organisation", ""))]
            return InquiryOpened(opened, person.name, await self.organisations(places))

        return await self._handled(who, held, use)

    async def answer_inquiry(self, who: Identity, number: str, status: str, answer: str, step: int) -> None:
        """The next step of one."""
        operator(who)
        held = await self._found(number)

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn:
                await self.inquiry_desk.moved(conn, grant, held, status, answer, who.name, step)

        await self._handled(who, held, use)

    async def _found(self, number: str) -> Inquiry:
        async with self.store.pool.acquire() as conn:
            held = await inquiries.found(conn, uuid_of(number, "inquiry"))
        if held is None:
            raise Refusal(404, "There is no such inquiry.", where="inquiry")
        return held

    async def _handled(self, who: Identity, held: Inquiry, use: Callable[[Grant], Awaitable[T]]) -> T:
        caller = await self.caller(who, None)
        admit = self.door.admit(caller, f"page-{secrets.token_hex(8)}")
        return await granted(admit, PatientRef(key=held.patient), SERVICE, "handle", use)
