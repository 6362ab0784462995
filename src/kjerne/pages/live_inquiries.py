"""What a citizen says is wrong, behind the pages: sent under her grant, and the answers read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.pages.house import Identity, LogRow, RuleLanguage, Visit
from kjerne.pages.live import SERVICE
from kjerne.pages.live_log import LogPages, place_of, row_of
from kjerne.pages.my_house import Inquiries
from kjerne.services.inquiries.desk import Desk, Written
from kjerne.store import participation, registers
from kjerne.store.inquiries import Inquiry, Named


class InquiryPages(LogPages):
    """Implements the inquiries of `pages.my_house.MyHouse`, save those of whoever answers."""

    @property
    def inquiry_desk(self) -> Desk:
        return Desk(self.store.wrap, self.reader)

    async def look(self, who: Identity, visit: Visit, language: RuleLanguage, handle: str) -> LogRow:
        """One line of the log."""
        place = place_of(handle)

        async def use(grant: Grant) -> LogRow:
            entry = await self.access_log.line(grant, place, language)
            if entry is None:
                raise Refusal(404, "There is no such line in the log.", where="look")
            return row_of(entry)

        return await self.under(who, visit, "insight", use)

    async def must_ask(self, who: Identity, visit: Visit) -> None:
        """`Denied` where the law does not let the reader say that something is wrong."""

        async def use(_: Grant) -> None:
            """Nothing is read: what she asks for has its row when it is sent."""

        await self.under(who, visit, "ask", use)

    async def report_misuse(self, who: Identity, visit: Visit, handle: str, about: str, form: Written) -> str:
        """Says that a look was misuse."""
        place = place_of(handle)

        async def use(grant: Grant) -> Inquiry:
            async with self.store.pool.acquire() as conn:
                return await self.inquiry_desk.misuse(conn, grant, place, about, form)

        return (await self.under(who, visit, "ask", use)).reference

    async def ask_correction(
        self, who: Identity, visit: Visit, type_: str, record: str, about: str, form: Written
    ) -> str:
        """Asks for a correction."""
        id_ = self.store.ids.parse(record)
        if id_ is None:
            raise Refusal(404, "There is no such result.", where="report")
        named = Named(type_number(type_), id_, 0)

        async def use(grant: Grant) -> Inquiry:
            async with self.store.pool.acquire() as conn:
                return await self.inquiry_desk.correction(conn, grant, named, about, form)

        return (await self.under(who, visit, "ask", use)).reference

    async def inquiries(self, who: Identity, visit: Visit) -> Inquiries:
        """What was sent, with what came of it."""

        async def use(grant: Grant) -> Inquiries:
            async with self.store.pool.acquire() as conn:
                rows = await self.inquiry_desk.own(conn, grant)
            places = {one.inquiry.organisation for one in rows}
            return Inquiries(rows, await self.organisations(places), await self.answering(places))

        return await self.under(who, visit, "ask", use)

    async def answering(self, numbers: Collection[str]) -> frozenset[str]:
        """Those of these organisations that take part as a source now."""
        async with self.store.pool.acquire() as conn:
            return await participation.sources_among(conn, numbers, SERVICE, self.clock.now())

    async def organisations(self, numbers: Iterable[str]) -> Mapping[str, str]:
        """Names of organisations by number."""
        return await registers.organisation_names(self.store.pool, sorted({one for one in numbers if one}))
