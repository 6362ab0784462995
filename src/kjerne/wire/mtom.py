"""MTOM: an envelope and its attachments in one multipart/related message (XOP 1.0), read as it comes and sent as it is read.

The envelope is held in memory under its own limit; every other part goes to a file, with its size and digests counted on the
way, so a large document costs no more memory than a small one. A message that ends in the middle, a part that nothing names
and a name without a part are refused: nothing of it is used.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from lxml import etree

from kjerne.wire import soap, xml
from kjerne.wire.soap import Failed

TYPE: Final = "multipart/related"
XOP_TYPE: Final = "application/xop+xml"
INCLUDE: Final = "{http://www.w3.org/2004/08/xop/include}Include"
PARTS_LIMIT: Final = 100
HEAD_LIMIT_BYTES: Final = 4_000
"""The head of one part: its type and its name."""
PART_LIMIT_BYTES: Final = 500_000_000
"""One document: the largest that a scan or a film of a few minutes is."""
CHUNK_BYTES: Final = 64 * 1024
FIRST_BYTES: Final = 1_024
"""How much of a part's beginning is kept at hand, to tell what it is."""

_PARAMETER: Final = re.compile(r';\s*([a-z-]{1,20})\s*=\s*(?:"([^"]{0,300})"|([^\s";]{1,300}))', re.IGNORECASE)
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_FIELD: Final = re.compile(rb"([!-9;-~]{1,60}):[ \t]*([^\r\n]*)")
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
"""Where a long line of a head goes on (RFC 5322, 2.2.3): a name may stand behind it."""
_ENCODINGS: Final = (b"", b"binary", b"8bit", b"7bit")


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment on the disk: how long it is, its digests, and how it begins. The file is its package's to remove."""

    path: Path
    size_bytes: int
    sha1: bytes
    sha256: bytes
    first: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """A message that came whole: the envelope, and the attachments by their names (without `cid:`)."""

    envelope: bytes
    parts: Mapping[str, Part]


def parameters(content_type: str) -> Mapping[str, str]:
    """What stands behind the type in a Content-Type, by lower-case name; the first of each counts."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(content_type):
        found.setdefault(name.lower(), quoted or plain)
    return found


class Unpacker:
    """Reads a package: `feed` what comes, then `whole`. Files lie in a folder that `close` removes with all in it."""

    def __init__(
        self, content_type: str, folder: Path, *, envelope_limit_bytes: int = xml.LIMIT_BYTES,
        part_limit_bytes: int = PART_LIMIT_BYTES, parts_limit: int = PARTS_LIMIT,
    ) -> None:  # fmt: skip
        said = parameters(content_type)
        boundary = said.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise _broken("its Content-Type has no boundary")
        if said.get("type", XOP_TYPE).lower() != XOP_TYPE:
            raise _broken("its type is not application/xop+xml")
        self._start = said.get("start", "").strip("<>")
        self._line = b"\r\n--" + boundary.encode()
        self._held = bytearray(b"\r\n")  # the first boundary has no line end before it where nothing stands in front
        self._inside = self._between = self._ended = False
        self._envelope: bytearray | None = None
        self._parts: dict[str, Part] = {}
        self._writing: _Writing | None = None
        self._envelope_limit_bytes = envelope_limit_bytes
        self._part_limit_bytes, self._parts_limit = part_limit_bytes, parts_limit
        self._folder = tempfile.TemporaryDirectory(dir=folder, prefix="coming-")

    def feed(self, chunk: bytes) -> None:
        """The next bytes. `Failed` as soon as they cannot be part of a package, or are too many."""
        if self._ended:
            return  # an epilogue says nothing (RFC 2046, 5.1.1)
        self._held += chunk
        while self._step():
            pass

    def whole(self) -> Package:
        """The package, once everything has come; `Failed` where it ended in the middle."""
        if not self._ended:
            raise _broken("it ends before its last boundary")
        if self._envelope is None:
            raise _broken("the part that holds the envelope is missing")
        return Package(bytes(self._envelope), self._parts)

    def close(self) -> None:
        """Removes the files. One that was moved away meanwhile is not looked for."""
        if self._writing is not None:
            self._writing.file.close()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def _step(self) -> bool:
        """One thing that can be said of what is held; False where more must come first."""
        if self._ended:
            return False
        return self._boundary() if self._between else self._content()

    def _boundary(self) -> bool:
        """Behind a boundary stand the end, or the head of the next part."""
        if self._held.startswith(b"--"):
            self._ended = True
            return True
        end = self._held.find(b"\r\n\r\n")
        if end > HEAD_LIMIT_BYTES or (end < 0 and len(self._held) > HEAD_LIMIT_BYTES + CHUNK_BYTES):
            raise _broken("the head of a part is too long")
        if end < 0:
            return False
        line, _, head = bytes(self._held[:end]).partition(b"\r\n")
        if line.strip(b" \t"):
            raise _broken("something stands behind a boundary")
        del self._held[: end + 4]
        self._begin(head)
        return True

    def _content(self) -> bool:
        """Content up to the next boundary, or as much as cannot be the beginning of one."""
        at = self._held.find(self._line)
        take = at if at >= 0 else max(0, len(self._held) - len(self._line) + 1)
        if take and self._inside:
            self._take(bytes(self._held[:take]))
        del self._held[:take]
        if at < 0:
            return False
        del self._held[: len(self._line)]
        self._end()
        self._between = True
        return True

    def _begin(self, head: bytes) -> None:
        fields = {name.lower(): value.strip() for name, value in _FIELD.findall(_FOLD.sub(b" ", head))}
        if fields.get(b"content-transfer-encoding", b"").lower() not in _ENCODINGS:
            raise _broken("a part is not sent as it is (Content-Transfer-Encoding)")
        name = fields.get(b"content-id", b"").decode("ascii", "replace").strip("<>")
        self._inside, self._between = True, False
        first = self._envelope is None and self._writing is None and not self._parts
        if (name == self._start) if self._start else first:
            if self._envelope is not None:
                raise _broken("two parts have the same name")
            self._envelope = bytearray()
            return
        if not name or name in self._parts or len(self._parts) >= self._parts_limit:
            raise _broken("a part has no name, or one that another has, or there are too many parts")
        self._writing = _Writing(name, Path(self._folder.name) / str(len(self._parts)))

    def _take(self, content: bytes) -> None:
        if self._writing is not None:
            if self._writing.size_bytes + len(content) > self._part_limit_bytes:
                raise Failed("Sender", f"A document is larger than {self._part_limit_bytes} bytes.", status=413)
            self._writing.add(content)
            return
        assert self._envelope is not None
        self._envelope += content
        if len(self._envelope) > self._envelope_limit_bytes:
            raise Failed("Sender", f"The envelope is larger than {self._envelope_limit_bytes} bytes.", status=413)

    def _end(self) -> None:
        if self._writing is not None:
            self._parts[self._writing.name] = self._writing.done()
            self._writing = None
        self._inside = False


class _Writing:
    """A part on its way to the disk."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.file = path.open("wb")
        self.size_bytes = 0
        self._path = path
        self._first = b""
        self._digests = (hashlib.sha1(usedforsecurity=False), hashlib.sha256())

    def add(self, content: bytes) -> None:
        self.file.write(content)
        self.size_bytes += len(content)
        if len(self._first) < FIRST_BYTES:
            self._first += content[: FIRST_BYTES - len(self._first)]
        for digest in self._digests:
            digest.update(content)

    def done(self) -> Part:
        self.file.close()
        sha1, sha256 = (digest.digest() for digest in self._digests)
        return Part(self._path, self.size_bytes, sha1, sha256, self._first)


def content_of(element: etree._Element, parts: Mapping[str, Part]) -> bytes | Part:
    """What an element of base64Binary holds: its part, where it includes one, else what is written in it."""
    beside = f"{element.text or ''}{''.join(one.tail or '' for one in element)}".strip()
    if len(element) == 1 and element[0].tag == INCLUDE and not beside and not len(element[0]):
        part = parts.get(unquote(element[0].get("href", "").removeprefix("cid:")))
        if part is None:
            raise _broken("an xop:Include names a part that did not come")
        return part
    if len(element):
        raise Failed("Sender", "An element stands where a document belongs.")
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Failed("Sender", "A document is not base64.") from None


def hold_named(body: etree._Element, parts: Mapping[str, Part], document: str = "") -> None:
    """`Failed` where a part came that nothing in the message names; or, where the tag of a `document` is given, that is named
    in another element: what it stands for there would be lost without a word."""
    included = list(body.iter(INCLUDE))
    if document and len(included) > len(body.findall(f".//{document}/{INCLUDE}")):
        raise _broken("an xop:Include stands where no document does")
    if set(parts) - {unquote(one.get("href", "").removeprefix("cid:")) for one in included}:
        raise _broken("a part came that nothing in the message names")


def included(parent: etree._Element, name: str) -> None:
    """Puts in an element where the part of this name stands for its content."""
    etree.SubElement(parent, INCLUDE, nsmap={"xop": INCLUDE[1:-8]}).set("href", f"cid:{name}")


def content_type(boundary: str) -> str:
    """The Content-Type of what `packed` gives."""
    return f'{TYPE}; type="{XOP_TYPE}"; start="<envelope>"; start-info="{soap.TYPE}"; boundary="{boundary}"'


def packed(boundary: str, envelope: bytes, files: Sequence[tuple[str, str, int]]) -> Generator[bytes]:
    """The package, piece by piece. `files` are open files as (name of the part, media type, descriptor), from their beginning;
    each is closed when it has been sent, or when the sending ends early."""
    left = [descriptor for _, _, descriptor in files]
    try:
        head = f'{XOP_TYPE}; charset=UTF-8; type="{soap.TYPE}"'
        yield _head(boundary, "envelope", head, first=True) + envelope
        for name, media_type, descriptor in files:
            yield _head(boundary, name, media_type)
            while chunk := os.read(descriptor, CHUNK_BYTES):
                yield chunk
            os.close(left.pop(0))
        yield f"\r\n--{boundary}--\r\n".encode()
    finally:
        for descriptor in left:
            os.close(descriptor)


def _head(boundary: str, name: str, media_type: str, *, first: bool = False) -> bytes:
    lines = f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{name}>\r\n\r\n"
    before = "" if first else "\r\n"
    return f"{before}--{boundary}\r\n{lines}".encode()


def _broken(why: str) -> Failed:
    return Failed("Sender", f"The package (multipart/related) cannot be read: {why}.")
