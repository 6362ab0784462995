"""Imports with a manifest as they were asked for, and what came of each part: rows about work. No part lies here.

That a part was filed is written in the transaction that files it, so it is there where the records are; of two that bring one
part at once the second waits for the first. The manifest and the answers are sealed, digests are keyed.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
import msgspec

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.import_manifest import Manifest
from kjerne.store.import_answers import key_of_another
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool

LIFE: Final = timedelta(days=7)
"""So long after it was asked for an import takes parts and tells what became of them."""
TOLD: Final = timedelta(days=30)
"""So long it is told that it has been."""
OPEN_LIMIT: Final = 100
"""Imports of one sender at a time."""
NUMBER_BITS: Final = 53
"""So many are exact wherever JSON is read."""

FORGOTTEN_AT_ONCE: Final = 100_000
"""Names in one statement: an import may have millions."""
_FORGET_NAMES: Final = """
WITH gone AS (
  DELETE FROM import_name WHERE ctid = ANY(ARRAY(
    SELECT n.ctid FROM import_job j JOIN import_name n ON n.job = j.number
    WHERE j.at <= $1 OR j.ended_at IS NOT NULL LIMIT $2)) RETURNING 1)
SELECT count(*) FROM gone"""


class Job(NamedTuple):
    """An import: when it was asked for, and what of. `ended`: who asked has cancelled it."""

    number: int
    at: datetime
    manifest: Manifest
    ended: bool

    @property
    def expires(self) -> datetime:
        return self.at + LIFE


class Came(NamedTuple):
    """What came of a part: it was filed with so many resources, or refused; when."""

    place: int
    filed: bool
    resources: int
    at: datetime


class ImportJobs:
    """Keeps them for one house, sealed by its key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._sealer = Sealer(secret)

    def content(self, person: str, body: bytes) -> bytes:
        """The digest of a part; `person`: whom the request's header names."""
        found = hashlib.blake2b(person.encode() + b"\n", key=self._secret, digest_size=32)
        found.update(body)
        return found.digest()

    def _owner(self, caller: Caller) -> bytes:
        parts = (caller.kind, caller.client, caller.organisation, caller.digest.hex())
        return hashlib.blake2b("\x1f".join(parts).encode(), key=self._secret, digest_size=32).digest()

    async def add(
        self, conn: Connection, caller: Caller, manifest: Manifest, at: datetime, *, key: str = ""
    ) -> int | None:
        """The number of a new one, or of the one that the caller asked for under this `key` before; None where she has too many
        already (two at once may be one too many). `Refusal` 422 where another was asked for under the key, or that one is over.
        """
        owner = self._owner(caller)
        number = self._number(owner, key) if key else secrets.randbits(NUMBER_BITS)
        if key and (before := await self.one(conn, caller, number)) is not None:
            return self._the_same(before, manifest, at)
        sealed = self._sealer.seal(zlib.compress(msgspec.msgpack.encode(manifest), 1), _bound(number))
        try:
            added = await conn.fetchval(
                "INSERT INTO import_job (number, at, owner, manifest) SELECT $1::bigint, $2::timestamptz, $3::bytea, $4::bytea "
                "WHERE $5::bigint > ("
                "SELECT count(*) FROM import_job WHERE owner = $3 AND at > $2 - $6::interval AND ended_at IS NULL) "
                "RETURNING number",
                number, at, owner, sealed, OPEN_LIMIT, LIFE,
            )  # fmt: skip
        except asyncpg.UniqueViolationError:
            before = await self.one(conn, caller, number) if key else None
            if before is None:
                raise
            return self._the_same(before, manifest, at)
        return int(added) if added is not None else None

    def _number(self, owner: bytes, key: str) -> int:
        """The same for the same key of one sender: an import is its own answer."""
        digest = hashlib.blake2b(owner + key.encode(), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest) >> (64 - NUMBER_BITS)

    @staticmethod
    def _the_same(before: Job, manifest: Manifest, at: datetime) -> int:
        if before.manifest != manifest:
            raise key_of_another()
        if before.ended or at >= before.expires:
            raise Refusal(
                422, "the import that was asked for under this key is over", where="idempotency-key", code="business-rule",
                todo="Make a new key for a new import.",
            )  # fmt: skip
        return before.number

    async def one(self, conn: Connection, caller: Caller, number: int) -> Job | None:
        """One of the caller's own."""
        row = await conn.fetchrow(
            "SELECT at, manifest, ended_at FROM import_job WHERE number = $1 AND owner = $2",
            number,
            self._owner(caller),
        )
        if row is None:
            return None
        packed = zlib.decompress(self._sealer.open(row["manifest"], _bound(number)))
        return Job(number, row["at"], msgspec.msgpack.decode(packed, type=Manifest), row["ended_at"] is not None)

    async def came(self, conn: Connection, number: int) -> dict[int, Came]:
        """What came of its parts, by place; of those that have not come nothing."""
        rows = await conn.fetch("SELECT place, filed, resources, at FROM import_part WHERE job = $1", number)
        return {row["place"]: Came(*tuple(row)) for row in rows}

    async def answer(self, conn: Connection, number: int, place: int) -> tuple[bool, bytes, bytes] | None:
        """Of one part that came: whether it was filed, the digest of what was sent, and what was answered."""
        row = await conn.fetchrow(
            "SELECT filed, content, answer FROM import_part WHERE job = $1 AND place = $2", number, place
        )
        if row is None:
            return None
        return row["filed"], row["content"], zlib.decompress(self._sealer.open(row["answer"], _bound(number, place)))

    async def takes(self, conn: Connection, number: int) -> bool:
        """Whether it is open still; until the end of the caller's transaction nobody cancels it."""
        row = await conn.fetchval(
            "SELECT true FROM import_job WHERE number = $1 AND ended_at IS NULL FOR SHARE", number
        )
        return bool(row)

    async def begin(self, conn: Connection, number: int, place: int, content: bytes, at: datetime) -> bool:
        """Takes a part in the caller's transaction; False where it was filed meanwhile."""
        taken = await conn.fetchval(
            "INSERT INTO import_part (job, place, filed, resources, content, answer, at) VALUES ($1, $2, true, 0, $3, '', $4) "
            "ON CONFLICT (job, place) DO UPDATE SET filed = true, content = $3, at = $4 WHERE NOT import_part.filed "
            "RETURNING true",
            number, place, content, at,
        )  # fmt: skip
        return bool(taken)

    async def end(self, conn: Connection, number: int, place: int, resources: int, answer: bytes) -> None:
        """Keeps what is answered, in the same transaction."""
        await conn.execute(
            "UPDATE import_part SET resources = $3, answer = $4 WHERE job = $1 AND place = $2",
            number, place, resources, self._sealed(number, place, answer),
        )  # fmt: skip

    async def refuse(
        self, conn: Connection, number: int, place: int, content: bytes, at: datetime, answer: bytes
    ) -> None:
        """Keeps why a part was refused, where none was filed in its place and the import is open."""
        await conn.execute(
            "INSERT INTO import_part (job, place, filed, resources, content, answer, at) "
            "SELECT number, $2::integer, false, 0, $3::bytea, $4::bytea, $5::timestamptz "
            "FROM import_job WHERE number = $1 AND ended_at IS NULL "
            "ON CONFLICT (job, place) DO UPDATE SET content = $3, answer = $4, at = $5 WHERE NOT import_part.filed",
            number, place, content, self._sealed(number, place, answer), at,
        )  # fmt: skip

    async def cancel(self, conn: Connection, number: int, at: datetime) -> None:
        """No part is taken any more. Waits for those that are being filed."""
        await conn.execute("UPDATE import_job SET ended_at = coalesce(ended_at, $2) WHERE number = $1", number, at)

    def _sealed(self, number: int, place: int, answer: bytes) -> bytes:
        return self._sealer.seal(zlib.compress(answer, 1), _bound(number, place))


def _bound(*numbers: int) -> bytes:
    return "/".join(map(str, numbers)).encode()


async def sweep(pool: Pool, now: datetime) -> None:
    """Forgets what the lines of imports were called, once these are over, and imports of long ago."""
    while await pool.fetchval(_FORGET_NAMES, now - LIFE, FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
        continue
    await pool.execute("DELETE FROM import_job WHERE at < $1", now - TOLD)
