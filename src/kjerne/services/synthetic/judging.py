"""A report's figures: made people held against real ones that the model never saw, and against those it learned from.

Every gate has its limit here. What is measured of fidelity is between made people and the hold-out; of privacy, whether
people of the training data can be told from people of the hold-out by what was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic import attacks, usefulness
from kjerne.services.synthetic.boosting import area, grown
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.copies import rare_rows, records_hashed, rows_hashed, telling_records
from kjerne.services.synthetic.long_tail import long_tail
from kjerne.services.synthetic.memberships import Step, by_shadows, membership
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.portraits import commonest, side_by_side
from kjerne.services.synthetic.rules import violations
from kjerne.services.synthetic.subgroups import greatest_distance, subgroups
from kjerne.services.synthetic.survival import survival

FOLDS: Final = 5
STEPS: Final = 7
JUDGED_MOST: Final = 2_500
"""People of each side that a judge is shown."""
LIMITS: Final[Mapping[str, float]] = {
    "c2st": 0.75, "utility_gap": 0.04, "membership": 0.52, "shadows": 0.52, "singling_out": 0.05, "linkage": 0.05,
    "inference": 0.05, "copied_rows": 0, "copied_records": 0, "violations": 0, "code_distance": 0.02,
    "length": 0.03, "prevalence": 0.02, "shapes": 0.05,
}  # fmt: skip
"""Most that each gate lets pass."""

Numbers = NDArray[np.float64]


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


def judged(
    model: Model, train: Cohort, holdout: Cohort, made: Cohort, seed: int, step: Step, shadows: int = 0
) -> Report:
    """Hold made people against real ones; with so many shadow models, or none. `Refusal` where the hold-out is part of what was
    learned from."""
    shared = _shared_records(model, train, holdout)
    if shared > max(2, holdout.people // 100):
        says = f"{shared} people of the hold-out are in the training data too"
        raise Refusal(422, says, where="--holdout", todo="Split by person, before fitting.")
    rng = np.random.default_rng(seed)
    names, shown = side_by_side(train, holdout, made, codes=commonest(train, holdout))
    rows = [np.stack([one[name] for name in names], axis=1) for one in shown]
    step(1, STEPS, "measures")
    told_apart, top = told_from(rows[2], rows[1], names, rng)
    step(2, STEPS, "measures")
    control, _ = told_from(rows[0], rows[1], names, rng)
    step(3, STEPS, "measures")
    useful, scored = usefulness.utility(rows, names, rng)
    step(4, STEPS, "measures")
    codes = _code_shares(made) - _code_shares(train, holdout)
    length = made.lengths.mean() / np.concatenate([train.lengths, holdout.lengths]).mean()
    broken = violations(model, made)
    private, figures = _privacy(model, (train, holdout, made), rows, names, seed, step, shadows)
    values = {
        **private, "c2st": max(told_apart, 1 - told_apart), "violations": sum(broken.values()),
        "utility_gap": max([one["gap"] for one in useful], default=float("nan")),
        "code_distance": float(np.abs(codes).sum() / 2), "length": float(abs(length - 1)),
        "prevalence": _unexplained(holdout, made), "shapes": _beyond_chance(shown, names),
    }  # fmt: skip
    gates = tuple(Gate(name, _SAYS[name], round(float(values[name]), 4), LIMITS[name]) for name in LIMITS)
    figures |= {
        "people": {"train": train.people, "holdout": holdout.people, "made": made.people, "shared": shared},
        "told_apart": {"area": round(told_apart, 4), "control": round(control, 4), "by": top},
        "utility": useful, "violations": broken,
        "prevalence": _prevalence(holdout, made), "traits": _distances(shown, names, "trait "),
        "lives": _distances(shown, names, ""), "survival": survival(model, holdout, made),
        "subgroups": subgroups(model, (train, holdout, made), rows, names, scored),
        "long_tail": long_tail(train, holdout, made),
    }  # fmt: skip
    step(STEPS, STEPS, "measures")
    return Report(gates, figures, _pictures(shown, names))


def _privacy(
    model: Model, people: tuple[Cohort, Cohort, Cohort], rows: list[Numbers], names: list[str], seed: int, step: Step,
    shadows: int,
) -> tuple[dict[str, float], dict[str, Any]]:  # fmt: skip
    """Values of the gates of privacy, and what stands behind them."""
    train, holdout, made = people
    rng = np.random.default_rng([seed, 2])
    member = membership(rows[0], rows[1], rows[2], rng)
    copied = copies_of(model, train, made)
    step(5, STEPS, "measures")
    choices = [one.name for one in train.traits if one.is_choice]
    codes = [train.codes[code] for code in commonest(train, holdout)]
    risks, secrets = attacks.attacked(attacks.known(names, choices, rows, codes, rng), rng)
    step(6, STEPS, "measures")
    shadowed: dict[str, Any] = {"shadows": 0, "why_not": "no shadow models were asked for (--shadows)"}
    if shadows:
        try:
            shadowed = by_shadows(model, train, holdout, made, shadows, seed, step)
        except Refusal as refusal:
            shadowed = {"shadows": 0, "why_not": f"a shadow model could not be learned: {refusal.says}"}
    area_ = shadowed.get("area", float("nan"))
    values = {
        "membership": max(member["area"], 1 - member["area"]), "shadows": max(area_, 1 - area_),
        "singling_out": attacks.worst(risks, secrets, attacks.SINGLING_OUT),
        "linkage": attacks.worst(risks, secrets, attacks.LINKAGE),
        "inference": attacks.worst(risks, secrets, attacks.INFERENCE),
        "copied_rows": copied["rows"], "copied_records": copied["records"],
    }  # fmt: skip
    figures = {"membership": member, "shadows": shadowed, "attacks": [one.told() for one in risks],
               "secrets": [one.told() for one in secrets], "copies": copied}  # fmt: skip
    return values, figures


_SAYS: Final = {
    "c2st": "how well a judge tells made people from held-out ones (0.5: not at all)",
    "utility_gap": "how much worse is predicted by what was learned from made people than from real ones (greatest gap of areas)",
    "shadows": "the same by shadow models, which know how near somebody lies who was not learned from (0.5: not at all)",
    "singling_out": "upper bound (95 %) of the risk that what describes one made person fits exactly one person learned from",
    "linkage": "upper bound of the risk that made people show which two halves of a record are one person's",
    "inference": "upper bound of the risk that made people tell what somebody learned from keeps to herself",
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
    return max(0.0, max(greatest_distance(real, own) for real, own in sides) - chance)


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
                    "distance": round(greatest_distance(real, own), 4),
                }
            )
    return found


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
