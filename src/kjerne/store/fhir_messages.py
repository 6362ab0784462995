"""Which FHIR messages were taken, and where what they brought lies: by keyed digests, which tell of nobody (decision 45).

A sender knows its records by its own addresses, and a later message means the same record by the same address. What is looked
up here answers the program: a record is changed under a `Grant`, by the door of any request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_name, type_number
from kjerne.store.kept import Kept
from kjerne.store.pool import Connection, Pool, columns

KEPT: Final = timedelta(days=90)
"""How long the same message again gets the answer that it got."""
_PATIENT: Final = type_number("Patient")


class Taken(NamedTuple):
    """A message that was taken: digest of what it said, the id of the answer, and when."""

    content: bytes
    answer: UUID
    at: datetime


class Known(NamedTuple):
    """A record by the address that its sender has for it: as it came of the last message, and the version that stands now (0:
    none does). `type` is R4's number, whichever service keeps the record: its id says that."""

    type: int
    record: UUID
    version: int
    content: bytes
    stands: int

    @property
    def address(self) -> str:
        return f"{type_name(self.type)}/{self.record}"


class Brought(NamedTuple):
    """What a message has brought: the digest of its sender's address, where it lies now, what it said, and what was known of it
    before."""

    digest: bytes
    type: int
    record: UUID
    version: int
    content: bytes
    before: Known | None


async def taken(pool: Pool, digests: Sequence[bytes]) -> list[Taken]:
    """What is known of a message by any of its names."""
    rows = await pool.fetch(
        "SELECT content, answer, at FROM fhir_message WHERE digest = ANY($1::bytea[])", list(digests)
    )
    return [Taken(*tuple(row)) for row in rows]


_KNOWN: Final = "SELECT digest, type, record, version, content FROM fhir_message_record WHERE digest = ANY($1::bytea[])"
_STAND: Final = """
SELECT r.id, r.version FROM unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS n(patient, type, id)
JOIN record r ON r.patient = n.patient AND r.type = n.type AND r.id = n.id"""
_STAND_IN_THE_REGISTER: Final = """
SELECT n.id, v.version FROM unnest($1::bigint[], $2::uuid[]) AS n(patient, id)
JOIN patient_version v ON v.patient = n.patient AND v.is_newest AND v.body IS NOT NULL"""


async def known(pool: Pool, kept: Kept, digests: Collection[bytes]) -> dict[bytes, Known]:
    """By digest of a sender's address the record that it means."""
    rows = await pool.fetch(_KNOWN, list(digests))
    of_her = [(kept.ids.patient(row["record"]), row["record"]) for row in rows if row["type"] == _PATIENT]
    others = [
        (kept.ids.patient(id_), kept.number(type_name(type_), id_), id_)
        for _, type_, id_, *_ in rows if type_ != _PATIENT
    ]  # fmt: skip
    stands: dict[UUID, int] = {}
    if others:
        stands |= {row[0]: row[1] for row in await pool.fetch(_STAND, *columns(others, 3))}
    if of_her:
        stands |= {row[0]: row[1] for row in await pool.fetch(_STAND_IN_THE_REGISTER, *columns(of_her, 2))}
    return {
        row["digest"]: Known(row["type"], row["record"], row["version"], row["content"], stands.get(row["record"], 0))
        for row in rows
    }


_REFERRERS: Final = """
SELECT d.digest, m.content FROM unnest($1::bytea[]) AS d(digest)
JOIN fhir_message_record m ON m.digest > d.digest AND m.digest < d.digest || decode(repeat('ff', 33), 'hex')"""


class Link(NamedTuple):
    """That one record refers to another: the digests of both their addresses at the sender.

    It lies beside the records, under the one digest and then the other: what it leads to may come later, or anew.
    """

    to: bytes
    of: bytes


async def referrers(pool: Pool | Connection, digests: Collection[bytes]) -> set[Link]:
    """What the sender's records that refer to these addresses are known by."""
    return {Link(*tuple(row)) for row in await pool.fetch(_REFERRERS, list(digests))}


_NEW: Final = """
INSERT INTO fhir_message_record (digest, type, record, version, content)
SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::uuid[], $4::integer[], $5::bytea[]) ON CONFLICT DO NOTHING"""
_AGAIN: Final = """
UPDATE fhir_message_record m SET type = n.type, record = n.record, version = n.version, content = n.content
FROM unnest($1::bytea[], $2::smallint[], $3::uuid[], $4::integer[], $5::bytea[], $6::uuid[], $7::integer[])
  AS n(digest, type, record, version, content, was, at_version)
WHERE m.digest = n.digest AND m.record = n.was AND m.version = n.at_version"""
_LINK: Final = """
INSERT INTO fhir_message_record (digest, type, record, version, content)
SELECT n."to" || n.of, m.type, m.record, 0, n.of FROM unnest($1::bytea[], $2::bytea[]) AS n("to", of)
JOIN fhir_message_record m ON m.digest = n.of ON CONFLICT DO NOTHING"""
_COME_BETWEEN: Final = "SELECT EXISTS (SELECT FROM fhir_message_record WHERE digest = ANY($1::bytea[]))"
_TAKE: Final = """
INSERT INTO fhir_message (digest, content, answer, at)
SELECT d, $2, $3, $4 FROM unnest($1::bytea[]) AS d ON CONFLICT DO NOTHING"""


async def keep(conn: Connection, names: Sequence[bytes], as_: Taken, brought: Sequence[Brought]) -> None:
    """Keeps a message by its names, and where what it brought lies; in the transaction that files it.

    `Refusal` 409 where another message of the sender's has come between.
    """
    new = [one[:5] for one in brought if one.before is None]
    again = [(*one[:5], one.before.record, one.before.version) for one in brought if one.before is not None]
    done = await conn.execute(_TAKE, list(names), as_.content, as_.answer, as_.at)
    kept = _count(done) == len(names)
    if kept and new:
        kept = _count(await conn.execute(_NEW, *columns(new, 5))) == len(new)
    if kept and again:
        kept = _count(await conn.execute(_AGAIN, *columns(again, 7))) == len(again)
    if not kept:
        raise _between()


async def keep_links(
    conn: Connection, links: Collection[Link], unknown: Collection[bytes], anew: Collection[bytes], seen: set[Link]
) -> None:
    """Keeps what refers to what, after `keep`. `unknown` are the addresses that links were left at, `anew` those of what was
    filed now, and `seen` the links to them that were known when the message was read.

    `Refusal` 409 where one of the unknown was filed meanwhile, or more refers to what was filed now: the patient is held, and who
    comes second sees what came first.
    """
    late = await referrers(conn, anew) - seen
    await conn.execute(_LINK, *columns(sorted(links), 2))
    if late or await conn.fetchval(_COME_BETWEEN, list(unknown)):
        raise _between()


def _between() -> Refusal:
    says = "another message about the same is being taken at this moment"
    return Refusal(409, says, code="conflict", todo="Send the message again.")


def _count(done: str) -> int:
    return int(done.rpartition(" ")[2])


async def sweep(pool: Pool, now: datetime) -> None:
    """Forgets messages of long ago."""
    await pool.execute("DELETE FROM fhir_message WHERE at < $1", now - KEPT)
