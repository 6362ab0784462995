"""Deletion after an opt-out: thirty days to regret, then what a service kept about the person is gone.

Planned when she opts out, as a job `delete-after-opt-out` with the key `patient:number` of her choice. The deletion and
its audit row are one statement in the database (0004): the program itself has no right to delete history. The audit log
stays; what is filed here later is refused for as long as the choice holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import structlog

from kjerne.clock import Clock
from kjerne.jobs import Job
from kjerne.store.pool import Pool

log = structlog.get_logger("kjerne.erasing")

KIND: Final = "delete-after-opt-out"

RULE: Final = "erased-after-opt-out"
LAW: Final = "kjernejournalforskriften (retten til å reservere seg)"
SAYS: Final = "Opplysningene ble slettet 30 dager etter at det ble reservert mot lagring her."
"""What the patient reads in her log."""

_SERVICE: Final = "SELECT service FROM privacy_choice WHERE patient = $1 AND number = $2"
_ERASE: Final = "SELECT erase_after_opt_out($1, $2, $3, $4::smallint[], $5, $6, $7, $8)"


class Eraser:
    """Does the job. `types_by_service` says which types of records a service keeps."""

    def __init__(self, pool: Pool, clock: Clock, types_by_service: Mapping[str, Collection[int]]) -> None:
        self._pool = pool
        self._clock = clock
        self._types_by_service = types_by_service

    async def erase(self, job: Job) -> None:
        """Deletes, if the choice still holds and its time is up; the second time there is nothing left to delete."""
        patient, number = (int(part) for part in job.key.split(":"))
        service = await self._pool.fetchval(_SERVICE, patient, number)
        if service is None:
            return
        types = sorted(self._types_by_service[service])
        deleted = await self._pool.fetchval(
            _ERASE, patient, number, service, types, self._clock.now(), RULE, LAW, SAYS
        )  # fmt: skip
        log.info("erased after opt-out", service=service, rows=deleted)
