"""Units as laboratories write them, and the UCUM code that means the same.

The unit as sent is always kept; a code stands beside it only where we know what was meant. A value is never converted.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UNITY: Final = "1"
NO_UNIT: Final = frozenset({"0", "1", "-", "--", ".", "NULL", "null", "*"})
"""What laboratory systems send where a quantity has no unit (INR, ratios). A unit that is not sent may only be
forgotten."""

_SIGNS: Final = str.maketrans(
    {"μ": "µ", "×": "x", "·": ".", "−": "-", "–": "-", "²": "2", "³": "3", "⁶": "^6", "⁹": "^9", "\xa0": " "}
)
_POWER: Final = re.compile(
    r"(?:x\s?)?10\s?(?:\*\*|\*|\^|[eE]\^?)\s?(?P<exponent>[+-]?[0-9]{1,2})|[eE](?P<short>[0-9]{1,2})"
)
_BODY_SURFACE: Final = re.compile(r"1[.,]73\s?m\^?2")
_PREFIXES: Final = {
    "": "",
    "k": "k",
    "d": "d",
    "c": "c",
    "m": "m",
    "u": "u",
    "µ": "u",
    "mc": "u",
    "n": "n",
    "p": "p",
    "f": "f",
}
_PREFIXED: Final = {
    "g": "g", "l": "L", "L": "L", "mol": "mol", "m": "m", "s": "s", "Pa": "Pa", "kat": "kat", "eq": "eq", "Eq": "eq",
    "osm": "osm", "Osm": "osm", "osmol": "osm", "U": "U", "IU": "[IU]", "IE": "[IU]",
    "int.enh.": "[IU]", "int.enh": "[IU]",
    "AU": "[arb'U]", "arb.enh.": "[arb'U]", "arb.enh": "[arb'U]", "Hz": "Hz", "V": "V",
}  # fmt: skip
_WHOLE: Final = {
    "%": "%", "prosent": "%", "‰": "[ppth]", "mmHg": "mm[Hg]", "mm Hg": "mm[Hg]", "°C": "Cel", "grader": "deg",
    "pH": "[pH]", "E": "U",
    "h": "h", "t": "h", "time": "h", "timer": "h", "min": "min", "min.": "min", "sek": "s", "sek.": "s", "sec": "s",
    "d": "d", "døgn": "d", "24t": "d", "24h": "d", "24timer": "d", "dag": "d", "dager": "d", "uke": "wk", "uker": "wk",
    "mnd": "mo", "år": "a", "100mL": "dL", "100ml": "dL", "ppm": "[ppm]", "INR": "{INR}", "ratio": "{ratio}",
    "CFU": "[CFU]", "cfu": "[CFU]", "kopier": "{copies}", "copies": "{copies}", "celler": "{cells}",
    "cells": "{cells}",
    "titer": "{titer}", "bpm": "/min", "MMOL": "mmol", "UMOL": "umol", "NMOL": "nmol", "PMOL": "pmol", "MG": "mg",
    "1.73m2": "{1.73_m2}", "m2": "m2", "cm2": "cm2", "kg": "kg", "mill": "10*6", "mill.": "10*6",
    "mia": "10*9", "mia.": "10*9", "giga": "10*9", "Gpt": "10*9", "Tpt": "10*12",
    "106": "10*6", "109": "10*9", "1012": "10*12", "x106": "10*6", "x109": "10*9", "x1012": "10*12",
}  # fmt: skip


@lru_cache(maxsize=4096)
def ucum(unit: str) -> str:
    """The UCUM code of a unit as sent, `1` where it says that there is none, empty where we do not know it.

    >>> [ucum(sent) for sent in ("10E9/L", "10^9 /L", "µmol/L", "mL/min/1,73m2", "IE/L", "0", "poeng")]
    ['10*9/L', '10*9/L', 'umol/L', 'mL/min/{1.73_m2}', '[IU]/L', '1', '']
    """
    spelled = " ".join(unit.translate(_SIGNS).split())
    if spelled in NO_UNIT:
        return UNITY
    if len(spelled) > 40:
        return ""
    spelled = _BODY_SURFACE.sub("1.73m2", spelled)
    parts = [_factors(part.strip()) for part in spelled.split("/")]
    if not all(parts[1:]) or not (parts[0] or spelled.startswith("/")):
        return ""
    return "/".join(parts)


def shown(unit: str) -> str:
    """The unit as it is shown beside the number: as sent, nothing where it says that there is none."""
    trimmed = unit.strip()
    return "" if trimmed in NO_UNIT else trimmed


def _factors(part: str) -> str:
    """One side of a division: a power of ten, a unit, or both after each other."""
    match = _POWER.match(part)
    if match is None:
        return _unit(part)
    power = f"10*{int(match['exponent'] or match['short'])}"
    rest = part[match.end() :].strip(" .*x")
    if not rest:
        return power
    known = _unit(rest)
    return f"{power}.{known}" if known else ""


def _unit(text: str) -> str:
    compact = text.replace(" ", "")
    if compact in _WHOLE:
        return _WHOLE[compact]
    for cut in (0, 1, 2):
        prefix, base = compact[:cut], compact[cut:]
        if prefix in _PREFIXES and base in _PREFIXED:
            return _PREFIXES[prefix] + _PREFIXED[base]
    return ""
