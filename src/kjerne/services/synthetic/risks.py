"""How often an attack succeeds, what of that only the made people explain, and how sure either is.

As in Giomi et al., *A unified framework for quantifying privacy risk in synthetic data* (PoPETs 2023): the same attack is made on
people learned from and on people held out, whom the model never saw. Who is found there was found by what is true of people in
general. Intervals are Wilson's (1927), of 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.network import Flags, Ints

SURE: Final = 1.959964
"""Of a normal distribution, so many deviations to either side hold 95 %."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Tries:
    """Attacks of one kind: which succeeded, and on whose account each was made. Those on one account (attacks on one person,
    say) succeed or fail together, and so count for less than as many on different ones.

    Where an attack may find anybody, `found` says whom each did (-1: nobody) of so many `people`: that one person is found by
    many tells of one.
    """

    succeeded: Flags
    accounts: Ints
    found: Ints | None = None
    people: int = 0

    def rate(self) -> tuple[float, float]:
        """The rate of success as Wilson has it, and the half of its interval."""
        count = len(self.succeeded)
        share = float(self.succeeded.mean())
        weight = self._as_many_as(share)
        whole, square = weight + SURE**2, SURE**2
        spread = weight * share * (1 - share) + square / 4
        return (share * count + square / 2) / (count + square), SURE / whole * float(np.sqrt(spread))

    def _as_many_as(self, share: float) -> float:
        """As how many attacks, each independent of all others, these tell: by how far the sums of accounts, and of those whom
        they found, lie from their means (both are added, and what single attacks have is taken off once)."""
        count = len(self.succeeded)
        _, places, sizes = np.unique(self.accounts, return_inverse=True, return_counts=True)
        groups = len(sizes) if self.found is None else min(len(sizes), self.people)
        if not 0 < share < 1:
            return float(groups)
        alone = share * (1 - share) / count
        variance = _spread(np.bincount(places, self.succeeded, len(sizes)) - share * sizes, count)
        if self.found is not None:
            hits = np.bincount(self.found[self.found >= 0], minlength=self.people)
            variance += _spread(hits - hits.mean(), count) - alone
        return min(float(count), share * (1 - share) / max(variance, 1e-12))


def _spread(apart: Numbers, count: int) -> float:
    """The variance of a share of `count`, by how far sums lie from their means."""
    return float((apart**2).sum()) / count**2


@dataclass(frozen=True)
class Risk:
    """What one attack found: rates on people learned from, on people held out, and by guessing; and the risk, that is the part
    of what fails on people held out that succeeds on people learned from, with its interval."""

    attack: str
    by: str
    attacks: int
    rate: float
    control: float
    guessing: float
    risk: float
    low: float
    high: float

    def told(self) -> dict[str, Any]:
        """As a report tells it: None where there is no figure."""
        return {name: _told(value) for name, value in vars(self).items()}


def _told(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else round(value, 4)


def risk_of(attack: str, by: str, on_learned: Tries, on_held: Tries, guessing: float) -> Risk:
    """The risk, (rate - control) / (1 - control), with the deviations of both rates in its interval; not a number where all
    that the attack asks of people held out succeeds, or nothing could be asked."""
    nothing = float("nan")
    if not len(on_learned.succeeded) or not len(on_held.succeeded):
        return Risk(attack, by, 0, nothing, nothing, guessing, nothing, nothing, nothing)
    rate, error = on_learned.rate()
    control, control_error = on_held.rate()
    found = (rate - control) / (1 - control)
    about = float(np.hypot(error / (1 - control), control_error * (1 - rate) / (1 - control) ** 2))
    low, high = max(0.0, found - about), min(1.0, max(0.0, found + about))
    told = (max(0.0, found), low, high) if not on_held.succeeded.all() else (nothing, nothing, nothing)
    return Risk(attack, by, len(on_learned.succeeded), rate, control, guessing, *told)
