"""What a result says: FHIR's `value[x]` in one shape, for the eye.

Values stay as sent: decimals exact, "<5" with its comparator, a date never moved by a time zone. How numbers, dates and
words are written is the reader's language, and decided by the pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from kjerne.fhir import systems, ucum
from kjerne.fhir.dates import local
from kjerne.services.results.kith import units
from kjerne.services.results.kith.times import FIRST_YEAR, LAST_YEAR

Resource = dict[str, Any]

OSLO: Final = ZoneInfo("Europe/Oslo")
HEADING: Final = systems.VOLVEN + "8243"
SUSCEPTIBILITY: Final = systems.SUSCEPTIBILITY
UNIT_OF_TEXT: Final = "/StructureDefinition/unit"
_PLAIN_UNIT: Final = re.compile(r"(?:10\*(?P<power>[0-9]{1,2})|(?P<micro>u)?(?P<rest>[A-Za-z]+))(?P<below>/[A-Za-z]+)?")
_RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
POWER_LIMIT: Final = 150
"""Furthest from 1 that a number is read, in powers of ten: either door lets in some 130, and digits are written out."""
_NO_NUMBER: Final = frozenset({"E", "U", "L"})
"""What stands in SampledData where nothing could be measured: an error, under and over what the device can."""


@dataclass(frozen=True, slots=True)
class When:
    """A clinical time. A date without a time stays a date: never midnight, never moved by a time zone."""

    day: date
    moment: datetime | None = None
    part: Literal["", "month", "year"] = ""
    """As much of the date as is known, where it is not the whole; `day` is then its first."""

    @property
    def order(self) -> tuple[date, float]:
        """Sorts by day, a date without a time first."""
        return self.day, self.moment.timestamp() if self.moment else 0.0


@dataclass(frozen=True, slots=True)
class Value:
    """What was found: a number with comparator and unit, a text, a date, a yes or no, or two of them that belong together.

    `number` is None for everything but one number, so that only numbers are drawn and compared.
    """

    number: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    text: str = ""
    on: When | None = None
    truth: bool | None = None
    ends: tuple[Value | None, Value | None] | None = None
    """The sides of a ratio, or the ends of a range, a period or of many samples; one that is not given is None."""
    joint: Literal["", "ratio", "range", "period", "samples"] = ""
    count: int = 0
    """How many samples there are."""

    @property
    def told(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.text or self.on or self.joint) or self.number is not None or self.truth is not None

    @property
    def bare(self) -> bool:
        """Whether it is measured and has no unit, so that it would be read with the one of what stands beside it."""
        ends = [end for end in self.ends or () if end and self.joint != "ratio"]
        measured = [end for end in (self, *ends) if end.number is not None]
        return bool(measured) and not self.unit and not any(end.unit for end in ends)


def when(text: str | None) -> When | None:
    """Read a FHIR date or dateTime; None where there is none or it is only a year. At the ends of the calendar, where it
    is somebody's "never", it is a date as it was written.

    >>> when("2026-03-11").day.isoformat(), when("2026-03-11").moment
    ('2026-03-11', None)
    """
    if not text or len(text) < 10:
        return None
    if len(text) == 10 or not FIRST_YEAR <= int(text[:4]) < LAST_YEAR:
        return When(date.fromisoformat(text[:10]))
    moment = local(text)
    return When(moment.date(), moment)


def concept_text(concept: Mapping[str, Any] | None) -> str:
    """The words of a CodeableConcept: its text, else the first display, else the first code."""
    if not concept:
        return ""
    codings = concept.get("coding", [])
    displays = [c["display"] for c in codings if c.get("display")] or [c["code"] for c in codings if c.get("code")]
    return str(concept.get("text") or (displays[0] if displays else ""))


def is_of(coding: Mapping[str, Any], system: str) -> bool:
    """Whether a coding is of a code system, by any spelling of its address."""
    return systems.canonical(str(coding.get("system", ""))) == system


def value_of(observation: Resource) -> Value | None:
    """The value in one shape, None where there is none (planned, nested, withdrawn).

    Reads a component's and a change's `value[x]` too.
    """
    for name, read in _READERS.items():
        if (sent := observation.get(name)) is not None:
            return read(sent)
    return None


def decimal_of(sent: Any) -> Decimal | None:
    """A number with its digits as sent; None where there is none, or it is one that nobody could read.

    What was taken in before a door was narrowed is read all the same, so nothing here may break on it.

    >>> decimal_of("1.10"), decimal_of("1e999999"), decimal_of("NaN"), decimal_of("?"), decimal_of(None)
    (Decimal('1.10'), None, None, None, None)
    """
    try:
        number = Decimal(str(sent))
    except InvalidOperation:
        return None
    return number if _is_readable(number) else None


def _is_readable(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= POWER_LIMIT and abs(number.adjusted()) <= POWER_LIMIT


def _number(quantity: Mapping[str, Any] | None) -> Value | None:
    number = decimal_of((quantity or {}).get("value"))
    if quantity is None or number is None:
        return None
    return Value(number, str(quantity.get("comparator", "")), unit_of(quantity))


def _text(text: str) -> Value | None:
    return Value(text=text) if text else None


def _time(text: str) -> Value:
    # Seconds that are none are how FHIR writes a time without them.
    return Value(text=text.removesuffix(":00") if len(text) == len("08:15:00") else text)


def _dated(text: str | None) -> Value | None:
    at = when(text) or _part_of_date(text)
    return Value(on=at) if at else None


def _part_of_date(text: str | None) -> When | None:
    if not text or len(text) not in (len("2026"), len("2026-03")):
        return None
    return When(date.fromisoformat(f"{text}-01-01"[:10]), part="year" if len(text) == len("2026") else "month")


def _period(period: Mapping[str, Any]) -> Value | None:
    return _joined("period", _dated(period.get("start")), _dated(period.get("end")))


def _range(interval: Mapping[str, Any]) -> Value | None:
    return _joined("range", _number(interval.get("low")), _number(interval.get("high")))


def _ratio(ratio: Mapping[str, Any]) -> Value | None:
    return _joined("ratio", _number(ratio.get("numerator")), _number(ratio.get("denominator")))


def _joined(joint: Literal["ratio", "range", "period"], one: Value | None, other: Value | None) -> Value | None:
    """Two values that belong together; a unit that both have stands behind the whole."""
    given = [side for side in (one, other) if side]
    if not given:
        return None
    alike = {side.unit for side in given}
    if joint == "ratio" or len(alike) > 1:
        return Value(ends=(one, other), joint=joint)
    bare = [replace(side, unit="") if side else None for side in (one, other)]
    return Value(unit=alike.pop(), ends=(bare[0], bare[1]), joint=joint)


def _samples(sampled: Mapping[str, Any]) -> Value | None:
    """How many were sampled and between which values; of several dimensions together that would say nothing.

    None where one of them is no number.
    """
    sent = str(sampled.get("data", "")).split()
    origin, dimensions = sampled.get("origin", {}), int(sampled.get("dimensions", 1))
    if not sent:
        return None
    zero, factor = decimal_of(origin.get("value", 0)), decimal_of(sampled.get("factor", 1))
    samples = [decimal_of(one) for one in sent if one not in _NO_NUMBER]
    if zero is None or factor is None or None in samples:
        return None
    numbers = [zero + factor * one for one in samples if one is not None]
    if not all(_is_readable(number) for number in numbers):
        return None
    single = dimensions == 1 and bool(numbers)
    ends = (Value(min(numbers)), Value(max(numbers))) if single else None
    return Value(unit=unit_of(origin) if single else "", ends=ends, joint="samples", count=len(sent) // dimensions)


def unit_of(quantity: Mapping[str, Any]) -> str:
    """The unit as it is shown."""
    known = unit_code(quantity)
    # "1" is how a ratio (INR) says that it has no unit; beside a number it would read as part of it.
    unit = (
        known if _is_at_odds(quantity) else unit_shown(known, str(quantity.get("unit") or quantity.get("code") or ""))
    )
    return "" if unit == "1" else unit


def unit_code(quantity: Mapping[str, Any]) -> str:
    """What two values must share to be compared: the UCUM code, else the unit as sent where we do not know it.

    Both where they are two units by themselves: which of them the number was measured in nobody can tell.

    >>> unit_code({"unit": "10E9/L"}), unit_code({"unit": "x10*9/l", "code": "10*9/L"}), unit_code({"unit": "poeng"})
    ('10*9/L', '10*9/L', 'poeng')
    """
    if _is_at_odds(quantity):
        return f"{quantity['unit']} (UCUM {quantity['code']})"
    if _is_coded(quantity):
        return str(quantity["code"])
    unit = str(quantity.get("unit") or quantity.get("code") or "")
    return units.ucum(unit) or unit


def _is_coded(quantity: Mapping[str, Any]) -> bool:
    return bool(quantity.get("code")) and systems.canonical(quantity.get("system", systems.UCUM)) == systems.UCUM


def _is_at_odds(quantity: Mapping[str, Any]) -> bool:
    """Whether the unit in words is known to be another than the code beside it: mg/dL and `mmol/L`."""
    unit = str(quantity.get("unit") or "")
    if not unit or not _is_coded(quantity) or unit == quantity["code"]:
        return False
    said, coded = ucum.canonical(units.ucum(unit) or unit), ucum.canonical(str(quantity["code"]))
    return said is not None and coded is not None and said != coded


def unit_key(holder: Mapping[str, Any]) -> str:
    """What values must share to stand in one row: the unit of whichever `value[x]` there is, as `unit_code` has it.

    Empty where it has none, as a text or a titre. Ends of a range that have each their own are no unit of either.
    """
    if "valueCodeableConcept" in holder:
        return unit_code({"unit": _text_unit(holder["valueCodeableConcept"])})
    if ratio := holder.get("valueRatio"):
        sides = [unit_code(ratio.get(side, {})) for side in ("numerator", "denominator")]
        return " : ".join(sides) if set(sides) - {"", units.UNITY} else ""
    span = holder.get("valueRange", {})
    one = holder.get("valueQuantity") or holder.get("valueSampledData", {}).get("origin", {})
    quantities = [span[end] for end in ("low", "high") if span.get(end)] or [one]
    return " \N{EN DASH} ".join(dict.fromkeys(map(unit_code, quantities)))


def unit_shown(code: str, sent: str) -> str:
    """One spelling for all that share a code: 10⁹/L and µmol/L whatever was sent; other units as the newest was sent.

    >>> unit_shown("10*9/L", "10E9/L"), unit_shown("umol/L", "umol/l"), unit_shown("[IU]/L", "IE/L")
    ('10⁹/L', 'µmol/L', 'IE/L')
    """
    if code == units.UNITY or not (match := _PLAIN_UNIT.fullmatch(code)) or not units.ucum(code):
        return units.shown(sent)
    power, micro, rest, below = (found or "" for found in match.group("power", "micro", "rest", "below"))
    head = f"10{power.translate(_RAISED)}" if power else f"{micro and 'µ'}{rest}"
    return head + below


def _concept_value(concept: Mapping[str, Any]) -> Value | None:
    # The heading (8243) says what kind of text it is ("laboratory result"), not what was found.
    codings = [c for c in concept.get("coding", []) if not is_of(c, HEADING)]
    lettered = [c for c in codings if c.get("display") or is_of(c, SUSCEPTIBILITY)]
    words = dict.fromkeys(str(c.get("display") or c.get("code", "")) for c in lettered)
    text = both(", ".join(words), str(concept.get("text", "")))
    # Codes without words (NORPAT's, say) are for those who know them: last, and not before a pathologist's text.
    bare = [str(c["code"]) for c in codings if c not in lettered and c.get("code") and str(c["code"]) not in text]
    text = f"{text} ({', '.join(bare)})" if text and bare else text or ", ".join(bare)
    return Value(text=text, unit=unit_of({"unit": _text_unit(concept)})) if text else None


def _text_unit(concept: Mapping[str, Any]) -> str:
    return next((str(e.get("valueString", "")) for e in extensions(concept, UNIT_OF_TEXT)), "")


def both(coded: str, text: str) -> str:
    """A coded answer and the text beside it: neither stands for the other, unless the text begins with the code's words.

    >>> both("Påvist", "se kommentar under"), both("Påvist", "Ikke påvist"), both("Påvist", "påvist, svakt")
    ('Påvist – se kommentar under', 'Påvist – Ikke påvist', 'påvist, svakt')
    """
    if not coded or not text:
        return coded or text
    rest = text[len(coded) :]
    said = text.casefold().startswith(coded.casefold()) and not rest[:1].isalnum()
    return text if said else f"{coded} – {text}"


def extensions(holder: Mapping[str, Any], ending: str) -> list[Mapping[str, Any]]:
    """The extensions whose address ends so."""
    return [e for e in holder.get("extension", []) if str(e.get("url", "")).endswith(ending)]


_READERS: Final[Mapping[str, Callable[[Any], Value | None]]] = {
    "valueQuantity": _number,
    "valueCodeableConcept": _concept_value,
    "valueString": _text,
    "valueBoolean": lambda truth: Value(truth=truth),
    "valueInteger": lambda number: _number({"value": number}),
    "valueRange": _range,
    "valueRatio": _ratio,
    "valueSampledData": _samples,
    "valueTime": _time,
    "valueDateTime": _dated,
    "valuePeriod": _period,
}
"""Every value[x] that an Observation may have (R4), and how it is read."""
