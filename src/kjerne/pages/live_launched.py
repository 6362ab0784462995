"""The pages' house, of pages that a clinician's own system opens: its session, and the visit that it asked for."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import uuid4

import msgspec

from kjerne.errors import Refusal
from kjerne.pages.house import Basis, Identity, Purpose, Visit
from kjerne.pages.launched_house import Launched
from kjerne.pages.live import Carry, LivePages
from kjerne.store.keys import Sealer
from kjerne.store.portal_sessions import PortalSessions, Said


class LaunchedPages(LivePages):
    """Implements that part of `pages.house.PagesHouse`."""

    @property
    def sessions(self) -> PortalSessions:
        """Sealed as the interface seals them that makes them (`kjerne.embedding`)."""
        return PortalSessions(Sealer(self.store.keys.derived("portal-session")))

    async def use_code(self, code: str, verifier: str) -> str:
        """Whoever has the code has one try."""
        found = await self.sessions.use(self.store.pool, code, verifier, self.clock.now())
        return found.hex() if found else ""

    async def open_launched(self, who: Identity, session: str) -> Visit:
        """Bound to whom the system's token was about: a login of anybody else opens nothing, and leaves it to be opened."""
        carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
        said = await self.sessions.open(self.store.pool, bytes.fromhex(session), carry.digest, self.clock.now())
        if said is None:
            raise Refusal(403, "This login is not the one that the page was opened for.", where="launch_other")
        return _visit(session, said)

    async def person_key(self, number: str) -> int:
        """The law is asked when the page opens at her."""
        async with self.store.pool.acquire() as conn:
            return await self.store.people.key_of(conn, self._identify(number).digest) or 0

    async def stands(self, launched: Launched) -> datetime | None:
        """Asked of the table at each step, so that it holds on every host."""
        said = await self.sessions.stands(self.store.pool, bytes.fromhex(launched.session), self.clock.now())
        return said.attested_at if said else None

    async def end_launched(self, launched: Launched) -> None:
        """Closed here, it is closed for the system too."""
        await self.sessions.end(self.store.pool, bytes.fromhex(launched.session), self.clock.now())


def _visit(session: str, said: Said) -> Visit:
    there = Launched(session, said.organisation, said.point_of_care, said.authorization, said.decision)
    return Visit(
        uuid4().hex, said.patient, cast("Purpose", said.purpose), said.attested_at, cast("Basis", said.basis), None,
        said.reason, said.self_declared, there,
    )  # fmt: skip
