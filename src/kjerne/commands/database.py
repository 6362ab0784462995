"""The database that a command works on by itself: of the settings, or of the data directory beside a running platform."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM, Embedded
from kjerne.store.pool import Pool, open_pool, reaching

T = TypeVar("T")
SECONDS: Final = 30.0


def on_database(settings: Settings, use: Callable[[Pool], Awaitable[T]], *, seconds: float = SECONDS) -> T:
    """What `use` makes of the one connection; a statement may take `seconds`. `Refusal` 422 where there is no database."""

    async def run() -> T:
        pool = await opened(settings, seconds=seconds)
        try:
            return await use(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


async def opened(settings: Settings, *, seconds: float = SECONDS) -> Pool:
    """The one connection, which whoever asked closes; `Refusal` where there is no database, or it is not reached."""
    dsn = settings.dsn
    if not dsn:
        if not (settings.data / "postgres").exists():
            raise Refusal(422, "there is no database", where="KJERNE_DSN", todo="Name one, or run it beside kjerne up.")
        dsn = Embedded(settings.data).dsn(PROGRAM)
    with reaching():
        return await open_pool(dsn, 1, seconds=seconds)
