"""A form with a file in it, as a browser without a script sends it: multipart/form-data (RFC 7578), read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from kjerne.errors import Refusal

TYPE: Final = "multipart/form-data"
PARTS_LIMIT: Final = 40
HEAD_LIMIT_BYTES: Final = 2_000
"""The head of one part: its name, and what the file was called."""
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))\s*(?:;|$)', re.IGNORECASE | re.ASCII)
_TYPE: Final = re.compile(rb"^content-type:[ \t]*([^\r\n]{1,200})", re.IGNORECASE | re.MULTILINE)
_NAME: Final = re.compile(
    rb'^content-disposition:\s*form-data\s*;.*?\bname="([^"\r\n]{1,64})"', re.IGNORECASE | re.MULTILINE
)


class Part(NamedTuple):
    """A field's bytes, and what the browser calls them, from the name of the file: a media type, or nothing."""

    content: bytes
    type: str


def parts(content_type: str, body: bytes) -> Mapping[str, Part]:
    """The fields by name. `Refusal` 400 where it is no such form, or a name comes twice.

    >>> parts('multipart/form-data; boundary=x', b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--')
    {'a': Part(content=b'1', type='')}
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _unread()
    found: dict[str, Part] = {}
    for head, content in _cut(body, (boundary[1] or boundary[2]).encode()):
        name = _NAME.search(head)
        if name is None or len(head) > HEAD_LIMIT_BYTES or len(found) >= PARTS_LIMIT:
            raise _unread()
        key = name[1].decode("utf-8", "replace")
        if key in found:
            raise _unread()
        type_ = _TYPE.search(head)
        found[key] = Part(content, type_[1].decode("ascii", "replace").strip() if type_ else "")
    return found


def _cut(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Head and content of each part."""
    line = b"\r\n--" + boundary
    # The first boundary has no line end before it where nothing stands in front.
    whole = b"\r\n" + body
    at = whole.find(line)
    if at < 0:
        raise _unread()
    at += len(line)
    while whole[at : at + 2] != b"--":
        end = whole.find(line, at)
        if whole[at : at + 2] != b"\r\n" or end < 0:
            raise _unread()
        head, blank, content = whole[at + 2 : end].partition(b"\r\n\r\n")
        if not blank:
            raise _unread()
        yield head, content
        at = end + len(line)


def _unread() -> Refusal:
    return Refusal(400, "The form could not be read.", where="form")
