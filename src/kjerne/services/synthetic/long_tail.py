"""What is rare: do made people have it as often, and as far from the middle, as people held out?"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.cohorts import Cohort

RARE: Final = 0.01
"""The share of real people below which a code is rare."""
SHOWN_MOST: Final = 20
VALUES_LEAST: Final = 500
"""Real values of a code: the ends of fewer are not asked about."""

Numbers = NDArray[np.float64]


def long_tail(train: Cohort, holdout: Cohort, made: Cohort) -> dict[str, Any]:
    """Codes that fewer than a hundredth of the real people have (both sides together), and the ends of values: the share of
    values below and above which a hundredth of the real ones lie."""
    had = [_had(one) for one in (train, holdout, made)]
    share = (had[0] + had[1]) / (train.people + holdout.people)
    rare = np.flatnonzero((share < RARE) & (share > 0))
    common = rare[np.argsort(-share[rare], kind="stable")][:SHOWN_MOST]
    return {
        "codes": len(rare), "made_codes": int((had[2][rare] > 0).sum()),
        "people": [round(_with_any(one, rare), 4) for one in (holdout, made)],
        "of": [holdout.people, made.people],
        "shown": [{"code": holdout.codes[code], "real": int(had[1][code]), "made": int(had[2][code]),
                   "expected": round(float(share[code]) * made.people, 1)} for code in common],
        "unknown": [one for one in holdout.notes if "the model does not know" in one],
        "ends": _ends(train, holdout, made),
    }  # fmt: skip


def _had(cohort: Cohort) -> Numbers:
    """How many people have each code."""
    pairs = np.unique(cohort.persons * len(cohort.codes) + cohort.code)
    return np.bincount(pairs % len(cohort.codes), minlength=len(cohort.codes)).astype(np.float64)


def _with_any(cohort: Cohort, codes: NDArray[np.int64]) -> float:
    """The share of people with any of these codes."""
    return len(np.unique(cohort.persons[np.isin(cohort.code, codes)])) / max(cohort.people, 1)


def _ends(train: Cohort, holdout: Cohort, made: Cohort) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    for code, name in enumerate(holdout.codes):
        real, own = (np.concatenate([_values(one, code) for one in some]) for some in ((train, holdout), (made,)))
        if len(real) < VALUES_LEAST or not len(own):
            continue
        low, high = np.quantile(real, (0.01, 0.99))
        if not (real < low).any() and not (real > high).any():  # yes or no has no ends
            continue
        told = {"below": float((own < low).mean()), "below_real": float((real < low).mean()),
                "above": float((own > high).mean()), "above_real": float((real > high).mean())}  # fmt: skip
        found.append({"code": name, **{key: round(value, 4) for key, value in told.items()}})
        if len(found) == SHOWN_MOST:
            break
    return found


def _values(cohort: Cohort, code: int) -> Numbers:
    values = cohort.values[cohort.code == code]
    found: Numbers = values[~np.isnan(values)]
    return found
