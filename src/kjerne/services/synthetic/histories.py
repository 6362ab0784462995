"""What has happened to each of many people so far, as the networks are told it.

Learning and sampling go through the same steps (`begin`, `move`, `note`), so a network never sees in sampling what it did not
see in learning. Rows are people; everything that is told is float32, and moments are kept in float64, since minutes of forty
years are more than float32 tells apart. Time is told in years and as logarithms of days, values as normal scores.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.network import Flags, Floats, Ints

DAYS_IN_YEAR: Final = 365.25
Moments = NDArray[np.float64]
DETAILED: Final = 40
"""For so many codes, the commonest, last values and times are told; for all others how often they were seen."""


def age_at(ages: Moments, times: Moments, ticks: int) -> Moments:
    """Ages in years so many ticks after day 0."""
    found: Moments = ages + times / (ticks * DAYS_IN_YEAR)
    return found


class Histories:
    """The state of people of whom the coded traits, the age on day 0 (NaN where it is not known) and the bound of their time
    (ticks) are known, with `codes` codes."""

    def __init__(self, codes: int, ticks: int, traits: Floats, ages: Moments, bounds: Moments) -> None:
        people = len(traits)
        self.codes, self.ticks, self.detailed = codes, ticks, min(codes, DETAILED)
        self.traits, self.bounds = traits, bounds
        self.ages, self.aged = np.nan_to_num(ages), ~np.isnan(ages)
        self.time = np.zeros(people)
        self.start = np.zeros(people)
        self.events = np.zeros(people, np.float32)
        self.moments = np.zeros(people, np.float32)
        self.gap = np.zeros(people, np.float32)
        self.gap_mean = np.zeros(people, np.float32)
        self.last = np.full(people, -1, np.int64)
        self.counts = np.zeros((people, codes), np.float32)
        self.scores = np.zeros((people, codes), np.float32)
        self.former = np.zeros((people, codes), np.float32)
        self.means = np.zeros((people, codes), np.float32)
        self.firsts = np.zeros((people, codes), np.float32)
        self.spreads = np.zeros((people, codes), np.float32)
        self.when = np.zeros((people, codes), np.float32)
        self.now = np.zeros((people, codes), np.float32)

    def kept(self, rows: Ints | Flags) -> None:
        """Go on with some of the people alone."""
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                setattr(self, name, array[rows])

    def begin(self, times: Moments) -> None:
        """The first moment of each."""
        self.time, self.start = times.astype(np.float64), times.astype(np.float64)
        self.moments += 1

    def move(self, gaps: Moments) -> None:
        """On by so many ticks, each row for itself; none where it is 0."""
        moved = gaps > 0
        self.time += gaps
        days = np.log1p(gaps.astype(np.float32) / np.float32(self.ticks))
        self.gap = np.where(moved, days, self.gap)
        self.gap_mean += np.where(moved, (days - self.gap_mean) / np.maximum(self.moments, 1), 0)
        self.moments += moved
        self.now[moved] = 0

    def note(self, code: Ints, score: Floats, valued: Flags) -> None:
        """An event of `code` happens to each, with a value of this normal score where it is `valued`."""
        rows = np.arange(len(code))
        self.events += 1
        seen = self.counts[rows, code]
        self.counts[rows, code] = seen + 1
        self.when[rows, code] = self.time
        self.now[rows, code] = 1
        self.last = code
        there, what = rows[valued], code[valued]
        value, before, mean = score[valued], seen[valued], self.means[there, what]
        self.spreads[there, what] += np.where(
            before > 0,
            (np.abs(value - self.scores[there, what]) - self.spreads[there, what]) / np.maximum(before, 1),
            0,
        )
        self.firsts[there, what] = np.where(before > 0, self.firsts[there, what], value)
        self.means[there, what] = mean + (value - mean) / (before + 1)
        self.former[there, what] = np.where(before > 0, self.scores[there, what], value)
        self.scores[there, what] = value

    def seen(self) -> Floats:
        """What the networks of gap and code are told."""
        d, ticks, time = self.detailed, np.float32(self.ticks), self.time.astype(np.float32)
        known = self.counts[:, :d] > 0
        since = np.where(known, np.log1p(np.maximum(time[:, None] - self.when[:, :d], 0) / ticks), 0)
        last = (self.last[:, None] == np.arange(self.codes)).astype(np.float32)
        return np.concatenate(
            [self._clock(), self.traits, last, self.now, np.log1p(self.counts), known, since / 4,
             self.scores[:, :d], self.means[:, :d]],
            axis=1, dtype=np.float32,
        )  # fmt: skip

    def _clock(self) -> Floats:
        days = np.float32(1) / np.float32(self.ticks)
        time, start, bounds = (one.astype(np.float32) for one in (self.time, self.start, self.bounds))
        age = self.ages.astype(np.float32) + time * days / np.float32(DAYS_IN_YEAR)
        left = np.log1p(np.maximum(bounds - time, 0) * days)
        index = np.log1p(np.abs(time) * days)
        before = time < 0
        columns = [time * days / 1000, before, np.where(before, index, 0), np.where(before, 0, index), age / 50, left,
                   np.log1p(self.events), np.log1p(self.moments), self.gap, self.gap_mean,
                   np.log1p((time - start) * days), (time - start) * days / 1000,
                   start * days / 1000, np.maximum(bounds - time, 0) * days / 1000,
                   (bounds - start) * days / 1000,
                   self.events / 20, self.events == 0, self.now.sum(axis=1)]  # fmt: skip
        return np.stack(columns, axis=1).astype(np.float32)

    def own(self, code: Ints) -> tuple[Floats, Floats]:
        """What is told besides of the code whose value is next (rows x 8), and the score that it is centred about."""
        rows = np.arange(len(code))
        count, last = self.counts[rows, code], self.scores[rows, code]
        passed = np.maximum(self.time.astype(np.float32) - self.when[rows, code], 0)
        since = np.where(count > 0, np.log1p(passed / np.float32(self.ticks)), 0)
        columns = [last, self.former[rows, code], self.means[rows, code], self.firsts[rows, code],
                   self.spreads[rows, code], np.log1p(count),
                   count > 0, since / 4]  # fmt: skip
        return np.stack(columns, axis=1).astype(np.float32), last
