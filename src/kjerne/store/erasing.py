"""Deletion after an opt-out: thirty days to regret, then what a service kept about the person is gone, and its key too.

Planned when she opts out, as a job `delete-after-opt-out` with the key `patient:number` of her choice, and again, with the
link's number as a third part, when one of her numbers is linked to another: what lies under that is deleted 30 days after
the link. The deletion and
its audit row are one statement in the database (0013): the program itself has no right to delete history. The share of
the service's key is destroyed last, before that transaction ends: where it does not end well, the key is gone and the
job comes again, and never the other way round. The audit log stays, without what readers wrote; what is filed here
later is refused for as long as the choice holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import structlog

from kjerne.clock import Clock
from kjerne.jobs import Job
from kjerne.store import notifying
from kjerne.store.pool import Pool
from kjerne.store.shares import MESSAGES, Gone, Shares

log = structlog.get_logger("kjerne.erasing")

KIND: Final = "delete-after-opt-out"

RULE: Final = "erased-after-opt-out"
LAW: Final = "kjernejournalforskriften (retten til å reservere seg)"
SAYS: Final = "Opplysningene ble slettet 30 dager etter at det ble reservert mot lagring her."
"""What the patient reads in her log."""

_NO_RECORD: Final = """
UPDATE privacy_choice SET record = NULL, ended_at = least(ended_at, $3),
  ended_rule = CASE WHEN ended_at <= $3 THEN ended_rule ELSE $4 END
WHERE patient = ANY($1::bigint[]) AND service = $2 AND kind = 'record' AND record IS NOT NULL"""
"""A choice about one record names none that is gone, and is over with it."""
_SERVICE: Final = "SELECT service FROM privacy_choice WHERE patient = $1 AND number = $2"
_ERASE: Final = "SELECT * FROM erase_after_opt_out($1, $2, $3, $4::smallint[], $5, $6, $7, $8)"


class Eraser:
    """Does the job. `types_by_service` says which types of records a service keeps, `kept` which services no opt-out deletes."""

    def __init__(
        self, pool: Pool, clock: Clock, types_by_service: Mapping[str, Collection[int]], shares: Shares,
        kept: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._types_by_service = types_by_service
        self._shares = shares
        self._deleted = sorted(types_by_service.keys() - set(kept))

    async def erase(self, job: Job) -> None:
        """Deletes, if the choice still holds and its time is up; the second time there is nothing left to delete."""
        patient, number = (int(part) for part in job.key.split(":")[:2])
        service = await self._pool.fetchval(_SERVICE, patient, number)
        if service is None:
            return
        for one in self._deleted:
            if service in ("", one):
                await self._erase(patient, number, one)

    async def _erase(self, patient: int, number: int, service: str) -> None:
        types, now = sorted(self._types_by_service[service]), self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(_ERASE, patient, number, service, types, now, RULE, LAW, SAYS)
            gone = [Gone(service, row["patient"], row["generation"], now, row["opted_out_at"]) for row in rows]
            gone += [Gone(MESSAGES, share, 0, now) for row in rows for share in row["message_shares"]]
            await conn.execute(_NO_RECORD, [row["patient"] for row in rows], service, now, RULE)
            await notifying.forget(conn, [row["patient"] for row in rows], self._types_by_service, now)
            if gone:
                await asyncio.to_thread(self._shares.destroy, gone)
        if gone:
            log.info("erased after opt-out", service=service, rows=sum(row["deleted"] for row in rows))
