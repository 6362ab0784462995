"""What is made is as what was learned from in the large, breaks no rule, and copies nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import copies, fitting, learning, model_file, rules, sampling, vocabulary
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.streams import Streams, philox
from services.synthetic.made_tables import EVENTS, tables, write


@pytest.fixture(scope="module")
def made(kept: model_file.Kept) -> Cohort:
    return sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies).of(np.arange(2000))


@pytest.fixture(scope="module")
def real(source: fitting.Source, kept: model_file.Kept) -> Cohort:
    return fitting.like(source, kept.model)


def share(cohort: Cohort, code: str) -> float:
    """Of all people those who have a code."""
    return len(np.unique(cohort.persons[cohort.code == cohort.codes.index(code)])) / cohort.people


def successive(cohort: Cohort) -> float:
    """How far a haemoglobin goes with the one before it."""
    rows = cohort.code == cohort.codes.index("hb")
    persons, values = cohort.persons[rows], cohort.values[rows]
    same = persons[1:] == persons[:-1]
    return float(np.corrcoef(values[1:][same], values[:-1][same])[0, 1])


def test_generated_people_have_codes_lengths_values_and_courses_as_real_ones(made: Cohort, real: Cohort) -> None:
    for code in real.codes:
        assert share(made, code) == pytest.approx(share(real, code), abs=0.1), code  # it was learned in a hurry
    assert made.lengths.mean() == pytest.approx(real.lengths.mean(), rel=0.1)
    assert successive(made) == pytest.approx(successive(real), abs=0.1)
    hb = [np.nanmean(one.values[one.code == one.codes.index("hb")]) for one in (made, real)]
    assert hb[0] == pytest.approx(hb[1], abs=0.2)


def test_traits_go_together_as_real_ones_do(made: Cohort, real: Cohort) -> None:
    def by_sex(cohort: Cohort) -> list[float]:
        sex, weight = cohort.traits[1].numbers, cohort.traits[2].numbers
        return [float(np.nanmean(weight[sex == level])) for level in (0, 1)]

    assert by_sex(made) == pytest.approx(by_sex(real), abs=2.5)
    assert np.isnan(made.traits[2].numbers).mean() == pytest.approx(0.2, abs=0.06)


def test_rules_that_the_table_shows_are_found_and_never_broken(kept: model_file.Kept, made: Cohort) -> None:
    told = kept.model.card["rules"]
    assert told == {"once": ["diabetes", "death"], "terminal": ["death"], "not_before_index": told["not_before_index"],
                    "only": ["birth: sex = F"], "ages": told["ages"],
                    "needs": ["smoker: after hb", "diabetes: after hb"]}  # fmt: skip
    assert "birth: below 55" in told["ages"]
    assert not [one for one in told["ages"] if one.startswith("hb")]
    assert {"diabetes"} <= set(told["not_before_index"])
    assert set(rules.violations(kept.model, made).values()) == {0}
    assert {"once", "order", "until"} < rules.violations(kept.model, made).keys()


def test_broken_rules_are_seen(kept: model_file.Kept, made: Cohort) -> None:
    spoiled = replace(
        made, times=np.full_like(made.times, 10**6), code=np.full_like(made.code, made.codes.index("birth"))
    )
    broken = rules.violations(kept.model, spoiled)
    assert broken["until"] > 1000
    assert broken["only"] > 500


def test_rules_given_by_hand_hold_or_are_refused_where_the_cohort_breaks_them(real: Cohort) -> None:
    given = rules.read_rules(b'{"only": [{"code": "smoker", "trait": "sex", "levels": ["M"]}]}', "rules.json")
    with pytest.raises(Refusal, match="break rules that were given: only"):
        rules.rules_of(real, given, "rules.json")
    given = rules.read_rules(b'{"not_before_index": ["death"], "terminal": ["death"]}', "rules.json")
    assert rules.rules_of(real, given, "rules.json").after[real.codes.index("death")]
    with pytest.raises(Refusal, match="not of their form"):
        rules.read_rules(b'{"never": []}', "rules.json")


def test_no_five_events_in_a_row_and_no_whole_record_of_training_come_out(
    kept: model_file.Kept, made: Cohort, real: Cohort
) -> None:
    salt = kept.copies.salt
    rare = set(copies.rare_rows(kept.model, real, salt).tolist())
    assert len(rare) > 500
    assert not rare & set(copies.rows_hashed(kept.model, made, salt)[0].tolist())
    assert not set(copies.records_hashed(kept.model, real, salt)) & set(copies.records_hashed(kept.model, made, salt))
    assert kept.copies.copied(kept.model, real).all()


def test_five_coarse_findings_of_one_examination_are_no_copy_and_five_of_a_course_are(
    tmp_path: Path, kept: model_file.Kept
) -> None:
    head, rng = ("id", "days", "code", "value"), np.random.default_rng(1)
    signs = [
        (f"p{number}", "5", f"sign {sign}", str(int(rng.random() < 0.3))) for number in range(200) for sign in range(6)
    ]
    course = [(f"p{number}", f"{day}", "hb", f"{rng.normal(14, 2):.1f}")
              for number in range(200) for day in np.cumsum(rng.integers(20, 400, 6))]  # fmt: skip
    found = list[float]()
    for rows in (signs + course[:1200:6], course):
        folder = tables(tmp_path / f"{len(found)}", people=200)
        write(folder / "events.csv", head, rows)
        source = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)
        cohort = vocabulary.guarded(cohort_of(source.told().events, source.told().traits), 10)
        grids = [vocabulary.grid_of(cohort.values[cohort.code == code], cohort.persons[cohort.code == code], 10)
                 for code in range(len(cohort.codes))]  # fmt: skip
        model = replace(kept.model, codes=cohort.codes, values=tuple(grids))
        rare = copies.rare_rows(model, cohort, 1)
        found.append(len(rare) / len(copies.rows_hashed(model, cohort, 1)[0]))
    assert found[0] < 0.05
    assert found[1] > 0.95


def test_who_comes_out_as_a_copy_is_made_anew_and_others_stay_as_they_were(
    kept: model_file.Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 512)
    streams = Streams(kept.hash, 5)
    first = sampling.block(kept.model, streams, 0, None)
    forbidden = copies.filter_of(kept.model, first.of(np.arange(50)), 1)
    anew = sampling.block(kept.model, streams, 0, forbidden)
    assert forbidden.copied(kept.model, first)[:50].all()
    assert not forbidden.copied(kept.model, anew).any()
    clean = np.flatnonzero(~forbidden.copied(kept.model, first))
    assert len(clean) > 400
    assert np.array_equal(first.of(clean).values, anew.of(clean).values, equal_nan=True)


def test_model_that_cannot_but_copy_is_refused(kept: model_file.Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 256)
    everything = copies.CopyFilter(1, np.full(8, 255, np.uint8))
    with pytest.raises(Refusal, match="repeats what it was learned from"):
        sampling.block(kept.model, Streams(kept.hash, 1), 0, everything)


def test_planted_canaries_never_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 1024)
    folder = tables(tmp_path / "canaries", people=300, seed=3)
    rows = [tuple(line.split(",")) for line in (folder / "events.csv").read_text().splitlines()[1:]]
    for number in range(20):  # a code of their own, a value that nobody else has, and a course that is theirs alone
        rows += [
            (f"p{number}", f"{day}", "hb", "41.7")
            for day in (11, 13 + number, 58 + 3 * number, 133 + 5 * number, 201 + 9 * number)
        ]
        rows.append((f"p{number}", "11", f"canary{number}", "7"))
    write(folder / "events.csv", EVENTS, rows)
    source = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)
    model, forbidden = fitting.fit(source, fitting.Wanted(), learning.Effort(hidden=(16,), epochs=2), lambda *_: None)
    assert not [code for code in model.codes if "canary" in code]
    assert any("20 codes of fewer than 10 people" in note for note in model.card["notes"])
    made = sampling.block(model, Streams("canaries", 1), 0, forbidden)
    taken = fitting.like(source, model).of(np.arange(20))
    theirs = set(copies.rows_hashed(model, taken, 1)[0].tolist())
    common = copies.rows_hashed(model, fitting.like(source, model).of(np.arange(20, 300)), 1)[0].tolist()
    assert not (theirs - set(common)) & set(copies.rows_hashed(model, made, 1)[0].tolist())


def test_random_numbers_are_those_that_philox_is_published_with() -> None:
    def one(counter: tuple[int, ...], key: tuple[int, int]) -> list[int]:
        words: Any = tuple(np.array([word], np.uint64) for word in counter)
        return [int(word[0]) for word in philox(words, key)]

    assert one((0, 0, 0, 0), (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    full = 0xFFFFFFFF
    assert one((full,) * 4, (full, full)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert one(pi, (0xA4093822, 0x299F31D0)) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
