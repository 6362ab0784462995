"""Waits for other transactions to end: what reads in the order of transactions reads up to the oldest that is open, which may be
another test's, since all tests share a cluster."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from kjerne.store.pool import Connection

SETTLED_SECONDS: Final = 30


async def settled(conn: Connection) -> None:
    """Returns when all that was committed before this call lies behind every open transaction."""
    mine = await conn.fetchval("SELECT pg_current_xact_id()::text")
    until = time.monotonic() + SETTLED_SECONDS
    while not await conn.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8", mine):
        assert time.monotonic() < until, "a transaction stays open"
        await asyncio.sleep(0.01)
