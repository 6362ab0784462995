"""The log compared with its seals once a day by the worker, and what was found kept as figures for whoever runs it.

What is kept lies in the database that was compared, so it proves nothing against whoever may write there: `kjerne verify`
on another machine does. No job of `kjerne.jobs`, whose transaction would stand open for as long as the comparison takes, and
the sealer reads below the oldest open one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from kjerne.clock import Clock
from kjerne.store.checkpoints import Checkpoints
from kjerne.store.pool import Connection, Pool
from kjerne.store.sealing import SHARD
from kjerne.store.verifying import BEHIND, Verdict, verify

log = structlog.get_logger("kjerne.comparing")

EVERY: Final = timedelta(days=1)
LOOKED_EVERY_SECONDS: Final = 60.0
KINDS_KEPT: Final = 20
"""Kinds of findings told on a page; there are not many more."""
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('kjerne log_comparison'), $1)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('kjerne log_comparison'), $1)"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one comparison found: its state as `kjerne verify` words it, figures, and kinds of findings."""

    at: datetime
    seconds: float
    state: str
    seals: int
    rows: int
    checkpoints: int
    unsealed: int
    findings: Sequence[str]
    further: int


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the chain stands now: its last seal (0: none), and the rows that no seal covers yet."""

    seal: int
    sealed_at: datetime | None
    rows: int
    unsealed: int
    oldest: datetime | None

    def is_behind(self, now: datetime) -> bool:
        """Whether a row has waited for longer than the sealer needs."""
        return self.oldest is not None and now - self.oldest > BEHIND


_TAIL: Final = """
WITH last AS (SELECT number, sealed_at, last_row, until_xid FROM audit_seal WHERE shard = $1 ORDER BY number DESC LIMIT 1)
SELECT coalesce((SELECT number FROM last), 0), (SELECT sealed_at FROM last), coalesce((SELECT last_row FROM last), 0),
  count(*), min(a.at) FROM audit a WHERE a.xid >= coalesce((SELECT until_xid FROM last), '0')"""


async def tail(conn: Connection) -> Tail:
    """The last seal and what lies behind it; the seal is taken at its word, which a comparison is not."""
    row = await conn.fetchrow(_TAIL, SHARD)
    assert row is not None, "an aggregate has one row"
    return Tail(*row)


async def kept(conn: Connection, limit: int) -> tuple[Comparison, ...]:
    """The last comparisons, newest first."""
    rows = await conn.fetch(
        'SELECT at, seconds, state, seals, "rows", checkpoints, unsealed, findings, further FROM log_comparison '
        "ORDER BY at DESC LIMIT $1",
        limit,
    )
    return tuple(Comparison(*row) for row in rows)


class Comparer:
    """Compares once a day; of any number of processes one does."""

    def __init__(self, pool: Pool, clock: Clock, checkpoints: Checkpoints) -> None:
        self._pool = pool
        self._clock = clock
        self._checkpoints = checkpoints

    async def compare_if_due(self) -> bool:
        """Whether it was due, and is done."""
        async with self._pool.acquire() as conn:
            if not await conn.fetchval(_LOCK, SHARD):
                return False  # another process is at it
            try:
                last = await kept(conn, 1)
                if last and self._clock.now() - last[0].at < EVERY:
                    return False
                await self._compare(conn)
            finally:
                if not conn.is_closed():
                    await conn.execute(_UNLOCK, SHARD)
        return True

    async def run_forever(self) -> None:
        """Looks once a minute until cancelled. A comparison that cannot be made is told in the log and tried again."""
        while True:
            try:
                await self.compare_if_due()
            except Exception:
                # As in `kjerne.jobs`: a fault is logged, and what comes back comes back.
                log.exception("the log was not compared")
            await asyncio.sleep(LOOKED_EVERY_SECONDS)

    async def _compare(self, conn: Connection) -> None:
        begun = time.monotonic()
        verdict = await verify(conn, self._checkpoints)
        found = _found(verdict, self._clock.now(), time.monotonic() - begun)
        await conn.execute(
            'INSERT INTO log_comparison (at, seconds, state, seals, "rows", checkpoints, unsealed, findings, further) '
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            found.at, found.seconds, found.state, found.seals, found.rows, found.checkpoints, found.unsealed,
            list(found.findings), found.further,
        )  # fmt: skip
        if found.state == "broken":
            log.error("the log is not as it was sealed", findings=found.findings)


def _found(verdict: Verdict, now: datetime, seconds: float) -> Comparison:
    """The kinds of what does not agree, each once; where it lies is told by `kjerne verify`."""
    kinds = tuple(dict.fromkeys(one.kind for one in verdict.findings))
    shown = kinds[:KINDS_KEPT]
    further = len(verdict.findings) + verdict.more - len(shown)
    return Comparison(
        now,
        seconds,
        verdict.state(now),
        verdict.seals,
        verdict.rows,
        verdict.checkpoints,
        verdict.unsealed,
        shown,
        further,
    )
