"""Document sources that come with the sandbox: real processes with documents, one of which dies and comes back."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from journeys.test_up import KJERNE, kjerne
from kjerne.sandbox import platform as platform_of_sandbox
from kjerne.sandbox.sources import delivering
from started import Platform, started

pytestmark = pytest.mark.slow
SECONDS = 240
"""On a machine that is busy with other things a start takes a minute and more."""


def process_of(port: int) -> int:
    """The process of the source that listens on a port."""
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                words = (one / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"source" in words and str(port).encode() in words:
                return int(one.name)
    return 0


def until(found: Any) -> Any:
    """What `found` gives once it gives something."""
    by = time.monotonic() + SECONDS
    while not (seen := found()):
        assert time.monotonic() < by
        time.sleep(0.2)
    return seen


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def listed(platform: Platform, decision: str) -> Any:
    """The list of the citizen's documents, as her general practitioner gets it on a decision of its own."""
    path, form = "/phr/R4/fhir/DocumentReference/_search", ("--form", "status=current", "--form", "_count=200")
    about = ("--as", "gp", "--patient", "citizen", "--decision", decision)
    header = ("--header", f"nhn-patient-nin:{platform.told['patient']}")
    code, told = kjerne(platform, "call", "POST", path, *about, *header, *form)
    assert code == 0, told
    return told["body"]


def titles(found: Any) -> list[str]:
    return sorted(
        one["resource"]["content"][0]["attachment"]["title"]
        for one in found.get("entry", ())
        if one["resource"]["resourceType"] == "DocumentReference"
    )


def expected(data: Path, keepers: set[str]) -> list[str]:
    """What health personnel see of the citizen at some sources: what holds, and is not locked."""
    known = platform_of_sandbox.made(data)
    assert known is not None
    papers = next(delivering.papers(known))
    replaced = {one.replaces for one in papers}
    return sorted(
        one.letter.title
        for one in papers
        if one.keeper in keepers and one.name not in replaced and "NORS" not in one.marks
    )


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_documents_are_there_from_real_sources_that_die_and_come_back_and_end_with_the_platform(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(KJERNE, data, sources=2) as platform:
        hospital, offices = platform.told["sources"]
        ports = [httpx.URL(one["url"]).port or 0 for one in (hospital, offices)]
        until(lambda: answers(hospital["url"]) and answers(offices["url"]))
        first = process_of(ports[0])
        os.kill(first, signal.SIGSTOP)
        (outcome,) = [one["resource"] for one in listed(platform, "one")["entry"] if one["search"]["mode"] == "outcome"]
        assert hospital["title"] in outcome["issue"][0]["diagnostics"]
        os.kill(first, signal.SIGKILL)
        until(lambda: all((data / "sources" / keeper / "delivered").exists() for keeper in ("hospital", "offices")))
        assert process_of(ports[0]) not in (0, first)
        there = expected(data, {"hospital", "offices"})
        assert titles(listed(platform, "two")) == there and len(there) > 10
        assert platform.interrupted() == 0
    until(lambda: not any(map(process_of, ports)))
