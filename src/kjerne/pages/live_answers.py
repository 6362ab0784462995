"""What citizens say is wrong, behind the pages of whoever answers for the log: a list of nobody in particular, and each opened
for a reason."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from kjerne.access import OPERATIONS, Grant
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef, granted
from kjerne.pages.house import Identity
from kjerne.pages.live import SERVICE, Carry, uuid_of
from kjerne.pages.live_citizen import CitizenPages
from kjerne.pages.my_house import InquiryList, InquiryOpened
from kjerne.registries.protection import is_protected
from kjerne.services.inquiries.desk import Opened
from kjerne.store import inquiries, subjects
from kjerne.store.inquiries import Behind, Inquiry, Wanted

T = TypeVar("T")
LISTED: Final = 50
PLACES: Final = frozenset(
    {"organisation", "point_of_care", "department", "patient_point_of_care", "patient_department", "reason", "decision"}
)
"""What of a row of the log says where somebody was treated; a reason in words may."""


def placeless(row: Inquiry) -> Inquiry:
    return replace(row, organisation="")


def unplaced(opened: Opened, names: Mapping[str, str]) -> Opened:
    """Without where she was treated: not in what it is about, not in who answered, and no place in the row of the log."""
    own = {opened.inquiry.organisation, *names.values()}
    steps = tuple(replace(step, made_by="") if step.made_by in own else step for step in opened.steps)
    look = opened.look and {key: value for key, value in opened.look.items() if key not in PLACES}
    told = msgspec.structs.replace(opened.told, about="")
    return replace(opened, inquiry=placeless(opened.inquiry), told=told, steps=steps, look=look)


def operator(who: Identity) -> None:
    """Whoever calls this has come past the page's own check; a login without the scope gets no further all the same."""
    carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
    if who.kind != "operator" or OPERATIONS not in carry.scopes:
        raise Refusal(403, "This login is not the operator's.", where="other_kind")


class AnswerPages(CitizenPages):
    """Implements the operator's inquiries of `pages.my_house.MyHouse`."""

    async def listed_inquiries(self, who: Identity, wanted: Wanted, behind: Behind | None) -> InquiryList:
        """A page of all, those that wait longest first, behind a place."""
        operator(who)
        async with self.store.pool.acquire() as conn:
            rows = await inquiries.listed(conn, wanted, LISTED + 1, behind)
            waiting = await inquiries.waiting(conn)
        onward = str(Behind.of(rows[LISTED - 1])) if len(rows) > LISTED else ""
        return await self._listed(rows[:LISTED], waiting, onward)

    async def listed_inquiry(self, who: Identity, number: str) -> InquiryList:
        """One row of that list."""
        operator(who)
        return await self._listed([await self._found(number)], 0)

    async def _listed(self, rows: Sequence[Inquiry], waiting: int, onward: str = "") -> InquiryList:
        """The rows without the place of anybody whose address is protected."""
        async with self.store.pool.acquire() as conn:
            known = await subjects.details(conn, [row.patient for row in rows], self.store.wrap)
        told = tuple(placeless(row) if is_protected(known[row.patient].protection) else row for row in rows)
        places = {row.organisation for row in told}
        return InquiryList(told, await self.organisations(places), waiting, onward, await self.answering(places))

    async def open_inquiry(self, who: Identity, number: str, reason: str) -> InquiryOpened:
        """One with all that it says, for a reason that the patient reads."""
        operator(who)
        held = await self._found(number)

        async def use(grant: Grant) -> InquiryOpened:
            async with self.store.pool.acquire() as conn:
                opened = await self.inquiry_desk.opened(conn, grant, held, reason)
                person = await self.person(conn, held.patient)
            names = await self.organisations([held.organisation])
            if not is_protected(grant.subject.protection):
                return InquiryOpened(opened, person.name, names)
            return InquiryOpened(unplaced(opened, names), person.name, {}, place_withheld=True)

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
