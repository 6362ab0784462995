"""What the lines of an import in parts were called where they come from, by keyed digests, and where each lies here.

A part that comes later refers by these names to what came before. What a part refers to and that has not come is kept too: who
brings it later is told that the reference was left as it was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.exchange import Stale
from kjerne.fhir.among import CAME_LATER, SEVERAL_HAVE_IT, Lost
from kjerne.fhir.definitions import type_name
from kjerne.store.pool import Connection, columns


class Brought(NamedTuple):
    """A name, and the line that has it: its number, the number of its rows' type, and its id here (None: several have it)."""

    name: str
    number: int
    type: int
    id: UUID | None


_KNOWN: Final = (
    "SELECT digest, type, id FROM import_name WHERE job = $1 AND digest = ANY($2::bytea[]) AND id IS NOT NULL"
)
# A name that was only asked for becomes what is brought; of one that a part before has too, nobody can tell which is meant.
_BRING: Final = """
INSERT INTO import_name AS n (job, digest, type, id, asked)
SELECT $1, * FROM unnest($2::bytea[], $3::smallint[], $4::uuid[]), (SELECT false) a
ON CONFLICT (job, digest) DO UPDATE SET type = excluded.type, id = CASE WHEN n.type IS NULL THEN excluded.id END
RETURNING digest, asked"""
_MISS: Final = """
INSERT INTO import_name AS n (job, digest, asked) SELECT $1, unnest($2::bytea[]), true
ON CONFLICT (job, digest) DO UPDATE SET asked = n.asked OR n.type IS NULL RETURNING digest, type, id"""
# Two parts at once may each miss what the other brings: one of them waits here for the other's end.
_ALONE: Final = "SELECT pg_advisory_xact_lock($1)"


class ImportNames:
    """Keeps them for one house under its key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _digest(self, job: int, name: str) -> bytes:
        return hashlib.blake2b(f"{job}\x1f{name}".encode(), key=self._secret, digest_size=16).digest()

    async def known(self, conn: Connection, job: int, names: Collection[str]) -> dict[str, str]:
        """The addresses of what came before, of these names."""
        by_digest = {self._digest(job, name): name for name in names}
        rows = await conn.fetch(_KNOWN, job, list(by_digest))
        return {by_digest[row["digest"]]: f"{type_name(row['type'])}/{row['id']}" for row in rows}

    async def keep(
        self, conn: Connection, job: int, brought: Sequence[Brought], missing: Mapping[str, int]
    ) -> list[Lost]:
        """Keeps what a part brings and what it misses (with the number of a line that does), in its transaction; what is to be
        warned of. Raises `Stale` where what it misses has come since it was looked for."""
        if not brought and not missing:
            return []
        await conn.execute(_ALONE, job)
        by_digest = {self._digest(job, one.name): one for one in brought}
        rows = [(digest, one.type, one.id) for digest, one in by_digest.items()]
        kept = await conn.fetch(_BRING, job, *columns(rows, 3))
        late = (by_digest[row["digest"]] for row in kept if row["asked"])
        lost = [Lost(one.number, one.name, CAME_LATER) for one in late]
        named = {self._digest(job, name): name for name in missing}
        for row in await conn.fetch(_MISS, job, list(named)):
            if row["id"] is not None:
                raise Stale
            if row["type"] is not None:
                name = named[row["digest"]]
                lost.append(Lost(missing[name], name, SEVERAL_HAVE_IT))
        return sorted(lost)
