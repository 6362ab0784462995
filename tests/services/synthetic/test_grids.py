"""Edges of cells are round numbers, or numbers that many have: whoever reads a model learns nobody's own value of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kjerne.services.synthetic import fitting, learning, rules, vocabulary
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.vocabulary import Grid, grid_of

K = 10


def grid(numbers: Any, people: Any = None) -> Grid:
    found = grid_of(np.asarray(numbers, np.float64), np.arange(len(numbers)) if people is None else people, K)
    assert found is not None
    return found


def alike(one: Grid, other: Grid) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("low", "high", "edges", "decimals")
    )


@pytest.mark.parametrize("seed", range(4))
def test_edges_are_the_same_whatever_the_exact_values_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = np.floor(rng.normal(27, 5, 1000) / 0.02)  # places on a lattice of round numbers
    first, second = (np.round((whole + rng.uniform(0.01, 0.98, 1000)) * 0.02, 4) for _ in range(2))
    assert not np.array_equal(first, second)
    assert alike(grid(first), grid(second))
    assert not set(grid(first).low) & set(first)
    assert not set(grid(first).high) & set(first)


def test_one_persons_extreme_value_moves_no_edge() -> None:
    numbers = np.round(np.random.default_rng(1).lognormal(3, 1, 1000), 1)
    numbers[0] = numbers.max()
    for far in (numbers.max() + 300, 99_999.9):
        moved = np.concatenate([[far], numbers[1:]])
        assert alike(grid(moved), grid(numbers))


def test_number_that_many_have_is_a_cell_of_its_own_and_no_rare_one_is() -> None:
    numbers = np.concatenate([np.repeat([0.0, 1.0, 7.0], 200), np.arange(20.0, 140.0)])
    found = grid(numbers)
    alone = found.low[found.low == found.high].tolist()
    assert alone == [0.0, 1.0, 7.0]
    drawn = found.numbers(found.cells(numbers), np.random.default_rng(1).random(len(numbers)).astype(np.float32))
    assert np.array_equal(drawn[:600], numbers[:600])


@pytest.mark.parametrize(
    ("numbers", "decimals"),
    [
        (np.random.default_rng(1).integers(10, 90, 900) * 1e-7, 7),
        (851_720 + np.random.default_rng(1).integers(0, 9000, 900) / 100, 2),
        (np.random.default_rng(1).integers(0, 9, 900) * 1.0, 0),
        (np.random.default_rng(1).random(900) * 20, 4),
    ],
)
def test_numbers_keep_the_decimals_that_the_table_has(numbers: Any, decimals: int) -> None:
    found = grid(numbers)
    assert found.decimals == decimals
    drawn = found.numbers(found.cells(numbers), np.random.default_rng(2).random(900).astype(np.float32))
    assert np.array_equal(found.cells(drawn), found.cells(numbers))
    assert np.quantile(drawn, (0.1, 0.5, 0.9)) == pytest.approx(np.quantile(numbers, (0.1, 0.5, 0.9)), rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_every_cell_has_enough_people_and_gives_back_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = [
        rng.normal(0, 500, 900),
        rng.lognormal(4, 2, 900),
        rng.integers(-40, 40, 900),
        rng.exponential(9, 900) + 1,
    ][seed % 4]
    numbers = np.round(np.asarray(numbers, np.float64), int(rng.integers(0, 3)))
    people = rng.integers(0, 300, 900)
    found = grid(numbers, people)
    cells = found.cells(numbers)
    assert min(len(np.unique(people[cells == cell])) for cell in range(len(found.low))) >= K
    assert (found.low <= found.high).all()
    assert (found.high[:-1] < found.low[1:]).all()
    assert found.low[0] > 0 or numbers.min() <= 0
    for uniform in (0.0, 0.5, 1 - 2**-24):
        assert np.array_equal(found.cells(found.numbers(cells, np.full(900, uniform, np.float32))), cells)


def test_longest_life_in_a_model_is_one_that_enough_people_reach(source: fitting.Source) -> None:
    told = source.told()
    cohort = vocabulary.guarded(cohort_of(told.events, told.traits), K)
    longest = int(np.argmax(cohort.lengths))
    long = _with_more(cohort, longest, 200)
    effort = learning.Effort(hidden=(4,), epochs=1)
    found = rules.rules_of(long, None, "")
    model = learning.learned(long, K, "", "", found, effort, 1, lambda *_: None)
    assert model.events_most == np.sort(long.lengths)[-K]
    assert model.events_most < 200


def _with_more(cohort: Cohort, person: int, events: int) -> Cohort:
    """The cohort, with so many events more of one person, each a day after the other."""
    at = cohort.first[person + 1]
    last, first = cohort.times[at - 1], cohort.first.copy()
    first[person + 1 :] += events
    return replace(
        cohort, first=first, times=np.insert(cohort.times, at, last + 1 + np.arange(events)),
        code=np.insert(cohort.code, at, np.zeros(events, np.int64)),
        values=np.insert(cohort.values, at, np.full(events, np.nan)),
    )  # fmt: skip
