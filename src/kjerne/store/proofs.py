"""Which DPoP proofs were used, shared by all workers: the replay table of RFC 9449 section 11.1.

The table is unlogged, so noting a proof waits for no disk. What a crash makes it forget is refused by its time
instead: after one, only proofs signed later than the table's new memory are taken. Of an older one that the table does not
hold nobody knows whether it was used, so it is not said to be: it is refused as by a service that is not ready (503).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from kjerne.access import Once
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.store.pool import Connection, Pool

SKEW_SECONDS: Final = 5
"""A proof may be signed this far ahead of our clock, so one used just before a crash can look newer than the crash."""

WAIT_SECONDS: Final = SKEW_SECONDS + 1
"""After so long a new proof is later than the memory that begins now."""

NOTE: Final = """
INSERT INTO proof (minute, digest) SELECT $1::integer, $2::bytea FROM proof_memory WHERE since < $3::bigint
ON CONFLICT DO NOTHING RETURNING true
"""
"""Gives a row if the proof is new. Parameters from `note_values`; may stand as a WITH part in a larger statement."""

FRESH: Final = "SELECT EXISTS (SELECT 1 FROM note) AS fresh"
"""Whether the CTE `noting` has noted a proof that nobody had used."""
_HELD = "SELECT EXISTS (SELECT FROM proof WHERE minute = $1 AND digest = $2)"
_PARAMETER = re.compile(r"\$(\d)")
_REMEMBER = "INSERT INTO proof_memory (since) VALUES ($1) ON CONFLICT DO NOTHING"


def note_values(digest: bytes, signed_at: int) -> tuple[int, bytes, int]:
    """The minute of the hour in which the proof was signed (its partition), its digest, and when it was signed."""
    return signed_at // 60 % 60, digest, signed_at


def noting(first: int) -> str:
    """`NOTE` as the CTE `note` of a larger statement, its parameters numbered from `first`."""
    numbered = _PARAMETER.sub(lambda place: f"${first + int(place[1]) - 1}", NOTE)
    return f"note AS ({numbered})"


async def fetched(
    conn: Connection, once: Once | None, plain: str, noting_too: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """The rows of `plain`, or of `noting_too` where the request's proof is not noted yet.

    The latter takes the proof's three parameters behind the others, and says in a first column whether it was fresh;
    one that was used before is refused here. It stands alone: a transaction could take the note back.
    """
    if once is None or once.noted:
        return [tuple(row) for row in await conn.fetch(plain, *values)]
    if conn.is_in_transaction():
        raise RuntimeError("a proof of possession is noted outside of transactions")
    once.noted = True  # before the wait: what the same request asks meanwhile does not note it again
    rows = await conn.fetch(noting_too, *values, *once.values)
    if not rows or not rows[0][0]:
        once.noted = False  # by this request, that is: whoever meets the refusal on its way asks, and is refused again
        await once.refuse()
    return [row[1:] for row in rows]


async def note(conn: Connection, once: Once | None) -> None:
    """Notes the request's proof by itself, where no statement has yet; one that was used before is refused."""
    if once is not None and not once.noted:
        await fetched(conn, once, "", f"WITH {noting(1)} {FRESH}", ())


class ProofTable:
    """The replay table behind `wire.oauth.Verifier`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(self, digest: bytes, signed_at: int) -> bool:
        """Notes the proof; false where it was used before. `Refusal` 503 where a crash has made that unknowable."""
        values = note_values(digest, signed_at)
        if await self._pool.fetchval(NOTE, *values):
            return True
        await self.must_hold(values)
        return False

    async def must_hold(self, values: tuple[int, bytes, int]) -> None:
        """Of a proof that was not taken: whether it is because it was used. `Refusal` 503 where nobody knows any more."""
        minute, digest, _ = values
        if await self._pool.fetchval(_HELD, minute, digest):
            return
        await self.remember()
        raise Refusal(
            503,
            "which proofs were used before this one is not known, since the database has just started anew",
            where="DPoP",
            todo=f"Sign a new proof in {WAIT_SECONDS} seconds.",
            headers=(("retry-after", str(WAIT_SECONDS)),),
        )

    async def remember(self) -> None:
        """Begins a new memory if a crash took the last; done at start-up, so that the first caller need not wait."""
        await self._pool.execute(_REMEMBER, int(self._clock.now().timestamp()) + SKEW_SECONDS)

    async def sweep(self) -> int:
        """Empties the minutes that no proof can be in any more, and says how many; a job does it each minute."""
        minute = int(self._clock.now().timestamp()) // 60
        return int(await self._pool.fetchval("SELECT proof_sweep($1)", minute))
