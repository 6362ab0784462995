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
        types=("DiagnosticReport", "Observation"),
        url="http://localhost/pps/v2",
        software_version="1",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        includes={"DiagnosticReport": ["DiagnosticReport:result"]},
    )
    assert check(parse(encode(made)), "CapabilityStatement") == []
    report, observation = made["rest"][0]["resource"]
    assert [one["code"] for one in observation["interaction"]] == ["read", "search-type"]
    assert [one["code"] for one in report["interaction"]] == ["search-type"]
    assert report["searchInclude"] == ["DiagnosticReport:result"]
    assert {"code", "date", "_id", "_tag"} <= {one["name"] for one in observation["searchParam"]}
