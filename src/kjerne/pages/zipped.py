"""A ZIP file made while it is sent: what is written comes out at once, and nothing of it is kept."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Final

from kjerne.services.results.values import OSLO

CHUNK_BYTES: Final = 65_536


class _Drain:
    """What `zipfile` writes to: it cannot go back, so sizes stand behind each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def drained(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Zip:
    """One ZIP file. Write an entry to its end, sending `drained` in between, before the next is begun."""

    def __init__(self, at: datetime) -> None:
        self._drain = _Drain()
        self._zip = zipfile.ZipFile(self._drain, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload]
        self._at = at.astimezone(OSLO).timetuple()[:6]

    def entry(self, name: str) -> IO[bytes]:
        """A file in it, open for writing; close it before the next."""
        info = zipfile.ZipInfo(name, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        opened: IO[bytes] = self._zip.open(info, "w", force_zip64=True)
        return opened

    def close(self) -> None:
        self._zip.close()

    def drained(self) -> bytes:
        """What is ready to be sent."""
        return self._drain.drained()


class Packed:
    """Text kept until its turn comes, in a tenth of its size: what a page says of each record, in a file behind the records."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj()
        self._parts: list[bytes] = []

    def add(self, text: str) -> None:
        self._parts.append(self._packer.compress(text.encode()))

    def unpacked(self) -> Iterator[bytes]:
        """All that was added, once."""
        self._parts.append(self._packer.flush())
        opener = zlib.decompressobj()
        for part in self._parts:
            yield opener.decompress(part)
        yield opener.flush()
