"""Small builders of the FHIR resources that pages read, in the shapes of docs/results-mapping.md."""

from __future__ import annotations

import struct
import zlib
from decimal import Decimal
from typing import Any

NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"
DISCIPLINE = "urn:oid:2.16.578.1.12.4.1.1.8202"
DEVIATION = "urn:oid:2.16.578.1.12.4.1.1.8244"
SUSCEPTIBILITY = "urn:oid:2.16.578.1.12.4.1.1.8271"
CHANGE = "http://kjerne.example/fhir/StructureDefinition/change"
FOCUS = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
MATERIAL = "http://kjerne.example/fhir/CodeSystem/material-of"

Resource = dict[str, Any]


def quantity(value: str, unit: str, *, code: str = "", comparator: str = "") -> Resource:
    made: Resource = {"value": Decimal(value), "unit": unit}
    if code:
        made |= {"system": "http://unitsofmeasure.org", "code": code}
    if comparator:
        made["comparator"] = comparator
    return made


def observation(
    number: str,
    name: str,
    code: str,
    at: str,
    *,
    value: Resource | None = None,
    text: str = "",
    low: str = "",
    high: str = "",
    flag: str = "",
    status: str = "final",
    lab: str = "Fürst medisinsk laboratorium",
    specimen: str = "",
    method: str = "",
    members: tuple[str, ...] = (),
    note: str = "",
    issued: str = "",
    extension: tuple[Resource, ...] = (),
) -> Resource:
    made: Resource = {
        "resourceType": "Observation",
        "id": number,
        "status": status,
        "code": {"coding": [{"system": NLK, "code": code}] if code else [], "text": name},
        "effectiveDateTime": at,
        "performer": [{"display": lab}],
    }
    if value:
        made["valueQuantity"] = value
    if text:
        made["valueCodeableConcept"] = {"text": text}
    if low or high:
        span: Resource = {}
        span |= {"low": {"value": Decimal(low)}} if low else {}
        span |= {"high": {"value": Decimal(high)}} if high else {}
        made["referenceRange"] = [span]
    if flag:
        made["interpretation"] = [{"coding": [{"system": DEVIATION, "code": flag}]}]
    if specimen:
        made["specimen"] = {"reference": f"Specimen/{specimen}"}
    if method:
        made["method"] = {"text": method}
    if members:
        made["hasMember"] = [{"reference": f"Observation/{member}"} for member in members]
    if note:
        made["note"] = [{"text": note}]
    if issued:
        made["issued"] = issued
    if extension:
        made["extension"] = list(extension)
    return made


def absent(number: str, name: str, code: str, at: str, reason: str, **more: Any) -> Resource:
    """A result without a value, and why (HL7's data-absent-reason)."""
    system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    return observation(number, name, code, at, **more) | {
        "dataAbsentReason": {"coding": [{"system": system, "code": reason}]}
    }


def change(kind: str, at: str, **value: Any) -> Resource:
    """One former content: `change("corrected", "2026-10-01T08:00:00+02:00", valueQuantity=quantity("11.2", "g/dL"))`."""
    parts: list[Resource] = [{"url": "kind", "valueCode": kind}, {"url": "at", "valueDateTime": at}]
    return {"url": CHANGE, "extension": [*parts, {"url": "value", **value}] if value else parts}


def renamed(change_: Resource, name: str, code: str) -> Resource:
    """A change that says what the analysis was before it was corrected too."""
    was = {"coding": [{"system": NLK, "code": code}], "text": name}
    return change_ | {"extension": [*change_["extension"], {"url": "code", "valueCodeableConcept": was}]}


def a_picture() -> bytes:
    """A grey PNG of 8 by 8."""
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress((b"\0" + b"\x88" * 8) * 8)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
FILES = {
    "b-png": a_picture(),
    "b-pdf": PDF,
    "b-dicom": bytes(128) + b"DICM",
    "b-html": b"<html><script>alert(1)</script>",
}
"""What the made-up attachments hold, by the id of their Binary."""


def form(title: str, type_: str, number: str) -> Resource:
    """One attachment of a report."""
    return {"title": title, "contentType": type_, "url": f"Binary/{number}", "size": len(FILES[number])}


FORMER_FILE = ("rep-concluded", "0f0f0f0f-0000-4000-8000-00000000000f", 1)
"""Report, Binary and version of a made-up attachment that another took the place of."""


def former_file(title: str, type_: str, at: str) -> Resource:
    _, number, version = FORMER_FILE
    file = {"title": title, "contentType": type_, "url": f"Binary/{number}/_history/{version}"}
    inside = [{"url": "at", "valueDateTime": at}, {"url": "file", "valueAttachment": file}]
    return {"url": "http://kjerne.example/fhir/StructureDefinition/former-file", "extension": inside}


def comment(text: str) -> Resource:
    url = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-comment"
    return {"url": url, "valueAnnotation": {"text": text}}


def first_missing() -> Resource:
    """The reading note of a report whose first version was never received."""
    url = "http://kjerne.example/fhir/StructureDefinition/reading-note"
    return {"url": url, "valueString": "The first version of this report has not been received."}


def focus(whose: str) -> Resource:
    return {"url": FOCUS, "valueCodeableConcept": {"coding": [{"system": MATERIAL, "code": whose}]}}


def susceptibility(number: str, drug: str, level: str, at: str, mic: str = "") -> Resource:
    made = observation(number, f"Us-{drug}", f"NPU{number}", at)
    made["valueCodeableConcept"] = {"coding": [{"system": SUSCEPTIBILITY, "code": level}]}
    if mic:
        made["valueCodeableConcept"]["text"] = mic
    return made


def corrected_culture(at: str) -> list[Resource]:
    """E. coli that became Klebsiella: one susceptibility turned, one was taken back, one stands."""
    levels = {"S": "Sensitiv", "R": "Resistent"}

    def tested(level: str) -> Resource:
        return {"coding": [{"system": SUSCEPTIBILITY, "code": level, "display": levels[level]}], "text": levels[level]}

    def former(kind: str, concept: Resource) -> tuple[Resource, ...]:
        return (change(kind, "2026-11-22T12:00:00+01:00", valueCodeableConcept=concept),)

    corrected, withdrawn = former("corrected", tested("S")), former("withdrawn", tested("S"))
    was = former("corrected", {"text": "E. coli"})
    members = ("am", "me", "tr")
    growth = observation("g", "U-Bakterie", "", at, text="Klebsiella", status="amended", members=members, extension=was)
    note = "Kontrollert med ny metode"
    ampicillin = observation("am", "Ampicillin", "", at, status="amended", note=note, extension=corrected)
    mecillinam = observation("me", "Mecillinam", "", at, status="cancelled", extension=withdrawn)
    trimetoprim = observation("tr", "Trimetoprim", "", at)
    ampicillin["valueCodeableConcept"], trimetoprim["valueCodeableConcept"] = tested("R"), tested("S")
    return [growth, ampicillin, mecillinam, trimetoprim]


def report(
    number: str,
    code: str,
    name: str,
    at: str,
    results: tuple[str, ...],
    *,
    category: str = "LAB",
    status: str = "final",
    lab: str = "Fürst medisinsk laboratorium",
    issued: str = "",
    request: str = "",
) -> Resource:
    made: Resource = {
        "resourceType": "DiagnosticReport",
        "id": number,
        "status": status,
        "category": [{"coding": [{"system": DISCIPLINE, "code": category}]}],
        "code": {"coding": [{"system": DISCIPLINE, "code": code, "display": name}]},
        "effectiveDateTime": at,
        "issued": issued or (at if "T" in at else f"{at}T15:00:00+01:00"),
        "performer": [{"display": lab}],
        "result": [{"reference": f"Observation/{one}"} for one in results],
    }
    if request:
        made["basedOn"] = [{"reference": f"ServiceRequest/{request}"}]
    return made


def by_fhir() -> tuple[list[Resource], list[Resource]]:
    """Results of every kind of value that FHIR has, as a device or another system sends them."""
    at = "2026-11-16T10:00:00+01:00"
    sampled = {"origin": {"value": 0, "unit": "mV"}, "period": 4, "dimensions": 1, "data": "1 -2 E 3"}
    titre = {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(64)}}
    sent: dict[str, tuple[str, Any]] = {
        "Rubella IgG titer": ("valueRatio", titre),
        "Graviditetstest": ("valueBoolean", False),
        "Fall siste år": ("valueInteger", 2),
        "Smertefri gangdistanse": (
            "valueRange",
            {"low": quantity("200", "m"), "high": quantity("350", "m")},
        ),
        "EKG, avledning II": ("valueSampledData", sampled),
        "Siste måltid": ("valueTime", "07:30:00"),
        "Siste menstruasjon": ("valueDateTime", "2026-10"),
        "Feber": ("valuePeriod", {"start": "2026-11-14", "end": "2026-11-16"}),
    }
    found = [
        observation(f"fhir-{place}", name, "", at) | {kind: value}
        for place, (name, (kind, value)) in enumerate(sent.items())
    ]
    high = {"interpretation": [{"coding": [{"system": DEVIATION, "code": "1"}]}]}
    systolic = {"code": {"text": "Systolisk"}, "valueQuantity": quantity("151", "mmHg")} | high
    diastolic = {"code": {"text": "Diastolisk"}, "valueQuantity": quantity("84", "mmHg")}
    was = {"url": "component", "extension": [
        {"url": "code", "valueCodeableConcept": systolic["code"]}, {"url": "value", "valueQuantity": quantity("160", "mmHg")},
    ]}  # fmt: skip
    former = {"url": CHANGE, "extension": [{"url": "kind", "valueCode": "corrected"}, was]}
    pressure = observation("pressure", "Blodtrykk", "", at, status="corrected", extension=(former,))
    pressure["component"] = [systolic, diastolic]
    found.append(pressure)
    return found, [report("rep-fhir", "CLIN", "Egenmåling", at, tuple(one["id"] for one in found))]
