"""WebSocket (RFC 6455) under uvicorn, on the `websockets` library: a socket that says whether what it sent was read.

What is written into a connection may never be read, and a subscriber's message must not be taken for told before it is. So each
text is followed by a ping, and it is read when the pong to that comes back (section 5.5.3): the other side answers frames in
order, and a slow reader's library stops reading, pong and all. Nothing in an address opens anything here; who a socket is told
for, it says by its first message (`kjerne.socketing`).
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from kjerne.errors import Refusal
from kjerne.fhir.subscribing import SOCKET
from kjerne.wire import http, journal
from kjerne.wire.hooks import NotTaken
from kjerne.wire.problems import refusal_answer

HEARD_LIMIT_BYTES: Final = 4_096
"""One message from the other side: it has a token in it and little else."""
HEADERS_LIMIT: Final = 100
HEADER_LIMIT_BYTES: Final = 8_000
"""Headers of the request for a socket: within what the library reads."""
UNREAD_LIMIT: Final = 16
"""Messages that are on their way on one socket."""
OPEN_LIMIT: Final = 2_000
"""Sockets of one process."""
ALIVE_SECONDS: Final = 20.0
"""How often a socket is asked whether it is there, and how long it has to answer."""
AT: Final = SOCKET.encode()
LINGER_SECONDS: Final = 12.0
"""A socket that was closed and that the other side does not let go is cut after so long."""
_CONNECTION: Final = "kjerne.socket"


class SocketProtocol(WebSocketsSansIOProtocol):
    """One connection, which the application finds in its scope: to ask whether all that was sent until now is read, and to
    cut it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._sent: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._number = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The library did not read the request, and says nothing by itself.
            self.cut()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            self.scope["extensions"][_CONNECTION] = self  # type: ignore[assignment]

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # It is refused, which is an answer: uvicorn would write that there was none.
            self.handshake_complete = True

    def pinged(self) -> asyncio.Future[None]:
        """Sends a ping behind what was sent; done when its pong is there, `ConnectionError` where none can come any more."""
        waiting: asyncio.Future[None] = self.loop.create_future()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            waiting.set_exception(ConnectionError())
            return waiting
        self._number += 1
        mark = struct.pack("!Q", self._number)
        self._sent.append((mark, waiting))
        self.conn.send_ping(mark)
        self.transport.write(b"".join(self.conn.data_to_send()))
        return waiting

    def handle_pong(self, event: Frame) -> None:
        mark = bytes(event.data)
        if any(sent == mark for sent, _ in self._sent):
            # A pong may answer for all pings before its own (RFC 6455 section 5.5.3), uvicorn's own among them.
            reached = b""
            while reached != mark:
                reached, waiting = self._sent.popleft()
                if not waiting.done():
                    waiting.set_result(None)
            if self.pending_ping_payload is not None:
                super().handle_pong(Frame(Opcode.PONG, self.pending_ping_payload))
            return
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.cut()

    def cut(self) -> None:
        """Ends the connection at once: a close waits until all is written, which nobody may read."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        while self._sent:
            waiting = self._sent.popleft()[1]
            if not waiting.done():
                waiting.set_exception(ConnectionError())


@dataclass(eq=False)
class Socket:
    """An open socket. `base_url` is the host as the client named it."""

    base_url: str
    _receive: http.Receive = field(repr=False)
    _send: http.Send = field(repr=False)
    _connection: SocketProtocol = field(repr=False)
    id: UUID = field(default_factory=uuid4)
    code: int = 0
    """With which code it was closed from here; 0: it was not."""
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNREAD_LIMIT), repr=False)

    async def heard(self) -> str | None:
        """The next text; None where the socket is closed. Bytes are an empty text, which means nothing."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        return str(message.get("text") or "")

    async def say(self, text: str, seconds: float, until: float = float("inf")) -> None:
        """Raises `NotTaken` unless it was read within the time; `TimeoutError` where it could not be begun before the loop's time
        `until`, since others were in front."""
        async with self._room:
            if asyncio.get_running_loop().time() > until:
                raise TimeoutError
            try:
                async with asyncio.timeout(seconds):
                    await self._send({"type": "websocket.send", "text": text})
                    await self._connection.pinged()
            except TimeoutError:
                raise NotTaken(f"it was not read within {seconds:g} seconds") from None
            except (ClientDisconnected, OSError, RuntimeError):
                # RuntimeError is uvicorn's for what is sent behind a close.
                raise NotTaken("the socket is closed") from None

    async def close(self, code: int, reason: str) -> None:
        """Closes it, once, with a reason of at most 120 characters; cut where that cannot be sent behind a message that nobody
        reads."""
        if self.code:
            return
        self.code = code
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._connection.cut)
        try:
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
        except (TimeoutError, ClientDisconnected, OSError, RuntimeError):
            self._connection.cut()


Met = Callable[[Socket], Awaitable[None]]


@dataclass
class Sockets:
    """The address where sockets are opened. `met` does with one whatever it is for; `base_url` is `Edge.base_url`."""

    met: Met
    base_url: Callable[[str], str]
    origins: frozenset[str] = frozenset()
    """Whose pages in a browser may open one, beside our own."""
    count: int = 0

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        correlation = http.correlation_sent(scope)
        base_url = self.base_url(http.host_of(scope))
        await receive()  # websocket.connect
        refusal = self._refused(scope, base_url)
        if refusal is not None:
            await _answer(send, refusal, correlation)
            return
        self.count += 1
        try:
            await send({"type": "websocket.accept"})
            journal.answered(correlation, SOCKET, 101)
            await self._held(Socket(base_url, receive, send, scope["extensions"][_CONNECTION]), correlation)
        except (ClientDisconnected, OSError):
            pass  # it was gone before it was open
        finally:
            self.count -= 1

    async def _held(self, socket: Socket, correlation: str) -> None:
        try:
            await self.met(socket)
        except Exception as error:  # noqa: BLE001 - noted with its trace, as of any answer
            journal.met(error, correlation, SOCKET)
            await socket.close(1011, "a fault of ours")

    def _refused(self, scope: http.Scope, base_url: str) -> Refusal | None:
        """Why a socket is not opened: for a page of another's in a browser (RFC 6455 section 10.2), with a query, which has
        nothing to say here and might be a token, or where too many are open."""
        origins = {value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"origin"}
        if not origins <= {base_url, *self.origins}:
            todo = "Have it written into KJERNE_ORIGINS."
            return Refusal(403, "pages of this origin may not open a socket here", where="origin", todo=todo)
        if scope.get("query_string"):
            return Refusal(
                400, "a socket's address has no query", where="query", todo="Send the token as its first message."
            )
        return (
            Refusal(503, "too many sockets are open", todo="Try again in a while.")
            if self.count >= OPEN_LIMIT
            else None
        )


async def _answer(send: http.Send, refusal: Refusal, correlation: str) -> None:
    answer = refusal_answer(refusal, "json")
    headers = http.headers_sent(answer, correlation)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
    journal.answered(correlation, SOCKET, answer.status)
