"""The report measures what is there, its gates refuse what is bad, and a hold-out that was learned from is none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journeys.chromium import AXE, RULES, VIOLATIONS, WIDTHS, browser
from kjerne.errors import Refusal
from kjerne.services.synthetic import (
    boosting,
    fitting,
    judging,
    memberships,
    model_file,
    portraits,
    report_page,
    report_words,
    reporting,
    sampling,
    tuning,
    usefulness,
)
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.streams import Streams
from services.synthetic.made_tables import tables


@pytest.fixture(scope="module")
def holdout_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables(tmp_path_factory.mktemp("held") / "holdout", people=400, seed=2)


@pytest.fixture(scope="module")
def holdout(holdout_folder: Path, kept: model_file.Kept) -> Cohort:
    source = fitting.Source([holdout_folder / "events.csv"], [holdout_folder / "static.csv"], generated=False)
    return fitting.like(source, kept.model)


@pytest.fixture(scope="module")
def real(source: fitting.Source, kept: model_file.Kept) -> Cohort:
    return fitting.like(source, kept.model)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "TREES", 25)
    monkeypatch.setattr(usefulness, "TARGETS_MOST", 1)


def test_trees_find_what_is_there_and_nothing_where_nothing_is() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((1200, 4))
    second = (rows[:, 1] > 0) ^ (rows[:, 2] > 0.5)
    rows[rng.random((1200, 4)) < 0.05] = np.nan
    trees = boosting.grown(rows[:800], second[:800], rng)
    assert boosting.area(trees.scores(rows[800:]), second[800:]) > 0.9
    assert set(np.argsort(trees.gains)[2:]) == {1, 2}
    noise = rng.random(1200) < 0.5
    trees = boosting.grown(rows[:800], noise[:800], rng)
    assert boosting.area(trees.scores(rows[800:]), noise[800:]) == pytest.approx(0.5, abs=0.08)


def test_area_is_the_share_of_pairs_in_their_order() -> None:
    scores, second = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert boosting.area(scores, second) == pytest.approx(3.5 / 4)
    assert boosting.area(-scores, second) == pytest.approx(0.5 / 4)


def test_portrait_holds_what_a_person_is_in_the_whole(real: Cohort) -> None:
    found = portraits.portraits(real, portraits.commonest(real))
    one = int(np.argmax(real.lengths))
    rows = slice(real.first[one], real.first[one + 1])
    hb = real.values[rows][real.code[rows] == real.codes.index("hb")]
    assert found["hb: how often"][one] == len(hb)
    assert found["hb: mean"][one] == pytest.approx(hb.mean())
    assert found["hb: spread"][one] == pytest.approx(hb.std())
    assert found["hb: change"][one] == pytest.approx(hb[-1] - hb[0])
    assert found["span"][one] == real.times[rows][-1] - real.times[rows][0]
    centred = hb - hb.mean()
    assert found["hb: autocorrelation"][one] == pytest.approx((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    nobody = np.flatnonzero(real.lengths == 0)
    assert np.isnan(found["span"][nobody]).all()


def test_copied_people_fail_every_gate_of_privacy(kept: model_file.Kept, real: Cohort, holdout: Cohort) -> None:
    report = judging.judged(kept.model, real, holdout, real, 1, lambda *_: None)
    failed = {gate.name for gate in report.gates if not gate.passed}
    assert {"membership", "singling_out", "linkage", "inference", "copied_rows", "copied_records"} <= failed
    assert report.figures["membership"]["area"] > 0.99
    assert report.figures["copies"]["records"] == real.people
    assert report.figures["utility"][0]["gap"] == pytest.approx(0, abs=0.02)
    assert not report.passed


def test_people_of_another_kind_are_told_apart_and_rules_that_they_break_are_counted(
    kept: model_file.Kept, real: Cohort, holdout: Cohort
) -> None:
    strange = replace(holdout, values=holdout.values + 3, times=holdout.times + 5000)
    report = judging.judged(kept.model, real, strange, holdout, 1, lambda *_: None)
    values = {gate.name: gate.value for gate in report.gates}
    assert values["c2st"] > 0.95
    assert values["violations"] == report.figures["violations"]["ages"] < 20  # others are now and then older
    report = judging.judged(kept.model, real, holdout, strange, 1, lambda *_: None)
    assert {gate.name: gate.value for gate in report.gates}["violations"] > 100


def test_made_people_pass_gates_of_privacy_and_rules(kept: model_file.Kept, real: Cohort, holdout: Cohort) -> None:
    made = sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(400))
    report = judging.judged(kept.model, real, holdout, made, 1, lambda *_: None)
    values = {gate.name: gate.value for gate in report.gates}
    assert values["copied_rows"] == values["copied_records"] == values["violations"] == 0
    assert values["membership"] < 0.56
    assert values["c2st"] < 0.85
    assert report.figures["prevalence"]["r2"] > 0.9


def test_people_who_lack_what_real_ones_have_are_told_apart_by_it(
    kept: model_file.Kept, real: Cohort, holdout: Cohort
) -> None:
    def values(made: Cohort) -> dict[str, float]:
        report = judging.judged(kept.model, real, holdout, made, 1, lambda *_: None)
        return {gate.name: gate.value for gate in report.gates}

    made = sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(400))
    assert values(made)["shapes"] < 0.25  # it was learned in a hurry
    without = values(replace(made, values=np.full_like(made.values, np.nan)))
    assert without["c2st"] > 0.95
    assert without["shapes"] > 0.5
    hb = made.codes.index("hb")
    other = values(replace(made, code=np.where(made.code == hb, made.codes.index("smoker"), made.code)))
    assert other["prevalence"] > 0.5


def test_figure_that_could_not_be_had_does_not_pass(
    kept: model_file.Kept, real: Cohort, holdout: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usefulness, "TARGETS_MOST", 0)
    report = judging.judged(kept.model, real, holdout, holdout, 1, lambda *_: None)
    (gate,) = (one for one in report.told()["gates"] if one["gate"] == "utility_gap")
    assert (gate["value"], gate["passed"]) == (None, False)


def test_area_far_below_a_half_tells_as_much_as_one_far_above(
    kept: model_file.Kept, real: Cohort, holdout: Cohort
) -> None:
    report = judging.judged(kept.model, real, holdout, holdout, 1, lambda *_: None)
    values = {gate.name: gate.value for gate in report.gates}
    assert report.figures["membership"]["area"] < 0.1
    assert report.figures["told_apart"]["area"] < 0.25
    assert values["membership"] > 0.9
    assert values["c2st"] > 0.75


def test_folder_that_this_model_did_not_make_is_not_its_own(
    run: Any, kept: model_file.Kept, model_path: Path, made_folder: Path, holdout_folder: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    assert run("synth", "generate", str(model_path), "--out", str(people), "--people", "60", "--format", "csv")[0] == 0
    words = ("synth", "report", str(model_path), "--real", str(made_folder), "--synthetic")
    against = ("--holdout", str(holdout_folder))
    assert "without a manifest" in run(*words, str(holdout_folder), *against)[2]
    manifest = (people / "manifest.json").read_text()
    (people / "manifest.json").write_text(manifest.replace(kept.hash, "0" * 64))
    assert "made by another model" in run(*words, str(people), *against)[2]
    (people / "manifest.json").write_text(manifest)
    assert "people held out were generated" in run(*words, str(people), "--holdout", str(people))[2]
    events = people / "events-00000.csv"
    events.write_text("\n".join(events.read_text().splitlines()[:-1]) + "\n")
    assert "not those that were made" in run(*words, str(people), *against)[2]


def test_hold_out_that_was_learned_from_is_refused(kept: model_file.Kept, source: fitting.Source, real: Cohort) -> None:
    with pytest.raises(Refusal, match="learned from the hold-out"):
        reporting.report(kept, source, source, None, 1, lambda *_: None)
    with pytest.raises(Refusal, match="of the hold-out are in the training data too"):
        judging.judged(kept.model, real, real.of(np.arange(200)), real, 1, lambda *_: None)


def test_split_puts_every_row_of_a_person_in_one_part(run: Any, made_folder: Path, tmp_path: Path) -> None:
    code, out, _ = run("synth", "split", str(made_folder), "--out", str(tmp_path / "parts"), "--share", "0.3", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["train"] + told["holdout"] == 400
    assert 80 < told["holdout"] < 160
    for table in ("events.csv", "static.csv"):
        parts = [(tmp_path / "parts" / part / table).read_text().splitlines() for part in ("train", "holdout")]
        assert parts[0][0] == parts[1][0] == (made_folder / table).read_text().splitlines()[0]
        people = [{row.split(",")[0] for row in part[1:]} for part in parts]
        assert not people[0] & people[1]
        assert len(parts[0]) + len(parts[1]) - 1 == len((made_folder / table).read_text().splitlines())
    assert "cannot be made" in run("synth", "split", str(made_folder), "--out", str(tmp_path / "parts"))[2]


def test_report_is_a_page_and_a_document_and_its_exit_code_is_the_gates(
    run: Any, model_path: Path, made_folder: Path, holdout_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "BLOCKS", 1)
    words = ("synth", "report", str(model_path), "--real", str(made_folder), "--holdout", str(holdout_folder))
    code, out, _ = run(*words, "--shadows", "2", "--out", str(tmp_path / "report"), "--json")
    told = json.loads(out)
    assert (code == 0) == told["passed"] == all(gate["passed"] for gate in told["gates"])
    assert {gate["gate"] for gate in told["gates"]} == set(judging.LIMITS)
    assert {one["attack"] for one in told["attacks"]} == {"singling out", "linkage", "inference"}
    assert told["shadows"]["shadows"] == 2
    assert told["survival"]
    assert told["subgroups"]
    assert told["long_tail"]["ends"]
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == told
    page = (tmp_path / "report" / "report.html").read_text()
    assert not re.search(r"<script|https?://|\son\w+=", page)
    assert "real people" in page
    assert page.count("<svg") > 8
    assert told["left_out"] == {"train": [], "holdout": [], "made": []}
    strange = tables(tmp_path / "strange", people=60, seed=9)
    rows = (strange / "events.csv").read_text().replace(",smoker,", ",unheard of,")
    (strange / "events.csv").write_text(rows)
    out = run(*words[:6], str(strange))[1]
    assert f"note: holdout: {rows.count('unheard of')} events have a code that the model does not know" in out
    few = tables(tmp_path / "few", people=20, seed=4)
    assert "too few people to judge: 20" in run(*words[:6], str(few))[2]
    assert "learn in pairs" in run(*words, "--shadows", "3")[2]


def test_every_part_of_the_page_says_how_it_is_read_and_every_picture_has_a_table(
    kept: model_file.Kept, real: Cohort, holdout: Cohort
) -> None:
    made = sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(400))
    report = judging.judged(kept.model, real, holdout, made, 1, lambda *_: None)
    page = report_page.page(report, dict(kept.model.card), kept.hash)
    parts = {part.partition("</h2>")[0]: part for part in page.split("<h2>")[1:]}
    assert set(report_words.HOW) <= set(parts)
    for name, part in parts.items():
        assert name == "Card" or 'class="how"' in part, name
        assert "<svg" not in part or "<table" in part, name
    assert page.count("<svg") == page.count('<svg role="img" aria-label="')
    assert page.count("<table") == page.count("<caption") == page.count('role="region" tabindex="0" aria-label="')
    assert 'name="viewport"' in page
    assert "no shadow models were asked for" in parts["Membership"]
    (gate,) = (one for one in report.told()["gates"] if one["gate"] == "shadows")
    assert (gate["value"], gate["passed"]) == (None, False)


def test_page_of_a_report_holds_what_every_page_must_at_both_widths(
    kept: model_file.Kept, real: Cohort, holdout: Cohort
) -> None:
    made = sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(400))
    report = judging.judged(kept.model, real, holdout, made, 1, lambda *_: None)
    with browser() as opened:
        for width in WIDTHS:
            page = opened.new_page(viewport={"width": width, "height": 800})
            page.set_content(report_page.page(report, dict(kept.model.card), kept.hash))
            page.evaluate(AXE.read_text("utf-8"))
            assert page.evaluate(VIOLATIONS, RULES) == []
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            page.close()


def test_model_whose_shadows_cannot_be_learned_has_no_figure_of_them_and_is_told_why(
    kept: model_file.Kept, real: Cohort, holdout: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_few(*_: object) -> None:
        raise Refusal(422, "fewer than 10 people have events", where="the event table")

    monkeypatch.setattr(memberships, "_shadow", too_few)
    report = judging.judged(kept.model, real, holdout, holdout, 1, lambda *_: None, 2)
    assert "fewer than 10 people have events" in report.figures["shadows"]["why_not"]
    assert not {one.name: one.passed for one in report.gates}["shadows"]
    assert "fewer than 10 people" in report_page.page(report, dict(kept.model.card), kept.hash)
