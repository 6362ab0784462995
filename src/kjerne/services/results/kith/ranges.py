"""Reference ranges, sent as text only (RefInterval.Descr), read into limits where the text is unambiguous."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from kjerne.services.results.kith import units

_NUMBER: Final = r"[+-]?(?:[0-9]{1,3}(?:[ \xa0][0-9]{3})+|[0-9]{1,12})(?:[.,][0-9]{1,6})?"
_BETWEEN: Final = re.compile(rf"(?P<low>{_NUMBER})\s*(?:-|–|—|til|to)\s*(?P<high>{_NUMBER})(?P<tail>.*)", re.IGNORECASE)
_ONE_SIDED: Final = re.compile(
    rf"(?P<sign><=|=<|≤|<|>=|=>|≥|>|under|mindre enn|inntil|over|større enn|minst)\s*(?P<limit>{_NUMBER})(?P<tail>.*)",
    re.IGNORECASE,
)
_HELD: Final = re.compile(r"(?:\((?P<a>[^()\[\]]*)\)|\[(?P<b>[^()\[\]]*)\])(?P<tail>.*)")
"""A range that stands in brackets, whole: the unit may follow inside or outside."""
_UPPER: Final = frozenset({"<", "<=", "=<", "≤", "under", "mindre enn", "inntil"})
_THOUSANDS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
"""A number that may be thousands or thousandths: where a dot stands apart, only the laboratory knows."""
_LONGEST: Final = 60


class Limits(NamedTuple):
    """Low and high limit as written, either of them None where the range is open on that side.

    `unit` is the UCUM code of the unit that stands beside them, empty where there is none: a laboratory may write the
    range in another unit than the value.
    """

    low: Decimal | None
    high: Decimal | None
    unit: str = ""


@lru_cache(maxsize=4096)
def limits(text: str) -> Limits | None:
    """The limits that `text` states, or None where it states more than one range, a condition, or no range, or where its
    numbers can be read in two ways ("1.000 - 2.000").

    >>> limits("3,5 - 11,0 mmol/L")
    Limits(low=Decimal('3.5'), high=Decimal('11.0'), unit='mmol/L')
    >>> limits("[3 - 4] mmol/L") == limits("3 - 4 mmol/L")
    True
    >>> limits("< 12"), limits(">= 60")
    (Limits(low=None, high=Decimal('12'), unit=''), Limits(low=Decimal('60'), high=None, unit=''))
    >>> limits("Kvinner 10 - 22, menn 12 - 25") is None
    True
    """
    trimmed = text.strip()
    if not trimmed or len(trimmed) > _LONGEST:
        return None
    held = _HELD.fullmatch(trimmed)
    inside, behind = ((held["a"] or held["b"] or "").strip(), held["tail"]) if held else (trimmed, "")
    match = _BETWEEN.fullmatch(inside) or _ONE_SIDED.fullmatch(inside)
    if match is None:
        return None
    unit = _unit(f"{match['tail']} {behind}")
    if unit is None:
        return None
    sides = match.groupdict()
    if _is_ambiguous([sides[name] for name in ("low", "high", "limit") if name in sides]):
        return None
    if "sign" not in sides:
        low, high = _decimal(sides["low"]), _decimal(sides["high"])
        return Limits(low, high, unit) if low <= high else None
    limit = _decimal(sides["limit"])
    return Limits(None, limit, unit) if sides["sign"].lower() in _UPPER else Limits(limit, None, unit)


def _is_ambiguous(numbers: list[str]) -> bool:
    """Whether a dot may stand between thousands; another limit that has it before other decimals says what it is."""
    pointed = [number for number in numbers if "." in number]
    return bool(pointed) and all(_THOUSANDS.fullmatch(number) for number in pointed)


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(" ", "").replace("\xa0", "").replace(",", "."))


def _unit(tail: str) -> str | None:
    """What follows the numbers as a UCUM unit; None for any other word, which may be a condition: then the limits do not
    hold for all."""
    trimmed = tail.strip()
    if not trimmed:
        return ""
    return None if trimmed in units.NO_UNIT else units.ucum(trimmed) or None
