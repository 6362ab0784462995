"""People made of a model, in blocks.

A block holds `BLOCK` people, always the same by their numbers, and is made whole: the same matrices are multiplied in the
same shapes, so a person comes out the same whether she is made alone, in another shard or by another engine. What is drawn
for her comes from her own stream. Who comes out as a copy of training data is made anew within the block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort, Trait
from kjerne.services.synthetic.copies import CopyFilter
from kjerne.services.synthetic.histories import Histories
from kjerne.services.synthetic.network import Flags, Floats, Ints, drawn_choice, drawn_place
from kjerne.services.synthetic.people_model import END, GAPS, INDEX, Model, start_bars, value_inputs
from kjerne.services.synthetic.streams import Streams

BLOCK: Final = 4096
DRAWS: Final = 8
"""Numbers drawn for an event: two for the gap, one for the code, four for the value, one spare."""
AHEAD: Final = 8
"""Events for which numbers are drawn at once."""
ATTEMPTS: Final = 64
TRIES: Final = 3
TOO_MANY: Final = 0.1
"""Nobody is tried oftener than `ATTEMPTS`; and where after `TRIES` so large a share of a block still copies, the model does
nothing else."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Made:
    """People as they come out: traits as numbers (people x traits), and events sorted by person and time."""

    numbers: Numbers
    person: Ints
    times: Ints
    code: Ints
    values: Numbers


def block(model: Model, streams: Streams, number: int, copies: CopyFilter | None) -> Cohort:
    """The people of a block: `number * BLOCK` and on. `Refusal` where the model cannot but copy."""
    persons = np.arange(number * BLOCK, (number + 1) * BLOCK)
    attempts = np.zeros(BLOCK, np.int64)
    found = _cohort(model, _made(model, streams, persons, attempts))
    if copies is None:
        return found
    again = np.flatnonzero(copies.copied(model, found))
    while len(again):
        attempts[again] += 1
        tries = int(attempts.max())
        if tries >= ATTEMPTS or (tries >= TRIES and len(again) > BLOCK * TOO_MANY):
            says = f"the model repeats what it was learned from: person {persons[again[0]]} came out as a copy {tries} times"
            raise Refusal(422, says, where="the model", todo="Learn from more people, or with less effort.")
        anew = _cohort(model, _made(model, streams, persons[again], attempts[again]))
        found = _replaced(found, again, anew)
        again = again[copies.copied(model, anew)]
    return found


def _replaced(cohort: Cohort, places: Ints, anew: Cohort) -> Cohort:
    """The cohort with other people in these places."""
    order = np.arange(cohort.people)
    order[places] = cohort.people + np.arange(len(places))
    return joined([cohort, anew]).of(order)


def joined(cohorts: list[Cohort]) -> Cohort:
    """The people of several cohorts of one model, one after the other."""
    one = cohorts[0]
    lengths = np.concatenate([part.lengths for part in cohorts])
    traits = tuple(
        Trait(trait.name, trait.levels, np.concatenate([part.traits[place].numbers for part in cohorts]))
        for place, trait in enumerate(one.traits)
    )
    return Cohort(
        len(lengths), one.codes, one.units, np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([part.times for part in cohorts]), np.concatenate([part.code for part in cohorts]),
        np.concatenate([part.values for part in cohorts]), one.ticks, traits, one.notes,
    )  # fmt: skip


def _cohort(model: Model, made: _Made) -> Cohort:
    people = len(made.numbers)
    traits = tuple(Trait(one.name, one.levels, made.numbers[:, place]) for place, one in enumerate(model.traits))
    first = np.searchsorted(made.person, np.arange(people + 1))
    return Cohort(people, model.codes, model.units, first, made.times, made.code, made.values, model.ticks, traits, ())


def _made(model: Model, streams: Streams, persons: Ints, attempts: Ints) -> _Made:
    """These people, each at her attempt."""
    cells, numbers, coded = _traits(model, streams, persons, attempts)
    state = model.histories(cells, coded, {place: numbers[:, place] for place in range(numbers.shape[1])})
    draws = streams.uniform(persons, attempts, 1, 2)
    barred = model.barred_by_traits(cells)
    begins = drawn_choice(model.start(coded), start_bars(model, state.bounds, barred), draws[:, 0])
    alive = np.flatnonzero(begins > 0)
    barred = barred[alive]
    least = np.where(model.never_early(barred), 0, -np.inf)
    times = np.minimum(model.starts.numbers(begins[alive] - 1, draws[alive, 1], least), state.bounds[alive])
    state.kept(alive)
    state.begin(times)
    parts = _lives(model, streams, state, barred, alive, persons[alive], attempts[alive])
    person, when, code, values = (np.concatenate(one) for one in zip(*parts, strict=True)) if parts else _NOTHING
    order = np.argsort(person, kind="stable")
    return _Made(numbers, person[order], when[order], code[order], values[order])


_NOTHING: Final = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def _lives(
    model: Model, streams: Streams, state: Histories, barred: Flags, alive: Ints, persons: Ints, attempts: Ints
) -> list[tuple[Ints, Ints, Ints, Numbers]]:
    """Events, one of each living person in each part: whose, when, which, and its value."""
    parts = list[tuple[Ints, Ints, Ints, Numbers]]()
    same, ahead = np.zeros(len(alive), np.bool_), np.zeros((len(alive), 0), np.float32)
    while len(alive):
        place = len(parts) % AHEAD
        if place == 0:
            ahead = streams.uniform(persons, attempts, 2 + len(parts) // AHEAD, AHEAD * DRAWS)
        draws = ahead[:, place * DRAWS : (place + 1) * DRAWS]
        bars = model.barred_codes(state, barred, same)
        if (over := bars.all(axis=1)).any():  # nothing is had at this age: the life ends before this moment
            there = np.flatnonzero(~over)
            state.kept(there)
            alive, persons, attempts, barred = alive[there], persons[there], attempts[there], barred[there]
            ahead, draws, bars = ahead[there], draws[there], bars[there]
            if not len(alive):
                break
        seen = state.seen()
        codes = drawn_choice(model.code(seen), bars, draws[:, 2])
        values, scores, valued = _valued(model, state, seen, codes, draws[:, 3:7])
        parts.append((alive, state.time.astype(np.int64), codes, values))
        state.note(codes, scores, valued)
        gaps = drawn_choice(model.gap(state.seen()), model.barred_gaps(state, barred), draws[:, 0])
        on = gaps != END
        state.kept(on)
        within = draws[on, 1]
        alive, persons, attempts, barred, gaps, ahead = (
            one[on] for one in (alive, persons, attempts, barred, gaps, ahead)
        )
        least = np.where(model.never_early(model.gone(state, barred)), -state.time, -np.inf)
        moved = np.where(gaps >= GAPS, model.gaps.numbers(np.maximum(gaps - GAPS, 0), within, least), 0)
        moved = np.where(gaps == INDEX, -state.time, np.minimum(moved, state.bounds - state.time))
        state.move(moved)
        same = moved == 0
    return parts


def _valued(model: Model, state: Histories, seen: Floats, codes: Ints, draws: Floats) -> tuple[Numbers, Floats, Flags]:
    """The value of each event (NaN where it has none), its score, and whether it has one."""
    values, scores = np.full(len(codes), np.nan), np.zeros(len(codes), np.float32)
    valued = draws[:, 0] < np.array(model.valued, np.float32)[codes]
    if model.value is None or not valued.any():
        return values, scores, np.zeros(len(codes), np.bool_)
    told, base = value_inputs(model, state, seen, codes)
    drawn = drawn_place(model.value(told), base, draws[:, 1], draws[:, 2])
    for one in np.unique(codes[valued]):
        grid, rows = model.values[one], np.flatnonzero(valued & (codes == one))
        assert grid is not None
        cells = grid.cells_at(drawn[rows])
        scores[rows] = grid.middle[cells]
        values[rows] = grid.numbers(cells, draws[rows, 3])
    return values, scores, valued


def _traits(model: Model, streams: Streams, persons: Ints, attempts: Ints) -> tuple[Ints, Numbers, Floats]:
    """Cells and numbers of the traits (people x traits), and their coding."""
    draws = streams.uniform(persons, attempts, 0, 4 * len(model.traits))
    inputs = np.zeros((len(persons), 1), np.float32)
    cells, numbers = list[Ints](), list[Numbers]()
    for place, trait in enumerate(model.traits):
        own = draws[:, 4 * place : 4 * place + 4]
        there = np.ones(len(persons), np.bool_)
        if trait.presence:
            there = drawn_choice(trait.presence(inputs), None, own[:, 0]) == 1
        outcomes = trait.network(inputs)
        if trait.grid:
            found = trait.grid.cells_at(drawn_place(outcomes, None, own[:, 1], own[:, 2]))
            numbers.append(np.where(there, trait.grid.numbers(found, own[:, 3]), np.nan))
        else:
            found = drawn_choice(outcomes, None, own[:, 1])
            numbers.append(np.where(there, found, -1).astype(np.float64))
        cells.append(np.where(there, found, -1))
        inputs = np.concatenate([inputs, trait.coded(cells[-1])], axis=1)
    return np.stack(cells, axis=1), np.stack(numbers, axis=1), inputs[:, 1:]
