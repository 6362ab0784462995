"""Records as they lie on disk: the body compressed with a numbered dictionary, then sealed with the patient's own key.

Since migration 0005 a record's index values lie in front of its body under the same seal, and its search tokens are
bytes in a row. What is older has a seal for each, and opens as it did: the number of the dictionary tells them apart.

What a service keeps lies under a key of its own, made of her data key and of a share outside the database
(`store.shares`): destroying the share closes it in backups and write-ahead log too, and nothing else of hers.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final
from uuid import UUID

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kjerne.access import Subject
from kjerne.fhir.splice import Splices, pack, splice, unpack
from kjerne.store.keys import NONCE_BYTES
from kjerne.store.shares import Shares

PLAIN = 0
"""Dictionary number of bodies compressed without one."""
BODY_LIMIT_BYTES = 64_000_000
SHRUNK_REMEMBERED: Final = 1024
SHRUNK_LIMIT_BYTES: Final = 1000
"""How many bodies are remembered packed, and of what size: who answers takes some 300 bytes."""

JOINED = 1 << 12
"""Added to the dictionary's number in a row: index values and body under one seal, compressed without zstd's magic."""
TOKEN_BYTES = 7
"""Of a token's 16-byte block. By chance a token is found in one of some 10^14 rows; tokens of before have 8 bytes."""
_LONG = 1 << 31
_PLACE: Final = struct.Struct(">QH16s")

# For what a body is, some 1 kB of JSON of which the dictionary knows most: up to a tenth smaller than level 3, at 4 us
# more (measured 2026-11-25); the next tenth would take 15 us.
_EFFORT: Final = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_GREEDY, window_log=17, hash_log=17, chain_log=17, search_log=4, min_match=4,
    format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=True, write_dict_id=False,
)  # fmt: skip


class Dictionaries:
    """Trained zstd dictionaries by number: immutable once made, the newest is used for writing."""

    def __init__(self) -> None:
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._shrunk: dict[bytes, tuple[int, bytes]] = {}
        self.current = PLAIN
        self._take(PLAIN, None)

    def add(self, number: int, trained: bytes) -> None:
        """Takes a dictionary into use for reading, and for writing when it is the newest."""
        self._take(number, zstandard.ZstdCompressionDict(trained))
        self.current = max(self.current, number)

    def _take(self, number: int, data: zstandard.ZstdCompressionDict | None) -> None:
        self._compressors[number] = zstandard.ZstdCompressor(dict_data=data, compression_params=_EFFORT)
        self._decompressors[number] = zstandard.ZstdDecompressor(dict_data=data)
        self._decompressors[number + JOINED] = zstandard.ZstdDecompressor(
            dict_data=data, format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )

    def shrink(self, raw: bytes) -> tuple[int, bytes]:
        """(number for the row, what `joined` takes)."""
        return self.current + JOINED, self._compressors[self.current].compress(raw)

    def shrunk_before(self, raw: bytes) -> tuple[int, bytes]:
        """As `shrink` of `with_splices`, remembered: for bodies that come again word for word and are about no patient."""
        if len(raw) > SHRUNK_LIMIT_BYTES:
            return self.shrink(with_splices(raw))
        found = self._shrunk.get(raw)
        if found is None or found[0] != self.current + JOINED:
            if len(self._shrunk) >= SHRUNK_REMEMBERED:
                self._shrunk.clear()
            found = self._shrunk[raw] = self.shrink(with_splices(raw))
        return found

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


def joined(values: bytes, packed: bytes) -> bytes:
    """Index values and packed body for one seal. In front, how long the values are: a byte, from 128 on four."""
    count = len(values)
    return (bytes((count,)) if count < 128 else (count | _LONG).to_bytes(4, "big")) + values + packed


def parted(number: int, opened: bytes) -> tuple[bytes, bytes]:
    """(index values, packed body) of what a row's `body` opened to; no values where they have a seal of their own."""
    if number < JOINED:
        return b"", opened
    begin, count = (1, opened[0]) if opened[0] < 128 else (4, int.from_bytes(opened[:4], "big") - _LONG)
    return opened[begin : begin + count], opened[begin + count :]


def unvalued(number: int, opened: bytes) -> bytes:
    """As `parted`, the packed body alone."""
    if number < JOINED:
        return opened
    return opened[(1 + opened[0] if opened[0] < 128 else 4 + int.from_bytes(opened[:4], "big") - _LONG) :]


def bound(patient: int, type_: int, id_: UUID) -> bytes:
    """What a sealed body is bound to: moved to another row, it does not open."""
    return _PLACE.pack(patient, type_, id_.bytes)


def nonces_of(count: int) -> list[bytes]:
    """As many nonces, drawn together: each word to the system costs more than its bytes."""
    drawn = os.urandom(NONCE_BYTES * count)
    return [drawn[at : at + NONCE_BYTES] for at in range(0, len(drawn), NONCE_BYTES)]


class DataKey:
    """One person's key, or hers in one service, for the length of one request."""

    __slots__ = ("_aead", "_key", "_permute")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._key = key
        self._permute: Callable[[bytes], bytes] | None = None

    def with_share(self, share: bytes) -> DataKey:
        """The key of one service: neither this nor the share alone makes it."""
        return DataKey(_shared(self._key, share))

    def seal(self, plain: bytes, bound_to: bytes, nonce: bytes = b"") -> bytes:
        """`nonce` is for a writer that draws its random bytes for many at once; it must never come again."""
        if not plain:
            return b""
        nonce = nonce or os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to) if sealed else b""

    def tokens(self, hashes: Sequence[int]) -> bytes:
        """Search tokens as they lie in a row, one behind the other.

        A plain hash of a code could be looked up by whoever reads the database. Each is therefore the beginning of an
        AES block under a key of this person's own: the same code looks different for everybody.
        """
        return b"".join(_beginnings(len(hashes)).unpack(self._blocks(hashes)))

    def tokens_of_many(self, hashes: Sequence[Sequence[int]]) -> list[bytes]:
        """As `tokens`, of many rows in one call of the cipher."""
        every = [one for row in hashes for one in row]
        own = iter(_beginnings(len(every)).unpack(self._blocks(every)))
        return [b"".join(islice(own, len(row))) for row in hashes]

    def patterns(self, hashes: Sequence[int]) -> list[bytes]:
        """For `tokens LIKE ANY (...)`: a pattern for each token, at any place in a row.

        One that begins inside another token is found by chance too, which is counted in what `TOKEN_BYTES` promises.
        """
        own = self.tokens(hashes)
        each = (own[at : at + TOKEN_BYTES] for at in range(0, len(own), TOKEN_BYTES))
        return [b"%" + one.replace(b"\\", rb"\\").replace(b"%", rb"\%").replace(b"_", rb"\_") + b"%" for one in each]

    def _blocks(self, hashes: Sequence[int]) -> bytes:
        if self._permute is None:
            own = hashlib.blake2b(self._key, digest_size=16, person=b"tokens").digest()
            # One block each under one key: a permutation, nothing is chained.
            self._permute = Cipher(algorithms.AES(own), modes.ECB()).encryptor().update  # noqa: S305
        return self._permute(_numbers(len(hashes)).pack(*hashes))


def _shared(key: bytes, share: bytes) -> bytes:
    return hashlib.blake2b(share, key=key, digest_size=32, person=b"service").digest()


@lru_cache(maxsize=256)
def _numbers(count: int) -> struct.Struct:
    """Hashes as blocks to be sealed."""
    return struct.Struct("<" + "q8x" * count)


@lru_cache(maxsize=256)
def _beginnings(count: int) -> struct.Struct:
    """What is kept of as many sealed blocks."""
    return struct.Struct(f"{TOKEN_BYTES}s{16 - TOKEN_BYTES}x" * count)


class PersonWrap:
    """Makes, wraps and unwraps persons' data keys under the key that is kept outside the database."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def new(self, patient: int) -> tuple[bytes, DataKey]:
        """(wrapped bytes for the row, the key itself) for a new person."""
        plain, nonce = os.urandom(32), os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, patient.to_bytes(8, "big")), DataKey(plain)

    def unwrap(self, patient: int, wrapped: bytes) -> DataKey:
        """The person's own key, which seals her details."""
        return DataKey(self._unwrapped(patient, wrapped))

    def _unwrapped(self, patient: int, wrapped: bytes) -> bytes:
        return self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], patient.to_bytes(8, "big"))


class Wrap(PersonWrap):
    """As `PersonWrap`, and makes the keys that services seal with."""

    def __init__(self, key: bytes, shares: Shares) -> None:
        super().__init__(key)
        self.shares = shares

    def of_service(self, subject: Subject, service: str, place: int = 0) -> DataKey:
        """What a service seals with about the person key at a place among the subject's.

        Raises `Destroyed` where its share is gone: she opted out, and thirty days have passed. About a person of before
        0013 the data key seals by itself, until something of hers is deleted.
        """
        patient = subject.keys[place]
        key = self._unwrapped(patient, subject.wrapped[place])
        destroyed = subject.destroyed[place] if place < len(subject.destroyed) else ()
        if destroyed is not None:
            key = _shared(key, self.shares.share(service, patient, destroyed.count(service)))
        return DataKey(key)
