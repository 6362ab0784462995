"""The backward pass is the slope of the loss, as finite differences see it, and a network learns what is there to learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kjerne.services.synthetic import network
from kjerne.services.synthetic.network import Floats


def slopes(loss: network.Floats, at: Floats) -> Floats:
    """Central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        for sign in (1, -1):
            moved = at.copy()
            moved[place] += sign * 1e-2
            found[place] += sign * loss(moved)[0].sum() / 2e-2
    return found


def test_slope_of_a_choice_is_that_of_its_surprise() -> None:
    rng = np.random.default_rng(1)
    logits, masked = rng.standard_normal((4, 5)).astype(np.float32), np.zeros((4, 5), bool)
    masked[:, 2] = True
    target = np.array([0, 1, 3, 4])
    surprise, slope = network.choice_loss(logits, target, masked)
    assert slope == pytest.approx(slopes(lambda at: network.choice_loss(at, target, masked), logits), abs=1e-2)
    assert np.exp(-surprise[0]) == pytest.approx(np.exp(logits[0, 0]) / np.exp(np.delete(logits[0], 2)).sum(), rel=1e-4)


def test_slope_of_a_place_is_that_of_its_surprise() -> None:
    rng = np.random.default_rng(2)
    outcomes = rng.standard_normal((4, 9)).astype(np.float32)
    low, high = np.array([-np.inf, -0.5, 0.2, 1.0], np.float32), np.array([-0.5, 0.2, 1.0, np.inf], np.float32)
    base = np.array([0.3, -1, 0, 2], np.float32)
    _, slope = network.place_loss(outcomes, low, high, base)
    assert slope == pytest.approx(slopes(lambda at: network.place_loss(at, low, high, base), outcomes), abs=2e-2)


def test_shares_of_all_cells_are_one_and_draws_follow_them() -> None:
    outcomes, base = np.array([[0.5, -0.2, 0.1, 0.4, -1, 0.3, 0, 0.5, -0.5]], np.float32), np.array([0.7], np.float32)
    edges = np.array([-np.inf, -1, 0, 0.5, 1.5, np.inf], np.float32)
    surprises = [network.place_loss(outcomes, low[None], high[None], base)[0][0] for low, high in pairwise(edges)]
    shares = np.exp(-np.array(surprises))
    assert shares.sum() == pytest.approx(1, abs=1e-4)
    rng = np.random.default_rng(3)
    which, where = rng.random((2, 20_000), dtype=np.float32)
    drawn = network.drawn_place(np.repeat(outcomes, 20_000, axis=0), np.repeat(base, 20_000), which, where)
    assert np.histogram(drawn, np.clip(edges, -99, 99))[0] / 20_000 == pytest.approx(shares, abs=0.015)
    masked = np.array([[False, True, False]] * 20_000)
    chosen = network.drawn_choice(np.zeros((20_000, 3), np.float32), masked, which)
    assert np.bincount(chosen, minlength=3) / 20_000 == pytest.approx([0.5, 0, 0.5], abs=0.015)


def test_network_learns_and_says_the_same_in_training_and_after() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.standard_normal((400, 3)).astype(np.float32) * [1, 100, 0.01] + [0, 5000, 1]
    target = ((inputs[:, 0] > 0) ^ (inputs[:, 1] > 5000)).astype(np.int64)
    inputs = inputs.astype(np.float32)
    trainer = network.Trainer(network.begun([3, 16, 2], rng), *network.spread_of(inputs), 1e-2, 0.01, 0.0, rng)
    for _ in range(300):
        outcomes, kept, drops = trainer.forward(inputs)
        _, slope = network.choice_loss(outcomes, target, None)
        trainer.backward(slope / np.float32(400), kept, drops, 1.0)
    trainer.mean = [array for layer in trainer.network.layers for array in layer]
    assert (outcomes.argmax(axis=1) == target).mean() > 0.97
    assert trainer.averaged()(inputs) == pytest.approx(trainer.forward(inputs)[0], abs=1e-2)
