"""New rows in the order of their transactions, with none left out: what outbox, change feed and audit sealer read.

A number that only grows is not enough: a transaction that took a smaller number may commit after a reader has passed it,
and its rows are never seen (measured). Each row carries the id of its transaction, and a reader stays below the oldest
transaction that is still open: everything there is decided and will not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.store.pool import Connection

FIRST_ID: Final = UUID(int=0)


class Position(NamedTuple):
    """Where a reader stands: behind the row with this transaction, person key, type and id."""

    xid: int
    patient: int = -1
    type: int = -1
    id: UUID = FIRST_ID


BEGINNING: Final = Position(0)


@dataclass(frozen=True, slots=True)
class Changed:
    """A record that is new, changed, withdrawn or deleted. Read the record itself under a `Grant`.

    A record that changed again before it was read is told once, as it stands now.
    """

    at: Position
    version: int
    deleted: bool


async def horizon(conn: Connection) -> int:
    """The oldest transaction that is still open: below it, nothing comes any more."""
    return int(await conn.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())"))


_CHANGES: Final = """
SELECT xid, patient, type, id, version, deleted FROM (
  (SELECT xid, patient, type, id, version, false AS deleted FROM record
   WHERE xid >= $1 AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND (xid, patient, type, id) > ($1, $2, $3, $4)
   ORDER BY xid, patient, type, id LIMIT $5)
  UNION ALL
  (SELECT xid, patient, type, id, version, true FROM record_history
   WHERE deleted AND xid >= $1 AND xid < pg_snapshot_xmin(pg_current_snapshot())
     AND (xid, patient, type, id) > ($1, $2, $3, $4)
   ORDER BY xid, patient, type, id LIMIT $5)
) AS changed ORDER BY xid, patient, type, id LIMIT $5"""


async def changes(conn: Connection, after: Position, limit: int) -> list[Changed]:
    """What happened to records behind `after`, at most `limit` of them; go on from the last one's position."""
    rows = await conn.fetch(_CHANGES, after.xid, after.patient, after.type, after.id, limit)
    return [Changed(Position(*tuple(row)[:4]), row["version"], row["deleted"]) for row in rows]


_AUDIT: Final = """
SELECT * FROM audit WHERE xid >= $1 AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND (xid, number) > ($1, $2)
ORDER BY xid, number LIMIT $3"""


async def audit_rows(conn: Connection, xid: int, number: UUID, limit: int) -> list[dict[str, Any]]:
    """Audit rows behind the one with this transaction and number, for the program's own work; they do not leave."""
    return [dict(row) for row in await conn.fetch(_AUDIT, xid, number, limit)]
