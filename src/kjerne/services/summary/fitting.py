"""A record as it stands in a document: it leads to the document's Patient, its references are whole addresses, and what IPS
demands and the record does not have is said to be unknown.

Nothing that the record says is changed. Its narrative is left out where it only repeats the record: a section has a narrative of
its own (`narrative`), and no markup that came from outside is needed to read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.fhir.dates import interval
from kjerne.registries.naming import subject_element
from kjerne.registries.negatives import substances, with_substances
from kjerne.services.summary.choosing import CATEGORIES, SOUGHT
from kjerne.services.summary.model import LOINC, Tree

ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REASONS: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
DISCIPLINES: Final = "urn:oid:2.16.578.1.12.4.1.1.8202"
IMAGED: Final = frozenset({"RAD", "NUK"})
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?")
_DAY: Final = len("2026-01-01")
_NESTED: Final = frozenset((dict, list))
_TIMES: Final = {
    "DeviceUseStatement": "timing",
    "DiagnosticReport": "effective",
    "MedicationStatement": "effective",
    "Observation": "effective",
    "Procedure": "performed",
}
"""The element of a type by which IPS wants to know when."""
_NAMED: Final = frozenset({"AllergyIntolerance", "Condition", "Procedure"})
"""Types that the guides want a `code` of."""


def unknown(reason: str = "unknown") -> dict[str, Any]:
    """What stands in an element of which nothing is known."""
    return {"extension": [{"url": ABSENT, "valueCode": reason}]}


def fitted(tree: Tree, patient: str, base: str) -> Tree:
    """The record for a document whose Patient has the address `patient`; `base` is that of records."""
    name = tree["resourceType"]
    found = dict(tree)
    element = subject_element(name)
    if isinstance(found.get(element), dict) or element not in found:
        inside = said(found.get(element, {}).get("reference"))
        found[element] = {"reference": patient}
        if inside[:1] == "#":
            _take_out(found, inside[1:])
    text = found.get("text")
    if not (isinstance(text, dict) and text.get("status") == "additional"):
        found.pop("text", None)
    found = {key: _whole(value, base) if type(value) in _NESTED else value for key, value in found.items()}
    _date(found, name)
    if name in _NAMED and "code" not in found:
        found["code"] = _reacted_to(found) or _unnamed(found)
    if name == "Observation":
        _observed(found)
    return found


def with_code(tree: Tree) -> Tree:
    """A medicine as both guides demand it, with a code: of one that has none that it is not known."""
    return tree if "code" in tree else tree | {"code": _unknown_code()}


def _take_out(tree: Tree, id_: str) -> None:
    rest = [one for one in tree.get("contained", ()) if one.get("id") != id_]
    tree.pop("contained", None)
    if rest:
        tree["contained"] = rest


def _whole(value: Any, base: str) -> Any:
    """With every relative reference as the address under which the record has its place."""
    if type(value) is list:
        return [_whole(one, base) if type(one) in _NESTED else one for one in value]
    if type(value) is not dict:
        return value
    found = {key: _whole(one, base) if type(one) in _NESTED else one for key, one in value.items()}
    text = found.get("reference")
    if type(text) is str and _RELATIVE.fullmatch(text):
        found["reference"] = f"{base}/{text}"
    return found


def _date(tree: Tree, name: str) -> None:
    """When it was, in one of the two forms that both guides know. What neither can say is told in a note."""
    element = _TIMES.get(name)
    if element is None:
        return
    for mark in ("", "_"):
        if (instant := f"{mark}{element}Instant") in tree:
            tree[f"{mark}{element}DateTime"] = tree.pop(instant)  # an instant is a dateTime in the same letters
    if isinstance(timing := tree.pop(f"{element}Timing", None), dict):
        tree |= _timed(element, timing)
        _note(tree, "; ".join(filter(None, _rhythm(timing))))
    is_of_one_day = name == "Observation" and any(one[:2] in _OF_ONE_DAY for one in codings(tree.get("code")))
    if is_of_one_day and isinstance(span := tree.pop(f"{element}Period", None), dict):
        ends = [said(span.get(key)) for key in ("start", "end")]
        tree |= {f"{element}DateTime": one for one in ends[::-1] if one}
        _note(tree, "–".join(ends))
    whole = said(tree.get("effectiveDateTime"))
    if 0 < len(whole) < _DAY and any(code == "vital-signs" for _, code, _ in codings(tree.get("category"))):
        # R4 wants the dateTime of a vital sign to the day (vs-1); a month or a year is a period.
        tree["effectivePeriod"] = {"start": whole, "end": tree.pop("effectiveDateTime")}
    if not any(key.startswith((element, f"_{element}")) for key in tree):
        tree[f"_{element}DateTime"] = unknown()


_OF_ONE_DAY: Final = frozenset((LOINC, code) for code in SOUGHT)
"""Observations whose profiles know a dateTime alone."""


def _timed(element: str, timing: Tree) -> Tree:
    """Of a Timing, which the guides do not take, from when to when it is; its first and last moments where it tells those."""
    bounds = next((one["boundsPeriod"] for one in objects(timing.get("repeat")) if "boundsPeriod" in one), None)
    if bounds:
        return {f"{element}Period": bounds}
    moments = _moments(timing)
    if len(moments) > 1:
        return {f"{element}Period": {"start": moments[0], "end": moments[-1]}}
    return {f"{element}DateTime": one for one in moments}


def _moments(timing: Tree) -> list[str]:
    return sorted((one for one in timing.get("event", ()) if isinstance(one, str)), key=interval)


def _rhythm(timing: Tree) -> Iterator[str]:
    """How often, in the record's own words and figures."""
    yield named(timing.get("code")) or next((code for _, code, _ in codings(timing.get("code"))), "")
    for repeat in objects(timing.get("repeat")):
        told = {key: _figures(value) for key, value in repeat.items() if key != "boundsPeriod"}
        yield ", ".join(f"{key} {value}" for key, value in told.items())
    moments = _moments(timing)
    if len(moments) > 2 or (moments and "repeat" in timing):
        yield ", ".join(moments)


def _figures(value: Any) -> str:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return str(value) if inside is None else " ".join(map(_figures, inside))


def _note(tree: Tree, text: str) -> None:
    if text:
        tree["note"] = [*tree.get("note", ()), {"text": text}]


def _reacted_to(tree: Tree) -> Tree | None:
    """What an allergy without a code names as reacted to: as it stands there, or the names of several in words."""
    named_ = [one for one in substances(tree) if isinstance(one, dict)]
    if named_ and all(one == named_[0] for one in named_):
        return dict(named_[0])
    words = with_substances("", tree)
    return _unknown_code() | {"text": words} if words else None


def _unnamed(tree: Tree) -> Tree:
    """A code for what is told by its category alone."""
    category = named(tree.get("category"))
    return _unknown_code() | ({"text": category} if category else {})


def _unknown_code() -> Tree:
    return {"coding": [{"system": REASONS, "code": "unknown", "display": "Unknown"}]}


def _observed(tree: Tree) -> None:
    """IPS knows a result by the category of R4, and asks who found it."""
    kinds = {code for system, code, _ in codings(tree.get("category")) if system == DISCIPLINES}
    own = {code for system, code, _ in codings(tree.get("category")) if system == CATEGORIES}
    if not own and not any(code in SOUGHT for _, code, _ in codings(tree.get("code"))):
        code = "imaging" if kinds & IMAGED else "laboratory"
        coding = {"system": CATEGORIES, "code": code, "display": code.capitalize()}
        tree["category"] = [*tree.get("category", ()), {"coding": [coding]}]
        own = {code}
    if own & {"laboratory", "imaging"} and not tree.get("performer"):
        tree["performer"] = [unknown()]


def led_to(tree: Tree) -> Iterator[str]:
    """The references of a record by which something comes along: its medicine, its device, what it is made of."""
    for key in ("medicationReference", "device", "hasMember"):
        for one in objects(tree.get(key)):
            if text := said(one.get("reference")):
                yield text


def organisations(tree: Tree, system: str) -> Iterator[str]:
    """The numbers under which a record names organisations: who registered it, and who found it."""
    for contained in objects(tree.get("contained")):
        for key in ("organization", "identifier"):
            yield from _numbers(contained.get(key), system)
    for key in ("performer", "custodian", "author"):
        for one in objects(tree.get(key)):
            yield from _numbers(one, system)


def _numbers(value: Any, system: str) -> Iterator[str]:
    for one in objects(value):
        if one.get("system") == system and said(one.get("value")):
            yield said(one.get("value"))
        for identifier in objects(one.get("identifier")):
            if identifier.get("system") == system and said(identifier.get("value")):
                yield said(identifier.get("value"))
