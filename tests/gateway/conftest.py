"""No connection to a source outlives the loop of its test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from foreign_sources import OPEN


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    while OPEN:
        await OPEN.pop().close()
