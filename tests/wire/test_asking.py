"""Questions by connections that are kept: one for many, none of another name's, and a closed one is no fault."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import httpx
import pytest

from kjerne.registries.receivers import Receiver
from kjerne.wire.asking import Connections, asking

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Counts connections and questions; closes after each answer where it is told to, and breaks off where it should."""

    def __init__(self) -> None:
        self.connections = self.questions = self.port = 0
        self.closes = self.breaks = False

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.questions += 1
                await reader.readexactly(3)
                if self.breaks:
                    break
                writer.write(ANSWER)
                await writer.drain()
                if self.closes:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def said(self, kept: Connections | None) -> bytes:
        url = f"http://127.0.0.1:{self.port}/x"
        receiver = Receiver("s", url, (ipaddress.ip_network("127.0.0.0/8"),), "")
        async with asking(receiver, "POST", url, {}, b"abc", 5, kept) as answer:
            return await answer.aread()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.met, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def kept() -> AsyncIterator[Connections]:
    made = Connections()
    yield made
    await made.close()


async def test_one_connection_carries_one_question_after_another(server: Server, kept: Connections) -> None:
    assert [await server.said(kept) for _ in range(3)] == [b"ok"] * 3
    assert (server.connections, server.questions) == (1, 3)


async def test_without_them_each_question_makes_its_own(server: Server) -> None:
    assert [await server.said(None) for _ in range(2)] == [b"ok"] * 2
    assert server.connections == 2


async def test_a_connection_of_one_name_is_not_used_for_another(kept: Connections) -> None:
    one = kept.of("https", "one.example:443", "")
    assert kept.of("https", "one.example:443", "") is one
    others = (("http", "one.example:443", ""), ("https", "two.example:443", ""))
    assert all(kept.of(*each) is not one for each in others)


async def test_a_connection_that_was_closed_meanwhile_is_no_fault(server: Server, kept: Connections) -> None:
    server.closes = True
    assert [await server.said(kept) for _ in range(3)] == [b"ok"] * 3
    assert server.questions == 3


async def test_a_connection_that_breaks_when_it_is_used_again_is_made_anew_once(
    server: Server, kept: Connections
) -> None:
    assert await server.said(kept) == b"ok"
    server.breaks = True
    with pytest.raises(httpx.RemoteProtocolError):
        await server.said(kept)
    assert (server.connections, server.questions) == (2, 3), "the first try, and one by a new connection"


async def test_a_new_connection_that_breaks_is_not_tried_again(server: Server, kept: Connections) -> None:
    server.breaks = True
    with pytest.raises(httpx.RemoteProtocolError):
        await server.said(kept)
    assert server.questions == 1
