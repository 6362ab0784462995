"""What a number is judged by: its laboratory's flag and reference range. The shapes are those of docs/results-mapping.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal

from kjerne.fhir.circumstances import excludes, flag_letter, is_for_all
from kjerne.services.results import circumstances
from kjerne.services.results.kith.units import UNITY
from kjerne.services.results.values import (
    SUSCEPTIBILITY,
    Resource,
    Value,
    concept_text,
    decimal_of,
    is_of,
    unit_code,
    unit_of,
    value_of,
)

_BELOW: Final = frozenset({"<", "<="})
_ABOVE: Final = frozenset({">", ">="})
Kind = Literal["high", "low", "outside"]
_FLAGS: Final[dict[str, Kind]] = {
    "H": "high", "HU": "high", "HX": "high", "HH": "high",
    "L": "low", "LU": "low", "LX": "low", "LL": "low",
    "A": "outside", "AA": "outside",
}  # fmt: skip
"""HL7's letters, which those of 8244 are read as (`circumstances.flag_letter`)."""
_CRITICAL: Final = frozenset({"HH", "LL", "AA"})
_GOALS: Final = frozenset({"recommended", "treatment", "therapeutic"})
"""Meanings of a range (HL7 referencerange-meaning) that say what is aimed at; the others say in whom it is normal."""
_PLAIN: Final = frozenset({"normal", "high", "low", "abnormal", "høy", "høg", "lav", "låg", "avvik"})
"""Words of a laboratory that say no more than its code does."""


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
        return (self.low is None) != (self.high is None) and excludes(self.text)

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
    """Outside the range. `ours` when the laboratory gave no flag and we compared with its own range; `critical` when the
    laboratory says that the patient is in danger by it (HH, LL, AA)."""

    kind: Kind
    ours: bool
    critical: bool = False

    @property
    def name(self) -> str:
        """What it is called, and its sign."""
        return f"critical-{self.kind}" if self.critical else self.kind


def range_of(observation: Resource) -> Range:
    """The reference range that the value is judged by: the one that says what is normal in everybody, in the value's unit.

    Where another may be the patient's (a second one in the same unit or in words, or one for some), none judges.
    What the value is not judged by is told beside it, in the sender's order.
    """
    sent = observation.get("referenceRange", [])
    fitting = [one for one in sent if is_for_all(one) and _in_unit_of(observation, one)]
    own: Mapping[str, Any] = fitting[0] if fitting else {}
    rivals = [one for one in sent if one is not own and not _says_as(own, one) and _may_be_hers(observation, one)]
    if own and rivals:
        told = (_other_range(one) for one in sent)
        return Range(others=tuple(replace(one, unit="") if one.unit == _unit_of(observation) else one for one in told))
    low, high = _ends(own)
    others = (one for one in sent if one is not own and not (own and _says_as(own, one)))
    return Range(low, high, str(own.get("text", "")), tuple(map(_other_range, others)))


def _may_be_hers(observation: Resource, one: Mapping[str, Any]) -> bool:
    """Whether a range may say what is normal in this patient: any but a goal of treatment, and one in another unit."""
    codes = {str(coding.get("code")) for coding in one.get("type", {}).get("coding", [])}
    return codes.isdisjoint(_GOALS) and _in_unit_of(observation, one)


def _says_as(own: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Whether a range says the same as the one that judges, in other words or none."""
    if not is_for_all(one):
        return False
    limits = _ends(one)
    return limits == _ends(own) and (limits != (None, None) or one.get("text") == own.get("text"))


def _unit_of(observation: Resource) -> str:
    return unit_of(observation.get("valueQuantity", {}))


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
    if observation.get("interpretation"):
        return sent_flag(observation)
    if span.exceeded_by(value):
        return Flag("high", ours=True)
    return Flag("low", ours=True) if span.missed_by(value) else None


def sent_flag(observation: Resource) -> Flag | None:
    """The gravest of the laboratory's own flags that are codes we know; what it says in other ways is in `flag_words`."""
    codings = (coding for concept in observation.get("interpretation", []) for coding in concept.get("coding", []))
    letters = {flag_letter(coding) for coding in codings} & _FLAGS.keys()
    found = (Flag(_FLAGS[letter], ours=False, critical=letter in _CRITICAL) for letter in letters)
    return min(found, key=gravity, default=None)


def gravity(flag: Flag) -> tuple[bool, int, bool]:
    """Sorts the gravest first: critical, then over and under before "outside", the laboratory's own before ours."""
    return not flag.critical, ("high", "low", "outside").index(flag.kind), flag.ours


def flag_words(observation: Resource) -> str:
    """What the laboratory's flags say in words, or by codes of a system that we do not know: shown as it is, without an arrow.

    A susceptibility has its letter (`answers`), and words that only repeat a code that we know say nothing more.
    """
    said = (_words_of(concept) for concept in observation.get("interpretation", []))
    return ", ".join(dict.fromkeys(words for words in said if words))


def _words_of(concept: Mapping[str, Any]) -> str:
    codings = concept.get("coding", [])
    if any(is_of(one, SUSCEPTIBILITY) for one in codings):
        return ""
    if not {flag_letter(one) for one in codings} & {"N", *_FLAGS}:
        return concept_text(concept)
    text = str(concept.get("text", ""))
    known = _PLAIN | {str(one.get(name, "")).casefold() for one in codings for name in ("code", "display")}
    return "" if text.strip().casefold() in known else text
