"""Patient summaries as another country's system makes them, and requests about them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from kjerne.services.critical.api import BASE
from platform_fixture import Answered, Standing, Tree
from services.critical.records import ATC, HL7, SNOMED, clinical, rows, verified
from services.test_standards import FHIR
from services.test_standards_registered import NEED
from words import fresh

LOINC = "http://loinc.org"
ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
PATIENT = "urn:uuid:7b1f9d1e-0c5a-4d39-8f1d-1f1f6a0a5b01"
__all__ = ["ATC", "HL7", "rows"]


def her(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    """A Patient abroad as the register here has her: name, birth date and gender, and a number of another country."""
    tree = platform.client.call(
        "GET", "/fhir/R4/Patient", as_=about, portal=True, patient=platform.nin(about)
    ).json()["entry"][0]["resource"]  # fmt: skip
    said = {key: tree[key] for key in ("name", "birthDate", "gender") if key in tree}
    number = {"system": "urn:oid:1.2.752.129.2.1.3.1", "value": fresh()}
    return {"resourceType": "Patient", "id": fresh(), "identifier": [number], **said} | more


def entry(resource: Tree, address: str = "") -> Tree:
    return {"fullUrl": address or f"urn:uuid:{uuid4()}", "resource": resource}


def about(**more: Any) -> Tree:
    return {"reference": PATIENT, **more}


def allergy(number: str = "J01CA04", system: str = ATC, name: str = "Amoxicillin", /, **more: Any) -> Tree:
    return {
        "resourceType": "AllergyIntolerance", "id": fresh(), "clinicalStatus": clinical("AllergyIntolerance"),
        "verificationStatus": verified("AllergyIntolerance", "confirmed"), "category": ["medication"], "criticality": "high",
        "code": {"coding": [{"system": system, "code": number, "display": name}]}, "patient": about(),
        "reaction": [{"manifestation": [{"coding": [{"system": SNOMED, "code": "39579001", "display": "Anaphylaxis"}]}]}],
    } | more  # fmt: skip


def problem(**more: Any) -> Tree:
    return {
        "resourceType": "Condition", "id": fresh(), "clinicalStatus": clinical("Condition"),
        "verificationStatus": verified("Condition", "confirmed"), "subject": about(),
        "code": {"coding": [{"system": SNOMED, "code": "234532001", "display": "Immunodeficiency"}]},
    } | more  # fmt: skip


def document(
    patient: Tree, *resources: Tree, value: str = "", at: str = "2026-01-05T10:00:00+01:00", **more: Any
) -> Tree:
    """A document about a Patient, with these entries behind it."""
    maker = {"resourceType": "Organization", "id": fresh(), "name": "Sjukhuset", "address": [{"country": "SE"}]}
    made_by = f"urn:uuid:{uuid4()}"
    composition = {
        "resourceType": "Composition", "id": fresh(), "status": "final", "title": "Patientöversikt", "date": at,
        "type": {"coding": [{"system": LOINC, "code": "60591-5"}]}, "subject": {"reference": PATIENT},
        "author": [{"reference": made_by}], "custodian": {"reference": made_by},
    }  # fmt: skip
    return {
        "resourceType": "Bundle", "type": "document", "timestamp": at,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": value or f"urn:uuid:{uuid4()}"},
        "entry": [entry(composition), entry(patient, PATIENT), entry(maker, made_by), *map(entry, resources)],
    } | more  # fmt: skip


FIRST = 3
"""The place of the first of the entries."""


def bring(
    platform: Standing, tree: Tree | bytes, *, as_: str = "gp", about: str = "citizen", query: str = "", media: str = FHIR,
    **more: Any,
) -> Answered:  # fmt: skip
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    answer = platform.client.call(
        "POST", f"{BASE}/$import-summary{query}", as_=as_, patient=platform.nin(about), body=body,
        headers={"content-type": media}, **{**NEED, **more},
    )  # fmt: skip
    return Answered(answer)


def kept(platform: Standing, *resources: Tree, **more: Any) -> str:
    """The number of a document that was brought."""
    answer = bring(platform, document(her(platform, more.get("about", "citizen")), *resources), **more)
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


def parts(parameter: Tree) -> dict[str, Any]:
    """The parts of an entry by name; those that may stand several times as lists."""
    found: dict[str, Any] = {}
    for one in parameter["part"]:
        value = next((one[key] for key in one if key != "name"), None)
        if one["name"] in ("beside", "apart"):
            found.setdefault(one["name"], []).append(value)
        else:
            found[one["name"]] = value
    return found


def entries(answer: Answered) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.response.text
    return [parts(one) for one in answer.tree["parameter"] if one["name"] == "entry"]


def decision(deed: str, **more: Any) -> Tree:
    names = {"resource": "resource", "record": "valueReference", "reason": "valueString"}
    given = [{"name": name, names[name]: value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": deed}, *given]}
