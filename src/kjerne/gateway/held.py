"""A document that has come whole, on the disk under no name any more, until it has been sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from kjerne.services.documents.model import NotGiven
from kjerne.wire import mtom

CHUNK_BYTES: Final = 64 * 1024
DISK_LIMIT_BYTES: Final = 8_000_000_000
"""Of all documents together that have come, or are on their way, and have not been sent: one worker's part of the disk."""


class Disk:
    """Room on the disk for documents. A client that reads slowly holds its document long after it has come, and its place among
    the questions has gone to the next."""

    def __init__(self) -> None:
        self.held_bytes = 0

    def taken(self, size_bytes: int | None) -> Callable[[], None]:
        """Takes room for one document of so many bytes, or of as many as any may have; what is given back lets it go, once.
        `NotGiven` where there is none."""
        size = mtom.PART_LIMIT_BYTES if size_bytes is None else min(size_bytes, mtom.PART_LIMIT_BYTES)
        if self.held_bytes + size > DISK_LIMIT_BYTES:
            raise NotGiven("busy", "the documents of others fill the disk until they are read", of_one=True)
        self.held_bytes += size
        left = [size]

        def let_go() -> None:
            self.held_bytes -= left.pop() if left else 0

        return let_go


class Held:
    """The bytes of a file from its beginning, whatever becomes of its name meanwhile.

    The file is closed when it has been read to its end or `aclose` is called, also where reading never began; at the latest when
    nobody holds this any more, since the answer to a HEAD, or to a client that is gone, is never begun.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        self._at_end: Callable[[], None] | None = None
        self._descriptor = os.open(path, os.O_RDONLY)

    def at_end(self, work: Callable[[], None]) -> None:
        """Has this done when the file is let go."""
        self._at_end = work

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = os.read(self._descriptor, CHUNK_BYTES) if self._descriptor >= 0 else b""
        if not piece:
            self._close()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Lets the file go; once more does nothing."""
        self._close()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        work, self._at_end = self._at_end, None
        if work is not None:
            work()
