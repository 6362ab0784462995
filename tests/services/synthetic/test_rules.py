"""Hard rules hold in all that is made, whatever the networks say: here they have learned next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import learning, model_file, network, people_model, rules, sampling, writing
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.streams import Streams
from kjerne.services.synthetic.tables import EventTable, TraitTable

Life = Callable[[np.random.Generator, str], list[tuple[float, str]]]
PEOPLE = 200


def referred(rng: np.random.Generator, sex: str) -> list[tuple[float, str]]:
    """One referral before day 0, and findings after it."""
    days = np.cumsum(rng.integers(1, 90, rng.integers(1, 5)))
    return [(-float(rng.integers(1, 60)), "referral"), *((float(day) - 1, "lab") for day in days)]


def of_one_sex(rng: np.random.Generator, sex: str) -> list[tuple[float, str]]:
    """Men have nothing but deaths, which come once, from day 0 on and last of all; women have births before it."""
    if sex == "M":
        return [(float(rng.integers(0, 400)), "death")]
    return [(float(day), "birth") for day in sorted(rng.integers(-500, -1, rng.integers(1, 6)))]


def by_the_minute(rng: np.random.Generator, sex: str) -> list[tuple[float, str]]:
    """Forty years in minutes: more of them than numbers of 32 bits tell apart."""
    return [(float(minutes) / 1440, "lab") for minutes in np.cumsum(rng.integers(1, 9_000_000, 5)) if minutes < 2.1e7]


def cohort(life: Life, until: bool = False) -> Cohort:
    rng = np.random.default_rng(1)
    sexes = ["FM"[number % 2] for number in range(PEOPLE)]
    lives = [life(rng, sex) for sex in sexes]
    rows = [(str(number), day, code) for number, events in enumerate(lives) for day, code in events]
    ids, days, codes = (list(one) for one in zip(*rows, strict=True))
    nothing: list[Any] = [None] * len(rows)
    traits: dict[str, list[str | None]] = {"sex": [*sexes], "smokes": [str(int(rng.integers(0, 2))) for _ in sexes]}
    if until:
        last = [max([0.0, *(day for day, _ in events)]) for events in lives]
        traits["until"] = [f"{day + rng.integers(0, 3):.9f}" for day in last]
    events = EventTable(ids, days, codes, nothing, [""] * len(rows), "events")
    return cohort_of(events, TraitTable([str(number) for number in range(PEOPLE)], traits, "static"))


def learned(found: Cohort, until: str = "") -> Model:
    effort = learning.Effort(hidden=(8,), epochs=1)
    return learning.learned(found, 10, "", until, rules.rules_of(found, None, ""), effort, 1, lambda *_: None)


@pytest.mark.parametrize(
    ("life", "until", "told"),
    [
        (referred, False, {"once": 1, "after": 1}),
        (of_one_sex, False, {"once": 1, "terminal": 1, "after": 1, "only": 2}),
        (of_one_sex, True, {"once": 1, "terminal": 1, "after": 1, "only": 2}),
        (by_the_minute, True, {}),
    ],
)
def test_no_rule_is_broken_where_the_networks_would_break_all(
    monkeypatch: pytest.MonkeyPatch, life: Life, until: bool, told: dict[str, int]
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 2048)
    model = learned(cohort(life, until), "until" if until else "")
    found = {name: sum(map(bool, getattr(model.rules, name))) for name in ("once", "terminal", "after", "only")}
    assert told.items() <= found.items()
    made = sampling.block(model, Streams("rules", 3), 0, None)
    assert made.lengths.sum() > 1000
    assert set(rules.violations(model, made).values()) == {0}


def test_minutes_of_forty_years_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    made = sampling.block(learned(cohort(by_the_minute)), Streams("rules", 3), 0, None)
    late = made.times[made.times > 2**24]
    assert len(late) > 10
    assert (late % 2 == 1).any()


def test_code_of_two_traits_is_had_by_those_who_have_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    model = learned(cohort(referred))
    lab = model.codes.index("lab")
    model = replace(model, rules=replace(model.rules, only=((lab, 0, 0), (lab, 1, 1))))
    made = sampling.block(model, Streams("rules", 3), 0, None)
    assert (made.code == lab).any()
    assert set(rules.violations(model, made).values()) == {0}


def test_least_and_greatest_number_that_can_be_drawn_choose_nothing_that_is_barred() -> None:
    logits, uniform = np.zeros((2, 4), np.float32), np.array([0, 1 - 2**-24], np.float32)
    barred = np.array([[True, False, False, True]] * 2)
    assert network.drawn_choice(logits, barred, uniform).tolist() == [1, 2]


def test_shard_that_breaks_a_rule_is_refused_and_not_written(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            people_model.Model,
            "barred_by_traits",
            lambda self, cells: np.zeros((len(cells), len(self.codes)), np.bool_),
        )
        folder = tmp_path / "broken"
        with pytest.raises(Refusal, match=r"people break a hard rule \(only \d+\)"):
            writing.generate(
                writing.Order(str(model_path), 7, 4_096, 4_096, "csv", str(folder)), "local", 1, lambda *_: None
            )
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]
        code, _, err = run("synth", "generate", str(model_path), "--out", str(folder), "--people", "4096", "--seed", "7",
                           "--format", "csv", "--shard-people", "4096")  # fmt: skip
        assert (code, "break a hard rule" in err) == (1, True)
        assert "break a hard rule" in run("synth", "generate", str(model_path), "--person", "5", "--seed", "7")[2]


def test_shard_that_once_broke_a_rule_is_made_anew(model_path: Path, tmp_path: Path, kept: model_file.Kept) -> None:
    order = writing.Order(str(model_path), 7, 100, 4_096, "csv", str(tmp_path / "old"))
    found = writing.generate(order, "local", 1, lambda *_: None)
    found.shards = [writing.msgspec.structs.replace(one, violations=3) for one in found.shards]
    writing._write(tmp_path / "old", found)
    assert [one.violations for one in writing.generate(order, "local", 1, lambda *_: None).shards] == [0]
