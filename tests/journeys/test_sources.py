"""Document sources that come with the sandbox: real processes, one of which dies, and all end with the platform."""

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
from started import Platform, started

pytestmark = pytest.mark.slow
SECONDS = 60


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


def listed(platform: Platform) -> Any:
    """The list of the citizen's documents, as her general practitioner gets it."""
    path, form = "/phr/R4/fhir/DocumentReference/_search", ("--form", "status=current", "--form", "_count=200")
    about = ("--as", "gp", "--patient", "citizen", "--header", f"nhn-patient-nin:{platform.told['patient']}")
    return kjerne(platform, "call", "POST", path, *about, *form)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_source_that_dies_is_told_of_and_comes_back_and_none_outlives_the_platform(tmp_path: Path) -> None:
    with started(KJERNE, tmp_path / "data", sources=1) as platform:
        (source,) = platform.told["sources"]
        port = httpx.URL(source["url"]).port or 0
        until(lambda: answers(source["url"]))
        first = process_of(port)
        os.kill(first, signal.SIGSTOP)
        code, told = listed(platform)
        assert (code, told["status"]) == (3, 504), told
        os.kill(first, signal.SIGKILL)
        until(lambda: answers(source["url"]))
        code, told = listed(platform)
        assert (code, told["body"]["type"]) == (0, "searchset"), told
        again = process_of(port)
        assert again not in (0, first)
        assert platform.interrupted() == 0
    until(lambda: process_of(port) == 0)
