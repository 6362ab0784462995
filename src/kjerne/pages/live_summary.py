"""Patient summaries behind the pages: made as they are for the wire, and who has read one from elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Denied, PatientRef, Unattested
from kjerne.pages.house import Identity, Visit
from kjerne.pages.live import SUMMARY, LivePages
from kjerne.pages.summary_house import Held, Made
from kjerne.reading import about
from kjerne.services.summary.drawing import Asking
from kjerne.services.summary.making import Making
from kjerne.store import audit
from kjerne.store.pool import Connection

ASKED = "Patient/$summary"


class SummaryPages(LivePages):
    """Implements `pages.summary_house.SummaryHouse`."""

    making: Making
    public_url: str

    async def summary(self, who: Identity, visit: Visit, language: str) -> Made:
        """Under the law of each service that it is drawn from, with its row of what leaves (law, K124 and K144)."""
        correlation = f"page-{visit.id}-{secrets.token_hex(4)}"
        try:
            caller = await self.caller(who, visit, SUMMARY)
        except Unattested as refused:
            await self.door.write_down(refused, correlation)
            raise
        document, shut = await self.making.told(
            Asking(
                self.door.admit(caller, correlation), caller, PatientRef(key=visit.patient), ASKED, language, self.public_url,
                correlation, self.basis_of(visit), visit.purpose,
            )
        )  # fmt: skip
        async with self.store.pool.acquire() as conn:
            return Made(document, await self.person(conn, visit.patient), shut)

    async def held_against(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Held | None:
        """By the person whose each number is, so that one who has had two is the same under either."""

        async def use(grant: Grant) -> Held | None:
            if grant.instead_of is not None:
                return None
            async with self.store.pool.acquire() as conn:
                await audit.insert(conn, audit.given(grant))
                hers = {one for one in numbers if await self._key_of(conn, one) in grant.subject.keys}
                return Held(about.compared(numbers, hers), await self.person(conn, visit.patient))

        try:
            return await self.under(who, visit, "search", use)
        except Denied:
            return None

    async def _key_of(self, conn: Connection, number: str) -> int | None:
        """Whose a number is; None for one that is nobody's, or none at all."""
        try:
            ref = self._identify(number)
        except Refusal:
            return None
        return await self.store.people.key_of(conn, ref.digest)

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        """All rows in one transaction, before anything of the document is shown (law, K145)."""
        caller, now = await self.caller(who, None), self.clock.now()
        correlation = f"page-{secrets.token_hex(8)}"
        async with self.store.pool.acquire() as conn, conn.transaction():
            known = set[int]()
            for number in numbers:
                key = await self._key_of(conn, number)
                if key is not None and key not in known:
                    known.add(key)
                    await audit.insert(conn, audit.brought(caller, key, now, correlation))
