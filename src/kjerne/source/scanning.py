"""Documents held against ClamAV before they are kept, where `source.toml` names its socket (clamd, command INSTREAM).

A scanner that does not answer, or cannot say, keeps a document out: one that nobody looked at is not taken for a clean one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from kjerne.source.files import Content
from kjerne.wire.mtom import CHUNK_BYTES, Part
from kjerne.xds.errors import RegistryError, Rejected

SECONDS: Final = 120
"""How long one document may take."""
_ANSWER_LIMIT_BYTES: Final = 4_000


async def hold_clean(socket: str, content: Content, where: str) -> None:
    """`Rejected` where the scanner finds something in a document, or does not say that it found nothing."""
    if not socket:
        return
    try:
        said = await asyncio.wait_for(_asked(socket, content), SECONDS)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise _rejected("The document could not be scanned. Send it again later.", where) from error
    if said.endswith("FOUND"):
        raise _rejected("The scanner found something harmful in the document.", where)
    if said != "stream: OK":
        raise _rejected("The scanner could not say that the document is clean.", where)


async def _asked(socket: str, content: Content) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(b"zINSTREAM\0")
        for chunk in _chunks(content):
            writer.write(len(chunk).to_bytes(4) + chunk)
            await writer.drain()
        writer.write(bytes(4))
        await writer.drain()
        return (await reader.read(_ANSWER_LIMIT_BYTES)).rstrip(b"\0").decode("utf-8", "replace").strip()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, Part):
        with content.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    else:
        for at in range(0, len(content), CHUNK_BYTES):
            yield content[at : at + CHUNK_BYTES]


def _rejected(says: str, where: str) -> Rejected:
    return Rejected(RegistryError("XDSRepositoryError", says, where))
