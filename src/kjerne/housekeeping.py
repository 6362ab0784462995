"""Everything the program does by the clock, put together: each kind of job with who does it, and what always comes back.

The same worker runs beside the requests in `kjerne up` and alone in `kjerne work`; any number may run at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kjerne.clock import Clock
from kjerne.jobs import Job, Worker
from kjerne.notifying import Notifier
from kjerne.policy.services import kept_by_law
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings
from kjerne.store import (
    erasing,
    fhir_messages,
    followup,
    import_jobs,
    logins,
    portal_sessions,
    repeats,
    restoring,
    summary_links,
)
from kjerne.store.checkpoints import Checkpoints
from kjerne.store.keys import Keys
from kjerne.store.keys import Sealer as MessageSealer
from kjerne.store.pool import Pool
from kjerne.store.proofs import ProofTable
from kjerne.store.sealing import Sealer
from kjerne.store.shares import Shares

PROOF_SWEEP: Final = "proof-sweep"
AUDIT_SEAL: Final = "audit-seal"
REPEAT_COUNT: Final = "repeat-count"
LOGIN_SWEEP: Final = "login-sweep"
NOTIFY: Final = "notify"

SWEEP_EVERY: Final = timedelta(minutes=1)
LOGINS_SWEPT_EVERY: Final = timedelta(hours=1)
SEAL_EVERY: Final = timedelta(seconds=1)
"""With the worker's own second of sleep, the chain is at most about two seconds behind the log."""
COUNT_EVERY: Final = timedelta(hours=1)
TOLD_EVERY: Final = timedelta(seconds=5)


async def shares_of(settings: Settings, keys: Keys, clock: Clock) -> Shares:
    """The key shares of the settings' database, once what they list as destroyed is gone from it."""
    path = restoring.shares_path(settings.data, settings.key_shares)
    return await restoring.opened(settings.dsn, settings.owner_dsn, path, keys, types_by_service(), clock.now())


def worker(pool: Pool, clock: Clock, checkpoints: Checkpoints, keys: Keys, shares: Shares) -> Worker:
    """The worker with every kind of job. `checkpoints` is where the log's heads are signed.

    The pool needs two connections for each worker: a job's row is held on one while the job is done on the other.
    """
    proofs, eraser = ProofTable(pool, clock), erasing.Eraser(pool, clock, types_by_service(), shares, kept_by_law())
    sealer, noted = Sealer(pool, clock, checkpoints), MessageSealer(keys.derived("message"))

    async def sweep(_: Job) -> datetime:
        await proofs.sweep()
        return clock.now() + SWEEP_EVERY

    async def sweep_logins(_: Job) -> datetime:
        await logins.sweep(pool, clock.now())
        await fhir_messages.sweep(pool, clock.now())
        await import_jobs.sweep(pool, clock.now())
        await portal_sessions.sweep(pool, clock.now())
        await summary_links.sweep(pool, clock.now())
        return clock.now() + LOGINS_SWEPT_EVERY

    async def seal(_: Job) -> datetime:
        sealed = await sealer.seal()
        # Rows that were many enough to be sealed in part are gone on with at once.
        return clock.now() if sealed >= sealer.rows_at_once else clock.now() + SEAL_EVERY

    async def count(_: Job) -> datetime:
        async with pool.acquire() as conn:
            counted = await repeats.count(conn, noted)
        return clock.now() if counted >= repeats.AT_ONCE else clock.now() + COUNT_EVERY

    async def tell_late(job: Job) -> datetime | None:
        return await followup.tell_late(pool, job, clock.now())

    handlers = {
        followup.TELL_LATE: tell_late,
        PROOF_SWEEP: sweep, AUDIT_SEAL: seal, REPEAT_COUNT: count, LOGIN_SWEEP: sweep_logins, erasing.KIND: eraser.erase,
    }  # fmt: skip
    return Worker(pool, clock, handlers, recurring=(PROOF_SWEEP, AUDIT_SEAL, REPEAT_COUNT, LOGIN_SWEEP))


def teller(pool: Pool, clock: Clock, keys: Keys, settings: Settings) -> Worker:
    """The worker that tells citizens who looked; without a mail server in the settings it has nothing to tell by.

    One of its own, so that a mail server that does not answer keeps no seal of the log waiting. It needs two connections.
    """
    notifier = Notifier(pool, clock, keys, settings)

    async def tell(_: Job) -> datetime:
        more = await notifier.work()
        return clock.now() if more else clock.now() + TOLD_EVERY

    if not settings.channels:
        return Worker(pool, clock, {})
    return Worker(pool, clock, {NOTIFY: tell}, recurring=(NOTIFY,))
