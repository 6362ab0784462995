"""A report's figures: made people held against real ones that the model never saw, and against those it learned from.

Every gate has its limit here. What is measured of fidelity is between made people and the hold-out; of privacy, whether
people of the training data can be told from people of the hold-out by what was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.boosting import area, grown
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.copies import rare_rows, records_hashed, rows_hashed, telling_records
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.portraits import commonest, side_by_side
from kjerne.services.synthetic.rules import violations

FOLDS: Final = 5
JUDGED_MOST: Final = 2_500
"""People of each side that a judge is shown."""
TARGETS_MOST: Final = 4
SAMPLES_MOST: Final = 4
RARE: Final = 0.05
"""What is rarer, or commoner than all but this, is no target to learn."""
LIMITS: Final[Mapping[str, float]] = {
    "c2st": 0.75, "utility_gap": 0.04, "membership": 0.52, "copied_rows": 0, "copied_records": 0, "violations": 0,
    "code_distance": 0.02, "length": 0.03, "prevalence": 0.02, "shapes": 0.05,
}  # fmt: skip
"""Most that each gate lets pass."""

Numbers = NDArray[np.float64]
Step = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Gate:
    """A figure and its limit. A figure that could not be had does not pass."""

    name: str
    says: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        return self.value <= self.limit


@dataclass(frozen=True)
class Report:
    """All figures; `gates` first."""

    gates: tuple[Gate, ...]
    figures: dict[str, Any]
    pictures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.gates)

    def told(self) -> dict[str, Any]:
        """The report as JSON."""
        gates = [
            {
                "gate": one.name,
                "says": one.says,
                "value": None if np.isnan(one.value) else one.value,
                "limit": one.limit,
                "passed": one.passed,
            }
            for one in self.gates
        ]
        return {"passed": self.passed, "gates": gates, **self.figures}


def judged(model: Model, train: Cohort, holdout: Cohort, made: Cohort, seed: int, step: Step) -> Report:
    """Hold made people against real ones. `Refusal` where the hold-out is part of what was learned from."""
    shared = _shared_records(model, train, holdout)
    if shared > max(2, holdout.people // 100):
        says = f"{shared} people of the hold-out are in the training data too"
        raise Refusal(422, says, where="--holdout", todo="Split by person, before fitting.")
    rng = np.random.default_rng(seed)
    names, shown = side_by_side(train, holdout, made, codes=commonest(train, holdout))
    rows = [np.stack([one[name] for name in names], axis=1) for one in shown]
    step(1, 5, "measures")
    told_apart, top = told_from(rows[2], rows[1], names, rng)
    step(2, 5, "measures")
    control, _ = told_from(rows[0], rows[1], names, rng)
    step(3, 5, "measures")
    useful = _utility(rows, names, rng)
    step(4, 5, "measures")
    member = membership(rows[0], rows[1], rows[2], rng)
    copied = copies_of(model, train, made)
    codes = _code_shares(made) - _code_shares(train, holdout)
    length = made.lengths.mean() / np.concatenate([train.lengths, holdout.lengths]).mean()
    broken = violations(model, made)
    gap = max([one["gap"] for one in useful], default=float("nan"))
    values = {
        "c2st": max(told_apart, 1 - told_apart), "utility_gap": gap,
        "membership": max(member["area"], 1 - member["area"]), "copied_rows": copied["rows"],
        "copied_records": copied["records"], "violations": sum(broken.values()),
        "code_distance": float(np.abs(codes).sum() / 2), "length": float(abs(length - 1)),
        "prevalence": _unexplained(holdout, made), "shapes": _beyond_chance(shown, names),
    }  # fmt: skip
    gates = tuple(Gate(name, _SAYS[name], round(float(values[name]), 4), LIMITS[name]) for name in LIMITS)
    step(5, 5, "measures")
    figures = {
        "people": {"train": train.people, "holdout": holdout.people, "made": made.people, "shared": shared},
        "told_apart": {"area": round(told_apart, 4), "control": round(control, 4), "by": top},
        "utility": useful, "membership": member, "copies": copied, "violations": broken,
        "prevalence": _prevalence(holdout, made), "traits": _distances(shown, names, "trait "),
        "lives": _distances(shown, names, ""),
    }  # fmt: skip
    return Report(gates, figures, _pictures(shown, names))


_SAYS: Final = {
    "c2st": "how well a judge tells made people from held-out ones (0.5: not at all)",
    "utility_gap": "how much worse is predicted by what was learned from made people than from real ones (greatest gap of areas)",
    "membership": "how well people learned from are told from held-out ones by the nearest made person (0.5: not at all)",
    "copied_rows": "five events in a row of the training data that tell of somebody, among what was made",
    "copied_records": "whole records of the training data that tell of somebody, among what was made",
    "violations": "people who break a hard rule",
    "code_distance": "distance of the codes' shares of all events from those of all real people (total variation)",
    "length": "by how much the mean number of events differs from that of all real people",
    "prevalence": "how much of the differences between codes' prevalences made people do not have (1 - R², chance taken off)",
    "shapes": "greatest distance (KS) of a trait or of a feature of a life, with who lacks it, chance taken off",
}


def told_from(
    first: Numbers, second: Numbers, names: list[str], rng: np.random.Generator
) -> tuple[float, list[dict[str, Any]]]:
    """How well trees tell the second from the first, over people they were not grown on, and by which features."""
    count = min(len(first), len(second), JUDGED_MOST)
    rows = np.concatenate([first[rng.permutation(len(first))[:count]], second[rng.permutation(len(second))[:count]]])
    classes = np.arange(2 * count) >= count
    fold, scores, gains = rng.permutation(2 * count) % FOLDS, np.zeros(2 * count), np.zeros(len(names))
    for number in range(FOLDS):
        trees = grown(rows[fold != number], classes[fold != number], rng)
        scores[fold == number] = trees.scores(rows[fold == number])
        gains += trees.gains
    shares = gains / max(gains.sum(), 1e-9)
    top = [{"feature": names[place], "share": round(float(shares[place]), 3)} for place in np.argsort(-shares)[:10]]
    return area(scores, classes), top


def _utility(rows: list[Numbers], names: list[str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Trees grown on made people and on as many real ones, both asked about the hold-out: means over some samples, since one of
    2,000 moves an area by some hundredths."""
    train, holdout, made = rows
    count = min(len(made), len(train))
    found = list[dict[str, Any]]()
    for place, name in enumerate(names):
        if len(found) == TARGETS_MOST:
            break
        target = _target(name, holdout[:, place])
        if target is None:
            continue
        code = name.rpartition(":")[0]
        others = [at for at, other in enumerate(names) if at != place and not (code and other.startswith(f"{code}:"))]
        areas = [
            np.mean([_learned_area(some, holdout, place, others, target, rng) for some in _samples(source, count, rng)])
            for source in (made, train)
        ]
        found.append(
            {
                "target": name,
                "made": round(float(areas[0]), 4),
                "real": round(float(areas[1]), 4),
                "gap": round(float(areas[1] - areas[0]), 4),
            }
        )
    return found


def _samples(rows: Numbers, count: int, rng: np.random.Generator) -> list[Numbers]:
    """Samples of so many people with nobody in two of them."""
    order = rng.permutation(len(rows))
    return [rows[order[at * count : (at + 1) * count]] for at in range(min(SAMPLES_MOST, len(rows) // count))]


def _learned_area(
    some: Numbers, holdout: Numbers, place: int, others: list[int], target: float, rng: np.random.Generator
) -> float:
    """How well trees grown on some people tell, of those held out, who is above `target`."""
    known, there = some[~np.isnan(some[:, place])], holdout[~np.isnan(holdout[:, place])]
    trees = grown(known[:, others], known[:, place] > target, rng)
    return area(trees.scores(there[:, others]), there[:, place] > target)


def _target(name: str, column: Numbers) -> float | None:
    """Above which a feature is the second class: a trait of two levels, or whether a code was ever had."""
    levels = np.unique(column[~np.isnan(column)])
    if name.startswith("trait ") and len(levels) != 2:
        return None
    if not name.startswith("trait ") and not name.endswith(": how often"):
        return None
    return float(levels[0]) if RARE < (column > levels[0]).mean() < 1 - RARE else None


def membership(train: Numbers, holdout: Numbers, made: Numbers, rng: np.random.Generator) -> dict[str, float]:
    """The attack by the nearest made person: are people of the training data nearer to one than people held out are?"""
    count = min(len(train), len(holdout), JUDGED_MOST)
    # by chance, since a table may have an order
    both = np.concatenate([some[rng.permutation(len(some))[:count]] for some in (train, holdout)])
    there = ~np.isnan(both).all(axis=0)
    both = both[:, there]
    middle, spread = np.nanmedian(both, axis=0), np.nanstd(both, axis=0)
    kept = spread > 0
    scale = np.where(spread > 0, spread, 1)[kept]

    def shown(rows: Numbers) -> NDArray[np.float32]:
        filled = np.where(np.isnan(rows), middle, rows)[:, kept]
        found: NDArray[np.float32] = np.clip((filled - middle[kept]) / scale, -5, 5).astype(np.float32)
        return found

    asked, known = shown(both), shown(made[:, there])
    squares = (known**2).sum(axis=1)
    parts = np.array_split(asked, max(1, len(asked) // 500))
    nearest = np.concatenate([(squares - 2 * part @ known.T).min(axis=1) + (part**2).sum(axis=1) for part in parts])
    members = np.arange(2 * count) < count
    found = area(-nearest.astype(np.float64), members)
    error = float(np.sqrt((2 * count + 1) / 12)) / count  # of the area where nothing can be told
    return {
        "area": round(found, 4),
        "low": round(found - 1.96 * error, 4),
        "high": round(found + 1.96 * error, 4),
        "asked": 2 * count,
    }


def copies_of(model: Model, train: Cohort, made: Cohort) -> dict[str, int]:
    """How many made people have five events in a row, or a whole record, that tell of somebody of the training data; asked of
    the data, not of the filter."""
    own, whose = rows_hashed(model, made, 0)
    copied = np.isin(own, rare_rows(model, train, 0))
    records = np.isin(records_hashed(model, made, 0), telling_records(model, train, 0))
    return {"rows": len(np.unique(whose[copied])), "records": int(records.sum())}


def _shared_records(model: Model, train: Cohort, holdout: Cohort) -> int:
    return int(np.isin(records_hashed(model, holdout, 0), telling_records(model, train, 0)).sum())


def _code_shares(*cohorts: Cohort) -> Numbers:
    counts = np.bincount(np.concatenate([one.code for one in cohorts]), minlength=len(cohorts[0].codes))
    found: Numbers = counts / max(counts.sum(), 1)
    return found


def _had(cohort: Cohort) -> Numbers:
    pairs = np.unique(cohort.persons * len(cohort.codes) + cohort.code)
    return np.bincount(pairs % len(cohort.codes), minlength=len(cohort.codes)) / cohort.people


def _prevalence(holdout: Cohort, made: Cohort) -> dict[str, Any]:
    real, own = _had(holdout), _had(made)
    spread = float(((real - real.mean()) ** 2).sum())
    fit = 1 - float(((real - own) ** 2).sum()) / spread if spread else 1.0
    codes = [{"code": code, "real": round(float(one), 4), "made": round(float(other), 4)}
             for code, one, other in zip(holdout.codes, real, own, strict=True)]  # fmt: skip
    return {"r2": round(fit, 4), "codes": codes}


def _unexplained(holdout: Cohort, made: Cohort) -> float:
    """One less R² of the prevalences, without what two samples of their sizes differ by. Where all codes are about as common
    there is little to explain, and differences are held against five hundredths."""
    real, own = _had(holdout), _had(made)
    chance = float((real * (1 - real)).sum()) * (1 / holdout.people + 1 / made.people)
    spread = max(float(((real - real.mean()) ** 2).sum()), len(real) * 0.05**2)
    return max(0.0, float(((real - own) ** 2).sum()) - 2 * chance) / spread


def _beyond_chance(shown: list[dict[str, Numbers]], names: list[str]) -> float:
    """The greatest distance of the distributions of a feature (KS; who lacks it stands below all others), less what chance
    alone reaches once in a hundred times."""
    chance = 1.63 * float(np.sqrt(sum(1 / len(one[names[0]]) for one in shown[1:])))
    sides = [[np.where(np.isnan(one[name]), -np.inf, one[name]) for one in shown[1:]] for name in names]
    return max(0.0, max(_ks(real, own) for real, own in sides) - chance)


def _distances(shown: list[dict[str, Numbers]], names: list[str], of: str) -> list[dict[str, Any]]:
    """Quartiles of each feature in the hold-out and among the made, and the greatest distance of their distributions (KS)."""
    found = []
    for name in names:
        if name.startswith("trait ") != bool(of):
            continue
        real, own = (one[name][~np.isnan(one[name])] for one in shown[1:])
        if len(real) and len(own):
            quartiles = [[round(float(one), 3) for one in np.quantile(side, (0.25, 0.5, 0.75))] for side in (real, own)]
            missing = [round(float(np.isnan(one[name]).mean()), 4) for one in shown[1:]]
            found.append(
                {
                    "feature": name,
                    "real": quartiles[0],
                    "made": quartiles[1],
                    "missing": missing,
                    "distance": round(_ks(real, own), 4),
                }
            )
    return found


def _ks(first: Numbers, second: Numbers) -> float:
    at = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _pictures(shown: list[dict[str, Numbers]], names: list[str]) -> dict[str, Any]:
    """What the page draws: histograms of some features over one axis, as shares of people."""
    wanted = ["events", "first day", "span", "gap: mean", "gap: longest"]
    wanted += [
        name
        for name in names
        if name.startswith("trait ") or (name.endswith((": mean", ": autocorrelation")) and name not in wanted)
    ]
    drawn = []
    for name in wanted:
        real, own = (one[name][~np.isnan(one[name])] for one in shown[1:])
        if len(real) < 2 or len(own) < 2:
            continue
        low, high = np.quantile(np.concatenate([real, own]), (0.005, 0.995))
        edges = np.linspace(low, high if high > low else low + 1, 25)
        bars = [
            (np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] / len(one)).round(4).tolist()
            for one in (real, own)
        ]
        drawn.append({"name": name, "low": float(edges[0]), "high": float(edges[-1]), "real": bars[0], "made": bars[1]})
    return {"histograms": drawn}
