"""Connections to PostgreSQL, set up once and never reset between requests.

Nothing in the program changes session state, so asyncpg's reset (a round trip for each release) is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool


class _Kept(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


async def open_pool(dsn: str, size: int, *, seconds: float = 30.0) -> Pool:
    """A pool of `size` connections; a statement that runs longer than `seconds` is stopped by the server."""
    settings: dict[str, Any] = {
        "application_name": "kjerne",
        "timezone": "UTC",
        "statement_timeout": str(int(seconds * 1000)),
        "jit": "off",
    }
    return await asyncpg.create_pool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        connection_class=_Kept,
        server_settings=settings,
        command_timeout=seconds,
        max_inactive_connection_lifetime=0,
    )
