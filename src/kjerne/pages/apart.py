"""Work of a page that may take seconds, in a process of its own, so that nobody else's request waits for the interpreter.

The process is this program, begun anew for one piece of work: it has no key, no connection and no file that it could write, a
limit of time and memory, and stands behind the others in the machine's queue (decision 86). What is small is done in a thread,
since to begin takes more than a second.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from kjerne.errors import Refusal

LARGE_BYTES: Final = 150_000
"""Of a document: from here on it is read apart. The examples of IPS and EPS have at most 120,000."""
SECONDS: Final = 30.0
CPU_SECONDS: Final = 25
MEMORY_BYTES: Final = 3_000_000_000
_NICE: Final = 5
_PROGRAM: Final = "from kjerne.pages.apart import main; main()"
T = TypeVar("T")
log = structlog.get_logger("kjerne")


def is_large(raw: bytes) -> bool:
    """Whether bytes are read in a process."""
    return len(raw) >= LARGE_BYTES


async def work(function: Callable[..., T], raw: bytes, *more: Any) -> T:
    """What `function(raw, *more)` makes: in a thread, or in a process where there are many bytes. It is a function of a module,
    and what goes in and out can be pickled. Raises its `Refusal`; 503 where it takes too long or too much."""
    if not is_large(raw):
        return await asyncio.to_thread(function, raw, *more)
    answer = await _answered(await asyncio.to_thread(pickle.dumps, partial(function, raw, *more)))
    if not answer:
        raise Refusal(503, "The document takes too long to read.", where="document_late")
    # Of our own program, over a pipe that nobody else has.
    done, made = await asyncio.to_thread(pickle.loads, answer)
    if not done:
        status, says, where, code = made
        raise Refusal(status, says, where=where, code=code)
    result: T = made
    return result


async def _answered(sent: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            made, _ = await process.communicate(sent)
    except TimeoutError:
        made = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        log.warning("a document was not read apart", code=process.returncode)
        return b""
    return made


def main() -> None:
    """From standard input to standard output. What goes wrong otherwise ends it, and nothing of it is repeated."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sent: Callable[[], object] = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - of our own program
    try:
        answer: tuple[bool, object] = True, sent()
    except Refusal as refusal:
        answer = False, (refusal.status, refusal.says, refusal.where, refusal.code)
    sys.stdout.buffer.write(pickle.dumps(answer))
