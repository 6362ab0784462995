"""A document is kept only where the scanner says that it is clean: silence and half an answer keep it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kjerne.source import scanning
from kjerne.xds import names
from sources import TEXT, codes, one, standing


@asynccontextmanager
async def scanner(folder: Path, answer: bytes | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A clamd that gives one answer to everything, or none, and what was streamed to it."""
    heard: list[bytes] = []

    async def scan(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        content = b""
        while size := int.from_bytes(await reader.readexactly(4)):
            content += await reader.readexactly(size)
        heard.append(content)
        if answer is None:
            await reader.read()  # until the other side has had enough
        writer.write(answer or b"")
        writer.close()
        await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})

    path = str(folder / "clamd")
    async with await asyncio.start_unix_server(scan, path):
        yield path, heard


@pytest.mark.parametrize(
    ("answer", "kept"),
    [(b"stream: OK\0", True), (b"stream: Win.Test FOUND\0", False), (b"INSTREAM size limit ERROR\0", False),
     (b"", False), (None, False)],
)  # fmt: skip
@pytest.mark.parametrize("inline", [True, False])
async def test_what_the_scanner_does_not_call_clean_is_not_kept(
    addresses: tuple[str, str], quick_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    answer: bytes | None, kept: bool, inline: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(scanning, "SECONDS", 0.3 if answer is None else 30)
    async with scanner(quick_folder, answer) as (path, heard), standing(*addresses, tmp_path, clamav=path) as source:
        response = await source.provide(one(), TEXT, inline=inline)
        assert heard == [TEXT]
        assert (response.status == names.SUCCESS, len(source.kept())) == (kept, int(kept))
        assert codes(response) == ([] if kept else ["XDSRepositoryError"])


async def test_where_the_scanner_is_away_nothing_is_kept(addresses: tuple[str, str], tmp_path: Path) -> None:
    async with standing(*addresses, tmp_path, clamav=str(tmp_path / "away")) as source:
        assert codes(await source.provide(one(), TEXT)) == ["XDSRepositoryError"]
        assert source.kept() == []
