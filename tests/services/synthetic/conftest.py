"""A model of made-up people, learned once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the commands have it, before NumPy is there

from kjerne.services.synthetic import fitting, learning, model_file, tuning
from services.synthetic.made_tables import tables

QUICK = learning.Effort(hidden=(32, 32), epochs=10, rate=5e-3)
WANTED = fitting.Wanted(age="age", until="seen_until")


@pytest.fixture(autouse=True)
def in_the_closed_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here are used where what they were learned from lies."""
    monkeypatch.setenv("KJERNE_CLOSED_ZONE", "1")


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables(tmp_path_factory.mktemp("made") / "real")


@pytest.fixture(scope="session")
def source(made_folder: Path) -> fitting.Source:
    return fitting.Source([made_folder / "events.csv"], [made_folder / "static.csv"], generated=False)


@pytest.fixture(scope="session")
def model_path(source: fitting.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "made.synth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "BLOCKS", 1)
        model_file.saved(*fitting.fit(source, WANTED, QUICK, lambda *_: None), path)
    return path


@pytest.fixture(scope="session")
def kept(model_path: Path) -> model_file.Kept:
    return model_file.opened(model_path)
