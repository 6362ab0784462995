"""All of a patient's records of one service, some at a time, in the order of their types and ids.

Each step is a statement of its own: it proves the grant's facts, and its audit row names exactly what it gives. So whoever
walks far holds no transaction meanwhile, and a choice that is made on the way holds from the next step on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.store import audit, limits
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, audited, door, for_one

STEP_ROWS: Final = 500
STEP_BYTES: Final = 2_000_000
"""Of bodies as they lie, compressed: more is read in the next step, but for a record that is longer by itself."""
START: Final = (0, UUID(int=0))
"""Before every record: types are numbered from one."""

Place = tuple[int, UUID]
"""Type and id of the last record that was given."""


class Asked(NamedTuple):
    """Which records: of these types, changed `since` then, about care in [`first`, `last`); one that says no date is in it."""

    types: Sequence[int]
    since: datetime = EARLIEST
    first: datetime = EARLIEST
    last: datetime = LATEST


class Step(NamedTuple):
    """What was found: each is unsealed when it is asked for, since a body may be a thousand times longer than it lies."""

    found: list[Callable[[], Record]]
    last: Place
    """Where the next step begins."""
    more: bool


# $6 types, $7 and $8 behind this record, $9 changed since, $10 and $11 the days of care, $12 at most so many, $13 bytes.
_STEP: Final = f"""
WITH {STAMPED}, m AS MATERIALIZED (
  SELECT {OUTER}, row_number() OVER (ORDER BY r.type, r.id) AS n,
    sum(octet_length(r.body)) OVER (ORDER BY r.type, r.id ROWS UNBOUNDED PRECEDING) AS reached
  FROM (
    SELECT r.* FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[])
      AND (r.type, r.id) > ($7::smallint, $8::uuid) AND r.at >= $9
      AND (r.date_from IS NULL OR (r.date_from < $11 AND r.date_to > $10))
    ORDER BY r.type, r.id LIMIT $12::bigint + 1
  ) r
), r AS MATERIALIZED (SELECT * FROM m WHERE n <= $12 AND (n = 1 OR reached <= $13::bigint)), {audited("r", 14)}
SELECT s.ok, (SELECT count(*) FROM m), {OUTER} FROM s LEFT JOIN r ON true ORDER BY r.n"""


async def step(
    conn: Connection, grant: Grant, reader: Reader, asked: Asked, after: Place, most: int = STEP_ROWS
) -> Step:
    """The next records behind `after`, at most so many, in the log by an audit row. Raises `Stale`."""
    keys = reader.unwrapped(grant)
    values = (
        *door(grant), list(asked.types), *after, asked.since, asked.first, asked.last, min(most, STEP_ROWS), STEP_BYTES,
        *audit.given(grant),
    )  # fmt: skip
    statement, all_values = limits.narrowed(grant, keys, _STEP, ALLOWED, values)
    if len(grant.subject.keys) == 1:
        statement, all_values[0] = for_one(statement), grant.subject.keys[0]
    rows = await conn.fetch(statement, *all_values)
    if not rows or not rows[0][0]:
        raise Stale
    outer = [tuple(row)[2:] for row in rows if row[2] is not None]

    def opened(row: tuple[object, ...]) -> Callable[[], Record]:
        return lambda: reader.open_row(keys, row)

    last = (outer[-1][1], outer[-1][2]) if outer else after
    return Step([opened(row) for row in outer], last, rows[0][1] > len(outer))
