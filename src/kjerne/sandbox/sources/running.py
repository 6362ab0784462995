"""The processes of the sources: started behind the platform, started again where one ends by itself, stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from kjerne.sandbox.sources.furnishing import HOST, Furnished
from kjerne.store.embedded import ends_with_parent

LOG: Final = "source.log"
LOG_LIMIT_BYTES: Final = 5_000_000
CONNECTIONS: Final = 3
"""Of each to the database, which the platform uses as well."""
WATCH_SECONDS: Final = 0.25
STOP_SECONDS: Final = 15
PAUSES_SECONDS: Final = (0.5, 1, 2, 5, 10, 30)
"""Before one that ended is started again, from the first time that it ends to the sixth and on."""
STOOD_SECONDS: Final = 60
"""Whoever has stood so long begins with the first pause again."""
log = structlog.get_logger("kjerne.sandbox")


@dataclass
class Running:
    """One source as a process."""

    source: Furnished
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    async def run_forever(self) -> None:
        """Keeps it running until cancelled, which does not stop it: `stop` does."""
        ended = 0
        while True:
            begun = time.monotonic()
            self.process = self._launch()
            while (code := self.process.poll()) is None:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(WATCH_SECONDS)
            ended = 0 if time.monotonic() - begun > STOOD_SECONDS else ended
            pause = PAUSES_SECONDS[min(ended, len(PAUSES_SECONDS) - 1)]
            ended += 1
            log.warning("a document source ended", source=self.source.place.name, code=code, again_seconds=pause)
            await asyncio.sleep(pause)

    def stop(self) -> None:
        """As its operator stops it; past its time, at once."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
                return

    def _launch(self) -> subprocess.Popen[bytes]:
        source = self.source
        command = [
            sys.executable,
            "-m",
            "kjerne.cli",
            "source",
            "--port",
            str(source.port),
            "--data",
            str(source.folder),
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KJERNE_")} | {
            "KJERNE_HOST": HOST, "KJERNE_PUBLIC_URL": source.url, "KJERNE_DSN": source.dsn,
            "KJERNE_OWNER_DSN": source.owner_dsn, "KJERNE_POOL_SIZE": str(CONNECTIONS),
        }  # fmt: skip
        with _log(source.folder / LOG).open("ab") as file:
            # A session of its own: Ctrl-C at the terminal reaches the platform alone, which stops it when it is done itself.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True,
                preexec_fn=ends_with_parent(),  # noqa: PLW1509 - it calls one kernel function, no Python lock is taken
            )  # fmt: skip


@contextlib.asynccontextmanager
async def running(
    sources: Sequence[Furnished], beside: Callable[[], Awaitable[None]]
) -> AsyncIterator[Callable[[], None]]:
    """Gives what starts them, and `beside` with them; both end with the block. They wait for it, so that the platform answers
    first."""
    kept = [Running(one) for one in sources]
    tasks = list[asyncio.Task[None]]()

    def begin() -> None:
        tasks.extend(asyncio.ensure_future(one.run_forever()) for one in kept)
        tasks.append(asyncio.ensure_future(beside()))
        for task in tasks:
            task.add_done_callback(_ended)

    try:
        yield begin
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.shield(asyncio.gather(*(asyncio.to_thread(one.stop) for one in kept)))


def _ended(task: asyncio.Task[None]) -> None:
    """Tells of what went wrong when it does, and not when the platform stops."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the document sources are not looked after", why=f"{type(error).__name__}: {error}")


def _log(path: Path) -> Path:
    """The log of a process; past its limit the old one moves aside."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.old"))
    return path
