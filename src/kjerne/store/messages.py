"""Messages received: each once, with the receipt it was given; refused ones in a queue that shows why, not what.

The message itself lies sealed under the platform's message key (a refused one may name no patient whose key could seal
it); opening it is break-glass (`services.results.opening`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import zstandard
from xxhash import xxh3_128_digest

from kjerne.errors import Fault
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
    """One line of the rejected queue. Faults name element path, line and code; nothing of the message's content."""

    sender: str
    message: str
    received_at: datetime
    faults: tuple[Fault, ...]


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


async def rejected(conn: Connection, sender: str, limit: int = 200) -> list[Rejected]:
    """The sender's rejected queue, newest first; of all senders where none is named."""
    rows = await conn.fetch(
        "SELECT sender, message, received_at, errors FROM message_in WHERE ($1 = '' OR sender = $1) AND status = 'rejected' "
        "ORDER BY received_at DESC LIMIT $2",
        sender,
        limit,
    )
    return [
        Rejected(row["sender"], row["message"], row["received_at"], tuple(_fault_decoder.decode(row["errors"])))
        for row in rows
    ]


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
