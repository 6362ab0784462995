"""A copy of all that a grant opens, a batch at a time: each batch is asked for anew and named in an audit row of its own.

However much a patient has, one batch is in memory at once. Newest first within a type.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.store import audit
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, door, gathered

BATCH_ROWS: Final = 500
BATCH_BYTES: Final = 4_000_000
"""Sealed bytes of one batch, save where one record alone has more."""


class After(NamedTuple):
    """The last record of a batch, where the next one goes on."""

    dated: str
    id: UUID


_BEGINNING: Final = After("infinity", UUID(int=2**128 - 1))
_FIRST_AUDIT: Final = 11

# Of records without a date the end of time before all is as good as any; it goes out and in as text, since the driver has no
# moment for it.
_BATCH: Final = f"""
WITH {STAMPED}, p AS (
  SELECT r.patient, r.type, r.id, coalesce(r.date_from, '-infinity') AS dated, length(r.body) AS size FROM record r, s
  WHERE s.ok AND {ALLOWED} AND r.type = $6 AND (coalesce(r.date_from, '-infinity'), r.id) < ($7::text::timestamptz, $8::uuid)
  ORDER BY dated DESC, r.id DESC LIMIT $9
), q AS (
  SELECT p.*, sum(size) OVER (ORDER BY dated DESC, id DESC) - size AS before FROM p
), c AS MATERIALIZED (
  SELECT {OUTER}, q.dated::text AS dated FROM q JOIN record r USING (patient, type, id) WHERE q.before < $10
), r AS MATERIALIZED (
  SELECT * FROM c
  UNION ALL
  SELECT {OUTER}, NULL FROM record_history r JOIN (SELECT type, id FROM c) c USING (type, id)
  WHERE {ALLOWED} AND r.corrected AND NOT r.deleted
), a AS (
  INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) SELECT {audit.placeholders(_FIRST_AUDIT)}, n.types, n.ids, n.versions
  FROM (SELECT array_agg(r.type) AS types, array_agg(r.id) AS ids, array_agg(r.version) AS versions FROM r) n, s
  WHERE s.ok AND n.ids IS NOT NULL
)
SELECT s.ok, {OUTER}, r.dated FROM s LEFT JOIN r ON true ORDER BY r.dated::timestamptz DESC NULLS LAST, r.id DESC"""


async def batch(
    conn: Connection, grant: Grant, reader: Reader, type_: int, after: After | None
) -> tuple[list[tuple[Record, list[Record]]], After | None]:
    """The next records of a type, each with what an update corrected, and where to go on; None where there was none left.

    Raises `Stale`.
    """
    begin = after or _BEGINNING
    rows = await conn.fetch(
        _BATCH, *door(grant), type_, begin.dated, begin.id, BATCH_ROWS, BATCH_BYTES, *audit.given(grant)
    )  # fmt: skip
    records = reader.opened(grant, [tuple(row)[:-1] for row in rows])
    found = gathered(records)
    return found, After(rows[len(found) - 1]["dated"], found[-1][0].id) if found else None
