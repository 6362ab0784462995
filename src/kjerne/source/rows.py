"""The source's rows: patients, sets, documents, associations, and the log that only grows.

Everything is found by patient. What is said of a document is kept as JSON of its entry; beside it stands what SQL must see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import msgspec

from kjerne.source import chains
from kjerne.store.pool import Connection
from kjerne.xds import names
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX, written_cx
from kjerne.xds.values import Association, DocumentEntry, SubmissionSet
from kjerne.xds.writing import REMEMBERED, written

Gone: TypeAlias = "tuple[CX, tuple[str, ...], tuple[bytes, ...]]"
"""Of a patient the documents that went, by uniqueId, and their files."""
Followed: TypeAlias = "tuple[tuple[str, CX, tuple[str, ...]], ...]"
"""What followed for documents that stay, by a rule: whose they are, and their uniqueIds."""
PREFIX: Final = "urn:uuid:"
_ASKED: Final = (
    "asker", "name", "hpr", "role", "organisation", "unit", "client", "purpose", "policy", "decision", "assertion", "reason",
    "service", "details",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is kept. `sha256` is empty where its bytes are in another repository."""

    entry: DocumentEntry
    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """All that a source has of one patient."""

    documents: tuple[Stored, ...] = ()
    sets: tuple[SubmissionSet, ...] = ()
    associations: tuple[Association, ...] = ()


@dataclass(frozen=True, slots=True)
class Noted:
    """A row of the log: what was done or refused, by which rule, about whom, with which documents, and who asked."""

    at: datetime
    action: str
    message: str
    rule: str
    allowed: bool
    patient: CX | None = None
    documents: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    """`law.told_of`: texts, `user_selected` as true, false or None, and `toa` as a time or None."""


async def note(conn: Connection, row: Noted) -> None:
    """Puts a row into the log; it holds from the commit on."""
    await conn.execute(
        "INSERT INTO audit (at, action, message, rule, allowed, patient, documents, asker, name, hpr, role, organisation, unit, "
        "client, purpose, policy, decision, assertion, reason, service, details, user_selected, toa) VALUES ($1, $2, $3, $4, $5, "
        "$6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        row.at, row.action, row.message, row.rule, row.allowed, written_cx(row.patient) if row.patient else "",
        list(row.documents), *(row.asked.get(name, "") for name in _ASKED),
        row.asked.get("user_selected"), row.asked.get("toa"),
    )  # fmt: skip


def by(row: Noted, submitter: str) -> Noted:
    """The row, with the system that sent documents as who asked."""
    return replace(row, asked={"client": submitter})


async def born(conn: Connection, patient: CX) -> date | None:
    """The date of birth that came with her documents."""
    found: date | None = await conn.fetchval(
        "SELECT born FROM patient WHERE authority = $1 AND number = $2", patient.authority, patient.number
    )
    return found


async def key_of(conn: Connection, patient: CX, born_on: date | None) -> int:
    """Her key, made if need be, and held until the transaction ends: submissions about one patient come one after another."""
    key: int = await conn.fetchval(
        "INSERT INTO patient (authority, number, born) VALUES ($1, $2, $3) "
        "ON CONFLICT (authority, number) DO UPDATE SET born = coalesce($3, patient.born) RETURNING patient",
        patient.authority, patient.number, born_on,
    )  # fmt: skip
    return key


_HELD: Final = (
    "WITH her AS (SELECT patient FROM patient WHERE authority = $1 AND number = $2) "
    "SELECT 0 AS kind, d.said, d.deprecated, d.sha256, d.size_bytes, s.at, d.id FROM document d JOIN submission_set s "
    "ON s.id = d.sent_in WHERE d.patient = (SELECT patient FROM her) "
    "UNION ALL SELECT 1, said, false, NULL, 0, at, id FROM submission_set WHERE patient = (SELECT patient FROM her) "
    "UNION ALL SELECT 2, said, false, NULL, 0, NULL, id FROM association WHERE patient = (SELECT patient FROM her) "
    "ORDER BY kind, at, id"
)


async def held(conn: Connection, patient: CX) -> Held:
    """What there is of her, in the order in which it came; of one moment, as it is one statement."""
    found = await conn.fetch(_HELD, patient.authority, patient.number)
    return Held(
        tuple(Stored(_entry(row[1], row[2]), row[3] or b"", row[4]) for row in found if row[0] == 0),
        tuple(_set(row[1]) for row in found if row[0] == 1),
        tuple(_association(row[1]) for row in found if row[0] == 2),
    )


@lru_cache(maxsize=REMEMBERED)
def _entry(said: bytes, is_deprecated: bool) -> DocumentEntry:
    """What is said of a document, decoded once: the same bytes say the same, so nothing that is remembered can be out of date."""
    entry = msgspec.json.decode(said, type=DocumentEntry)
    return replace(entry, status=names.DEPRECATED if is_deprecated else names.APPROVED)


@lru_cache(maxsize=REMEMBERED)
def _set(said: bytes) -> SubmissionSet:
    return msgspec.json.decode(said, type=SubmissionSet)


@lru_cache(maxsize=REMEMBERED)
def _association(said: bytes) -> Association:
    return msgspec.json.decode(said, type=Association)


def forget() -> None:
    """Leaves nothing in memory of what was decoded or written: some of it was taken away."""
    for remembered in (_entry, _set, _association, written):
        remembered.cache_clear()


async def taken(conn: Connection, sets: Sequence[str], documents: Sequence[str]) -> Mapping[str, str]:
    """Which uniqueIds there are already -> the SHA-1 of the document; empty for a set."""
    found = await conn.fetch(
        "SELECT unique_id, NULL::bytea FROM submission_set WHERE unique_id = ANY($1) "
        "UNION ALL SELECT unique_id, said FROM document WHERE unique_id = ANY($2)",
        list(sets), list(documents),
    )  # fmt: skip
    return {row[0]: msgspec.json.decode(row[1], type=DocumentEntry).hash if row[1] else "" for row in found}


async def ids_here(conn: Connection, ids: Sequence[str]) -> tuple[str, ...]:
    """Which of these ids some object has, whatever kind of object it is and whoever it is about: an id names one."""
    found = await conn.fetch(
        "SELECT id FROM document WHERE id = ANY($1) UNION ALL SELECT id FROM submission_set WHERE id = ANY($1) "
        "UNION ALL SELECT id FROM association WHERE id = ANY($1)",
        [uuid_of(one) for one in ids],
    )
    return tuple(f"{PREFIX}{row[0]}" for row in found)


async def add_set(conn: Connection, key: int, sent: SubmissionSet, submitter: str, at: datetime) -> None:
    await conn.execute(
        "INSERT INTO submission_set (id, unique_id, patient, submitter, at, said) VALUES ($1, $2, $3, $4, $5, $6)",
        uuid_of(sent.id), sent.unique_id, key, submitter, at, msgspec.json.encode(sent),
    )  # fmt: skip


async def add_document(conn: Connection, key: int, sent_in: str, one: Stored) -> None:
    await conn.execute(
        "INSERT INTO document (id, unique_id, patient, sent_in, sha256, size_bytes, said) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        uuid_of(one.entry.id), one.entry.unique_id, key, uuid_of(sent_in), one.sha256 or None, one.size_bytes,
        msgspec.json.encode(one.entry),
    )  # fmt: skip


async def locked_when_they_went(conn: Connection, key: int, documents: Sequence[str]) -> frozenset[str]:
    """Which of these uniqueIds were taken away from her while they were locked; the lock is the caller's from here on."""
    found = await conn.fetch(
        "DELETE FROM locked_when_it_went WHERE patient = $1 AND unique_id = ANY($2) RETURNING unique_id",
        key, list(documents),
    )  # fmt: skip
    return frozenset(row[0] for row in found)


async def add_association(conn: Connection, key: int, one: Association) -> None:
    await conn.execute(
        "INSERT INTO association (id, patient, said) VALUES ($1, $2, $3)",
        uuid_of(one.id),
        key,
        msgspec.json.encode(one),
    )


async def change(conn: Connection, before: DocumentEntry, now: DocumentEntry, submitter: str, at: datetime) -> None:
    """Another version of what is said of a document, which keeps its id; the one before is kept beside it."""
    await conn.execute(
        "WITH former AS (INSERT INTO document_version (document, version, said, until, submitter) "
        "SELECT id, $2, said, $4, $5 FROM document WHERE id = $1) UPDATE document SET said = $3 WHERE id = $1",
        uuid_of(now.id), int(before.version), msgspec.json.encode(now), at, submitter,
    )  # fmt: skip


async def deprecate(conn: Connection, documents: Sequence[str]) -> None:
    """What was replaced is shown to nobody who asks for what holds."""
    await conn.execute("UPDATE document SET deprecated = true WHERE id = ANY($1)", [uuid_of(one) for one in documents])


async def removed(
    conn: Connection, ids: Sequence[str], submitter: str, at: datetime
) -> tuple[tuple[Gone, ...], Followed]:
    """Takes objects away: for each patient the uniqueIds of the documents among them, and the names of their files; and what
    follows for documents that stay (`chains.left`), each under the rule by which it does.

    `Rejected` where one is not here, or where something that stays leads to one.
    """
    wanted = [uuid_of(one) for one in ids if _is_uuid(one)]
    patients = await conn.fetch(
        "SELECT patient, authority, number FROM patient WHERE patient IN (SELECT patient FROM document WHERE id = ANY($1) "
        "UNION SELECT patient FROM submission_set WHERE id = ANY($1) UNION SELECT patient FROM association WHERE id = ANY($1)) "
        "ORDER BY patient FOR NO KEY UPDATE",
        wanted,
    )
    hers = {row["patient"]: (CX(row["number"], row["authority"])) for row in patients}
    before = {key: await held(conn, patient) for key, patient in hers.items()}
    for one in (one for has in before.values() for one in has.associations):
        if one.id not in ids and {one.source, one.target} & set(ids):
            raise _still_named()
    staying = await conn.fetchval("SELECT count(*) FROM document WHERE sent_in = ANY($1) AND id <> ALL($1)", wanted)
    if staying:
        raise _still_named()
    gone = await conn.fetch("DELETE FROM association WHERE id = ANY($1) RETURNING id", wanted)
    documents = await conn.fetch(
        "DELETE FROM document WHERE id = ANY($1) RETURNING id, patient, unique_id, sha256", wanted
    )
    sets = await conn.fetch("DELETE FROM submission_set WHERE id = ANY($1) RETURNING id", wanted)
    if len(gone) + len(documents) + len(sets) < len(set(ids)):
        raise Rejected(RegistryError("UnresolvedReferenceException", "An object that is named is not here."))
    told = tuple(
        (
            patient,
            tuple(row["unique_id"] for row in documents if row["patient"] == key),
            tuple(row["sha256"] for row in documents if row["patient"] == key and row["sha256"]),
        )
        for key, patient in hers.items()
    )
    followed = [one for key in hers for one in await _left(conn, key, before[key], ids, submitter, at)]
    return told, tuple((rule, hers[key], documents_) for key, rule, documents_ in followed)


async def _left(
    conn: Connection, key: int, before: Held, gone: Collection[str], submitter: str, at: datetime
) -> list[tuple[int, str, tuple[str, ...]]]:
    """Writes what becomes of hers that stay: (her key, the rule, uniqueIds of documents)."""
    here = {one.entry.id: one.entry for one in before.documents}
    left = chains.left(tuple(here.values()), before.associations, gone)
    for source, target in left.replaced:
        made = Association(id=PREFIX + str(uuid4()), kind=names.REPLACES, source=source, target=target)
        await add_association(conn, key, made)
    for one in left.locked:
        # A version of its own: who knows the one before hears so when he says it otherwise, and does not open it unaware.
        now = replace(chains.with_lock(here[one]), version=str(int(here[one].version) + 1))
        await change(conn, here[one], now, submitter, at)
    await conn.execute(
        "UPDATE document SET deprecated = false WHERE id = ANY($1)", [uuid_of(one) for one in sorted(left.back)]
    )
    await conn.execute(
        "INSERT INTO locked_when_it_went (patient, unique_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
        key, [here[one].unique_id for one in sorted(left.shut)],
    )  # fmt: skip
    told = {
        "holds-again": [one for one in left.back if here[one].status != names.APPROVED],
        "locked-still": left.locked,
        "replaced-still": [target for _, target in left.replaced],
    }
    return [(key, rule, tuple(sorted({here[one].unique_id for one in some}))) for rule, some in told.items() if some]


async def emptied(conn: Connection, unique_id: str) -> tuple[CX, bytes] | None:
    """Takes a document's bytes from its row, whose metadata stay: whose it was, and its file; None where it has none."""
    row = await conn.fetchrow(
        "UPDATE document d SET sha256 = NULL FROM patient p, document was WHERE d.unique_id = $1 AND d.sha256 IS NOT NULL "
        "AND p.patient = d.patient AND was.id = d.id RETURNING p.number, p.authority, was.sha256",
        unique_id,
    )
    return (CX(row[0], row[1]), row[2]) if row else None


async def hold_files(conn: Connection, names_: Iterable[bytes]) -> None:
    """Until the transaction ends nobody else puts or removes files of these names."""
    for one in sorted(names_):
        await conn.execute("SELECT pg_advisory_xact_lock($1)", int.from_bytes(one[:8], "big", signed=True))


async def named(conn: Connection, names_: Sequence[bytes]) -> frozenset[bytes]:
    """Which of these files some document is in."""
    rows = await conn.fetch("SELECT DISTINCT sha256 FROM document WHERE sha256 = ANY($1)", list(names_))
    return frozenset(row[0] for row in rows)


def _still_named() -> Rejected:
    return Rejected(RegistryError("ReferencesExistException", "Something that would stay leads to what would go."))


def _is_uuid(text: str) -> bool:
    """Whether it is an id as ids are written here: another spelling is found by SQL, and by nothing that is compared."""
    try:
        return text == PREFIX + str(uuid_of(text))
    except ValueError:
        return False


def uuid_of(identifier: str) -> UUID:
    """The number in `urn:uuid:…`."""
    return UUID(identifier.removeprefix(PREFIX))
