"""The audit log sealed: its rows chained in the order of their transactions, the chain's head signed outside the database.

A chain alone shows an edited, deleted or exchanged row, but whoever may write every table can cut its tail, compute it
anew or bring an older state back (specs: threats 1.4 H). Each seal is therefore signed (ES256, the key lies outside the
database) into a file that is only added to; keep a copy of it where no administrator of the database can write.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from kjerne.clock import Clock
from kjerne.store.feed import horizon
from kjerne.store.pool import Connection, Pool

KEY_FILE: Final = "audit-key.pem"
CHECKPOINT_FILE: Final = "audit-checkpoints.jws"
FORMAT: Final = 2
GENESIS: Final = bytes(32)
ROWS_AT_ONCE: Final = 20_000
"""A seal that catches up after a pause is made in steps that take about a second."""
PREFETCH: Final = 1000
COORDINATE_BYTES: Final = 32

# A format is never changed: rows sealed under it must give the same bytes for ten years. New columns need a new one.
_FIRST_COLUMNS: Final = (
    "xid, number, patient, at, outcome, action, service, rule, law, says, purpose, basis, caller_kind, caller_digest, "
    "caller_name, caller_hpr, caller_role, organisation, point_of_care, department, client, token, decision, "
    "self_selected, correlation, types, ids, versions"
)
_SECOND_COLUMNS: Final = _FIRST_COLUMNS + ", about, reason, written"
_ROWS: Final = {
    1: f"SELECT {_FIRST_COLUMNS} FROM audit WHERE xid >= $1 AND xid < $2 ORDER BY xid, number",
    2: f"SELECT {_SECOND_COLUMNS} FROM audit WHERE xid >= $1 AND xid < $2 ORDER BY xid, number",
}
_LAST: Final = "SELECT * FROM audit_seal ORDER BY number DESC LIMIT 1"
_ALL: Final = "SELECT * FROM audit_seal ORDER BY number"
_ADD: Final = """
INSERT INTO audit_seal (number, format, from_xid, until_xid, rows, head, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('kjerne audit_seal'))"


class Seal(msgspec.Struct, frozen=True):
    """One link: it covers the rows of [from_xid, until_xid); `rows` counts them and all before, `head` binds them all."""

    number: int
    format: int
    from_xid: int
    until_xid: int
    rows: int
    head: bytes
    sealed_at: datetime


BEFORE_ALL: Final = Seal(0, FORMAT, 0, 0, 0, GENESIS, datetime(1, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that is not as it was sealed: which seal, and what is wrong."""

    seal: int
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many seals and rows were compared, how many rows are not yet sealed, and what does not agree."""

    seals: int
    rows: int
    unsealed: int
    breaches: tuple[Breach, ...]


_encode = msgspec.msgpack.Encoder().encode


def _plain(row: Sequence[Any]) -> list[Any]:
    """asyncpg's UUIDs as bytes: msgspec writes a UUID as text, and only where it is Python's own."""
    return [
        [one.bytes for one in value] if type(value) is list and value and isinstance(value[0], UUID)
        else value.bytes if isinstance(value, UUID) else value
        for value in row
    ]  # fmt: skip


def _next(head: bytes, row: Sequence[Any]) -> bytes:
    return hashlib.sha256(head + _encode(_plain(row))).digest()


def _closed(head: bytes, *facts: Any) -> bytes:
    """The head over the rows and over what the seal says of itself."""
    return hashlib.sha256(head + _encode(facts)).digest()


class Sealer:
    """Adds to the chain. Any number of processes may: they take turns."""

    def __init__(self, pool: Pool, clock: Clock, checkpoints: Checkpoints, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self.rows_at_once = rows_at_once
        self._pool = pool
        self._clock = clock
        self._checkpoints = checkpoints

    async def seal(self) -> int:
        """Seals what is decided and not yet sealed, at most `rows_at_once` and the rest of one transaction; how many."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK)
            row = await conn.fetchrow(_LAST)
            last = Seal(**dict(row)) if row else BEFORE_ALL
            made = await self._made(conn, last)
            if made:
                await conn.execute(_ADD, *msgspec.structs.astuple(made))
        # After commit, so that the file never tells of a seal that is not there. One that is lost here comes with the next.
        if made:
            self._checkpoints.add(made)
        return made.rows - last.rows if made else 0

    async def _made(self, conn: Connection, last: Seal) -> Seal | None:
        start, until = last.until_xid, await horizon(conn)
        head, count, xid = last.head, 0, 0
        async for row in _rows(conn, FORMAT, start, until):
            if count >= self.rows_at_once and row[0] != xid:
                until = row[0]
                break
            head, count, xid = _next(head, row), count + 1, row[0]
        if not count:
            return None
        number, rows, at = last.number + 1, last.rows + count, self._clock.now()
        head = _closed(head, number, FORMAT, start, until, rows, at)
        return Seal(number, FORMAT, start, until, rows, head, at)


async def _rows(conn: Connection, format_: int, start: int, until: int) -> AsyncIterator[tuple[Any, ...]]:
    async for row in conn.cursor(_ROWS[format_], start, until, prefetch=PREFETCH):
        yield tuple(row)


class Checkpoints:
    """The signed heads outside the database: one line each, a compact JWS (RFC 7515) over number, rows and head."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / CHECKPOINT_FILE
        self._key = _key(folder / KEY_FILE)

    def add(self, seal: Seal) -> None:
        """Signs a seal and waits until the line is on disk."""
        signed = f"{_HEADER}.{_text(msgspec.json.encode(seal))}"
        pair = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        signature = b"".join(half.to_bytes(COORDINATE_BYTES, "big") for half in pair)
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(f"{signed}.{_text(signature)}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> tuple[list[Seal], list[Breach]]:
        """The seals whose signatures hold, and the lines whose do not."""
        seals: list[Seal] = []
        breaches = []
        lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        for place, line in enumerate(lines, 1):
            try:
                seals.append(self._opened(line))
            except (ValueError, InvalidSignature):
                breaches.append(Breach(0, f"line {place} of the checkpoints is not signed by this platform's key"))
        return seals, breaches

    def _opened(self, line: bytes) -> Seal:
        header, payload, signature = line.split(b".")
        if header != _HEADER.encode():
            raise ValueError("another header")
        pair = base64.urlsafe_b64decode(signature + b"==")
        halves = (int.from_bytes(half, "big") for half in (pair[:COORDINATE_BYTES], pair[COORDINATE_BYTES:]))
        signed = header + b"." + payload
        self._key.public_key().verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=="), type=Seal)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_HEADER: Final = _text(b'{"alg":"ES256"}')


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The signing key, made (mode 0600) the first time."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path.name} holds no P-256 key")
    return key


async def verify(conn: Connection, checkpoints: Checkpoints) -> Verdict:
    """Compares log, chain and signed checkpoints; they agree wherever nobody has touched them."""
    signed, breaches = checkpoints.read()
    unmet: dict[int, Seal] = {}
    for one in signed:
        if unmet.setdefault(one.number, one) != one:
            breaches.append(Breach(one.number, "two were signed: an older state of the database was brought back"))
    last = BEFORE_ALL
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        async for row in conn.cursor(_ALL, prefetch=PREFETCH):
            seal = Seal(**dict(row))
            breaches += await _link_breaches(conn, last, seal)
            if unmet.pop(seal.number, seal) != seal:
                breaches.append(Breach(seal.number, "it is not the seal that was signed"))
            last = seal
        unsealed = await conn.fetchval("SELECT count(*) FROM audit WHERE xid >= $1", last.until_xid)
    breaches += [Breach(number, "it was signed, and the database has no such seal") for number in unmet]
    if last.number and not signed:
        breaches.append(Breach(last.number, "there is no signed checkpoint to compare with"))
    return Verdict(last.number, last.rows, int(unsealed), tuple(breaches))


async def _link_breaches(conn: Connection, previous: Seal, seal: Seal) -> list[Breach]:
    if seal.number != previous.number + 1 or seal.from_xid != previous.until_xid or seal.format not in _ROWS:
        return [Breach(seal.number, "it does not follow the seal before it")]
    head, count = previous.head, 0
    async for row in _rows(conn, seal.format, seal.from_xid, seal.until_xid):
        head, count = _next(head, row), count + 1
    stated = seal.rows - previous.rows
    if count != stated:
        return [Breach(seal.number, f"it covers {stated} rows, and there are {count}")]
    at, facts = seal.sealed_at, (seal.number, seal.format, seal.from_xid, seal.until_xid, seal.rows)
    if _closed(head, *facts, at) != seal.head:
        return [Breach(seal.number, f"a row was changed or exchanged, among those sealed at {at:%F %T}")]
    return []
