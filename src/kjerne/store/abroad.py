"""Patient summaries from abroad as they lie: the bytes as they came, and the steps by which clinicians have settled them.

Rows are added to and never changed. All of it opens under a `Grant` alone, with a row in the log that names the documents as
DocumentReference; it is sealed with the service's key about the patient and goes with it after an opt-out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from kjerne.access import Grant, part_label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.store import audit
from kjerne.store.codec import DataKey, Wrap
from kjerne.store.pool import Connection
from kjerne.store.record_marks import in_force

Kind = Literal["taken", "same", "left", "replaced", "withdrawn"]
Media = Literal["application/fhir+json", "application/fhir+xml"]
TYPE: Final = type_number("DocumentReference")
"""As the log names a document: no record of that type is kept here."""
WHOLE: Final = -1
"""The place of a step that is about the document itself."""
_BOUND: Final = b"abroad"


class Told(msgspec.Struct, frozen=True):
    """What a document says of itself, and who brought it. `identifier` is its own, `sha256` is of the bytes, `within` where
    she works (the organisation and its units over and under her), `confirmed` what of the patient's identity she confirmed."""

    identifier: str
    date: str
    title: str
    language: str
    author: str
    custodian: str
    country: str
    media: Media
    size_bytes: int
    sha256: str
    brought_by: str
    hpr: str
    role: str
    system: str
    within: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """Who made a step, and why; of an entry the digest of what it said."""

    by: str
    hpr: str
    role: str
    organisation: str
    reason: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an entry, or of the document (`place` -1). `record` is what came of it, or what it is the same as."""

    place: int
    number: int
    at: datetime
    kind: Kind
    type: int | None
    record: UUID | None
    said: Said = field(repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """A document without its content, with all its steps in their order."""

    patient: int
    number: UUID
    at: datetime
    organisation: str
    name: bytes
    told: Told = field(repr=False)
    steps: tuple[Step, ...]

    def last(self, place: int = WHOLE) -> Step | None:
        """The step by which an entry, or the document, stands as it does now."""
        return next((one for one in reversed(self.steps) if one.place == place), None)

    @property
    def is_taken_back(self) -> bool:
        """Whether it was brought by mistake: it may be somebody else's, and nothing that it says is told any more."""
        last = self.last()
        return last is not None and last.kind == "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether its entries may be settled: it is neither taken back nor replaced by a newer version."""
        return self.last() is None


class Digests:
    """The names of documents of one house, by a key of its own: the same document has another name for each patient."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def said(self, patient: int, raw: bytes) -> bytes:
        """Of the bytes."""
        return self._of(b"said", patient, raw)

    def name(self, patient: int, system: str, value: str) -> bytes:
        """Of the document's own identifier; empty where it has none."""
        return self._of(b"name", patient, f"{len(system)} {system} {value}".encode()) if value else b""

    def _of(self, person: bytes, patient: int, plain: bytes) -> bytes:
        made = blake2b(patient.to_bytes(8, "big"), key=self._key, person=person, digest_size=32)
        made.update(plain)
        return made.digest()


_DOCUMENTS: Final = """
SELECT d.patient, d.number, d.at, d.organisation, d.name, d.told FROM abroad_document d
WHERE d.patient = ANY($1::bigint[]) AND ($2::uuid IS NULL OR d.number = $2) ORDER BY d.at DESC, d.number"""
_STEPS: Final = """
SELECT s.document, s.place, s.step, s.at, s.kind, s.type, s.record, s.told, s.patient FROM abroad_step s
WHERE s.patient = ANY($1::bigint[]) AND ($2::uuid IS NULL OR s.document = $2) ORDER BY s.document, s.place, s.step"""
_BODY: Final = "SELECT body FROM abroad_document WHERE patient = $1 AND number = $2"
_ADD: Final = """
INSERT INTO abroad_document (patient, number, at, organisation, name, said, told, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
_STEP: Final = """
INSERT INTO abroad_step (patient, document, place, step, at, kind, type, record, told)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
_KNOWN: Final = """
SELECT number FROM abroad_document WHERE patient = ANY($1::bigint[]) AND said = ANY($2::bytea[])"""
_STAMP: Final = "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])"
_STAND: Final = """
SELECT id, version FROM record WHERE patient = ANY($1::bigint[]) AND type = $2 AND labels & $3 = 0 ORDER BY id"""


async def listed(conn: Connection, grant: Grant, wrap: Wrap, number: UUID | None = None) -> list[Held]:
    """The patient's documents that the grant opens, newest first, or the one of this number. Writes no row: `look` does.

    Raises `Stale`."""
    await _still(conn, grant)
    keys = list(grant.subject.keys)
    rows = await conn.fetch(_DOCUMENTS, keys, number)
    steps = await conn.fetch(_STEPS, keys, number)
    found = []
    for row in rows:
        key, patient, document = _key(grant, wrap, row["patient"]), row["patient"], row["number"]
        own = tuple(
            _step(key, patient, one) for one in steps if one["document"] == document and one["patient"] == patient
        )
        told = msgspec.msgpack.decode(key.open(row["told"], _place(patient, document, b"told")), type=Told)
        if not _is_shut(grant, told):
            found.append(Held(patient, document, row["at"], row["organisation"], row["name"], told, own))
    return found


async def look(conn: Connection, grant: Grant, shown: Sequence[Held]) -> None:
    """The row of a look at documents, in the transaction that reads them."""
    await audit.insert(conn, audit.given(grant), [(TYPE, one.number, 1) for one in shown])


async def body(conn: Connection, grant: Grant, wrap: Wrap, held: Held) -> bytes:
    """The bytes as they came."""
    sealed = await conn.fetchval(_BODY, held.patient, held.number)
    key = _key(grant, wrap, held.patient)
    return zlib.decompress(key.open(sealed, _place(held.patient, held.number, b"body")))


async def known(conn: Connection, grant: Grant, digests: Digests, raw: bytes) -> frozenset[UUID]:
    """The numbers of documents of hers that are the same to the byte, whether the grant opens them or not."""
    keys = list(grant.subject.keys)
    rows = await conn.fetch(_KNOWN, keys, [digests.said(one, raw) for one in keys])
    return frozenset(row["number"] for row in rows)


async def add(
    conn: Connection, grant: Grant, wrap: Wrap, number: UUID, digests: Digests, own: tuple[str, str], told: Told, raw: bytes
) -> Held:  # fmt: skip
    """Lays a document in with its row in the log, in the caller's transaction, which holds her. `own` is its own identifier."""
    patient = grant.subject.patient
    key, name = _key(grant, wrap, patient), digests.name(patient, *own)
    await conn.execute(
        _ADD, patient, number, grant.at, grant.caller.organisation, name, digests.said(patient, raw),
        key.seal(msgspec.msgpack.encode(told), _place(patient, number, b"told")),
        key.seal(zlib.compress(raw), _place(patient, number, b"body")),
    )  # fmt: skip
    await audit.insert(conn, audit.given(grant), [(TYPE, number, 1)])
    return Held(patient, number, grant.at, grant.caller.organisation, name, told, ())


async def step(
    conn: Connection, grant: Grant, wrap: Wrap, held: Held, place: int, kind: Kind, said: Said,
    record: tuple[int, UUID] | None = None,
) -> None:  # fmt: skip
    """The next step of an entry or of the document, with its row in the log, in the caller's transaction, which holds her.
    `Refusal` 412 where somebody else was first."""
    last = held.last(place)
    number = last.number + 1 if last else 1
    key = _key(grant, wrap, held.patient)
    sealed = key.seal(msgspec.msgpack.encode(said), _step_place(held.patient, held.number, place, number))
    type_, id_ = record or (None, None)
    try:
        await conn.execute(_STEP, held.patient, held.number, place, number, grant.at, kind, type_, id_, sealed)
    except asyncpg.UniqueViolationError:
        says = "somebody else has just settled it"
        raise Refusal(412, says, where="If-Match", todo="Read it again, and look at what was done.") from None
    await audit.insert(conn, audit.given(grant), [(TYPE, held.number, 1)])


async def standing(conn: Connection, grant: Grant, type_: int) -> list[tuple[UUID, int]]:
    """Id and version of every record of a type that stands open to the grant now: what is compared with what was seen, and does
    not leave."""
    rows = await conn.fetch(_STAND, list(grant.subject.keys), type_, int(grant.hides))
    return [(row["id"], row["version"]) for row in rows]


def _is_shut(grant: Grant, told: Told) -> bool:
    """Whether the patient has restricted what the organisation that brought it has registered, against this reader."""
    return any(
        one.source in told.within and one.slot >= 0 and bool(part_label(one.slot) & grant.hides)
        for one in in_force(grant)
    )


async def _still(conn: Connection, grant: Grant) -> None:
    if await conn.fetchval(_STAMP, list(grant.subject.keys)) != grant.subject.stamp:
        raise Stale


def _step(key: DataKey, patient: int, row: Any) -> Step:
    at = _step_place(patient, row["document"], row["place"], row["step"])
    said = msgspec.msgpack.decode(key.open(row["told"], at), type=Said)
    return Step(row["place"], row["step"], row["at"], row["kind"], row["type"], row["record"], said)


def _key(grant: Grant, wrap: Wrap, patient: int) -> DataKey:
    return wrap.of_service(grant.subject, grant.service, grant.subject.keys.index(patient))


def _place(patient: int, number: UUID, what: bytes) -> bytes:
    return _BOUND + what + patient.to_bytes(8, "big") + number.bytes


def _step_place(patient: int, number: UUID, place: int, step_: int) -> bytes:
    return _place(patient, number, b"step") + place.to_bytes(4, "big", signed=True) + step_.to_bytes(4, "big")
