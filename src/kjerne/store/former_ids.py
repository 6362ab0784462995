"""Records that have another id than they had: which is which, for who had read the former one and what refers to it.

An id is made of the report's number and the key of what it is of in there. Where a later message shows that two reports are
one, what one of them gave has another from then on. Nothing here leaves: it leads the program from id to id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.store.pool import Connection, columns

Place = tuple[int, UUID]

_MOVED: Final = """
UPDATE former_id f SET id = n.id FROM unnest($2::smallint[], $3::uuid[], $4::uuid[]) AS n(type, former, id)
WHERE f.patient = $1 AND f.type = n.type AND f.id = n.former"""
_KEEP: Final = """
INSERT INTO former_id (patient, type, former, id)
SELECT $1::bigint, n.* FROM unnest($2::smallint[], $3::uuid[], $4::uuid[]) AS n(type, former, id)
ON CONFLICT (patient, type, former) DO UPDATE SET id = excluded.id"""
# What has an id that it had before is found there.
_STANDS: Final = "DELETE FROM former_id f WHERE f.patient = $1 AND f.former = ANY($2::uuid[])"
# Withdrawn from a wrong person (version 0) is what stood, and so what it was before.
_OF: Final = """
SELECT f.type, f.former, CASE WHEN n.version = 0 THEN 0 ELSE d.version END
FROM unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n(type, id, version)
JOIN former_id f ON f.patient = ANY($1::bigint[]) AND f.type = n.type AND f.id = n.id
CROSS JOIN LATERAL (SELECT max(h.version) AS version FROM record_history h
  WHERE h.patient = f.patient AND h.type = f.type AND h.id = f.former AND h.deleted) d
WHERE d.version IS NOT NULL
  AND NOT EXISTS (SELECT FROM record r WHERE r.patient = f.patient AND r.type = f.type AND r.id = f.former)"""


async def keep(conn: Connection, grant: Grant, ids: Mapping[Place, UUID]) -> None:
    """Notes the present ids of records by their former places; call in the transaction that takes those out."""
    if ids:
        named = columns([(type_, former, now) for (type_, former), now in ids.items()], 3)
        for statement in (_MOVED, _KEEP):
            await conn.execute(statement, grant.subject.patient, *named)
        await conn.execute(_STANDS, grant.subject.patient, list(ids.values()))


async def of(conn: Connection, grant: Grant, changed: Sequence[tuple[int, UUID, int]]) -> list[tuple[int, UUID, int]]:
    """What these records (type, id, new version) were before under other ids: type, id, and the version that marks that it was
    taken out there, or 0 where the new version is."""
    return [tuple(row) for row in await conn.fetch(_OF, list(grant.subject.keys), *columns(changed, 3))]
