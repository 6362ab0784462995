"""Places in the register of participation, for tests over a store of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kjerne.store import participation
from kjerne.store.house import Store
from kjerne.store.participation import Participation, Role

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def a_row(organisation: str, part: Role = "consumer", **changes: Any) -> Participation:
    """A row that has been in force for long, everywhere."""
    made: dict[str, Any] = {
        "number": 0, "organisation": organisation, "service": "results", "part": part, "areas": (), "phase": "national",
        "since": LONG_AGO, "until": None, "basis": "Kjernejournalforskriften", "made_by": "a test", "made_at": LONG_AGO,
    }  # fmt: skip
    return Participation(**(made | changes))


async def taking_part(store: Store, *who: tuple[str, Role]) -> None:
    """Takes these in, unless somebody is already."""
    async with store.pool.acquire() as conn:
        if await participation.is_empty(conn):
            await participation.add(conn, [a_row(*one) for one in who])
