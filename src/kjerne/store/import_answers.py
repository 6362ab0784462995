"""Imports that were taken under a key of their sender's: whoever sends one again gets the answer that it got.

An answer that was lost on the way leaves a sender not knowing whether its records lie here. The row is written in the transaction
that files them: it is there where they are, and of two that come at once the second waits for the first.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection

KEPT: Final = timedelta(days=7)
"""After so long a key is as new."""
KEY_CHARACTERS: Final = 255


class Key(NamedTuple):
    """Digests of a sender's key and of what it sent."""

    digest: bytes
    content: bytes


def check_key(text: str) -> None:
    """`Refusal` 400 for a key that is none."""
    if not (text.isascii() and text.isprintable() and len(text) <= KEY_CHARACTERS):
        says = f"a key is at most {KEY_CHARACTERS} printable characters of ASCII"
        raise Refusal(400, says, where="idempotency-key", code="value")


def key_of_another() -> Refusal:
    return Refusal(
        422, "something else was sent under this key", where="idempotency-key", code="business-rule",
        todo="Make a new key for each import, and send the same again under the same.",
    )  # fmt: skip


class ImportAnswers:
    """Keeps them for one house, sealed by its key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._sealer = Sealer(secret)

    def key(self, caller: Caller, text: str, person: str, body: bytes) -> Key:
        """`Refusal` 400 for a key that is none. `person`: whom the request's header names."""
        check_key(text)
        sender = (caller.kind, caller.client, caller.organisation, caller.digest.hex())
        return Key(self._digest("\x1f".join((*sender, text)).encode()), self._digest(person.encode() + b"\n", body))

    def _digest(self, *parts: bytes) -> bytes:
        found = hashlib.blake2b(key=self._secret, digest_size=32)
        for part in parts:
            found.update(part)
        return found.digest()

    async def answered(self, conn: Connection, key: Key, now: datetime) -> bytes | None:
        """The answer that was given under this key. `Refusal` 422 where something else was sent under it."""
        row = await conn.fetchrow(
            "SELECT content, answer FROM import_answer WHERE digest = $1 AND at > $2", key.digest, now - KEPT
        )
        if row is None:
            return None
        if row["content"] != key.content:
            raise key_of_another()
        return zlib.decompress(self._sealer.open(row["answer"], key.digest))

    async def begin(self, conn: Connection, key: Key, now: datetime) -> bool:
        """Takes the key in the caller's transaction; False where another import had it meanwhile. Old ones are forgotten."""
        await conn.execute("DELETE FROM import_answer WHERE at <= $1", now - KEPT)
        taken = await conn.fetchval(
            "INSERT INTO import_answer (digest, content, answer, at) VALUES ($1, $2, '', $3) "
            "ON CONFLICT DO NOTHING RETURNING true",
            key.digest, key.content, now,
        )  # fmt: skip
        return bool(taken)

    async def end(self, conn: Connection, key: Key, answer: bytes) -> None:
        """Keeps what is answered, in the same transaction."""
        sealed = self._sealer.seal(zlib.compress(answer, 1), key.digest)
        await conn.execute("UPDATE import_answer SET answer = $2 WHERE digest = $1", key.digest, sealed)
