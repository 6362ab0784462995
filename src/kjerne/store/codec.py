"""Record bodies as they lie on disk: compressed with a numbered dictionary, then sealed with the patient's own key.

A destroyed data key, once the root that wrapped it is rotated away, closes her bodies in backups and write-ahead log too.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from uuid import UUID

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kjerne.fhir.splice import Splices, pack, splice, unpack
from kjerne.store.keys import NONCE_BYTES

LEVEL = 3
PLAIN = 0
"""Dictionary number of bodies compressed without one."""
BODY_LIMIT_BYTES = 64_000_000


class Dictionaries:
    """Trained zstd dictionaries by number: immutable once made, the newest is used for writing."""

    def __init__(self) -> None:
        self._compressors = {PLAIN: zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)}
        self._decompressors = {PLAIN: zstandard.ZstdDecompressor()}
        self.current = PLAIN

    def add(self, number: int, trained: bytes) -> None:
        """Takes a dictionary into use for reading, and for writing when it is the newest."""
        data = zstandard.ZstdCompressionDict(trained)
        self._compressors[number] = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=data, write_content_size=True, write_dict_id=False, write_checksum=False
        )
        self._decompressors[number] = zstandard.ZstdDecompressor(dict_data=data)
        self.current = max(self.current, number)

    def shrink(self, raw: bytes) -> tuple[int, bytes]:
        return self.current, self._compressors[self.current].compress(raw)

    def grow(self, number: int, packed: bytes) -> bytes:
        """Raises KeyError for a dictionary this program was not given."""
        return self._decompressors[number].decompress(packed, max_output_size=BODY_LIMIT_BYTES)

    def knows(self, number: int) -> bool:
        return number in self._decompressors


def with_splices(raw: bytes) -> bytes:
    """A body as it is kept: the places for id and meta (length in 2 bytes, then packed) in front of the bytes as received."""
    places = pack(splice(raw))
    return len(places).to_bytes(2, "big") + places + raw


def split(kept: bytes) -> tuple[bytes, Splices]:
    """The bytes as received, and the places found in them when they were written."""
    end = 2 + int.from_bytes(kept[:2], "big")
    return kept[end:], unpack(kept[2:end])


def bound(patient: int, type_: int, id_: UUID) -> bytes:
    """What a sealed body is bound to: moved to another row, it does not open."""
    return patient.to_bytes(8, "big") + type_.to_bytes(2, "big") + id_.bytes


class DataKey:
    """One person's key, unwrapped for the length of one request."""

    __slots__ = ("_aead", "_key", "_permute")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._key = key
        self._permute: Callable[[bytes], bytes] | None = None

    def seal(self, plain: bytes, bound_to: bytes, nonce: bytes = b"") -> bytes:
        """`nonce` is for a writer that draws its random bytes for many at once; it must never come again."""
        if not plain:
            return b""
        nonce = nonce or os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to) if sealed else b""

    def tokens(self, hashes: Sequence[int]) -> list[int]:
        """Search tokens as they lie in a row: a plain hash of a code could be looked up by whoever reads the database.

        Each is one AES block under a key of this person's own, so the same code looks different for everybody.
        """
        if self._permute is None:
            own = hashlib.blake2b(self._key, digest_size=16, person=b"tokens").digest()
            # One block each under one key: a permutation, nothing is chained.
            self._permute = Cipher(algorithms.AES(own), modes.ECB()).encryptor().update  # noqa: S305
        count = len(hashes)
        sealed = self._permute(struct.pack("<" + "q8x" * count, *hashes))
        return list(struct.unpack("<" + "q8x" * count, sealed))


class Wrap:
    """Makes, wraps and unwraps data keys under the key that is kept outside the database."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def new(self, patient: int) -> tuple[bytes, DataKey]:
        """(wrapped bytes for the row, the key itself) for a new person."""
        plain, nonce = os.urandom(32), os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, patient.to_bytes(8, "big")), DataKey(plain)

    def unwrap(self, patient: int, wrapped: bytes) -> DataKey:
        return DataKey(self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], patient.to_bytes(8, "big")))
