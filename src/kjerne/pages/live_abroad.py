"""Patient summaries from abroad behind the pages: the same room as at the national address, under the same law."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import Final, TypeVar
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ANY_KIND, PatientRef
from kjerne.fhir.negotiation import JSON_TYPE, XML_TYPE
from kjerne.pages.abroad_house import AbroadChart, AbroadShelf, Seen
from kjerne.pages.house import Identity, Patient, Visit
from kjerne.pages.live import LivePages
from kjerne.pages.live_critical import writers_and_places
from kjerne.services.critical.abroad.refusing import refused
from kjerne.services.critical.abroad.settling import Abroad, Brought, Decision, Deed, Opened
from kjerne.services.critical.drafts import Draft, made
from kjerne.services.critical.kinds import SERVICE
from kjerne.store import registers
from kjerne.store.abroad import Held, Media
from kjerne.store.pool import Connection
from kjerne.store.writing_down import room

SYSTEM: Final = "kjerne /clinician"
"""What a document that is brought on a page was sent with."""
_MARKS: Final = b"\xef\xbb\xbf \t\r\n"
T = TypeVar("T")


class AbroadPages(LivePages):
    """Implements `pages.abroad_house.AbroadHouse`."""

    foreign: Abroad

    async def abroad(self, who: Identity, visit: Visit) -> AbroadShelf:
        """One audited look."""

        async def use(grant: Grant) -> tuple[list[Held], Patient]:
            async with self.store.pool.acquire() as conn:
                held = await self.foreign.documents(conn, grant)
                return held, await self._patient(conn, grant, who, visit)

        held, patient = await self.under(who, visit, "search", use, service=SERVICE)
        return AbroadShelf(
            patient, tuple(held), await self._names(one.organisation for one in held), await self._rights(who, visit)
        )

    async def bring_abroad(
        self, who: Identity, visit: Visit, raw: bytes, country: str, confirmed: frozenset[str]
    ) -> UUID:  # fmt: skip
        """XML is told from JSON by its first sign: a file of a browser has no type that could be trusted."""
        media: Media = XML_TYPE if raw.lstrip(_MARKS)[:1] == b"<" else JSON_TYPE
        brought = Brought(raw, media, country, SYSTEM, confirmed)
        document = await self.foreign.understood(brought, self.clock.now())

        async def use(grant: Grant) -> UUID:
            async with self.store.pool.acquire() as conn:
                held, _ = await self.foreign.bring(conn, grant, brought, document)
            return held.number

        return await self._filing(who, visit, use)

    async def abroad_opened(
        self, who: Identity, visit: Visit, number: UUID, *, tells_beside: bool = True
    ) -> AbroadChart:  # fmt: skip
        """Two audited looks: at the document, and at what is told of beside it."""
        looks = count(1)

        async def use(grant: Grant) -> tuple[Opened | None, Patient]:
            if next(looks) > 1:
                await room(self.store.pool)
            async with self.store.pool.acquire() as conn:
                opened = await self.foreign.opened(conn, grant, number, tells_beside=tells_beside)
                return opened, await self._patient(conn, grant, who, visit)

        opened, patient = await self.under(who, visit, "search", use, service=SERVICE)
        if opened is None:
            raise _absent()
        records = [each.record for one in opened.entries for each in one.beside]
        return AbroadChart(
            patient, opened,
            await self._names([opened.held.organisation]) | await writers_and_places(self.store.pool, records),
            await self._rights(who, visit),
            {(one.entry.id, version): origin for one in records for version, origin in one.origins.items()},
        )  # fmt: skip

    async def abroad_content(self, who: Identity, visit: Visit, number: UUID) -> tuple[Held, bytes]:
        """One audited look."""

        async def use(grant: Grant) -> tuple[Held, bytes] | None:
            async with self.store.pool.acquire() as conn:
                return await self.foreign.content(conn, grant, number)

        found = await self.under(who, visit, "search", use, service=SERVICE)
        if found is None:
            raise _absent()
        return found

    async def settle_abroad(
        self, who: Identity, visit: Visit, seen: Seen, deed: Deed, *, record: str = "", reason: str = "",
        draft: Draft | None = None,
    ) -> str:  # fmt: skip
        """As it was seen."""
        decision = Decision(deed, made(draft) if draft else None, self.store.ids.parse(record), reason)

        async def use(grant: Grant) -> str:
            async with self.store.pool.acquire() as conn:
                written = await self.foreign.decide(conn, grant, seen.document, seen.place, seen.tag, decision)
            return str(written.id) if written else ""

        return await self._filing(who, visit, use)

    async def take_back_abroad(self, who: Identity, visit: Visit, number: UUID, reason: str) -> None:
        """With its reason."""

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn:
                await self.foreign.take_back(conn, grant, number, reason)

        await self._filing(who, visit, use)

    async def _filing(self, who: Identity, visit: Visit, use: Callable[[Grant], Awaitable[T]]) -> T:
        caller = await self.caller(who, visit, SERVICE)
        return await self.under(who, visit, "file", use, service=SERVICE, what=self.foreign.what(caller))

    async def _patient(self, conn: Connection, grant: Grant, who: Identity, visit: Visit) -> Patient:
        person = await self.person(conn, visit.patient)
        if who.kind != "practitioner":
            return person
        return replace(person, number=await self.store.people.number(conn, grant))

    async def _names(self, numbers: Iterable[str]) -> dict[str, str]:
        return dict(
            await registers.organisation_names(self.store.pool, sorted(one for one in set(numbers) if one.isdigit()))
        )

    async def _rights(self, who: Identity, visit: Visit) -> frozenset[str]:
        """What she is offered to register about this patient; asked without a trace, since nothing is done by it."""
        if who.kind != "practitioner":
            return frozenset()
        caller, ref = await self.caller(who, visit, SERVICE), PatientRef(key=visit.patient)
        answer = await self.door.would_offer(
            caller, ref, SERVICE, "correct", basis=self.basis_of(visit), purpose=visit.purpose, what=ANY_KIND
        )
        return (answer.registers or frozenset()) if isinstance(answer, Grant) else frozenset()


def _absent() -> Refusal:
    return refused(404, "There is no such document.", "abroad", "no-document")
