"""Files that come with reports: which reports show one, what was before it, and opening one as it was.

A file by FHIR lies in a Binary, which may be replaced or deleted without a word in the report; or in the report itself. A
report's file is a part of it, so that to have read the report is to have read of the file, and one is opened through a report
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.corrections import files_of
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.store import audit, limits
from kjerne.store.deleted import last_allowed, open_since
from kjerne.store.pool import Connection, moment
from kjerne.store.reading import ALLOWED, ALLOWED_FORMER, OUTER, STAMPED, Reader, Record, audited, door

REPORT: Final = type_number("DiagnosticReport")
BINARY: Final = type_number("Binary")
CURRENT: Final = 0
"""Where a file is asked for as it is; versions begin at 1."""


class Replaced(NamedTuple):
    """A version of a Binary that another took the place of, and when; `gone` where it was the last, and was deleted."""

    id: str
    version: int
    at: datetime
    gone: bool = False


_REPORTS: Final = f"SELECT {OUTER} FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = $2"

_REPLACED: Final = f"""
WITH {STAMPED}, c AS (
  SELECT r.type, r.id, r.at, 0 AS last FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = $6
  UNION ALL
  SELECT r.type, r.id, d.at, r.version FROM s, record_history r, record_history d
  WHERE s.ok AND r.type = $6 AND $7 AND {last_allowed("$8")}
)
SELECT r.id, r.version, coalesce((SELECT n.at FROM record_history n WHERE n.patient = r.patient AND n.type = r.type
  AND n.id = r.id AND n.version = r.version + 1), c.at) AS replaced_at, r.version = c.last
FROM record_history r JOIN c USING (type, id)
WHERE {ALLOWED_FORMER} AND (r.corrected OR r.version = c.last) AND NOT r.deleted
ORDER BY replaced_at DESC, r.id"""

# The report with what an update corrected of it, since a former version may be the one that had the file; of the file the
# version that is asked for and no other, so that the log says which one left.
_OPENED: Final = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s
  WHERE s.ok AND {ALLOWED} AND (r.type = $6 AND r.id = $7 OR r.type = $8 AND r.id = $9)
), p AS (SELECT type, id FROM c WHERE type = $6), b AS (SELECT * FROM c WHERE type = $8 AND EXISTS (SELECT FROM p)
), g AS (
  SELECT r.type, r.id FROM p, record_history r, record_history d
  WHERE r.type = $8 AND r.id = $9 AND $12 AND {last_allowed("$13")}
), r AS MATERIALIZED (
  SELECT * FROM c WHERE type = $6
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN p USING (type, id)
  WHERE {ALLOWED_FORMER} AND r.corrected AND NOT r.deleted AND $11
  UNION ALL
  SELECT * FROM b WHERE $10 IN ({CURRENT}, b.version)
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN (SELECT type, id FROM b UNION ALL SELECT * FROM g) b USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted AND r.version = $10
), {audited("r", 14)}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""


async def showing(conn: Connection, grant: Grant, reader: Reader, file: UUID) -> list[tuple[int, UUID, int]]:
    """The patient's reports (type, id, version) that a Binary is a file of, for the program to tell their readers."""
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_REPORTS, list(grant.subject.keys), REPORT)
    opened = (reader.open_row(keys, tuple(row)) for row in rows)
    named = str(file)
    return [
        (one.type, one.id, one.version) for one in opened if named in files_of(decode(one.raw).get("presentedForm", ()))
    ]


async def replaced(conn: Connection, grant: Grant, reader: Reader) -> list[Replaced]:
    """Which Binaries of the patient's were something else before, or are gone, the last change first: nothing of what they
    held."""
    asked = (*door(grant), BINARY, *_gone(grant))
    statement, values = limits.narrowed(grant, reader.unwrapped(grant), _REPLACED, ALLOWED, asked)
    rows = await conn.fetch(statement, *values)
    return [Replaced(str(id_), version, moment(at) or at, gone) for id_, version, at, gone in rows]


def _gone(grant: Grant) -> tuple[bool, datetime]:
    """Whether the grant opens what was deleted, and what must have been so after when (`store.deleted`)."""
    return grant.caller.limits is None, open_since(grant)


async def opened(
    conn: Connection, grant: Grant, reader: Reader, report: UUID, file: UUID | None, version: int, *, former: bool
) -> tuple[Sequence[Record], Record | None]:
    """A report, with `former` also what an update corrected of it, newest first; and its Binary `file` in one version.

    Nothing where the report is shut, no Binary where that is, or was never of this version. Raises `Stale`.
    """
    asked = (*door(grant), REPORT, report, BINARY, file, version, former, *_gone(grant), *audit.given(grant))
    statement, values = limits.narrowed(grant, reader.unwrapped(grant), _OPENED, ALLOWED, asked)
    found = reader.opened(grant, await conn.fetch(statement, *values))
    reports = sorted((one for one in found if one.type == REPORT), key=lambda one: one.version, reverse=True)
    return reports, next((one for one in found if one.type == BINARY), None)
