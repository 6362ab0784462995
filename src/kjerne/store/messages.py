"""Messages received: each once, with the receipt it was given; refused ones in a queue that shows why, not what.

The message itself lies sealed under the platform's message key (a refused one may name no patient whose key could seal
it); opening it is break-glass (`services.results.opening`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import zstandard
from xxhash import xxh3_128_digest

from kjerne.errors import Fault, Refusal
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection

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

CLAIM: Final = """
INSERT INTO message_in (sender, message, digest, received_at, status, errors, reports, observations, receipt, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (sender, message) DO UPDATE SET status = excluded.status, errors = excluded.errors,
  reports = excluded.reports, observations = excluded.observations, receipt = excluded.receipt,
  received_at = excluded.received_at, digest = excluded.digest, sealed = excluded.sealed
WHERE message_in.status = 'rejected'
RETURNING 1"""
"""Gives a row where the message is new or was rejected. A rejected one may be sent again."""


def row(
    sealer: Sealer,
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
    """The parameters of `CLAIM`: accepted without faults, else rejected."""
    status = "rejected" if faults else "accepted"
    sealed = sealer.seal(_SHRINK.compress(raw), f"{sender}\x1f{message}".encode())
    errors = _fault_encoder.encode(faults)
    return sender, message, xxh3_128_digest(raw), at, status, errors, reports, observations, receipt, sealed


async def keep(conn: Connection, values: tuple[Any, ...]) -> None:
    """Keeps a message and its receipt, `values` from `row`. One that was accepted under the same name stays as it is."""
    await conn.execute(CLAIM, *values)


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


async def content(conn: Connection, sealer: Sealer, sender: str, message: str) -> bytes | None:
    """The bytes of a rejected message, to be run again or opened. None where the sender has none of this name waiting."""
    sealed = await conn.fetchval(
        "SELECT sealed FROM message_in WHERE sender = $1 AND message = $2 AND status = 'rejected'", sender, message
    )
    if sealed is None:
        return None
    packed = sealer.open(sealed, f"{sender}\x1f{message}".encode())
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MESSAGE_LIMIT_BYTES)


def unread_name(message: str, mark: str) -> str:
    """What a message is queued as that could not be read: by the id it shows, apart from whatever has that id."""
    return f"{message}.unread.{mark}" if message else f"unread.{mark}"
