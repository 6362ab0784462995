"""What an RTF field says whose result is empty or missing (Word's field codes): a program draws it anew from its instruction."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from kjerne.reading.symbols import LOST, by_number, table

_SYMBOL: Final = re.compile(r"SYMBOL\s+(?:(0x[0-9A-F]{1,6})|([0-9]{1,7}))(?![^\s\\])", re.ASCII | re.IGNORECASE)
_FONT: Final = re.compile(r"\\f\s*(?:\"([^\"]*)\"|([^\s\\]+))", re.IGNORECASE)
_FRACTION: Final = re.compile(r"EQ\s+\\f\s*\(\s*([0-9]+)\s*[;,]\s*([0-9]+)\s*\)\s*", re.ASCII | re.IGNORECASE)
_DRAWN: Final = frozenset({"SYMBOL", "EQ", "FORMDROPDOWN", "FORMCHECKBOX", "QUOTE"})
"""Kinds that show something whatever their result holds."""
_QUIET: Final = frozenset(
    "PAGE NUMPAGES SECTION SECTIONPAGES XE TC TA RD SET ASK PRIVATE ADVANCE BOOKMARK SEQ LISTNUM".split()
)
"""Kinds that show nothing, or nothing of the text, without a result."""
_BY_DEFAULT: Final = 25
"""The result of a box that nobody has touched."""


@dataclass
class RtfField:
    """A field on its way: how much had been said when it began, its instruction, and the words of its form."""

    said: int
    instruction: list[str] = field(default_factory=list)
    form: dict[bytes, int] = field(default_factory=dict)
    has_result: bool = False

    def drawn(self, drawings: frozenset[str] = frozenset()) -> str:
        """What is seen of it where its result says nothing; `LOST` where that cannot be told. `drawings` are the fonts that are
        declared to have no letters."""
        told = "".join(self.instruction).strip()
        kind = told.partition(" ")[0].upper()
        if kind == "SYMBOL":
            return _symbol(told, drawings)
        if kind == "FORMCHECKBOX":
            return self._box()
        if found := _FRACTION.fullmatch(told):
            return f"{found[1]}/{found[2]}"
        if kind in _DRAWN:
            return LOST
        return "" if self.has_result or kind in _QUIET or not kind else LOST

    def _box(self) -> str:
        ticked = self.form.get(b"ffres", _BY_DEFAULT)
        if ticked == _BY_DEFAULT:
            ticked = self.form.get(b"ffdefres", -1)
        return {0: "☐", 1: "☒"}.get(ticked, LOST)


def _symbol(told: str, drawings: frozenset[str]) -> str:
    found, named = _SYMBOL.match(told), _FONT.search(told)
    if not found:
        return LOST
    number = int(found[1], 16) if found[1] else int(found[2])
    if number > 0xFFFF or 0xD800 <= number <= 0xDFFF:
        return LOST
    font = (named[1] or named[2] or "").strip() if named else ""
    signs = table(font, is_declared=font in drawings)
    if signs is None and number < 0x100:
        return bytes([number]).decode("cp1252", "replace") if number >= 0x20 else LOST
    return by_number(number, signs)
