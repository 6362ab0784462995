"""A cursor of `$changes` meets a database that is older than the answer it came with (decision 58)."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from kjerne.services.standards_history import HistoryApi

from .conftest import Ward
from .mother_and_child import FHIR, Two, mother_and_child


@pytest.fixture
async def two(ward: Ward) -> Two:
    return await mother_and_child(ward)


async def followed(two: Two, path: str = "$changes") -> tuple[int, dict[str, Any]]:
    return await two.ask("GET", path, two.ward.doctor(two.child), two.child)


def onward(tree: dict[str, Any]) -> str:
    return next(one["url"].partition(f"{FHIR}/")[2] for one in tree["link"] if one["relation"] == "monitor")


async def brought_back(owner_dsn: str, two: Two) -> None:
    """The database is what it was before the last answer: its row of the log is gone. Transactions go on as if nothing were."""
    conn = await asyncpg.connect(owner_dsn)
    last = "SELECT number FROM audit WHERE patient = $1 AND action = 'history' ORDER BY xid DESC LIMIT 1"
    gone = await conn.execute(f"DELETE FROM audit WHERE patient = $1 AND number = ({last})", two.keys[two.child])
    await conn.close()
    assert gone == "DELETE 1"


async def test_a_cursor_of_after_the_backup_is_gone_and_one_of_before_goes_on(two: Two, owner_dsn: str) -> None:
    await two.file(two.naming(""), two.child)
    before = onward((await followed(two))[1])
    await two.file(two.naming(""), two.child)
    status, tree = await followed(two, before)
    after = onward(tree)
    assert (status, len(tree["entry"]), (await followed(two, after))[0]) == (200, 1, 200)
    await brought_back(owner_dsn, two)  # the answer of the last question, which nobody kept
    assert [(await followed(two, path))[0] for path in (before, after)] == [200, 200]
    for _ in range(3):
        await brought_back(owner_dsn, two)
    # As many writes as there had been do not make it another's.
    for value in range(5):
        await two.file(two.naming("", 1.0 + value), two.child)
    status, refused = await followed(two, after)
    (issue,) = refused["issue"]
    assert (status, issue["code"], issue["expression"]) == (410, "expired", ["_cursor"])
    assert "backup" in issue["diagnostics"] and "Begin without one" in issue["diagnostics"]
    status, tree = await followed(two, before)
    assert (status, len(tree["entry"])) == (200, 6)


async def test_a_cursor_that_names_no_row_goes_on(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as were given before there was one in it."""
    made = HistoryApi.cursor
    with monkeypatch.context() as before:
        before.setattr(HistoryApi, "cursor", lambda *given: made(*given[:-1]))
        here = onward((await followed(two, "$changes?_count=0"))[1])
    await two.file(two.naming(""), two.child)
    status, tree = await followed(two, here)
    assert (status, len(tree["entry"])) == (200, 1)
