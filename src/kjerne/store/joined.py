"""Several requests in ONE transaction of the database: what they read and write goes by one connection, or none of it stands.

Whoever is concerned is held from the beginning, in the order of their keys, so that two such transactions wait for each other in
one order alone. What was refused stands in the log whatever becomes of the rest, and so does what had been read, changed or met
before something failed, as a try (law, K82): else a transaction that is made to fail would tell what is there without a line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Self, TypeVar
from uuid import UUID

import asyncpg

from kjerne.access import OPENING, Grant, Once
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, Before, Denied, Named, Stale
from kjerne.store import audit, limits, shared
from kjerne.store.pool import Connection, Pool, columns
from kjerne.store.proofs import FRESH, fetched, noting
from kjerne.store.records import Change, Records, Written

T = TypeVar("T")

_WHO: Final = """
SELECT d.digest, p.patient, p.linked FROM unnest($1::bytea[]) AS d(digest) JOIN LATERAL (
  SELECT patient FROM person_identifier WHERE digest = d.digest ORDER BY (valid_to IS NULL) DESC, valid_from DESC LIMIT 1
) i ON true JOIN person p ON p.patient = i.patient
UNION ALL
SELECT NULL, p.patient, p.linked FROM person p WHERE p.patient = ANY($2::bigint[])"""
_WHO_NOTING: Final = f"WITH {noting(3)} SELECT f.fresh, w.* FROM ({FRESH}) f LEFT JOIN ({_WHO}) w ON true"
_HOLD: Final = """
SELECT k.key, p.stamp FROM (SELECT key FROM unnest($1::bigint[]) AS n(key) ORDER BY key) k
JOIN LATERAL (SELECT stamp FROM person WHERE patient = k.key FOR NO KEY UPDATE) p ON true"""
_LOGGED: Final = f"""
SELECT {audit.COLUMNS}, types, ids, versions FROM audit
WHERE xid = pg_current_xact_id() AND patient = ANY($1::bigint[]) ORDER BY at"""
_STANDS: Final = """
SELECT DISTINCT ON (type, id) type, id, version FROM (
  SELECT type, id, version FROM record WHERE patient = ANY($1::bigint[]) AND id = ANY($2::uuid[])
  UNION ALL
  SELECT type, id, version FROM record_history WHERE patient = ANY($1::bigint[]) AND id = ANY($2::uuid[])
) s ORDER BY type, id, version DESC"""
_AGAIN: Final = (
    f"INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) VALUES ({audit.placeholders(1)}, "
    f"${audit.WIDTH + 1}, ${audit.WIDTH + 2}, ${audit.WIDTH + 3}) ON CONFLICT DO NOTHING"
)


class Concerned(NamedTuple):
    """Whom some requests name: the key that a number leads to, and every key that is held for them."""

    by_digest: dict[bytes, int]
    held: list[int]


async def concerned(pool: Pool, digests: Iterable[bytes], keys: Iterable[int], once: Once | None = None) -> Concerned:
    """The persons behind numbers and keys, with those linked to them; who is not known is in neither. It notes the request's
    proof of possession, `once`, too.

    It answers the program: ids are made and rows are held by it, and nothing of it leaves before the law has said yes.
    """
    async with pool.acquire() as conn:
        rows = await fetched(conn, once, _WHO, _WHO_NOTING, (list(digests), list(keys)))
    known = [row for row in rows if row[1] is not None]
    by_digest = {digest: patient for digest, patient, _ in known if digest is not None}
    return Concerned(by_digest, sorted({key for _, patient, linked in known for key in (patient, *linked)}))


async def humans(pool: Pool, digests: Iterable[bytes], keys: Iterable[int]) -> dict[bytes | int, int]:
    """By number's digest and by key the human behind them: the lowest of the keys that are linked. It answers the program, as
    `concerned`."""
    rows = await pool.fetch(_WHO, list(digests), list(keys))
    return {patient if digest is None else digest: min((patient, *linked)) for digest, patient, linked in rows}


class Try(NamedTuple):
    """What an entry was let in to, and the records that it looked at, as they stand."""

    at: datetime
    action: str
    service: str
    named: Named


Told = Callable[["OneTransaction", Try], Awaitable[None]]
"""Has the law refuse a try, so that it is among the transaction's `rows`."""


class OneTransaction:
    """The transaction, as the requests that are its parts know it (`exchange.Joined`). It holds the persons of `stamps`, and has
    `met` those whom the law was asked about too, whom a search may have named or found: nobody need hold them."""

    def __init__(self, conn: Connection, records: Records, stamps: Mapping[int, int]) -> None:
        self._conn = conn
        self._records = records
        self._stamps = dict(stamps)
        self.met = set(stamps)
        self._fresh: list[tuple[Grant, Change]] = []
        self._before: dict[tuple[int, UUID | str], Before] = {}
        self._due: dict[Hashable, Callable[[Connection], Awaitable[None]]] = {}
        self.rows: list[tuple[tuple[Any, ...], Named]] = []
        self.tells_all = False

    def acquire(self) -> Self:
        """The one connection, for a block that sees all that was done before; it is not given back before the end."""
        return self

    async def __aenter__(self) -> Connection:
        await self.written()
        return self._conn

    async def __aexit__(self, *_: object) -> None:
        return None

    def refused(self, row: tuple[Any, ...], named: Named) -> None:
        self.rows.append((row, named))

    def file(self, grant: Grant, change: Change) -> Written:
        """Raises `Stale` where a fact is another than the grant was made from; none changes before the end."""
        limits.must_hold(grant.caller, change.type, change.indexed.tokens, "c")
        if sum(self._stamps.get(key, 0) for key in grant.subject.keys) != grant.subject.stamp:
            raise Stale
        self._fresh.append((grant, change))
        return Written(change.type, change.id, 1, grant.at)

    def at_the_end(self, key: Hashable, work: Callable[[Connection], Awaitable[None]]) -> None:
        self._due[key] = work

    def changes(self, before: Before) -> None:
        self._before.setdefault((before.type, before.id), before)

    def changed(self, type_: int) -> list[Before]:
        return [one for one in self._before.values() if one.type == type_]

    def registered(self, patient: int, stamp: int) -> None:
        self._stamps[patient] = stamp

    async def tried(self) -> None:
        """Has whoever was let in to file stand in the log, though nothing is filed: by what becomes of the whole it is told that
        the law would have let it (law, K95)."""
        await self.written()
        self.tells_all = True

    def taken_back(self) -> None:
        """What was filed and not written yet never is."""
        self._fresh = []

    async def written(self) -> None:
        """Writes what was filed."""
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            await self._records.create_many(self._conn, fresh)

    async def settled(self) -> None:
        """Does what waits for the last write: before that a report may name results that are not there yet."""
        await self.written()
        due, self._due = self._due, {}
        for work in due.values():
            await work(self._conn)


async def in_one(
    pool: Pool, records: Records, held: Sequence[int],
    work: Callable[[OneTransaction], Awaitable[T]], told: Told,
    *, types: Sequence[int] = (),
) -> T:  # fmt: skip
    """What `work` gives, done whole or not at all. It is begun anew where a fact changed, or the server had to stop it.

    `types` are those about nobody of which something is changed or a condition asked, in the order of their numbers: held before
    any record is, as a single conditional write holds its type.

    Where `work` is refused, its own lines stay in the log, and no others: requests may share a correlation id. `told` has the law
    refuse each try that had looked at a record, while the persons are still held.
    """
    for _ in range(ATTEMPTS):
        async with pool.acquire() as conn:
            transaction = conn.transaction()
            await transaction.start()
            refused: Refusal | Denied | None = None
            try:
                stamps = {row["key"]: row["stamp"] for row in await conn.fetch(_HOLD, held)}
                for type_ in types:
                    await shared.hold_type(conn, type_)
                joined = OneTransaction(conn, records, stamps)
                entries = conn.transaction()
                await entries.start()
                try:
                    made = await work(joined)
                    await joined.settled()
                except (Refusal, Denied) as no:
                    refused, logged = no, await conn.fetch(_LOGGED, [*joined.met])
                    await entries.rollback()
                    await _log_all_the_same(conn, joined, logged, told)
                else:
                    # The inner transaction ends with the outer one: to end it by itself would be a word more to the server.
                    for row, named in joined.rows:
                        await audit.insert(conn, row, named)
            except (Stale, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                await transaction.rollback()
                continue
            except Exception:
                if not conn.is_closed():
                    await transaction.rollback()
                raise
            await transaction.commit()
            if refused is not None:
                raise refused
            return made
    raise Refusal(
        503, "the records of these patients are being changed at this moment", todo="Send the transaction again."
    )


async def _log_all_the_same(conn: Connection, joined: OneTransaction, logged: Sequence[Any], told: Told) -> None:
    """What stays in the log of a transaction that was taken back: refusals as they were, looks as tries, since nothing was given
    to anybody, and all else that names what stands here as a try. What the transaction itself had made was never there, and is
    named by none."""
    ids = {id_ for row in logged for id_ in row["ids"]}
    stands = {(row["type"], row["id"]): row["version"] for row in await conn.fetch(_STANDS, [*joined.met], list(ids))}
    joined.taken_back()
    again = []
    for row in logged:
        named = tuple(
            (type_, id_, stands[type_, id_])
            for type_, id_ in zip(row["types"], row["ids"], strict=True)
            if (type_, id_) in stands
        )
        if row["outcome"] == audit.REFUSED:
            again.append((*tuple(row)[: audit.WIDTH], *columns(named, 3)))
        elif named or row["action"] in OPENING or joined.tells_all:
            await told(joined, Try(row["at"], row["action"], row["service"], named))
    await conn.executemany(_AGAIN, [*((*row, *columns(named, 3)) for row, named in joined.rows), *again])
