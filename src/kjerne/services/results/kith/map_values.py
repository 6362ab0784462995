"""Values, codes and ranges of a result as FHIR data types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from kjerne.services.results.kith import codes, ranges, units
from kjerne.services.results.kith.model import Amount, AnalysedSubject, Code, Value

Tree = dict[str, Any]

COMPARATOR: Final = {"LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "ML": "<", "MG": ">"}
"""8239 -> Quantity.comparator; "much less" and "much more" lose only their emphasis."""

DEVIATION_LETTER: Final = {"1": "H", "2": "L", "3": "A"}
DEVIATION_NAME: Final = {
    "1": "Over øvre referansegrense",
    "2": "Under nedre referansegrense",
    "3": "Utenfor referansegrensene",
}
NAME_LENGTH: Final = 80
"""A group's text up to this length is its name; a longer one is a report in its own right."""

_NATIONAL_ORDER: Final = {system: order for order, system in enumerate(codes.NATIONAL)}
_NO_INVESTIGATION: Final = "Uten angitt undersøkelse"


def coding(code: Code) -> Tree:
    """A CV as Coding with the canonical address of its system; NORPAT codes lose the blanks that some write in
    them."""
    system = codes.canonical(code.system)
    known: Tree = {"system": system} if system else {}
    if code.code:
        known["code"] = code.code.replace(" ", "") if system == codes.NORPAT else " ".join(code.code.split())
    name = code.name or code.original
    if name:
        known["display"] = name
    return known


def concept(code: Code, system: str = "") -> Tree:
    """A CV or CS as CodeableConcept; `system` is the table of a CS, which carries none."""
    chosen = Code(code.code, code.system or system, code.name, code.original)
    found: Tree = {"coding": [coding(chosen)]} if code.code else {}
    if code.words and (code.original or not code.code):
        found["text"] = code.words
    return found


def is_coded(code: Code) -> bool:
    return bool(code.code or code.name or code.original)


def investigation(investigations: Sequence[Code], value: Value | None) -> Tree:
    """Observation.code: national codes first, then local; where there is none the heading of the text, else words."""
    if investigations:
        return dict(_investigated(tuple(investigations)))
    if value is None or not value.heading.code:
        return {"text": _NO_INVESTIGATION}
    heading = heading_coding(value.heading)
    words = value.text if value.heading.code == "GR" and is_name(value.text) else heading["display"]
    return {"coding": [heading], "text": words}


@lru_cache(maxsize=4096)
def _investigated(investigations: tuple[Code, ...]) -> Tree:
    """Kept, since a laboratory sends the same few hundred analyses; nothing in it is changed."""
    codings = list(_codings(investigations))
    codings.sort(key=_national_first)
    found: Tree = {"coding": codings} if codings else {}
    found["text"] = investigations[0].words
    return found


def _codings(investigations: Iterable[Code]) -> Iterable[Tree]:
    for code in investigations:
        if not code.code:
            continue
        known = coding(code)
        yield known
        sent = codes.as_sent(code.system)
        if sent == codes.NLK_OLD:
            yield {**known, "system": sent}


def _national_first(known: Tree) -> int:
    return _NATIONAL_ORDER.get(codes.canonical(known.get("system", "")), len(_NATIONAL_ORDER))


def is_name(text: str) -> bool:
    """Whether the text of a group is its name, and no description."""
    return 0 < len(text) <= NAME_LENGTH and "\n" not in text


def heading_coding(heading: Code) -> Tree:
    name = heading.name or codes.HEADING_NAME.get(heading.code, heading.code)
    return {"system": codes.TEXT_HEADING, "code": heading.code, "display": name}


def quantity(amount: Amount, comparator: str = "") -> Tree:
    """Quantity with the digits and unit as sent, and the UCUM code where the unit is known."""
    found: Tree = {"value": amount.number}
    if comparator:
        found["comparator"] = comparator
    return found | _unit(amount.unit)


@lru_cache(maxsize=1024)
def _unit(unit: str) -> Tree:
    found: Tree = {}
    shown = units.shown(unit)
    if shown:
        found["unit"] = shown
    known = units.ucum(unit)
    if known:
        found |= {"system": codes.UCUM, "code": known}
    return found


def value_of(value: Value) -> tuple[str, Tree | str] | None:
    """The value[x] element's name and content; None where the value is empty."""
    if value.kind == "number" and value.amount is not None:
        if value.comparator == "NE":
            return "valueCodeableConcept", {"text": f"≠ {value.amount.number} {value.amount.unit}".strip()}
        return "valueQuantity", quantity(value.amount, COMPARATOR.get(value.comparator, ""))
    if value.kind == "text":
        return "valueCodeableConcept", _text(value)
    if value.kind == "interval":
        return _interval(value)
    if value.kind == "date":
        return "valueDateTime", value.date
    return None


def _interval(value: Value) -> tuple[str, Tree]:
    """A range; in words where it ends below its beginning, which R4 does not have (rng-2)."""
    sides = {name: amount for name, amount in (("low", value.low), ("high", value.high)) if amount is not None}
    if value.low and value.high and value.low.number > value.high.number:
        words = " – ".join(f"{amount.number} {amount.unit}".strip() for amount in sides.values())
        return "valueCodeableConcept", {"text": words}
    return "valueRange", {name: quantity(amount) for name, amount in sides.items()}


def _text(value: Value) -> Tree:
    found: Tree = {}
    if value.unit:
        found["extension"] = [{"url": codes.TEXT_UNIT, "valueString": value.unit}]
    codings = [coding(code) for code in value.codes]
    if value.heading.code:
        codings.append(heading_coding(value.heading))
    if codings:
        found["coding"] = codings
    if value.text:
        found["text"] = value.text
    elif value.codes:
        found["text"] = ", ".join(code.words for code in value.codes)
    return found


def unit_of(value: Value | None) -> str:
    """The unit a value was sent in, whatever its kind; empty where there is none."""
    if value is None:
        return ""
    amount = value.amount or value.low or value.high
    return amount.unit if amount is not None else value.unit


def range_of(text: str, unit: str) -> Tree:
    """A reference range: its text, and limits where the text states them and no other unit than the value's."""
    found: Tree = {}
    known = ranges.limits(text)
    if known is not None and known.unit in ("", units.ucum(unit)):
        if known.low is not None:
            found["low"] = quantity(Amount(known.low, unit))
        if known.high is not None:
            found["high"] = quantity(Amount(known.high, unit))
    found["text"] = text
    return found


def deviation(code: Code) -> Tree:
    """The laboratory's flag (8244) with HL7's letter behind it; a flag of another system as it was sent."""
    if not code.code:
        return {"text": code.words}
    if code.system and codes.canonical(code.system) != codes.DEVIATION:
        return {"coding": [coding(code)]}
    name = code.name or DEVIATION_NAME.get(code.code, code.code)
    codings = [{"system": codes.DEVIATION, "code": code.code, "display": name}]
    letter = DEVIATION_LETTER.get(code.code)
    if letter:
        codings.append({"system": codes.INTERPRETATION, "code": letter})
    return {"coding": codings}


def concepts(found: Sequence[Code]) -> Tree:
    """Several CVs as one CodeableConcept (Observation.method)."""
    codings = [coding(code) for code in found if code.code]
    words = ", ".join(code.words for code in found)
    return {"coding": codings, "text": words} if codings else {"text": words}


def specimen_type(subject: AnalysedSubject) -> Tree:
    """The material of an analysed object, in its code and its words; empty where nothing is said of it."""
    found = concept(subject.type_code) if is_coded(subject.type_code) else {}
    words = subject.type or subject.type_code.words
    if words:
        found["text"] = words
    return found


def extension(url: str, name: str, content: Any) -> Tree:
    return {"url": url, name: content}


def dated(name: str, when: str) -> list[Tree]:
    """A NILAR extension with a time, nothing where there is none."""
    return [{"url": codes.NILAR + name, "valueDateTime": when}] if when else []
