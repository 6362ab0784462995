"""Records of critical information as the profiles of kjernejournal ask for them, and requests to the national interface."""

from __future__ import annotations

import json
from typing import Any

from kjerne.registries.kj_profiles import BASE as PROFILES
from kjerne.services.critical.api import BASE
from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR
from services.test_standards_registered import HL7, NEED, SNOMED, person

SOURCES = "http://nhn.no/kj/fhir/CodeSystem/SourceOfInformation"
REACTIONS = "urn:oid:2.16.578.1.12.4.1.1.7497"
ATC = "http://www.whocc.no/atc"
HOSPITAL: dict[str, Any] = {"as_": "hospital-doctor", **NEED}
NURSE: dict[str, Any] = {"as_": "nurse", **NEED}


def told_by(code: str = "2") -> Tree:
    return {
        "url": f"{PROFILES}KjSourceOfInformation",
        "valueCoding": {"system": SOURCES, "code": code, "display": "Observert"},
    }


def verified(type_: str, code: str) -> Tree:
    system = {"AllergyIntolerance": "allergyintolerance-verification", "Condition": "condition-ver-status"}[type_]
    return {"coding": [{"system": HL7 + system, "code": code}]}


def clinical(type_: str, code: str = "active") -> Tree:
    system = {"AllergyIntolerance": "allergyintolerance-clinical", "Condition": "condition-clinical"}[type_]
    return {"coding": [{"system": HL7 + system, "code": code}]}


def reaction(system: str = REACTIONS) -> list[Tree]:
    return [{"manifestation": [{"coding": [{"system": system, "code": "1", "display": "Anafylaktisk reaksjon"}]}]}]


def allergy(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "AllergyIntolerance",
        "extension": [told_by()],
        "clinicalStatus": clinical("AllergyIntolerance"),
        "verificationStatus": verified("AllergyIntolerance", "unconfirmed"),
        "category": ["medication"],
        "criticality": "high",
        "code": {"coding": [{"system": ATC, "code": "J01CA04", "display": "Amoksicillin"}]},
        "patient": person(platform, about),
        "reaction": reaction(),
    } | more


def condition(platform: Standing, profile: str, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "Condition",
        "meta": {"profile": [PROFILES + profile]},
        "clinicalStatus": clinical("Condition"),
        "verificationStatus": verified("Condition", "confirmed"),
        "code": {"coding": [{"system": SNOMED, "code": "234532001", "display": "Immunsvikt"}]},
        "subject": person(platform, about),
    } | more


def implant(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    kind = {"coding": [{"system": SNOMED, "code": "14106009", "display": "Pacemaker"}]}
    return {
        "resourceType": "DeviceUseStatement",
        "contained": [{"resourceType": "Device", "id": "device", "type": kind}],
        "status": "active",
        "subject": person(platform, about),
        "device": {"reference": "#device"},
    } | more


def treatment(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "Procedure",
        "status": "in-progress",
        "category": {"coding": [{"system": "http://nhn.no/kj/fhir/CodeSystem/Category", "code": "6"}]},
        "code": {"coding": [{"system": SNOMED, "code": "265764009", "display": "Dialyse"}]},
        "subject": person(platform, about),
    } | more


def flag(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "Flag",
        "status": "active",
        "category": [{"coding": [{"system": "http://nhn.no/kj/fhir/CodeSystem/Category", "code": "9"}]}],
        "code": {"text": "Skal ikke ha blod"},
        "subject": person(platform, about),
    } | more


def every(platform: Standing, about: str = "citizen") -> list[Tree]:
    """One of each type."""
    return [
        allergy(platform, about), condition(platform, "KjConditionInfection", about), implant(platform, about),
        treatment(platform, about), flag(platform, about),
    ]  # fmt: skip


def ask(
    platform: Standing, method: str, path: str, tree: Tree | None = None, *, as_: str = "gp", about: str = "citizen",
    version: int = 0, headers: dict[str, str] | None = None, **more: Any,
) -> Answered:  # fmt: skip
    """A request to the national interface as somebody about somebody."""
    typed = {"content-type": FHIR} if tree is not None else {}
    sent = typed | ({"if-match": f'W/"{version}"'} if version else {}) | (headers or {})
    body = json.dumps(tree).encode() if tree is not None else b""
    about = about if about.isdigit() else platform.nin(about)
    answer = platform.client.call(method, f"{BASE}/{path}", as_=as_, patient=about, body=body, headers=sent, **more)
    return Answered(answer)


def registered(platform: Standing, tree: Tree, **more: Any) -> Tree:
    """A record as it came back from its registration."""
    answer = ask(platform, "POST", tree["resourceType"], tree, **more)
    assert answer.status == 201, answer.response.text
    return answer.tree


def faults(answer: Answered) -> dict[str, str]:
    """By path the rule that is broken there."""
    return {
        one["expression"][0]: one.get("details", {}).get("coding", [{}])[0].get("code", "")
        for one in answer.tree["issue"]
    }


def rows(platform: Standing, answer: Answered) -> list[tuple[str, str, int, set[str]]]:
    """The rows of a request in the log: action, rule, outcome, and the ids that are named."""
    return [
        (row["action"], row["rule"], row["outcome"], {str(one) for one in row["ids"]})
        for row in platform.audited(answer.response)
    ]
