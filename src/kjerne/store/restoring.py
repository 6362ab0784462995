"""A database that was brought back from a backup: what was deleted since is deleted again before anybody is answered.

The file of key shares lists every key that was destroyed, the database the same. Where the file lists more, the database
is older than a deletion: its rows cannot be opened any more, and are deleted as they were then. Where the database lists
more, the file is older, and would open what was deleted: nothing is served until the right one is brought.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from kjerne.errors import Refusal
from kjerne.fhir.dates import EARLIEST
from kjerne.store import notifying
from kjerne.store.erasing import LAW
from kjerne.store.keys import Keys
from kjerne.store.pool import SESSION, Connection, reaching
from kjerne.store.shares import MESSAGES, NAME, Gone, Shares, missing

log = structlog.get_logger("kjerne.restoring")

RULE: Final = "erased-after-restore"
SAYS: Final = "Opplysningene ble slettet på nytt, fordi en eldre kopi av databasen ble tatt i bruk."

_OWN: Final = "SELECT id FROM key_shares"
_CLAIM: Final = "INSERT INTO key_shares (id, made_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_DONE: Final = "SELECT patient, service, generation FROM destroyed_key"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('kjerne key_shares'))"
_ERASE: Final = "SELECT deleted, message_shares FROM erase_key($1, $2, $3, $4::smallint[], $5, $6, $7, $8)"
_EMPTY: Final = "UPDATE message_in SET sealed = '', shares = '{}', about = '{}' WHERE shares && $1::bigint[]"
_CHOICE: Final = """
INSERT INTO privacy_choice (patient, number, kind, service, made_at, set_at, set_rule)
SELECT $1, $2, 'opt-out', $3, $4, $4, $5 WHERE EXISTS (SELECT FROM person WHERE patient = $1) AND NOT EXISTS (
  SELECT FROM privacy_choice WHERE patient = $1 AND kind = 'opt-out' AND service IN ('', $3) AND ended_at IS NULL)"""


@dataclass(frozen=True, slots=True)
class State:
    """How file and database stand to each other: what is destroyed, what of it the database still has, and a fault."""

    destroyed: int
    waiting: tuple[Gone, ...] = ()
    fault: Refusal | None = None


def shares_path(data: Path, setting: str) -> Path:
    """Where the file lies: as the setting says, else in the data directory."""
    return Path(setting) if setting else data / NAME


async def opened(
    dsn: str, owner_dsn: str, path: Path, keys: Keys, types_by_service: Mapping[str, Collection[int]], now: datetime
) -> Shares:
    """The shares of a database, once everything that they list as destroyed is gone from it.

    The file is made for a database that has none yet. `Refusal` 409 where it is missing, belongs to another database or is
    older than this one; and where something is to be deleted again, which takes the owner's address.
    """
    async with _connected(dsn) as conn:
        own = await conn.fetchval(_OWN)
        # A database that has had its file is given no new one: `Shares` refuses where it is missing.
        shares = (
            Shares.made(path, keys, types_by_service) if own is None else Shares.known(path, keys, types_by_service)
        )
        if own is None:
            await conn.execute(_CLAIM, shares.id, now)
        state = await state_of(conn, shares)
    assert state is not None
    if state.fault:
        raise state.fault
    if state.waiting:
        if not owner_dsn:
            raise Refusal(
                409,
                f"the database is older than {len(state.waiting)} deletions, which must be done again first",
                where="KJERNE_OWNER_DSN",
                todo="Set it once, so that the owner role can delete.",
            )
        async with _connected(owner_dsn) as conn:
            await _replay(conn, shares, types_by_service, now)
    return shares


async def state_of(conn: Connection, shares: Shares | None) -> State | None:
    """Compares what both list. None where there is neither file nor anything that needs one."""
    own = await conn.fetchval(_OWN) if await conn.fetchval("SELECT to_regclass('key_shares')") else None
    if shares is None:
        return None if own is None else State(0, fault=missing())
    listed = [gone for gone in shares.listed() if gone.service != MESSAGES]
    if own is not None and own != shares.id:
        return State(len(listed), fault=_refused("the file of key shares belongs to another database"))
    done = {tuple(row) for row in await conn.fetch(_DONE)}
    if done - {_named(gone) for gone in listed}:
        return State(len(listed), fault=_refused("the file of key shares is older than the database"))
    return State(len(listed), tuple(gone for gone in listed if _named(gone) not in done))


def _named(gone: Gone) -> tuple[int, str, int]:
    return gone.index, gone.service, gone.generation


def _refused(says: str) -> Refusal:
    return Refusal(409, says, where="KJERNE_KEY_SHARES", todo="Bring the newest one of this database.")


async def _replay(
    conn: Connection, shares: Shares, types_by_service: Mapping[str, Collection[int]], now: datetime
) -> None:
    """Deletes again, all or nothing, and closes the service for those who had opted out of it. The log's row has the time at
    which it was done again."""
    async with conn.transaction():
        await conn.execute(_LOCK)
        state = await state_of(conn, shares)
        waiting = state.waiting if state else ()
        for gone in waiting:
            number = secrets.randbits(62)
            types = sorted(types_by_service[gone.service])
            await conn.fetchrow(_ERASE, gone.index, number, gone.service, types, now, RULE, LAW, SAYS)
            if gone.opted_out_at:
                await conn.execute(_CHOICE, gone.index, number, gone.service, gone.opted_out_at, RULE)
        services, last = sorted(types_by_service), max((gone.at for gone in waiting), default=EARLIEST)
        await notifying.forget(conn, [gone.index for gone in waiting], services, last)
        await _empty_messages(conn, [gone.index for gone in shares.listed() if gone.service == MESSAGES])
    log.info("erased again after a restore", keys=len(waiting))


async def _empty_messages(conn: Connection, destroyed: Sequence[int]) -> None:
    if destroyed:
        await conn.execute(_EMPTY, list(destroyed))


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    with reaching():
        conn = await asyncpg.connect(dsn, server_settings=SESSION)
    try:
        yield conn
    finally:
        await conn.close()
