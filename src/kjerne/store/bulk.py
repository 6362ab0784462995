"""Many new records at once: COPY under the grants of all their patients, one audit row for each, all or none.

The same rows as `store.records` writes one by one, made with as little work for each as there can be. Ids are always
new, so nothing is looked up and no version is compared. The rows are made in COPY's binary format here
(postgresql.org/docs/18/sql-copy.html): the driver's own encoder took three times as long (measured 2026-11-23).
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import asyncpg

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.fhir.definitions import BESIDE
from kjerne.fhir.index import Indexed
from kjerne.store import audit, limits
from kjerne.store.codec import Dictionaries, Wrap, bound, joined, nonces_of, with_splices
from kjerne.store.pool import Connection
from kjerne.store.record_marks import marks_of
from kjerne.store.sealed_id import SealedIds

FIRST_VERSION: Final = 1
ROWS_AT_ONCE: Final = 500
"""Rows handed to the driver together: about 10 ms of work between two looks at other requests."""

_ROW: Final = (
    "patient", "id", "type", "version", "labels", "dictionary", "at", "date_from", "date_to", "release_at", "tokens",
    "body",
)  # fmt: skip
_AUDIT_ROW: Final = (*audit.COLUMNS.split(", "), "types", "ids", "versions")
_HOLD: Final = """
SELECT patient, stamp FROM person WHERE patient = ANY($1::bigint[]) ORDER BY patient FOR NO KEY UPDATE"""

# COPY's binary format: every field is its length and its bytes, big-endian; timestamps count microseconds from 2000.
_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
# Number of fields; patient, id, type, version, labels, dictionary, at.
_HEAD: Final = struct.Struct(">hiqi16sihiiiiihiq")
_TIME: Final = struct.Struct(">iq")
_LENGTH: Final = struct.Struct(">i")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INFINITE: Final = {EARLIEST: _TIME.pack(8, -(1 << 63)), LATEST: _TIME.pack(8, (1 << 63) - 1)}


class Fresh(NamedTuple):
    """A resource that has no id yet: its type and labels, its body as it is kept, and what its row's columns are made of.

    `dates` are three columns in COPY's format; tokens and values are still to be sealed.
    """

    type: int
    labels: int
    kept: bytes
    dates: bytes
    tokens: list[int]
    values: bytes
    kinds: frozenset[str]

    @classmethod
    def of(
        cls, type_: int, raw: bytes, indexed: Indexed, labels: Label = NO_LABEL, release_at: datetime | None = None,
        kinds: frozenset[str] = frozenset(),
    ) -> Self:  # fmt: skip
        """From the bytes as received, and what withholds them."""
        dates = _date(indexed.date_from) + _date(indexed.date_to) + _date(release_at)
        return cls(type_, int(labels), with_splices(raw), dates, indexed.tokens, indexed.values, kinds)


def _date(value: datetime | None) -> bytes:
    """An open end lies there as PostgreSQL's own infinity, as the driver writes it."""
    if value is None:
        return _NULL
    return _INFINITE.get(value) or _TIME.pack(8, (value - _EPOCH) // _MICROSECOND)


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

    def ids(self, grant: Grant, types: Sequence[int]) -> list[UUID]:
        """New ids for records of these types (the numbers of their rows) under a grant."""
        return self._ids.make_many(grant.subject.patient, [type_ >= BESIDE for type_ in types])

    async def write(
        self, conn: Connection, filings: Sequence[Filing], ids: Sequence[Sequence[UUID]] = ()
    ) -> Sequence[Sequence[UUID]]:
        """Everything in one transaction; the ids, in the order of `filings` and of what each holds: those that were made for
        them (`Bulk.ids`), or new ones.

        Raises `Stale` when a fact about any of the patients changed since its grant was made, or when another writer
        held the same patients in another order: nothing is written then.
        """
        for grant, fresh in filings:
            for one in fresh if grant.caller.limits is not None else ():
                limits.must_hold(grant.caller, one.type, one.tokens, "c")
        ids = ids or [self.ids(grant, [one.type for one in fresh]) for grant, fresh in filings]
        try:
            async with conn.transaction():
                await _hold(conn, [filing.grant for filing in filings])
                # The driver takes rows as the server's socket has room: both work at the same time.
                await conn.copy_to_table("record", source=self._stream(filings, ids), columns=_ROW, format="binary")
                await conn.copy_records_to_table("audit", columns=_AUDIT_ROW, records=_audit_rows(filings, ids))
        except asyncpg.DeadlockDetectedError as error:
            raise Stale from error
        return ids

    async def _stream(self, filings: Sequence[Filing], ids: Sequence[Sequence[UUID]]) -> AsyncIterator[bytes]:
        yield _BEGIN
        for filing, own in zip(filings, ids, strict=True):
            for at in range(0, len(own), ROWS_AT_ONCE):
                until = at + ROWS_AT_ONCE
                yield b"".join(self._rows(filing.grant, filing.fresh[at:until], own[at:until]))
        yield _END

    def _rows(self, grant: Grant, fresh: Sequence[Fresh], ids: Sequence[UUID]) -> Iterator[bytes]:
        patient, at = grant.subject.patient, (grant.at - _EPOCH) // _MICROSECOND
        key = self._wrap.of_service(grant.subject, grant.service)
        seal, shrink = key.seal, self._dictionaries.shrink
        rows = zip(fresh, ids, nonces_of(len(fresh)), strict=True)
        for (type_, labels, kept, dates, hashes, values, kinds), id_, nonce in rows:
            number, packed = shrink(kept)
            body = seal(joined(values, packed), bound(patient, type_, id_), nonce)
            tokens = key.tokens(hashes)
            marked = labels | marks_of(grant, kinds)
            row = (8, patient, 16, id_.bytes, 2, type_, 4, FIRST_VERSION, 4, marked, 2, number, 8, at)
            yield _HEAD.pack(len(_ROW), *row)
            yield dates
            yield _LENGTH.pack(len(tokens))
            yield tokens
            yield _LENGTH.pack(len(body))
            yield body


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
