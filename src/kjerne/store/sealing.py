"""The audit log sealed: its rows chained in the order of their transactions, each head of the chain signed outside.

A chain alone shows an edited, deleted or exchanged row, but whoever may write every table can cut its tail, compute it
anew or bring an older state back (specs: threats 1.4 H). Each head is therefore signed into a file that the database
cannot reach (`store.checkpoints`), and `store.verifying` compares all three. Why it is built so: decision 15.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
import structlog

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.store.checkpoints import Checkpoints
from kjerne.store.feed import horizon
from kjerne.store.pool import Connection, Pool

log = structlog.get_logger("kjerne.sealing")

SHARD: Final = 0
"""One database is one shard; a cluster would have one chain and one file of checkpoints for each of its own."""
FORMAT: Final = 4
READABLE: Final = frozenset({3, 4})
GENESIS: Final = bytes(32)
MARK_BYTES: Final = 8
ROWS_AT_ONCE: Final = 20_000
"""A seal that catches up after a pause is made in steps that take well below a second."""
PREFETCH: Final = 500  # some four milliseconds of hashing between two waits: requests beside us are not held up

# A format is never changed: rows sealed under it must give the same bytes for ten years. New columns need a new one.
# 1 and 2 were of a chain that migration 0010 replaced; 3 had `CONTENT` alone. In 4 a row that says something in one of
# the columns of migration 0015 has those behind it. One that does not has the bytes that 3 gives it, so both are read by
# one expression, and a word put into a row of before is a difference.
CONTENT: Final = (
    "patient, at, outcome, action, service, rule, law, says, purpose, basis, caller_kind, caller_digest, caller_name, "
    "caller_hpr, caller_role, organisation, point_of_care, department, client, token, decision, self_selected, "
    "correlation, types, ids, versions, about, reason, written"
)
ADDED: Final = "healthcare_service, purpose_details, patient_point_of_care, patient_department, attested_at"
_SILENT: Final = (
    "(healthcare_service, purpose_details, patient_point_of_care, patient_department) = ('', '', '', '') "
    "AND attested_at IS NULL"
)
# PostgreSQL's own binary form (type and length before each value) is made there four times as fast as here.
# The time beside it is for telling where; one that no calendar has (`infinity`, put there by hand) is told as its edge.
ROWS: Final = (
    "SELECT xid, pg_catalog.xid8send(xid) || pg_catalog.uuid_send(number), "
    "least(greatest(at, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00'), "
    f"CASE WHEN {_SILENT} THEN pg_catalog.record_send(ROW({CONTENT})) "
    f"ELSE pg_catalog.record_send(ROW({CONTENT}, {ADDED})) END FROM audit"
)
ORDERED: Final = " ORDER BY xid, number"
IN_ORDER: Final = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
"""Rows are taken along the index and never sorted whole, however many there are."""

_RANGE: Final = f"{ROWS} WHERE xid >= $1 AND xid < $2 {ORDERED}"
_LAST: Final = "SELECT * FROM audit_seal WHERE shard = $1 ORDER BY number DESC LIMIT 1"
_ADD: Final = """
INSERT INTO audit_seal (shard, number, format, from_xid, until_xid, first_row, last_row, earliest, latest, sealed_at, digest,
"before", head, marks) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"""
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('kjerne audit_seal'), $1)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('kjerne audit_seal'), $1)"

_encode: Final = msgspec.msgpack.Encoder().encode


class Seal(msgspec.Struct, frozen=True):
    """One link of the chain, as it lies in the table `audit_seal` (migration 0010 says what each part is)."""

    shard: int
    number: int
    format: int
    from_xid: int
    until_xid: int
    first_row: int
    last_row: int
    earliest: datetime
    latest: datetime
    sealed_at: datetime
    digest: bytes
    before: bytes
    head: bytes
    marks: bytes

    def computed(self) -> bytes:
        """The head as it follows from everything else that the seal says."""
        return hashlib.sha256(
            _encode(msgspec.structs.astuple(self)[:12]) + hashlib.sha256(self.marks).digest()
        ).digest()


_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def before_all(shard: int) -> Seal:
    """What the first seal follows."""
    return Seal(shard, 0, FORMAT, 0, 0, 0, 0, _NEVER, _NEVER, _NEVER, b"", b"", GENESIS, b"")


class Row(NamedTuple):
    """A row as `ROWS` gives it: its transaction, its place (transaction and number), its time, the bytes of all the rest."""

    xid: int
    place: bytes
    at: datetime
    content: bytes


class Digest:
    """Rows hashed one after another, with their marks and times."""

    def __init__(self) -> None:
        self.marks = bytearray()
        self.times: list[datetime] = []
        self._sha = hashlib.sha256()

    def add(self, rows: Sequence[Row | asyncpg.Record]) -> None:
        """Each row's digest binds place and content; its mark is half of it, and half of the content's alone."""
        sha, marks, times, update = hashlib.sha256, self.marks, self.times, self._sha.update
        for _, place, at, content in rows:
            inner = sha(content).digest()
            whole = sha(place + inner).digest()
            update(whole)
            marks += whole[:4] + inner[:4]
            times.append(at)

    def value(self) -> bytes:
        return self._sha.digest()


class Sealer:
    """Adds to the chain of one shard. Any number of processes may; one at a time does."""

    def __init__(
        self, pool: Pool, clock: Clock, checkpoints: Checkpoints, rows_at_once: int = ROWS_AT_ONCE, shard: int = SHARD
    ) -> None:
        self.rows_at_once = rows_at_once
        self._pool = pool
        self._clock = clock
        self._checkpoints = checkpoints
        self._shard = shard
        self._signed = GENESIS

    async def seal(self) -> int:
        """Seals what is decided and not yet sealed, at most `rows_at_once` and the rest of one transaction; how many.

        Nothing new is sealed before the last seal is signed, so a file that cannot be written leaves one seal unsigned
        and no more: two are a sign of tampering.
        """
        async with self._pool.acquire() as conn:
            if not await conn.fetchval(_LOCK, self._shard):
                return 0  # another process is at it
            try:
                row = await conn.fetchrow(_LAST, self._shard)
                last = Seal(**dict(row)) if row else before_all(self._shard)
                await self._sign(last)
                made = await self._add(conn, last)
                if made:
                    await self._sign(made)
            finally:
                if not conn.is_closed():
                    await conn.execute(_UNLOCK, self._shard)
        return made.last_row - last.last_row if made else 0

    async def _sign(self, seal: Seal) -> None:
        """Signs a seal unless it is signed already: after its commit, so that no line tells of a seal that is not there."""
        if seal.head == self._signed:
            return
        follows = await asyncio.to_thread(
            self._checkpoints.add, seal.shard, seal.number, seal.last_row, seal.head, seal.sealed_at
        )
        if not follows:
            log.error(
                "the audit chain does not continue the last signed checkpoint", shard=seal.shard, seal=seal.number
            )
        self._signed = seal.head

    async def _add(self, conn: Connection, last: Seal) -> Seal | None:
        async with conn.transaction():
            start, until = last.until_xid, await horizon(conn)
            if until < start:
                raise Refusal(
                    409,
                    f"transaction numbers began again: the database gives out {until}, the log is sealed to {start}",
                    todo="Raise them with pg_resetwal (docs/audit-log.md).",
                )
            await conn.execute(IN_ORDER)
            digest, until = await self._taken(conn, start, until)
            if not digest.times:
                return None
            made = self._closed(last, until, digest)
            await conn.execute(_ADD, *msgspec.structs.astuple(made))
            return made

    async def _taken(self, conn: Connection, start: int, until: int) -> tuple[Digest, int]:
        """The rows of the next seal hashed, and the transaction that it ends before."""
        digest, xid = Digest(), 0
        async with aclosing(pieces(conn, _RANGE, start, until)) as source:
            async for rows in source:
                end = len(rows)
                if len(digest.times) + end >= self.rows_at_once:
                    end = _whole_transactions(rows, self.rows_at_once - len(digest.times), xid)
                digest.add(rows[:end])
                if end < len(rows):
                    return digest, rows[end][0]
                xid = rows[-1][0]
        return digest, until

    def _closed(self, last: Seal, until: int, digest: Digest) -> Seal:
        rows, times = last.last_row, digest.times
        made = Seal(
            self._shard, last.number + 1, FORMAT, last.until_xid, until, rows + 1, rows + len(times), min(times), max(times),
            self._clock.now(), digest.value(), last.head, b"", bytes(digest.marks),
        )  # fmt: skip
        return msgspec.structs.replace(made, head=made.computed())


async def pieces(
    conn: Connection, statement: str, *values: Any, at_once: int = PREFETCH
) -> AsyncGenerator[list[asyncpg.Record], None]:
    """The rows of a statement, `at_once` at a time, inside the caller's transaction."""
    cursor = await conn.cursor(statement, *values)
    while rows := await cursor.fetch(at_once):
        yield rows


def _whole_transactions(rows: Sequence[asyncpg.Record], wanted: int, xid: int) -> int:
    """How many of `rows` to take for at least `wanted`, ending where a transaction does; `xid` is the row's before them."""
    for place in range(max(wanted, 0), len(rows)):
        if rows[place][0] != (rows[place - 1][0] if place else xid):
            return place
    return len(rows)
