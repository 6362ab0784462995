"""Survival curves (Kaplan and Meier 1958) of people held out and of made ones: who is still without a code so many days on."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.fhir_mapping import meaning_of
from kjerne.services.synthetic.network import Flags
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.risks import SURE

CURVES_MOST: Final = 6
POINTS: Final = 41
EVENTS_LEAST: Final = 10
"""Of those held out: a curve of fewer is hardly one."""

Numbers = NDArray[np.float64]
Times = tuple[Numbers, Flags]
"""For each person still at risk on day 0, how many days she was followed, and whether what is asked about ended them."""


def survival(model: Model, holdout: Cohort, made: Cohort) -> list[dict[str, Any]]:
    """Curves from day 0: of death, where the card says what it is, and of codes had for the first time after day 0, those that
    end a life first, then those that come once, then the commonest."""
    found = list[dict[str, Any]]()
    if (pair := [_of_death(model, one) for one in (holdout, made)])[0] is not None:
        found += _curve("death", *(one for one in pair if one is not None))
    had = np.bincount(holdout.code, minlength=len(model.codes))
    terminal, once = np.array(model.rules.terminal), np.array(model.rules.once)
    for code in np.lexsort((-had, ~once, ~terminal)):
        if len(found) == CURVES_MOST:
            break
        found += _curve(model.codes[code], *(_of_code(model, one, int(code)) for one in (holdout, made)))
    return found


def _of_death(model: Model, cohort: Cohort) -> Times | None:
    """Death by the trait that the card names, on the day that a person's time ends."""
    told = meaning_of(model).died
    place = next((at for at, one in enumerate(model.traits) if told and one.name == told.trait), None)
    if told is None or place is None or model.until < 0:
        return None
    levels = [at for at, one in enumerate(model.traits[place].levels) if one in told.levels]
    days = cohort.traits[model.until].numbers
    there = days > 0
    return days[there], np.isin(cohort.traits[place].numbers, levels)[there]


def _of_code(model: Model, cohort: Cohort, code: int) -> Times:
    """The first time after day 0 of whoever had it neither before nor on it; others until their time, or their last event."""
    days, persons = cohort.times / cohort.ticks, cohort.persons
    ends, first = np.zeros(cohort.people), np.full(cohort.people, np.inf)
    np.maximum.at(ends, persons, days)
    if model.until >= 0:
        told = cohort.traits[model.until].numbers
        ends = np.where(np.isnan(told), ends, told)
    rows = cohort.code == code
    np.minimum.at(first, persons[rows], days[rows])
    there = (first > 0) & (ends > 0)
    had = first[there] <= ends[there]
    return np.where(had, first[there], ends[there]), had


def _curve(what: str, real: Times, made: Times) -> list[dict[str, Any]]:
    """A curve of each side over one axis, with the band (95 %, Greenwood) of those held out; nothing where too few had it."""
    if real[1].sum() < EVENTS_LEAST or not len(made[0]):
        return []
    days = np.linspace(0, float(np.quantile(real[0], 0.9)), POINTS)
    share, spread = kaplan_meier(*real, days)
    own, _ = kaplan_meier(*made, days)
    low, high = np.clip(share - SURE * spread, 0, 1), np.clip(share + SURE * spread, 0, 1)
    outside = float(((own < low) | (own > high)).mean())
    return [{
        "what": what, "people": [len(real[0]), len(made[0])], "had": [int(real[1].sum()), int(made[1].sum())],
        "distance": round(float(np.abs(share - own).max()), 4), "outside": round(outside, 4),
        "days": days.round(1).tolist(), "real": share.round(4).tolist(), "low": low.round(4).tolist(),
        "high": high.round(4).tolist(), "made": own.round(4).tolist(),
    }]  # fmt: skip


def kaplan_meier(days: Numbers, had: Flags, at: Numbers) -> tuple[Numbers, Numbers]:
    """The share still without it on each day of `at`, and the deviation of that share."""
    moments, places = np.unique(days, return_inverse=True)
    ended = np.bincount(places, had, len(moments))
    left = len(days) - np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(moments)))[:-1]])
    share = np.cumprod(1 - ended / left)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(left > ended, ended / (left * (left - ended)), 0.0)
    spread = share * np.sqrt(np.cumsum(parts))
    where = np.searchsorted(moments, at, side="right")
    return np.concatenate([[1.0], share])[where], np.concatenate([[0.0], spread])[where]
