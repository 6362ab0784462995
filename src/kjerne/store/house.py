"""The store of one program: pool, keys, dictionaries and the parts that use them, opened and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import zstandard

from kjerne.store import key_marks
from kjerne.store.codec import Dictionaries, Wrap, with_splices
from kjerne.store.keys import Keys, Sealer
from kjerne.store.messages import Copies
from kjerne.store.people import People
from kjerne.store.pointers import Pointers
from kjerne.store.pool import Connection, Pool, open_pool
from kjerne.store.records import Records
from kjerne.store.sealed_id import SealedIds
from kjerne.store.shares import Shares

DICTIONARY_BYTES = 64 * 1024
SAMPLES_NEEDED = 200


@dataclass(frozen=True)
class Store:
    """Everything a room needs to reach rows. Made by `open_store`."""

    pool: Pool
    keys: Keys
    ids: SealedIds
    wrap: Wrap
    dictionaries: Dictionaries
    records: Records
    people: People
    messages: Sealer
    copies: Copies

    async def close(self) -> None:
        await self.pool.close()


async def open_store(
    dsn: str, keys: Keys, shares: Shares, *, pool_size: int = 16, request_seconds: float = 30.0
) -> Store:
    """Opens the pool and loads every dictionary in use. `shares` are this database's (`store.restoring`).

    Refusal 409 where the database was made with other keys.
    """
    pool = await open_pool(dsn, pool_size, seconds=request_seconds)
    try:
        await key_marks.hold(pool, keys)
    except Exception:
        await pool.close()
        raise
    wrap = Wrap(keys.derived("wrap"), shares)
    dictionaries, ids = Dictionaries(), SealedIds(keys.derived("id"))
    store = Store(
        pool=pool,
        keys=keys,
        ids=ids,
        wrap=wrap,
        dictionaries=dictionaries,
        records=Records(wrap, dictionaries, Pointers(ids, keys.derived("identifier"))),
        people=People(wrap, Sealer(keys.derived("number"))),
        messages=Sealer(keys.derived("message")),
        copies=Copies(keys, shares),
    )
    async with pool.acquire() as conn:
        await load_dictionaries(conn, dictionaries)
    return store


async def load_dictionaries(conn: Connection, dictionaries: Dictionaries) -> None:
    """Takes every dictionary in the database into use; also called when a row names one not yet known."""
    for row in await conn.fetch('SELECT number, "bytes" FROM dictionary ORDER BY number'):
        if not dictionaries.knows(row["number"]):
            dictionaries.add(row["number"], row["bytes"])


async def train(conn: Connection, dictionaries: Dictionaries, samples: Iterable[bytes], at: datetime) -> int | None:
    """Trains the next dictionary from bodies of generated people alone, and takes it into use.

    Returns its number, or None where there are too few samples to learn from. Real bodies must never be trained on: a
    dictionary lies unsealed in every backup.
    """
    bodies: list[bytes | bytearray | memoryview[int]] = [with_splices(sample) for sample in samples]
    if len(bodies) < SAMPLES_NEEDED:
        return None
    trained = await asyncio.to_thread(zstandard.train_dictionary, DICTIONARY_BYTES, bodies, level=3)
    number = await conn.fetchval(
        'INSERT INTO dictionary (number, "bytes", made_at) SELECT coalesce(max(number), 0) + 1, $1, $2 FROM dictionary '
        "RETURNING number",
        trained.as_bytes(),
        at,
    )
    dictionaries.add(number, trained.as_bytes())
    return int(number)
