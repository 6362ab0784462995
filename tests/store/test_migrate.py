"""The tables are reached in one step, by one role; the other role has no way to change what was read."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from kjerne.errors import Refusal
from kjerne.store import migrate

AUDIT_ROW = """
    INSERT INTO audit (patient, at, number, outcome, action, service, rule, law, says, purpose, basis, caller_kind,
                       caller_digest, caller_name, caller_hpr, caller_role, organisation, point_of_care, department,
                       client, token, decision, self_selected, correlation, types, ids, versions)
    VALUES (1, $1, $2, 0, 'read', 'results', '', '', '', '', '', 'citizen', '', '', '', '', '', '', '', '', '', '',
            false, '', '{}', '{}', '{}')
"""


async def test_database_stands_at_the_newest_file(dsn: str) -> None:
    assert await migrate.current(dsn) == migrate.head()


async def test_two_programs_that_start_at_once_both_find_the_tables_ready(owner_dsn: str) -> None:
    reached = await asyncio.gather(migrate.upgrade(owner_dsn), migrate.upgrade(owner_dsn))
    assert set(reached) == {migrate.head()}


async def test_database_made_by_a_newer_program_is_refused(owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute("UPDATE schema_version SET version_num = '9999'")
        with pytest.raises(Refusal, match="newer kjerne"):
            await migrate.upgrade(owner_dsn)
    finally:
        await connection.execute("UPDATE schema_version SET version_num = $1", migrate.head())
        await connection.close()


async def test_a_file_that_fails_leaves_nothing_behind(
    owner_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in migrate.FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "9000_half.sql").write_text("CREATE TABLE half (number integer); SELECT 1 / 0;")
    monkeypatch.setattr(migrate, "FOLDER", tmp_path)
    with pytest.raises(Exception, match="division by zero"):
        await migrate.upgrade(owner_dsn)
    connection = await asyncpg.connect(owner_dsn)
    try:
        assert await connection.fetchval("SELECT to_regclass('half')") is None
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET says = 'nothing'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE record_history SET body = ''",
        "DELETE FROM privacy_choice",
        "UPDATE audit_other SET says = 'nothing'",
        "CREATE TABLE mine (number integer)",
        "DROP TABLE record",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
    ],
)
async def test_program_role_can_neither_change_the_audit_nor_the_tables(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_audit_months_are_made_ahead_once(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        assert await connection.fetchval("SELECT audit_partitions($1, 3)", date(2040, 11, 30)) == 3
        assert await connection.fetchval("SELECT audit_partitions($1, 3)", date(2040, 12, 1)) == 1
        await connection.execute(AUDIT_ROW, datetime(2040, 12, 31, 23, 59, tzinfo=UTC), uuid4())
        assert await connection.fetchval("SELECT tableoid::regclass::text FROM audit") == "audit_y2040m12"
    finally:
        await connection.close()


async def test_a_read_in_a_month_nobody_made_is_still_on_the_log(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(AUDIT_ROW, datetime(2050, 1, 1, tzinfo=UTC), uuid4())
        assert await connection.fetchval("SELECT audit_partitions($1, 1)", date(2050, 1, 1)) == 0
        assert await connection.fetchval("SELECT count(*) FROM audit WHERE at >= '2050-01-01'") == 1
    finally:
        await connection.close()


async def test_program_role_may_read_every_table_and_add_to_it(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        closed = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname NOT IN "
            "('schema_version', 'participation_stamp', 'notify_position', 'subscription_position')"
            " AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT'))"
        )
        # What was deleted with its key is added by the owner's function alone.
        assert [row["relname"] for row in closed] == ["destroyed_key"]
    finally:
        await connection.close()


async def test_reasons_that_lay_in_the_open_are_gone_and_the_counts_stay(
    empty_dsns: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of before 0021: what was shown and overridden is counted on, and why stands nowhere."""
    _, owner = empty_dsns
    with monkeypatch.context() as patched:
        for path in migrate.FOLDER.glob("*.sql"):
            if path.name < "0020":
                (tmp_path / path.name).write_bytes(path.read_bytes())
        patched.setattr(migrate, "FOLDER", tmp_path)
        await migrate.upgrade(owner)
    connection = await asyncpg.connect(owner)
    try:
        await connection.execute(
            "INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr, reason) VALUES "
            "(1, gen_random_uuid(), now(), 's', 'c', 'shown', '1', ''), "
            "(1, gen_random_uuid(), now(), 's', 'c', 'overridden', '1', 'Ny dose siden sist')"
        )
        await migrate.upgrade(owner)
        rows = await connection.fetch("SELECT * FROM reuse_answer ORDER BY outcome")
        assert [(row["outcome"], row["code"], row["why"]) for row in rows] == [
            ("overridden", "c", b""), ("shown", "c", b""),
        ]  # fmt: skip
        assert "Ny dose" not in str([dict(row) for row in rows])
        assert await connection.fetchval("SELECT to_regclass('reuse_answer_before')") is None
    finally:
        await connection.close()
