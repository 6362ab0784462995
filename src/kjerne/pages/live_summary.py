"""Patient summaries behind the pages."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from kjerne.errors import Refusal
from kjerne.pages.house import Identity
from kjerne.pages.live import LivePages
from kjerne.store import audit


class SummaryPages(LivePages):
    """Implements `pages.summary_house.SummaryHouse`."""

    async def brought(self, who: Identity, numbers: Sequence[str]) -> None:
        """All rows in one transaction, before anything of the document is shown (law, K147)."""
        caller, now = await self.caller(who, None), self.clock.now()
        correlation = f"page-{secrets.token_hex(8)}"
        async with self.store.pool.acquire() as conn, conn.transaction():
            known = set[int]()
            for number in numbers:
                try:
                    ref = self._identify(number)
                except Refusal:
                    continue
                key = await self.store.people.key_of(conn, ref.digest)
                if key is not None and key not in known:
                    known.add(key)
                    await audit.insert(conn, audit.brought(caller, key, now, correlation))
