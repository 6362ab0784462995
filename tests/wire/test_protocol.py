"""What is no HTTP that can be read, over a real socket: told in the shape of the API, and nothing after it is heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from kjerne import server
from kjerne.exchange import Answer
from kjerne.settings import Settings
from kjerne.wire import http
from kjerne.wire.protocol import HEAD_LIMIT_BYTES, Protocol

HOST = b"host: kjerne.test\r\n"
FHIR, JSON = "application/fhir+json", "application/json"

Said = Callable[..., Awaitable[bytes]]


class Echo:
    """An application that reads the body, then answers with the names of the headers it was given."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.instead: Callable[[Any, Any, Any], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.instead is not None and scope["type"] == "http":
            await self.instead(scope, receive, send)
            return
        while True:
            message = await receive()
            self.heard.append(message["type"])
            if scope["type"] == "lifespan":
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
            elif not message.get("more_body"):
                break
        await self.may_answer.wait()
        names = b",".join(name for name, _ in scope["headers"])
        length = (b"content-length", str(len(names)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": names})


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Said]]:
    """The application behind a real server, and a way to say bytes to it: all that comes back until it closes."""
    application = Echo()
    with contextlib.closing(server.listening(Settings(port=1).model_copy(update={"port": 0}))) as listener:
        running = uvicorn.Server(server.configuration(application))
        serving = asyncio.create_task(running.serve([listener]))
        while not running.started:
            await asyncio.sleep(0.01)

        async def said(*parts: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)  # each part is a packet of its own
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
            return answer

        yield application, said
        running.should_exit = True
        await serving


def taken_apart(raw: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and document of an answer that is alone."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return int(status.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"BREW %s HTTP/1.1\r\n" + HOST + b"\r\n", "method"),
        (b"GET %s/\xc3\xa5 HTTP/1.1\r\n" + HOST + b"\r\n", "path"),
        (b"GET %s HTTP/1.1\r\n" + HOST + b"no header: x\r\n\r\n", ""),
        (b"GET %s HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", ""),
        (b"GET %s HTTP/1.1\r\n" + HOST + b"x: a\x01b\r\n\r\n", ""),
        (b"GET %s HTTP/9.9\r\n" + HOST + b"\r\n", ""),
        (b"POST %s HTTP/1.1\r\n" + HOST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", ""),
        (b"POST %s HTTP/1.1\r\n" + HOST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", ""),
    ],
)
@pytest.mark.parametrize(
    ("path", "media_type"), [(b"/fhir/R4/x", FHIR), (b"/pps/v2/x", FHIR), (b"/pps/in", JSON), (b"/healthz", JSON)]
)
async def test_what_cannot_be_read_is_refused_in_the_shape_of_its_api(
    echo: tuple[Echo, Said], raw: bytes, where: str, path: bytes, media_type: str
) -> None:
    status, headers, document = taken_apart(await echo[1](raw.replace(b"%s", path)))
    assert (status, headers["content-type"], headers["connection"]) == (400, media_type, "close")
    assert headers["x-correlation-id"] and headers["cache-control"] == "no-store"
    told = document["issue"][0].get("expression", [""])[0] if media_type == FHIR else document.get("where", "")
    assert told == where
    assert echo[0].heard == ["lifespan.startup"]


async def test_shape_follows_the_host_of_a_service(echo: tuple[Echo, Said]) -> None:
    answer = await echo[1](b"GET /v2/x HTTP/1.1\r\nhost: pps.localhost\r\nno colon\r\n\r\n")
    assert taken_apart(answer)[1]["content-type"] == FHIR


async def test_bytes_that_are_no_request_at_all_are_answered(echo: tuple[Echo, Said]) -> None:
    for raw in (b"\x16\x03\x01\x02\x00\x01\x00", b"CONNECT a:80 HTTP/1.1\r\n\r\n", b"GET http://a HTTP/1.1\r\n\r\n"):
        assert taken_apart(await echo[1](raw))[0] == 400


async def test_refusal_repeats_nothing_of_the_request(echo: tuple[Echo, Said]) -> None:
    number = b"02825054321"
    for raw in (
        b"BREW /fhir/R4/%s HTTP/1.1\r\n\r\n",
        b"GET /fhir/R4/%s\xff HTTP/1.1\r\n\r\n",
        b"GET /fhir HTTP/1.1\r\n%s\r\n\r\n",
        b"GET /fhir HTTP/1.1\r\nx-request-id: %s\x01\r\n\r\n",
    ):
        answer = await echo[1](raw.replace(b"%s", number))
        assert answer.startswith(b"HTTP/1.1 400 ") and number not in answer


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"GET /fhir/" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\n\r\n"], 414),
        ([b"GET /fhir HTTP/1.1\r\nx: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n"], 431),
        ([b"GET /fhir HTTP/1.1\r\n" + b"x: a\r\n" * HEAD_LIMIT_BYTES + b"\r\n"], 431),
        ([b"GET /fhir HTTP/1.1\r\nx: ", *[b"a" * 30_000] * 4], 431),
        ([b"GET /fhir HTTP/1.1\r\nx: " + b"a" * 3_000_000 + b"\r\n\r\n"], 431),
    ],
)
async def test_head_that_is_too_long_is_refused_and_never_cut(
    echo: tuple[Echo, Said], parts: list[bytes], status: int
) -> None:
    told, headers, document = taken_apart(await echo[1](*parts))
    assert (told, headers["content-type"], document["issue"][0]["code"]) == (status, FHIR, "too-long")
    assert echo[0].heard == ["lifespan.startup"]


async def test_long_body_is_no_part_of_the_head(echo: tuple[Echo, Said]) -> None:
    half = b"a" * HEAD_LIMIT_BYTES
    head = b"POST /x HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % (2 * len(half))
    assert (await echo[1](head, half, half)).startswith(b"HTTP/1.1 200 ")


async def test_request_in_work_is_answered_before_what_follows_it_is_refused(echo: tuple[Echo, Said]) -> None:
    application, said = echo
    application.may_answer.clear()
    asking = asyncio.create_task(said(b"GET /x HTTP/1.1\r\na: 1\r\n\r\nBREW / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0.1)
    application.may_answer.set()
    answer = await asking
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\na")


async def test_second_request_on_a_connection_is_refused_after_the_first_was_answered(echo: tuple[Echo, Said]) -> None:
    first, second = (await echo[1](b"GET /x HTTP/1.1\r\na: 1\r\n\r\n", b"BREW /pps/in HTTP/1.1\r\n\r\n")).split(
        b"\r\n\r\na"
    )
    assert first.startswith(b"HTTP/1.1 200 ")
    assert taken_apart(second)[0] == 400


async def test_fault_in_a_body_is_told_once_and_ends_the_reading_of_it(echo: tuple[Echo, Said]) -> None:
    application, said = echo
    head = b"POST /pps/in HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    assert taken_apart(await said(head, b"no size\r\n"))[0] == 400
    assert application.heard == ["lifespan.startup", "http.request", "http.disconnect"]


async def test_what_follows_a_chunked_body_is_no_header(echo: tuple[Echo, Said]) -> None:
    head = b"POST /x HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = await echo[1](head + b"3\r\nabc\r\n0\r\nperson-id: 1\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nconnection,transfer-encoding")


async def test_another_protocol_is_not_changed_to(echo: tuple[Echo, Said]) -> None:
    raw = b"GET /x HTTP/1.1\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
    assert (await echo[1](raw)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("closing", [b"", b"connection: close\r\n"])
async def test_an_answer_that_is_whole_says_what_it_says_by_messages(
    echo: tuple[Echo, Said], method: str, closing: bytes
) -> None:
    application, said = echo
    given = Answer(200, b"abc", "text/plain", (("etag", 'W/"1"'),))

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        await http.send_answer(send, given, "corr", head=scope["method"] == "HEAD")

    async def by_messages(scope: Any, receive: Any, send: Any) -> None:
        async def plain(message: Any) -> None:
            await send(message)

        await http.send_answer(plain, given, "corr", head=scope["method"] == "HEAD")

    request = method.encode() + b" / HTTP/1.1\r\n" + HOST
    # The first of two answers leaves the connection open, so that the second comes on it too.
    requests = request + closing + b"\r\n" if closing else request + b"\r\n" + request + b"connection: close\r\n\r\n"
    told = []
    for one in (whole, by_messages):
        application.instead = one
        raw = await said(requests)
        told.append(sorted(line for line in raw.split(b"\r\n") if not line.startswith(b"date: ")))
        assert raw.count(b"date: ") == raw.count(b"HTTP/1.1 200 OK") == (1 if closing else 2)
        assert raw.count(b"abc") == (0 if method == "HEAD" else raw.count(b"HTTP/1.1 200 OK"))
    assert told[0] == told[1]


async def test_a_connection_that_idles_is_closed_and_one_that_is_used_is_not(echo: tuple[Echo, Said]) -> None:
    protocols = list[Protocol]()

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        connection = send.on_response.__self__
        connection.timeout_keep_alive = 0.2
        protocols.append(connection)
        await http.send_answer(send, Answer(200, b"abc", "text/plain"), "corr")

    echo[0].instead = whole
    request = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    begun = asyncio.get_running_loop().time()
    # Each part comes 0.02 s after the one before: the last when the first has been answered for longer than one may idle.
    raw = await echo[1](*[request] * 15)
    assert raw.count(b"HTTP/1.1 200 OK") == 15
    assert asyncio.get_running_loop().time() - begun >= 15 * 0.02 + 0.2 - 0.05
    assert len(set(protocols)) == 1


OFFERS = {
    "as Java's own client": b"connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"Upgrade: h2c\r\n",
    "capitals": b"connection: upgrade\r\nUPGRADE: H2C\r\n",
    "several": b"connection: upgrade\r\nupgrade: h2c, websocket\r\n",
    "a socket": b"connection: upgrade\r\nupgrade: websocket\r\n",
    "anything": b"connection: upgrade\r\nupgrade: foo\r\nupgrade: TLS/1.0\r\n",
}


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_an_offer_of_another_protocol_loses_no_body_and_makes_no_request_of_it(
    echo: tuple[Echo, Said], offer: bytes, framing: str
) -> None:
    """However it comes: at once, the body by itself, the head in parts, one behind the other."""
    got = list[bytes]()

    async def instead(_: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        got.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    echo[0].instead = instead
    body = b"GET /y HTTP/1.1\r\n" + HOST + b"upgrade: h2c\r\n\r\n"
    sent, told = body, b"content-length: %d\r\n" % len(body)
    if framing == "chunks":
        sent, told = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), b"transfer-encoding: chunked\r\n"
    begin, more = b"POST /x HTTP/1.1\r\n" + HOST + told, offer + b"\r\n"
    again = b"GET /x HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n"
    for parts in (
        (begin + more + sent, again), (begin + more, sent, again), (begin, more + sent[:5], sent[5:] + again),
        (begin + more + sent + begin + more + sent + again,),
        (begin + b"\r\n" + sent + begin + more[:30], more[30:] + sent, again),
    ):  # fmt: skip
        got.clear()
        count = b"".join(parts).count(b"POST /x ") + 1
        assert (await echo[1](*parts)).count(b"200 OK") == count
        assert got == [body] * (count - 1) + [b""]


async def test_a_packet_of_many_offers_is_answered_to_its_end(echo: tuple[Echo, Said]) -> None:
    offered = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    ends = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    assert (await echo[1](offered * 1_500 + ends)).count(b"HTTP/1.1 200 OK") == 1_501


async def test_what_follows_a_connect_is_nobodys_request(echo: tuple[Echo, Said]) -> None:
    inner = b"GET /y HTTP/1.1\r\n" + HOST + b"\r\n"
    head = b"CONNECT /x HTTP/1.1\r\n" + HOST + b"content-length: %d\r\n\r\n" % len(inner)
    for parts in ((head + inner,), (head, inner), (head[:20], head[20:], inner)):
        assert (await echo[1](*parts)).count(b"HTTP/1.1 ") == 1
