"""Documents that lie elsewhere, as the log names them: a number of our own, and what each was called when it was first told of.

A number follows from patient and place by a key of the house, so the same document has the same number each time, and another for
another patient. Names are added and never changed. All of it opens under a `Grant` alone; the row of the log stands in the
transaction that names what leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.registries.identifiers import SYSTEM_BY_KIND
from kjerne.store import audit
from kjerne.store.codec import DataKey, Wrap
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection

TYPE: Final = type_number("DocumentReference")
"""As the log names a document: no record of that type is kept here."""
SERVICE: Final = "documents"
"""As rows of the log call the service (`services.documents.model`)."""
NUMBERS_LIMIT: Final = 4
"""Of her numbers that are asked about, those that hold first: who has more was linked by mistake, or is not a patient."""


class Named(msgspec.Struct, frozen=True):
    """Where a document lies, and what it was called. `patient` and `authority` are the number that it stands under there."""

    source: str
    home: str
    repository: str
    unique_id: str
    patient: str
    authority: str
    title: str
    kind: str
    date: str


class Number(NamedTuple):
    """A national number of hers with its system (`urn:oid:`)."""

    value: str
    system: str


def number_of(key: bytes, patient: int, home: str, repository: str, unique_id: str) -> UUID:
    """The number of a document about a patient."""
    made = blake2b(patient.to_bytes(8, "big"), key=key, person=b"document", digest_size=16)
    for one in (home, repository, unique_id):
        made.update(len(one).to_bytes(4, "big") + one.encode())
    return UUID(bytes=made.digest(), version=4)


_NUMBERS: Final = """
SELECT i.patient, i.kind, i.sealed FROM person_identifier i WHERE i.patient = ANY($1::bigint[]) AND i.kind = ANY($2)
ORDER BY i.valid_to IS NULL DESC, i.valid_from DESC, i.digest"""
_STAMP: Final = "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])"
_ADD: Final = """
INSERT INTO document_name (patient, number, told, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"""
_FIND: Final = (
    "SELECT patient, number, told FROM document_name WHERE patient = ANY($1::bigint[]) AND number = ANY($2::uuid[])"
)
_OPENED: Final = f"""
SELECT DISTINCT n.id FROM audit a, unnest(a.ids) AS n(id) WHERE a.patient = ANY($1::bigint[]) AND a.outcome = {audit.GIVEN}
AND a.service = $2 AND a.action = 'read' AND a.caller_kind = $3 AND n.id = ANY($4::uuid[])
AND CASE $3 WHEN 'citizen' THEN a.caller_digest = $5 ELSE a.caller_hpr = $6 AND a.caller_hpr <> '' END"""


_TOLD: Final = f"""
SELECT DISTINCT n.id FROM audit a, unnest(a.ids) AS n(id) WHERE a.patient = ANY($1::bigint[]) AND a.outcome = {audit.GIVEN}
AND a.service = $2 AND a.caller_kind = 'citizen' AND a.caller_digest = $3 AND n.id = ANY($4::uuid[])"""


async def numbers(conn: Connection, grant: Grant, sealer: Sealer) -> tuple[Number, ...]:
    """Her national numbers, those that hold first."""
    return await _numbers_of(conn, grant.subject.keys, sealer)


async def callers_number(conn: Connection, grant: Grant, sealer: Sealer) -> str:
    """The number that holds of the citizen who was given a grant about another; empty where she has none that is national."""
    key = grant.subject.caller_key
    hers = await _numbers_of(conn, () if key is None else (key, *grant.subject.caller_linked), sealer)
    return hers[0].value if hers else ""


async def _numbers_of(conn: Connection, keys: Sequence[int], sealer: Sealer) -> tuple[Number, ...]:
    rows = await conn.fetch(_NUMBERS, list(keys), list(SYSTEM_BY_KIND))
    found = dict.fromkeys(
        Number(sealer.open(row["sealed"], row["patient"].to_bytes(8, "big")).decode(), SYSTEM_BY_KIND[row["kind"]])
        for row in rows
    )
    return tuple(found)[:NUMBERS_LIMIT]


async def show(conn: Connection, grant: Grant, wrap: Wrap, shown: Iterable[tuple[UUID, Named]]) -> None:
    """The row of documents that leave, told of or opened, with their names; in the caller's transaction. Raises `Stale`."""
    told = list(shown)
    if await conn.fetchval(_STAMP, list(grant.subject.keys)) != grant.subject.stamp:
        raise Stale
    if told:
        key, patient = _key(grant, wrap, 0), grant.subject.keys[0]
        sealed = [
            (patient, number, key.seal(msgspec.msgpack.encode(one), _place(patient, number)), grant.at)
            for number, one in told
        ]
        await conn.executemany(_ADD, sealed)
    await audit.insert(conn, audit.given(grant), [(TYPE, number, 1) for number, _ in told])


async def find(conn: Connection, grant: Grant, wrap: Wrap, asked: Sequence[UUID]) -> dict[UUID, Named]:
    """The names of those that were ever told of; about nobody and of none that is not hers."""
    keys, found = list(grant.subject.keys), dict[UUID, Named]()
    for row in await conn.fetch(_FIND, keys, list(asked)):
        try:
            key = _key(grant, wrap, keys.index(row["patient"]))
            raw = key.open(row["told"], _place(row["patient"], row["number"]))
        except InvalidTag:
            continue
        found[row["number"]] = msgspec.msgpack.decode(raw, type=Named)
    return found


async def opened_before(conn: Connection, grant: Grant, asked: Sequence[UUID]) -> frozenset[UUID]:
    """Those of them that the caller of a grant has opened before: a citizen by her own number, others by their HPR number."""
    caller = grant.caller
    rows = await conn.fetch(
        _OPENED, list(grant.subject.keys), grant.service, caller.kind, list(asked), caller.digest, caller.hpr
    )
    return frozenset(UUID(bytes=row[0].bytes) for row in rows)


async def told_before(conn: Connection, grant: Grant, asked: Sequence[UUID]) -> frozenset[UUID]:
    """Those of them that the citizen of a grant has been told of before, on a list or as they are."""
    rows = await conn.fetch(_TOLD, list(grant.subject.keys), SERVICE, grant.caller.digest, list(asked))
    return frozenset(UUID(bytes=row[0].bytes) for row in rows)


async def untold(conn: Connection, grant: Grant, rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Ids of the documents in lines of the log that the citizen of a grant has never been told of herself: only their sources
    know which of them are withheld from her."""
    asked = {UUID(bytes=one.bytes) for row in rows if row["service"] == SERVICE for one in row["ids"]}
    return frozenset(str(one) for one in asked - await told_before(conn, grant, list(asked))) if asked else frozenset()


def _key(grant: Grant, wrap: Wrap, place: int) -> DataKey:
    """The person's own: no objection deletes anything of this service, so it has no share that could be destroyed."""
    return wrap.unwrap(grant.subject.keys[place], grant.subject.wrapped[place])


def _place(patient: int, number: UUID) -> bytes:
    return b"document-name" + patient.to_bytes(8, "big") + number.bytes
