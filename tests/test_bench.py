"""The benchmark's floor writes the audit table as the program does: a column more there must stand in its row too."""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kjerne.store import audit
from kjerne.wire.jws import SigningKey

BENCH = Path(__file__).parents[1] / "bench"
PATIENT = 7
BODY = b'{"resourceType":"Observation"}'


async def asked(floor: Any, method: str, path: str, proof: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one answer of the floor's application."""
    place, _, query = path.partition("?")
    headers = [(b"authorization", b"DPoP token"), (b"dpop", proof)]
    scope = {"type": "http", "method": method, "path": place, "query_string": query.encode(), "headers": headers}
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await floor(scope, receive, send)
    return said[0]["status"], said[1]["body"]


async def test_the_floors_three_statements_run_on_the_tables_as_they_are_now(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    bench, load = importlib.import_module("floor"), importlib.import_module("load")
    signer, id_ = load.Signer(SigningKey.generate().private_jwk(), "token"), uuid4()
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    started = asyncio.Event()

    async def told(_: dict[str, Any]) -> None:
        started.set()

    floor = bench.Floor(dsn)
    events.put_nowait({"type": "lifespan.startup"})
    living = asyncio.create_task(floor({"type": "lifespan"}, events.get, told))
    await started.wait()
    conn = await asyncpg.connect(dsn)
    await conn.execute(bench._INSERT, PATIENT, id_, bench.TYPE, datetime.now(UTC), bench.hashed("a|1"), BODY)
    for method, path, status, shown in (
        ("GET", f"/read/{PATIENT}/{id_}", 200, BODY),
        ("GET", f"/search/{PATIENT}?code=a%7C1", 200, b'"entry":[{"resource":' + BODY + b"}]"),
        ("POST", f"/create/{PATIENT}", 201, BODY),
    ):
        found = await asked(floor, method, path, signer.proof(method, path), BODY)
        assert found[0] == status, path
        assert shown in found[1], path
    rows = await conn.fetch(f"SELECT {audit.COLUMNS}, ids FROM audit WHERE patient = $1 ORDER BY at", PATIENT)
    assert [len(row["ids"]) for row in rows] == [1, 1, 1]
    assert {UUID(int=one.int) for row in rows[:2] for one in row["ids"]} == {id_}
    await conn.close()
    events.put_nowait({"type": "lifespan.shutdown"})
    await living


def test_the_table_says_what_two_workers_are_to_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    run, table = importlib.import_module("run"), importlib.import_module("table")
    rates = {"kjerne": 300.0, "sekmet": 200.0, "floor": 600.0, "floor x2": 800.0, "kjerne x2": 500.0}
    rounds = {("read", name): [run.Round(rate, 1, 1, 1, 1, 1)] for name, rate in rates.items()}
    lines = table.markdown(run.Report("a machine", 0.0, run.Extent(), rounds)).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("| answers a second"))
    head, rule, read = (line.strip("|").split("|") for line in lines[first : first + 3])
    assert len(head) == len(rule) == len(read)
    told = dict(zip(map(str.strip, head), map(str.strip, read), strict=True))
    ratios = {name: told[name] for name in told if " / " in name}
    assert ratios == {
        "kjerne / sekmet": "1.50",
        "kjerne x2 / sekmet": "2.50",
        "kjerne / floor": "0.50",
        "kjerne x2 / floor x2": "0.62",
    }


def test_the_table_says_what_an_exported_resource_costs_beside_its_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    run, table, outflow = (importlib.import_module(name) for name in ("run", "table", "outflow"))
    given = outflow.Given(requests=4, resources=1_000, bytes=1_400_000, seconds=0.5, client_cpu_seconds=0.1)
    report = run.Report(
        "a machine", 0.0, run.Extent(), exported={"kjerne": run.Handed(given, 14.2, 4.4)}, copied=9_000.0
    )
    rows = [line for line in table.markdown(report).splitlines() if "$export" in line or "COPY" in line]
    assert ["2,000/s" in rows[0], "9,000/s" in rows[1]] == [True, True]
    assert "1,400 bytes each, 250 in a file; CPU of each: server 14.2 us, PostgreSQL 4.4 us" in rows[0]
