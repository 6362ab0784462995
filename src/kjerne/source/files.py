"""Documents as files, each named by the SHA-256 of its bytes: written beside, flushed to the disk, then renamed.

A file that stands under its name is whole. The same bytes are kept once, whoever they are about. Another store (S3) would be
these functions anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from kjerne.wire.mtom import CHUNK_BYTES, FIRST_BYTES, Part

_log = structlog.get_logger("kjerne")
_NAME: Final = re.compile(r"[0-9a-f]{64}")
Content = bytes | Part
"""A document as it came: written in the envelope, or as a part beside it."""


class Damaged(Exception):
    """A document is gone, or its bytes are not those that were stored."""


class Files:
    """The documents under a folder, which one process holds: what an earlier one left of messages that were coming is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "documents"
        self.coming = folder / "coming"
        """Where packages lie while they come; on the same disk, so that a part becomes a document by its new name."""
        shutil.rmtree(self.coming, ignore_errors=True)
        for made in (self._folder, self.coming):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.chmod(0o700)

    async def put(self, content: Content) -> None:
        """Keeps a document. When it returns the bytes are on the disk under their name."""
        await asyncio.to_thread(self._put, content)

    async def opened(self, sha256: bytes, size_bytes: int) -> int:
        """A descriptor at the beginning of a document whose bytes were just compared with their digest; `Damaged` otherwise."""
        return await asyncio.to_thread(self._opened, sha256, size_bytes)

    async def remove(self, sha256: bytes) -> None:
        """Takes a document away for good; whoever reads it at this moment reads it to the end."""
        await asyncio.to_thread(self._place(sha256).unlink, missing_ok=True)

    def names(self) -> Iterator[bytes]:
        """The SHA-256 of every document there is. What else lies there is told of and left alone."""
        for path in self._folder.glob("*/*"):
            name = path.parent.name + path.name
            if _NAME.fullmatch(name) and path == self._place(bytes.fromhex(name)) and path.is_file():
                yield bytes.fromhex(name)
            else:
                _log.warning("stray file", path=str(path.relative_to(self._folder))[:200])

    def _put(self, content: Content) -> None:
        _, sha256, _ = told(content)
        place = self._place(sha256)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.coming)
        source = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if not isinstance(content, Part):
                    file.write(content)
            if isinstance(content, Part):
                # Its own name stays: two documents of a package may be one part.
                source.unlink()
                os.link(content.path, source)
                source.chmod(0o600)
            _flush(source)
            source.replace(place)
        finally:
            # Where the disk was full; and where both were names of one file already, which renaming leaves.
            source.unlink(missing_ok=True)
        _flush(place.parent)
        _flush(self._folder)

    def _opened(self, sha256: bytes, size_bytes: int) -> int:
        try:
            descriptor = os.open(self._place(sha256), os.O_RDONLY)
        except OSError as error:
            raise _damaged(sha256, "it cannot be opened") from error
        digest = hashlib.sha256()
        try:
            while chunk := os.read(descriptor, CHUNK_BYTES):
                digest.update(chunk)
        except OSError as error:
            os.close(descriptor)
            raise _damaged(sha256, "it cannot be read") from error
        if digest.digest() != sha256 or os.fstat(descriptor).st_size != size_bytes:
            os.close(descriptor)
            raise _damaged(sha256, "its bytes are others")
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def _place(self, sha256: bytes) -> Path:
        name = sha256.hex()
        return self._folder / name[:2] / name[2:]


def _damaged(sha256: bytes, how: str) -> Damaged:
    """What the asker is told, once the operator is: which file, and what is wrong with it."""
    name = sha256.hex()
    _log.error("document damaged", file=f"documents/{name[:2]}/{name[2:]}", how=how)
    return Damaged()


def told(content: Content) -> tuple[int, bytes, bytes]:
    """Size in bytes, SHA-256 and SHA-1 (what XDS calls the hash) of a document that came."""
    if isinstance(content, Part):
        return content.size_bytes, content.sha256, content.sha1
    sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
    return len(content), hashlib.sha256(content).digest(), sha1


def beginning(content: Content) -> bytes:
    return content.first if isinstance(content, Part) else content[:FIRST_BYTES]


def whole(content: Content) -> bytes:
    """All of it; for what must be looked into and is held to a limit there."""
    return content.path.read_bytes() if isinstance(content, Part) else content


def _flush(path: Path) -> None:
    """What was written of a file, or of a folder's names, lies on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
