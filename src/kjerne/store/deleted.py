"""What was deleted, for who had read it: she saw it, and is told what is taken back, under the law that stood over it last.

No choice of the patient's can mark what is gone. Where she has shut a part or a record since, nothing that was deleted before
is opened to those whom that choice is about: nobody can say that it was not meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.dates import EARLIEST
from kjerne.store import audit
from kjerne.store.marking import label_of
from kjerne.store.pool import Connection, columns, moment
from kjerne.store.reading import (
    ALLOWED,
    ALLOWED_FORMER,
    OPENED_BEFORE,
    OUTER,
    STAMPED,
    Reader,
    Record,
    audited,
    door,
    gathered,
)
from kjerne.store.record_marks import in_force


def last_allowed(since: str) -> str:
    """The condition on `r`, a version in history with `d` after it, that it is the last of a record that was deleted by `d`,
    and that it may be opened still; `since` is the parameter with `open_since`."""
    return f"""{ALLOWED} AND {OPENED_BEFORE} AND NOT r.deleted AND d.patient = r.patient AND d.type = r.type AND d.id = r.id
  AND d.version = r.version + 1 AND d.deleted AND d.at > {since}::timestamptz
  AND NOT EXISTS (SELECT FROM record n WHERE n.patient = r.patient AND n.type = r.type AND n.id = r.id)
  AND NOT EXISTS (SELECT FROM record_history n WHERE n.patient = r.patient AND n.type = r.type AND n.id = r.id
    AND n.version > d.version)"""


_AS_READ: Final = f"""
WITH {STAMPED}, n AS MATERIALIZED (
  SELECT * FROM unnest($6::smallint[], $7::uuid[], $8::integer[], $9::integer[]) AS n(type, id, version, mark)
), c AS MATERIALIZED (
  SELECT {OUTER} FROM s, n JOIN record_history r USING (type, id) JOIN record_history d ON d.version = n.mark
  WHERE s.ok AND {last_allowed("$10")}
), r AS MATERIALIZED (
  SELECT * FROM c
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN n USING (type, id, version)
  JOIN (SELECT type, id, version AS last FROM c) c USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted AND r.version < c.last
), {audited("r", 11, "s.ok AND n.ids <> '{}'")}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""


async def as_read(
    conn: Connection, grant: Grant, reader: Reader, wanted: Sequence[tuple[int, UUID, int, int]]
) -> list[tuple[Record, Record | None]]:
    """Of those of `wanted` (type, id, version that was read, version of the deletion) that the grant opens, the last version
    and the one that was read (None where that is shut). Raises `Stale`.

    Of a token that SMART scopes narrow nothing: what is gone has no search tokens to compare.
    """
    if not wanted or grant.caller.limits is not None:
        return []
    rows = await conn.fetch(_AS_READ, *door(grant), *columns(wanted, 4), open_since(grant), *audit.given(grant))
    asked = {id_: version for _, id_, version, _ in wanted}
    return [
        (last, next((one for one in (last, *former) if one.version == asked[last.id]), None))
        for last, former in gathered(reader.opened(grant, rows))
    ]


_R: Final = f"""
WITH {STAMPED}, r AS MATERIALIZED (
  SELECT {OUTER}, d.at AS gone_at FROM s, record_history r, record_history d
  WHERE s.ok AND r.type = $6 AND {last_allowed("$7")}
)"""
_SHOWN: Final = "SELECT s.ok, r.* FROM s LEFT JOIN r ON true"
_LAST: Final = f"""{_R}, {audited("r", 8, "s.ok AND n.ids <> '{}'")} {_SHOWN}"""
_LOOK_AT_LAST: Final = f"{_R} {_SHOWN}"


async def look_at_last_of(conn: Connection, grant: Grant, reader: Reader, type_: int) -> list[tuple[Record, datetime]]:
    """As `last_of`, without a row: name what leaves of it (`writing_down.write_down`). Raises `Stale`."""
    if grant.caller.limits is not None:
        return []
    return _opened(grant, reader, await conn.fetch(_LOOK_AT_LAST, *door(grant), type_, open_since(grant)))


async def last_of(conn: Connection, grant: Grant, reader: Reader, type_: int) -> list[tuple[Record, datetime]]:
    """The last version of each record of a type that was deleted and the grant opens, and when it was. Raises `Stale`."""
    if grant.caller.limits is not None:
        return []
    rows = await conn.fetch(_LAST, *door(grant), type_, open_since(grant), *audit.given(grant))
    return _opened(grant, reader, rows)


def _opened(grant: Grant, reader: Reader, rows: Sequence[Any]) -> list[tuple[Record, datetime]]:
    records = reader.opened(grant, [tuple(row)[:-1] for row in rows])
    return list(zip(records, (moment(row[-1]) or row[-1] for row in rows), strict=False))


def open_since(grant: Grant) -> datetime:
    """What was deleted after this may be opened by the grant: since then the patient has shut nothing from its caller."""
    marking = (one for one in in_force(grant) if one.kind == "record" or one.slot >= 0)
    return max((one.made_at for one in marking if int(label_of(one)) & int(grant.hides)), default=EARLIEST)


_IDS: Final = """
SELECT DISTINCT d.id FROM record_history d WHERE d.patient = ANY($1::bigint[]) AND d.type = $2 AND d.deleted
AND NOT EXISTS (SELECT FROM record n WHERE n.patient = d.patient AND n.type = d.type AND n.id = d.id)"""


_MARKS: Final = """
SELECT d.type, d.id, max(d.version) FROM record_history d JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE d.patient = $1 AND d.deleted GROUP BY 1, 2"""


async def marks_of(conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]]) -> list[tuple[int, UUID, int]]:
    """Of those of these records that were deleted type, id and the version that marks it: for their readers to be told of."""
    if not named:
        return []
    return [tuple(row) for row in await conn.fetch(_MARKS, grant.subject.patient, *columns(named, 2))]


async def ids_of(conn: Connection, grant: Grant, type_: int) -> frozenset[UUID]:
    """Which records of a type are gone, for the program to compare with: nothing of them leaves."""
    return frozenset(row[0] for row in await conn.fetch(_IDS, list(grant.subject.keys), type_))
