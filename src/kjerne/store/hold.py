"""Who holds a data directory: one process at a time, for as long as it lives."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from kjerne.errors import Refusal

NAME: Final = "held-by"


@dataclass
class Hold:
    """A lock on a data directory. The kernel lets go of it when the process ends, however it ends.

    The file says who holds it, for the sentence that refuses the next one; it is not what locks.
    """

    descriptor: int

    @classmethod
    def take(cls, data: Path) -> Self:
        """Make the directory if it is not there (mode 0700; one that is there keeps its mode) and hold it.

        Refusal 409 names the process that holds it; 422 when this user may not use the directory.
        """
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(data / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refusal(
                422,
                f"the data directory {data} cannot be used: {error.strerror}",
                todo="Choose another with --data, or start as the user who made it.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise Refusal(
                409,
                f"the data directory {data} is in use by {_named(holder)}",
                todo="Stop it first, or choose another directory with --data.",
            ) from error
        _write_holder(descriptor)
        return cls(descriptor)

    def release(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def _write_holder(descriptor: int) -> None:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    holder = {"pid": os.getpid(), "command": command, "since": datetime.now(UTC).isoformat(timespec="seconds")}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _named(holder: bytes) -> str:
    try:
        told = json.loads(holder)
        return f"process {told['pid']} ({told['command']}, since {told['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process that has just started"
