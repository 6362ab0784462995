"""A platform started as a person starts it, in a process of its own, and stopped as a person stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ports import free_port

START_SECONDS = 120
STOP_SECONDS = 40


@dataclass(frozen=True)
class Platform:
    """What `kjerne up --json` told when it stood, the process, and where its data lie."""

    told: Mapping[str, Any]
    process: subprocess.Popen[str]
    data: Path

    @property
    def url(self) -> str:
        return str(self.told["url"])

    def interrupted(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def started(
    command: Sequence[str],
    data: Path,
    *,
    people: int = 15,
    sources: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Platform]:
    """Run `command` (`kjerne`, however it is called) with `up` until the block ends."""
    arguments = ["up", "--port", str(free_port()), "--data", str(data), "--people", str(people), "--json"]
    arguments += ["--sources", str(sources)]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**(environment or os.environ)},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"kjerne up ended with exit code {process.wait(START_SECONDS)}"
        yield Platform(json.loads(line), process, data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
