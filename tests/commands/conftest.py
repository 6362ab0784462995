"""Commands are run as on a machine that has a data directory of its own: never on the one of this checkout."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for each file of tests, as each has its database."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def of_its_own(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What `make up` keeps in `data` is in use, with other keys than a test has."""
    monkeypatch.setenv("KJERNE_DATA", str(folder))
