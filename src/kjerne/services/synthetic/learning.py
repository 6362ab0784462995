"""Fitting: from a guarded cohort to the networks of a model.

A person is made in this order: traits one after the other; whether and when events begin; then, again and again, how long
until the next moment (or none, or the same moment), which code, and which value. So the end is asked before time, and codes
of one moment come in one order, each with what stands already. Every person counts as often as she has events: losses are
means over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.histories import Histories
from kjerne.services.synthetic.network import (
    Flags,
    Floats,
    Ints,
    Network,
    Trainer,
    begun,
    choice_loss,
    place_loss,
    spread_of,
)
from kjerne.services.synthetic.people_model import (
    END,
    GAPS,
    INDEX,
    SAME,
    Model,
    Rules,
    TraitModel,
    cells_of,
    coded_traits,
    start_bars,
    value_inputs,
)
from kjerne.services.synthetic.vocabulary import Grid, grid_of

COMPONENTS: Final = 6
CENTRES: Final = np.array([-0.4, -1.5, 0.0, 0.0, 0.4, 1.5], np.float32)
"""Where a mixture's components begin; every second one stands about the person's own last value."""
BATCHES_LEAST: Final = 24
"""In a round, so that few people are looked at in smaller batches and not in fewer."""
EVENTS_MOST: Final = 512
TIME_CELLS: Final = 64


@dataclass(frozen=True)
class Effort:
    """How hard to learn: all of it is in the model's card."""

    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 60
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.5
    dropout: float = 0.1
    patience: int = 10
    held_back: float = 0.1


Step = Callable[[int, int, str], None]
Loss = Callable[[Floats, Ints], tuple[Floats, Floats]]


@dataclass
class _Rows:
    """What the networks of events learn from, a part for each step of a life."""

    owners: list[Ints] = field(default_factory=list)
    inputs: list[Floats] = field(default_factory=list)
    targets: list[Ints] = field(default_factory=list)
    barred: list[Flags] = field(default_factory=list)

    def add(self, owners: Ints, inputs: Floats, targets: Ints, barred: Flags) -> None:
        self.owners.append(owners)
        self.inputs.append(inputs)
        self.targets.append(targets)
        self.barred.append(barred)

    def whole(self) -> tuple[Ints, Floats, Ints, Flags]:
        return (np.concatenate(self.owners), np.concatenate(self.inputs), np.concatenate(self.targets),
                np.concatenate(self.barred))  # fmt: skip


class _Learner:
    def __init__(self, effort: Effort, seed: int, step: Step, people: int) -> None:
        self.effort, self.rng, self.step = effort, np.random.default_rng(seed), step
        self.held = self.rng.permutation(people) < people * effort.held_back
        self.surprise = dict[str, float]()

    def fit(
        self, name: str, inputs: Floats, outputs: int, owners: Ints, loss: Loss, bias: Floats | None = None
    ) -> Network:
        """A network for rows of `inputs`, stopped when people held back are told no better."""
        effort, rng = self.effort, self.rng
        held = self.held[owners]
        learned, judged = np.flatnonzero(~held), np.flatnonzero(held)
        judged = judged if len(judged) else learned  # of few people none may be held back
        network = begun([inputs.shape[1], *effort.hidden, outputs], rng)
        if bias is not None:
            network.layers[-1][1][:] = bias
        trainer = Trainer(network, *spread_of(inputs[learned]), effort.rate, effort.decay, effort.dropout, rng)
        best, best_at, found = np.inf, 0, network
        batches = max(BATCHES_LEAST, len(learned) // effort.batch)
        for epoch in range(effort.epochs):
            order = rng.permutation(learned)
            for number in range(batches):
                rows = order[number::batches]
                outcomes, kept, drops = trainer.forward(inputs[rows])
                _, slope = loss(outcomes, rows)
                pace = 0.5 * (1 + np.cos(np.pi * (epoch + number / batches) / effort.epochs))
                trainer.backward(slope / np.float32(len(rows)), kept, drops, max(pace, 0.02))
            averaged = trainer.averaged()
            surprise = float(np.mean(loss(averaged(inputs[judged]), judged)[0]))
            if surprise < best:
                best, best_at, found = surprise, epoch, averaged
            self.step(epoch + 1, effort.epochs, name)
            if epoch - best_at >= effort.patience:
                break
        self.surprise[name] = round(best, 4)
        return found

    def choice(
        self, name: str, inputs: Floats, outputs: int, owners: Ints, targets: Ints, barred: Flags | None
    ) -> Network:
        def loss(outcomes: Floats, rows: Ints) -> tuple[Floats, Floats]:
            return choice_loss(outcomes, targets[rows], None if barred is None else barred[rows])

        return self.fit(name, inputs, outputs, owners, loss)

    def place(self, name: str, inputs: Floats, owners: Ints, low: Floats, high: Floats, base: Floats | None) -> Network:
        def loss(outcomes: Floats, rows: Ints) -> tuple[Floats, Floats]:
            return place_loss(outcomes, low[rows], high[rows], None if base is None else base[rows])

        spread = np.zeros(3 * COMPONENTS, np.float32)
        spread[COMPONENTS : 2 * COMPONENTS] = CENTRES
        return self.fit(name, inputs, 3 * COMPONENTS, owners, loss, spread)


def learned(cohort: Cohort, k: int, age: str, until: str, rules: Rules, effort: Effort, seed: int, step: Step) -> Model:
    """A model of a guarded cohort; its card holds what it was learned from and how well people held back are told (nats)."""
    learner = _Learner(effort, seed, step, cohort.people)
    traits = _traits(learner, cohort, k)
    names = [one.name for one in traits]
    persons = cohort.persons
    starts, gaps = _grid_of_starts(cohort, k), _grid_of_gaps(cohort, k)
    values, valued = list[Grid | None](), list[float]()
    for code in range(len(cohort.codes)):
        rows = (cohort.code == code) & ~np.isnan(cohort.values)
        grid = grid_of(cohort.values[rows], persons[rows], k) if rows.any() else None
        values.append(grid)
        valued.append(float(rows.sum() / max((cohort.code == code).sum(), 1)) if grid else 0.0)
    nothing = Network([])
    events_most = min(
        int(np.sort(cohort.lengths)[-k]), EVENTS_MOST
    )  # as many as k people have, and no one's own number
    at_index = len(np.unique(persons[cohort.times == 0])) >= k
    draft = Model(cohort.codes, cohort.units, cohort.ticks, traits, names.index(age) if age else -1,
                  names.index(until) if until else -1, starts, gaps, tuple(values), tuple(valued), at_index, rules,
                  nothing, nothing, nothing, None, events_most, {})  # fmt: skip
    return _with_events(learner, draft, cohort)


def _traits(learner: _Learner, cohort: Cohort, k: int) -> tuple[TraitModel, ...]:
    found = list[TraitModel]()
    everybody = np.arange(cohort.people)
    inputs = np.zeros((cohort.people, 1), np.float32)
    for trait in cohort.traits:
        there = trait.numbers >= 0 if trait.is_choice else ~np.isnan(trait.numbers)
        grid = None if trait.is_choice else grid_of(trait.numbers[there], everybody[there], k)
        if not trait.is_choice and grid is None:
            raise Refusal(422, f"the trait {trait.name} is had by fewer than {k} people", where="the static table",
                          todo=f"Leave it out with --leave-out {trait.name}.")  # fmt: skip
        presence = None
        if not there.all():
            presence = learner.choice(f"{trait.name}, if any", inputs, 2, everybody, there.astype(np.int64), None)
        if grid:
            cells = grid.cells(trait.numbers[there])
            network = learner.place(
                trait.name, inputs[there], everybody[there], grid.edges[cells], grid.edges[cells + 1], None
            )
        else:
            places = trait.numbers[there].astype(np.int64)
            network = learner.choice(trait.name, inputs[there], len(trait.levels), everybody[there], places, None)
        model = TraitModel(trait.name, trait.levels, grid, presence, network)
        found.append(model)
        inputs = np.concatenate([inputs, model.coded(cells_of(model, trait.numbers))], axis=1)
    return tuple(found)


def _grid_of_starts(cohort: Cohort, k: int) -> Grid:
    some = np.flatnonzero(cohort.lengths)
    grid = grid_of(cohort.times[cohort.first[some]].astype(np.float64), some, k, TIME_CELLS)
    if grid is None:
        raise Refusal(422, f"fewer than {k} people have events", where="the event table")
    return grid


def _grid_of_gaps(cohort: Cohort, k: int) -> Grid:
    persons = cohort.persons
    gaps, same = np.diff(cohort.times), persons[1:] == persons[:-1]
    rows = same & (gaps > 0)
    grid = grid_of(gaps[rows].astype(np.float64), persons[1:][rows], k, TIME_CELLS) if rows.any() else None
    if grid is None:
        says = f"fewer than {k} people have events at two moments"
        raise Refusal(422, says, where="the event table", todo="A table without time needs no model of time.")
    return grid


def _with_events(learner: _Learner, draft: Model, cohort: Cohort) -> Model:
    """The draft with the networks of starts, gaps, codes and values."""
    cells, coded = coded_traits(draft.traits, cohort)
    numbers = {place: one.numbers for place, one in enumerate(cohort.traits)}
    everybody, lengths = np.arange(cohort.people), np.minimum(cohort.lengths, draft.events_most)
    state = draft.histories(cells, coded, numbers)
    barred = draft.barred_by_traits(cells)
    has = lengths > 0
    begins = np.zeros(cohort.people, np.int64)
    begins[has] = 1 + draft.starts.cells(cohort.times[cohort.first[:-1][has]].astype(np.float64))
    bars = start_bars(draft, state.bounds, barred)
    bars[everybody, begins] = False
    start = learner.choice("start", coded, bars.shape[1], everybody, begins, bars)
    gap, code, value = _walked(draft, cohort, state, barred, everybody[has], lengths)
    owners, inputs, targets, bars = gap.whole()
    gap_network = learner.choice("gap", inputs, bars.shape[1], owners, targets, bars)
    owners, inputs, targets, bars = code.whole()
    code_network = learner.choice("code", inputs, len(draft.codes), owners, targets, bars)
    value_network = None
    if value.owners:
        owners, inputs, targets, bars = value.whole()
        edges = [one.edges if one else np.zeros(2, np.float32) for one in draft.values]
        which = inputs[:, : len(draft.codes)].argmax(axis=1)
        low = np.array([edges[c][t] for c, t in zip(which, targets, strict=True)], np.float32)
        high = np.array([edges[c][t + 1] for c, t in zip(which, targets, strict=True)], np.float32)
        value_network = learner.place("value", inputs, owners, low, high, inputs[:, len(draft.codes)])
    made: dict[str, Any] = {**vars(draft), "start": start, "gap": gap_network, "code": code_network, "value": value_network,
                            "card": {"surprise": learner.surprise}}  # fmt: skip
    return Model(**made)


def _walked(
    draft: Model, cohort: Cohort, state: Histories, barred: Flags, people: Ints, lengths: Ints
) -> tuple[_Rows, _Rows, _Rows]:
    """Every life step by step, as sampling will go it, and what each network is told and should answer."""
    gap, code, value = _Rows(), _Rows(), _Rows()
    state.kept(people)
    barred, same = barred[people], np.zeros(len(people), np.bool_)
    state.begin(cohort.times[cohort.first[people]].astype(np.float64))
    for number in range(int(lengths.max())):
        rows = cohort.first[people] + number
        codes, numbers = cohort.code[rows], cohort.values[rows]
        inputs = state.seen()
        code.add(people, inputs, codes, _opened(draft.barred_codes(state, barred, same), codes))
        valued = ~np.isnan(numbers) & np.array([one is not None for one in draft.values])[codes]
        scores = np.zeros(len(codes), np.float32)
        if valued.any():
            cells = np.zeros(len(codes), np.int64)
            for one in np.unique(codes[valued]):
                grid, chosen = draft.values[one], valued & (codes == one)
                assert grid is not None
                cells[chosen] = grid.cells(numbers[chosen])
                scores[chosen] = grid.middle[cells[chosen]]
            told = value_inputs(draft, state, inputs, codes)[0][valued]
            value.add(people[valued], told, cells[valued], np.zeros((int(valued.sum()), 0), np.bool_))
        state.note(codes, scores, valued)
        goes_on = lengths[people] > number + 1
        gaps = np.where(goes_on, cohort.times[np.minimum(rows + 1, len(cohort.times) - 1)] - cohort.times[rows], 0)
        to_index = (state.time < 0) & (state.time + gaps == 0) & draft.to_index
        targets = np.where(gaps > 0, GAPS + draft.gaps.cells(gaps.astype(np.float64)), SAME)
        targets = np.where(goes_on, np.where(to_index, INDEX, targets), END)
        gap.add(people, state.seen(), targets, _opened(draft.barred_gaps(state, barred), targets))
        people, barred, gaps = people[goes_on], barred[goes_on], gaps[goes_on]
        state.kept(goes_on)
        state.move(gaps.astype(np.float64))
        same = gaps == 0
    return gap, code, value


def _opened(barred: Flags, targets: Ints) -> Flags:
    """What has happened was possible, whatever the rules say."""
    barred[np.arange(len(targets)), targets] = False
    return barred
