"""What a dictionary for bodies is trained on: the results of generated people, in both forms in which results come.

What comes of a laboratory's message points at the rest of its report by our ids. A laboratory that sends FHIR itself knows
none of these: its results name patient, order and sample by identifiers, and say what they are with HL7's own codes. A
dictionary that knew the first form alone left the second a third larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kjerne.fhir.encode import decode, encode
from kjerne.services.results.kith import chain, mapping
from kjerne.services.results.kith.codes import IDENTIFIER_SYSTEM, INTERPRETATION
from kjerne.services.results.kith.model import Message, Report

CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_FLAGS: Final = {"N": "Normal", "H": "High", "L": "Low", "A": "Abnormal"}
_KEPT: Final = ("identifier", "status", "code", "issued", "note", "method", "referenceRange", "component")


def bodies(message: Message) -> Iterator[bytes]:
    """The resources of a message, and its results as their laboratory would have sent them as FHIR."""
    report = message.reports[0]
    for raw in map(encode, _resources(message)):
        yield raw
        tree = decode(raw)
        if tree["resourceType"] == "Observation" and "code" in tree:
            yield encode(as_sent(tree, report))


def _resources(message: Message) -> Iterator[dict[str, Any]]:
    """What a message gives on its own."""
    for version in chain.versions(message):
        yield from mapping.resources(chain.fold([version]), lambda type_, key: f"{type_}-{key}")


def as_sent(tree: dict[str, Any], report: Report) -> dict[str, Any]:
    """An Observation that stands alone."""
    order, person = {"value": report.id}, {"system": IDENTIFIER_SYSTEM["FNR"], "value": report.patient.number}
    said = {name: value for name, value in tree.items() if name in _KEPT or name.startswith(("effective", "value"))}
    said |= {
        "basedOn": [{"type": "ServiceRequest", "identifier": order}],
        "category": [{"coding": [{"system": CATEGORY, "code": "laboratory", "display": "Laboratory"}]}],
        "subject": {"type": "Patient", "identifier": person},
        "performer": [{"type": "Organization", "display": one["display"]} for one in tree.get("performer", ())],
        "interpretation": [{"coding": [_flag(tree)]}],
        "specimen": {"type": "Specimen", "identifier": order},
    }
    places = {name: place for place, name in enumerate(_ORDER)}
    named = sorted(said.items(), key=lambda item: places.get(item[0], places["value"]))
    return {"resourceType": "Observation", **{name: value for name, value in named if value}}


_ORDER: Final = (
    "identifier", "basedOn", "status", "category", "code", "subject", "effectiveDateTime", "effectivePeriod", "issued",
    "performer", "value", "interpretation", "note", "method", "specimen", "referenceRange", "component",
)  # fmt: skip
"""In which R4 lists them, as most programs write them; repeated runs of names are what a dictionary learns."""


def _flag(tree: dict[str, Any]) -> dict[str, str]:
    given = [one["code"] for flag in tree.get("interpretation", ()) for one in flag.get("coding", ())]
    code = next((one for one in given if one in _FLAGS), "N")
    return {"system": INTERPRETATION, "code": code, "display": _FLAGS[code]}
