"""The rows of what leaves of a look that wrote none (`Reader.look`, `summarising.gather`): a page's, or a summary's.

They come last, all in one transaction, and only where everything is as it was looked at. For that the patients' rows are held
against who writes about them (`records.hold`): a correction that is under way is waited for, and one that comes later finds the
rows and tells those readers (decision 85). The wait is short, and few wait at once: others need the connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg

from kjerne.access import Grant
from kjerne.exchange import ATTEMPTS, Stale
from kjerne.store import audit
from kjerne.store.patients import Held, named
from kjerne.store.pool import Connection, Pool, places_of

Named = Sequence[tuple[int, UUID, int]]

PATIENCE_SECONDS: Final = 2.0
"""How long one look waits for who is writing, and for a place among those that do."""

# In the order of their keys, as `records.hold` takes them, so that two that hold several never wait for each other. Shared:
# readers do not wait for readers. The keys come of the row that sets the bound, so that it holds before the first of them is
# waited for.
_HELD: Final = """
SELECT k.key, p.stamp FROM (SELECT set_config('lock_timeout', $2, true) AS bound) b
CROSS JOIN LATERAL (SELECT DISTINCT key FROM unnest($1::bigint[]) AS n(key) WHERE b.bound IS NOT NULL ORDER BY key) k
JOIN LATERAL (SELECT stamp FROM person WHERE patient = k.key FOR SHARE) p ON true"""
_HELD_AT_ONCE: Final = _HELD.replace("FOR SHARE", "FOR SHARE NOWAIT")
_NEWEST: Final = """
SELECT count(*) FROM unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n (type, id, version)
JOIN record r ON r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND r.version = n.version"""


async def write_down(
    conn: Connection, leaves: Sequence[tuple[Grant, Named]], her: Grant | None = None, held: Sequence[Held] = (),
    gone: Named = (),
) -> None:  # fmt: skip
    """A row for each grant, with what leaves under it, and one of her Patient; all or none. `gone`, what was deleted and is told
    of, leaves with the first and is compared with nothing.

    Waits for whoever is writing about one of the patients, `PATIENCE_SECONDS` and no longer. Raises `Stale` where that takes
    longer, or too many wait already; where a fact changed since one of the grants was made; or where what leaves has another
    version by now: whoever corrects something tells those whose rows stand, so what was read before must not get its row after.
    """
    async with conn.transaction():
        await _hold(conn, [grant for grant, _ in leaves])
        for grant, what in leaves:
            newest: dict[tuple[int, UUID], int] = {}
            for type_, id_, version in what:
                newest[type_, id_] = max(version, newest.get((type_, id_), 0))
            types, ids = [type_ for type_, _ in newest], [id_ for _, id_ in newest]
            keys = list(grant.subject.keys)
            if newest and await conn.fetchval(_NEWEST, keys, types, ids, [*newest.values()]) != len(newest):
                raise Stale
        if her is not None and held:
            await audit.insert(conn, audit.shown(her), named(held))
        for place, (grant, what) in enumerate(leaves):
            await audit.insert(conn, audit.given(grant), [*what, *gone] if place == 0 else what)


@asynccontextmanager
async def looking(pool: Pool, grant: Grant, look: int) -> AsyncIterator[Connection]:
    """A connection for a page's first, second or third `look`: the last holds the patient still. Raises `Stale`."""
    if look > 1:
        await room(pool)
    async with pool.acquire() as conn, held_still(conn, grant, if_=look == ATTEMPTS):
        yield conn


async def room(pool: Pool) -> None:
    """For whoever looks anew: waits, without a connection, until fewer wait for who is writing. Raises `Stale` where it takes
    longer than `PATIENCE_SECONDS`."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), pool.places:
            return
    except TimeoutError:
        raise Stale from None


@asynccontextmanager
async def held_still(conn: Connection, grant: Grant, *, if_: bool) -> AsyncIterator[None]:
    """The patient as she is while a page is made, for one that was overtaken before: who writes about her waits meanwhile.

    Raises `Stale`.
    """
    if not if_:
        yield
        return
    async with conn.transaction():
        await _hold(conn, [grant])
        yield


async def _hold(conn: Connection, grants: Iterable[Grant]) -> None:
    """Raises `Stale` when a fact changed since one of the grants was made, or who is writing is not waited for any longer."""
    subjects = [grant.subject for grant in grants]
    keys = sorted({key for subject in subjects for key in subject.keys})
    places, bound = places_of(conn), str(int(PATIENCE_SECONDS * 1000))
    try:
        if places.locked():
            found = await conn.fetch(_HELD_AT_ONCE, keys, bound)
        else:
            async with places:
                found = await conn.fetch(_HELD, keys, bound)
    except asyncpg.LockNotAvailableError:
        raise Stale from None
    stamps = {row["key"]: row["stamp"] for row in found}
    if any(sum(stamps.get(key, 0) for key in subject.keys) != subject.stamp for subject in subjects):
        raise Stale
