"""Logins to the pages that were ended by their owner: a cookie that somebody kept opens nothing after it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kjerne.store.pool import Pool

_END: Final = "INSERT INTO ended_login (login, until) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ENDED: Final = "SELECT EXISTS (SELECT FROM ended_login WHERE login = $1)"
_SWEEP: Final = "DELETE FROM ended_login WHERE until <= $1"


async def end(pool: Pool, login: str, until: datetime) -> None:
    """Ends a login on every host. `until` is when its cookie could not be used any longer anyway."""
    await pool.execute(_END, login, until)


async def has_ended(pool: Pool, login: str) -> bool:
    """Whether this login was ended: one look-up by primary key."""
    return bool(await pool.fetchval(_ENDED, login))


async def sweep(pool: Pool, now: datetime) -> None:
    """Forgets the ends of logins that are too old by themselves."""
    await pool.execute(_SWEEP, now)
