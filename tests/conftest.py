"""Databases for the tests: servers of the oldest and the newest PostgreSQL, a fresh database for each test module. And one
command line in this process, what is written of answers, and the order in which workers take the files."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
import structlog
from hypothesis import settings

import in_memory
import seeds
from kjerne import cli
from kjerne.lifespan import COLLECT_AFTER
from kjerne.store import migrate
from kjerne.store.embedded import OWNER, PROGRAM, SUPERUSER, Embedded
from kjerne.store.keys import Keys
from kjerne.store.pool import Kinds, Pool
from kjerne.store.shares import NAME, Shares
from kjerne.wire import journal
from platform_fixture import platform

__all__ = ["platform"]

# httpx asks for it at every request that goes straight to an application, and each time Python looks through all its folders.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# The wheel's programs, and Debian's: the newest and the oldest version that the store promises to run on.
SUPPLIERS: Final = {"18": "", "15": "/usr/lib/postgresql/15/bin"}
TEMPLATE: Final = "migrated"

# Only here: nothing a test writes must outlive a power cut. Autovacuum's own transactions would hold back, by chance, what is
# read below the oldest open one.
FAST: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "autovacuum": "off",
}


settings.register_profile("suite", derandomize=not seeds.IS_NEW)
settings.load_profile("suite")

# Files of the tests that take longest, longest first (`--durations`); what is not here takes less.
LONGEST: Final = (
    "laws/test_paths.py",
    "laws/test_paths_registered.py",
    "laws/test_paths_documents.py",
    "test_package.py",
    "journeys/test_clinician.py",
    "pages/test_forms.py",
    "pages/test_live_awaited.py",
    "wire/test_edge.py",
    "storms/test_forged_over_http.py",
    "journeys/test_health_link.py",
    "journeys/test_me.py",
    "journeys/test_critical.py",
    "laws/test_matrix.py",
    "storms/test_hidden_or_absent.py",
    "journeys/test_whole_story.py",
    "journeys/test_oversight.py",
    "journeys/test_up.py",
    "journeys/test_operations.py",
    "journeys/test_abroad.py",
    "laws/test_in_anothers.py",
    "journeys/test_inquiries.py",
    "journeys/test_persons.py",
    "journeys/test_indicator.py",
    "test_docs.py",
    "journeys/test_youth.py",
    "journeys/test_sandbox.py",
    "laws/test_paths_told.py",
    "laws/test_services.py",
    "services/synthetic/test_judging.py",
    "services/synthetic/test_attacks.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """With several workers xdist would hand out the files with most tests first, and end with one that waits for a long file.
    Workers start afterwards: they find the seed of the order where it is drawn here."""
    seeds.order_seed()
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_report_header() -> str:
    """The seed with which the same order comes again, where each worker takes the same files."""
    return f"order of files: {seeds.ORDER}={seed}" if (seed := seeds.order_seed()) else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files that take longest come first, then those with most tests; within a file nothing moves. Where the suite draws
    anew, or is given a seed, the order of files is drawn, so that what holds only behind another file fails."""
    here = Path(__file__).parent
    if seed := seeds.order_seed():
        drawn = {
            here / name: place
            for place, name in enumerate(seeds.drawn((f"{item.path.relative_to(here)}" for item in items), seed))
        }
        items.sort(key=lambda item: drawn[item.path])
        return
    if not hasattr(config, "workerinput"):
        return
    many = Counter(item.path for item in items)
    place = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path, len(place)), -many[item.path]))


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import never become garbage: the collector leaves them alone, as it does in a server."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


@dataclass(frozen=True)
class Cluster:
    """A running server whose database `migrated` is copied for each module."""

    version: str
    server: Embedded

    def run(self, statement: str) -> None:
        asyncio.run(self._run(statement))

    def create(self, name: str) -> None:
        """A fresh database, migrated."""
        self.create_empty(name, TEMPLATE)

    def create_empty(self, name: str, template: str = "template1") -> None:
        """A fresh database with no table in it. Copied file by file: through the WAL it takes twice as long."""
        self.drop(name)
        self.run(f'CREATE DATABASE "{name}" TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy')

    def drop(self, name: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.dsn(SUPERUSER, "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True)
class Database:
    """One module's database: `dsn` for the program's role, `owner_dsn` for the owner of the tables."""

    version: str
    dsn: str
    owner_dsn: str


Clusters = Callable[[str], Cluster]


@pytest.fixture(scope="session", autouse=True)
def types_are_known() -> Iterator[None]:
    """A server is asked once what its types are, and not by every pool: they are the same for all its databases, most tests
    open a pool of their own, and each question takes the server some milliseconds."""
    known, begun = defaultdict[str, Kinds](dict), Pool.__init__

    def taught(self: Pool, dsn: str, size: int, seconds: float) -> None:
        begun(self, dsn, size, seconds)
        self._kinds = known[dsn.partition("?")[2] or dsn]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "__init__", taught)
        yield


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room, else on the disk; its name is short, as a server's socket lies in it."""
    with in_memory.folder() as found:
        yield found or tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="session")
def clusters(quick_folder: Path) -> Iterator[Clusters]:
    """The server of a version, started when it is first asked for."""
    running: dict[str, Cluster] = {}

    def started(version: str) -> Cluster:
        if version not in running:
            running[version] = _cluster(quick_folder / f"postgresql-{version}", version)
        return running[version]

    yield started
    for cluster in running.values():
        asyncio.run(cluster.server.stop())


@pytest.fixture(scope="session")
def platforms_cluster(quick_folder: Path) -> Iterator[Cluster]:
    """A server for the session's platform alone: what that does by itself, at any moment, holds back what is read in the order of
    transactions in all databases of its server, and a test of the store, of notices or of subscriptions reads just that."""
    cluster = _cluster(quick_folder / "platform", "18")
    yield cluster
    asyncio.run(cluster.server.stop())


def _cluster(folder: Path, version: str) -> Cluster:
    server = Embedded(folder, SUPPLIERS[version], FAST)
    asyncio.run(server.start())
    cluster = Cluster(version, server)
    cluster.run(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    asyncio.run(migrate.upgrade(server.dsn(OWNER, TEMPLATE)))
    return cluster


@pytest.fixture(scope="session", params=sorted(SUPPLIERS, reverse=True), ids=lambda version: f"postgresql-{version}")
def cluster(request: pytest.FixtureRequest, clusters: Clusters) -> Cluster:
    version = str(request.param)
    programs = SUPPLIERS[version]
    if programs and not os.access(Path(programs) / "postgres", os.X_OK):
        pytest.skip(f"PostgreSQL {version} is not installed (Debian: apt-get install postgresql-{version})")
    return clusters(version)


@pytest.fixture(scope="module")
def database(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Database]:
    name = request.module.__name__.replace(".", "_").lower()[-60:]
    cluster.create(name)
    yield Database(cluster.version, cluster.server.dsn(PROGRAM, name), cluster.server.dsn(OWNER, name))
    cluster.drop(name)


@pytest.fixture
def dsn(database: Database) -> str:
    """The program role's address of this module's database; a test that takes it runs on both PostgreSQL versions."""
    return database.dsn


@pytest.fixture
def owner_dsn(database: Database) -> str:
    """The owner role's address of this module's database."""
    return database.owner_dsn


@pytest.fixture
def shares(tmp_path: Path) -> Shares:
    """Key shares of a test's own, under the keys that the tests' stores have."""
    return Shares.made(tmp_path / NAME, Keys(b"w" * 32, b"p" * 32, b"s" * 32), ["results", "other"])


@pytest.fixture
def empty_dsns(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """The addresses (program role, owner) of a database that has no tables yet, for one test."""
    cluster.create_empty("empty")
    yield cluster.server.dsn(PROGRAM, "empty"), cluster.server.dsn(OWNER, "empty")
    cluster.drop("empty")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs one command line in this process: (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kjerne", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[MutableMapping[str, Any]]:
    """The lines written of answers while the test runs, whatever log a platform in this process has."""
    capture = structlog.testing.LogCapture()
    own = structlog.wrap_logger(structlog.PrintLogger(), [capture], wrapper_class=structlog.BoundLogger)
    monkeypatch.setattr(journal, "log", own)
    return capture.entries
