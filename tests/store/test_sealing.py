"""The log is sealed in the order of its transactions, none left out, by whoever is free, and after every crash."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import asyncpg
import pytest

from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.store import audit, migrate, sealing
from kjerne.store.checkpoints import Checkpoints, made_key
from kjerne.store.embedded import Embedded
from kjerne.store.pool import open_pool
from kjerne.store.sealing import Sealer
from kjerne.store.verifying import verify
from sealed_log import START, Log, sealed_log

from .conftest import Desk


@pytest.fixture
async def log(dsn: str, owner_dsn: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with sealed_log(dsn, owner_dsn, tmp_path) as made:
        yield made


async def test_a_seal_says_which_rows_it_covers_and_what_it_follows(log: Log) -> None:
    await log.fill(3, 2)
    first, second = await log.owner.fetch("SELECT * FROM audit_seal ORDER BY number")
    assert [first["first_row"], first["last_row"], second["first_row"], second["last_row"]] == [1, 3, 4, 5]
    assert (second["before"], second["from_xid"]) == (first["head"], first["until_xid"])
    assert (first["earliest"], len(first["marks"])) == (START, 3 * sealing.MARK_BYTES)


async def test_nothing_new_makes_no_seal_and_no_line(log: Log) -> None:
    await log.fill(3)
    assert await log.sealer.seal() == 0
    assert len(log.lines()) == 1


async def test_a_row_of_a_transaction_that_ends_late_is_sealed_when_it_ends(log: Log, dsn: str) -> None:
    late = await asyncpg.connect(dsn)
    try:
        await log.write(1)
        transaction = late.transaction()
        await transaction.start()
        await log.write(1, late)
        await log.write(2)
        assert [await log.sealer.seal(), await log.sealer.seal()] == [1, 0]
        await transaction.commit()
    finally:
        await late.close()
    assert await log.sealer.seal() == 3
    verdict = await log.verdict()
    assert (verdict.findings, verdict.rows, verdict.unsealed) == ((), 4, 0)


async def test_transactions_that_end_in_another_order_than_they_began_lose_no_row(log: Log, dsn: str) -> None:
    """Many open at once, each with one row; they end from the last to the first, and a seal is made after each."""
    conns = [await asyncpg.connect(dsn) for _ in range(6)]
    try:
        for conn in conns:
            await conn.execute("BEGIN")
            await log.write(1, conn)
        sealed = []
        for conn in reversed(conns):
            await conn.execute("COMMIT")
            sealed.append(await log.sealer.seal())
    finally:
        for conn in conns:
            await conn.close()
    assert sealed == [0, 0, 0, 0, 0, 6]
    assert await log.found() == []


async def test_what_was_undone_leaves_no_trace(log: Log, dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("BEGIN")
        await log.write(3, conn)
        await conn.execute("ROLLBACK")
    finally:
        await conn.close()
    await log.write(1)
    assert await log.sealer.seal() == 1


async def test_a_long_backlog_is_sealed_in_steps_of_whole_transactions(log: Log, dsn: str) -> None:
    await log.write(5)
    async with log.owner.transaction():
        await log.write(5)
    await log.write(3)
    sealer = Sealer(log.pool, log.clock, log.checkpoints, rows_at_once=4)
    assert [await sealer.seal() for _ in range(4)] == [4, 6, 3, 0]
    assert await log.found() == []


async def test_steps_are_whole_transactions_also_where_the_rows_come_in_pieces(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing.pieces, "__kwdefaults__", {"at_once": 2})
    async with log.owner.transaction():
        await log.write(5)
    await log.write(4)
    sealer = Sealer(log.pool, log.clock, log.checkpoints, rows_at_once=2)
    assert [await sealer.seal() for _ in range(4)] == [5, 2, 2, 0]
    assert await log.found() == []


async def test_two_sealers_at_once_make_one_chain(log: Log) -> None:
    other = Sealer(log.pool, log.clock, Checkpoints(log.checkpoints.path, log.checkpoints.keys), rows_at_once=3)
    log.sealer.rows_at_once = 3
    await log.write(30)
    sealed = 0
    while sealed < 30:
        sealed += sum(await asyncio.gather(log.sealer.seal(), other.seal(), log.sealer.seal()))
    verdict = await log.verdict()
    assert (verdict.findings, verdict.rows, verdict.seals, verdict.checkpoints) == ((), 30, 10, 10)


async def test_a_seal_whose_line_was_not_written_is_signed_the_next_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.fill(2)
    await log.write(2)

    def full(*_: Any) -> bool:
        raise OSError("no space left on device")

    monkeypatch.setattr(log.checkpoints, "add", full)
    with pytest.raises(OSError, match="no space"):
        await log.sealer.seal()
    await log.write(1)
    for _ in range(2):  # nothing is sealed over a seal that cannot be signed
        with pytest.raises(OSError, match="no space"):
            await log.sealer.seal()
    verdict = await log.verdict()
    assert (verdict.findings, verdict.seals, verdict.checkpoints, verdict.unsigned is None) == ((), 2, 1, False)
    monkeypatch.undo()
    restarted = Sealer(log.pool, log.clock, log.checkpoints)
    assert await restarted.seal() == 1
    verdict = await log.verdict()
    assert (verdict.findings, verdict.seals, verdict.checkpoints, verdict.unsigned) == ((), 3, 3, None)


async def test_a_line_that_a_crash_cut_short_is_ended_and_written_again(log: Log) -> None:
    await log.fill(2, 2)
    for cut in (1, 40, len(log.lines()[-1]) - 1):
        *whole, last = log.lines()
        log.keep([*whole, last[:cut]])
        assert await Sealer(log.pool, log.clock, log.checkpoints).seal() == 0
        verdict = await log.verdict()
        assert (verdict.findings, verdict.checkpoints, verdict.unsigned) == ((), 2, None)
        assert log.lines()[-1].strip() == last.strip()
        log.keep([*whole, last])


async def test_a_crash_before_the_commit_leaves_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await log.write(2)

    def crash(*_: Any) -> None:
        raise RuntimeError("here")

    monkeypatch.setattr(log.sealer, "_closed", crash)
    with pytest.raises(RuntimeError):
        await log.sealer.seal()
    monkeypatch.undo()
    assert (await log.verdict()).seals == 0
    assert await log.sealer.seal() == 2


async def test_rows_of_before_the_first_seal_are_sealed_from_the_start(log: Log) -> None:
    """Also where they lie in the partition for what no month was made for."""
    await log.write(2)
    log.clock.at = START.replace(year=2020)
    await log.write(2)
    assert await log.sealer.seal() == 4
    assert await log.owner.fetchval("SELECT count(*) FROM audit_other") == 2
    assert await log.found() == []


async def test_a_database_of_before_is_sealed_from_its_first_row(
    empty_dsns: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood at 0009, with a log and a seal of that time; its rows stay as they are."""
    program, owner_dsn = empty_dsns
    (tmp_path / "before").mkdir()
    for path in sorted(migrate.FOLDER.glob("*.sql"))[:9]:
        (tmp_path / "before" / path.name).write_bytes(path.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "FOLDER", tmp_path / "before")
        assert await migrate.upgrade(owner_dsn) == "0009"
    owner, checkpoints = (
        await asyncpg.connect(owner_dsn),
        Checkpoints(tmp_path / "c.jsonl", made_key(tmp_path / "k.pem")),
    )
    pool = await open_pool(program, 2)
    log = Log(pool, owner, checkpoints, FixedClock(START), Sealer(pool, FixedClock(START), checkpoints))
    try:
        await log.write(3)
        await owner.execute("INSERT INTO audit_seal VALUES (1, 2, '0', '900', 3, '\\x00', now())")
        await migrate.upgrade(owner_dsn)
        await log.write(2)
        assert await log.sealer.seal() == 5
        verdict = await log.verdict()
        assert (verdict.findings, verdict.seals, verdict.rows, verdict.unsealed) == ((), 1, 5, 0)
    finally:
        await pool.close()
        await owner.close()


THIRD: Final = (
    "SELECT xid, pg_catalog.xid8send(xid) || pg_catalog.uuid_send(number), at, pg_catalog.record_send(ROW(patient, at, "
    "outcome, action, service, rule, law, says, purpose, basis, caller_kind, caller_digest, caller_name, caller_hpr, "
    "caller_role, organisation, point_of_care, department, client, token, decision, self_selected, correlation, types, ids, "
    "versions, about, reason, written)) FROM audit WHERE xid >= $1 AND xid < $2 ORDER BY xid, number"
)
"""The rows as the third format of the seals took them."""


async def test_rows_sealed_in_the_third_format_hold_and_take_no_word_of_what_came_later(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(sealing, "FORMAT", 3)
        before.setattr(sealing, "_RANGE", THIRD)
        await log.fill(3)
    await log.fill(2)
    assert [row[0] for row in await log.owner.fetch("SELECT format FROM audit_seal ORDER BY number")] == [3, 4]
    assert await log.found() == []
    for change in ("healthcare_service = 'x|y'", "patient_department = 'x|y'", "attested_at = now()"):
        for row in (2, 4):
            await log.edit(row, change)
        assert await log.found() == ["row-edited rows 2-2 seals 1-1", "row-edited rows 4-4 seals 2-2"]
        name = change.partition(" ")[0]
        await log.owner.execute(f"UPDATE audit SET {name} = DEFAULT")
        assert await log.found() == []


async def test_what_a_row_says_of_the_care_is_sealed(log: Log) -> None:
    await log.write(1)
    said = "purpose_details = 'system|TILSYN', attested_at = '2026-09-23T12:00:00Z'"
    await log.edit(1, said)
    assert await log.sealer.seal() == 1
    for change in ("purpose_details = ''", "attested_at = NULL", "purpose_details = '', attested_at = NULL"):
        await log.edit(1, change)
        assert await log.found() == ["row-edited rows 1-1 seals 1-1"]
        await log.edit(1, said)
        assert await log.found() == []


async def test_a_database_that_gives_out_old_transaction_numbers_is_not_sealed_over(log: Log) -> None:
    await log.fill(2)
    await log.owner.execute("UPDATE audit_seal SET until_xid = '1000000000000'")
    await log.write(1)
    with pytest.raises(Refusal, match="transaction numbers began again"):
        await log.sealer.seal()
    assert "transactions-began-again" in await log.kinds()


async def test_a_file_that_does_not_lead_to_the_seal_is_told_at_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(sealing, "log", SimpleNamespace(error=lambda says, **_: told.append(says)))
    await log.fill(1, 1, 1)
    log.keep(log.lines()[:1])
    await log.write(1)
    await log.sealer.seal()
    assert told == ["the audit chain does not continue the last signed checkpoint"]


async def test_every_column_of_the_log_is_sealed(log: Log) -> None:
    columns = await log.owner.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'audit'")
    assert {row[0] for row in columns} == {
        "xid", "number", *sealing.CONTENT.split(", "), *sealing.ADDED.split(", "),
    }  # fmt: skip


async def test_every_column_of_a_seal_is_under_its_head(log: Log) -> None:
    await log.fill(2)
    row = dict((await log.owner.fetch("SELECT * FROM audit_seal"))[0])
    seal = sealing.Seal(**row)
    assert seal.computed() == seal.head
    for name, value in row.items():
        if name == "head":
            continue
        other = (
            value + b"x"
            if isinstance(value, bytes)
            else value.replace(year=2020)
            if hasattr(value, "year")
            else value + 1
        )
        assert sealing.Seal(**{**row, name: other}).computed() != seal.head, name


async def test_what_the_program_writes_is_sealed(log: Log, desk: Desk) -> None:
    """The rows of the real door: a read with its reason sealed, and an opening with its reason in the open."""
    grant = replace(await desk.grant(await desk.person()), reason=b"sealed")
    async with log.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant), [(7, desk.store.ids.make(grant.subject.patient), 1)])
        await audit.insert_explained(conn, audit.given(grant), "lab/M-1", "the sender asks what is wrong")
    assert await log.sealer.seal() == 2
    for change in ("written = ''", "reason = 'another'"):
        await log.owner.execute("BEGIN")
        await log.owner.execute(f"UPDATE audit SET {change}")
        await log.owner.execute("COMMIT")
    assert await log.found() == ["row-edited rows 1-2 seals 1-1"]


async def test_the_program_can_neither_change_nor_remove_a_seal(log: Log) -> None:
    for statement in ("UPDATE audit_seal SET last_row = 0", "DELETE FROM audit_seal", "TRUNCATE audit_seal"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log.pool.execute(statement)


async def test_a_database_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    server = Embedded(tmp_path, overrides={"autovacuum": "off"})
    checkpoints = Checkpoints(tmp_path / "audit-checkpoints.jsonl", made_key(tmp_path / "key.pem"))
    try:
        for times in (1, 2):
            dsn, owner_dsn = await server.start()
            await migrate.upgrade(owner_dsn)
            pool, owner = await open_pool(dsn, 2), await asyncpg.connect(owner_dsn)
            log = Log(pool, owner, checkpoints, FixedClock(START), Sealer(pool, FixedClock(START), checkpoints))
            await log.write(3)
            # What was not sealed before the crash is sealed now.
            assert await log.sealer.seal() == (3 if times == 1 else 5)
            await log.write(2)
            async with pool.acquire() as conn:
                verdict = await verify(conn, checkpoints)
            assert (verdict.findings, verdict.seals, verdict.unsealed) == ((), times, 2)
            pool.terminate()
            owner.terminate()
            assert server._process is not None
            os.kill(server._process.pid, signal.SIGQUIT)
            await server.stop()
    finally:
        await server.stop()
