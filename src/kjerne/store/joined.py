"""Several requests in ONE transaction of the database: what they read and write goes by one connection, or none of it stands.

Whoever is concerned is held from the beginning, in the order of their keys, so that two such transactions wait for each other in
one order alone. What was refused, and what had been read before something failed, stands in the log whatever becomes of the rest:
else a transaction that is made to fail would tell what is there without a line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from kjerne.access import OPENING
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, Denied, Named, Stale
from kjerne.store import audit
from kjerne.store.pool import Connection, Pool, columns

T = TypeVar("T")

_WHO: Final = """
SELECT d.digest, p.patient, p.linked FROM unnest($1::bytea[]) AS d(digest) JOIN LATERAL (
  SELECT patient FROM person_identifier WHERE digest = d.digest ORDER BY (valid_to IS NULL) DESC, valid_from DESC LIMIT 1
) i ON true JOIN person p ON p.patient = i.patient
UNION ALL
SELECT NULL, p.patient, p.linked FROM person p WHERE p.patient = ANY($2::bigint[])"""
_HOLD: Final = """
SELECT 1 FROM (SELECT key FROM unnest($1::bigint[]) AS n(key) ORDER BY key) k
JOIN LATERAL (SELECT FROM person WHERE patient = k.key FOR NO KEY UPDATE) p ON true"""
_READ: Final = f"""
SELECT {audit.COLUMNS}, types, ids, versions FROM audit
WHERE patient = ANY($1::bigint[]) AND at >= $2 AND correlation = $3 AND action = ANY($4::text[])"""
_AGAIN: Final = (
    f"INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) VALUES ({audit.placeholders(1)}, "
    f"${audit.WIDTH + 1}, ${audit.WIDTH + 2}, ${audit.WIDTH + 3}) ON CONFLICT DO NOTHING"
)


class Concerned(NamedTuple):
    """Whom some requests name: the key that a number leads to, and every key that is held for them."""

    by_digest: dict[bytes, int]
    held: list[int]


async def concerned(pool: Pool, digests: Iterable[bytes], keys: Iterable[int]) -> Concerned:
    """The persons behind numbers and keys, with those linked to them; who is not known is in neither.

    It answers the program: ids are made and rows are held by it, and nothing of it leaves before the law has said yes.
    """
    rows = await pool.fetch(_WHO, list(digests), list(keys))
    by_digest = {row["digest"]: row["patient"] for row in rows if row["digest"] is not None}
    return Concerned(by_digest, sorted({key for row in rows for key in (row["patient"], *row["linked"])}))


class OneTransaction:
    """The transaction, as the requests that are its parts know it (`exchange.Joined`)."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.rows: list[tuple[tuple[Any, ...], Named]] = []

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """The one connection; it is not given back before the transaction ends."""
        return nullcontext(self._conn)

    def refused(self, row: tuple[Any, ...], named: Named) -> None:
        self.rows.append((row, named))


async def in_one(
    pool: Pool, held: Sequence[int], at: datetime, correlation: str, work: Callable[[OneTransaction], Awaitable[T]]
) -> T:
    """What `work` gives, done whole or not at all. It is begun anew where a fact changed, or the server had to stop it.

    `at` and `correlation` are those of the request, by which its lines in the log are found.
    """
    for _ in range(ATTEMPTS):
        async with pool.acquire() as conn:
            joined = OneTransaction(conn)
            transaction = conn.transaction()
            await transaction.start()
            try:
                await conn.fetch(_HOLD, held)
                made = await work(joined)
                for row, named in joined.rows:
                    await audit.insert(conn, row, named)
            except (Refusal, Denied):
                read = [tuple(row) for row in await conn.fetch(_READ, held, at, correlation, sorted(OPENING))]
                await transaction.rollback()
                await conn.executemany(_AGAIN, [*((*row, *columns(named, 3)) for row, named in joined.rows), *read])
                raise
            except (Stale, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                await transaction.rollback()
                continue
            except Exception:
                if not conn.is_closed():
                    await transaction.rollback()
                raise
            await transaction.commit()
            return made
    raise Refusal(
        503, "the records of these patients are being changed at this moment", todo="Send the transaction again."
    )
