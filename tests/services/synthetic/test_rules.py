"""Hard rules hold in all that is made, whatever the networks say: here they have learned next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import copies, learning, model_file, network, people_model, rules, sampling, writing
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


def learned(found: Cohort, until: str = "", age: str = "", given: rules.RuleFile | None = None) -> Model:
    effort = learning.Effort(hidden=(8,), epochs=1)
    return learning.learned(found, 10, age, until, rules.rules_of(found, given, "", age), effort, 1, lambda *_: None)


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


def of_all_ages() -> Cohort:
    """Fifteen women of 18 to 44 give birth, all children under three are vaccinated, and of one person in ten the age is not
    known."""
    rng = np.random.default_rng(2)
    ages, sexes = np.round(rng.uniform(0, 90, 600), 1), rng.choice([*"FM"], 600)
    mothers = np.flatnonzero((sexes == "F") & (ages > 18) & (ages < 44))[:15]
    rows = [(number, float(day), "lab") for number in range(600) for day in np.cumsum(rng.integers(1, 900, 4))]
    rows += [(int(number), 30.0, "birth") for number in mothers]
    rows += [(int(number), 30.0, "vaccine") for number in np.flatnonzero(ages < 3)]
    ids, days, codes = (list(one) for one in zip(*((str(one), day, code) for one, day, code in rows), strict=True))
    told: list[str | None] = [
        None if number % 10 == 5 and number not in mothers else str(ages[number]) for number in range(600)
    ]
    events = EventTable(ids, days, codes, [None] * len(rows), [""] * len(rows), "events")
    return cohort_of(events, TraitTable([str(one) for one in range(600)], {"sex": [*sexes], "age": told}, "static"))


def test_codes_are_had_at_ages_and_by_the_sex_that_had_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 2048)
    found = of_all_ages()
    model = learned(found, age="age")
    windows = dict(zip(model.codes, model.rules.ages, strict=True))
    assert windows["vaccine"] == (rules.AGES[0], 5)
    assert windows["lab"] == rules.AGES
    assert 15 <= windows["birth"][0] < windows["birth"][1] <= 45
    made = sampling.block(model, Streams("rules", 3), 0, None)
    births = made.code == made.codes.index("birth")
    assert births.sum() > 20
    assert set(made.traits[0].numbers[made.persons[births]]) == {0}  # F
    assert set(rules.violations(model, made).values()) == {0}
    older = replace(made, times=made.times + 60 * 365)
    assert rules.violations(model, older)["ages"] > 50


def test_ages_given_by_hand_stand_before_those_that_are_seen_and_hold_in_the_cohort() -> None:
    found = of_all_ages()
    given = rules.read_rules(b'{"ages": [{"code": "birth", "least": 12, "below": 55}]}', "rules.json")
    assert (12, 55) in rules.rules_of(found, given, "", "age").ages
    with pytest.raises(Refusal, match="no trait is the age"):
        rules.rules_of(found, given, "")
    given = rules.read_rules(b'{"once": ["brith"]}', "rules.json")
    with pytest.raises(Refusal, match="no code brith is learned"):
        rules.rules_of(found, given, "", "age")
    given = rules.read_rules(b'{"ages": [{"code": "lab", "least": 30, "below": 55}]}', "rules.json")
    with pytest.raises(Refusal, match=r"break rules that were given: ages"):
        rules.rules_of(found, given, "", "age")


def treated(rng: np.random.Generator, sex: str) -> list[tuple[float, str]]:
    """Some are found ill, and after that, or at that moment, treated; others are looked at alone."""
    days = [float(day) for day in np.cumsum(rng.integers(1, 90, 6))]
    if sex == "M":
        return [(day, "lab") for day in days]
    return [(days[0], "lab"), (days[1], "ill"), *((day, "drug") for day in days[int(rng.integers(1, 4)) :])]


def test_nobody_has_a_code_before_the_one_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    found = cohort(treated)
    free = sampling.block(learned(found), Streams("rules", 3), 0, None)
    given = rules.read_rules(b'{"needs": [{"code": "drug", "first": "ill"}]}', "rules.json")
    model = learned(found, given=given)
    assert rules.broken_rules(model.rules, free)["needs"] > 50  # as nothing else would have kept it
    made = sampling.block(model, Streams("rules", 3), 0, None)
    assert (made.code == model.codes.index("drug")).sum() > 50
    assert set(rules.violations(model, made).values()) == {0}
    traits = {place: (one.name, one.levels) for place, one in enumerate(found.traits)}
    assert "drug: after ill" in rules.told_rules(model.rules, model.codes, traits)["needs"]
    kept = model_file.unpacked(model_file.packed(model, copies.CopyFilter(1, np.zeros(8, np.uint8))), "the model")
    assert kept.model.rules.needs == model.rules.needs


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b'{"needs": [{"code": "ill", "first": "drug"}]}', r"break rules that were given: needs \("),
        (b'{"needs": [{"code": "drug", "first": "sick"}]}', "no code sick is learned"),
        (b'{"needs": [{"code": "drug", "first": "drug"}]}', "wait for each other"),
        (b'{"needs": [{"code": "drug", "first": "ill"}, {"code": "ill", "first": "drug"}]}', "wait for each other"),
    ],
)
def test_order_that_the_cohort_does_not_keep_or_nobody_can_is_refused(given: bytes, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        rules.rules_of(cohort(treated), rules.read_rules(given, "rules.json"), "rules.json")


def followed(rng: np.random.Generator, sex: str) -> list[tuple[float, str]]:
    """Ill, operated and then looked after; coughs come whenever they do, and a code of every visit before anything else at it."""
    days = sorted(float(day) for day in rng.permutation(900)[:6])
    coughs = [(float(day), "cough") for day in rng.integers(0, 900, 3)]
    visits = [(day, "visit") for day, _ in coughs] + [(day, "visit") for day in days]
    course = [(days[1], "ill"), (days[3], "operated"), (days[4], "seen"), (days[5], "seen")] if sex == "F" else []
    return [*visits, *coughs, *course]


def test_order_of_codes_that_the_table_shows_is_found_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    model = learned(cohort(followed))
    traits: dict[int, tuple[str, tuple[str, ...]]] = {
        place: (one.name, one.levels) for place, one in enumerate(model.traits)
    }
    told = set(rules.told_rules(model.rules, model.codes, traits)["needs"])
    assert {"operated: after ill", "seen: after operated"} <= told
    assert "seen: after ill" not in told  # it follows from the other two
    assert not [one for one in told if one.endswith("after cough")]
    made = sampling.block(model, Streams("rules", 3), 0, None)
    assert (made.code == model.codes.index("seen")).sum() > 50
    assert set(rules.violations(model, made).values()) == {0}


def test_drug_of_the_day_on_which_its_rarer_disease_is_found_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    found = cohort(treated)
    assert found.codes.index("drug") < found.codes.index("ill")
    ordered = rules.in_order(found)
    assert ordered.codes.index("ill") < ordered.codes.index("drug")
    told = [
        sorted(zip(one.persons, one.times, [one.codes[at] for at in one.code], strict=True)) for one in (found, ordered)
    ]
    assert told[0] == told[1]
    model = learned(ordered)
    assert (model.codes.index("drug"), model.codes.index("ill")) in model.rules.needs
    made = sampling.block(model, Streams("rules", 3), 0, None)
    drugs = made.code[1:][(made.times[1:] == made.times[:-1]) & (made.code[:-1] == model.codes.index("ill"))]
    assert (drugs == model.codes.index("drug")).any()
    assert set(rules.violations(model, made).values()) == {0}


def test_order_that_is_given_is_kept_at_one_moment_too() -> None:
    found = cohort(followed)
    given = [rules.RuleFile(needs=[rules.Needs("visit", "cough"), rules.Needs("cough", "seen"), rules.Needs("x", "ill")]),
             rules.RuleFile(needs=[rules.Needs("visit", "cough"), rules.Needs("cough", "visit")])]  # fmt: skip
    ordered = rules.in_order(found, given[0]).codes
    assert ordered.index("seen") < ordered.index("cough") < ordered.index("visit")
    assert set(rules.in_order(found, given[1]).codes) == set(
        found.codes
    )  # that they wait for each other is told elsewhere


@pytest.mark.parametrize("seed", range(5))
def test_codes_that_come_as_they_fall_wait_for_none(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def anyhow(_: np.random.Generator, sex: str) -> list[tuple[float, str]]:
        common = [(float(day), "common") for day in rng.integers(0, 900, 12)]
        return [*common, *((float(day), f"c{rng.integers(0, 6)}") for day in rng.integers(0, 900, rng.integers(1, 6)))]

    assert rules.rules_of(cohort(anyhow), None, "").needs == ()


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
