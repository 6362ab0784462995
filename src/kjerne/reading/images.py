"""Pictures that a browser may have: whole as far as their own form tells, and no larger than a browser should draw.

PNG, JPEG and GIF are gone through by their parts and passed on as they came; a TIFF, which browsers do not show, becomes PNG,
page by page, in a process of its own (`picturing.py`, decision 81).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from kjerne.reading import kinds
from kjerne.reading.view import Unreadable

PIXELS_LIMIT: Final = 60_000_000
"""An A3 sheet at 400 points to the inch has 31 million."""
PAGES_LIMIT: Final = 40
MADE_LIMIT_BYTES: Final = 30_000_000
"""Of all pages of a TIFF as PNG."""
SECONDS: Final = 20.0
PROGRAM: Final = Path(__file__).with_name("picturing.py")
_CHUNKS_LIMIT: Final = 20_000
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG that tell the size (ITU-T T.81, table B.1)."""
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})

log = structlog.get_logger("kjerne")


class Pages(NamedTuple):
    """The pages of a TIFF as PNG, how many it has, and whether some of them is shown lighter than it is."""

    shown: tuple[bytes, ...]
    of: int
    is_lighter: bool = False


def check(raw: bytes, type_: str) -> None:
    """Raises `Unreadable`: `image` where it is broken off or none, `pixels` where it is too large to draw."""
    try:
        width, height = {kinds.PNG: _png, kinds.JPEG: _jpeg, kinds.GIF: _gif}[type_](raw)
    except IndexError:
        raise Unreadable("image") from None
    if not width or not height:
        raise Unreadable("image")
    if width * height > PIXELS_LIMIT:
        raise Unreadable("pixels")


def _png(raw: bytes) -> tuple[int, int]:
    """By its chunks to the last one (ISO/IEC 15948, 5.3)."""
    if raw[8:16] != b"\0\0\0\rIHDR":
        raise Unreadable("image")
    at = 8
    for _ in range(_CHUNKS_LIMIT):
        kind = raw[at + 4 : at + 8]
        at += 12 + int.from_bytes(raw[at : at + 4])
        if len(kind) < 4 or at > len(raw):
            break
        if kind == b"IEND":
            return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    raise Unreadable("image")


def _jpeg(raw: bytes) -> tuple[int, int]:
    """By its segments to the size, and to the sign of its end (ITU-T T.81, annex B)."""
    at = 2
    for _ in range(_CHUNKS_LIMIT):
        if raw[at] != 0xFF:
            break
        marker = raw[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _SOF:
            if raw.rfind(b"\xff\xd9") < at:
                break
            return int.from_bytes(raw[at + 7 : at + 9]), int.from_bytes(raw[at + 5 : at + 7])
        length = int.from_bytes(raw[at + 2 : at + 4])
        if length < 2 or marker == 0xD9:
            break
        at += 2 + length
    raise Unreadable("image")


def _gif(raw: bytes) -> tuple[int, int]:
    """By its screen (GIF89a, 18) and its trailer."""
    if b"\x3b" not in raw[-16:]:
        raise Unreadable("image")
    return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")


def pages_of(raw: bytes, seconds: float = SECONDS) -> Pages:
    """A TIFF's pages as PNG. Raises `Unreadable`: `image`, `pixels`, or `slow` where it takes more than its time."""
    if seconds <= 0:
        raise Unreadable("slow")
    limits = {"pixels": PIXELS_LIMIT, "pages": PAGES_LIMIT, "bytes": MADE_LIMIT_BYTES}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM), json.dumps(limits)], input=raw, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={}, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unreadable("slow") from None
    head, _, rest = done.stdout.partition(b"\n")
    if done.returncode or not head:
        log.warning("a TIFF was not made PNG", code=done.returncode)
        raise Unreadable("image")
    told = json.loads(head)
    if not told["sizes"]:
        raise Unreadable(told["why"])
    pages = list[bytes]()
    for size in told["sizes"]:
        pages.append(rest[:size])
        rest = rest[size:]
    return Pages(tuple(pages), int(told["count"]), bool(told["lighter"]))
