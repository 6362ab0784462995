"""One Chromium for a module's journeys, and the made-up house for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from journeys.chromium import Site, browser, site


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def where() -> Iterator[Site]:
    with site() as found:
        yield found
