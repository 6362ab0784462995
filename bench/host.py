"""The machine under the benchmark: what it is, free ports, programs started and ended, and the CPU time they used."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CACHE: Final = ROOT / ".cache" / "bench"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 20
LOG_SHOWN: Final = 2000
_TICK: Final = os.sysconf("SC_CLK_TCK")


def described() -> str:
    """Machine and date, for the head of a table."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        if found := re.search(r"model name\s*: (.*)", text):
            return f"{_size()}, {found[1]}, {_software()}"
    return f"{_size()}, {_software()}"


def _size() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores, {memory_gb:.0f} GB memory"


def _software() -> str:
    kernel = platform.release().partition("-")[0]
    return f"{platform.system()} {kernel}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def busy() -> float:
    """How many processes wanted a core over the last minute: over about 0.5 before a run, its figures mean little."""
    return os.getloadavg()[0]


def free_port() -> int:
    """A port nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def started(
    command: Sequence[str], log: Path, *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, ended as by Ctrl-C; what it says goes to `log`."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                break


def answering(process: subprocess.Popen[bytes], url: str, log: Path) -> float:
    """Waits until `url` answers 200; the seconds that took. Where it does not, the end of its `log` says why."""
    began = time.perf_counter()
    while time.perf_counter() - began < START_SECONDS:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return time.perf_counter() - began
        time.sleep(0.02)
    said = log.read_text(errors="replace")[-LOG_SHOWN:]
    sys.exit(f"{url} did not answer ({time.perf_counter() - began:.0f} s):\n{said}")


def cpu_seconds(root: int, without: int = 0) -> float:
    """CPU time of a process and all below it so far, those that have ended included; `without` is a branch left out."""
    by_pid = dict(_stats())
    wanted, ticks = [root], 0
    while wanted:
        pid = wanted.pop()
        if pid == without:
            continue
        ticks += by_pid[pid][1] if pid in by_pid else 0
        wanted += [child for child, (parent, _) in by_pid.items() if parent == pid]
    return ticks / _TICK


def _stats() -> Iterator[tuple[int, tuple[int, int]]]:
    """(pid, (parent, user and system ticks with those of children waited for)) of every process, from proc(5)."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                yield int(folder.name), (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]))
