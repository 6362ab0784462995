"""Was somebody learned from? Two attacks on what was made, each asked of people learned from and of as many held out.

The first takes whoever lies nearer to a made person. The second knows how near she would lie had she not been learned from: it
learns *shadow models* by the same means from halves of both sides, and takes her for one learned from by as much as she lies
nearer, and more of her life comes again, than in what the shadow models that never saw her make (Carlini et al., *Membership
inference attacks from first principles*, 2022, with the distance to made people in place of the loss). It is the stronger by
far where some people are always near to others. Neither looks into the model's file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.boosting import area
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.copies import filter_of, rows_hashed
from kjerne.services.synthetic.learning import Effort, learned
from kjerne.services.synthetic.network import Flags
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.portraits import commonest, side_by_side
from kjerne.services.synthetic.sampling import BLOCK, block, joined
from kjerne.services.synthetic.streams import Streams
from kjerne.services.synthetic.tuning import tuned

ASKED_MOST: Final = 2_500
"""People of each side who are asked about."""
SHADOWED_MOST: Final = 2_000
"""People of each side from whom shadow models learn, each from half of both."""
IN_A_ROW: Final = 3
"""Events in a row of which is asked how many come again."""
LEAST: Final = 1e-6
"""A distance below which two people are one."""
FEW: Final = 0.01
"""The share of people held out who may be taken for ones learned from, in the figure that asks for those it is surest of."""

Numbers = NDArray[np.float64]
Step = Callable[[int, int, str], None]


def membership(train: Numbers, holdout: Numbers, made: Numbers, rng: np.random.Generator) -> dict[str, Any]:
    """The attack by the nearest made person: are people of the training data nearer to one than people held out are?"""
    count = min(len(train), len(holdout), ASKED_MOST)
    # by chance, since a table may have an order
    both = np.concatenate([some[rng.permutation(len(some))[:count]] for some in (train, holdout)])
    return _found(-nearest(both, made), np.arange(2 * count) < count)


def _found(scores: Numbers, members: Flags) -> dict[str, Any]:
    """The area of scores, what it is by chance alone (1.96 deviations where nothing can be told), and how many of those learned
    from are above all but a hundredth of those held out."""
    count = int(members.sum())
    found = area(scores, members)
    error = float(np.sqrt((2 * count + 1) / 12)) / count
    sure = float((scores[members] > np.quantile(scores[~members], 1 - FEW)).mean())
    return {"area": round(found, 4), "low": round(found - 1.96 * error, 4), "high": round(found + 1.96 * error, 4),
            "asked": 2 * count, "sure": round(sure, 4)}  # fmt: skip


def nearest(asked: Numbers, made: Numbers) -> Numbers:
    """The square of the distance from each to the nearest made person, over features scaled by those who ask."""
    there = ~np.isnan(asked).all(axis=0)
    asked = asked[:, there]
    middle, spread = np.nanmedian(asked, axis=0), np.nanstd(asked, axis=0)
    kept = spread > 0
    scale = spread[kept]

    def shown(rows: Numbers) -> NDArray[np.float32]:
        filled = np.where(np.isnan(rows), middle, rows)[:, kept]
        found: NDArray[np.float32] = np.clip((filled - middle[kept]) / scale, -5, 5).astype(np.float32)
        return found

    people, others = shown(asked), shown(made[:, there])
    squares = (others**2).sum(axis=1)
    parts = np.array_split(people, max(1, len(people) // 500))
    found = np.concatenate([(squares - 2 * part @ others.T).min(axis=1) + (part**2).sum(axis=1) for part in parts])
    return np.maximum(found.astype(np.float64), 0)


def by_shadows(
    model: Model, train: Cohort, holdout: Cohort, made: Cohort, shadows: int, seed: int, step: Step
) -> dict[str, Any]:
    """The attack with so many shadow models (an even number), made in pairs that learn from opposite halves.

    `Refusal` where a half is too small to learn from.
    """
    rng = np.random.default_rng([seed, 1])
    count = min(train.people, holdout.people, SHADOWED_MOST)
    pool = joined([some.of(np.sort(rng.permutation(some.people)[:count])) for some in (train, holdout)])
    size = min(made.people, BLOCK)
    near, again = _signs(model, pool, made.of(np.sort(rng.permutation(made.people)[:size])))
    without, seen = np.zeros((2, 2 * count)), np.zeros(2 * count)
    for number in range(shadows):
        if number % 2 == 0:
            chosen = np.concatenate([_half(count, rng), _half(count, rng)])
        mine = chosen if number % 2 == 0 else ~chosen
        shadow = _shadow(model, pool.of(np.flatnonzero(mine)), number, seed)
        step(number + 1, shadows, "shadow models")
        signs = _signs(model, pool, shadow.of(np.arange(min(size, shadow.people))))
        without[:, ~mine] += np.stack(signs)[:, ~mine]
        seen += ~mine
    usual = without / seen
    scores = _scaled(near - usual[0]) + _scaled(again - usual[1])
    return {"shadows": shadows, **_found(scores, np.arange(2 * count) < count)}


def _half(count: int, rng: np.random.Generator) -> Flags:
    return rng.permutation(count) < count // 2


def _shadow(model: Model, cohort: Cohort, number: int, seed: int) -> Cohort:
    """A block of people of a model that was learned from a cohort as the model was."""
    card, its = model.card, seed * 1000 + number
    effort = Effort(**{**card["effort"], "hidden": tuple(card["effort"]["hidden"])})
    found = learned(cohort, card["k"], card["age"], card["until"], model.rules, effort, its, _quietly)
    found = tuned(found, cohort, its)
    return block(found, Streams(f"shadow {number}", seed), 0, filter_of(found, cohort, its))


def _quietly(_done: int, _of: int, _what: str) -> None:
    """The steps of one shadow model are not told."""


def _signs(model: Model, people: Cohort, made: Cohort) -> tuple[Numbers, Numbers]:
    """How near each lies to a made person (greater is nearer), and how much of her life comes again in a row."""
    names, (own, others) = side_by_side(people, made, codes=commonest(people))
    near = nearest(*(np.stack([one[name] for name in names], axis=1) for one in (own, others)))
    rows, owners = rows_hashed(model, people, 0, IN_A_ROW)
    known = np.isin(rows, rows_hashed(model, made, 0, IN_A_ROW)[0])
    each = np.bincount(owners, minlength=people.people)
    return -np.log(near + LEAST), np.bincount(owners, known, people.people) / np.maximum(each, 1)


def _scaled(sign: Numbers) -> Numbers:
    spread = float(sign.std())
    return sign / spread if spread else sign
