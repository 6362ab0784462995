"""The person numbers that a message shows, whether or not it can be read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from kjerne.registries.identifiers import numbers_in

NUMBERS_LIMIT: Final = 2_000
"""Person numbers that a message which cannot be read may show. One that shows more names nobody in particular."""

_BASE64: Final = re.compile(rb">([A-Za-z0-9+/=\s]{64,})<")
_MARKS: Final[Mapping[bytes, str]] = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def shown_numbers(raw: bytes) -> set[str]:
    """Whatever has the form of a person number in bytes that could not be read as a message, packed ones (base64) too."""
    parts = [raw]
    for block in _BASE64.findall(raw):
        try:
            parts.append(base64.b64decode(b"".join(block.split()), validate=True))
        except (binascii.Error, ValueError):
            continue
    found: set[str] = set()
    for part in parts:
        found |= numbers_in(part.decode("latin-1"))
        if encoding := _MARKS.get(part[:2]):
            found |= numbers_in(part.decode(encoding, "replace"))
    return found
