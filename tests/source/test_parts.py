"""Documents as parts of a package: each is read where it is named and nowhere else, and one that is not kept leaves nothing."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from lxml import etree

from documents_at_hand import entry
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names
from kjerne.xds.messages import Response
from sources import KEY, PATHS, TEXT, Standing, documents_of, enveloped, one, packaged, wanted

POOL = 4
"""Connections of a source under test."""
ELSEWHERE = b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:0@hospital"/>'


def included(element: etree._Element) -> None:
    mtom.included(element, "0@hospital")


def said_twice(element: etree._Element) -> None:
    included(element)
    element[0].tail = base64.b64encode(b"and more").decode()


def written(element: etree._Element) -> None:
    element.text = base64.b64encode(TEXT).decode()


@pytest.mark.parametrize(
    ("put", "change"),
    [
        (said_twice, lambda raw: raw),
        (written, lambda raw: raw.replace(b"</rim:Value>", ELSEWHERE + b"</rim:Value>", 1)),
        (included, lambda raw: raw.replace(b"</rim:Value>", ELSEWHERE + b"</rim:Value>", 1)),
    ],
)
async def test_what_a_part_stands_for_is_never_lost_without_a_word(
    source: Standing, put: Callable[[etree._Element], None], change: Callable[[bytes], bytes]
) -> None:
    body = messages.written_provision(one(), {entry().id: put})
    raw = packaged(change(enveloped(names.PROVIDE, body, None)), source.folder, (TEXT,))
    kind = mtom.content_type("b-1")
    answer = await source.post(PATHS[names.PROVIDE], raw, kind, authorization=f"Bearer {KEY}")
    assert (answer.status_code, soap.opened(answer.content).body.tag) == (400, soap.ENVELOPE + "Fault")
    assert (await source.found(documents_of()), source.kept()) == ([], [])
    assert (await source.log())[0]["rule"] == "package"


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("fails", ["link", "replace", "fsync"])
async def test_a_document_that_the_disk_does_not_take_leaves_nothing(
    source: Standing, monkeypatch: pytest.MonkeyPatch, fails: str, inline: bool
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, fails, full)
        try:
            await source.provide(one(), TEXT, inline=inline)
        except AssertionError as answer:  # it is told by a fault
            assert "env:Receiver" in str(answer)
    if not (inline and fails == "link"):
        assert (await source.found(documents_of()), source.kept()) == ([], [])
    assert (await source.provide(one(), TEXT, inline=inline)).status == names.SUCCESS


async def test_nobody_waits_for_a_connection_while_documents_are_read_from_the_disk(
    source: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To hold half a gigabyte against its digest takes seconds, and a source has a handful of connections."""
    await source.provide(one(), TEXT)
    opened = source.files.opened

    async def all_are_free(*which: Any) -> int:
        async with asyncio.timeout(20), AsyncExitStack() as stack:
            for _ in range(POOL):
                await stack.enter_async_context(source.pool.acquire())
        return await opened(*which)

    monkeypatch.setattr(source.files, "opened", all_are_free)
    assert await source.get(wanted(entry().unique_id)) == (Response(names.SUCCESS), [TEXT])
    assert [row["documents"] for row in await source.log()][-1] == [entry().unique_id]
