"""A document that has come whole, on the disk under no name any more, until it has been sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

CHUNK_BYTES: Final = 64 * 1024


class Held:
    """The bytes of a file from its beginning, whatever becomes of its name meanwhile.

    The file is closed when it has been read to its end or `aclose` is called, also where reading never began; at the latest when
    nobody holds this any more, since the answer to a HEAD, or to a client that is gone, is never begun.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY)

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
