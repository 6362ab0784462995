"""Messages received: each once, with the receipt it was given; refused ones in a queue that shows why, not what.

The message itself lies sealed under the platform's message key (a refused one may name no patient whose key could seal
it); opening it is break-glass and belongs to operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

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


_fault_encoder = msgspec.json.Encoder()
_fault_decoder = msgspec.json.Decoder(list[Fault])

_CLAIM = """
INSERT INTO message_in (sender, message, digest, received_at, status, errors, reports, observations, receipt, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (sender, message) DO UPDATE SET status = excluded.status, errors = excluded.errors,
  reports = excluded.reports, observations = excluded.observations, receipt = excluded.receipt,
  received_at = excluded.received_at, digest = excluded.digest, sealed = excluded.sealed
WHERE message_in.status = 'rejected'
RETURNING 1"""


async def seen(conn: Connection, sender: str, message: str, raw: bytes) -> Received | None:
    """What this sender's message with this id was answered, if it came before."""
    row = await conn.fetchrow(
        "SELECT status, receipt, digest, reports, observations FROM message_in WHERE sender = $1 AND message = $2",
        sender,
        message,
    )
    if row is None:
        return None
    return Received(
        row["status"], row["receipt"], row["digest"] == xxh3_128_digest(raw), row["reports"], row["observations"]
    )


async def keep(
    conn: Connection,
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
) -> bool:
    """Keeps a message and its receipt: accepted without faults, else rejected. A rejected one may be sent again.

    False where another request has kept the same message in between: read its receipt with `seen`.
    """
    status = "rejected" if faults else "accepted"
    sealed = sealer.seal(zstandard.compress(raw, 3), f"{sender}\x1f{message}".encode())
    errors = _fault_encoder.encode(faults)
    values: tuple[Any, ...] = (
        sender, message, xxh3_128_digest(raw), at, status, errors, reports, observations, receipt, sealed
    )  # fmt: skip
    return await conn.fetchval(_CLAIM, *values) is not None


async def rejected(conn: Connection, sender: str, limit: int = 200) -> list[Rejected]:
    """The sender's rejected queue, newest first."""
    rows = await conn.fetch(
        "SELECT sender, message, received_at, errors FROM message_in WHERE sender = $1 AND status = 'rejected' "
        "ORDER BY received_at DESC LIMIT $2",
        sender,
        limit,
    )
    return [
        Rejected(row["sender"], row["message"], row["received_at"], tuple(_fault_decoder.decode(row["errors"])))
        for row in rows
    ]


async def content(conn: Connection, sealer: Sealer, sender: str, message: str) -> bytes | None:
    """The bytes of a rejected message, to be run again. None where the sender has no such message in the queue."""
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


async def end_unread(conn: Connection, sender: str, message: str) -> None:
    """Takes out of the queue what could not be read and showed this id: a good message has come in its place."""
    # A range of names, which the primary key finds: what may follow ".unread." lies before ".unread/".
    await conn.execute(
        "DELETE FROM message_in WHERE sender = $1 AND message > $2 AND message < $3 AND status = 'rejected'",
        sender,
        f"{message}.unread.",
        f"{message}.unread/",
    )
