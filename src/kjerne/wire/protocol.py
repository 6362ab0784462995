"""Below the application: from the bytes of a connection to requests, with a limit on what stands before a body.

uvicorn's own protocol on httptools. What its parser cannot read never reaches `wire.edge`; it is answered from here, in
the shape of the API that its address shows. RFC 9112 says what a request looks like.
"""

from __future__ import annotations

import re
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kjerne.errors import Refusal
from kjerne.wire import edge, http

HEAD_LIMIT_BYTES: Final = 64_000
LINGER_SECONDS: Final = 1.0
"""After a refusal the rest is read and thrown away for so long: a connection closed at once may lose the answer."""
_ADDRESS: Final = re.compile(rb"\S+ (\S+)")
_HOST: Final = re.compile(rb"\r\nhost:[ \t]*(\S+)", re.IGNORECASE)


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    """What has been received since a head began that is not complete yet, the last packet with it."""
    _refused = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if not self._in_head():
                self._head_bytes = 0
            elif self._head_bytes > HEAD_LIMIT_BYTES:
                raise self._too_long()
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here: the request is answered as it stands (RFC 9110 section 7.8).
            self._head_bytes = 0
        except (httptools.HttpParserError, Refusal) as error:
            self._refuse(_refusal(error), data)

    def on_headers_complete(self) -> None:
        # What was received may hold a body too: the head alone is measured only where both are over the limit.
        if self._head_bytes > HEAD_LIMIT_BYTES:
            length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if length > HEAD_LIMIT_BYTES:
                raise self._too_long()
        super().on_headers_complete()
        # The scope keeps its list: what follows a chunked body (trailers) is never taken for a header.
        self.headers = []

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
