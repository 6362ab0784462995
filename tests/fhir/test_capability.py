"""The CapabilityStatement says what the routes do, and is right FHIR."""

from __future__ import annotations

from datetime import UTC, datetime

from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.capability import statement
from kjerne.fhir.encode import encode
from kjerne.fhir.validate import check
from kjerne.wire.json import parse


async def handler(call: Call) -> Answer:
    return Answer(200)


def test_a_statement_tells_the_routes_of_its_own_base() -> None:
    paths = [
        ("POST", "/pps/v2/{type}/_search"),
        ("GET", "/pps/v2/Observation/{id}"),
        ("GET", "/pps/v2/metadata"),
        ("POST", "/in"),
    ]
    made = statement(
        [Route(method, path, handler, "scope", "fhir") for method, path in paths],
        "/pps/v2",
        types={"DiagnosticReport": "results", "Observation": "results"},
        url="http://localhost/pps/v2",
        software_version="1",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert check(parse(encode(made)), "CapabilityStatement") == []
    report, observation = made["rest"][0]["resource"]
    assert [one["code"] for one in observation["interaction"]] == ["read", "search-type"]
    assert [one["code"] for one in report["interaction"]] == ["search-type"]
    assert report["searchInclude"] == ["DiagnosticReport:assessed-condition", "DiagnosticReport:result"]
    assert "DiagnosticReport:result" in observation["searchRevInclude"]
    assert not {"Observation:subject", "Observation:patient"}.intersection(observation.get("searchInclude", ()))
    assert not {"subject", "patient"}.intersection(one["name"] for one in observation["searchParam"])
    told = {one["name"]: one.get("documentation", "") for one in observation["searchParam"]}
    assert told["code"] == "Modifiers: above, below, in, missing, not, not-in, text."
    assert "of-type" in told["identifier"]
    assert (told["_id"], told["code-value-quantity"]) == ("", "")
    assert {"patient", "subject", "_list", "_query"} <= set(
        observation["documentation"].replace(",", "").replace(".", "").split()
    )
    assert "patchFormat" not in made
    assert [one["name"] for one in made["rest"][0]["searchParam"]] == ["_content", "_filter", "_text"]
    security = made["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "OAuth"
    assert "DPoP" in security["description"] and "scope" in security["description"]
    assert ("versioning" in observation, "operation" in made["rest"][0]) == (False, False)
    assert {"code", "date", "_id", "_tag"} <= {one["name"] for one in observation["searchParam"]}


def test_versions_and_operations_are_told() -> None:
    paths = [
        ("GET", "/fhir/R4/{type}/{id}"),
        ("GET", "/fhir/R4/{type}/{id}/_history/{version}"),
        ("PUT", "/fhir/R4/{type}/{id}"),
        ("PATCH", "/fhir/R4/{type}/{id}"),
        ("POST", "/fhir/R4/$import"),
        ("POST", "/fhir/R4/$validate"),
        ("POST", "/fhir/R4/{type}/$validate"),
        ("GET", "/fhir/R4/Observation/$lastn"),
        ("POST", "/fhir/R4/Observation/$lastn"),
    ]
    made = statement(
        [Route(method, path, handler, "scope", "fhir") for method, path in paths],
        "/fhir/R4",
        types={"Observation": "results"},
        url="http://localhost/fhir/R4",
        software_version="1",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        supported={"Observation": ["http://example.org/profile|1.0.0"], "Patient": ["http://example.org/other"]},
    )
    assert check(parse(encode(made)), "CapabilityStatement") == []
    (rest,) = made["rest"]
    assert [one["supportedProfile"] for one in rest["resource"]] == [["http://example.org/profile|1.0.0"]]
    assert "patch" in {one["code"] for one in rest["resource"][0]["interaction"]}
    assert made["patchFormat"] == ["application/json-patch+json", "application/xml-patch+xml", "application/fhir+json"]
    assert rest["resource"][0]["versioning"] == "versioned-update"
    assert "searchInclude" not in rest["resource"][0]
    assert [one["name"] for one in rest["operation"]] == ["import", "validate"]
    of_all = {"name": "validate", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}
    assert rest["operation"][1] == of_all
    own = {"name": "lastn", "definition": "http://hl7.org/fhir/OperationDefinition/Observation-lastn"}
    assert rest["resource"][0]["operation"] == [own, of_all]


def test_a_search_brings_along_nothing_of_another_service() -> None:
    made = statement(
        [Route("GET", "/fhir/R4/{type}", handler, "scope", "fhir")],
        "/fhir/R4",
        types={
            "Observation": "results",
            "DiagnosticReport": "results",
            "Condition": "else",
            "AllergyIntolerance": "else",
        },
        url="http://localhost/fhir/R4",
        software_version="1",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    told = {one["type"]: one for one in made["rest"][0]["resource"]}
    assert told["DiagnosticReport"]["searchInclude"] == [
        "DiagnosticReport:assessed-condition",
        "DiagnosticReport:result",
    ]
    assert "Condition:evidence-detail" not in told["Observation"]["searchRevInclude"]
