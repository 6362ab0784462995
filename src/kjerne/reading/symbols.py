"""Signs of fonts that are no letters: a byte in them is the place of a drawing, and read as a letter it says another thing.

Symbol is Adobe's own encoding (Unicode, MAPPINGS/VENDORS/ADOBE/symbol.txt). Of Wingdings and Wingdings 2 only what letters are
written with is here: ticks, boxes, arrows and bullets. All else is told of and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

LOST: Final = "\ufffd"
_NONE: Final = "\0"
_LOW: Final = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼"
)  # fmt: skip
"""From 0x20. The mu is the micro sign, as units are written with it."""
_HIGH: Final = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\0〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
"""From 0xA0."""
_SYMBOL: Final = {
    place: sign
    for first, signs in ((0x20, _LOW), (0xA0, _HIGH))
    for place, sign in enumerate(signs, first)
    if sign != _NONE
}
_WINGDINGS: Final = {
    0x20: " ", 0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "❑", 0x72: "❒", 0x76: "❖", 0x78: "☒", 0x9F: "•", 0xA7: "▪", 0xA8: "☐",
    0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_WINGDINGS_2: Final = {0x20: " ", 0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0xA3: "☐"}
_BY_NAME: Final[Mapping[str, Mapping[int, str]]] = {
    "symbol": _SYMBOL, "symbolmt": _SYMBOL, "standard symbols l": _SYMBOL, "standard symbols ps": _SYMBOL,
    "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2,
}  # fmt: skip
_DRAWN: Final = ("wingdings", "webdings", "marlett", "zapfdingbats", "zapf dingbats", "itc zapf dingbats", "mt extra")
"""How the names of other fonts begin that hold drawings, whatever they are declared as."""


@lru_cache(maxsize=256)
def table(font: str, *, is_declared: bool = False) -> Mapping[int, str] | None:
    """The signs of a font by their places: none of them where it is declared to be one of drawings and is not known here, and
    None where it is one of letters.

    >>> table("Symbol")[0xB3], table("Snowflakes", is_declared=True), table("Arial")
    ('≥', {}, None)
    """
    name = " ".join(font.lower().split())
    if name in _BY_NAME:
        return _BY_NAME[name]
    return {} if is_declared or name.startswith(_DRAWN) else None


def drawn(places: bytes, signs: Mapping[int, str]) -> str:
    """What bytes stand for in a font of drawings.

    >>> drawn(b"m\\xa3\\x80", table("Symbol"))
    'µ≤\\ufffd'
    """
    return "".join(signs.get(one, LOST) if one >= 0x20 else chr(one) for one in places)


def by_number(number: int, signs: Mapping[int, str] | None) -> str:
    """What a sign that came by its number in Unicode stands for: Windows puts those of such fonts at U+F000 and on, which says
    nothing in a font of letters.

    >>> by_number(0xF06D, table("Symbol")), by_number(0xF06D, None), by_number(0xE5, None)
    ('µ', '\\ufffd', 'å')
    """
    place = number - 0xF000 if 0xF020 <= number <= 0xF0FF else number
    if signs is not None and 0x20 <= place <= 0xFF:
        return signs.get(place, LOST)
    return LOST if 0xE000 <= number <= 0xF8FF else chr(number)
