"""The keys a database was made with: a program that holds others is refused before it reads or writes a row."""

from __future__ import annotations

import asyncpg
from cryptography.exceptions import InvalidTag

from kjerne.errors import Refusal
from kjerne.store.codec import PersonWrap
from kjerne.store.keys import Keys
from kjerne.store.pool import Connection, Pool

_NOTE = "INSERT INTO key_mark (name, digest) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING"
_SOMEBODY = "SELECT patient, wrapped_key FROM person WHERE wrapped_key IS NOT NULL LIMIT 1"


async def hold(pool: Pool, keys: Keys) -> None:
    """Notes the keys in a database that has none noted; Refusal 409 where it was made with others.

    A database from before marks were kept is tried: the keys must open the data key of somebody in it.
    """
    marks = keys.marks()
    async with pool.acquire() as conn, conn.transaction():
        await _compare(conn, keys)
        await conn.execute(_NOTE, list(marks), list(marks.values()))
    async with pool.acquire() as conn:  # of two that start at once with other keys, the second is refused here
        await _compare(conn, keys)


async def checked(dsn: str, keys: Keys) -> None:
    """As `hold`, by one connection and noting nothing."""
    conn = await asyncpg.connect(dsn)
    try:
        await _compare(conn, keys)
    finally:
        await conn.close()


async def _compare(conn: Connection, keys: Keys) -> None:
    noted: dict[str, bytes] = {row[0]: row[1] for row in await conn.fetch("SELECT name, digest FROM key_mark")}
    somebody = None if noted else await conn.fetchrow(_SOMEBODY)
    if (noted and noted != keys.marks()) or (somebody and not _opens(keys, somebody[0], somebody[1])):
        raise _others()


def _opens(keys: Keys, patient: int, wrapped: bytes) -> bool:
    try:
        PersonWrap(keys.derived("wrap")).unwrap(patient, wrapped)
    except InvalidTag:
        return False
    return True


def _others() -> Refusal:
    return Refusal(
        409,
        "the keys are not those that this database was made with",
        where="KJERNE_KEYS, or keys.json in the data directory",
        todo="Give it its own keys; without them nothing in it can be found or opened.",
    )
