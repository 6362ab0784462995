"""Where the tests' databases lie: in memory where the machine has room for them, else on its disk.

A database is copied for each file of tests, some 600 files and 10 MB. On a disk that costs five to twenty times as much
processor as in memory, and seconds of waiting where others write too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 8 * 2**30
"""Nine servers, three for each of three workers, hold at most 0.7 GB each: tables, and a log that grows to 512 MB."""
PREFIX: Final = "kjerne-tests-"


def room_bytes(memory: Path = MEMORY) -> int:
    """How much may be laid there: what it takes, and no more than the machine, or the container, has left."""
    if not os.access(memory, os.W_OK):
        return 0
    found = [shutil.disk_usage(memory).free]
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / f"memory.{one}").read_text(encoding="ascii")) for one in ("max", "current"))
        found.append(limit - used)
    return min(found)


def swept(memory: Path = MEMORY) -> None:
    """Removes what a run left that was killed: nobody else would, and it is the machine's memory."""
    for left in memory.glob(f"{PREFIX}*"):
        process = left.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdecimal() and not Path(f"/proc/{process}").exists():
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def folder(memory: Path = MEMORY, room: int = ROOM_BYTES) -> Iterator[Path | None]:
    """A folder there until the block ends, or None where there is too little room."""
    if room_bytes(memory) < room:
        yield None
        return
    swept(memory)
    found = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory))
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)
