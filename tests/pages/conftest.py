"""The pages of a made-up house, in a browser of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pages.browser import Browser
from pages.fake import FakeDoor, FakeHouse, made


@pytest.fixture
async def house_and_browser() -> AsyncIterator[tuple[FakeHouse, Browser, FakeDoor]]:
    house, door, app = made()
    browser = Browser(app)
    yield house, browser, door
    await browser.client.aclose()


@pytest.fixture
def house(house_and_browser: tuple[FakeHouse, Browser, FakeDoor]) -> FakeHouse:
    return house_and_browser[0]


@pytest.fixture
def browser(house_and_browser: tuple[FakeHouse, Browser, FakeDoor]) -> Browser:
    return house_and_browser[1]
