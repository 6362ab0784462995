"""Units of measure, as far as laboratories and bedside devices use them: a UCUM code as a factor over base units.

The Unified Code for Units of Measure, sections 2 (grammar) and 4 (tables). Units that are no pure factor (degrees
Celsius, pH, logarithms) and unknown ones have no canonical form here: they match by their code alone.

UCUM lets a quotient of like things (mmol/mol, mg/g, L/L) be a plain number. Here it stays what it is a share of: who asks
for HbA1c above 5 mmol/mol does not ask for an INR of 1.1, and 6.5 % HbA1c is not 65 mmol/mol. R4 says that a search *may*
use the canonical form; it is used where the units measure the same. `%` is the number 0.01, as UCUM has it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

PREFIXES: Final = {
    "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "d": -1, "da": 1, "h": 2, "k": 3, "M": 6, "G": 9,
}  # fmt: skip

# Atom -> (factor, dimensions). mol stays a dimension of its own, so that mmol/L never equals a plain count per litre.
_METRIC: Final[dict[str, tuple[Fraction, dict[str, int]]]] = {
    "m": (Fraction(1), {"m": 1}),
    "s": (Fraction(1), {"s": 1}),
    "g": (Fraction(1), {"g": 1}),
    "mol": (Fraction(1), {"mol": 1}),
    "L": (Fraction(1, 1000), {"m": 3}),
    "l": (Fraction(1, 1000), {"m": 3}),
    "K": (Fraction(1), {"K": 1}),
    "A": (Fraction(1), {"A": 1}),
    "Hz": (Fraction(1), {"s": -1}),
    "N": (Fraction(1000), {"g": 1, "m": 1, "s": -2}),
    "Pa": (Fraction(1000), {"g": 1, "m": -1, "s": -2}),
    "J": (Fraction(1000), {"g": 1, "m": 2, "s": -2}),
    "W": (Fraction(1000), {"g": 1, "m": 2, "s": -3}),
    "cal": (Fraction(4184), {"g": 1, "m": 2, "s": -2}),
    "V": (Fraction(1000), {"g": 1, "m": 2, "s": -3, "A": -1}),
    "kat": (Fraction(1), {"mol": 1, "s": -1}),
    "U": (Fraction(1, 60_000_000), {"mol": 1, "s": -1}),
    "eq": (Fraction(1), {"eq": 1}),
    "osm": (Fraction(1), {"osm": 1}),
    "[IU]": (Fraction(1), {"[IU]": 1}),
    "[iU]": (Fraction(1), {"[IU]": 1}),
    "m[Hg]": (Fraction(133_322_000), {"g": 1, "m": -1, "s": -2}),
    "m[H2O]": (Fraction(9_806_650), {"g": 1, "m": -1, "s": -2}),
    "Bq": (Fraction(1), {"Bq": 1}),
    "Sv": (Fraction(1), {"Sv": 1}),
    "Gy": (Fraction(1), {"Gy": 1}),
    "bar": (Fraction(100_000_000), {"g": 1, "m": -1, "s": -2}),
}
_PLAIN: Final[dict[str, tuple[Fraction, dict[str, int]]]] = {
    "1": (Fraction(1), {}),
    "%": (Fraction(1, 100), {}),
    "[ppm]": (Fraction(1, 10**6), {}),
    "[ppth]": (Fraction(1, 1000), {}),
    "min": (Fraction(60), {"s": 1}),
    "h": (Fraction(3600), {"s": 1}),
    "d": (Fraction(86_400), {"s": 1}),
    "wk": (Fraction(604_800), {"s": 1}),
    "mo": (Fraction(2_629_800), {"s": 1}),
    "a": (Fraction(31_557_600), {"s": 1}),
    "[in_i]": (Fraction(254, 10_000), {"m": 1}),
    "[lb_av]": (Fraction("453.59237"), {"g": 1}),
    "10*": (Fraction(10), {}),
    "10^": (Fraction(10), {}),
}

_TERM: Final = re.compile(r"([/.]?)(10[*^]|(?:[^/.{}0-9\[\]]|\[[^\]]*\])+|\d+)([+-]?\d{1,2})?(\{[^{}]*\})?")
_ANNOTATION: Final = re.compile(r"([/.]?)\{[^{}]*\}")
_LENGTH_LIMIT: Final = 64

Canonical = tuple[Fraction, tuple[tuple[str, int], ...]]


@lru_cache(maxsize=2048)
def canonical(code: str) -> Canonical | None:
    """(factor to base units, base units with exponents) of a UCUM code; None where there is no such pure factor.

    Of a share the base unit is the pair: `mol/mol`.
    """
    if not code or len(code) > _LENGTH_LIMIT:
        return None
    factor, dimensions, above, at = Fraction(1), dict[str, int](), dict[str, int](), 0
    while at < len(code):
        annotation = _ANNOTATION.match(code, at)
        term = None if annotation else _TERM.match(code, at)
        if annotation:
            at = annotation.end()
            continue
        atom = _atom(term[2]) if term else None
        # A point stands between terms, never before the first; a slash may.
        joined = term is not None and (term[1] == "/" or (at > 0) == (term[1] == "."))
        if term is None or atom is None or not joined:
            return None
        exponent = int(term[3] or 1) * (-1 if term[1] == "/" else 1)
        factor *= atom[0] ** exponent
        for name, power in atom[1].items():
            dimensions[name] = dimensions.get(name, 0) + power * exponent
            above[name] = above.get(name, 0) + max(0, power * exponent)
        at = term.end()
    left = {name: power for name, power in dimensions.items() if power}
    share = {f"{name}/{name}": power for name, power in above.items()}
    return factor, tuple(sorted((left or share).items()))


def _atom(text: str) -> tuple[Fraction, dict[str, int]] | None:
    if text in _PLAIN:
        return _PLAIN[text]
    if text in _METRIC:
        return _METRIC[text]
    for length in (1, 2):
        power, metric = PREFIXES.get(text[:length]), _METRIC.get(text[length:])
        if power is not None and metric is not None:
            return Fraction(10) ** power * metric[0], metric[1]
    return (Fraction(int(text)), {}) if text.isdecimal() and text.isascii() and int(text) > 0 else None
