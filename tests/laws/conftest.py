"""A clinic for each file of tests that asks for one: on PostgreSQL 18, with a database and keys of the file's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from clinic import Clinic, clinic
from kjerne.store.embedded import PROGRAM


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the program runs on, which takes less of ten thousands of requests."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def dsn_of_18(clusters: Any, request: pytest.FixtureRequest) -> str:
    cluster, name = clusters("18"), Path(request.node.name).stem
    cluster.create(name)
    return str(cluster.server.dsn(PROGRAM, name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shares")


@pytest.fixture
async def here(dsn_of_18: str, folder: Path) -> AsyncIterator[Clinic]:
    async with clinic(dsn_of_18, folder) as one:
        yield one
