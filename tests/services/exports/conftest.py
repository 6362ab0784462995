"""The same house as the results' tests, with key shares that last as long as the database: an export holds everybody."""

from __future__ import annotations

import pytest

from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares
from services.results.conftest import number, ward

__all__ = ["number", "ward"]


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Shares:
    return Shares.made(
        tmp_path_factory.mktemp("shares") / NAME,
        Keys(b"w" * 32, b"p" * 32, b"s" * 32),
        ["results", "critical-information", "record", "settlement"],
    )
