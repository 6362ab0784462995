"""The rest of an answer for whoever has its beginning (RFC 9110 section 14): bytes of it as it went out, plain or packed.

An answer that lets it be asked for says so (`accept-ranges: bytes`) and has a strong ETag. It is made anew, so a part is given
where the whole is still what it was, which `If-Range` says, and all of it else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kjerne.errors import Refusal
from kjerne.exchange import Answer

OFFERED: Final = ("accept-ranges", "bytes")


def part(answer: Answer, asked: Mapping[str, str]) -> Answer:
    """What the headers `range` and `if-range` ask for of an answer that offers it. `Refusal` 416 for bytes that it has not."""
    if answer.status != 200 or "range" not in asked or OFFERED not in answer.headers:
        return answer
    if ("etag", asked.get("if-range", "")) not in answer.headers:
        return answer
    length = len(answer.body)
    span = _span(asked["range"], length)
    if span is None:
        return answer
    start, end = span
    if start >= end:
        raise Refusal(
            416, "the file is no longer than that", where="range", headers=(("content-range", f"bytes */{length}"),)
        )
    told = ("content-range", f"bytes {start}-{end - 1}/{length}")
    return msgspec.structs.replace(answer, status=206, body=answer.body[start:end], headers=(*answer.headers, told))


def _span(text: str, length: int) -> tuple[int, int] | None:
    """The one range of bytes that is asked for, half-open; None for none, for several, which a server may pass over, and for one
    that ends before it begins, which is none (section 14.1.1)."""
    unit, _, wanted = text.partition("=")
    first, dash, last = wanted.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(_is_number(one) for one in (first, last) if one):
        return None
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(length, int(last) + 1) if last else length
    return (max(0, length - int(last)), length) if last else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15
