"""The platform with sources that it asks, and a hospital of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import Any

import pytest

from asked_sources import Country, asking
from documents_at_hand import HOME, REPOSITORY
from foreign_sources import served
from kjerne.commands.sourcing import ASSERTION_SECONDS, LAYOUT
from kjerne.registries.made_up import SANDBOX
from kjerne.source.app import Application
from kjerne.source.configured import Configured
from kjerne.source.files import Files
from kjerne.source.house import Source
from kjerne.store import migrate
from kjerne.store.embedded import OWNER, PROGRAM
from kjerne.store.pool import open_pool
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from platform_fixture import Standing as Platform
from sources import AUDIENCE, KEY
from sources import Standing as Standing_


@pytest.fixture
def country(platform: Platform) -> Iterator[Country]:
    with asking(platform) as found:
        yield found


@pytest.fixture(scope="module")
def hospital(
    platform: Platform, clusters: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Standing_, int]]:
    """A source of our own that believes the platform, and the port that it answers at."""
    cluster, name = clusters("18"), "documents_source"
    cluster.create_empty(name)
    asyncio.run(migrate.upgrade(cluster.server.dsn(OWNER, name), LAYOUT))
    believed = trusted(platform.http.get(f"{platform.url}/phr/saml-metadata").content)
    submitters = {"journal": sha256(KEY.encode()).hexdigest()}
    configured = Configured(HOME, REPOSITORY, (AUDIENCE,), believed, submitters, SANDBOX, citizens=believed)
    folder, stack = tmp_path_factory.mktemp("source"), AsyncExitStack()

    async def opened() -> tuple[Standing_, int]:
        pool = await open_pool(cluster.server.dsn(PROGRAM, name), 4)
        stack.push_async_callback(pool.close)
        assertions = Assertions(believed, configured.audiences, platform.clock, seconds=ASSERTION_SECONDS)
        files = Files(folder)
        application = Application(Source(configured, files, pool, assertions, platform.clock), "http://source.example")
        port = await stack.enter_async_context(served(application))
        return Standing_(application, pool, pool, folder, platform.clock, files), port  # type: ignore[arg-type]

    yield platform.run(opened())
    platform.run(stack.aclose())
    cluster.drop(name)
