"""The HTTP server around the application: uvicorn with uvloop and httptools, one place for its limits and its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TextIO, cast

import structlog
import uvicorn
import uvloop

from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.wire.protocol import Protocol
from kjerne.wire.sockets import ALIVE_SECONDS, HEARD_LIMIT_BYTES, SocketProtocol

BACKLOG: Final = 2048
GRACE_SECONDS: Final = 10  # what is being answered when we are told to stop may finish within this

Started = Callable[[], Awaitable[None]]


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a whole program on uvloop. SIGTERM and Ctrl-C both cancel it, so that what it opened is closed in order.

    They do so from the first moment, also where a shell started us in the background with SIGINT ignored.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(work))
    except asyncio.CancelledError as cancelled:
        raise KeyboardInterrupt from cancelled


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await work


def listening(settings: Settings) -> socket.socket:
    """The socket that requests come in by. Refusal 409 when another program has the port."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise Refusal(
            409,
            f"port {settings.port} of {settings.host} cannot be had: {os.strerror(error.errno or 0)}",
            todo="Choose another with --port.",
        ) from error
    listener.setblocking(False)
    return listener


async def serve(application: Any, listener: socket.socket, started: Started | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM, then let those in work finish. `started` runs once requests are taken.

    Refusal 503 when the application could not be opened; its own reason is in the log.
    """
    server = _Server(configuration(application), started)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await server.serve(sockets=[listener])


async def while_it_stands(database: Coroutine[Any, Any, None], serving: Coroutine[Any, Any, None]) -> None:
    """Serves until told to stop. Refusal 503 where the database ends first: nothing can be answered without it."""
    served, watched = asyncio.create_task(serving), asyncio.create_task(database)
    await asyncio.wait((served, watched), return_when=asyncio.FIRST_COMPLETED)
    if served.done():
        watched.cancel()
        await served
        return
    signal.raise_signal(signal.SIGTERM)  # `serve` ends as it does when it is told to
    await asyncio.gather(served, return_exceptions=True)
    raise Refusal(503, "PostgreSQL has ended", todo="Start again; nothing that was answered is lost.")


def configuration(application: Any, **more: Any) -> uvicorn.Config:
    """How uvicorn is run everywhere. Its own access log is off: `wire.edge` writes one line for each answer."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=Protocol,
        ws=SocketProtocol,
        ws_max_size=HEARD_LIMIT_BYTES,
        ws_per_message_deflate=False,  # what is sent is other people's, and memory for each socket beside
        ws_ping_interval=ALIVE_SECONDS,
        ws_ping_timeout=ALIVE_SECONDS,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **more,
    )


def log_to(stream: Any = None, *, level: int = logging.INFO) -> None:
    """One JSON line for each event, without the values of a request: correlation id, route, status, refusing rule."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )


class _StandardError:
    """Standard error as it is when a line is written: whoever runs the program may have put another in its place."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Server(uvicorn.Server):
    """uvicorn's server, that says when it has started and leaves signals to us.

    uvicorn raises a signal anew after it has stopped, which would interrupt the closing of the database.
    """

    def __init__(self, config: uvicorn.Config, tell: Started | None) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's way to say that the application did not open
            raise Refusal(503, "the application could not be opened", todo="The log above says why.") from error
        if self._tell is not None:
            await self._tell()

    def stop(self) -> None:
        """Lets what is being answered finish, for `GRACE_SECONDS`; being told again changes nothing of it."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
