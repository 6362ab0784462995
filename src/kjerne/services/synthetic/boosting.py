"""Boosted trees over histograms, in NumPy: the judge that is asked to tell made people from real ones, and to learn from
either.

Each feature lies in at most `BINS` cells of about equally many people, missing ones in the first. Trees grow level by level;
a leaf is a Newton step of the logistic loss with a penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.network import Flags, Ints

BINS: Final = 32
TREES: Final = 80
DEPTH: Final = 5
RATE: Final = 0.1
PENALTY: Final = 2.0
LEAST: Final = 2.0
"""Of the second slope (about a quarter of the people) on each side of a cut."""
COLUMNS: Final = 0.5
"""Of the features, drawn anew for each tree."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """Cuts of each tree level by level (feature and bin of each node), leaves, and how much each feature gained."""

    edges: list[Numbers]
    features: Ints
    bins: Ints
    leaves: Numbers
    gains: Numbers

    def scores(self, rows: Numbers) -> Numbers:
        """Logits of the second class for rows of features (NaN: missing)."""
        binned = _binned(rows, self.edges)
        found, everybody = np.zeros(len(rows)), np.arange(len(rows))
        for features, bins, leaves in zip(self.features, self.bins, self.leaves, strict=True):
            node = np.zeros(len(rows), np.int64)
            for level in range(DEPTH):
                at = 2**level - 1 + node
                node = 2 * node + (binned[everybody, features[at]] > bins[at])
            found += RATE * leaves[node]
        return found


def grown(rows: Numbers, second: Flags, rng: np.random.Generator) -> Trees:
    """Trees that tell people of the second class from others."""
    edges = [np.unique(np.nanquantile(column, np.linspace(0, 1, BINS - 1)[1:-1])) if (~np.isnan(column)).any() else np.zeros(0)
             for column in rows.T]  # fmt: skip
    binned, count = _binned(rows, edges), rows.shape[1]
    logits, gains = np.zeros(len(rows)), np.zeros(count)
    features, bins = np.zeros((TREES, 2**DEPTH - 1), np.int64), np.zeros((TREES, 2**DEPTH - 1), np.int64)
    leaves = np.zeros((TREES, 2**DEPTH))
    for tree in range(TREES):
        shares = 1 / (1 + np.exp(-logits))
        first, second_ = second - shares, shares * (1 - shares)
        chosen = np.sort(rng.permutation(count)[: max(1, int(count * COLUMNS))])
        node = np.zeros(len(rows), np.int64)
        for level in range(DEPTH):
            at, width = 2**level - 1, 2**level
            which, cut, gain = _cuts(binned[:, chosen], node, width, first, second_)
            features[tree, at : at + width], bins[tree, at : at + width] = chosen[which], cut
            np.add.at(gains, chosen[which], gain)
            node = 2 * node + (binned[np.arange(len(rows)), chosen[which[node]]] > cut[node])
        sums = np.bincount(node, first, 2**DEPTH), np.bincount(node, second_, 2**DEPTH)
        leaves[tree] = sums[0] / (sums[1] + PENALTY)
        logits += RATE * leaves[tree][node]
    return Trees(edges, features, bins, leaves, gains)


def _cuts(
    binned: NDArray[np.uint8], node: Ints, nodes: int, first: Numbers, second: Numbers
) -> tuple[Ints, Ints, Numbers]:
    """The best cut of each node: feature, bin (what is above goes right), and what it gains."""
    count = binned.shape[1]
    keys = ((node[:, None] * count + np.arange(count)) * BINS + binned).ravel()
    shape = (nodes, count, BINS)
    sums = [
        np.bincount(keys, np.repeat(one, count), nodes * count * BINS).reshape(shape).cumsum(axis=2)
        for one in (first, second)
    ]
    left, left_weight = sums[0][:, :, :-1], sums[1][:, :, :-1]
    whole, weight = sums[0][:, :, -1:], sums[1][:, :, -1:]
    right, right_weight = whole - left, weight - left_weight
    gain = left**2 / (left_weight + PENALTY) + right**2 / (right_weight + PENALTY) - whole**2 / (weight + PENALTY)
    gain[(left_weight < LEAST) | (right_weight < LEAST)] = 0
    flat = gain.reshape(nodes, -1)
    best = flat.argmax(axis=1)
    value = flat[np.arange(nodes), best]
    cut = np.where(value > 0, best % (BINS - 1), BINS)  # a node that no cut helps sends all to the left
    return best // (BINS - 1), cut, value


def _binned(rows: Numbers, edges: list[Numbers]) -> NDArray[np.uint8]:
    found = np.zeros(rows.shape, np.uint8)
    for place, one in enumerate(edges):
        column = rows[:, place]
        found[:, place] = np.where(np.isnan(column), 0, 1 + np.searchsorted(one, column, side="right"))
    return found


def area(scores: Numbers, second: Flags) -> float:
    """The area under the ROC curve: how often somebody of the second class scores above one of the first (ties count half)."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    ones, others = int(second.sum()), int((~second).sum())
    return float((ranks[second].sum() - ones * (ones + 1) / 2) / max(ones * others, 1))
