"""The server around an application: it says when it stands, finishes what it began, and lets go of its port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from kjerne import server
from kjerne.errors import Refusal
from kjerne.settings import Settings
from ports import free_port


class SlowApplication:
    """Tells when a request has come to it, and is at work on it for a while after."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.begun.set()
        await asyncio.sleep(0.2)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def closed_application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def test_request_in_work_is_answered_before_the_server_stops() -> None:
    settings, application = Settings(port=free_port()), SlowApplication()
    answers: list[httpx.Response] = []

    async def asks() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            asking = asyncio.create_task(client.get(f"http://127.0.0.1:{settings.port}/"))
            await application.begun.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            answers.append(await asking)

    asked: list[asyncio.Task[None]] = []

    async def started() -> None:
        asked.append(asyncio.create_task(asks()))

    with server.listening(settings) as listener:
        await server.serve(application, listener, started)
    await asked[0]
    assert answers[0].content == b"done"


async def test_port_of_another_program_is_refused_by_number() -> None:
    settings = Settings(port=free_port())
    with server.listening(settings) as listener:
        listener.listen()
        with pytest.raises(Refusal, match=f"port {settings.port} .* cannot be had") as refused:
            server.listening(settings)
    assert refused.value.status == 409


def test_program_that_a_shell_started_with_sigint_ignored_still_closes_in_order() -> None:
    program = """
import asyncio, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from kjerne import server

async def work():
    try:
        print("stands", flush=True)
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.05)
        print("closed", flush=True)

try:
    server.run(work())
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stands\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "closed\nstopped\n"


async def test_application_that_cannot_be_opened_is_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    with server.listening(Settings(port=free_port())) as listener, pytest.raises(Refusal, match="could not be opened"):
        await server.serve(closed_application, listener)
