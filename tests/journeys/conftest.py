"""One Chromium and one server for a module's journeys, and a made-up house for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from journeys.chromium import Site, Stage, browser, stage


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def on_stage() -> Iterator[Stage]:
    with stage() as found:
        yield found


@pytest.fixture
def where(on_stage: Stage) -> Site:
    return on_stage.site()
