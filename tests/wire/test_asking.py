"""Questions by connections that are kept: one for many, none of another name's, and a closed one is no fault."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from kjerne.registries.receivers import Receiver
from kjerne.wire.asking import Connections, asking

ANSWER = b"HTTP/1.1 200 OK\r\nset-cookie: who=her; path=/\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Counts connections and questions; closes after each answer where it is told to, and breaks off where it should."""

    def __init__(self) -> None:
        self.connections = self.questions = self.port = 0
        self.closes = self.breaks = False
        self.heads: list[bytes] = []
        self.waits = asyncio.Event()
        self.waits.set()

    @property
    def receiver(self) -> Receiver:
        url = f"http://127.0.0.1:{self.port}/x"
        return Receiver("s", url, (ipaddress.ip_network("127.0.0.0/8"),), "")

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.questions += 1
                self.heads.append(head)
                await reader.readexactly(3)
                await self.waits.wait()
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
        async with asking(self.receiver, "POST", self.receiver.url, {}, b"abc", 5, kept) as answer:
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
    names = (
        ("s", "https", "one.example:443", ""), ("s", "https", "one.example:443", ""), ("s", "http", "one.example:443", ""),
        ("s", "https", "two.example:443", ""), ("t", "https", "one.example:443", ""),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        one, again, *others = [await stack.enter_async_context(kept.of(each)) for each in names]
    assert again is one and one not in others


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


async def test_what_one_question_was_answered_with_does_not_go_with_the_next(server: Server, kept: Connections) -> None:
    assert [await server.said(kept) for _ in range(2)] == [b"ok"] * 2
    assert not any(b"cookie" in one.lower() for one in server.heads)


async def test_connections_that_are_given_up_are_used_to_their_end_and_for_nothing_new(
    server: Server, kept: Connections
) -> None:
    assert await server.said(kept) == b"ok"
    server.waits.clear()
    asking_now = asyncio.create_task(server.said(kept))
    while server.questions < 2:
        await asyncio.sleep(0)
    await kept.give_up(server.receiver)
    server.waits.set()
    assert (await asking_now, server.connections) == (b"ok", 1), "who was asking is answered"
    assert (await server.said(kept), server.connections) == (b"ok", 2)
    await kept.give_up(server.receiver)
    await kept.give_up(server.receiver)


async def test_more_questions_than_are_kept_wait_for_none_of_each_other(server: Server, kept: Connections) -> None:
    server.waits.clear()
    asked = [asyncio.create_task(server.said(kept)) for _ in range(40)]
    async with asyncio.timeout(20):
        while server.questions < 40:
            await asyncio.sleep(0.01)
    server.waits.set()
    assert await asyncio.gather(*asked) == [b"ok"] * 40


async def test_a_name_that_is_not_answered_takes_one_thread_however_many_ask(
    kept: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, looked = asyncio.Event(), list[str]()

    async def slow(host: str, *_: Any, **__: Any) -> Any:
        looked.append(host)
        await answered.wait()
        raise OSError("no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", slow)
    waiting = [asyncio.create_task(kept.addresses("hangs.example", 443)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert looked == ["hangs.example"]
    answered.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError) and all(isinstance(one, OSError) for one in found[1:])
    with pytest.raises(OSError):
        await kept.addresses("hangs.example", 443)
    assert len(looked) == 2, "the next who asks has it looked up again"
