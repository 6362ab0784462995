"""Which records of critical information journals' systems sent: known again by the sender's own identifiers, told by version.

What a sender calls a record is a keyed digest of its organisation and its identifier, so that what one system calls something is
nothing to another. What is looked up by it answers the program: a record is read or changed under a `Grant`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Literal, NamedTuple
from uuid import UUID

from kjerne.store.pool import Connection, columns

Way = Literal["pushed", "fetched"]


class Names:
    """The digests of one house, by a key of its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, organisation: str, type_: str, system: str, value: str) -> bytes:
        """What an organisation calls a record of a type."""
        return self._digest("name", organisation, type_, system, value)

    def said(self, raw: bytes) -> bytes:
        """What was sent."""
        return blake2b(raw, key=self._key, person=b"said", digest_size=32).digest()

    def _digest(self, *parts: str) -> bytes:
        joined = b"".join(len(one).to_bytes(4, "big") + one for one in (part.encode() for part in parts))
        return blake2b(joined, key=self._key, person=b"name", digest_size=32).digest()


class Sent(NamedTuple):
    """A version that a sender sent. `type` is R4's number, `updated` when its source says that it wrote it, `in_error` whether it
    says that the record was entered in error."""

    patient: int
    id: UUID
    version: int
    type: int
    name: bytes
    said: bytes
    organisation: str
    system: str
    way: Way
    at: datetime
    updated: datetime | None = None
    in_error: bool = False


class Origin(NamedTuple):
    """Who sent a version, by which system, in which way and when."""

    organisation: str
    system: str
    way: Way
    at: datetime


_KNOWN = """
SELECT DISTINCT ON (t.name) t.patient, t.id, t.version, t.type, t.name, t.said, t.organisation, t.system, t.way, t.at,
  t.updated, t.in_error
FROM critical_transfer t WHERE t.name = ANY($1::bytea[]) ORDER BY t.name, t.number DESC"""
_STAND = """
SELECT r.id, r.version FROM record r
WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[]) AND r.id = ANY($3::uuid[])"""
_KEEP = """
INSERT INTO critical_transfer (patient, id, version, type, name, said, organisation, system, way, at, updated,
  in_error)
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::smallint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[],
  $9::text[], $10::timestamptz[], $11::timestamptz[], $12::boolean[])"""
_LATER = """
UPDATE critical_transfer SET updated = $4
WHERE patient = $1 AND id = $2 AND version = $3 AND coalesce(updated < $4, true)"""
_ABOUT = """
SELECT EXISTS (SELECT FROM person_identifier i JOIN person p ON p.patient = $1
  WHERE i.digest = $2 AND (i.patient = p.patient OR i.patient = ANY(p.linked)))"""
_ORIGINS = """
SELECT id, version, organisation, system, way, at FROM critical_transfer
WHERE patient = ANY($1::bigint[]) AND id = ANY($2::uuid[])"""


async def known(conn: Connection, names: Collection[bytes]) -> dict[bytes, Sent]:
    """By what it is called the version of a record that was sent last."""
    return {row["name"]: Sent(*tuple(row)) for row in await conn.fetch(_KNOWN, list(names))}


async def standing(conn: Connection, sent: Collection[Sent], types: Sequence[int]) -> dict[UUID, int]:
    """By id the version that stands now of what was sent, without those that are gone. `types` are the service's numbers."""
    rows = await conn.fetch(_STAND, [one.patient for one in sent], list(types), [one.id for one in sent])
    return {row[0]: row[1] for row in rows}


async def keep(conn: Connection, sent: Sequence[Sent]) -> None:
    """Keeps what was sent, in the transaction that files it."""
    if sent:
        await conn.execute(_KEEP, *columns(list(sent), len(Sent._fields)))


async def later(conn: Connection, one: Sent, updated: datetime) -> None:
    """Notes that its source has written the same once more, and when."""
    await conn.execute(_LATER, one.patient, one.id, one.version, updated)


async def is_whose(conn: Connection, key: int, digest: bytes) -> bool:
    """Whether a number (by its digest) is that of the person of a key, under whichever of her keys it stands."""
    return bool(await conn.fetchval(_ABOUT, key, digest))


async def origins(conn: Connection, keys: Collection[int], ids: Collection[UUID]) -> dict[tuple[UUID, int], Origin]:
    """By id and version where records came from, of a person by her keys; what is not there was registered by hand."""
    rows = await conn.fetch(_ORIGINS, list(keys), list(ids))
    return {(row[0], row[1]): Origin(*tuple(row)[2:]) for row in rows}
