"""What a PostgreSQL server says of itself in its pid file, and the end of one that outlived its starter."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from kjerne.errors import Refusal

END_SECONDS: Final = 30  # half of them for a clean end, then at once; the next start recovers


def ready(cluster: Path, pid: int) -> bool:
    """Whether the server with this process number answers: the 8th line of its pid file."""
    with contextlib.suppress(OSError):
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"
    return False


def end_orphans(home: Path) -> None:
    """End a server that outlived the process that started it, and wait for every process of it to be gone.

    The lock is ours, so nobody uses them. Linux tells each process's working directory, which those of a server never
    leave. Elsewhere PostgreSQL's own check of its pid file remains.
    """
    if not Path("/proc/self").exists():
        return
    cluster = home / "cluster"
    pid_file = cluster / "postmaster.pid"
    for tenth in range(END_SECONDS * 10):
        left = _seated(cluster)
        if not left:
            break
        if tenth == 0:
            _signal(left & _named_in(pid_file), signal.SIGINT)
        elif tenth == END_SECONDS * 5:
            _signal(left, signal.SIGQUIT)
        time.sleep(0.1)
    else:
        raise Refusal(503, f"an earlier PostgreSQL (process {min(left)}) does not let go of {home}")
    # A number they name may meanwhile be another process's, or a dead one's that nobody has reaped.
    for stale in (pid_file, *(home / "socket").iterdir()):
        stale.unlink(missing_ok=True)


def _seated(cluster: Path) -> set[int]:
    """The processes whose working directory is the cluster."""
    found = set()
    for seat in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if seat.samefile(cluster):
                found.add(int(seat.parts[2]))
    return found


def _named_in(pid_file: Path) -> set[int]:
    with contextlib.suppress(OSError, ValueError):
        return {int(pid_file.read_text().split("\n", 1)[0])}
    return set()


def _signal(processes: set[int], how: signal.Signals) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
