"""Data on its way out: an export of everybody's Observations over HTTP, and beside it the same sealed bytes copied out bare."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import Final

import asyncpg
from load import Lane, Load, Request, drive
from ours import Kjerne, dsn, expect

from kjerne.fhir.definitions import type_number

AS: Final = "all-patients"
"""The sandbox's test client, whose exports wait for nobody."""
TYPE: Final = "Observation"
LANES: Final = 4
"""Files fetched at once."""
_ROWS: Final = "SELECT id, version, at, body FROM record WHERE type = {number}"


@dataclass(frozen=True)
class Given:
    """What came out through how many requests, in how long, and what it cost the client."""

    requests: int
    resources: int
    bytes: int
    seconds: float
    client_cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.resources / self.seconds


@dataclass(frozen=True)
class Export:
    """One that is open: the paths of its files, and what they hold together."""

    paths: tuple[str, ...]
    resources: int
    bytes: int


def opened(kjerne: Kjerne) -> Export:
    """An export of everybody's, each file fetched once, so that what is remembered of people is remembered."""
    kicked = kjerne.client.call(
        "GET", f"/fhir/R4/Patient/$export?_type={TYPE}", as_=AS, headers={"prefer": "respond-async"}
    )
    if kicked.status_code != 202:
        sys.exit(f"expected 202 for an export, got {kicked.status_code}: {kicked.text[:500]}")
    state = kjerne.client.call("GET", _path(kicked.headers["content-location"]), as_=AS)
    paths = [_path(one["url"]) for one in state.json()["output"]]
    files = [kjerne.client.call("GET", path, as_=AS).content for path in paths]
    return Export(tuple(paths), sum(one.count(b"\n") for one in files), sum(map(len, files)))


def fetched(kjerne: Kjerne, port: int, export: Export, rounds: int) -> Given:
    """Every file so many times, some at once."""
    held = kjerne.client.token(AS, path="/fhir")
    every = [Request("GET", path) for _ in range(rounds) for path in export.paths]
    lanes = [Lane(every[place::LANES], held.token, held.key.private_jwk()) for place in range(LANES)]
    found = drive(Load("127.0.0.1", port, [one for one in lanes if one.requests], 0))
    expect(found, 200)
    return Given(found.done, rounds * export.resources, rounds * export.bytes, found.seconds, found.client_cpu_seconds)


def copied(kjerne: Kjerne) -> tuple[int, float]:
    """The floor: the rows as they lie, sealed, written out by one COPY; how many, in how many seconds."""
    return asyncio.run(_copied(dsn(kjerne.data, "postgres", "kjerne")))


async def _copied(address: str) -> tuple[int, float]:
    conn = await asyncpg.connect(address)
    query = _ROWS.format(number=type_number(TYPE))

    async def passed_over(_: bytes) -> None:
        return None

    try:
        count = int(await conn.fetchval(f"SELECT count(*) FROM ({query}) r"))
        began = time.perf_counter()
        await conn.copy_from_query(query, output=passed_over, format="binary")
        return count, time.perf_counter() - began
    finally:
        await conn.close()


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]
