"""Sockets under the real server: what is read is known to be read, and what cannot be read holds nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from kjerne import server
from kjerne.fhir.subscribing import SOCKET
from kjerne.settings import Settings
from kjerne.wire import sockets
from kjerne.wire.hooks import NotTaken
from kjerne.wire.sockets import Socket, SocketProtocol, Sockets

SECONDS = 20

Open = Callable[..., Awaitable[tuple[ClientConnection, Socket]]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens a socket: the client's end and ours, which stays open while the other side is there."""
    ours: asyncio.Queue[Socket] = asyncio.Queue()

    async def met(socket: Socket) -> None:
        await ours.put(socket)
        while await socket.heard() is not None:
            pass

    served = Sockets(met, lambda host: f"http://{host}", frozenset({"https://app.example"}))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await served(scope, receive, send)
        elif scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    with contextlib.closing(server.listening(Settings(port=1).model_copy(update={"port": 0}))) as listener:
        running = uvicorn.Server(server.configuration(application))
        serving = asyncio.create_task(running.serve([listener]))
        while not running.started:
            await asyncio.sleep(0.01)
        host, port = listener.getsockname()
        async with contextlib.AsyncExitStack() as stack:

            async def client(path: str = SOCKET, **more: Any) -> tuple[ClientConnection, Socket]:
                one = await stack.enter_async_context(connect(f"ws://{host}:{port}{path}", proxy=None, **more))
                return one, await ours.get()

            yield client
        running.should_exit = True
        await serving


async def test_what_is_said_is_read_when_it_returns(opened: Open) -> None:
    client, ours = await opened()
    saying = asyncio.gather(*(ours.say(str(number), SECONDS) for number in range(40)))
    assert [await client.recv() for _ in range(40)] == [str(number) for number in range(40)]
    await saying


async def test_a_client_that_takes_no_more_from_its_library_is_a_slow_reader(opened: Open) -> None:
    client, ours = await opened(max_queue=2)
    taken = []
    with pytest.raises(NotTaken):
        while True:
            await ours.say("one", 0.5)
            taken.append("one")
    assert len(taken) < 10
    assert [await client.recv() for _ in taken] == taken


async def test_what_is_not_read_in_time_is_not_taken(opened: Open) -> None:
    client, ours = await opened()
    client.transport.pause_reading()
    with pytest.raises(NotTaken, match="not read within"):
        await ours.say("one", 0.1)
    client.transport.resume_reading()
    assert await client.recv() == "one"


async def test_what_waits_behind_others_for_too_long_is_not_begun(opened: Open) -> None:
    _, ours = await opened()
    with pytest.raises(TimeoutError):
        await ours.say("one", SECONDS, asyncio.get_running_loop().time() - 1)


async def test_a_socket_that_ends_ends_the_waiting_for_it(opened: Open) -> None:
    client, ours = await opened()
    client.transport.pause_reading()
    waiting = asyncio.create_task(ours.say("one", SECONDS))
    await asyncio.sleep(0)
    client.transport.abort()
    with pytest.raises(NotTaken, match="closed"):
        await waiting
    with pytest.raises(NotTaken, match="closed"):
        await ours.say("two", SECONDS)


async def test_a_pong_answers_for_the_pings_before_it(opened: Open) -> None:
    _, ours = await opened()
    connection: SocketProtocol = ours._connection
    connection.transport.pause_reading()
    first, second, third = (connection.pinged() for _ in range(3))
    marks = [mark for mark, _ in connection._sent]
    connection.handle_pong(Frame(Opcode.PONG, b"not one of ours"))
    connection.handle_pong(Frame(Opcode.PONG, marks[1]))
    assert (first.done(), second.done(), third.done()) == (True, True, False)
    connection.transport.resume_reading()
    async with asyncio.timeout(SECONDS):
        await third


async def test_a_socket_is_closed_once_with_a_code_and_a_reason(opened: Open) -> None:
    client, ours = await opened()
    await ours.close(4401, "x" * 500)
    await ours.close(4403, "again")
    with pytest.raises(ConnectionClosed) as left:
        await client.recv()
    assert left.value.rcvd is not None
    assert (left.value.rcvd.code, left.value.rcvd.reason) == (4401, "x" * 120)


async def test_a_reader_that_stands_still_is_cut_off(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    client, ours = await opened(max_queue=None)
    client.transport.pause_reading()
    with pytest.raises(NotTaken):
        # More than lies in the buffers between: nothing can be written behind it.
        await ours.say("x" * 30_000_000, 0.5)
    lost = asyncio.Event()
    monkeypatch.setattr(ours._connection, "connection_lost", noting(ours._connection.connection_lost, lost))
    await ours.close(4408, "not read")
    async with asyncio.timeout(SECONDS):
        await lost.wait()


def noting(before: Callable[..., None], lost: asyncio.Event) -> Callable[..., None]:
    def noted(exc: Exception | None) -> None:
        before(exc)
        lost.set()

    return noted


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        (SOCKET, {"origin": "https://elsewhere.example"}, 403),
        (SOCKET, {"origin": "null"}, 403),
        (SOCKET + "?token=x", {}, 400),
        ("/fhir/R4/Observation", {}, 200),
    ],
)
async def test_a_socket_opens_at_its_own_address_for_pages_that_may(
    opened: Open, path: str, more: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    with pytest.raises(InvalidStatus) as refused:
        await opened(path, **more)
    assert refused.value.response.status_code == status
    await opened(SOCKET, origin="https://app.example")
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert caplog.records == [], "a refusal is no fault of ours"


ASKED = b"GET " + SOCKET.encode() + b" HTTP/1.1\r\nhost: kjerne.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
KEY = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"


async def said(port: int, head: bytes) -> bytes:
    """What comes back for a request as it stands, until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    async with asyncio.timeout(SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (ASKED + b"\r\n", b"400"),
        (ASKED + KEY + KEY + b"\r\n", b"400"),
        (ASKED + KEY + b"connection: close\r\ncontent-length: 0\r\n\r\n", b"200"),
        (ASKED + KEY + b"connection: close\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"200"),
        (ASKED + KEY + b"connection: close\r\nx: " + b"y" * 9_000 + b"\r\n\r\n", b"200"),
        ((ASKED + KEY + b"\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"), b"200"),
    ],
    ids=["no key", "two keys", "a body", "many headers", "a long header", "HTTP/1.0"],
)
async def test_what_asks_for_a_socket_in_another_way_is_answered_and_let_go(
    opened: Open, head: bytes, status: bytes
) -> None:
    _, ours = await opened()
    answer = await said(int(ours.base_url.rpartition(":")[2]), head)
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")


async def test_a_request_that_the_library_does_not_read_is_cut_off(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HEADERS_LIMIT", 1_000)
    _, ours = await opened()
    head = ASKED + KEY + b"x: y\r\n" * 500 + b"\r\n"
    with contextlib.suppress(ConnectionError):
        assert await said(int(ours.base_url.rpartition(":")[2]), head) == b""


async def test_a_fault_of_ours_closes_the_socket_and_tells_nothing(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Socket) -> str:
        raise ValueError("something inside")

    monkeypatch.setattr(sockets.Socket, "heard", broken)
    client, _ = await opened()
    with pytest.raises(ConnectionClosed) as left:
        await client.recv()
    assert left.value.rcvd is not None
    assert (left.value.rcvd.code, left.value.rcvd.reason) == (1011, "a fault of ours")
