"""How long others wait while somebody makes dear searches: reads alone, beside one, and beside three at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import inflow
import load
import msgspec
from load import Lane, Load, Outcome, Request, drive
from ours import BASE, Asked, expect, lane

SEARCH: Final = b"_content=findesikkeikke&_count=1"
"""Opens every record and finds nothing, so that it takes all the steps that a search may."""
BESIDE: Final = (0, 1, 3)
READERS: Final = 4
LONGER_SECONDS: Final = 1.0
"""The searches begin so much before the reads."""


@dataclass(frozen=True)
class Beside:
    """Reads beside so many dear searches at once."""

    searches: int
    rate: float
    median_ms: float
    p99_ms: float
    search_ms: float
    """The median of a dear search."""


def measured(asked: Asked, records: int, seconds: float) -> list[Beside]:
    """Gives one patient so many records more, and has them searched while others' are read."""
    person = asked.patients[0]
    inflow.bulk(asked.kjerne, [person], records)
    headers = {"content-type": "application/x-www-form-urlencoded", "person-id": person.nin}
    token = asked.kjerne.client.token("gp", patient=person.nin, path="/fhir")
    dear = lane(token, [Request("POST", f"{BASE}/_search", headers, SEARCH)])
    readers = asked.lanes("read")[1 : READERS + 1]
    return [_one(asked.kjerne.port, [dear] * count, readers, seconds) for count in BESIDE]


def _one(port: int, dear: Sequence[Lane], readers: list[Lane], seconds: float) -> Beside:
    searched = _begun(Load("127.0.0.1", port, list(dear), seconds + 2 * LONGER_SECONDS)) if dear else None
    if searched:
        drive(Load("127.0.0.1", port, readers, LONGER_SECONDS))
    found = drive(Load("127.0.0.1", port, readers, seconds))
    expect(found, 200)
    search_ms = 0.0
    if searched:
        told, _ = searched.communicate(timeout=load.GIVE_UP_SECONDS)
        search_ms = msgspec.msgpack.decode(told, type=Outcome).median_ms
    return Beside(len(dear), found.rate, found.median_ms, found.p99_ms, search_ms)


def _begun(work: Load) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, load.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.msgpack.encode(work))
    process.stdin.close()
    process.stdin = None
    return process
