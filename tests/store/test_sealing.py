"""Whoever may write every table, the owner too, leaves a trace: six ways to tamper with the log, each seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from kjerne.clock import FixedClock
from kjerne.store import audit, sealing
from kjerne.store.sealing import BEFORE_ALL, CHECKPOINT_FILE, FORMAT, KEY_FILE, Checkpoints, Sealer, verify

from .conftest import NOW, Desk

Owner = asyncpg.Connection


@pytest.fixture
async def owner(owner_dsn: str) -> AsyncIterator[Owner]:
    """The owner of the tables, who may do everything; the log is emptied before and after."""
    conn = await asyncpg.connect(owner_dsn)
    await conn.execute("TRUNCATE audit, audit_seal")
    yield conn
    await conn.execute("TRUNCATE audit, audit_seal")
    await conn.close()


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


@pytest.fixture
def sealer(desk: Desk, checkpoints: Checkpoints, owner: Owner) -> Sealer:
    return Sealer(desk.store.pool, FixedClock(NOW), checkpoints)


async def write(desk: Desk, count: int) -> None:
    patient = await desk.person()
    grant = replace(await desk.grant(patient), reason=b"sealed")
    async with desk.store.pool.acquire() as conn:
        for _ in range(count):
            await audit.insert(conn, audit.given(grant), [(7, desk.store.ids.make(patient), 1)])


async def filled(desk: Desk, sealer: Sealer) -> None:
    """Three seals of three rows."""
    for _ in range(3):
        await write(desk, 3)
        assert await sealer.seal() == 3


async def breaches(desk: Desk, checkpoints: Checkpoints) -> list[str]:
    async with desk.store.pool.acquire() as conn:
        return [f"{one.seal}: {one.says}" for one in (await verify(conn, checkpoints)).breaches]


async def test_a_log_nobody_touched_is_whole(desk: Desk, sealer: Sealer, checkpoints: Checkpoints) -> None:
    await filled(desk, sealer)
    await write(desk, 1)
    async with desk.store.pool.acquire() as conn:
        verdict = await verify(conn, checkpoints)
    assert (verdict.breaches, verdict.seals, verdict.rows, verdict.unsealed) == ((), 3, 9, 1)


async def test_nothing_new_makes_no_seal(desk: Desk, sealer: Sealer, checkpoints: Checkpoints) -> None:
    await filled(desk, sealer)
    assert await sealer.seal() == 0
    assert len(checkpoints.read()[0]) == 3


async def test_a_row_of_a_transaction_that_ends_late_is_sealed_when_it_ends(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, dsn: str
) -> None:
    patient = await desk.person()
    late = await asyncpg.connect(dsn)
    try:
        transaction = late.transaction()
        await transaction.start()
        await audit.insert(late, audit.given(await desk.grant(patient)))
        await write(desk, 2)
        assert await sealer.seal() == 0
        await transaction.commit()
    finally:
        await late.close()
    assert await sealer.seal() == 3
    assert await breaches(desk, checkpoints) == []


async def test_a_long_backlog_is_sealed_in_steps(desk: Desk, checkpoints: Checkpoints, owner: Owner) -> None:
    await write(desk, 10)
    sealer = Sealer(desk.store.pool, FixedClock(NOW), checkpoints, rows_at_once=4)
    assert [await sealer.seal() for _ in range(4)] == [4, 4, 2, 0]
    assert await breaches(desk, checkpoints) == []


async def edit(owner: Owner) -> None:
    await owner.execute(
        "UPDATE audit SET purpose = 'ETREAT' WHERE number = (SELECT number FROM audit ORDER BY xid, number LIMIT 1 OFFSET 4)"
    )


async def take_the_reason_away(owner: Owner) -> None:
    await owner.execute(
        "UPDATE audit SET written = '' WHERE number = (SELECT number FROM audit ORDER BY xid, number LIMIT 1 OFFSET 4)"
    )


async def delete(owner: Owner) -> None:
    await owner.execute(
        "DELETE FROM audit WHERE number = (SELECT number FROM audit ORDER BY xid, number LIMIT 1 OFFSET 4)"
    )


async def swap(owner: Owner) -> None:
    """Two rows change places: each keeps what it says, and takes the other's transaction."""
    one, other = await owner.fetch("SELECT number, xid FROM audit ORDER BY xid, number LIMIT 2 OFFSET 3")
    for row, xid in ((one, other["xid"]), (other, one["xid"])):
        await owner.execute("UPDATE audit SET xid = $2 WHERE number = $1", row["number"], xid)


async def cut_the_tail(owner: Owner) -> None:
    """The last rows go, and with them the seals that knew of them."""
    start = await owner.fetchval("SELECT from_xid FROM audit_seal WHERE number = 3")
    await owner.execute("DELETE FROM audit WHERE xid >= $1", start)
    await owner.execute("DELETE FROM audit_seal WHERE number = 3")


async def compute_anew(owner: Owner) -> None:
    """A row is changed, and the whole chain made to fit it, as the program itself would make it."""
    await edit(owner)
    last = BEFORE_ALL
    for row in await owner.fetch("SELECT * FROM audit_seal ORDER BY number"):
        head = last.head
        async with owner.transaction():
            async for one in sealing._rows(owner, FORMAT, row["from_xid"], row["until_xid"]):
                head = sealing._next(head, one)
        last = sealing.Seal(**{**dict(row), "head": head})
        facts = (last.number, last.format, last.from_xid, last.until_xid, last.rows, last.sealed_at)
        last = msgspec.structs.replace(last, head=sealing._closed(head, *facts))
        await owner.execute("UPDATE audit_seal SET head = $2 WHERE number = $1", last.number, last.head)


Tamper = Callable[[Owner], Awaitable[None]]


@pytest.mark.parametrize(
    ("tamper", "seen"),
    [
        (edit, "2: a row was changed"),
        (take_the_reason_away, "2: a row was changed"),
        (delete, "2: it covers 3 rows, and there are 2"),
        (swap, "2: a row was changed or exchanged"),
        (cut_the_tail, "3: it was signed"),
        (compute_anew, "3: it is not the seal that was signed"),
    ],
)
async def test_a_change_by_the_owner_of_the_tables_is_seen(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, owner: Owner, tamper: Tamper, seen: str
) -> None:
    await filled(desk, sealer)
    await tamper(owner)
    found = await breaches(desk, checkpoints)
    assert any(one.startswith(seen) for one in found), found


async def test_the_chain_alone_would_not_see_a_cut_tail_or_a_chain_computed_anew(
    desk: Desk, sealer: Sealer, owner: Owner, tmp_path: Path
) -> None:
    await filled(desk, sealer)
    await cut_the_tail(owner)
    await compute_anew(owner)
    nothing = Checkpoints(tmp_path / "elsewhere")
    assert [one.split(": ")[1] for one in await breaches(desk, nothing)] == [
        "there is no signed checkpoint to compare with"
    ]


async def test_an_older_state_brought_back_is_seen_however_long_the_platform_went_on(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, owner: Owner
) -> None:
    await filled(desk, sealer)
    await cut_the_tail(owner)
    await write(desk, 3)
    assert await sealer.seal() == 3
    await write(desk, 1)
    assert await sealer.seal() == 1
    assert await breaches(desk, checkpoints) == [
        "3: two were signed: an older state of the database was brought back",
        "3: it is not the seal that was signed",
    ]


async def test_a_row_put_in_among_sealed_ones_is_seen(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, owner: Owner
) -> None:
    await filled(desk, sealer)
    await write(desk, 1)
    await owner.execute(
        "UPDATE audit SET xid = (SELECT min(xid) FROM audit) WHERE xid = (SELECT xid FROM audit ORDER BY xid DESC LIMIT 1)"
    )
    assert await breaches(desk, checkpoints) == ["1: it covers 3 rows, and there are 4"]


async def test_a_seal_taken_out_of_the_middle_is_seen(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, owner: Owner
) -> None:
    await filled(desk, sealer)
    await owner.execute("DELETE FROM audit_seal WHERE number = 2")
    assert any(one.startswith("3: it does not follow") for one in await breaches(desk, checkpoints))


async def test_a_checkpoint_that_another_key_signed_does_not_count(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    await filled(desk, sealer)
    (tmp_path / KEY_FILE).unlink()
    assert len(await breaches(desk, Checkpoints(tmp_path))) == 4


async def test_what_lies_outside_the_database_is_for_the_program_alone(
    sealer: Sealer, desk: Desk, tmp_path: Path
) -> None:
    await filled(desk, sealer)
    for name in (KEY_FILE, CHECKPOINT_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


async def test_the_program_cannot_change_or_remove_a_seal(desk: Desk) -> None:
    for statement in ("UPDATE audit_seal SET rows = 0", "DELETE FROM audit_seal", "TRUNCATE audit_seal"):
        with pytest.raises(Exception, match="permission denied"):
            await desk.store.pool.execute(statement)


async def test_every_column_of_the_log_is_sealed(owner: Owner) -> None:
    columns: list[Any] = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit'"
    )
    assert {row[0] for row in columns} == set(sealing._SECOND_COLUMNS.split(", "))


async def test_what_an_earlier_format_sealed_is_still_whole(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "FORMAT", 1)
    await filled(desk, sealer)
    monkeypatch.undo()
    await write(desk, 2)
    assert await sealer.seal() == 2
    assert await breaches(desk, checkpoints) == []
    rows = await desk.store.pool.fetch("SELECT format FROM audit_seal ORDER BY number")
    assert [row["format"] for row in rows] == [1, 1, 1, FORMAT]


async def test_a_reason_that_was_rewritten_is_seen(
    desk: Desk, sealer: Sealer, checkpoints: Checkpoints, owner: Owner
) -> None:
    grant = await desk.grant(await desk.person())
    async with desk.store.pool.acquire() as conn:
        await audit.insert_explained(conn, audit.given(grant), "lab/M-1", "the sender asks what is wrong")
    assert await sealer.seal() == 1
    assert await breaches(desk, checkpoints) == []
    await owner.execute("UPDATE audit SET reason = 'another'")
    assert len(await breaches(desk, checkpoints)) == 1
