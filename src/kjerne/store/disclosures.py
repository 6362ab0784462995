"""Which readings in the log are of records that one source filed, in the order of the log's transactions.

Who filed a record stands in the audit row of its first version. Reads below the oldest open transaction, as every feed
does (`store.feed`), so that a row that commits late is not passed by.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.store import audit
from kjerne.store.feed import FIRST_ID
from kjerne.store.pool import Connection
from kjerne.store.sealing import SHARD


class Reached(NamedTuple):
    """Where a reader of the log stands: behind the row of this transaction and number."""

    xid: int
    number: UUID


BEGINNING: Final = Reached(0, FIRST_ID)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One reading: to whom and why, and (type, id, version) of those of its records that the source had filed."""

    place: Reached
    records: tuple[tuple[int, UUID, int], ...]
    patient: int
    service: str
    at: datetime
    organisation: str
    point_of_care: str
    role: str
    purpose: str
    basis: str
    rule: str
    law: str
    decision: str


_SCANNED: Final = """
SELECT xid, number, count(*) OVER () FROM (
  SELECT xid, number FROM audit WHERE xid >= $1 AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND (xid, number) > ($1, $2)
  ORDER BY xid, number LIMIT $3) AS scanned
ORDER BY xid DESC, number DESC LIMIT 1"""

# What is below the oldest open transaction does not change, so the two statements see the same rows.
_FOUND: Final = f"""
WITH seen AS MATERIALIZED (
  SELECT a.xid, a.number, a.patient, a.service, a.at, a.organisation, a.point_of_care, a.caller_role, a.purpose, a.basis,
    a.rule, a.law, a.decision, n.type, n.id, n.version
  FROM audit a, unnest(a.types, a.ids, a.versions) AS n(type, id, version)
  WHERE a.xid >= $1 AND a.xid <= $3 AND (a.xid, a.number) > ($1, $2) AND (a.xid, a.number) <= ($3, $4)
    AND a.outcome = 0 AND (a.caller_kind = 'practitioner' OR a.action = 'export') AND a.action IN {audit.OPENING_SQL}
    AND a.service = ANY($7::text[])
), own AS MATERIALIZED (
  SELECT DISTINCT n.id FROM (SELECT DISTINCT patient FROM seen) s JOIN person p USING (patient)
  JOIN audit f ON f.patient = ANY(p.patient || p.linked) AND f.action IN ('file', 'correct') AND f.outcome = 0
    AND f.organisation = $5
  CROSS JOIN LATERAL unnest(f.ids, f.versions) AS n(id, version) WHERE n.version = 1
)
SELECT xid, number, array_agg(ROW(type, id, version) ORDER BY type, id, version), patient, service, at, organisation,
  point_of_care, caller_role, purpose, basis, rule, law, decision
FROM seen JOIN own USING (id)
GROUP BY 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 ORDER BY xid, number LIMIT $6"""

_SINCE: Final = """
SELECT coalesce(min(from_xid) FILTER (WHERE latest >= $1), max(until_xid), '0') FROM audit_seal WHERE shard = $2"""


async def beginning_at(conn: Connection, since: datetime) -> Reached:
    """Where to begin for everything since then: at the seal that holds that time, so a little earlier."""
    return Reached(int(await conn.fetchval(_SINCE, since, SHARD)), FIRST_ID)


async def disclosed(
    conn: Connection, organisation: str, services: Collection[str], after: Reached, *, scan: int, limit: int
) -> tuple[Sequence[Disclosure], Reached, bool]:
    """(readings by personnel of what the organisation filed in these services, how far the log was looked through, whether it
    goes on).

    Looks at most at `scan` rows behind `after`, and stops at the reading that is number `limit`.
    """
    end = await conn.fetchrow(_SCANNED, after.xid, after.number, scan)
    if end is None:
        return (), after, False
    reached, further = Reached(int(end[0]), end[1]), end[2] == scan
    rows = await conn.fetch(_FOUND, *after, *reached, organisation, limit, list(services))
    found = [Disclosure(Reached(int(row[0]), row[1]), tuple(map(tuple, row[2])), *tuple(row)[3:]) for row in rows]
    if len(found) == limit:
        return found, found[-1].place, True
    return found, reached, further
