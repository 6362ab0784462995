"""Sessions by which a clinician's system opens the pages at a patient: made, opened once, prolonged, ended.

What the system is given are two texts that nobody can guess. The table has their digests, so who reads it can open nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool

DIGEST_BYTES: Final = 16
_SECRET_BYTES: Final = 24
_TEXT_LONGEST: Final = 200

_INSERT: Final = """
INSERT INTO portal_session (digest, code, challenge, practitioner, sealed, code_until, until)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
# Whoever has the code has one try: with a wrong verifier it is used up as well.
_USE: Final = """
UPDATE portal_session SET used_at = $3, ended_at = CASE WHEN challenge = $4 THEN NULL ELSE $3::timestamptz END
WHERE digest = $1 AND code = $2 AND used_at IS NULL AND ended_at IS NULL AND code_until > $3 RETURNING ended_at IS NULL"""
# A code that comes back has been in other hands: nobody knows which of the two was hers (RFC 6749, section 4.1.2).
_USED_AGAIN: Final = """
UPDATE portal_session SET ended_at = $3 WHERE digest = $1 AND code = $2 AND used_at IS NOT NULL AND ended_at IS NULL"""
_OPEN: Final = """
UPDATE portal_session SET opened_at = $3
WHERE digest = $1 AND practitioner = $2 AND used_at IS NOT NULL AND opened_at IS NULL AND ended_at IS NULL AND until > $3
RETURNING sealed"""
_STANDS: Final = """
SELECT sealed FROM portal_session WHERE digest = $1 AND opened_at IS NOT NULL AND ended_at IS NULL AND until > $2"""
_FIND: Final = """
SELECT sealed FROM portal_session WHERE digest = $1 AND practitioner = $2 AND ended_at IS NULL AND until > $3"""
_PROLONG: Final = """
UPDATE portal_session SET sealed = $2, until = $3 WHERE digest = $1 AND ended_at IS NULL AND until > $4 RETURNING true"""
_END: Final = "UPDATE portal_session SET ended_at = $2 WHERE digest = $1 AND ended_at IS NULL"
_SWEEP: Final = "DELETE FROM portal_session WHERE until <= $1"


class Said(msgspec.Struct, frozen=True):
    """Who opens whom, and what her system vouched for. `patient` is the person key, `practitioner` the digest of her number."""

    patient: int
    practitioner: bytes
    client: str
    organisation: str
    point_of_care: str
    authorization: str
    purpose: str
    basis: str
    decision: str
    reason: str
    self_declared: bool
    attested_at: datetime


class Texts(NamedTuple):
    """What the system is given: the id by which it prolongs and ends the session, and the code for a browser."""

    session: str
    code: str


@dataclass(frozen=True)
class PortalSessions:
    """The sessions of one house."""

    sealer: Sealer

    async def create(
        self, conn: Connection, said: Said, challenge: str, code_until: datetime, until: datetime
    ) -> Texts:
        """A new session; its code is good until `code_until`."""
        session = secrets.token_urlsafe(_SECRET_BYTES)
        digest, secret = digest_of(session), secrets.token_bytes(_SECRET_BYTES)
        await conn.execute(
            _INSERT,
            digest,
            _hashed(secret),
            challenge,
            said.practitioner,
            self._sealed(digest, said),
            code_until,
            until,
        )
        return Texts(session, _text(digest + secret))

    async def use(self, pool: Pool, code: str, verifier: str, at: datetime) -> bytes | None:
        """The session of a code that comes back with its verifier, by its digest; None where the two open nothing. A code that
        was used before ends its session, with the page that it opened."""
        raw = _bytes(code)
        if len(raw) != DIGEST_BYTES + _SECRET_BYTES or not verifier.isascii() or len(verifier) > _TEXT_LONGEST:
            return None
        challenge = _text(hashlib.sha256(verifier.encode()).digest())
        digest, secret = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        if await pool.fetchval(_USE, digest, _hashed(secret), at, challenge):
            return digest
        await pool.execute(_USED_AGAIN, digest, _hashed(secret), at)
        return None

    async def open(self, pool: Pool, digest: bytes, practitioner: bytes, at: datetime) -> Said | None:
        """What is to be opened by a practitioner, once; None for anybody else and after that."""
        sealed = await pool.fetchval(_OPEN, digest, practitioner, at)
        return self._said(digest, sealed) if sealed else None

    async def stands(self, pool: Pool, digest: bytes, at: datetime) -> Said | None:
        """What an opened session stands on now; None where it is ended or over. One look-up by primary key."""
        sealed = await pool.fetchval(_STANDS, digest, at)
        return self._said(digest, sealed) if sealed else None

    async def find(self, pool: Pool, session: str, practitioner: bytes, at: datetime) -> Said | None:
        """A session of hers that is neither ended nor over."""
        digest = digest_of(session)
        sealed = await pool.fetchval(_FIND, digest, practitioner, at)
        return self._said(digest, sealed) if sealed else None

    async def prolong(self, conn: Connection, session: str, said: Said, until: datetime, at: datetime) -> bool:
        """From now on it stands on what is vouched for now; false where it has ended meanwhile."""
        digest = digest_of(session)
        return bool(await conn.fetchval(_PROLONG, digest, self._sealed(digest, said), until, at))

    async def end(self, pool: Pool, digest: bytes, at: datetime) -> None:
        """Closes the page on every host."""
        await pool.execute(_END, digest, at)

    def _sealed(self, digest: bytes, said: Said) -> bytes:
        return self.sealer.seal(_encode(said), digest)

    def _said(self, digest: bytes, sealed: bytes) -> Said:
        return _decode(self.sealer.open(sealed, digest))


async def sweep(pool: Pool, now: datetime) -> None:
    """Forgets sessions that are over."""
    await pool.execute(_SWEEP, now)


def digest_of(session: str) -> bytes:
    """By what a session is kept."""
    return hashlib.sha256(session.encode()).digest()[:DIGEST_BYTES]


def _hashed(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if text.isascii() and len(text) <= 200 else b""
    except ValueError:
        return b""


_encode: Final[Callable[[Said], bytes]] = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], Said]] = msgspec.msgpack.Decoder(Said).decode
