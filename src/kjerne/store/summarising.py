"""What a summary of a patient is made of: the newest records of some types under a grant, and the rows of what leaves.

To gather is a look that gives nothing yet: what is shown is chosen by the program, which opens each record. The rows come last,
those of all services in one transaction that holds every grant to its facts, and name exactly what leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.exchange import Stale
from kjerne.store import audit, limits
from kjerne.store.patients import Held, named
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, door
from kjerne.store.turns import in_turns

Named = Sequence[tuple[int, UUID, int]]

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
_STANDS: Final = "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])"
_NEWEST: Final = """
SELECT count(*) FROM unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n (type, id, version)
JOIN record r ON r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND r.version = n.version"""
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


async def write_down(
    conn: Connection, leaves: Sequence[tuple[Grant, Named]], her: Grant | None = None, held: Sequence[Held] = ()
) -> None:
    """A row for each grant, with what leaves under it, and one of her Patient; all or none. Raises `Stale` where a fact changed
    since one of the grants was made, or where what leaves has another version by now: whoever corrects something tells those
    whose rows stand, so what was read before must not get its row after."""
    async with conn.transaction():
        for grant, what in leaves:
            keys = list(grant.subject.keys)
            if await conn.fetchval(_STANDS, keys) != grant.subject.stamp:
                raise Stale
            newest: dict[tuple[int, UUID], int] = {}
            for type_, id_, version in what:
                newest[type_, id_] = max(version, newest.get((type_, id_), 0))
            types, ids = [type_ for type_, _ in newest], [id_ for _, id_ in newest]
            if newest and await conn.fetchval(_NEWEST, keys, types, ids, [*newest.values()]) != len(newest):
                raise Stale
        if her is not None and held:
            await audit.insert(conn, audit.shown(her), named(held))
        for grant, what in leaves:
            await audit.insert(conn, audit.given(grant), what)
