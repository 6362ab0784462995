"""Record ids that carry their patient, readable by the program alone.

An id is one AES-256 block over the person key (63 bits), a bit, and a number (8 bytes), written as a UUID. The bit says that the
record belongs to the second of two services that keep its type (`registries.homes.SECOND`). It is opaque and
permanent, a read by id routes to the patient's shard, and a guessed id decrypts to a person who does not exist.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BESIDE: Final = 1 << 63
"""The bit that no person's key has."""
_uuid = pgproto.UUID
"""The driver's own, as its rows have it: made, compared and written as text in a tenth of the time."""


class _Blocks(threading.local):
    """The cipher as each thread has it: what two use at once promises nothing, and large reports are worked on in threads."""

    def __init__(self, key: bytes) -> None:
        # One block with one key is a permutation of 128 bits; ECB is that block cipher itself, nothing is chained.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self.seal = cipher.encryptor().update
        self.open = cipher.decryptor().update


class SealedIds:
    """Makes and opens ids under the permanent key."""

    def __init__(self, key: bytes) -> None:
        self._named = blake2b(digest_size=8, key=key)
        self._blocks = _Blocks(key)

    def make(self, patient: int, number: int | None = None, *, beside: bool = False) -> UUID:
        """A new id for a record of `patient`; `number` (64 bits) makes it repeatable, else it is random. `beside`: of the second
        service that keeps its type."""
        inside = os.urandom(8) if number is None else number.to_bytes(8, "big")
        return self._sealed(patient | _BESIDE if beside else patient, inside)

    def make_many(self, patient: int, beside: Sequence[bool]) -> list[UUID]:
        """As `make`, for many at once: one call of the cipher, and one for its random numbers."""
        keys, count = (patient.to_bytes(8, "big"), (patient | _BESIDE).to_bytes(8, "big")), len(beside)
        numbers = os.urandom(8 * count)
        sealed = self._blocks.seal(
            b"".join([keys[one] + numbers[8 * at : 8 * at + 8] for at, one in enumerate(beside)])
        )
        return [_uuid(sealed[at : at + 16]) for at in range(0, 16 * count, 16)]

    def named(self, patient: int, *parts: str) -> UUID:
        """The same id every time for the same patient and name: a report's items keep their ids over its versions."""
        # Keyed, since a sender chooses the parts: she must not be able to hit another sender's id.
        name = self._named.copy()
        name.update("\x1f".join(parts).encode())
        return self._sealed(patient, name.digest())

    def _sealed(self, patient: int, number: bytes) -> UUID:
        return _uuid(self._blocks.seal(patient.to_bytes(8, "big") + number))

    def patient(self, id_: UUID) -> int:
        """The person key inside; nonsense (but no error) for an id made elsewhere."""
        return int.from_bytes(self._blocks.open(id_.bytes)[:8], "big") & 0x7FFF_FFFF_FFFF_FFFF

    def is_beside(self, id_: UUID) -> bool:
        """Whether the record belongs to the second service that keeps its type; nonsense for an id made elsewhere."""
        return self._blocks.open(id_.bytes)[0] > 0x7F

    def number(self, id_: UUID) -> int:
        """The number inside (64 bits), beside the person key."""
        return int.from_bytes(self._blocks.open(id_.bytes)[8:], "big")

    @staticmethod
    def parse(text: str) -> UUID | None:
        """The id in its one canonical spelling, or None. Ids are case sensitive, and a UUID's letters are small (R4
        datatypes.html#id): in capitals it is another id, which nothing has."""
        try:
            value = _uuid(text)
        except ValueError:
            return None
        return value if str(value) == text else None
