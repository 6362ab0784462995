"""What may be learned of a cohort, and on which grid: codes, values, gaps and times that at least `k` people share.

A code of fewer people than `k` goes to its parent where a hierarchy is in the code itself (ICD-10 `E11.9` to `E11`, ATC
`C10AA05` to `C10AA`), else it is left out. Values lie in *cells* of at least `k` people each. Their edges are round numbers, or
numbers that `k` people have, and the smallest and the greatest are reached by `k` people: none is one person's value but by
chance (decision 91). Times are whole ticks in cells of the same kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort, Trait
from kjerne.services.synthetic.identifiers import is_unit
from kjerne.services.synthetic.network import Floats, Ints

CELLS_MOST: Final = 128
DECIMALS_MOST: Final = 4
LATTICE: Final = 500
"""Edges are round numbers, so many in the range at most."""
WIDTHS: Final = 60
GROWTH: Final = 1.08
"""Where numbers are few a cell ends all the same when it is a sixtieth of their range, and 8 % from end to end if all are
above 0."""
_ICD10: Final = re.compile(r"([A-Z]\d{2})\.\w+")
_ATC: Final = re.compile(r"[A-Z]\d{2}[A-Z]{2}\d{2}|[A-Z]\d{2}[A-Z]{2}|[A-Z]\d{2}[A-Z]")
_ATC_PARENT: Final = {7: 5, 5: 4, 4: 3}
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Grid:
    """Cells of numbers: `low` and `high` (both inside) of each on the grid of `decimals`, and their `edges` as normal scores.

    `edges` has one more than there are cells and is endless at both ends; `middle` is the score by which a cell is told to
    the network.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    edges: Floats
    middle: Floats
    decimals: int

    @property
    def straight(self) -> Floats:
        """The middle of each cell as a number between 0 and 1, from the first cell to the last."""
        middle = (self.low + self.high) / 2
        found: Floats = ((middle - middle[0]) / max(middle[-1] - middle[0], 1e-9)).astype(np.float32)
        return found

    def cells(self, numbers: NDArray[np.float64]) -> Ints:
        """The cell of each number; what lies outside is clipped to the first and the last."""
        found: Ints = np.searchsorted(self.low[1:], numbers + 10.0 ** -(self.decimals + 3), side="right")
        return found

    def cells_at(self, scores: Floats) -> Ints:
        """The cell that holds each normal score."""
        found: Ints = np.searchsorted(self.edges[1:-1], scores, side="right")
        return found

    def numbers(self, cells: Ints, uniform: Floats, least: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """A number in each cell, every one on the grid as likely as another; none below `least`, which is in the cell or below
        it."""
        step = 10.0**-self.decimals
        low, high = self.low[cells], self.high[cells]
        low = low if least is None else np.maximum(low, least)
        count = np.rint((high - low) / step) + 1
        found: NDArray[np.float64] = np.round(
            low + np.minimum(np.floor(uniform * count), count - 1) * step, self.decimals
        )
        return found


def grid_of(numbers: NDArray[np.float64], people: Ints, k: int, most: int = CELLS_MOST) -> Grid | None:
    """Cells of about equally many numbers, each of at least `k` people; None where there are no two such cells and no one
    value of `k`."""
    if len(np.unique(people)) < k:
        return None
    decimals = _decimals(numbers)
    order = np.argsort(numbers, kind="stable")
    owners, units = people[order], np.rint(numbers[order] * 10.0**decimals).astype(np.int64)
    begin, end = _rounded(units, owners, k)
    values = begin / 10.0**decimals
    starts = np.flatnonzero(np.concatenate([[True], values[1:] > values[:-1]]))
    ends = np.concatenate([starts[1:], [len(values)]])
    wanted = len(values) / most
    wide = _too_wide(values)
    cuts, seen, begun = list[int](), set[int](), 0
    for start, stop in zip(starts, ends, strict=True):
        seen.update(owners[start:stop].tolist())
        if len(seen) >= k and (stop - begun >= wanted or wide(values[begun], values[start])):
            cuts.append(stop)
            begun, seen = stop, set()
    if begun < len(values):  # what is left over is too few, and goes to the last cell
        cuts = [*cuts[:-1], len(values)] if cuts else [len(values)]
    firsts = np.array([0, *cuts[:-1]])
    lasts = np.array(cuts) - 1
    shares = np.array([0, *cuts]) / len(values)
    edges = np.array([-np.inf, *(_NORMAL.inv_cdf(one) for one in shares[1:-1]), np.inf], np.float32)
    middle = np.array([_NORMAL.inv_cdf(one) for one in (shares[1:] + shares[:-1]) / 2], np.float32)
    low, high = begin[firsts], end[lasts]
    low[0], high[-1] = begin[_reached(owners, k)], end[len(owners) - 1 - _reached(owners[::-1], k)]
    low[0], high[-1] = min(low[0], high[0]), max(high[-1], low[-1])
    return Grid(low / 10.0**decimals, high / 10.0**decimals, edges, middle, decimals)


def _decimals(numbers: NDArray[np.float64]) -> int:
    """With how many decimals numbers are written: at most four, or as many more as small ones need for four places of their
    range."""
    low, high = np.quantile(numbers, (0.02, 0.98))
    size = max(high - low, 0) or float(np.abs(numbers).max()) or 1.0
    most = max(DECIMALS_MOST, DECIMALS_MOST - 1 - math.floor(math.log10(size)))
    most = min(most, 15 - max(0, math.ceil(math.log10(max(float(np.abs(numbers).max()), 1.0)))))
    near = 1e-12 * np.maximum(np.abs(numbers), 10.0 ** -(most + 3))
    return next((d for d in range(most) if (np.abs(numbers - np.round(numbers, d)) <= near).all()), most)


def _rounded(units: Ints, owners: Ints, k: int) -> tuple[Ints, Ints]:
    """Where the stretch begins and ends that each number lies in; both are inside, and in units of the last decimal.

    Stretches are cut at round numbers, whoever has which value: at multiples of a five-hundredth of the range (rounded to 1,
    2 or 5 of a power of ten, at least two units), at numbers of two digits above nought where these are closer, and on both
    sides of a number that `k` people have.
    """
    low, high = (int(units[int(share * len(units))]) for share in (0.02, 0.98))
    wide = _round_below((high - low) / LATTICE)
    begin = units // wide * wide
    after = begin + wide
    above = units >= 0
    tens = 10 ** np.maximum(np.floor(np.log10(np.maximum(units, 1)) + 1e-9).astype(np.int64) - 1, 0)
    fine = np.maximum(tens, 2)
    begin = np.where(above, np.maximum(begin, units // fine * fine), begin)
    after = np.where(above, np.minimum(after, units // fine * fine + fine), after)
    which, people = np.unique(np.unique(np.stack([units, owners]), axis=1)[0], return_counts=True)
    common = which[people >= k]
    if len(common):
        cuts = np.unique(np.concatenate([common, common + 1]))
        place = np.searchsorted(cuts, units, side="right")
        begin = np.where(place > 0, np.maximum(begin, cuts[place - 1]), begin)
        after = np.where(place < len(cuts), np.minimum(after, cuts[np.minimum(place, len(cuts) - 1)]), after)
    return np.maximum(begin, 1) if units[0] > 0 else begin, after - 1


def _round_below(number: float) -> int:
    """The greatest of 2, 5, 10, 20, 50 and so on that is not above a number, or 2."""
    found = 2
    while (larger := found * 5 // 2 if str(found)[0] == "2" else found * 2) <= number:
        found = larger
    return found


def _too_wide(values: NDArray[np.float64]) -> Callable[[float, float], bool]:
    """Whether a cell from one number to another is so wide that numbers are not alike all over it: in long tails."""
    width = (values[int(0.98 * len(values))] - values[int(0.02 * len(values))]) / WIDTHS
    grows = values[0] > 0
    return lambda low, high: high - low >= width and (not grows or high >= low * GROWTH)


def _reached(owners: Ints, k: int) -> int:
    """The first place in this order by which `k` people have come."""
    seen = set[int]()
    for place, owner in enumerate(owners.tolist()):
        seen.add(owner)
        if len(seen) >= k:
            return place
    return len(owners) - 1


def guarded(cohort: Cohort, k: int) -> Cohort:
    """The cohort with codes that at least `k` people have; rarer ones at their parent, or left out and counted."""
    if cohort.people < 10 * k:
        todo = f"With k = {k} at least {10 * k} people are needed."
        raise Refusal(
            422, f"there are too few people to learn from: {cohort.people}", where="the static table", todo=todo
        )
    codes, notes = list(cohort.codes), list(cohort.notes)
    code, persons = cohort.code.copy(), cohort.persons
    while True:
        counts = _people_of(persons, code, len(codes))
        rare = [place for place, count in enumerate(counts) if 0 < count < k]
        parents = {place: parent for place in rare if (parent := parent_of(codes[place]))}
        if not parents:
            break
        for place, parent in parents.items():
            if parent not in codes:
                codes.append(parent)
            code[code == place] = codes.index(parent)
    dropped = np.isin(code, rare)
    if raised := int(((code != cohort.code) & ~dropped).sum()):
        notes.append(f"{raised} events with codes of fewer than {k} people were learned under the code above")
    if dropped.any():
        notes.append(f"{int(dropped.sum())} events of {len(rare)} codes of fewer than {k} people were left out")
    kept = [place for place, count in enumerate(counts) if count >= k]
    if not kept:
        raise Refusal(422, f"no code is had by {k} people", where="the event table", todo="Take coarser codes.")
    return _with_codes(cohort, codes, code, kept, notes, k)


def _with_codes(cohort: Cohort, codes: list[str], code: Ints, kept: list[int], notes: list[str], k: int) -> Cohort:
    places = np.full(len(codes), -1, np.int64)
    places[kept] = np.arange(len(kept))
    persons, code = cohort.persons, places[code]
    rows = np.flatnonzero(code >= 0)
    rows = rows[np.lexsort((code[rows], cohort.times[rows], persons[rows]))]
    same = np.zeros(len(rows), np.bool_)
    if len(rows) > 1:
        before, after = rows[:-1], rows[1:]
        same[1:] = (
            (persons[before] == persons[after])
            & (cohort.times[before] == cohort.times[after])
            & (code[before] == code[after])
        )
    rows = rows[~same]
    more = len(codes) - len(cohort.units)
    units, of_people = [*cohort.units, *[""] * more], [*cohort.unit_people, *[0] * more]
    strange = [place for place in kept if units[place] and (of_people[place] < k or not is_unit(units[place]))]
    for place in strange:
        units[place] = ""
    if strange:
        says = f"is had by fewer than {k} people, or is no unit, and was left out"
        notes.append(f"the unit of {len(strange)} codes {says}")
    return replace(
        cohort, codes=tuple(codes[place] for place in kept), units=tuple(units[place] for place in kept),
        first=np.searchsorted(persons[rows], np.arange(cohort.people + 1)), times=cohort.times[rows], code=code[rows],
        values=cohort.values[rows], notes=tuple(notes), unit_people=tuple(of_people[place] for place in kept),
    )  # fmt: skip


def _people_of(persons: Ints, code: Ints, codes: int) -> Ints:
    """How many people have each code."""
    pairs = np.unique(np.stack([code, persons]), axis=1)[0]
    return np.bincount(pairs, minlength=codes)


def parent_of(code: str) -> str:
    """The class above a code in its own hierarchy, or nothing."""
    if found := _ICD10.fullmatch(code):
        return found[1]
    return code[: _ATC_PARENT[len(code)]] if _ATC.fullmatch(code) else ""


def rare_levels_joined(trait: Trait, k: int, notes: list[str]) -> Trait | None:
    """A trait without levels that fewer than `k` people have: those count as missing. None where no level is left."""
    counts = np.bincount(trait.numbers[trait.numbers >= 0].astype(np.int64), minlength=len(trait.levels))
    kept = [place for place, count in enumerate(counts) if count >= k]
    if len(kept) == len(trait.levels):
        return trait
    if not kept:
        notes.append(f"the trait {trait.name} has no level of {k} people, and was left out")
        return None
    notes.append(
        f"{len(trait.levels) - len(kept)} levels of the trait {trait.name} have fewer than {k} people and count as missing"
    )
    places = np.full(len(trait.levels) + 1, -1.0)
    places[kept] = np.arange(len(kept))
    return Trait(trait.name, tuple(trait.levels[place] for place in kept), places[trait.numbers.astype(np.int64)])
