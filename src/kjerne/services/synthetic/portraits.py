"""Each person in numbers: what a judge is shown of a life as a whole. Missing is NaN."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.network import Ints

CODES_MOST: Final = 40

Numbers = NDArray[np.float64]


def commonest(*cohorts: Cohort) -> list[int]:
    """The codes by which people are told, those of most events first."""
    counts = sum(np.bincount(one.code, minlength=len(one.codes)) for one in cohorts)
    return [int(one) for one in np.argsort(-np.asarray(counts), kind="stable")[:CODES_MOST]]


def side_by_side(*cohorts: Cohort, codes: list[int]) -> tuple[list[str], list[dict[str, Numbers]]]:
    """The features of all cohorts, each with every feature that any of them has: what a cohort has not is missing there, and
    so tells it from the others."""
    shown = [portraits(one, codes) for one in cohorts]
    names = list(dict.fromkeys(name for one in shown for name in one))
    for one, cohort in zip(shown, cohorts, strict=True):
        one.update({name: np.full(cohort.people, np.nan) for name in names if name not in one})
    return names, shown


def portraits(cohort: Cohort, codes: list[int]) -> dict[str, Numbers]:
    """Features by name, a number for each person: traits, length and span, gaps, and of each of these codes count, first and
    last day and values."""
    found = {
        f"trait {one.name}": np.where(one.numbers < 0, np.nan, one.numbers) if one.is_choice else one.numbers
        for one in cohort.traits
    }
    found |= _of_time(cohort)
    days = cohort.times / cohort.ticks
    persons = cohort.persons
    for code in codes:
        rows, name = np.flatnonzero(cohort.code == code), cohort.codes[code]
        whose = persons[rows]
        found[f"{name}: how often"] = np.bincount(whose, minlength=cohort.people).astype(np.float64)
        found[f"{name}: first day"], found[f"{name}: last day"] = _ends(whose, days[rows], cohort.people)
        valued = ~np.isnan(cohort.values[rows])
        if valued.any():
            found |= _of_values(name, whose[valued], cohort.values[rows][valued], cohort.people)
    return found


def _of_time(cohort: Cohort) -> dict[str, Numbers]:
    days, persons, people = cohort.times / cohort.ticks, cohort.persons, cohort.people
    first, last = _ends(persons, days, people)
    gaps, same = np.diff(days), persons[1:] == persons[:-1]
    whose, later = persons[1:], gaps > 0
    gaps, owners = gaps[same & later], whose[same & later]
    mean, sd = _mean_and_sd(owners, gaps, people)
    longest, shortest = np.full(people, np.nan), np.full(people, np.nan)
    np.fmax.at(longest, owners, gaps)
    np.fmin.at(shortest, owners, gaps)
    return {
        "events": cohort.lengths.astype(np.float64), "first day": first, "last day": last, "span": last - first,
        "gap: mean": mean, "gap: spread": sd, "gap: mean of logarithms": _mean_and_sd(owners, np.log1p(gaps), people)[0],
        "gap: longest": longest, "gap: shortest": shortest,
        "events at the same moment": np.bincount(whose[same & ~later], minlength=people).astype(np.float64),
    }  # fmt: skip


def _of_values(name: str, whose: Ints, values: Numbers, people: int) -> dict[str, Numbers]:
    first, last = _ends(whose, values, people)
    mean, sd = _mean_and_sd(whose, values, people)
    same = whose[1:] == whose[:-1]
    pairs, before, after = whose[1:][same], values[:-1][same], values[1:][same]
    step = _mean_and_sd(pairs, np.abs(after - before), people)[0]
    count = np.bincount(whose, minlength=people)
    together = np.bincount(pairs, (before - mean[pairs]) * (after - mean[pairs]), people)
    goes_on = np.where((count >= 3) & (sd > 0), together / np.maximum(sd**2 * count, 1e-9), np.nan)
    return {f"{name}: first": first, f"{name}: last": last, f"{name}: mean": mean, f"{name}: spread": sd,
            f"{name}: change": last - first, f"{name}: step": step, f"{name}: autocorrelation": goes_on}  # fmt: skip


def _ends(whose: Ints, numbers: Numbers, people: int) -> tuple[Numbers, Numbers]:
    """The first and the last number of each."""
    first, last = np.full(people, np.nan), np.full(people, np.nan)
    first[whose[::-1]] = numbers[::-1]
    last[whose] = numbers
    return first, last


def _mean_and_sd(whose: Ints, numbers: Numbers, people: int) -> tuple[Numbers, Numbers]:
    count = np.bincount(whose, minlength=people).astype(np.float64)
    count[count == 0] = np.nan
    mean = np.bincount(whose, numbers, people) / count
    return mean, np.sqrt(np.maximum(np.bincount(whose, numbers**2, people) / count - mean**2, 0))
