"""No parameter of a request is passed over: what an address does not know is refused, and a condition on a write is heeded."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kjerne.fhir import capability
from kjerne.fhir.validate import check
from platform_fixture import Answered, Standing
from services.test_shared_records import ask, organisation
from services.test_standards import FHIR, create, observation, read, update

WHO = "parent"


@pytest.fixture
def made(platform: Standing) -> str:
    return str(create(platform, observation(), about=WHO).tree["id"])


def sent(platform: Standing, method: str, path: str, body: Any, *, as_: str = "lab", **headers: str) -> Answered:
    named = {"content-type": FHIR} | {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body).encode() if body is not None else b""
    patient = platform.nin(WHO) if as_ == "lab" else ""
    call = platform.client.call(method, f"/fhir/R4/{path}", as_=as_, patient=patient, body=content, headers=named)
    return Answered(call)


@pytest.mark.parametrize("as_", ["lab", "registry"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_with_a_parameter_that_it_does_not_know_is_refused(platform: Standing, as_: str, method: str) -> None:
    tree = observation() if as_ == "lab" else organisation("Nord")
    name = tree["resourceType"]
    id_ = str(sent(platform, "POST", name, tree, as_=as_).tree["id"])
    place = name if method == "POST" else f"{name}/{id_}"
    body = {"PATCH": [{"op": "test", "path": "/id", "value": id_}], "DELETE": None}.get(method, tree | {"id": id_})
    kind = "application/json-patch+json" if method == "PATCH" else FHIR
    answer = sent(platform, method, f"{place}?foo=1", body, as_=as_, if_match='W/"1"', content_type=kind)
    assert (answer.status, answer.issue["expression"]) == (400, ["query"])
    headers = {"if_match": 'W/"1"', "content_type": kind}
    headers = headers if method != "POST" else {"content_type": kind}
    asked = "foo=1&_format=json&_pretty=true"
    assert sent(platform, method, f"{place}?{asked}", body, as_=as_, prefer="handling=lenient", **headers).status < 300


@pytest.mark.parametrize("path", ["$import?foo=1", "$import?foo=1&_format=json"])
def test_an_import_is_strict_whoever_is_lenient(platform: Standing, path: str) -> None:
    kind = "application/fhir+ndjson"
    answer = sent(platform, "POST", path, observation(), content_type=kind, prefer="handling=lenient")
    assert (answer.status, answer.issue["expression"]) == (400, ["query"])


def test_a_statement_is_kept_and_knows_no_parameter(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(path: str) -> httpx.Response:
        answer: httpx.Response = platform.http.get(f"{platform.url}{path}")
        return answer

    first = asked("/fhir/R4/metadata")

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("made anew")

    monkeypatch.setattr(capability, "statement", never)
    assert asked("/fhir/R4/metadata").content == first.content
    assert asked("/fhir/R4/metadata?_format=json").status_code == 200
    assert [asked(f"{base}/metadata?foo=1").status_code for base in ("/fhir/R4", "/pps/v2")] == [400, 400]


def test_what_its_terminology_can_do_is_told_by_mode_alone(platform: Standing) -> None:
    def asked(query: str, base: str = "/fhir/R4") -> httpx.Response:
        answer: httpx.Response = platform.http.get(f"{platform.url}{base}/metadata{query}")
        return answer

    told = asked("?mode=terminology").json()
    assert check(told, "TerminologyCapabilities") == []
    assert told["implementation"]["url"] == f"{platform.url}/fhir/R4"
    assert "http://hl7.org/fhir/observation-status" in [one["uri"] for one in told["codeSystem"]]
    for query in ("", "?mode=full", "/"):
        assert asked(query).json()["resourceType"] == "CapabilityStatement"
    for query in ("?mode=normative", "?mode=", "?mode=full&mode=terminology"):
        assert asked(query).status_code == 400
    assert asked("?mode=terminology", "/pps/v2").status_code == 400


def test_a_write_that_wants_nothing_there_is_refused_where_a_record_is(platform: Standing, made: str) -> None:
    answer = update(platform, made, observation(id=made), "1", **{"if-none-match": "*"})
    assert (answer.status, answer.issue["expression"]) == (412, ["If-None-Match"])
    assert update(platform, made, observation(id=made), **{"if-none-match": "*"}).status == 412
    assert update(platform, made, observation(id=made), "1", **{"if-none-match": 'W/"2"'}).status == 400
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"


def test_a_shared_record_is_put_only_where_none_is(platform: Standing) -> None:
    id_ = f"unit-{uuid4().hex[:8]}"
    body = organisation("Nord", id=id_)
    assert ask(platform, "PUT", f"Organization/{id_}", body, if_none_match="*").status == 201
    assert ask(platform, "PUT", f"Organization/{id_}", body, if_none_match="*").status == 412
    assert ask(platform, "DELETE", f"Organization/{id_}", if_none_match="*").status == 412
    assert ask(platform, "DELETE", f"Organization/{id_}").status == 204
    assert ask(platform, "PUT", f"Organization/{id_}", body, if_none_match="*").status == 201
