"""Records about no patient, held against R4 and the profiles of today: they lie open and need no `Grant` (decision 48).

By type and page by page, for the operator. The report has counts and ids, as that of an export's records.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from kjerne.access import OPERATIONS
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.registries.guides import Guides
from kjerne.registries.homes import SHARED_TYPES
from kjerne.registries.rechecking import report
from kjerne.store import shared
from kjerne.store.pool import Pool

AT_ONCE: Final = 200
"""Records of one page: some tenth of a second of work in a thread."""


@dataclass(frozen=True)
class SharedChecks:
    """The handler."""

    pool: Pool
    guides: Guides

    def routes(self) -> list[Route]:
        return [Route("GET", "/checks/{type}", self.check, OPERATIONS, "json")]

    async def check(self, call: Call) -> Answer:
        """What is wrong with those behind `after`, by kind; `next` is where the next page begins, where there is one."""
        name = call.parameters["type"]
        if name not in SHARED_TYPES:
            raise Refusal(
                404,
                "no record of this type is about nobody",
                where="type",
                todo="Ask for an export with purpose=check.",
            )
        if any(key != "after" for key, _ in call.query) or len(call.query) > 1:
            raise Refusal(400, "this address takes after, once", where="query")
        after = dict(call.query).get("after", "")
        async with self.pool.acquire() as conn:
            rows = await shared.standing(conn, type_number(name), after, AT_ONCE)
        made = await asyncio.to_thread(report, [one.served for one in rows], self.guides)
        onward = {"next": rows[-1].id} if len(rows) == AT_ONCE else {}
        return Answer(200, encode({"file": f"{name}-{after}"} | made | onward), "application/json")
