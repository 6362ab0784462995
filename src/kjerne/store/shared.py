"""Records about no patient: registers, and what is the same for all (`registries.homes`). They lie open and need no `Grant`.

Who may change one is the source that wrote its first version. Each version has its row, with who wrote it. How they are
searched is `store.shared_finding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from kjerne.fhir.effort import spend
from kjerne.fhir.encode import decode
from kjerne.fhir.index import Indexed
from kjerne.fhir.splice import served, splice
from kjerne.store.pool import Connection
from kjerne.store.reading import Span

COLUMNS: Final = "r.type, r.id, r.version, r.at, r.body"
_LOCK: Final = 0x73686172  # "shar"; with the type's number, what conditional writes of one type wait for

_STANDING: Final = f"""
SELECT {COLUMNS} FROM shared_record r WHERE r.type = $1 AND r.id > $2 AND r.body IS NOT NULL ORDER BY r.id LIMIT $3"""
_BYTES_OF_A_STEP: Final = 100


class Source(NamedTuple):
    """Who writes: its organisation, or, where it has none, its client."""

    organisation: str
    client: str

    def is_of(self, other: Source) -> bool:
        return self.organisation == other.organisation and (bool(self.organisation) or self.client == other.client)


Place = tuple[datetime, str, int]
"""Where a version stands in the history of its type, read from its end."""


class Shared(NamedTuple):
    """One version of one record. `raw` are the bytes as received, None where this version is its deletion."""

    type: int
    id: str
    version: int
    at: datetime
    raw: bytes | None

    @property
    def place(self) -> Place:
        return self.at, self.id, self.version

    @property
    def served(self) -> bytes:
        """The bytes that go out: those received, with `id` and `meta` put in."""
        raw = self.raw or b"{}"
        return served(raw, splice(raw), self.id, self.version, self.at)


class Held(NamedTuple):
    """What stands at an address while it is changed; `version` 0: nothing has been there."""

    version: int
    source: Source
    raw: bytes | None


def opened(row: Any) -> Shared:
    """A version from the columns of `COLUMNS`."""
    return Shared(row["type"], row["id"], row["version"], row["at"], row["body"])


async def read(conn: Connection, type_: int, id_: str) -> Shared | None:
    """The current version, a deletion too."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM shared_record r WHERE r.type = $1 AND r.id = $2", type_, id_)
    return opened(row) if row else None


async def standing(conn: Connection, type_: int, after: str, limit: int) -> list[Shared]:
    """So many records of a type that stand, by id, behind `after`."""
    return [opened(row) for row in await conn.fetch(_STANDING, type_, after, limit)]


async def version(conn: Connection, type_: int, id_: str, number: int) -> Shared | None:
    """One version."""
    statement = f"SELECT {COLUMNS} FROM shared_version r WHERE r.type = $1 AND r.id = $2 AND r.version = $3"
    row = await conn.fetchrow(statement, type_, id_, number)
    return opened(row) if row else None


async def history(conn: Connection, type_: int, id_: str, span: Span, limit: int) -> tuple[list[Shared], int] | None:
    """So many versions of a record in a span, newest first, and how many it has there; None where there never was one."""
    rows = await conn.fetch(_OF_ONE, type_, id_, span.since, span.first, span.last, span.below or _NEWEST, limit)
    if not rows[0]["there"]:
        return None
    return [opened(row) for row in rows if row["id"] is not None], rows[0]["total"]


async def of_type(
    conn: Connection, type_: int, span: Span, behind: Place | None, limit: int
) -> tuple[list[Shared], int]:
    """So many versions of all records of a type behind a place, newest first, deletions too, and how many the span has."""
    rows = await conn.fetch(_OF_TYPE, type_, span.since, span.first, span.last, *(behind or (None, None, None)), limit)
    return [opened(row) for row in rows if row["id"] is not None], rows[0]["total"]


_NEWEST: Final = 2**31 - 1

# $3 made since, $4 and $5 current some time in between, $6 older than this version, $7 at most so many.
_OF_ONE: Final = f"""
WITH w AS (
  SELECT v.at, v.version, lead(v.at) OVER (ORDER BY v.version) AS ended FROM shared_version v WHERE v.type = $1 AND v.id = $2
), m AS MATERIALIZED (
  SELECT w.version FROM w WHERE w.at >= $3 AND w.at < $5 AND (w.ended IS NULL OR w.ended > $4)
), p AS (
  SELECT m.version FROM m WHERE m.version < $6::integer ORDER BY m.version DESC LIMIT $7::bigint
)
SELECT EXISTS (SELECT FROM w) AS there, (SELECT count(*) FROM m) AS total, {COLUMNS} FROM (VALUES (1)) AS one
LEFT JOIN p ON true LEFT JOIN shared_version r ON r.type = $1 AND r.id = $2 AND r.version = p.version
ORDER BY r.version DESC"""

# $2 made since, $3 and $4 current some time in between, $5 to $7 behind this version, $8 at most so many.
_OF_TYPE: Final = f"""
WITH w AS (
  SELECT v.at, v.id, v.version, lead(v.at) OVER (PARTITION BY v.id ORDER BY v.version) AS ended
  FROM shared_version v WHERE v.type = $1
), m AS MATERIALIZED (
  SELECT w.at, w.id, w.version FROM w WHERE w.at >= $2 AND w.at < $4 AND (w.ended IS NULL OR w.ended > $3)
), p AS (
  SELECT m.* FROM m WHERE $5::timestamptz IS NULL OR (m.at, m.id, m.version) < ($5, $6::text COLLATE "C", $7::integer)
  ORDER BY m.at DESC, m.id COLLATE "C" DESC, m.version DESC LIMIT $8::bigint
)
SELECT (SELECT count(*) FROM m) AS total, {COLUMNS} FROM (VALUES (1)) AS one LEFT JOIN p ON true
LEFT JOIN shared_version r ON r.type = $1 AND r.id = p.id AND r.version = p.version
ORDER BY r.at DESC, r.id COLLATE "C" DESC, r.version DESC"""


def placing(one: Shared) -> list[Any]:
    """What a page link holds of the last version on its page."""
    return [one.at.isoformat(), one.id, one.version]


def placed(place: Sequence[Any]) -> Place:
    """The reverse of `placing`."""
    at, id_, version_ = place
    return datetime.fromisoformat(at), str(id_), int(version_)


async def hold(conn: Connection, type_: int, id_: str) -> Held:
    """What stands at an address, held until the transaction ends."""
    statement = "SELECT version, organisation, client, body FROM shared_record WHERE type = $1 AND id = $2 FOR UPDATE"
    row = await conn.fetchrow(statement, type_, id_)
    if row is None:
        return Held(0, Source("", ""), None)
    return Held(row["version"], Source(row["organisation"], row["client"]), row["body"])


async def by_first_writer(conn: Connection, records: Sequence[Shared], address: str) -> list[Shared]:
    """Of records of one type that say one address as their `url`, in their order, those of the source that said it first."""
    statement = """
      SELECT v.id, v.version FROM shared_version v WHERE v.type = $1 AND v.id = ANY($2::text[])
        AND (position($3::bytea IN v.body) > 0 OR (v.id, v.version) IN (SELECT * FROM unnest($2::text[], $4::integer[])))
      ORDER BY v.at, v.id, v.version"""
    if len(records) < 2:
        return list(records)
    type_, ids, now = records[0].type, [one.id for one in records], [one.version for one in records]
    known = {(one.id, one.version) for one in records}
    for id_, number in await conn.fetch(statement, type_, ids, f'"{address}"'.encode(), now):
        # The address may stand elsewhere in what a version said: as an identifier, or in a note.
        if (id_, number) in known or await _said_url(conn, type_, id_, number) == address:
            return await of_its_source(conn, next(one for one in records if one.id == id_), records)
    return []


async def _said_url(conn: Connection, type_: int, id_: str, number: int) -> Any:
    former = await version(conn, type_, id_, number)
    raw = former.raw if former and former.raw else b"{}"
    spend(len(raw) // _BYTES_OF_A_STEP)
    return decode(raw).get("url")


async def of_its_source(conn: Connection, record: Shared, others: Sequence[Shared]) -> list[Shared]:
    """Of other records of its type, in their order, those that its source wrote."""
    if not others:
        return []
    statement = "SELECT id, organisation, client FROM shared_record WHERE type = $1 AND id = ANY($2::text[])"
    rows = await conn.fetch(statement, record.type, [record.id, *(one.id for one in others)])
    sources = {row["id"]: Source(row["organisation"], row["client"]) for row in rows}
    own = sources.get(record.id)
    return [one for one in others if own is not None and one.id in sources and sources[one.id].is_of(own)]


async def hold_type(conn: Connection, type_: int) -> None:
    """Lets writes that depend on what a search finds come one after the other, until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, type_)


async def write(
    conn: Connection, type_: int, id_: str, before: Held, raw: bytes | None, indexed: Indexed, source: Source,
    at: datetime, correlation: str,
) -> Shared | None:  # fmt: skip
    """The next version after `before` (from `hold`), in its transaction; None where another was faster."""
    new = before.version + 1
    values = (
        type_, id_, new, at, indexed.date_from, indexed.date_to, indexed.tokens, indexed.values, source.organisation,
        source.client, raw, before.version,
    )  # fmt: skip
    written = await conn.fetchval(_WRITE, *values)
    if not written:
        return None
    await conn.execute(_KEEP, type_, id_, new, at, source.organisation, source.client, correlation, raw)
    return Shared(type_, id_, new, at, raw)


# The source stays that of the first version; who wrote each is said in `shared_version`.
_WRITE: Final = """
INSERT INTO shared_record AS r
  (type, id, version, at, date_from, date_to, tokens, "values", organisation, client, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (type, id) DO UPDATE SET version = $3, at = $4, date_from = $5, date_to = $6, tokens = $7, "values" = $8, body = $11
  WHERE r.version = $12
RETURNING true
"""
_KEEP: Final = "INSERT INTO shared_version VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
