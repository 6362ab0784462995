"""People with few events or none are learned and made as they are: a record that many share, or that chance makes, is no copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import copies, fitting, judging, learning, model_file, sampling, tuning
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.streams import Streams
from services.synthetic.made_tables import EVENTS, write

EFFORT = learning.Effort(hidden=(16,), epochs=6, rate=5e-3)


def register(folder: Path, people: int = 1200, seed: int = 1) -> fitting.Source:
    """Diagnoses of a practice: 45 % have none, others one to three, and of each only sex and age group are known."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    traits, rows = [], list[tuple[str, int, str, str]]()
    for number in range(people):
        traits.append((f"p{number}", "FM"[rng.integers(2)], f"group {rng.integers(4)}"))
        days = np.cumsum(rng.integers(1, 200, rng.choice([1, 1, 2, 3]) if rng.random() < 0.55 else 0))
        rows += [(f"p{number}", int(day), f"D{rng.integers(8)}", "") for day in days]
    write(folder / "events.csv", EVENTS, rows)
    write(folder / "static.csv", ("id", "sex", "group"), traits)
    return fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> fitting.Source:
    return register(tmp_path_factory.mktemp("few") / "real")


@pytest.fixture(scope="module")
def fitted(source: fitting.Source) -> model_file.Kept:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "BLOCKS", 1)
        return model_file.Kept(*fitting.fit(source, fitting.Wanted(), EFFORT, lambda *_: None), "few")


@pytest.fixture(scope="module")
def real(source: fitting.Source, fitted: model_file.Kept) -> Cohort:
    return fitting.like(source, fitted.model)


def test_as_many_as_really_have_no_event_are_made_without_one(fitted: model_file.Kept, real: Cohort) -> None:
    made = sampling.block(fitted.model, Streams("few", 1), 0, fitted.copies)
    for length in (0, 1, 2):
        assert (made.lengths == length).mean() == pytest.approx((real.lengths == length).mean(), abs=0.05), length
    assert not judging.copies_of(fitted.model, real, made)["records"]
    assert fitted.model.card["made_anew"] < 0.05


def test_record_is_a_copy_unless_many_have_it_or_chance_makes_it(fitted: model_file.Kept, real: Cohort) -> None:
    told = np.isin(copies.records_hashed(fitted.model, real, 1), copies.telling_records(fitted.model, real, 1))
    assert not told[real.lengths == 0].any()
    assert told[real.lengths == 3].mean() > 0.95
    assert 0 < told.mean() < 0.5


def test_hold_out_of_people_with_few_events_is_not_taken_for_the_training_data(
    fitted: model_file.Kept, real: Cohort, tmp_path: Path
) -> None:
    holdout = fitting.like(register(tmp_path / "held", seed=2), fitted.model)
    assert judging._shared_records(fitted.model, real, holdout) <= 2
    assert judging._shared_records(fitted.model, real, real) > 100


def test_model_that_would_do_little_but_copy_is_refused_when_it_is_fitted(
    source: fitting.Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 256)
    monkeypatch.setattr(tuning, "ROUNDS", 0)
    monkeypatch.setattr(copies.CopyFilter, "holds", lambda self, hashes: np.ones(len(hashes), np.bool_))
    with pytest.raises(Refusal, match="repeats what it was learned from"):
        fitting.fit(source, fitting.Wanted(), learning.Effort(hidden=(8,), epochs=1), lambda *_: None)
