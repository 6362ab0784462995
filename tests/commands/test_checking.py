"""`kjerne check` beside a sandbox: who takes part is told where its database stands, and nothing is said where it does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kjerne.store import migrate
from kjerne.store.embedded import Embedded


async def test_who_takes_part_in_a_sandbox_is_told_while_it_stands(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KJERNE_DSN", raising=False)

    async def told(what: str = "participation") -> str:
        _, out, _ = await asyncio.to_thread(run, "check", "--data", str(tmp_path), "--json")  # it has a loop of its own
        return {one["what"]: str(one["says"]) for one in json.loads(out)["checks"]}.get(what, "")

    assert await told() == ""
    server = Embedded(tmp_path)
    _, owner_dsn = await server.start()
    try:
        await migrate.upgrade(owner_dsn)
        assert "0 as sources: nothing is served" in await told()
        assert f"stands at layout {migrate.head()}" in await told("database")
    finally:
        await server.stop()
    assert await told() == ""
    assert "no `kjerne up` runs" in await told("database")
