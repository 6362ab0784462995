"""The rows of what leaves of a look that wrote none (`Reader.look`, `summarising.gather`): a page's, or a summary's.

They come last, all in one transaction, and only where everything is as it was looked at. For that the patients' rows are held
against who writes about them (`records.hold`): a correction that is under way is waited for, and one that comes later finds the
rows and tells those readers (decision 85).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.store import audit
from kjerne.store.patients import Held, named
from kjerne.store.pool import Connection

Named = Sequence[tuple[int, UUID, int]]

# In the order of their keys, as `records.hold` takes them, so that two that hold several never wait for each other. Shared:
# readers do not wait for readers.
_HELD: Final = """
SELECT k.key, p.stamp FROM (SELECT DISTINCT key FROM unnest($1::bigint[]) AS n(key) ORDER BY key) k
JOIN LATERAL (SELECT stamp FROM person WHERE patient = k.key FOR SHARE) p ON true"""
_NEWEST: Final = """
SELECT count(*) FROM unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n (type, id, version)
JOIN record r ON r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND r.version = n.version"""


async def write_down(
    conn: Connection, leaves: Sequence[tuple[Grant, Named]], her: Grant | None = None, held: Sequence[Held] = (),
    gone: Named = (),
) -> None:  # fmt: skip
    """A row for each grant, with what leaves under it, and one of her Patient; all or none. `gone`, what was deleted and is told
    of, leaves with the first and is compared with nothing.

    Waits for whoever is writing about one of the patients. Raises `Stale` where a fact changed since one of the grants was made,
    or where what leaves has another version by now: whoever corrects something tells those whose rows stand, so what was read
    before must not get its row after."""
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
    """Raises `Stale` when a fact changed since one of the grants was made."""
    subjects = [grant.subject for grant in grants]
    keys = sorted({key for subject in subjects for key in subject.keys})
    stamps = {row["key"]: row["stamp"] for row in await conn.fetch(_HELD, keys)}
    if any(sum(stamps.get(key, 0) for key in subject.keys) != subject.stamp for subject in subjects):
        raise Stale
