"""Below the application: from the bytes of a connection to requests, with a limit on what stands before a body.

uvicorn's own protocol on httptools. What its parser cannot read never reaches `wire.edge`; it is answered from here, in
the shape of the API that its address shows. RFC 9112 says what a request looks like.

An answer that is whole when it is sent goes out in one piece (`Cycle.whole`), and the time that a connection may idle is
watched by one timer that stands, in place of one for each answer: a read costs some 30 us less (measured 2026-11-26).
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from kjerne.errors import Refusal
from kjerne.wire import edge, http, sockets

HEAD_LIMIT_BYTES: Final = 64_000
LINGER_SECONDS: Final = 1.0
"""After a refusal the rest is read and thrown away for so long: a connection closed at once may lose the answer."""
_OF_BODIES: Final = frozenset({b"content-length", b"transfer-encoding"})
_ADDRESS: Final = re.compile(rb"\S+ (\S+)")
_HOST: Final = re.compile(rb"\r\nhost:[ \t]*(\S+)", re.IGNORECASE)


class Cycle(RequestResponseCycle):
    """One request and its answer: what the application is given to send by, as ASGI has it or whole."""

    logger = logging.getLogger("uvicorn.error")
    access_log = False
    disconnected = False
    response_started = False
    response_complete = False
    more_body = True
    chunked_encoding: bool | None = None
    expected_content_length = 0

    def __init__(self, connection: Protocol, *, keep_alive: bool) -> None:
        self.scope = connection.scope
        self.transport = connection.transport
        self.flow = connection.flow
        self.default_headers = connection.server_state.default_headers
        self.on_response = connection.on_response_complete
        self.message_event = asyncio.Event()
        self.waiting_for_100_continue = connection.expect_100_continue
        self.keep_alive = keep_alive
        self.body = bytearray()

    @property
    def send(self) -> Cycle:
        """Itself: what is called as ASGI's `send` has `whole` beside it."""
        return self

    async def __call__(self, message: Any) -> None:
        await super().send(message)

    def whole(self, status: int, lines: bytes, body: bytes) -> bool:
        """Sends an answer whose header `lines` are checked and tell its length. False where it must go by messages."""
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], _dated.lines(self.default_headers), lines, end, body)))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    """What has been received since a head began that is not complete yet, the last packet with it."""
    _refused = False
    _opens = False
    """Whether a socket is opened by the request that is read now."""
    _offers = False
    """Whether it offers another protocol, which is not taken: it is read anew without that (`_without_offer`)."""
    _idle_since: float | None = None

    def data_received(self, data: bytes) -> None:
        while data and not self._refused:
            data = self._read(data)

    def _read(self, data: bytes) -> bytes:
        """Reads what came; what is to be read anew, behind an offer that is not taken."""
        self._idle_since = None
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if not self._in_head():
                self._head_bytes = 0
            elif self._head_bytes > HEAD_LIMIT_BYTES:
                raise self._too_long()
        except httptools.HttpParserUpgrade as upgrade:
            self._head_bytes = 0
            if self._opens:
                self.handle_websocket_upgrade()
            elif self._offers:
                return self._without_offer() + data[upgrade.args[0] :]
        except (httptools.HttpParserError, Refusal) as error:
            self._refuse(_refusal(error), data)
        return b""

    def on_headers_complete(self) -> None:
        # What was received may hold a body too: the head alone is measured only where both are over the limit.
        if self._head_bytes > HEAD_LIMIT_BYTES:
            length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if length > HEAD_LIMIT_BYTES:
                raise self._too_long()
        self._opens = self._is_socket()
        # CONNECT needs no header to offer: it is answered, and the connection ends, since what follows is no message (`_begin`).
        self._offers = not self._opens and self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._opens or self._offers:
            return
        self._begin()
        # The scope keeps its list: what follows a chunked body (trailers) is never taken for a header.
        self.headers = []

    def _begin(self) -> None:
        """Hands the request to the application, or has it wait for the answer before it (pipelining)."""
        scope, parser, version = self.scope, self.parser, self.parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        keep_alive = version != "1.0" and scope["method"] != "CONNECT" and parser.should_keep_alive()
        self.cycle = Cycle(self, keep_alive=keep_alive)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _is_socket(self) -> bool:
        """Whether the request asks for a socket at the address where one is, with nothing before it that is not answered, and
        as one is asked for (RFC 6455 section 4.1). Any other is answered as it stands."""
        return (
            self.url.partition(b"?")[0] == sockets.AT
            and self.parser.should_upgrade()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and len(self.headers) <= sockets.HEADERS_LIMIT
            and not any(len(value) > sockets.HEADER_LIMIT_BYTES or name in _OF_BODIES for name, value in self.headers)
            and self._should_upgrade()
            and (self.cycle is None or self.cycle.response_complete)
        )

    def handle_websocket_upgrade(self) -> None:
        self._unset_keepalive_if_required()
        self.scope["method"] = "GET"
        super().handle_websocket_upgrade()

    def on_message_complete(self) -> None:
        if self._opens or self._offers:
            return
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that has idled; of one that was used meanwhile the time begins when it was last."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._wait(left)
        else:
            self.transport.close()

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _without_offer(self) -> bytes:
        """The head again without its offer of another protocol, which a server may pass over (RFC 9110 section 7.8), for a new
        parser: with the offer the parser takes the body for the other protocol's, and what follows it for anybody's request.
        Java's own client offers HTTP/2 with each."""
        head = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        head += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        return b"".join((*head, b"\r\n"))

    def _in_head(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _too_long(self) -> Refusal:
        status, what = (414, "the address is") if len(self.url) > HEAD_LIMIT_BYTES else (431, "the headers are")
        return Refusal(status, f"{what} longer than {HEAD_LIMIT_BYTES} bytes", code="too-long")

    def _refuse(self, refusal: Refusal, data: bytes) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            cycle.keep_alive = False  # the request before this one is in work: its answer is the last
            return
        self._refused = True
        if cycle is not None and cycle.more_body:  # the fault is in its body: whoever reads that hears that it is over
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        answer, correlation = edge.unread(refusal, *self._place(data))
        headers = [*http.headers_sent(answer, correlation), (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _place(self, data: bytes) -> tuple[str, str]:
        """Host and path, as far as they came: the parser hands over neither before it has seen what follows."""
        address, host = _ADDRESS.match(data), _HOST.search(data)
        url = self.url or (address[1] if address else b"")
        return (host[1] if host else b"").decode("latin-1"), url.partition(b"?")[0].decode("latin-1")


class _Dated:
    """The headers that uvicorn gives every answer, as lines: it makes a new list each second, for its date."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        if self._headers is not headers:
            self._headers, self._lines = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._lines


_dated = _Dated()


def _refusal(error: Exception) -> Refusal:
    for said in (error, error.__context__):
        if isinstance(said, Refusal):
            return said
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return Refusal(400, "no HTTP method begins this request", where="method")
    if isinstance(error, (httptools.HttpParserInvalidURLError, httptools.HttpParserCallbackError)):
        return Refusal(400, "the address cannot be read", where="path", todo="Begin it with / and percent-encode it.")
    # The parser's reasons are fixed words, without anything of the request.
    return Refusal(400, f"this cannot be read as HTTP/1.1: {error}")
