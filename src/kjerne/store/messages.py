"""Messages received: each once, with the receipt it was given; refused ones in a queue that shows why, not what.

The message itself lies sealed. One that was taken in has the keys of everybody it is about, so that it goes with any of
them. A refused one may name no patient: it has the platform's message key and a share of its own, which is destroyed when
somebody it shows is deleted; opening it is break-glass (`services.results.opening`). What came about somebody who has
opted out is answered and not kept.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import zstandard
from xxhash import xxh3_128_digest

from kjerne.errors import Fault, Refusal
from kjerne.store.codec import DataKey
from kjerne.store.keys import Keys
from kjerne.store.keys import Sealer as PlatformSealer
from kjerne.store.pool import Connection
from kjerne.store.shares import MESSAGES, Destroyed, Shares

MESSAGE_LIMIT_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """A message seen before: its status and the receipt it got. `same` tells whether the bytes are the same."""

    status: str
    receipt: bytes
    same: bool
    reports: int
    observations: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """One line of the rejected queue. Faults name element path, line and code; nothing of the message's content.

    `place` is where the queue goes on after it. It stands in an address, so it holds a digest of sender and name.
    """

    sender: str
    message: str
    received_at: datetime
    faults: tuple[Fault, ...]
    place: str


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LEAST: Final = -(2**63)
_PLACE: Final = re.compile(r"([0-9a-f]{1,14})\.([0-9a-f]{1,16})")
_SHRINK: Final = zstandard.ZstdCompressor(level=3)
_fault_encoder = msgspec.json.Encoder()
_fault_decoder = msgspec.json.Decoder(list[Fault])

_KEEP: Final = """
INSERT INTO message_in (sender, message, digest, received_at, status, errors, reports, observations, receipt, sealed,
  shares, about)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, {shares}, $12::bytea[])
ON CONFLICT (sender, message) DO UPDATE SET status = excluded.status, errors = excluded.errors,
  reports = excluded.reports, observations = excluded.observations, receipt = excluded.receipt,
  received_at = excluded.received_at, digest = excluded.digest, sealed = excluded.sealed,
  shares = message_in.shares || excluded.shares, about = excluded.about
WHERE message_in.status = 'rejected'
RETURNING 1"""


def claiming(shares: str = "$11::bigint[]") -> str:
    """The statement that gives a row where the message is new or was rejected. A rejected one may be sent again.

    The shares of copies that were kept before are remembered, since those lie in backups.
    """
    return _KEEP.format(shares=shares)


@dataclass(frozen=True, slots=True)
class Copy:
    """How a message is kept: its sealed bytes (empty: not at all), the share they lie under, and whom they show."""

    sealed: bytes = b""
    shares: tuple[int, ...] = ()
    about: tuple[bytes, ...] = ()


NOT_KEPT: Final = Copy()


class Copies:
    """Seals and opens copies of messages for one house."""

    def __init__(self, keys: Keys, shares: Shares) -> None:
        self._root = keys.derived("message")
        self._shares = shares

    def refused(self, sender: str, message: str, raw: bytes, about: Iterable[bytes]) -> Copy:
        """A copy under a share of its own; `about` are digests of the numbers it shows."""
        share = secrets.randbits(62)
        return Copy(self._key(share).seal(_SHRINK.compress(raw), _name(sender, message)), (share,), tuple(about))

    def taken(self, sender: str, message: str, raw: bytes, keys: Sequence[DataKey]) -> Copy:
        """A copy under the keys of everybody it is about, one around the other."""
        sealed = _SHRINK.compress(raw)
        for key in keys:
            sealed = key.seal(sealed, _name(sender, message))
        return Copy(sealed)

    def open(self, sender: str, message: str, sealed: bytes, shares: Sequence[int]) -> bytes:
        """The bytes of a refused message. Raises `Destroyed`; what was kept before 0013 has no share."""
        name = _name(sender, message)
        packed = self._key(shares[-1]).open(sealed, name) if shares else PlatformSealer(self._root).open(sealed, name)
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MESSAGE_LIMIT_BYTES)

    def _key(self, share: int) -> DataKey:
        return DataKey(self._root).with_share(self._shares.share(MESSAGES, share))


def _name(sender: str, message: str) -> bytes:
    return f"{sender}\x1f{message}".encode()


def row(
    copy: Copy,
    *,
    sender: str,
    message: str,
    raw: bytes,
    at: datetime,
    receipt: bytes,
    faults: tuple[Fault, ...] = (),
    reports: int = 0,
    observations: int = 0,
) -> tuple[Any, ...]:
    """The parameters of `claiming`: accepted without faults, else rejected."""
    status = "rejected" if faults else "accepted"
    errors = _fault_encoder.encode(faults)
    counts = reports, observations
    kept = copy.sealed, list(copy.shares), list(copy.about)
    return sender, message, xxh3_128_digest(raw), at, status, errors, *counts, receipt, *kept


async def keep(conn: Connection, values: tuple[Any, ...]) -> None:
    """Keeps a message and its receipt, `values` from `row`. One that was accepted under the same name stays as it is."""
    await conn.execute(claiming(), *values)


_OPTED_OUT: Final = """
SELECT EXISTS (SELECT FROM person_identifier i JOIN person p USING (patient)
  JOIN privacy_choice c ON c.patient = p.patient OR c.patient = ANY(p.linked)
  WHERE i.digest = ANY($1::bytea[]) AND c.kind = 'opt-out' AND c.service IN ('', $2) AND c.made_at <= $3
    AND (c.ended_at IS NULL OR c.ended_at > $3))"""


async def answer(
    conn: Connection, sender: str, message: str, receipt: bytes, faults: tuple[Fault, ...] | None = None
) -> None:
    """Another receipt for a message that is claimed, in the transaction that files it; `faults`: and why it was rejected."""
    errors = _fault_encoder.encode(faults) if faults else None
    await conn.execute(
        "UPDATE message_in SET receipt = $3, errors = coalesce($4, errors) WHERE sender = $1 AND message = $2",
        sender, message, receipt, errors,
    )  # fmt: skip


async def somebody_opted_out(conn: Connection, shown: Sequence[bytes], service: str, now: datetime) -> bool:
    """Whether any of those with these numbers has opted out of the service. Answers the program, never a sender."""
    return bool(shown) and bool(await conn.fetchval(_OPTED_OUT, list(shown), service, now))


async def rejected(conn: Connection, sender: str, limit: int = 200, after: str = "") -> list[Rejected]:
    """The sender's rejected queue, newest first, from behind a `place`; of all senders where none is named. Refusal 400
    for what is no place."""
    rows = await conn.fetch(
        "SELECT sender, message, received_at, errors, hashtextextended(sender || ' ' || message, 0) AS mark FROM message_in "
        "WHERE ($1 = '' OR sender = $1) AND status = 'rejected' "
        "AND ($3::timestamptz IS NULL OR (received_at, hashtextextended(sender || ' ' || message, 0)) < ($3, $4::bigint)) "
        "ORDER BY received_at DESC, mark DESC LIMIT $2",
        sender,
        limit,
        *(_placed(after) if after else (None, None)),
    )
    return [
        Rejected(
            row["sender"],
            row["message"],
            row["received_at"],
            tuple(_fault_decoder.decode(row["errors"])),
            f"{(row['received_at'] - _EPOCH) // _MICROSECOND:x}.{row['mark'] - _LEAST:x}",
        )
        for row in rows
    ]


def _placed(text: str) -> tuple[datetime, int]:
    found = _PLACE.fullmatch(text)
    if not found:
        raise Refusal(400, "this is no place in the queue", where="_after", todo="Follow the link of the page before.")
    return _EPOCH + int(found[1], 16) * _MICROSECOND, int(found[2], 16) + _LEAST


async def rejected_total(conn: Connection, sender: str) -> int:
    """How many messages are in the sender's rejected queue; in all of them where none is named."""
    query = "SELECT count(*) FROM message_in WHERE ($1 = '' OR sender = $1) AND status = 'rejected'"
    return int(await conn.fetchval(query, sender))


async def content(conn: Connection, copies: Copies, sender: str, message: str) -> bytes | None:
    """The bytes of a rejected message, to be run again or opened; empty where it was not kept, or was deleted. None where
    the sender has none of this name waiting."""
    row = await conn.fetchrow(
        "SELECT sealed, shares FROM message_in WHERE sender = $1 AND message = $2 AND status = 'rejected'",
        sender,
        message,
    )
    if row is None:
        return None
    try:
        return copies.open(sender, message, row["sealed"], row["shares"]) if row["sealed"] else b""
    except Destroyed:
        return b""


async def answered(conn: Connection, sender: str, message: str) -> tuple[bytes, tuple[Fault, ...]]:
    """The receipt that a rejected message got, and why."""
    row = await conn.fetchrow(
        "SELECT receipt, errors FROM message_in WHERE sender = $1 AND message = $2 AND status = 'rejected'",
        sender,
        message,
    )
    return (row["receipt"], tuple(_fault_decoder.decode(row["errors"]))) if row else (b"", ())


def unread_name(message: str, mark: str) -> str:
    """What a message is queued as that could not be read: by the id it shows, apart from whatever has that id."""
    return f"{message}.unread.{mark}" if message else f"unread.{mark}"
