"""`kjerne verify` as an operator and a script see it: what it says, and exit codes that mean something."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kjerne.store import migrate
from kjerne.store.checkpoints import made_key
from kjerne.store.embedded import Embedded
from sealed_log import Log, sealed_log

Work = Callable[[Log], Awaitable[object]]


@pytest.fixture
def tampered(dsn: str, owner_dsn: str, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fills a log that was sealed just now, does something to it, and runs `kjerne verify` on it."""

    async def prepared(work: Work, options: tuple[str, ...]) -> tuple[int, str, str]:
        async with sealed_log(dsn, owner_dsn, tmp_path) as log:
            log.clock.at = datetime.now(UTC) - timedelta(seconds=8)
            for _ in range(2):
                await log.write(3)
                await log.sealer.seal()
            await work(log)
            return await asyncio.to_thread(run, "verify", *options)  # it has a loop of its own

    def verify(work: Work, *more: str) -> tuple[int, str, str]:
        monkeypatch.setenv("KJERNE_AUDIT_KEY_FILE", str(tmp_path / "key.pem"))
        return asyncio.run(prepared(work, ("--data", dsn, "--checkpoints", str(tmp_path), *more)))

    return verify


async def nothing(_: Log) -> None:
    """Nobody touches it."""


def test_a_whole_log_is_exit_0(tampered: Any) -> None:
    code, out, _ = tampered(nothing)
    assert (code, out) == (0, "6 rows under 2 seals, 2 signed checkpoints: whole\n")


def test_a_changed_row_is_exit_1_and_told_with_its_place(tampered: Any) -> None:
    code, out, _ = tampered(lambda log: log.edit(5))
    assert code == 1
    assert "6 rows under 2 seals, 2 signed checkpoints: broken\n" in out
    assert "row-edited: a row is not as it was sealed (row 5, seal 2, " in out


def test_as_json_a_finding_has_kind_places_and_times(tampered: Any) -> None:
    code, out, err = tampered(lambda log: log.cut_tail(2), "--json")
    told = json.loads(out)
    assert (code, err, told["state"], told["rows"], told["seals"], told["checkpoints"]) == (1, "", "broken", 3, 1, 2)
    (finding,) = told["findings"]
    assert (finding["kind"], finding["rows"], finding["seals"]) == ("tail-cut", [4, 6], [2, 2])
    assert finding["months"] == finding["since"][:7]


def test_a_tail_that_has_waited_long_is_exit_6_with_count_and_age(tampered: Any) -> None:
    async def long_ago(log: Log) -> None:
        log.clock.at = datetime.now(UTC) - timedelta(hours=1)
        await log.write(2)

    code, out, _ = tampered(long_ago)
    assert code == 6
    assert re.search(r"2 rows not sealed yet, the oldest 36\d\d seconds old\nthe sealer does not run", out)
    code, out, _ = tampered(long_ago, "--json")
    told = json.loads(out)
    assert (told["state"], told["unsealed"]["rows"], told["unsealed"]["oldest_seconds"] // 100) == ("behind", 2, 36)


def test_a_new_tail_is_told_and_is_no_fault(tampered: Any) -> None:
    code, out, _ = tampered(lambda log: log.write(1))
    assert code == 0
    assert "1 rows not sealed yet" in out


def test_a_last_seal_without_its_line_is_told_and_is_no_fault_for_a_minute(tampered: Any) -> None:
    async def crash(log: Log) -> None:
        log.keep([log.lines()[0], log.lines()[1][:70]])

    code, out, _ = tampered(crash)
    assert code == 0
    assert "the last seal not signed yet, " in out
    assert "lines that a crash cut short, with nothing lost: 2" in out


def test_checkpoints_can_be_a_copy_under_any_name(tampered: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy-of-yesterday"

    async def copied(log: Log) -> None:
        copy.write_bytes(log.checkpoints.path.read_bytes())
        log.checkpoints.path.unlink()

    assert tampered(copied, "--checkpoints", str(copy))[0] == 0


def test_a_folder_where_nothing_was_sealed_is_told_and_left_as_it_is(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("verify", "--data", str(tmp_path), "--json")
    assert (code, "never sealed" in json.loads(out)["error"]["says"]) == (1, True)
    made_key(tmp_path / "audit-signing-key.pem")
    code, out, _ = run("verify", "--data", str(tmp_path), "--json")
    assert (code, "no database" in json.loads(out)["error"]["says"]) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["audit-signing-key.pem"]


def test_a_database_that_does_not_answer_is_exit_3_and_keeps_its_password(
    run: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    made_key(tmp_path / "key.pem")
    monkeypatch.setenv("KJERNE_AUDIT_KEY_FILE", str(tmp_path / "key.pem"))
    code, out, err = run("verify", "--data", "postgresql://kjerne_app:secret@127.0.0.1:1/x")
    assert (code, "does not answer" in err, "secret" in out + err) == (3, True, False)
    assert "(--data)" in err and "KJERNE_DSN" not in err
    monkeypatch.setenv("KJERNE_DSN", "postgresql://kjerne_app:secret@127.0.0.1:1/x")
    assert "(KJERNE_DSN)" in run("verify")[2]


def test_a_database_that_goes_away_while_it_is_read_is_exit_3_and_no_tampering(
    tampered: Any, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut() -> int:
        conn = await asyncpg.connect(dsn)
        try:
            return len(await conn.fetch(_CUT_READER))
        finally:
            await conn.close()

    cuts: list[int] = []

    def step(_done: int, _total: int) -> None:
        if not cuts:
            with ThreadPoolExecutor(1) as aside:  # the reading itself has the loop of this thread
                cuts.append(aside.submit(lambda: asyncio.run(cut())).result())

    monkeypatch.setattr("kjerne.commands.console.comparing", lambda **_: contextlib.nullcontext(step))
    code, out, err = tampered(nothing)
    assert (cuts, code, out) == ([1], 3, "")
    assert "the database stopped answering while it was read" in err and "begin again" in err
    assert "(--data)" in err and "Traceback" not in err


_CUT_READER = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
AND pid <> pg_backend_pid() AND state = 'idle in transaction'"""


def test_beside_an_address_the_key_is_asked_for_and_no_folder(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("KJERNE_AUDIT_KEY_FILE", str(tmp_path / "key.pem"))
    code, _, err = run("verify", "--data", "postgresql://kjerne_app@127.0.0.1:1/x")
    assert (code, "Name its file" in err, "never sealed" in err) == (1, True, False)


def test_a_database_of_another_layout_is_refused(
    run: Any, empty_dsns: tuple[str, str], tmp_path: Path, monkeypatch: Any
) -> None:
    made_key(tmp_path / "key.pem")
    monkeypatch.setenv("KJERNE_AUDIT_KEY_FILE", str(tmp_path / "key.pem"))
    code, _, err = run("verify", "--data", empty_dsns[0])
    assert (code, f"this program needs {migrate.head()}" in err) == (5, True)


def test_a_sandbox_that_stands_still_is_started_for_the_comparison_and_stopped_again(run: Any, tmp_path: Path) -> None:
    async def made() -> None:
        server = Embedded(tmp_path)
        _, owner_dsn = await server.start()
        try:
            await migrate.upgrade(owner_dsn)
        finally:
            await server.stop()

    asyncio.run(made())
    made_key(tmp_path / "audit-signing-key.pem")
    code, out, _ = run("verify", "--data", str(tmp_path))
    assert (code, out) == (0, "0 rows under 0 seals, 0 signed checkpoints: whole\n")
    assert not list((tmp_path / "postgres" / "socket").glob(".s.*"))
