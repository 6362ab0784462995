"""One Observation read for the eye: its value, range, flag, mark and what it said before.

The shapes are those of docs/results-mapping.md. Values stay as sent: decimals exact, "<5" with its comparator, a date
without a time never moved by a time zone, the old value beside a corrected one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from kjerne.fhir.dates import local
from kjerne.services.results.kith import units

Resource = dict[str, Any]
Mark = Literal["", "corrected", "withdrawn", "preliminary", "not-repeated"]
Absent = Literal["", "not-performed", "waiting", "unknown"]
"""Why a result has no value; `unknown` where its laboratory sent it as finished without one and gave no reason."""

OSLO: Final = ZoneInfo("Europe/Oslo")
HEADING: Final = "2.16.578.1.12.4.1.1.8243"
SUSCEPTIBILITY: Final = "2.16.578.1.12.4.1.1.8271"
CHANGE: Final = "/StructureDefinition/change"
UNIT_OF_TEXT: Final = "/StructureDefinition/unit"
FOCUS: Final = "/StructureDefinition/observation-focusCode"
READING_NOTE: Final = "/StructureDefinition/reading-note"
REPORT_OF: Final = "/StructureDefinition/nilar-diagnostic-report-ref"
FIRST_MISSING: Final = "The first version of this report has not been received."
"""The reading note of a chain that begins with a change (`kith.chain.fold`)."""
_UCUM: Final = "http://unitsofmeasure.org"
_PLAIN_UNIT: Final = re.compile(r"(?:10\*(?P<power>[0-9]{1,2})|(?P<micro>u)?(?P<rest>[A-Za-z]+))(?P<below>/[A-Za-z]+)?")
_RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_WITHDRAWN: Final = frozenset({"cancelled", "entered-in-error"})
_CORRECTED: Final = frozenset({"amended", "corrected"})
_ABSENT: Final[dict[str, Absent]] = {"not-performed": "not-performed", "temp-unknown": "waiting"}
_PRELIMINARY: Final = frozenset({"preliminary", "registered"})
_BELOW: Final = frozenset({"<", "<="})
_ABOVE: Final = frozenset({">", ">="})
_EXCLUDES: Final = re.compile(r"\s*(?:[<>](?!\s*=)|under\b|mindre enn\b|over\b|større enn\b)", re.IGNORECASE)
"""How a laboratory's words begin where the limit itself is outside; "<=", "inntil" and "minst" have it inside."""
# Volven 8244 (deviation indicator), and HL7's own letters where a FHIR system wrote the resource.
_FLAGS: Final[dict[str, Literal["high", "low", "outside"]]] = {
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
class When:
    """A clinical time. A date without a time stays a date: never midnight, never moved by a time zone."""

    day: date
    moment: datetime | None = None

    @property
    def order(self) -> tuple[date, float]:
        """Sorts by day, a date without a time first."""
        return self.day, self.moment.timestamp() if self.moment else 0.0


@dataclass(frozen=True, slots=True)
class Value:
    """What was found: a number with comparator and unit, a text, or a date. `number` is None for text."""

    number: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    text: str = ""
    on: When | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """The reference range of one point, as its laboratory gave it. What is asked of it is asked of all a value can be."""

    low: Decimal | None = None
    high: Decimal | None = None
    text: str = ""

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


@dataclass(frozen=True, slots=True)
class Flag:
    """Outside the range. `ours` when the laboratory gave no flag and we compared with its own range."""

    kind: Literal["high", "low", "outside"]
    ours: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One result. `old` is the value that a corrected or withdrawn one had before, where it is known.

    `issued` is when this content was sent; `first_missing` that the first version of its report was never received.
    A result without a value is a point all the same: `absent` says why there is none.
    """

    id: str
    when: When | None
    value: Value
    range: Range
    flag: Flag | None
    mark: Mark
    old: Value | None
    performer: str
    report: str
    notes: tuple[str, ...]
    issued: When | None = None
    first_missing: bool = False
    absent: Absent = ""
    was: str = ""
    """The analysis that the old value was said to be of, where that was corrected too."""
    became: str = ""
    """Where this is what a corrected analysis left behind: the analysis that it was found to be of."""

    @property
    def tells(self) -> bool:
        """Whether there is a value, and it was not taken back: what waits or was not done gives way to what was found."""
        found = self.value
        return self.mark != "withdrawn" and bool(found.number is not None or found.text or found.on)

    @property
    def stands(self) -> bool:
        """Whether its newest version still says it: what was taken back or left out gives way to what was not."""
        return self.mark not in ("withdrawn", "not-repeated")

    @property
    def inside(self) -> bool:
        """Whether the value is certainly within its range: said to a citizen only then ("<20" in 11-15 is not)."""
        return not self.flag and self.mark != "withdrawn" and self.range.holds(self.value)


def when(text: str | None) -> When | None:
    """Read a FHIR date or dateTime; None where there is none or it is only a year.

    >>> when("2026-03-11").day.isoformat(), when("2026-03-11").moment
    ('2026-03-11', None)
    """
    if not text or len(text) < 10:
        return None
    if len(text) == 10:
        return When(date.fromisoformat(text))
    moment = local(text)
    return When(moment.date(), moment)


def taken(observation: Resource) -> When | None:
    """When the sample was taken or the examination done; the time it was issued where no better is known."""
    period = observation.get("effectivePeriod", {})
    return when(observation.get("effectiveDateTime") or period.get("start") or observation.get("issued"))


def concept_text(concept: Mapping[str, Any] | None) -> str:
    """The words of a CodeableConcept: its text, else the first display, else the first code."""
    if not concept:
        return ""
    codings = concept.get("coding", [])
    displays = [c["display"] for c in codings if c.get("display")] or [c["code"] for c in codings if c.get("code")]
    return str(concept.get("text") or (displays[0] if displays else ""))


def value_of(observation: Resource) -> Value | None:
    """The value in one shape, None where there is none (planned, nested, withdrawn). Reads a change's `value[x]` too."""
    if quantity := observation.get("valueQuantity"):
        number = quantity.get("value")
        if number is None:
            return None
        return Value(Decimal(str(number)), str(quantity.get("comparator", "")), _unit(quantity))
    if concept := observation.get("valueCodeableConcept"):
        return _concept_value(concept)
    if interval := observation.get("valueRange"):
        edge = interval.get("low") or interval.get("high") or {}
        return Value(text=_range_text(interval), unit=str(edge.get("unit", "")))
    if at := when(observation.get("valueDateTime")):
        return Value(on=at)
    text = observation.get("valueString")
    return Value(text=str(text)) if text else None


def _unit(quantity: Mapping[str, Any]) -> str:
    # "1" is how a ratio (INR) says that it has no unit; beside a number it would read as part of it.
    unit = unit_shown(unit_code(quantity), str(quantity.get("unit") or quantity.get("code") or ""))
    return "" if unit == "1" else unit


def unit_code(quantity: Mapping[str, Any]) -> str:
    """What two values must share to be compared: the UCUM code, else the unit as sent where we do not know it.

    >>> unit_code({"unit": "10E9/L"}), unit_code({"unit": "x10*9/l", "code": "10*9/L"}), unit_code({"unit": "poeng"})
    ('10*9/L', '10*9/L', 'poeng')
    """
    if quantity.get("code") and quantity.get("system", _UCUM) == _UCUM:
        return str(quantity["code"])
    unit = str(quantity.get("unit") or quantity.get("code") or "")
    return units.ucum(unit) or unit


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
    codings = [c for c in concept.get("coding", []) if HEADING not in c.get("system", "")]
    lettered = [c for c in codings if c.get("display") or SUSCEPTIBILITY in c.get("system", "")]
    words = dict.fromkeys(str(c.get("display") or c.get("code", "")) for c in lettered)
    text = both(", ".join(words), str(concept.get("text", "")))
    # Codes without words (NORPAT's, say) are for those who know them: last, and not before a pathologist's text.
    bare = [str(c["code"]) for c in codings if c not in lettered and c.get("code") and str(c["code"]) not in text]
    text = f"{text} ({', '.join(bare)})" if text and bare else text or ", ".join(bare)
    unit = next((str(e.get("valueString", "")) for e in extensions(concept, UNIT_OF_TEXT)), "")
    return Value(text=text, unit=unit) if text else None


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


def _range_text(interval: Mapping[str, Any]) -> str:
    ends = [str(interval[end]["value"]) for end in ("low", "high") if "value" in interval.get(end, {})]
    return "–".join(ends)


def range_of(observation: Resource) -> Range:
    """The reference range beside the value; only the first, which is the one the laboratory reports by."""
    ranges = observation.get("referenceRange") or [{}]
    low, high = (ranges[0].get(end, {}).get("value") for end in ("low", "high"))
    return Range(
        None if low is None else Decimal(str(low)),
        None if high is None else Decimal(str(high)),
        str(ranges[0].get("text", "")),
    )


def flag_of(observation: Resource, value: Value, span: Range) -> Flag | None:
    """The laboratory's own flag; where it gave none, ours by its own range.

    "<5" is only low if all it can be is below the range, and ">100" only high if all it can be is above.
    """
    for concept in observation.get("interpretation", []):
        for coding in concept.get("coding", []):
            if kind := _FLAGS.get(coding.get("code", "")):
                return Flag(kind, ours=False)
    if observation.get("interpretation"):
        return None
    if span.exceeded_by(value):
        return Flag("high", ours=True)
    return Flag("low", ours=True) if span.missed_by(value) else None


_SEVERITY: Final = ("high", "low", "outside")


def worst(found: Iterable[Point]) -> Flag | None:
    """The gravest flag of several results: over and under before "outside", the laboratory's own before ours."""
    flags = [point.flag for point in found if point.flag]
    return min(flags, key=lambda flag: (_SEVERITY.index(flag.kind), flag.ours), default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """One former content of a result (docs/results-mapping.md, `kjerne:change`)."""

    kind: str
    at: When | None
    value: Value | None
    quantity_code: str
    concept: Mapping[str, Any]
    """The former `valueCodeableConcept` as it stood, empty where the value was another kind."""
    code: Mapping[str, Any]
    """The analysis that it was, where a later version says that it was another; else empty."""


def changes_of(observation: Resource) -> tuple[Change, ...]:
    """What the result said before, newest change first."""
    found = []
    for extension in extensions(observation, CHANGE):
        parts = {str(part.get("url", "")): part for part in extension.get("extension", [])}
        value = parts.get("value", {})
        code = str(value.get("valueQuantity", {}).get("code", ""))
        at = when(parts.get("at", {}).get("valueDateTime"))
        concept = value.get("valueCodeableConcept", {})
        kind, was = str(parts.get("kind", {}).get("valueCode", "")), parts.get("code", {})
        found.append(Change(kind, at, value_of(value), code, concept, was.get("valueCodeableConcept", {})))
    return tuple(found)


def mark_of(resource: Resource, changes: Sequence[Change] = ()) -> Mark:
    """How far a result or report can be trusted, by its status and by what happened to it."""
    status = resource.get("status", "")
    if status in _WITHDRAWN:
        return "withdrawn"
    kinds = {change.kind for change in changes}
    if "not-repeated" in kinds:
        return "not-repeated"
    if status in _CORRECTED or "corrected" in kinds:
        return "corrected"
    return "preliminary" if status in _PRELIMINARY else ""


def another_person(observation: Resource) -> str:
    """Whose material it is where it is not the patient's own (`newborn`, `fetus`, `donor`, `related`), else empty."""
    for extension in extensions(observation, FOCUS):
        for coding in extension.get("valueCodeableConcept", {}).get("coding", []):
            return str(coding.get("code", ""))
    return ""


def absent_of(observation: Resource) -> Absent:
    """Why a result has no value. A group has none of its own, and its members say theirs."""
    if observation.get("hasMember"):
        return ""
    codings = observation.get("dataAbsentReason", {}).get("coding", [])
    return next((_ABSENT.get(str(c.get("code", "")), "unknown") for c in codings), "")


def notes_of(observation: Resource) -> tuple[str, ...]:
    """What the laboratory says beside the value, or in its place."""
    return tuple(str(note["text"]) for note in observation.get("note", []) if note.get("text"))


def point_of(
    observation: Resource, performer: str = "", report: str = "", *, first_missing: bool = False
) -> Point | None:
    """One result as a point, or None where it says nothing: no value now or before, no comment, no reason for that."""
    value, changes, notes = value_of(observation), changes_of(observation), notes_of(observation)
    mark, absent = mark_of(observation, changes), absent_of(observation) if value is None else ""
    before = next((c for c in changes if c.value is not None and (c.value != value or c.code)), None)
    old, was = (before.value, concept_text(before.code)) if before else (None, "")
    if value is None and old is None and not absent and not notes:
        return None
    if mark == "withdrawn":
        # What was taken back may well have been performed; what only waited, and was then left out, was never taken back.
        left_out = bool(absent) and old is None and bool(changes) and changes[0].kind == "not-repeated"
        mark, absent = ("not-repeated", "unknown") if left_out else ("withdrawn", "")
    elif absent == "waiting" and mark == "preliminary":
        mark = ""
    value, span = value or Value(), range_of(observation)
    flag = None if mark == "withdrawn" else flag_of(observation, value, span)
    return Point(
        str(observation.get("id", "")), taken(observation), value, span, flag, mark, old, performer, report, notes,
        when(observation.get("issued")), first_missing, absent, was,
    )  # fmt: skip


def left_behind(observation: Resource, point: Point) -> tuple[tuple[Change, Point], ...]:
    """What a result was said to be before its analysis was corrected: it stays there, taken back, and says what it became."""
    name = concept_text(observation.get("code"))
    return tuple(
        (change, replace(point, id=f"{point.id}-{place}", value=Value(), range=Range(), flag=None, mark="withdrawn",
                         old=change.value, notes=(), absent="", was="", became=name))
        for place, change in enumerate(changes_of(observation))
        if change.code and change.value
    )  # fmt: skip


def reference_id(reference: Mapping[str, Any] | None) -> str:
    """The id at the end of a literal reference (`Specimen/x` and `http://host/Specimen/x` are `x`)."""
    return str((reference or {}).get("reference", "")).rstrip("/").rpartition("/")[2]


def materials_of(specimens: Iterable[Resource]) -> dict[str, str]:
    """Specimen id -> the words of its material."""
    return {str(s.get("id", "")): concept_text(s.get("type")) for s in specimens}


def report_of_results(reports: Iterable[Resource]) -> dict[str, str]:
    """Observation id -> id of the report that names it."""
    return {reference_id(ref): str(r.get("id", "")) for r in reports for ref in r.get("result", [])}


def own_report(observation: Resource) -> str:
    """Id of the report as the result itself says it: a nested one is named by no report."""
    return next((reference_id(e.get("valueReference")) for e in extensions(observation, REPORT_OF)), "")


def first_missing(report: Resource) -> bool:
    """Whether the first version of a report was never received, so that what was before is not known."""
    return any(e.get("valueString") == FIRST_MISSING for e in extensions(report, READING_NOTE))


def display_of(references: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Who a list of references points to, in words."""
    for reference in references:
        if shown := reference.get("display") or names.get(reference_id(reference)):
            return str(shown)
    return ""
