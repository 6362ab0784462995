"""Document sources that say what they are told to and nothing else: `python stand_ins.py COUNT SLEEP_SECONDS HANGING`.

Each listens on a port of its own and answers ITI-38 with the same documents for whoever is asked about, after a sleep; the last
HANGING of them never answer. The ports are printed, a line each.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Final

from kjerne.wire import soap
from kjerne.xds import messages, names
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response
from kjerne.xds.values import Author, Code, DocumentEntry

DOCUMENTS: Final = 10
_NUMBER: Final = "00000000000"
_RELATES: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"
_ASKED: Final = re.compile(rb"<[^>]*MessageID[^>]*>([^<]+)<.*?'([0-9]{11})\^", re.DOTALL)
_LENGTH: Final = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_TABLE: Final = "2.16.578.1.12.4.1.1."


def prepared(place: int) -> bytes:
    """The answer of one source, with a number and a message of nobody's in it."""
    action = f"{names.CROSS_QUERY}Response"
    body = messages.written_found(Response(names.SUCCESS, objects=tuple(_entry(place, n) for n in range(DOCUMENTS))))
    raw = soap.enveloped(action, body, message_id="urn:uuid:1", relates=_RELATES)
    head = f'HTTP/1.1 200 OK\r\ncontent-type: {soap.TYPE}; charset=utf-8; action="{action}"\r\ncontent-length: {len(raw)}\r\n\r\n'
    return head.encode() + raw


def _entry(place: int, number: int) -> DocumentEntry:
    return DocumentEntry(
        id=f"urn:uuid:00000000-0000-4000-8000-{place:06d}{number:06d}", unique_id=f"1.2.{place + 1}.{number + 1}",
        patient=CX(_NUMBER, "2.16.578.1.12.4.1.4.1"), mime_type="application/pdf", repository=f"1.2.{place + 1}",
        title=f"Epikrise {number}", class_code=Code("A00-1", f"{_TABLE}9602", "Epikriser og sammenfatninger"),
        type_code=Code("A03-2", f"{_TABLE}9602", "Epikrise"), format_code=Code("urn:no:ehelse:document:pdf", "1.2"),
        facility_type=Code("86.101", f"{_TABLE}1303"), practice_setting=Code("S03", f"{_TABLE}8655"),
        confidentiality=(Code("N", "2.16.840.1.113883.5.25", "Normal"),), created=f"202603{number + 1:02d}101500",
        authors=(Author(None, (), ("LE",)),), hash="0" * 40, size_bytes=20_000, language="nb-NO",
    )  # fmt: skip


class Source(asyncio.Protocol):
    """One connection, which stays open."""

    def __init__(self, answer: bytes, sleep_seconds: float, *, hangs: bool) -> None:
        self._answer, self._sleep_seconds, self._hangs = answer, sleep_seconds, hangs
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        self._held = b""
        asked = _ASKED.search(body)
        if asked is None or self._hangs:
            return
        answer = self._answer.replace(_RELATES.encode(), asked[1]).replace(_NUMBER.encode(), asked[2])
        asyncio.get_running_loop().call_later(self._sleep_seconds, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)  # type: ignore[attr-defined]


async def main(count: int, sleep_seconds: float, hanging: int) -> None:
    """Answer until told to stop."""
    loop, servers = asyncio.get_running_loop(), []
    for place in range(count):
        answer, hangs = prepared(place), place >= count - hanging
        server = await loop.create_server(
            lambda answer=answer, hangs=hangs: Source(answer, sleep_seconds, hangs=hangs), "127.0.0.1", 0
        )  # type: ignore[misc]
        servers.append(server)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.gather(*(one.serve_forever() for one in servers))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
