"""Are made people as good in every part of the population? By sex, by other traits of few levels, and by age."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.boosting import area
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.network import Flags
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.usefulness import Scored

PEOPLE_LEAST: Final = 50
"""Of each side: smaller groups are not shown."""
CLASS_LEAST: Final = 10
"""People with and without a target: of fewer no area is told."""
LEVELS_MOST: Final = 6
GROUPS_MOST: Final = 24
BANDS: Final = (0.25, 0.5, 0.75)

Numbers = NDArray[np.float64]
Sides = tuple[Cohort, Cohort, Cohort]


def subgroups(
    model: Model, people: Sides, rows: list[Numbers], names: list[str], scored: Scored | None
) -> list[dict[str, Any]]:
    """Each group of people held out against the same group of made ones, and against the same group of people learned from,
    which says what chance does."""
    _, holdout, made = people
    found = list[dict[str, Any]]()
    for name, (learned, held, own) in _groups(model, people):
        if min(learned.sum(), held.sum(), own.sum()) < PEOPLE_LEAST or len(found) == GROUPS_MOST:
            continue
        shares = [_shares(one, chosen) for one, chosen in zip(people, (learned, held, own), strict=True)]
        feature, distance = _farthest(rows[1][held], rows[2][own], names)
        found.append({
            "group": name, "people": [int(held.sum()), int(own.sum())],
            "share": [round(float(held.mean()), 4), round(float(own.mean()), 4)],
            "events": [round(float(one.lengths[chosen].mean()), 2) for one, chosen in ((holdout, held), (made, own))],
            "codes": round(_apart(shares[1], shares[2]), 4), "codes_real": round(_apart(shares[1], shares[0]), 4),
            "farthest": feature, "distance": round(distance, 4), **_useful(scored, held),
        })  # fmt: skip
    return found


def _groups(model: Model, people: Sides) -> Iterator[tuple[str, tuple[Flags, Flags, Flags]]]:
    for place, trait in enumerate(model.traits):
        columns = [one.traits[place].numbers for one in people]
        if not trait.grid and len(trait.levels) <= LEVELS_MOST:
            for level, word in enumerate(trait.levels):
                first, second, third = (column == level for column in columns)
                yield f"{trait.name}: {word}", (first, second, third)
        elif place == model.age:
            known = columns[1][~np.isnan(columns[1])]
            inner = np.round(np.quantile(known, BANDS)) if len(known) else np.zeros(0)
            edges = np.unique([-np.inf, *inner, np.inf]).tolist()
            for low, high in pairwise(edges):
                first, second, third = ((column >= low) & (column < high) for column in columns)
                words = [f"from {low:g}"] * bool(np.isfinite(low)) + [f"below {high:g}"] * bool(np.isfinite(high))
                yield f"{trait.name}: {' and '.join(words) or 'all'}", (first, second, third)


def _shares(cohort: Cohort, chosen: Flags) -> Numbers:
    counts = np.bincount(cohort.code[chosen[cohort.persons]], minlength=len(cohort.codes))
    found: Numbers = counts / max(counts.sum(), 1)
    return found


def _apart(first: Numbers, second: Numbers) -> float:
    """Total variation."""
    return float(np.abs(first - second).sum() / 2)


def _farthest(real: Numbers, own: Numbers, names: list[str]) -> tuple[str, float]:
    """The feature whose distributions differ most (who lacks it stands below all others), and by how much beyond what chance
    reaches once in a hundred times."""
    chance = 1.63 * float(np.sqrt(1 / len(real) + 1 / len(own)))
    sides = [np.where(np.isnan(one), -np.inf, one) for one in (real, own)]
    distances = [greatest_distance(sides[0][:, at], sides[1][:, at]) for at in range(len(names))]
    most = int(np.argmax(distances))
    return names[most], max(0.0, distances[most] - chance)


def greatest_distance(first: Numbers, second: Numbers) -> float:
    """The greatest distance of two distributions (Kolmogorov and Smirnov)."""
    at = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _useful(scored: Scored | None, held: Flags) -> dict[str, Any]:
    """How well the first target is told in this group by what was learned from made and from real people."""
    nothing: dict[str, Any] = {"target": "", "made": None, "real": None}
    if scored is None:
        return nothing
    here = held[scored.known]
    truth = scored.truth[here]
    if min(truth.sum(), (~truth).sum()) < CLASS_LEAST:
        return nothing
    made, real = (round(area(one[here], truth), 4) for one in (scored.made, scored.real))
    return {"target": scored.name, "made": made, "real": real}
