"""Which sources have documents about whom, as they have registered it, and where she has been in care: who is asked goes by it.

It is about numbers and not about persons, so that what a source says of somebody whom no register here knows yet is not lost. It
opens no record; it is looked at under a `Grant` about her all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from kjerne.access import Caller, Grant
from kjerne.store import audit
from kjerne.store.pool import Connection
from kjerne.xds.values import bare

_WHOLE: Final = "SELECT source, whole_at FROM document_register WHERE source = ANY($1::text[])"
_REGISTERED: Final = "SELECT digest, source FROM document_whereabouts WHERE digest = ANY($1::bytea[])"
_CONTACTS: Final = """
WITH RECURSIVE care AS (
  SELECT DISTINCT t.organisation AS number FROM person_tie t
  WHERE t.patient = ANY($1::bigint[]) AND t.kind IN ('care', 'practice-list') AND t.organisation <> ''
), above AS (
  SELECT number FROM care UNION SELECT o.parent FROM organisation o JOIN above a ON o.number = a.number WHERE o.parent <> ''
), below AS (
  SELECT number FROM care UNION SELECT o.number FROM organisation o JOIN below b ON o.parent = b.number
)
SELECT number FROM above UNION SELECT number FROM below"""
_ADD: Final = "INSERT INTO document_whereabouts (digest, source, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_TAKE: Final = "DELETE FROM document_whereabouts WHERE digest = $1 AND source = $2"
_SAY: Final = """
INSERT INTO document_register (source, whole_at) VALUES ($1, $2)
ON CONFLICT (source) DO UPDATE SET whole_at = greatest(document_register.whole_at, excluded.whole_at)"""
UNKNOWN: Final = "documents-registered"
UNKNOWN_LAW: Final = "helsepersonelloven § 45; pasientjournalloven § 19"
UNKNOWN_SAYS: Final = "En virksomhet meldte at den har dokumenter om noen som ikke er registrert her."


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of one patient: the sources that have registered documents about her, and the organisations where she is or was in care,
    with those above and below them, since care is registered at one level and a source answers for another; of sources when
    each last said that it registers everybody, by home community without `urn:oid:`."""

    whole: Mapping[str, datetime]
    registered: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()


async def of(conn: Connection, grant: Grant, key: bytes, homes: Iterable[str]) -> Whereabouts:
    """What is known of the patient of a grant; no more than `whole` where no source has ever said that it registers everybody."""
    plain = sorted({bare(one) for one in homes})
    whole = {row[0]: row[1] for row in await conn.fetch(_WHOLE, plain)}
    if not whole:
        return Whereabouts(whole)
    keys, digests = list(grant.subject.keys), sorted(grant.subject.digests)
    rows = {(bytes(row[0]), bytes(row[1])) for row in await conn.fetch(_REGISTERED, digests)}
    return Whereabouts(
        whole,
        frozenset(home for home in plain if any((one, _source(key, one, home)) in rows for one in digests)),
        frozenset(row[0] for row in await conn.fetch(_CONTACTS, keys)),
    )


async def register(
    conn: Connection, key: bytes, home: str, digest: bytes, at: datetime, row: tuple[Any, ...], *, has: bool
) -> None:
    """Notes that a source has documents about a number, or none any more, with the log's row; in the caller's transaction."""
    source = _source(key, digest, bare(home))
    if has:
        await conn.execute(_ADD, digest, source, at)
    else:
        await conn.execute(_TAKE, digest, source)
    await audit.insert(conn, row)


async def say_whole(conn: Connection, home: str, at: datetime) -> None:
    """Notes that a source registers everybody about whom it has documents, up to now."""
    await conn.execute(_SAY, bare(home), at)


def row_of_nobody(caller: Caller, service: str, at: datetime, correlation: str) -> tuple[Any, ...]:
    """The row of a registration about somebody whom no register here knows: the platform's own."""
    return audit.of_nobody(caller, service, "file", UNKNOWN, UNKNOWN_LAW, UNKNOWN_SAYS, at, correlation)


def _source(key: bytes, digest: bytes, home: str) -> bytes:
    return blake2b(digest + home.encode(), key=key, person=b"whereabouts", digest_size=16).digest()
