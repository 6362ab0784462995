"""What a summary of a patient is made of: the newest records of some types under a grant.

To gather is a look that gives nothing yet: what is shown is chosen by the program, which opens each record. The rows of what
leaves come last (`store.writing_down`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.store import limits
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, door
from kjerne.store.turns import in_turns

# $6 the types, $7 how many of each at most; $8 a type of which those with one of the tokens in $9 come too, $10 of them at most.
_GATHERED: Final = f"""
WITH {STAMPED}, m AS MATERIALIZED (
  SELECT n.* FROM s, unnest($6::smallint[], $7::bigint[]) AS asked (type, most), LATERAL (
    SELECT {OUTER} FROM record r WHERE s.ok AND {ALLOWED} AND r.type = asked.type
    ORDER BY r.date_from DESC NULLS LAST, r.id LIMIT asked.most
  ) n
), t AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = $8 AND r.tokens LIKE ANY($9::bytea[])
  ORDER BY r.date_from DESC NULLS LAST, r.id LIMIT $10
), r AS (SELECT * FROM m UNION ALL SELECT t.* FROM t WHERE NOT EXISTS (SELECT FROM m WHERE m.type = t.type AND m.id = t.id))
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""
# $6 the type of results, $7 ids of some, $8 the label of another's.
_OPEN: Final = f"""
WITH {STAMPED} SELECT s.ok, r.id, r.others FROM s LEFT JOIN LATERAL (
  SELECT r.id, r.labels & $8 <> 0 AS others FROM record r WHERE s.ok AND {ALLOWED} AND r.type = $6 AND r.id = ANY($7::uuid[])
) r ON true"""
_NONE: Final = 0
"""The number of no type."""


class Gathered(NamedTuple):
    """Records as they lie, newest first by type, and the types of which there are more."""

    records: list[Record]
    more: frozenset[int]


async def gather(
    conn: Connection, grant: Grant, reader: Reader, most: Mapping[int, int], of: int = _NONE,
    tokens: Sequence[int] = (), sought: int = 0,
) -> Gathered:  # fmt: skip
    """The newest records of each type, as many as `most` says, and those of the type `of` that have one of the tokens.

    No row of the log: nothing leaves by it. Raises `Stale`.
    """
    keys = reader.unwrapped(grant)
    values = [
        *door(grant), list(most), [number + 1 for number in most.values()], of,
        keys.patterns(tokens) if of and grant.subject.keys else [], sought,
    ]  # fmt: skip

    def add(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    statement = _GATHERED.replace(ALLOWED, ALLOWED + limits.condition(grant, keys, add))
    rows = await conn.fetch(statement, *values)
    if not rows or not rows[0][0]:
        raise Stale
    records, counted = list[Record](), dict[int, int]()
    more = set[int]()
    async for row in in_turns(rows):
        if row[1] is None:
            continue
        counted[row[2]] = counted.get(row[2], 0) + 1
        if counted[row[2]] > most.get(row[2], 0) and row[2] != of:
            more.add(row[2])
            continue
        records.append(reader.open_row(keys, tuple(row)[1:]))
    return Gathered(records, frozenset(more))


async def about_others(conn: Connection, grant: Grant, reader: Reader, results: Sequence[UUID]) -> dict[UUID, bool]:
    """Of these Observations those that are open, and whether each is about another than her. One that is shut is not among
    them, as one that never was. Raises `Stale`."""
    values: list[object] = [*door(grant), type_number("Observation"), list(results), int(Label.NOT_THE_MOTHERS)]

    def add(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    narrowed = limits.condition(grant, reader.unwrapped(grant), add)
    rows = await conn.fetch(_OPEN.replace(ALLOWED, ALLOWED + narrowed), *values)
    if not rows or not rows[0][0]:
        raise Stale
    return {row[1]: row[2] for row in rows if row[1] is not None}
