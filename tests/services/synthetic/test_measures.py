"""Survival, subgroups, the long tail and use: each measure finds what was done to people, and tells how much chance does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.services.synthetic import fitting, model_file, portraits, sampling, usefulness
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.long_tail import long_tail
from kjerne.services.synthetic.subgroups import subgroups
from kjerne.services.synthetic.survival import kaplan_meier, survival
from services.synthetic.made_tables import tables


@pytest.fixture(scope="module")
def sides(
    kept: model_file.Kept, source: fitting.Source, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Cohort, Cohort, Cohort]:
    """People learned from, held out, and some of the same law who stand for made ones."""
    found = [fitting.like(source, kept.model)]
    for seed in (2, 3):
        folder: Path = tables(tmp_path_factory.mktemp("sides") / "some", people=400, seed=seed)
        some = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)
        found.append(fitting.like(some, kept.model))
    return found[0], found[1], found[2]


def test_curve_is_the_published_one() -> None:
    """Freireich et al. 1963, the 21 children treated with 6-MP, with the shares and deviations of Kleinbaum and Klein."""
    weeks = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    at = np.array([0.0, 5, 6, 7, 10, 13, 16, 22, 23, 40])
    share, spread = kaplan_meier(np.array(weeks, np.float64), np.arange(21) < 9, at)
    known = [1, 1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482, 0.4482]
    assert share == pytest.approx(known, abs=1e-4)
    about = [0, 0, 0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346, 0.1346]
    assert spread == pytest.approx(about, abs=1e-4)


def test_curve_of_everybody_ends_at_nobody() -> None:
    share, spread = kaplan_meier(np.array([1.0, 2.0]), np.array([True, True]), np.array([0.5, 1.5, 2.5]))
    assert (share.tolist(), np.isfinite(spread).all()) == ([1, 0.5, 0], True)


def test_who_has_it_later_leaves_the_band(kept: model_file.Kept, sides: tuple[Cohort, Cohort, Cohort]) -> None:
    _, holdout, made = sides
    honest = {one["what"]: one for one in survival(kept.model, holdout, made)}
    assert {"death", "diabetes"} <= set(honest)
    assert "hb" not in honest or honest["hb"]["had"][0] >= 10
    assert honest["diabetes"]["outside"] < 0.2
    assert honest["diabetes"]["distance"] < 0.12
    diabetes = made.codes.index("diabetes")
    never = replace(made, code=np.where(made.code == diabetes, made.codes.index("smoker"), made.code))
    later = {one["what"]: one for one in survival(kept.model, holdout, never)}["diabetes"]
    assert later["had"][1] == 0
    assert later["made"][-1] == 1
    assert later["outside"] > 0.7
    for one in honest.values():
        assert all(low <= share <= high for low, share, high in zip(one["low"], one["real"], one["high"], strict=True))


def test_group_that_is_made_worse_than_others_is_told(
    kept: model_file.Kept, sides: tuple[Cohort, Cohort, Cohort]
) -> None:
    train, holdout, made = sides
    women = made.traits[[one.name for one in made.traits].index("sex")]
    hers = (women.numbers == women.levels.index("F"))[made.persons]
    smoker, hb = made.codes.index("smoker"), made.codes.index("hb")
    worse = replace(made, code=np.where(hers & (made.code == smoker), hb, made.code))
    found = {one["group"]: one for one in _groups(kept, (train, holdout, worse))}
    assert found["sex: F"]["codes"] > 4 * found["sex: F"]["codes_real"]
    assert found["sex: M"]["codes"] < 3 * found["sex: M"]["codes_real"] + 0.02
    assert found["sex: F"]["farthest"].startswith(("smoker", "hb"))
    assert found["sex: F"]["distance"] > 0.3
    ages = [name for name in found if name.startswith("age: ")]
    assert len(ages) == 4
    assert sum(found[name]["share"][0] for name in ages) == pytest.approx(1, abs=0.01)
    told = [one for one in found.values() if one["target"]]
    assert told
    assert all(0 <= one["made"] <= 1 and 0 <= one["real"] <= 1 for one in told)


def _groups(kept: model_file.Kept, people: tuple[Cohort, Cohort, Cohort]) -> list[dict[str, Any]]:
    names, shown = portraits.side_by_side(*people, codes=portraits.commonest(*people[:2]))
    rows = [np.stack([one[name] for name in names], axis=1) for one in shown]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usefulness, "TARGETS_MOST", 2)
        _, scored = usefulness.utility(rows, names, np.random.default_rng(1))
    return subgroups(kept.model, people, rows, names, scored)


def test_groups_of_few_people_are_not_shown(kept: model_file.Kept, sides: tuple[Cohort, Cohort, Cohort]) -> None:
    few = sampling.joined([sides[1].of(np.arange(60))])
    found = _groups(kept, (sides[0], few, sides[2]))
    assert all(min(one["people"]) >= 50 for one in found)
    assert not any(one["group"].startswith("age") for one in found)


def test_what_is_rare_and_what_lies_far_out_is_held_against_what_is_expected(
    sides: tuple[Cohort, Cohort, Cohort],
) -> None:
    train, holdout, made = sides
    rare = [_with_rare(one, count) for one, count in ((train, 3), (holdout, 2), (made, 0))]
    found = long_tail(*rare)
    assert (found["codes"], found["made_codes"]) == (1, 0)
    assert found["shown"] == [{"code": "odd", "real": 2, "made": 0, "expected": 2.5}]
    assert found["people"] == [0.005, 0]
    assert long_tail(rare[0], rare[1], rare[0])["shown"][0]["made"] == 3
    (hb,) = (one for one in found["ends"] if one["code"] == "hb")
    assert hb["above"] == pytest.approx(0.01, abs=0.012)
    narrow = replace(rare[2], values=np.clip(rare[2].values, 12, 15))
    (hb,) = (one for one in long_tail(rare[0], rare[1], narrow)["ends"] if one["code"] == "hb")
    assert hb["below"] == hb["above"] == 0 < hb["below_real"]


def _with_rare(cohort: Cohort, count: int) -> Cohort:
    """The cohort with a code that so many people have, in place of one of their events."""
    code, whose = cohort.code.copy(), np.flatnonzero(cohort.lengths)[:count]
    code[cohort.first[whose]] = len(cohort.codes)
    return replace(cohort, codes=(*cohort.codes, "odd"), units=(*cohort.units, ""), code=code)
