"""A source for the tests of this folder: one database at its layout, emptied for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kjerne.commands.sourcing import LAYOUT
from kjerne.store import migrate
from kjerne.store.embedded import OWNER, PROGRAM
from sources import Standing, standing


@pytest.fixture(scope="module")
def addresses(clusters: Any) -> Iterator[tuple[str, str]]:
    cluster = clusters("18")
    cluster.create_empty("source")
    asyncio.run(migrate.upgrade(cluster.server.dsn(OWNER, "source"), LAYOUT))
    yield cluster.server.dsn(PROGRAM, "source"), cluster.server.dsn(OWNER, "source")
    cluster.drop("source")


@pytest.fixture
async def source(addresses: tuple[str, str], tmp_path: Path) -> AsyncIterator[Standing]:
    async with standing(*addresses, tmp_path) as stands:
        yield stands
