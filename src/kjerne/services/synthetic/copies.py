"""No copies: what of the training data may not come out again, and how it is found.

*Five events in a row* (code, cell of the value, cells of the four gaps between) and *whole records* (traits and all events)
that fewer than ten people had and chance would hardly make are kept as keyed hashes in a Bloom filter in the model. A sampled
person with one of them is made anew. Who has the model can ask the filter about five events or a record that he guesses, so it
is as confidential as what was learned from (decisions 83 and 91).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.network import Flags, Ints
from kjerne.services.synthetic.people_model import GAPS, INDEX, SAME, Model, cells_of

IN_A_ROW: Final = 5
SHARED_BY: Final = 10
BY_CHANCE: Final = 0.01
"""Times that chance makes a row or a record, among as many as there are: one that comes oftener is no copy."""
BITS_EACH: Final = 24
HASHES: Final = 8
"""So that some four in a hundred thousand are taken for a copy and are none: with more, long lives would be made anew
oftener."""

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CopyFilter:
    """A Bloom filter over hashes that are keyed by `salt`."""

    salt: int
    bits: NDArray[np.uint8]

    def holds(self, hashes: Hashes) -> Flags:
        """Which of these hashes were put in, and a few more."""
        found = np.ones(len(hashes), np.bool_)
        for place in _places(hashes, len(self.bits) * 8):
            found &= (self.bits[place >> np.uint64(3)] >> (place & np.uint64(7)).astype(np.uint8)) & 1 == 1
        return found

    def copied(self, model: Model, cohort: Cohort) -> Flags:
        """Which people of a cohort have five events in a row, or a whole record, that tell of somebody learned from."""
        rows, owners = rows_hashed(model, cohort, self.salt)
        found = self.holds(records_hashed(model, cohort, self.salt))
        found[owners[self.holds(rows)]] = True
        return found


def filter_of(model: Model, cohort: Cohort, seed: int) -> CopyFilter:
    """The filter of a training cohort."""
    salt = int.from_bytes(hashlib.sha256(f"copies {seed}".encode()).digest()[:8], "little")
    kept = np.concatenate([rare_rows(model, cohort, salt), telling_records(model, cohort, salt)])
    bits = np.zeros(max(64, len(kept) * BITS_EACH // 8 + 1), np.uint8)
    for place in _places(kept, len(bits) * 8):
        np.bitwise_or.at(bits, place >> np.uint64(3), np.uint8(1) << (place & np.uint64(7)).astype(np.uint8))
    return CopyFilter(salt, bits)


def rare_rows(model: Model, cohort: Cohort, salt: int) -> Hashes:
    """Hashes of every five events in a row that fewer than ten people of a cohort had, and that chance would not make again.

    Chance is each code after the one before it, each value and each gap drawn by itself, as often as there are rows in the
    cohort: five coarse findings of one examination come again by it, and tell of nobody.
    """
    rows, owners = rows_hashed(model, cohort, salt)
    telling = _chances(model, cohort) + np.log(max(len(rows), 1)) < np.log(BY_CHANCE)
    pairs = np.unique(np.stack([rows[telling], owners[telling].astype(np.uint64)], axis=1), axis=0)[:, 0]
    hashes, people = np.unique(pairs, return_counts=True)
    return hashes[people < SHARED_BY]


def telling_records(model: Model, cohort: Cohort, salt: int) -> Hashes:
    """Hashes of the whole records that fewer than ten people of a cohort had, and that chance would not make again.

    Chance is each trait by itself, the number of events, the first event and its moment, and on from each event to the next as
    in `rare_rows`: a woman of 18 to 44 without any event, or with one common one, tells of nobody.
    """
    code, value, gap, step = _event_chances(model, cohort)
    begins = cohort.first[:-1][cohort.lengths > 0]
    each = value + gap
    each[1:] += step
    each[begins] = (value + code)[begins] + _logs(events_told(model, cohort)[1][begins], max(len(begins), 1))
    found = np.bincount(cohort.persons, each, cohort.people) + _logs(cohort.lengths, cohort.people)
    for place, trait in enumerate(model.traits):
        found += _logs(cells_of(trait, cohort.traits[place].numbers), cohort.people)
    telling = found + np.log(max(cohort.people, 1)) < np.log(BY_CHANCE)
    hashes, people = np.unique(records_hashed(model, cohort, salt)[telling], return_counts=True)
    return hashes[people < SHARED_BY]


def _event_chances(model: Model, cohort: Cohort) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Logarithms of the shares of each event's code, of its value, of the gap before it, and (from the second event on) of its
    code after the one before it."""
    whats, gaps = events_told(model, cohort)
    codes, moved = cohort.code, (gaps != SAME).astype(np.int64)
    steps = (codes[:-1] * len(model.codes) + codes[1:]) * 2 + moved[1:]
    before = np.bincount(codes[:-1], minlength=len(model.codes))[codes[:-1]]
    value = _logs(whats, np.bincount(codes, minlength=len(model.codes))[codes])
    gap = np.where(moved == 1, _logs(gaps, max(int(moved.sum()), 1)), 0)
    return _logs(codes, len(codes)), value, gap, _logs(steps, before)


def _chances(model: Model, cohort: Cohort) -> Numbers:
    """The logarithm of how likely chance makes each row of `rows_hashed`."""
    code, value, gap, step = _event_chances(model, cohort)
    count = max(len(code) - IN_A_ROW + 1, 0)
    found = code[:count] + value[:count]
    for place in range(1, IN_A_ROW):
        at = slice(place, place + count)
        found = found + value[at] + gap[at] + step[place - 1 : place - 1 + count]
    persons = cohort.persons
    return found[persons[:count] == persons[IN_A_ROW - 1 :]] if count else np.zeros(0)


def _logs(words: Any, whole: Any) -> Numbers:
    """The logarithm of the share that each word's number of times is of `whole`."""
    _, places, counts = np.unique(words, return_inverse=True, return_counts=True)
    return np.asarray(np.log(counts[places] / whole), np.float64)


def rows_hashed(model: Model, cohort: Cohort, salt: int, in_a_row: int = IN_A_ROW) -> tuple[Hashes, Ints]:
    """A hash of every five events in a row (or of so many), and whose they are."""
    whats, gaps = events_told(model, cohort)
    count = len(whats) - in_a_row + 1
    if count <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    persons = cohort.persons
    found = np.full(count, np.uint64(salt))
    for place in range(in_a_row):
        found = _mixed(found ^ whats[place : place + count])
        if place:
            found = _mixed(found + gaps[place : place + count])
    one = persons[:count] == persons[in_a_row - 1 :]
    return found[one], persons[:count][one]


def records_hashed(model: Model, cohort: Cohort, salt: int) -> Hashes:
    """A hash of each person's whole record."""
    found = np.full(cohort.people, np.uint64(salt ^ 0x5DEECE66D))
    for place, trait in enumerate(model.traits):
        found = _mixed(found ^ cells_of(trait, cohort.traits[place].numbers).astype(np.uint64))
    whats, gaps = events_told(model, cohort)
    persons = cohort.persons
    within = (np.arange(len(persons)) - cohort.first[persons]).astype(np.uint64)
    parts = _mixed(_mixed(whats ^ _mixed(gaps + np.uint64(salt))) + within)
    summed = np.zeros(cohort.people, np.uint64)
    np.add.at(summed, persons, parts)
    return _mixed(found ^ summed)


def events_told(model: Model, cohort: Cohort) -> tuple[Hashes, Hashes]:
    """What each event is (code and cell of its value), and the cell of the gap before it (of the start where it is a person's
    first)."""
    cells = np.full(len(cohort.code), -1, np.int64)
    for code, grid in enumerate(model.values):
        rows = np.flatnonzero((cohort.code == code) & ~np.isnan(cohort.values))
        if grid and len(rows):
            cells[rows] = grid.cells(cohort.values[rows])
    whats = (cohort.code * 4096 + cells + 1).astype(np.uint64)
    gaps = np.zeros(len(cells), np.int64)
    gaps[1:] = np.diff(cohort.times)
    cut = np.zeros(len(cells), np.bool_)
    cut[cohort.first[:-1][cohort.lengths > 0]] = True
    to_index = np.zeros(len(cells), np.bool_)
    to_index[1:] = (cohort.times[:-1] < 0) & (cohort.times[1:] == 0) & model.to_index
    told = np.where(gaps > 0, GAPS + model.gaps.cells(gaps.astype(np.float64)), SAME)
    told = np.where(to_index, INDEX, told)
    told = np.where(cut, 4096 + model.starts.cells(cohort.times.astype(np.float64)), told)
    return whats, told.astype(np.uint64)


def _places(hashes: Hashes, bits: int) -> list[Hashes]:
    other = _mixed(hashes) | np.uint64(1)
    return [(hashes + np.uint64(number) * other) % np.uint64(bits) for number in range(HASHES)]


def _mixed(words: Hashes) -> Hashes:
    """Every bit of each word spread over all of it (the finaliser of splitmix64)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
