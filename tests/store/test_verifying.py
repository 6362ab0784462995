"""Whoever may write every table, the owner too, leaves a trace, and the comparison says what was done and where."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from kjerne.store import marks, verifying
from kjerne.store.checkpoints import Checkpoints, made_key
from kjerne.store.findings import LIMIT
from kjerne.store.sealing import Seal, Sealer
from sealed_log import START, Log, sealed_log

Tamper = Callable[[Log], Awaitable[object]]


@pytest.fixture
async def log(dsn: str, owner_dsn: str, tmp_path: Path) -> AsyncIterator[Log]:
    """Three seals of three rows, in three months."""
    async with sealed_log(dsn, owner_dsn, tmp_path) as made:
        await made.fill(3, 3, 3)
        yield made


async def test_a_log_nobody_touched_is_whole_and_its_tail_is_told_as_unsealed(log: Log) -> None:
    told_at = log.clock.now()
    await log.write(2)
    verdict = await log.verdict()
    assert (verdict.findings, verdict.seals, verdict.rows, verdict.checkpoints) == ((), 3, 9, 3)
    assert (verdict.unsealed, verdict.oldest, verdict.unsigned) == (2, told_at, None)
    assert verdict.state(told_at + timedelta(seconds=30)) == "whole"
    assert verdict.state(told_at + timedelta(minutes=2)) == "behind"


async def test_a_log_that_was_never_written_is_whole(log: Log) -> None:
    await log.owner.execute("DELETE FROM audit")
    await log.owner.execute("DELETE FROM audit_seal")
    log.checkpoints.path.unlink()
    verdict = await log.verdict()
    assert (verdict.findings, verdict.seals, verdict.state(START)) == ((), 0, "whole")


async def rewrite_all(log: Log) -> None:
    await log.edit(5)
    await log.compute_anew()


async def delete_seal(log: Log) -> None:
    await log.owner.execute("DELETE FROM audit_seal WHERE number = 2")


async def loosen_seal(log: Log) -> None:
    await log.owner.execute("UPDATE audit_seal SET first_row = 5 WHERE number = 2")


async def move_across(log: Log) -> None:
    """A row is put among the rows of another seal, before its first."""
    (_, number), (xid, _) = await log.place(8), await log.place(4)
    await log.owner.execute(
        "UPDATE audit SET xid = $2, number = '00000000-0000-0000-0000-000000000001' WHERE number = $1", number, xid
    )


async def put_in_the_future(log: Log) -> None:
    await log.write(1)
    await log.owner.execute("UPDATE audit SET xid = '999999999999' WHERE token = $1", f"token-{log.written}")


async def regrow(log: Log) -> None:
    """An older state is brought back, and the platform goes on."""
    await log.cut_tail(2)
    await log.fill(2, 1)


async def bring_older_seals_back(log: Log) -> None:
    """The seals alone are those of an older state; the rows are sealed again."""
    await log.owner.execute("DELETE FROM audit_seal WHERE number = 3")
    log.clock.move(timedelta(seconds=1))
    await Sealer(log.pool, log.clock, log.checkpoints).seal()


async def follow_another(log: Log) -> None:
    """A seal that agrees with itself, and follows a head that never was."""
    row = await log.owner.fetchrow("SELECT * FROM audit_seal WHERE number = 2")
    assert row is not None
    seal = Seal(**{**dict(row), "before": b"another"})
    await log.owner.execute(
        "UPDATE audit_seal SET before = $1, head = $2 WHERE number = 2", seal.before, seal.computed()
    )


async def hide_among_seals(log: Log) -> None:
    """A row put where a seal is taken away."""
    await delete_seal(log)
    await log.insert(5)


@pytest.mark.parametrize(
    ("tamper", "seen"),
    [
        (lambda log: log.edit(5), ["row-edited rows 5-5 seals 2-2"]),
        (lambda log: log.edit(5, "written = '\\x00'"), ["row-edited rows 5-5 seals 2-2"]),
        (lambda log: log.edit(5, "at = at + interval '50 days'"), ["row-edited rows 5-5 seals 2-2"]),
        (lambda log: log.edit(5, "number = gen_random_uuid()"), ["row-edited rows 5-5 seals 2-2"]),
        (lambda log: log.edit(5, "versions = '{2,1}'"), ["row-edited rows 5-5 seals 2-2"]),
        (lambda log: log.delete(5), ["row-missing rows 5-5 seals 2-2"]),
        (lambda log: log.owner.execute("DELETE FROM audit"), ["row-missing rows 1-9 seals 1-3"]),
        (lambda log: log.exchange(5, 6), ["rows-exchanged rows 5-5 seals 2-2"]),
        (lambda log: log.exchange(1, 9), ["rows-exchanged rows 1-1 seals 1-1"]),
        (move_across, ["row-moved rows 8-8 seals 3-3"]),
        (lambda log: log.insert(5), ["row-inserted rows 5-5 seals 2-2"]),
        (lambda log: log.insert(9), ["row-inserted rows 9-9 seals 3-3"]),
        (put_in_the_future, ["row-ahead"]),
        (lambda log: log.cut_tail(2), ["tail-cut rows 4-9 seals 2-3"]),
        (rewrite_all, ["seal-not-signed rows 4-9 seals 2-3"]),
        (regrow, ["older-state seals 2-3 lines 4-4", "seal-not-signed rows 4-6 seals 2-3"]),
        (bring_older_seals_back, ["seal-not-signed rows 7-9 seals 3-3", "older-state seals 3-3 lines 4-4"]),
        (delete_seal, ["seal-missing rows 4-6 seals 2-2", "rows-uncovered rows 4-6 seals 3-3"]),
        (loosen_seal, ["seal-unlinked seals 2-2", "seal-edited seals 2-2"]),
        (follow_another, ["seal-not-signed rows 4-6 seals 2-2", "seal-unlinked seals 2-3"]),
        (hide_among_seals, ["seal-missing rows 4-6 seals 2-2", "rows-uncovered rows 4-7 seals 3-3"]),
    ],
)  # fmt: skip
async def test_a_change_by_the_owner_of_the_tables_is_seen(log: Log, tamper: Tamper, seen: list[str]) -> None:
    await tamper(log)
    found = await log.found()
    assert all(one in found for one in seen), found
    assert len(found) == len(seen), found


@pytest.mark.parametrize("time", ["'infinity'", "'-infinity'", "at + interval '90000 years'", "'4000-01-01 BC'"])
async def test_a_time_that_no_calendar_has_is_an_edit_as_any_other(log: Log, time: str) -> None:
    await log.edit(5, f"at = {time}")
    await log.owner.execute(f"UPDATE audit_seal SET sealed_at = {time.replace('at', 'sealed_at')} WHERE number = 3")
    found = await log.found()
    assert "row-edited rows 5-5 seals 2-2" in found
    assert "seal-edited seals 3-3" in found


async def test_a_row_put_in_without_its_place_is_seen(log: Log) -> None:
    """No seal's range would ever meet it, and the patient would read it in her log."""
    await log.owner.execute("ALTER TABLE audit ALTER xid DROP NOT NULL")
    try:
        await log.write(1)
        await log.owner.execute("UPDATE audit SET xid = NULL WHERE token = $1", f"token-{log.written}")
        assert await log.found() == ["row-unplaced"]
    finally:
        await log.reset()
        await log.owner.execute("ALTER TABLE audit ALTER xid SET NOT NULL")


async def test_a_seal_whose_columns_were_emptied_is_an_edited_one(log: Log) -> None:
    """Whoever owns the table can let its columns be empty first."""
    columns = "format from_xid until_xid first_row last_row earliest latest sealed_at digest before head marks".split()
    await log.owner.execute("".join(f'ALTER TABLE audit_seal ALTER "{name}" DROP NOT NULL;' for name in columns))
    try:
        for name in columns:
            await log.owner.execute("BEGIN")
            await log.owner.execute(f'UPDATE audit_seal SET "{name}" = NULL WHERE number = 2')
            await log.owner.execute("COMMIT")
        assert {"seal-unknown", "seal-not-signed"} <= await log.kinds()
        await log.owner.execute("ALTER TABLE audit ALTER xid DROP NOT NULL")
        await log.edit(9, "xid = NULL")
        assert {"row-missing rows 9-9 seals 3-3", "row-unplaced"} <= set(await log.found())
    finally:
        await log.reset()
        await log.owner.execute("ALTER TABLE audit ALTER xid SET NOT NULL")
        await log.owner.execute("".join(f'ALTER TABLE audit_seal ALTER "{name}" SET NOT NULL;' for name in columns))


@pytest.mark.parametrize(
    "column", "shard format until_xid first_row last_row earliest sealed_at digest before head marks".split()
)
async def test_an_edit_of_any_column_of_a_seal_is_seen(log: Log, column: str) -> None:
    changes = {"earliest": "earliest + interval '1 s'", "sealed_at": "sealed_at + interval '1 s'", "until_xid": "'1'"}
    other = changes.get(column, f"\"{column}\" || '\\x00'" if column in ("digest", "before", "head", "marks") else "7")
    await log.owner.execute(f'UPDATE audit_seal SET "{column}" = {other} WHERE number = 2')
    assert await log.kinds() & {"seal-edited", "seal-missing", "seal-unknown", "seal-not-signed"}


async def test_where_the_marks_were_spoiled_too_the_seal_is_named_and_no_row(log: Log) -> None:
    await log.edit(5)
    await log.owner.execute("UPDATE audit_seal SET marks = '\\x00' WHERE number = 2")
    assert await log.found() == ["seal-edited seals 2-2"]


async def test_a_finding_tells_place_time_and_month_and_nothing_of_what_a_row_says(log: Log) -> None:
    await log.edit(5, "caller_name = 'Kari Prøve', patient = 4711")
    await log.delete(8)
    edited, missing = (await log.verdict()).findings
    assert edited.readable() == (
        "row-edited: a row is not as it was sealed (row 5, seal 2, 2026-10-07 12:00:04, month 2026-10)"
    )
    assert missing.readable() == (
        "row-missing: a row that was sealed is not there "
        "(row 8, seal 3, 2026-10-21 12:00:06 to 2026-10-21 12:00:08, month 2026-10)"
    )
    told = msgspec.json.encode([one.told() for one in (edited, missing)])
    assert b"Kari" not in told
    assert b"4711" not in told


async def test_a_run_of_rows_is_told_as_one(log: Log) -> None:
    await log.owner.execute("DELETE FROM audit WHERE token = ANY('{token-2,token-3,token-4,token-7}')")
    assert await log.found() == ["row-missing rows 2-4 seals 1-2", "row-missing rows 7-7 seals 3-3"]


async def test_of_more_findings_than_are_kept_the_number_is_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "LIMIT", 2)
    monkeypatch.setattr("kjerne.store.findings.LIMIT", 3)
    for row in (1, 3, 5, 7, 9):
        await log.edit(row)
    verdict = await log.verdict()
    assert (len(verdict.findings), verdict.more) == (3, 2)
    assert LIMIT == 1000


async def test_without_the_checkpoints_a_chain_computed_anew_would_not_be_seen(log: Log, tmp_path: Path) -> None:
    await rewrite_all(log)
    log.checkpoints = Checkpoints(tmp_path / "elsewhere.jsonl", log.checkpoints.keys)
    assert await log.found() == ["checkpoints-absent seals 1-3"]


async def test_the_first_seal_may_be_on_its_way_to_the_checkpoints(log: Log, tmp_path: Path) -> None:
    await log.cut_tail(2)
    log.checkpoints = Checkpoints(tmp_path / "elsewhere.jsonl", log.checkpoints.keys)
    verdict = await log.verdict()
    assert (verdict.seals, verdict.findings) == (1, ())
    assert verdict.unsigned is not None


async def test_checkpoints_of_another_key_do_not_count(log: Log, tmp_path: Path) -> None:
    log.checkpoints = Checkpoints(log.checkpoints.path, made_key(tmp_path / "another.pem"))
    assert await log.found() == ["checkpoint-edited lines 1-3", "checkpoints-absent seals 1-3"]


async def test_lines_that_come_while_we_read_are_no_fault(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal is made and signed between the look at the file and the end of the reading."""
    compare = verifying._Rows.compare

    async def meanwhile(self: verifying._Rows) -> None:
        await log.fill(1)
        await compare(self)

    monkeypatch.setattr(verifying._Rows, "compare", meanwhile)
    verdict = await log.verdict()
    assert (verdict.findings, verdict.seals, verdict.unsigned) == ((), 3, None)


async def test_progress_reaches_the_number_of_sealed_rows(log: Log) -> None:
    steps: list[tuple[int, int]] = []
    async with log.pool.acquire() as conn:
        await verifying.verify(conn, log.checkpoints, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (9, 9)
    assert steps == sorted(steps)
