"""How what is new is found for those who are told of it (`kjerne.store.subscriptions`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kjerne.store import notifying, subscriptions

from .conftest import Desk


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from steps(inner)


@pytest.mark.parametrize(
    ("statement", "count", "read"),
    [
        (subscriptions._DERIVE, 3, ("record", "record_history")),
        (subscriptions._LOOK, 3, ("record", "record_history")),
        (notifying._DERIVE, 7, ("audit",)),
    ],
    ids=["derive", "look", "notify"],
)
async def test_what_is_new_is_read_from_its_place_in_the_index_and_not_from_the_first_row(
    desk: Desk, statement: str, count: int, read: tuple[str, ...]
) -> None:
    async with desk.store.pool.acquire() as conn:
        await conn.execute(f"PREPARE new_ones AS {statement}")
        async with conn.transaction():
            # The tables are empty here, and would be read whole.
            await conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            await conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            (explained,) = json.loads(
                await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE new_ones ({', '.join(['NULL'] * count)})")
            )
        await conn.execute("DEALLOCATE new_ones")
    scans = [one for one in steps(explained["Plan"]) if one.get("Relation Name", "").startswith(read)]
    assert scans
    assert all("xid >=" in one["Index Cond"] for one in scans)
