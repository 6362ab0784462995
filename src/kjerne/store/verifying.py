"""The log compared with its seals, and the seals with the signed checkpoints: they agree wherever nobody has touched them.

All is read once, in order and in pieces, from one snapshot of the database; what is kept does not grow with the log. What is
found is told by place, time and month, never by what a row says or whom it is about.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import asyncpg

from kjerne.store import marks
from kjerne.store.checkpoints import Checkpoint, Checkpoints
from kjerne.store.findings import Finding, Findings, one
from kjerne.store.marks import Difference
from kjerne.store.pool import Connection
from kjerne.store.sealing import IN_ORDER, MARK_BYTES, ORDERED, READABLE, ROWS, SHARD, Digest, Seal, before_all, pieces
from kjerne.store.trail import Trail

Step = Callable[[int, int], None]
"""Told how far it has come: rows compared, rows in all."""
AT_ONCE: Final = 1000
SEALS_AT_ONCE: Final = 50  # each may hold the marks of twenty thousand rows
BEHIND: Final = timedelta(minutes=1)
"""The sealer is at most some two seconds behind; a minute says that it does not run."""

# Whoever may change a table may also drop what its columns demand: neither NULL nor infinity stops the comparison. A row
# without its place is then one that is missing, or one that was put in, which no seal's range would ever meet.
_PLACED: Final = f"{ROWS} WHERE xid IS NOT NULL AND number IS NOT NULL {ORDERED}"
_SEALS: Final = """
SELECT shard, number, coalesce(format, 0::smallint) AS format, coalesce(from_xid, '0') AS from_xid,
coalesce(until_xid, '0') AS until_xid, coalesce(first_row, 0) AS first_row, coalesce(last_row, 0) AS last_row,
least(greatest(earliest, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS earliest,
least(greatest(latest, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS latest,
least(greatest(sealed_at, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS sealed_at,
coalesce(digest, '') AS digest, coalesce("before", '') AS "before", coalesce(head, '') AS head, coalesce(marks, '') AS marks
FROM audit_seal WHERE shard = $1 ORDER BY number"""
_STANDS: Final = """
SELECT coalesce(max(number), 0) AS seals, coalesce(max(last_row), 0) AS rows, coalesce(max(until_xid), '0') AS until,
pg_snapshot_xmax(pg_current_snapshot()) AS next FROM audit_seal WHERE shard = $1"""
_UNSEALED: Final = """
SELECT count(*) AS rows, min(told) AS oldest, count(*) FILTER (WHERE xid >= $2) AS ahead,
min(told) FILTER (WHERE xid >= $2) AS first, max(told) FILTER (WHERE xid >= $2) AS last
FROM audit, least(greatest(at, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS told WHERE xid >= $1"""
_UNPLACED: Final = """
SELECT count(*) AS rows, min(told) AS first, max(told) AS last
FROM audit, least(greatest(at, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS told
WHERE xid IS NULL OR number IS NULL"""
_HEADS: Final = """
SELECT number, coalesce(last_row, 0) AS last_row, coalesce(head, '') AS head, coalesce(first_row, 0) AS first_row,
least(greatest(sealed_at, '0001-01-02 00:00:00+00'), '9999-12-30 00:00:00+00') AS sealed_at FROM audit_seal
WHERE shard = $1 AND number = ANY($2::bigint[])"""
_SEALED_AT: Final = "SELECT sealed_at FROM audit_seal WHERE shard = $1 AND number = $2"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was compared, what is not sealed or not signed yet, and everything that does not agree."""

    seals: int
    rows: int
    checkpoints: int
    unsealed: int
    oldest: datetime | None
    unsigned: datetime | None
    """When the last seal was made, where no checkpoint tells of it yet."""
    findings: tuple[Finding, ...]
    more: int
    cut_short: tuple[int, ...]

    def state(self, now: datetime) -> str:
        """`broken`: something was tampered with. `behind`: what is sealed is whole, but the sealer does not run."""
        if self.findings:
            return "broken"
        waiting = [at for at in (self.oldest, self.unsigned) if at is not None]
        return "behind" if waiting and now - min(waiting) > BEHIND else "whole"


async def verify(
    conn: Connection, checkpoints: Checkpoints, step: Step = lambda _done, _total: None, shard: int = SHARD
) -> Verdict:
    """Compares everything. Needs a role that may read `audit` and `audit_seal`, and the keys' public halves."""
    findings = Findings()
    known_bytes = checkpoints.size()
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute(IN_ORDER)
        stands = await conn.fetchrow(_STANDS, shard)
        assert stands is not None
        if stands["until"] > stands["next"]:
            findings.tell(Finding("transactions-began-again", seals=one(stands["seals"])))
        signed = _Signed(conn, shard, stands["seals"], stands["rows"], findings)
        # What was signed before our snapshot must be in it; a line that came since may tell of a seal behind it.
        trail = Trail(checkpoints, known_bytes, findings)
        await signed.compare(trail)
        await _Rows(conn, shard, stands["rows"], findings, step).compare()
        unsealed = await conn.fetchrow(_UNSEALED, stands["until"], stands["next"])
        assert unsealed is not None
        if unsealed["ahead"]:
            findings.tell(Finding("row-ahead", since=unsealed["first"], until=unsealed["last"]))
        unplaced = await conn.fetchrow(_UNPLACED)
        assert unplaced is not None
        if unplaced["rows"]:
            findings.tell(Finding("row-unplaced", since=unplaced["first"], until=unplaced["last"]))
        unsigned = await signed.missing(checkpoints, known_bytes)
    return Verdict(
        stands["seals"], stands["rows"], signed.lines, unsealed["rows"], unsealed["oldest"], unsigned, findings.all(),
        findings.more, tuple(trail.cut_short),
    )  # fmt: skip


class _Signed:
    """Checkpoints against seals."""

    def __init__(self, conn: Connection, shard: int, seals: int, rows: int, findings: Findings) -> None:
        self.lines = 0
        self._rows = rows
        self._conn = conn
        self._shard = shard
        self._seals = seals
        self._findings = findings
        self._last = 0

    async def compare(self, trail: Trail) -> None:
        waiting: list[Checkpoint] = []
        for checkpoint in trail.checkpoints():
            self.lines, self._last = self.lines + 1, checkpoint.seal
            waiting.append(checkpoint)
            if len(waiting) == AT_ONCE:
                await self._compare(waiting)
                waiting = []
        await self._compare(waiting)

    async def _compare(self, signed: Sequence[Checkpoint]) -> None:
        rows = await self._conn.fetch(_HEADS, self._shard, [each.seal for each in signed])
        there = {row["number"]: row for row in rows}
        for each in signed:
            row = there.get(each.seal)
            if each.shard != self._shard or (row is None and each.seal <= self._seals):
                continue  # a seal that is gone from among others is told by the chain
            if row is None:
                gone, self._rows = (self._rows + 1, each.rows), max(each.rows, self._rows)
                self._findings.tell(Finding("tail-cut", gone, None, one(each.seal), None, each.at, each.at))
            elif (row["last_row"], row["head"].hex(), row["sealed_at"]) != (each.rows, each.head, each.at):
                covered = row["first_row"], max(row["last_row"], row["first_row"])
                self._findings.tell(Finding("seal-not-signed", covered, None, one(each.seal), None, each.at, each.at))

    async def missing(self, checkpoints: Checkpoints, known_bytes: int) -> datetime | None:
        """Seals that no line tells of: one at the end may be on its way, more are not."""
        came = [line.said.seal for line in checkpoints.lines(start=known_bytes) if line.said]
        if self._seals > 1 and not self.lines and not came:
            self._findings.tell(Finding("checkpoints-absent", seals=(1, self._seals)))
            return None
        last = max([self._last, *came])
        if last < self._seals - 1:
            self._findings.tell(Finding("checkpoint-missing", seals=(last + 1, self._seals)))
        if last != self._seals - 1:
            return None
        at: datetime = await self._conn.fetchval(_SEALED_AT, self._shard, self._seals)
        return at


class _Rows:
    """Rows against seals."""

    def __init__(self, conn: Connection, shard: int, total: int, findings: Findings, step: Step) -> None:
        self._conn = conn
        self._shard = shard
        self._total = total
        self._findings = findings
        self._step = step
        self._done = 0
        self._differences: list[Difference] = []

    async def compare(self) -> None:
        last = before_all(self._shard)
        last_head = last.head
        async with (
            aclosing(pieces(self._conn, _PLACED)) as source,
            aclosing(pieces(self._conn, _SEALS, self._shard, at_once=SEALS_AT_ONCE)) as seals,
        ):
            rows = _Stream(source)
            async for found in seals:
                for row in found:
                    seal = Seal(**dict(row))
                    await self._link(last, last_head, seal, rows)
                    last, last_head = seal, await self._covered(seal, rows)
        for each in marks.explained(self._differences):
            self._findings.tell(each)

    async def _link(self, last: Seal, last_head: bytes, seal: Seal, rows: _Stream) -> None:
        """What lies between two seals: nothing, where nobody has touched them."""
        if seal.number > last.number + 1:
            missing, covered = (last.number + 1, seal.number - 1), (last.last_row + 1, seal.first_row - 1)
            self._findings.tell(Finding("seal-missing", covered, None, missing))
        elif seal.before not in (last.head, last_head) or (seal.from_xid, seal.first_row) != (
            last.until_xid, last.last_row + 1,
        ):  # fmt: skip
            self._findings.tell(Finding("seal-unlinked", seals=one(seal.number)))
        uncovered, times = 0, []
        async for piece in rows.below(seal.from_xid):
            uncovered += len(piece)
            times += [min(row[2] for row in piece), max(row[2] for row in piece)]
            times = [min(times), max(times)]
        if uncovered:
            places = last.last_row + 1, last.last_row + uncovered
            self._findings.tell(Finding("rows-uncovered", places, None, one(seal.number), None, times[0], times[1]))

    async def _covered(self, seal: Seal, rows: _Stream) -> bytes:
        """Compares the rows that a seal covers; the head that follows from what the seal says."""
        digest = Digest()
        async for piece in rows.below(seal.until_xid):
            digest.add(piece)
            self._done += len(piece)
            self._step(min(self._done, self._total), self._total)
        head = seal.computed()
        if seal.format not in READABLE:
            self._findings.tell(Finding("seal-unknown", seals=one(seal.number)))
        elif head != seal.head:
            self._findings.tell(
                Finding("seal-edited", None, None, one(seal.number), None, seal.sealed_at, seal.sealed_at)
            )
        if seal.format in READABLE and digest.value() != seal.digest:
            self._tell(seal, digest, whole=head == seal.head)
        return head

    def _tell(self, seal: Seal, digest: Digest, *, whole: bool) -> None:
        told = list(marks.differences(seal, digest)) if len(seal.marks) == MARK_BYTES * _count(seal) else []
        if not told and whole:
            rows = seal.first_row, seal.last_row
            self._findings.tell(Finding("row-edited", rows, None, one(seal.number), None, seal.earliest, seal.latest))
        room = max(0, marks.LIMIT - len(self._differences))
        self._differences += told[:room]
        for each in marks.plain(told[room:]):
            self._findings.tell(each)


def _count(seal: Seal) -> int:
    return seal.last_row - seal.first_row + 1


class _Stream:
    """Rows in order, taken up to a transaction at a time."""

    def __init__(self, source: AsyncIterator[list[asyncpg.Record]]) -> None:
        self._source = source
        self._piece: Sequence[Any] = ()
        self._place = 0

    async def below(self, xid: int) -> AsyncIterator[Sequence[Any]]:
        """The rows of transactions below `xid` that were not taken yet."""
        while True:
            if self._place >= len(self._piece):
                self._piece, self._place = await self._next(), 0
                if not self._piece:
                    return
            end = bisect_left(self._piece, xid, self._place, key=itemgetter(0))
            taken, self._place = self._piece[self._place : end], end
            if taken:
                yield taken
            if end < len(self._piece):
                return

    async def _next(self) -> Sequence[Any]:
        async for piece in self._source:
            return piece
        return ()
