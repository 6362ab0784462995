"""Random numbers of one person: counter-based, so that anybody's are had without those of all before her.

Philox 4x32 with ten rounds (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011), over many people at once.
The key is made of the model's hash and the seed; the counter is the number of the draw, its part and attempt, and the person.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.network import Floats, Ints

_MULTIPLY: Final = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_KEPT: Final = np.uint64(8)
ROUNDS: Final = 10
PARTS_MOST: Final = 1 << 16

Words = NDArray[np.uint64]


class Streams:
    """The streams of a model and a seed."""

    def __init__(self, model_hash: str, seed: int) -> None:
        digest = hashlib.sha256(f"{model_hash}:{seed}".encode()).digest()
        self.key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little"))

    def uniform(self, persons: Ints, attempts: Ints, part: int, count: int) -> Floats:
        """`count` numbers in [0, 1) for each person (people x count, 24 bits each); each attempt and part has others of her
        own."""
        assert part < PARTS_MOST
        draws = -(-count // 4)
        shape = (len(persons), draws)
        whose = persons.astype(np.uint64)[:, None]
        counter = (
            np.broadcast_to(np.arange(draws, dtype=np.uint64), shape),
            np.broadcast_to((attempts * PARTS_MOST + part).astype(np.uint64)[:, None], shape),
            np.broadcast_to(whose & _LOW, shape),
            np.broadcast_to(whose >> _HALF, shape),
        )
        words = np.stack(philox(counter, self.key), axis=2).reshape(len(persons), draws * 4)[:, :count]
        return (words >> _KEPT).astype(np.float32) * np.float32(2**-24)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four random words of 32 bits for each counter of four."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * _MULTIPLY[0], c2 * _MULTIPLY[1]
        c0, c1 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _LOW
        c2, c3 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3
