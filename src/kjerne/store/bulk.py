"""Many new records at once: COPY under the grants of all their patients, one audit row for each, all or none.

The same rows as `store.records` writes one by one, made with as little work for each as there can be. Ids are always
new, so nothing is looked up and no version is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.store import audit
from kjerne.store.codec import Dictionaries, Wrap, bound
from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

FIRST_VERSION: Final = 1

_ROW: Final = (
    "patient", "id", "type", "version", "dictionary", "at", "date_from", "date_to", "tokens", "values", "body",
)  # fmt: skip
_AUDIT_ROW: Final = (*audit.COLUMNS.split(", "), "types", "ids", "versions")
_HOLD: Final = """
SELECT patient, stamp FROM person WHERE patient = ANY($1::bigint[]) ORDER BY patient FOR NO KEY UPDATE"""


class Fresh(NamedTuple):
    """A resource that has no id yet. `kept` is what `codec.with_splices` makes of the bytes received."""

    type: int
    kept: bytes
    tokens: list[int]
    values: bytes
    date_from: datetime | None
    date_to: datetime | None


class Filing(NamedTuple):
    """What goes under one grant: one patient, one service."""

    grant: Grant
    fresh: Sequence[Fresh]


class Bulk:
    """Writes in bulk for one house: its keys, dictionaries and ids."""

    def __init__(self, wrap: Wrap, dictionaries: Dictionaries, ids: SealedIds) -> None:
        self._wrap = wrap
        self._dictionaries = dictionaries
        self._ids = ids

    async def write(self, conn: Connection, filings: Sequence[Filing]) -> list[list[UUID]]:
        """Everything in one transaction; the new ids, in the order of `filings` and of what each holds.

        Raises `Stale` when a fact about any of the patients changed since its grant was made, or when another writer
        held the same patients in another order: nothing is written then.
        """
        ids = [[self._ids.make(grant.subject.patient) for _ in fresh] for grant, fresh in filings]
        try:
            async with conn.transaction():
                await _hold(conn, [filing.grant for filing in filings])
                # The driver takes row by row as the server's socket has room: both work at the same time.
                await conn.copy_records_to_table("record", columns=_ROW, records=self._rows(filings, ids))
                await conn.copy_records_to_table("audit", columns=_AUDIT_ROW, records=_audit_rows(filings, ids))
        except asyncpg.DeadlockDetectedError as error:
            raise Stale from error
        return ids

    def _rows(self, filings: Sequence[Filing], ids: Sequence[Sequence[UUID]]) -> Iterator[tuple[Any, ...]]:
        shrink = self._dictionaries.shrink
        for (grant, fresh), own in zip(filings, ids, strict=True):
            patient, at = grant.subject.patient, grant.at
            key = self._wrap.unwrap(patient, grant.subject.wrapped[0])
            seal = key.seal
            for (type_, kept, tokens, values, date_from, date_to), id_ in zip(fresh, own, strict=True):
                place = bound(patient, type_, id_)
                number, packed = shrink(kept)
                yield (
                    patient, id_, type_, FIRST_VERSION, number, at, date_from, date_to, key.tokens(tokens),
                    seal(values, place), seal(packed, place),
                )  # fmt: skip


def _audit_rows(filings: Sequence[Filing], ids: Sequence[Sequence[UUID]]) -> Iterator[tuple[Any, ...]]:
    for (grant, fresh), own in zip(filings, ids, strict=True):
        yield (*audit.given(grant), [one.type for one in fresh], own, [FIRST_VERSION] * len(own))


async def _hold(conn: Connection, grants: Sequence[Grant]) -> None:
    """As `records.hold`, for many patients: their rows are taken in the order of their keys."""
    keys = {key for grant in grants for key in grant.subject.keys}
    stamps = {row["patient"]: row["stamp"] for row in await conn.fetch(_HOLD, list(keys))}
    for grant in grants:
        if sum(stamps.get(key, 0) for key in grant.subject.keys) != grant.subject.stamp:
            raise Stale
