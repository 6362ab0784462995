"""The text of a PDF as its own maps to Unicode say it, in the order of its content."""

from __future__ import annotations

import io
import re
from typing import Any

import pikepdf

_CHARACTERS = re.compile(rb"beginbfchar(.*?)endbfchar", re.DOTALL)
_RANGES = re.compile(rb"beginbfrange(.*?)endbfrange", re.DOTALL)
_HEX = re.compile(rb"<([0-9A-Fa-f]*)>")


def text(raw: bytes) -> str:
    """All pages; a line for each piece that is set by itself."""
    with pikepdf.open(io.BytesIO(raw)) as file:
        return "\n".join(_page(page) for page in file.pages)


def _page(page: Any) -> str:
    fonts = {name: _map(bytes(font.ToUnicode.read_bytes())) for name, font in page.Resources.Font.items()}
    said, letters = list[str](), dict[int, str]()
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "Tf":
            letters = fonts[str(operands[0])]
        elif str(operator) in ("Tj", "TJ"):
            pieces = operands[0] if isinstance(operands[0], pikepdf.Array) else [operands[0]]
            said += [_said(bytes(one), letters) for one in pieces if isinstance(one, pikepdf.String)]
        elif str(operator) in ("ET", "Td", "Tm"):
            said.append("\n")
    return "".join(said)


def _said(piece: bytes, letters: dict[int, str]) -> str:
    return "".join(letters.get(int.from_bytes(piece[at : at + 2]), "\ufffd") for at in range(0, len(piece), 2))


def _map(raw: bytes) -> dict[int, str]:
    found = dict[int, str]()
    for block in _CHARACTERS.findall(raw):
        codes = _HEX.findall(block)
        found |= {int(code, 16): _unicode(to) for code, to in zip(codes[::2], codes[1::2], strict=True)}
    for block in _RANGES.findall(raw):
        codes = _HEX.findall(block)
        for first, last, to in zip(codes[::3], codes[1::3], codes[2::3], strict=True):
            start = _unicode(to)
            for step in range(int(last, 16) - int(first, 16) + 1):
                found[int(first, 16) + step] = start[:-1] + chr(ord(start[-1]) + step)
    return found


def _unicode(digits: bytes) -> str:
    return bytes.fromhex(digits.decode()).decode("utf-16-be")
