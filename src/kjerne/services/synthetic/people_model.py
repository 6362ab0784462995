"""What a model is: its grids, its rules and its networks. How it came to be is in `learning`, what it makes in `sampling`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.histories import Histories, Moments, age_at
from kjerne.services.synthetic.network import Flags, Floats, Ints, Network
from kjerne.services.synthetic.vocabulary import Grid

END: Final = 0
SAME: Final = 1
INDEX: Final = 2
GAPS: Final = 3
"""Outcomes of the network of gaps: no more, the same moment, on to the index itself; then the cells of gaps."""
UNBOUNDED: Final = 1e7
"""The last day of whoever has no bound."""


@dataclass(frozen=True)
class TraitModel:
    """One trait: `grid` where it is measured, else `levels`; `presence` says who lacks it, where anybody does."""

    name: str
    levels: tuple[str, ...]
    grid: Grid | None
    presence: Network | None
    network: Network

    @property
    def width(self) -> int:
        """Columns by which the networks are told it: levels, or its score and its place in the range; and whether it is
        missing."""
        return (2 if self.grid else len(self.levels)) + 1

    def coded(self, cells: Ints) -> Floats:
        """A column of places or cells (-1: missing) as the networks are told it."""
        found = np.zeros((len(cells), self.width), np.float32)
        there = cells >= 0
        found[~there, -1] = 1
        if self.grid:
            found[there, 0] = self.grid.middle[cells[there]]
            found[there, 1] = self.grid.straight[cells[there]]
        else:
            found[np.flatnonzero(there), cells[there]] = 1
        return found


@dataclass(frozen=True)
class Rules:
    """What never happens, per code: `once` at most one time in a life, `terminal` nothing after it, `after` not before the
    index.

    `only` has rows of (code, trait, level): the code is had by people of one of those levels alone. `ages` says per code from
    which age (years) it is had and before which; nothing where no trait is the age. `needs` has pairs of codes: the first is
    not had before the second has been.
    """

    once: tuple[bool, ...]
    terminal: tuple[bool, ...]
    after: tuple[bool, ...]
    only: tuple[tuple[int, int, int], ...] = ()
    ages: tuple[tuple[float, float], ...] = ()
    needs: tuple[tuple[int, int], ...] = ()

    def unmet(self, counts: Floats) -> Flags:
        """Which codes wait for another that has not come yet (people x codes), by how often each code came."""
        found = np.zeros(counts.shape, np.bool_)
        for code, first in self.needs:
            found[:, code] |= counts[:, first] == 0
        return found

    def outside(self, ages: Moments) -> Flags:
        """Which codes are not had at these ages (people x codes); none where an age is NaN."""
        low, high = np.array(self.ages).T
        found: Flags = (ages[:, None] < low) | (ages[:, None] >= high)
        return found


@dataclass(frozen=True)
class Model:
    """All that sampling needs. `values` and `valued` go by code: its grid, and the share of its events that have a value."""

    codes: tuple[str, ...]
    units: tuple[str, ...]
    ticks: int
    traits: tuple[TraitModel, ...]
    age: int
    until: int
    starts: Grid
    gaps: Grid
    values: tuple[Grid | None, ...]
    valued: tuple[float, ...]
    to_index: bool
    rules: Rules
    start: Network
    gap: Network
    code: Network
    value: Network | None
    events_most: int
    card: Mapping[str, Any]

    def histories(self, cells: Ints, coded: Floats, numbers: Mapping[int, Any]) -> Histories:
        """The state of people before anything happened; `numbers` are the measured traits as numbers."""
        people = len(cells)
        ages = np.asarray(numbers[self.age], np.float64) if self.age >= 0 else np.zeros(people)
        bounds = np.full(people, UNBOUNDED * self.ticks)
        if self.until >= 0:
            bounds = np.floor(np.nan_to_num(numbers[self.until] * self.ticks, nan=UNBOUNDED * self.ticks))
        return Histories(len(self.codes), self.ticks, coded, ages, bounds)

    def barred_by_traits(self, cells: Ints) -> Flags:
        """Which codes each may never have, by her traits (people x codes)."""
        found = np.zeros((len(cells), len(self.codes)), np.bool_)
        for code, trait in {(code, trait) for code, trait, _ in self.rules.only}:
            levels = [level for one, other, level in self.rules.only if (one, other) == (code, trait)]
            found[:, code] |= ~np.isin(cells[:, trait], levels)
        return found

    def never_early(self, barred: Flags) -> Flags:
        """Who can have nothing before the index: all that `barred` leaves her comes after it."""
        found: Flags = (barred | np.array(self.rules.after)).all(axis=1)
        return found

    def barred_codes(self, state: Histories, barred: Flags, same: Flags) -> Flags:
        """Which codes cannot come now: barred ones, those that come once, those of another age, those that wait for another, and
        at the same moment all that stand before the last."""
        found = self.gone(state, barred) | self.rules.unmet(state.counts)
        found |= (state.time < 0)[:, None] & np.array(self.rules.after)
        if self.rules.ages:
            found |= self.rules.outside(age_at(np.where(state.aged, state.ages, np.nan), state.time, self.ticks))
        found |= same[:, None] & (np.arange(len(self.codes)) <= state.last[:, None])
        return found

    def gone(self, state: Histories, barred: Flags) -> Flags:
        """Which codes cannot come any more, at whatever moment."""
        found: Flags = barred | ((state.counts > 0) & np.array(self.rules.once))
        return found

    def barred_gaps(self, state: Histories, barred: Flags) -> Flags:
        """Which outcomes of the network of gaps cannot come now: those that lead to where no code is left."""
        people = len(state.time)
        found = np.zeros((people, GAPS + len(self.gaps.low)), np.bool_)
        everything = np.ones(people, np.bool_)
        found[:, SAME] = self.barred_codes(state, barred, everything).all(axis=1)
        found[:, INDEX] = (state.time >= 0) | (not self.to_index) | (state.bounds < 0)
        found[:, GAPS:] = self.gaps.low[None, :] > (state.bounds - state.time)[:, None]
        gone = self.gone(state, barred)
        late = self.never_early(gone)
        found[:, GAPS:] |= late[:, None] & (self.gaps.high[None, :] < -state.time[:, None])
        found[late & (state.bounds < 0), GAPS:] = True
        found[gone.all(axis=1) | (state.events >= self.events_most), SAME:] = True
        ended = ((state.counts > 0) & np.array(self.rules.terminal)).any(axis=1)
        found[ended, INDEX:] = True
        return found


def start_bars(model: Model, bounds: Moments, barred: Flags) -> Flags:
    """Which outcomes of the network of starts cannot come: beginnings after a person's time ends, or where no code is left by
    `barred`. The first outcome is none."""
    starts, late = model.starts, model.never_early(barred)
    found = np.zeros((len(bounds), 1 + len(starts.low)), np.bool_)
    found[:, 1:] = (starts.low[None, :] > bounds[:, None]) | (late[:, None] & (starts.high[None, :] < 0))
    found[(late & (bounds < 0)) | barred.all(axis=1), 1:] = True
    return found


def cells_of(trait: TraitModel, numbers: Any) -> Ints:
    """The places or cells of a column of a cohort (-1: missing)."""
    if not trait.grid:
        return np.asarray(numbers, np.int64)
    missing = np.isnan(numbers)
    return np.where(missing, -1, trait.grid.cells(np.where(missing, 0, numbers)))


def coded_traits(traits: tuple[TraitModel, ...], cohort: Cohort) -> tuple[Ints, Floats]:
    """Cells (people x traits) and their coding, of a cohort."""
    cells = np.stack([cells_of(one, cohort.traits[place].numbers) for place, one in enumerate(traits)], axis=1)
    coded = np.concatenate([one.coded(cells[:, place]) for place, one in enumerate(traits)], axis=1)
    return cells, coded


def value_inputs(model: Model, state: Histories, seen: Floats, codes: Ints) -> tuple[Floats, Floats]:
    """What the network of values is told, and the score about which it is centred: code, own history of it, everything else."""
    own, last = state.own(codes)
    which = (codes[:, None] == np.arange(len(model.codes))).astype(np.float32)
    return np.concatenate([which, own, seen], axis=1), last
