"""What came of a reading that stands out, as rows: one step after the other, and the newest stands."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import pytest

from kjerne.store import verdicts

from .conftest import NOW, Desk


async def test_each_verdict_is_a_step_and_the_last_one_stands(desk: Desk) -> None:
    line, other = uuid4(), uuid4()
    async with desk.store.pool.acquire() as conn:
        assert await verdicts.note(conn, line, 0, "to-ask", NOW, b"ada", "Ada Drift")
        assert not await verdicts.note(conn, line, 0, "in-order", NOW, b"bo", "Bo Drift"), "she had not seen the first"
        assert await verdicts.note(conn, line, 1, "reported", NOW + timedelta(days=1), b"bo", "Bo Drift")
        assert not await verdicts.note(conn, line, 7, "in-order", NOW, b"bo", "Bo Drift"), "nobody is seven steps ahead"
        history = await verdicts.of_line(conn, line)
        assert [(one.step, one.verdict, one.author) for one in history] == [
            (1, "to-ask", "Ada Drift"), (2, "reported", "Bo Drift")
        ]  # fmt: skip
        assert await verdicts.latest(conn, [line, other]) == {line: history[-1]}


async def test_a_verdict_is_never_changed_or_taken_away(desk: Desk) -> None:
    async with desk.store.pool.acquire() as conn:
        await verdicts.note(conn, uuid4(), 0, "to-ask", NOW, b"ada", "Ada Drift")
        for statement in ("UPDATE log_verdict SET verdict = 'in-order'", "DELETE FROM log_verdict"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


def test_a_day_is_the_same_line_each_time_and_another_for_another() -> None:
    day = date(2026, 11, 22)
    lines = {
        verdicts.line_of_day(*one)
        for one in ((day, "1", "2"), (day, "1", "2"), (day, "12", ""), (day + timedelta(1), "1", "2"))
    }
    assert len(lines) == 3
