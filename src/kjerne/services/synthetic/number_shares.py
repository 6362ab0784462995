"""Which person numbers each block of people may give out: shares that never overlap, so that no number is given twice.

Nine digits (date and individual number) belong to one block by arithmetic alone. So a block needs to know of no other, and
person 7,431,112 has the number that she has when everybody is made. The first blocks have larger shares. Numbers of the rule
of 1964 tell sex and century (individual series 500-749 for 1854-1899, 000-499 and 900-999 for 1900-1999, 500-999 for
2000-2039); those that only the rule of 2032 accepts tell neither.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from kjerne.registries.identifiers import K1_REMAINDERS_2032, K1_WEIGHTS, K2_WEIGHTS
from kjerne.services.synthetic.network import Ints

Sex = Literal["female", "male"]
Checksum = Literal["1964", "2032"]

BLOCKS_FIRST: Final = 256
BLOCKS: Final = 2048
"""So many blocks have a share; the first 256 (a million people) have half of all numbers together."""
PARTS: Final = 4096
"""Into so many parts are the individual numbers of a day dealt; a quarter of them holds one."""
STRIDE: Final = 1009
FIRST_DAY: Final = date(1854, 1, 1)
LAST_DAY: Final = date(2039, 12, 31)
DAY_D_NUMBER: Final = 40


class Shelf:
    """Numbers with their birth dates in order, each given out once."""

    def __init__(self, births: Ints, numbers: Ints) -> None:
        order = np.lexsort((numbers, births))
        self._births: list[int] = births[order].tolist()
        self._numbers: list[int] = numbers[order].tolist()
        self._next = list(range(len(self._births) + 1))

    def take(self, first: int, last: int, draw: float) -> tuple[int, str] | None:
        """A birth date (ordinal) in [first, last] and its number: the first free one from a place that `draw` (0 to 1) says."""
        low, high = bisect_left(self._births, first), bisect_right(self._births, last)
        for begin in (low + int(draw * (high - low)), low):
            place = self._free(begin)
            if place < high:
                self._next[place] = place + 1
                return self._births[place], f"{self._numbers[place]:011d}"
        return None

    def _free(self, place: int) -> int:
        found = place
        while self._next[found] != found:
            found = self._next[found]
        while self._next[place] != found:
            self._next[place], place = found, self._next[place]
        return found


@dataclass(frozen=True)
class _Days:
    """Every birth date that a number can tell, as columns."""

    ordinal: Ints
    day: Ints
    month: Ints
    year: Ints


@cache
def _days() -> _Days:
    all_ = [FIRST_DAY + timedelta(days=one) for one in range((LAST_DAY - FIRST_DAY).days + 1)]
    columns = np.array([(one.toordinal(), one.day, one.month, one.year) for one in all_], np.int64)
    return _Days(*columns.T)


def shelf(block: int, sex: Sex, checksum: Checksum, *, d_number: bool, month: int, excluded: Ints) -> Shelf:
    """The share of a block of one kind; numbers of the rule of 2032 are the same ones for either sex."""
    days = _days()
    births, nines = list[Ints](), list[Ints]()
    for part in parts_of(block):
        individual = (part - ((days.year % 100 * 12 + days.month) * 31 + days.day) * STRIDE) % PARTS
        told = _tells(individual, days.year, sex) if checksum == "1964" else _ours(individual, days.year)
        day = days.day + (DAY_D_NUMBER if d_number else 0)
        nine = ((day * 100 + days.month + month) * 100 + days.year % 100) * 1000 + individual
        births.append(days.ordinal[told])
        nines.append(nine[told])
    born, nine = np.concatenate(births), np.concatenate(nines)
    remainders = (0,) if checksum == "1964" else K1_REMAINDERS_2032[1:]
    whole = [with_control_digits(nine, one) for one in remainders]
    numbers, ordinals = np.concatenate(whole), np.tile(born, len(remainders))
    kept = (numbers >= 0) & ~np.isin(numbers, excluded)
    return Shelf(ordinals[kept], numbers[kept])


def parts_of(block: int) -> list[int]:
    """The parts that belong to a block."""
    half = PARTS // 2
    if block < BLOCKS_FIRST:
        return list(range(block, half, BLOCKS_FIRST))
    return list(range(half + block - BLOCKS_FIRST, PARTS, BLOCKS - BLOCKS_FIRST))


def turned(block: int, turn: int) -> int:
    """Whose share a block takes in a run: another one's of as many numbers, so that two runs seldom give out the same."""
    if block < BLOCKS_FIRST:
        return (block + turn) % BLOCKS_FIRST
    return BLOCKS_FIRST + (block - BLOCKS_FIRST + turn) % (BLOCKS - BLOCKS_FIRST)


def _tells(individual: Ints, year: Ints, sex: Sex) -> NDArray[np.bool_]:
    """Whether an individual number tells this sex and this century."""
    before = (individual < 500) | ((individual >= 900) & (year >= 1940))
    century = np.where(year < 2000, before, individual >= 500)
    century = np.where(year < 1900, (individual >= 500) & (individual < 750), century)
    found: NDArray[np.bool_] = (individual < 1000) & century & (individual % 2 == (sex == "male"))
    return found


def _ours(individual: Ints, year: Ints) -> NDArray[np.bool_]:
    """Whether a number of the rule of 2032 may be of this year, from 1900 on: of digits that tell of two centuries each has
    half."""
    own = (year % 100 >= 40) | (individual // 2 % 2 == (year >= 2000))
    found: NDArray[np.bool_] = (individual < 1000) & (year >= 1900) & own
    return found


def with_control_digits(nine: Ints, remainder: int) -> Ints:
    """Eleven digits whose first control sum leaves `remainder` (0: the rule of 1964); -1 where there are none."""
    digits = nine[:, None] // 10 ** np.arange(8, -1, -1) % 10
    k1 = (remainder - digits @ np.array(K1_WEIGHTS)) % 11
    k2 = -(digits @ np.array(K2_WEIGHTS[:9]) + k1 * K2_WEIGHTS[9]) % 11
    found: Ints = np.where((k1 == 10) | (k2 == 10), -1, nine * 100 + k1 * 10 + k2)
    return found
