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
_UPPER: Final = frozenset({"<", "<=", "=<", "≤", "under", "mindre enn", "inntil"})
_LONGEST: Final = 60


class Limits(NamedTuple):
    """Low and high limit as written, either of them None where the range is open on that side."""

    low: Decimal | None
    high: Decimal | None


@lru_cache(maxsize=4096)
def limits(text: str) -> Limits | None:
    """The limits that `text` states, or None where it states more than one range, a condition, or no range.

    >>> limits("3,5 - 11,0")
    Limits(low=Decimal('3.5'), high=Decimal('11.0'))
    >>> limits("< 12"), limits(">= 60")
    (Limits(low=None, high=Decimal('12')), Limits(low=Decimal('60'), high=None))
    >>> limits("Kvinner 10 - 22, menn 12 - 25") is None
    True
    """
    trimmed = text.strip()
    if not trimmed or len(trimmed) > _LONGEST:
        return None
    if match := _BETWEEN.fullmatch(trimmed):
        low, high = _decimal(match["low"]), _decimal(match["high"])
        return Limits(low, high) if low <= high and _is_unit(match["tail"]) else None
    if match := _ONE_SIDED.fullmatch(trimmed):
        if not _is_unit(match["tail"]):
            return None
        limit = _decimal(match["limit"])
        return Limits(None, limit) if match["sign"].lower() in _UPPER else Limits(limit, None)
    return None


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(" ", "").replace("\xa0", "").replace(",", "."))


def _is_unit(tail: str) -> bool:
    """Whether nothing but a unit follows; any other word may be a condition, and then the limits do not hold for
    all."""
    trimmed = tail.strip()
    return not trimmed or (units.ucum(trimmed) != "" and trimmed not in units.NO_UNIT)
