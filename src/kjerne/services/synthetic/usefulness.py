"""What made people are good for: trees grown on them, and on as many real ones, are asked about people held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.boosting import area, grown
from kjerne.services.synthetic.network import Flags

TARGETS_MOST: Final = 4
SAMPLES_MOST: Final = 4
RARE: Final = 0.05
"""What is rarer, or commoner than all but this, is no target to learn."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Of one target: what it is, whom of those held out it is known of, who has it, and both trees' scores of them."""

    name: str
    known: Flags
    truth: Flags
    made: Numbers
    real: Numbers


def utility(
    rows: list[Numbers], names: list[str], rng: np.random.Generator
) -> tuple[list[dict[str, Any]], Scored | None]:
    """Areas by target: means over some samples, since one of 2,000 moves an area by some hundredths. And of the first target the
    scores of everybody held out, by which parts of them can be asked about."""
    train, holdout, made = rows
    count = min(len(made), len(train))
    found, first = list[dict[str, Any]](), None
    for place, name in enumerate(names):
        if len(found) == TARGETS_MOST:
            break
        target = _target(name, holdout[:, place])
        if target is None:
            continue
        code = name.rpartition(":")[0]
        others = [at for at, other in enumerate(names) if at != place and not (code and other.startswith(f"{code}:"))]
        known = ~np.isnan(holdout[:, place])
        truth = holdout[known, place] > target
        scores = [[_scores(some, holdout[known], place, others, target, rng) for some in _samples(source, count, rng)]
                  for source in (made, train)]  # fmt: skip
        areas = [float(np.mean([area(one, truth) for one in side])) for side in scores]
        told = {"made": round(areas[0], 4), "real": round(areas[1], 4), "gap": round(areas[1] - areas[0], 4)}
        found.append({"target": name, **told})
        first = first or Scored(name, known, truth, scores[0][0], scores[1][0])
    return found, first


def _samples(rows: Numbers, count: int, rng: np.random.Generator) -> list[Numbers]:
    """Samples of so many people with nobody in two of them."""
    order = rng.permutation(len(rows))
    return [rows[order[at * count : (at + 1) * count]] for at in range(min(SAMPLES_MOST, len(rows) // count))]


def _scores(
    some: Numbers, asked: Numbers, place: int, others: list[int], target: float, rng: np.random.Generator
) -> Numbers:
    """How likely trees grown on some people find each of those asked about to be above `target`."""
    known = some[~np.isnan(some[:, place])]
    return grown(known[:, others], known[:, place] > target, rng).scores(asked[:, others])


def _target(name: str, column: Numbers) -> float | None:
    """Above which a feature is the second class: a trait of two levels, or whether a code was ever had."""
    levels = np.unique(column[~np.isnan(column)])
    if name.startswith("trait ") and len(levels) != 2:
        return None
    if not name.startswith("trait ") and not name.endswith(": how often"):
        return None
    return float(levels[0]) if RARE < (column > levels[0]).mean() < 1 - RARE else None
