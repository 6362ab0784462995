"""Registers of personnel and organisations: who is authorised as what, and which unit lies below which."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from kjerne.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class PractitionerRow:
    """One authorised health worker; `digest` is of her own person number. Valid in [valid_from, valid_to)."""

    hpr: str
    digest: bytes
    name: str
    authorizations: tuple[str, ...]
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """One unit of the register of organisations, with RESH and HER numbers where it has them."""

    number: str
    parent: str
    name: str
    kind: str
    resh: str
    her: str
    municipality: str


async def practitioner(pool: Pool, hpr: str) -> PractitionerRow | None:
    """The health worker with this HPR number."""
    row = await pool.fetchrow(
        "SELECT hpr, digest, name, authorizations, valid_from, valid_to FROM practitioner WHERE hpr = $1", hpr
    )
    return PractitionerRow(row[0], row[1], row[2], tuple(row[3]), row[4], row[5]) if row else None


async def practitioner_by_digest(pool: Pool, digest: bytes) -> PractitionerRow | None:
    """The health worker with this person number, if she is one."""
    row = await pool.fetchrow(
        "SELECT hpr, digest, name, authorizations, valid_from, valid_to FROM practitioner WHERE digest = $1", digest
    )
    return PractitionerRow(row[0], row[1], row[2], tuple(row[3]), row[4], row[5]) if row else None


async def practitioner_names(pool: Pool, hprs: Sequence[str]) -> dict[str, str]:
    """Names by HPR number, those that are known."""
    rows = await pool.fetch("SELECT hpr, name FROM practitioner WHERE hpr = ANY($1::text[])", list(hprs))
    return {row["hpr"]: row["name"] for row in rows}


class Known(NamedTuple):
    """What the register of health personnel has of some: names by HPR number, and the pairs of number and profession."""

    names: Mapping[str, str]
    professions: frozenset[tuple[str, str]]


async def practitioners(pool: Pool, hprs: Collection[str]) -> Known:
    """Of those numbers that are known."""
    if not hprs:
        return Known({}, frozenset())
    rows = await pool.fetch(
        "SELECT hpr, name, authorizations FROM practitioner WHERE hpr = ANY($1::text[])", sorted(hprs)
    )
    return Known({row[0]: row[1] for row in rows}, frozenset((row[0], one) for row in rows for one in row[2]))


async def organisation_names(pool: Pool, numbers: Sequence[str]) -> dict[str, str]:
    """Names by organisation number, those that are known."""
    rows = await pool.fetch("SELECT number, name FROM organisation WHERE number = ANY($1::text[])", list(numbers))
    return {row["number"]: row["name"] for row in rows}


# UNION and not UNION ALL: a register in which two units lie below each other ends all the same.
_PART_OF = """
WITH RECURSIVE above AS (
  SELECT o.number, o.parent FROM organisation o WHERE o.number = $1
  UNION SELECT o.number, o.parent FROM organisation o JOIN above a ON o.number = a.parent
)
SELECT EXISTS (SELECT FROM above WHERE parent = $2 AND parent <> '')"""


async def is_part_of(pool: Pool, unit: str, owner: str) -> bool:
    """Whether a unit lies below an organisation, directly or through others; a unit nobody registered lies nowhere."""
    return bool(await pool.fetchval(_PART_OF, unit, owner))


_ABOVE = """
WITH RECURSIVE above AS (
  SELECT o.parent FROM organisation o WHERE o.number = ANY($1::text[])
  UNION SELECT o.parent FROM organisation o JOIN above a ON o.number = a.parent
)
SELECT parent FROM above WHERE parent <> ''"""
_BELOW = """
WITH RECURSIVE below AS (
  SELECT o.number FROM organisation o WHERE o.parent = $1
  UNION SELECT o.number FROM organisation o JOIN below b ON o.parent = b.number
)
SELECT number FROM below"""


async def around(
    pool: Pool | Connection, organisation: str, point_of_care: str
) -> tuple[frozenset[str], frozenset[str]]:
    """The units above a legal entity and its point of care, and those below where the caller is, at any depth."""
    above = await pool.fetch(_ABOVE, [one for one in (organisation, point_of_care) if one])
    below = await pool.fetch(_BELOW, point_of_care or organisation)
    return frozenset(row[0] for row in above), frozenset(row[0] for row in below)


async def fill(
    conn: Connection, practitioners: Sequence[PractitionerRow], organisations: Sequence[OrganisationRow]
) -> None:
    """Loads whole registers by COPY, all or none."""
    async with conn.transaction():
        await conn.copy_records_to_table(
            "practitioner",
            records=[
                (p.hpr, p.digest, p.name, list(p.authorizations), p.valid_from, p.valid_to) for p in practitioners
            ],
            columns=("hpr", "digest", "name", "authorizations", "valid_from", "valid_to"),
        )
        await conn.copy_records_to_table(
            "organisation",
            records=[(o.number, o.parent, o.name, o.kind, o.resh, o.her, o.municipality) for o in organisations],
            columns=("number", "parent", "name", "kind", "resh", "her", "municipality"),
        )
