"""Everything that happens by the clock: rows in `job(kind, key, due_at)`, taken one at a time by whoever is free.

A job is a promise that something is done at or after its time. It may be done more than once (a program can die after
the work and before the row is gone), so each handler gives the same end state when run again. Several programs may work
at once: a row in work is locked, and the others pass it by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from kjerne.clock import Clock
from kjerne.store.pool import GONE, Connection, Pool

log = structlog.get_logger("kjerne.jobs")

AWAY: Final = (*GONE, asyncpg.InterfaceError, TimeoutError)

FIRST_RETRY: Final = timedelta(seconds=10)
LONGEST_RETRY: Final = timedelta(hours=6)
RECURRING_RETRY: Final = timedelta(minutes=1)  # what always comes back is not left alone for hours after a bad night
IDLE_SECONDS: Final = 1.0  # how late a job may start; the audit's chain may be two seconds behind its log
AUDIT_MONTHS_AHEAD: Final = 3

_PLAN: Final = """
INSERT INTO job (kind, key, due_at, payload) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload, tries = 0
"""
_TAKE: Final = """
SELECT kind, key, due_at, tries, payload FROM job
WHERE due_at <= $1 AND kind = ANY($2) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_DONE: Final = "DELETE FROM job WHERE kind = $1 AND key = $2"
_AGAIN: Final = "UPDATE job SET due_at = $3, tries = $4 WHERE kind = $1 AND key = $2"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do. `key` names what it is about within its kind, `tries` how often it has failed."""

    kind: str
    key: str
    due_at: datetime
    tries: int = 0
    payload: bytes = b""


Handler = Callable[[Job], Awaitable[datetime | None]]
"""Does a job. Gives None when it is over, or the next time for one that comes back."""


async def plan(connection: Connection, kind: str, key: str, due_at: datetime, payload: bytes = b"") -> None:
    """Promise a job, inside the caller's transaction; a job already planned for the same key moves to the new time."""
    await connection.execute(_PLAN, kind, key, due_at, payload)


async def cancel(connection: Connection, kind: str, key: str) -> None:
    """Take a promise back, inside the caller's transaction."""
    await connection.execute(_DONE, kind, key)


class Worker:
    """Does due jobs of the kinds it has a handler for; kinds of a newer program are left for it.

    The kinds in `recurring` always come back: each has one job, planned at the start.
    """

    def __init__(
        self, pool: Pool, clock: Clock, handlers: Mapping[str, Handler], recurring: Sequence[str] = ()
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._handlers = {"audit-months": self._audit_months, **handlers}
        self._kinds = sorted(self._handlers)
        self._recurring = ["audit-months", *recurring]

    async def start(self) -> None:
        """Plan what always comes back, unless it is planned already."""
        await self._pool.execute(
            "INSERT INTO job (kind, key, due_at) SELECT kind, '', $2 FROM unnest($1::text[]) AS kind ON CONFLICT DO NOTHING",
            self._recurring,
            self._clock.now(),
        )

    async def run_due(self, limit: int = 1000) -> int:
        """Do what is due now, at most `limit` jobs; how many were done or tried."""
        for count in range(limit):
            if not await self._one():
                return count
        return limit

    async def run_forever(self) -> None:
        """Work until cancelled. A database that is away is waited for: what was begun is done when it is back."""
        started = False
        while True:
            try:
                if not started:
                    await self.start()
                    started = True
                idle = not await self.run_due()
            except AWAY as error:
                log.warning("database gone", kind=type(error).__name__)
                idle = True
            if idle:
                await asyncio.sleep(IDLE_SECONDS)

    async def _one(self) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            now = self._clock.now()
            row = await connection.fetchrow(_TAKE, now, self._kinds)
            if row is None:
                return False
            job = Job(**dict(row))
            try:
                again = await self._handlers[job.kind](job)
            except Exception:
                # The edge of the work by the clock, as wire.edge is of requests: a fault is logged and tried again.
                log.exception("job failed", kind=job.kind, tries=job.tries + 1)
                await connection.execute(_AGAIN, job.kind, job.key, now + self._wait(job), job.tries + 1)
                return True
            if again is None:
                await connection.execute(_DONE, job.kind, job.key)
            else:
                await connection.execute(_AGAIN, job.kind, job.key, again, 0)
            return True

    def _wait(self, job: Job) -> timedelta:
        """Doubling from ten seconds to six hours, or to one minute for what always comes back."""
        doubled: timedelta = FIRST_RETRY * 2 ** min(job.tries, 12)
        return min(RECURRING_RETRY if job.kind in self._recurring else LONGEST_RETRY, doubled)

    async def _audit_months(self, _: Job) -> datetime:
        """Keep the audit's months made ahead, so that no read ever waits for a table."""
        now = self._clock.now()
        await self._pool.fetchval("SELECT audit_partitions($1, $2)", now.date(), AUDIT_MONTHS_AHEAD)
        return now + timedelta(days=1)
