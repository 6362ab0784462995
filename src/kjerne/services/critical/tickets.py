"""A ticket of the health indicator: who asked, about whom and on which basis, sealed, for as long as it lives.

Opaque to whoever holds it: an EHR puts it into the address of an icon, where no number, name or id may stand.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.access import Caller
from kjerne.store.keys import Sealer

LONGEST: Final = 6_000
"""Characters: a longer text is none of ours, and is not looked at."""


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What was asked, to be asked again. `patient` is the digest of the number that was named."""

    caller: Caller
    patient: bytes
    basis: str
    until: datetime


@dataclass(frozen=True)
class Tickets:
    """Makes tickets that live `minutes`, and never longer than the attestation that they stand on (`attestation_minutes`)."""

    sealer: Sealer
    minutes: int
    attestation_minutes: int

    def made(self, caller: Caller, patient: bytes, basis: str, at: datetime) -> str:
        """A ticket for a question that was just answered."""
        until = at + timedelta(minutes=self.minutes)
        if caller.attestation is not None:
            until = min(until, caller.attestation.made_at + timedelta(minutes=self.attestation_minutes))
        sealed = self.sealer.seal(_encode(Ticket(caller, patient, basis, until)))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def opened(self, text: str) -> Ticket | None:
        """What a ticket says, also one that is over; None for a text that is no ticket of ours."""
        if not text.isascii() or len(text) > LONGEST:
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return _decode(self.sealer.open(raw))
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None


_encode: Final[Callable[[Ticket], bytes]] = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], Ticket]] = msgspec.msgpack.Decoder(Ticket).decode
