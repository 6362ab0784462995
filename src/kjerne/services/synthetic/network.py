"""Small dense networks in NumPy with their own backward pass, and the two kinds of outcome that they are asked for.

A *choice* is a softmax over outcomes, some of which may be masked. A *place* is a mixture of logistic distributions on the
axis of normal scores, read between the edges of a cell (a discretised mixture of logistics: Salimans et al., arXiv
1701.05517), so one head serves values on a coarse grid and on a fine one. Everything is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER: Final = np.float32(-1e9)
"""The logit of what is masked."""
NARROWEST: Final = -5.0
WIDEST: Final = 2.0
"""Of the logarithm of a component's width."""


@dataclass(frozen=True)
class Network:
    """Dense layers with a rectifier between them: pairs of weights (inputs x outputs) and biases."""

    layers: list[tuple[Floats, Floats]]

    def __call__(self, inputs: Floats) -> Floats:
        """Outcomes for rows of inputs."""
        found = inputs
        for place, (weights, bias) in enumerate(self.layers):
            found = found @ weights
            found += bias
            if place < len(self.layers) - 1:
                np.maximum(found, 0, out=found)
        return found


def begun(sizes: Sequence[int], rng: np.random.Generator) -> Network:
    """A network for inputs that are spread alike, of these sizes; its last layer starts near nothing."""
    layers = []
    for place, (before, after) in enumerate(pairwise(sizes)):
        width = np.sqrt(2 / before) * (0.1 if place == len(sizes) - 2 else 1)
        layers.append(((rng.standard_normal((before, after)) * width).astype(np.float32), np.zeros(after, np.float32)))
    return Network(layers)


@dataclass
class Trainer:
    """Fits one network by Adam with decoupled weight decay, and keeps a running mean of its weights, which is what is used.

    `shift` and `scale` make the inputs comparable; what is made of it in the end has them in its first layer.
    """

    network: Network
    shift: Floats
    scale: Floats
    rate: float
    decay: float
    dropout: float
    rng: np.random.Generator
    steps: int = 0
    first: list[Floats] = field(default_factory=list)
    second: list[Floats] = field(default_factory=list)
    mean: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        arrays = [array for layer in self.network.layers for array in layer]
        self.first, self.second = [np.zeros_like(one) for one in arrays], [np.zeros_like(one) for one in arrays]
        self.mean = [one.copy() for one in arrays]

    def forward(self, inputs: Floats) -> tuple[Floats, list[Floats], list[Any]]:
        """Outcomes, and what `backward` needs of the way to them."""
        found = (inputs - self.shift) * self.scale
        kept, drops = [found], list[Any]()
        last = len(self.network.layers) - 1
        for place, (weights, bias) in enumerate(self.network.layers):
            found = found @ weights + bias
            if place < last:
                np.maximum(found, 0, out=found)
                drop = None
                if self.dropout:
                    drop = (self.rng.random(found.shape, dtype=np.float32) >= self.dropout) / np.float32(
                        1 - self.dropout
                    )
                    found = found * drop
                drops.append(drop)
                kept.append(found)
        return found, kept, drops

    def backward(self, slope: Floats, kept: list[Floats], drops: list[Any], pace: float) -> None:
        """One step against `slope`, the gradient at the outcomes (already divided by the number of rows)."""
        gradients = list[Floats]()
        for place in range(len(self.network.layers) - 1, -1, -1):
            gradients += [slope.sum(axis=0), kept[place].T @ slope]
            if place:
                slope = slope @ self.network.layers[place][0].T
                if drops[place - 1] is not None:
                    slope *= drops[place - 1]
                slope *= kept[place] > 0
        self._step(gradients[::-1], pace)

    def _step(self, gradients: list[Floats], pace: float) -> None:
        self.steps += 1
        whole = float(np.sqrt(sum(float((one * one).sum()) for one in gradients)))
        shrink = np.float32(min(1.0, 1.0 / max(whole, 1e-9)))
        rate = self.rate * pace * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        keep = np.float32(min(0.995, self.steps / (self.steps + 10)))
        arrays = [array for layer in self.network.layers for array in layer]
        for array, gradient, first, second, mean in zip(
            arrays, gradients, self.first, self.second, self.mean, strict=True
        ):
            shrunk = gradient * shrink
            np.add(first, np.float32(0.1) * (shrunk - first), out=first)
            np.add(second, np.float32(0.001) * (shrunk * shrunk - second), out=second)
            if array.ndim > 1:
                np.multiply(array, np.float32(1 - self.rate * pace * self.decay), out=array)
            np.subtract(array, np.float32(rate) * first / (np.sqrt(second) + np.float32(1e-8)), out=array)
            np.add(mean, (1 - keep) * (array - mean), out=mean)

    def averaged(self) -> Network:
        """The network with the running mean of its weights, for inputs as they are."""
        (weights, bias), *others = zip(self.mean[::2], self.mean[1::2], strict=True)
        first = (self.scale[:, None] * weights, (bias - (self.shift * self.scale) @ weights).astype(np.float32))
        return Network([first, *((one.copy(), other.copy()) for one, other in others)])


def spread_of(inputs: Floats) -> tuple[Floats, Floats]:
    """Mean, and one over the spread, of each input; an input that is always the same counts for nothing."""
    spread = inputs.std(axis=0)
    return inputs.mean(axis=0), np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-3), 0).astype(np.float32)


def choice_loss(logits: Floats, target: Ints, masked: Flags | None) -> tuple[Floats, Floats]:
    """Surprise at `target` in each row (nats), and its slope at the logits."""
    if masked is not None:
        logits = np.where(masked, NEVER, logits)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(target))
    surprise = -np.log(np.maximum(shares[rows, target], 1e-12))
    shares[rows, target] -= 1
    return surprise, shares


def mixture(outcomes: Floats, base: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Logits, centres and log widths (rows x components). Every second component is centred about `base`, the person's own
    last value."""
    count = outcomes.shape[1] // 3
    logits, centres = outcomes[:, :count], outcomes[:, count : 2 * count]
    if base is not None:
        centres = centres.copy()
        centres[:, ::2] += base[:, None]
    return logits, centres, np.clip(outcomes[:, 2 * count :] - 1, NARROWEST, WIDEST)


def place_loss(outcomes: Floats, low: Floats, high: Floats, base: Floats | None) -> tuple[Floats, Floats]:
    """Surprise at a place between `low` and `high` (normal scores; endless at the ends), and its slope at the outcomes."""
    logits, centres, widths = mixture(outcomes, base)
    count = logits.shape[1]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    per = np.exp(-widths)
    at_low, at_high = (low[:, None] - centres) * per, (high[:, None] - centres) * per
    below, above = _logistic(at_low), _logistic(at_high)
    inside = above - below
    likely = np.maximum((shares * inside).sum(axis=1, keepdims=True), 1e-9)
    surprise = -np.log(likely[:, 0])
    dense_low, dense_high = below * (1 - below), above * (1 - above)
    weight = shares / likely
    slope = np.empty_like(outcomes)
    slope[:, :count] = shares - weight * inside
    slope[:, count : 2 * count] = weight * (dense_high - dense_low) * per
    finite_low, finite_high = np.clip(at_low, -30, 30), np.clip(at_high, -30, 30)
    slope[:, 2 * count :] = weight * (dense_high * finite_high - dense_low * finite_low)
    raw = outcomes[:, 2 * count :] - 1
    slope[:, 2 * count :] *= (raw > NARROWEST) & (raw < WIDEST)
    return surprise, slope


def _logistic(at: Floats) -> Floats:
    found: Floats = (1 / (1 + np.exp(-np.clip(at, -30, 30)))).astype(np.float32)
    return found


def drawn_choice(logits: Floats, masked: Flags | None, uniform: Floats) -> Ints:
    """An outcome of each row by its uniform number (inverse of the cumulated shares). One that is masked never comes, unless
    all are: that none is left is for the caller to know."""
    if masked is not None:
        logits = np.where(masked, NEVER, logits)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    summed = np.cumsum(shares, axis=1)
    below = summed <= (uniform * summed[:, -1])[:, None]
    found: Ints = np.minimum(below.sum(axis=1), logits.shape[1] - 1)
    return found


def drawn_place(outcomes: Floats, base: Floats | None, which: Floats, where: Floats) -> Floats:
    """A normal score of each row: `which` draws the component, `where` the place in it."""
    logits, centres, widths = mixture(outcomes, base)
    chosen = drawn_choice(logits, None, which)
    rows = np.arange(len(chosen))
    inside = np.clip(where, 1e-6, 1 - 1e-6)
    found: Floats = centres[rows, chosen] + np.exp(widths[rows, chosen]) * np.log(inside / (1 - inside))
    return found
