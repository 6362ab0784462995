"""The whole house, opened by a command over the database of the settings, or of the data directory beside a running platform."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from kjerne import app
from kjerne.access import OPERATIONS, Caller
from kjerne.app import House
from kjerne.clock import SystemClock
from kjerne.commands.participating import author
from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM, Embedded
from kjerne.store.keys import Keys
from kjerne.store.pool import reaching

T = TypeVar("T")


def in_house(settings: Settings, use: Callable[[House, Caller], Awaitable[T]]) -> T:
    """What `use` makes of the house, as the operator who runs the command. `Refusal` 422 where there is no database."""
    if settings.dsn:
        keys = Keys.parse(settings.keys.get_secret_value())
    elif (settings.data / "postgres").exists():
        keys = Keys.in_folder(settings.data)
        settings = settings.model_copy(update={"dsn": Embedded(settings.data).dsn(PROGRAM)})
    else:
        raise Refusal(422, "there is no database", where="KJERNE_DSN", todo="Name one, or run it beside kjerne up.")
    few = settings.model_copy(update={"pool_size": 2})
    caller = replace(author(), scopes=frozenset({OPERATIONS}))

    async def run() -> T:
        async with contextlib.AsyncExitStack() as open_:
            with reaching():
                house = await open_.enter_async_context(app.opened(few, keys, SystemClock()))
            return await use(house, caller)

    return asyncio.run(run())
