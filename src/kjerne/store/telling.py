"""What subscribers may be told of versions that were written, as the law stands when they are told.

A version is weighed and told as it was written, whatever its record has become since (decision 54): where the record stands
and is open, as its history gives it; where it was deleted and stood open until then, by its address alone; where it is shut, or
was taken from a wrong person, not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import limits
from kjerne.store.deleted import last_allowed, open_since
from kjerne.store.pool import Connection, columns
from kjerne.store.reading import ALLOWED, ALLOWED_FORMER, OPENED_BEFORE, OUTER, STAMPED, Reader, Record, door

Named = tuple[int, UUID, int]
"""Type, record and version."""


class Version(NamedTuple):
    """A version that may be told; `gone`: its record is deleted, and nothing of what it says leaves any more."""

    record: Record
    gone: bool = False

    @property
    def served(self) -> bytes:
        return b"" if self.gone else self.record.served


_N: Final = """n AS MATERIALIZED (
  SELECT * FROM unnest($6::smallint[], $7::uuid[], $8::integer[]) AS n(type, id, version)
)"""
_STANDING: Final = f"""
WITH {STAMPED}, {_N}, c AS MATERIALIZED (
  SELECT r.type, r.id FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = ANY($7::uuid[])
), r AS MATERIALIZED (
  SELECT {OUTER}, false FROM record r JOIN n USING (type, id, version) JOIN c USING (type, id)
  WHERE r.patient = ANY($1::bigint[])
  UNION ALL
  SELECT {OUTER}, true FROM record_history r JOIN n USING (type, id, version) JOIN c USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted
)
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""
_GONE: Final = f"""
WITH {STAMPED}, {_N}, g AS MATERIALIZED (
  SELECT DISTINCT r.patient, r.type, r.id, d.at FROM s, n JOIN record_history r USING (type, id), record_history d
  WHERE s.ok AND {last_allowed("$9")}
), r AS MATERIALIZED (
  SELECT {OUTER} FROM record_history r JOIN n USING (type, id, version) JOIN g d USING (patient, type, id)
  WHERE {ALLOWED_FORMER} AND {OPENED_BEFORE} AND NOT r.deleted
)
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""


async def versions(conn: Connection, grant: Grant, reader: Reader, named: Iterable[Named]) -> dict[Named, Version]:
    """Those of these versions that the grant opens, for who then names in the log what leaves of them.

    Of a token that SMART scopes narrow a former version is left where they leave it as it was written, and of what is gone
    nothing. Raises `Stale`.
    """
    wanted = sorted(set(named), key=str)
    if not wanted:
        return {}
    values = (*door(grant), *columns(wanted, 3))
    statement, all_values = limits.narrowed(grant, reader.unwrapped(grant), _STANDING, ALLOWED, values)
    rows = await conn.fetch(statement, *all_values)
    former = {(row[2], row[3], row[4]) for row in rows if row[-1]}
    found = {
        (one.type, one.id, one.version): Version(one)
        for one in reader.opened(grant, [tuple(row)[:-1] for row in rows])
        if (one.type, one.id, one.version) not in former or _is_left(grant, one)
    }
    missing = [one for one in wanted if one not in found]
    if missing and grant.caller.limits is None:
        gone = await conn.fetch(_GONE, *door(grant), *columns(missing, 3), open_since(grant))
        found |= {(one.type, one.id, one.version): Version(one, gone=True) for one in reader.opened(grant, gone)}
    return found


def _is_left(grant: Grant, one: Record) -> bool:
    left = smart.left(grant.caller, type_name(one.type), "s" if grant.action == "search" else "r")
    return left is None or smart.holds(left, index(decode(one.raw)).tokens)
