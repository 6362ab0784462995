"""Requests that are right, by method and path of the document, of what is there: for the hooks to send, and to spoil."""

from __future__ import annotations

from typing import Any, NamedTuple

Tree = dict[str, Any]
Known = dict[str, list[Tree]]
FHIR = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
PATCH = "application/json-patch+json"
REASON = "Avsender ber om hjelp med avvisningen"
SEX = "http://hl7.org/fhir/administrative-gender"
SEXES = "http://hl7.org/fhir/ValueSet/administrative-gender"
CHOICES = "http://kjerne.example/fhir/CodeSystem/"
TERMINOLOGY: dict[str, dict[str, str]] = {
    "CodeSystem/$lookup": {"system": SEX, "code": "male"},
    "CodeSystem/$validate-code": {"url": SEX, "code": "male"},
    "CodeSystem/$subsumes": {"system": SEX, "codeA": "male", "codeB": "female"},
    "ValueSet/$expand": {"url": SEXES},
    "ValueSet/$validate-code": {"url": SEXES, "system": SEX, "code": "male"},
    "ConceptMap/$translate": {
        "url": "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3", "system": SEX, "code": "male",
    },
}  # fmt: skip
QUERIES: dict[str, tuple[dict[str, str], ...]] = {
    "/fhir/R4/{type}": (
        {"_count": "2"}, {"_total": "accurate", "_summary": "true"}, {"_lastUpdated": "ge2020"}, {"_sort": "-_lastUpdated"},
        {"_elements": "status"}, {"_format": "xml"},
    ),
    "/fhir/R4/{type}/{id}": ({}, {"_summary": "data"}, {"_format": "xml"}),
    "/fhir/R4/{type}/{id}/_history": ({}, {"_count": "1"}),
    "/fhir/R4/Observation/$lastn": ({"category": "laboratory"}, {"code": "NPU27300", "max": "2"}),
    "/fhir/R4/Patient/$everything": ({"_count": "3"}, {"_type": "Specimen"}),
    "/fhir/R4/AuditEvent": ({"_count": "2"}, {"action": "E"}, {"_format": "xml"}),
}  # fmt: skip
FORMS: dict[str, Tree] = {
    "/participation": {
        "organisation": "999999999", "service": "results", "part": "consumer", "phase": "pilot", "basis": REASON, "areas": "0301",
    },
    "/participation/{number}/widen": {"basis": REASON, "areas": "0301,1103"},
    "/participation/{number}/close": {"why": REASON},
    "/persons/links": {"one": "02825054321", "other": "02825054321", "reason": REASON},
    "/persons/links/compare": {"one": "02825054321", "other": "03835098765", "reason": REASON},
    "/persons/links/{number}/shown": {"reason": REASON},
    "/persons/links/{number}/undo": {"reason": REASON},
    "/exports/{number}/approve": {"reason": REASON},
    "/exports/{number}/refuse": {"reason": REASON},
    "/pps/v2/already-done": {"code": "urn:oid:2.16.578.1.12.4.1.1.7280|NPU27300"},
    "/fhir/R4/Subscription/_search": {"status": "active"},
    "/fhir/R4/AuditEvent/_search": {"_count": "1"},
    "/fhir/R4/{type}/_search": {"_count": "2", "_total": "accurate"},
    "/pps/v2/{type}/_search": {"_count": "2"},
    "/fhir/R4/Observation/$lastn": {"category": "laboratory"},
    "/fhir/R4/Patient/$everything": {"_count": "2"},
}  # fmt: skip
EXPORT = {"ground": "helseregisterloven § 19 a", "recipient": "Folkehelseinstituttet", "_type": "Observation"}
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    "category": [
        {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]},
        {"coding": [{"system": f"{CHOICES}choice-kind", "code": "restriction"}]},
    ],
    "policyRule": {
        "coding": [{"system": "http://hl7.no/fhir/CodeSystem/no-basis-legal-formality-or-basis", "code": "PBRL5-3"}]
    },
    "provision": {"type": "deny", "code": [{"coding": [{"system": f"{CHOICES}content-kind", "code": "genetics"}]}]},
}


class Right(NamedTuple):
    """What makes a request right: its query, its headers, and its body with the media type."""

    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    media: str = ""


def of(method: str, path: str, parts: Tree, known: Known) -> Right | None:
    """A right request to a path of the document, None where none is known."""
    operation = path.removeprefix("/fhir/R4/").replace("/{id}", "")
    if operation in TERMINOLOGY:
        values = TERMINOLOGY[operation]
        return Right(values, {}) if method == "GET" else Right({}, {}, parameters(values), FHIR)
    if method == "GET":
        ways = QUERIES.get(path, ())
        return Right(ways[len(str(parts)) % len(ways)], {}) if ways else None
    if path in FORMS and method == "POST" and path != "/fhir/R4/{type}":
        return Right({}, {}, FORMS[path], FORM)
    if path == "/fhir/R4/$export":
        return Right({}, {"prefer": "respond-async"}, parameters(EXPORT), FHIR)
    if path.startswith("/fhir/R4/Consent") and method == "POST":
        her = next((one["id"] for one in known.get("Patient", ())), "")
        return Right({}, {}, CONSENT | {"patient": {"reference": f"Patient/{her}"}}, FHIR)
    return _of_records(method, path, parts, known)


def _of_records(method: str, path: str, parts: Tree, known: Known) -> Right | None:
    name = parts.get("type", "Observation")
    # What breaks the document on purpose may stand here too: a list, or an object.
    resources = known.get(name, []) if isinstance(name, str) else []
    found = next((one for one in resources if one["id"] == parts.get("id", one["id"])), None)
    if found is None:
        return None
    new = {name: value for name, value in found.items() if name not in ("id", "meta")}
    version = {"if-match": f'W/"{found.get("meta", {}).get("versionId", 1)}"'}
    if path in ("/fhir/R4", "/fhir/R4/"):
        entries = [
            {"request": {"method": "POST", "url": found["resourceType"]}, "resource": new},
            {"request": {"method": "GET", "url": f"{found['resourceType']}/{found['id']}"}},
        ]
        kind = "batch" if path.endswith("/") else "transaction"
        return Right({}, {}, {"resourceType": "Bundle", "type": kind, "entry": entries}, FHIR)
    ways = {
        ("POST", "/fhir/R4/{type}"): Right({}, {}, new, FHIR),
        ("PUT", "/fhir/R4/{type}/{id}"): Right({}, version, found, FHIR),
        ("PUT", "/fhir/R4/{type}"): Right({"identifier": "judge"}, {}, {**new, "identifier": [{"value": "judge"}]}, FHIR),
        ("DELETE", "/fhir/R4/{type}"): Right({"identifier": "nobody-has-this"}, {}),
        ("PATCH", "/fhir/R4/{type}/{id}"): Right(
            {}, version, [{"op": "test", "path": "/resourceType", "value": found["resourceType"]}], PATCH
        ),
    }  # fmt: skip
    if path.endswith("$validate"):
        return Right({}, {}, found, FHIR)
    return ways.get((method, path))


def parameters(values: dict[str, str]) -> Tree:
    """A Parameters resource of texts."""
    rows = [{"name": name, "valueString": value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": rows}
