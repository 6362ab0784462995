"""What a number is judged by: its laboratory's flag and reference range. The shapes are those of docs/results-mapping.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from kjerne.fhir.circumstances import is_for_all
from kjerne.services.results import circumstances
from kjerne.services.results.kith.units import UNITY
from kjerne.services.results.values import Resource, Value, decimal_of, unit_code, unit_of, value_of

_BELOW: Final = frozenset({"<", "<="})
_ABOVE: Final = frozenset({">", ">="})
_EXCLUDES: Final = re.compile(r"\s*(?:[<>](?!\s*=)|under\b|mindre enn\b|over\b|større enn\b)", re.IGNORECASE)
"""How a laboratory's words begin where the limit itself is outside; "<=", "inntil" and "minst" have it inside."""
# Volven 8244 (deviation indicator), and HL7's own letters where a FHIR system wrote the resource.
FLAGS: Final[dict[str, Literal["high", "low", "outside"]]] = {
    "1": "high",
    "2": "low",
    "3": "outside",
    "H": "high",
    "HH": "high",
    "L": "low",
    "LL": "low",
    "A": "outside",
    "AA": "outside",
}


@dataclass(frozen=True, slots=True)
class OtherRange:
    """A range that the value is not judged by: in another unit, for some patients only, or of another meaning.

    `whom` are its laboratory's words, those of its type last; `meaning` is the code of that, where it has one.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    text: str = ""
    unit: str = ""
    whom: tuple[str, ...] = ()
    age: Value | None = None
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """The reference range of one point, as its laboratory gave it. What is asked of it is asked of all a value can be."""

    low: Decimal | None = None
    high: Decimal | None = None
    text: str = ""
    others: tuple[OtherRange, ...] = ()
    """Told beside it; never compared with, and never drawn."""

    @property
    def excludes(self) -> bool:
        """Whether the limit itself is outside ("< 14"). FHIR's limits are inside, so only the laboratory's words tell."""
        return (self.low is None) != (self.high is None) and bool(_EXCLUDES.match(self.text))

    def exceeded_by(self, value: Value) -> bool:
        """Whether the value is over the range for certain: 16 and ">15" are over 11-15, "<20" is not."""
        number, high = value.number, self.high
        if number is None or high is None or value.comparator in _BELOW:
            return False
        return number > high or (number == high and (value.comparator == ">" or self.excludes))

    def missed_by(self, value: Value) -> bool:
        """Whether the value is under the range for certain: "<5" is under 5-100, ">2" is not."""
        number, low = value.number, self.low
        if number is None or low is None or value.comparator in _ABOVE:
            return False
        return number < low or (number == low and (value.comparator == "<" or self.excludes))

    def holds(self, value: Value) -> bool:
        """Whether the value is within the range for certain: "<20" is not in 11-15, and "<5" is within "< 5"."""
        number, low, high, sign = value.number, self.low, self.high, value.comparator
        if number is None or (low is None and high is None):
            return False
        fits_low = low is None or (
            sign not in _BELOW and (number > low or (number == low and (sign == ">" or not self.excludes)))
        )
        fits_high = high is None or (
            sign not in _ABOVE and (number < high or (number == high and (sign == "<" or not self.excludes)))
        )
        return fits_low and fits_high


NO_RANGE: Final = Range()


@dataclass(frozen=True, slots=True)
class Flag:
    """Outside the range. `ours` when the laboratory gave no flag and we compared with its own range."""

    kind: Literal["high", "low", "outside"]
    ours: bool


def range_of(observation: Resource) -> Range:
    """The reference range that the value is judged by: the first that says what is normal in everybody, in the value's unit.

    What is for some only, or in another unit, is told beside it with that.
    """
    sent = observation.get("referenceRange", [])
    normal = [one for one in sent if is_for_all(one)]
    own: Mapping[str, Any] = next((one for one in normal if _in_unit_of(observation, one)), {})
    others = [*([] if own else normal[:1]), *(one for one in sent if not is_for_all(one))]
    low, high = _ends(own)
    return Range(low, high, str(own.get("text", "")), tuple(map(_other_range, others)))


def _ends(one: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    low, high = (decimal_of(one.get(end, {}).get("value")) for end in ("low", "high"))
    return low, high


def _in_unit_of(observation: Resource, one: Mapping[str, Any]) -> bool:
    """Whether a range may be compared with the value: limits without a unit have the value's."""
    if not any(name in observation for name in ("valueQuantity", "valueInteger")):
        return True  # there is no number to compare
    unit = unit_code(observation.get("valueQuantity", {}))
    limits = {unit_code(one[end]) for end in ("low", "high") if one.get(end)}
    return limits <= {"", unit} or limits | {unit} <= {"", UNITY}


def _other_range(one: Mapping[str, Any]) -> OtherRange:
    low, high = _ends(one)
    unit = next((found for end in ("low", "high") if (found := unit_of(one.get(end, {})))), "")
    meaning = next((str(c["code"]) for c in one.get("type", {}).get("coding", []) if c.get("code")), "")
    age = value_of({"valueRange": one.get("age")})
    return OtherRange(low, high, str(one.get("text", "")), unit, circumstances.whom_of(one), age, meaning)


def flag_of(observation: Resource, value: Value, span: Range) -> Flag | None:
    """The laboratory's own flag; where it gave none, ours by its own range.

    "<5" is only low if all it can be is below the range, and ">100" only high if all it can be is above.
    """
    for concept in observation.get("interpretation", []):
        for coding in concept.get("coding", []):
            if kind := FLAGS.get(coding.get("code", "")):
                return Flag(kind, ours=False)
    if observation.get("interpretation"):
        return None
    if span.exceeded_by(value):
        return Flag("high", ours=True)
    return Flag("low", ours=True) if span.missed_by(value) else None
