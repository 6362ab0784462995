"""The program put together: its route table, its health, its errors, and what no answer and no log line may hold."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.fhir.encode import decode
from kjerne.store.pool import Pool
from kjerne.wire.edge import Edge, Mount
from platform_fixture import Answered, Standing


def raw(platform: Standing, request: bytes) -> bytes:
    """What the real server answers to bytes that no client library would send."""
    host, port = platform.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        parts = []
        while part := wire.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def test_it_says_that_it_is_alive_and_ready(platform: Standing) -> None:
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = platform.http.get(platform.url + path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_only_health_and_metadata_are_open_to_all(platform: Standing) -> None:
    routes = platform.application._edge.routes
    assert {route.path for route in routes if route.needs == PUBLIC} == {
        "/healthz", "/readyz", "/openapi.json", "/pps/v2/metadata", "/fhir/R4/metadata",
        "/pps/v2/.well-known/smart-configuration", "/fhir/R4/.well-known/smart-configuration",
        "/api/critical-information/v1/metadata", "/api/critical-information/v1/.well-known/smart-configuration",
        "/subscriptions/socket",  # what binds it is its first message
        "/cds-services",  # the list of services alone
        "/v1/helseindikator/ikon",  # what stands for the caller is the sealed ticket in its address
        "/v1/helseindikator/ikon/{status}",  # one of five drawings, about nobody
        "/critical-information/notified/{journal}",  # a journal is known by its secret, and not believed
        "/phr/R4/fhir/metadata",
        "/phr/saml-metadata",  # the certificate that assertions to sources of documents are signed with
        "/shl/{id}", "/shl/file/{file}",  # what stands for the caller is the link's own secret, and its passcode
    }  # fmt: skip
    assert all(":" in route.needs for route in routes if route.needs != PUBLIC)


def test_a_citizen_portal_may_call_what_reads_one_patient_and_nothing_else(platform: Standing) -> None:
    at = "/fhir/R4/{type}"
    assert {(route.method, route.path) for route in platform.application._edge.routes if route.for_citizens} == {
        ("POST", "/pps/v2/{type}/_search"), ("GET", at), ("POST", f"{at}/_search"), ("GET", f"{at}/{{id}}"),
        ("GET", f"{at}/_history"), ("GET", "/fhir/R4/_history"), ("GET", "/fhir/R4/$changes"),
        ("GET", f"{at}/{{id}}/_history"), ("GET", f"{at}/{{id}}/_history/{{version}}"),
        ("GET", "/fhir/R4/Observation/$lastn"), ("POST", "/fhir/R4/Observation/$lastn"),
        *((method, f"/fhir/R4/Patient/{named}{deed}")
          for deed in ("$everything", "$summary") for method in ("GET", "POST") for named in ("", "{id}/")),
        ("GET", f"{at}/{{id}}/$meta"),
        *(("GET", f"/api/critical-information/v1/{named}") for named in ("status", "$groups", "{type}", "{type}/{id}")),
        *(("GET", f"/api/critical-information/v1/abroad{named}") for named in ("", "/{document}", "/{document}/content")),
        *((method, f"/phr/R4/fhir/{name}{way}") for name in ("DocumentReference", "List")
          for method, way in (("GET", ""), ("POST", "/_search"), ("GET", "/{id}"))),
        ("GET", "/phr/mhd/document/{id}"), ("GET", "/phr/mhd/document/{patient}/{id}"),
        ("POST", "/fhir/R4"), ("POST", "/fhir/R4/"),  # each entry is held to the line that it goes to
    }  # fmt: skip


def test_every_other_route_refuses_a_stranger_in_its_own_shape(platform: Standing) -> None:
    for route in platform.application._edge.routes:
        if route.needs == PUBLIC:
            continue
        path = route.path.replace("{type}", "Observation").replace("{", "").replace("}", "")
        answer = platform.http.request(route.method, platform.url + path)
        assert answer.status_code == 401, route.path
        assert "DPoP" in answer.headers["www-authenticate"]
        is_outcome = answer.json().get("resourceType") == "OperationOutcome"
        assert is_outcome == (route.errors == "fhir"), route.path


@pytest.mark.parametrize(
    ("method", "path", "status", "fhir"),
    [
        ("GET", "/nothing", 404, False),
        ("GET", "/pps/nothing", 404, False),
        ("GET", "/pps/v2/nothing/at/all", 404, True),
        ("GET", "/fhir/R4/a/b/c/d/e", 404, True),
        ("PATCH", "/fhir/R4/Observation", 405, True),
        ("PATCH", "/api/critical-information/v1/Flag", 405, True),
        ("GET", "/api/critical-information/v1/a/b/c", 404, True),
        ("GET", "/pps/in", 405, False),
        ("GET", "/pps/v2/%00", 400, True),
        ("GET", "/exports/%00", 400, True),
    ],
)
def test_what_is_not_there_is_told_in_the_shape_of_its_api(
    platform: Standing, method: str, path: str, status: int, fhir: bool
) -> None:
    answer = platform.http.request(method, platform.url + path)
    assert answer.status_code == status
    assert (answer.json().get("resourceType") == "OperationOutcome") == fhir
    assert answer.headers["x-correlation-id"]


def test_a_service_host_reaches_the_provider_and_speaks_its_services_errors(platform: Standing) -> None:
    port = platform.url.rpartition(":")[2]
    found = platform.http.get(f"http://sts.localhost:{port}/.well-known/openid-configuration")
    assert found.json()["issuer"] == f"{platform.url}/sts"
    assert platform.http.get(f"http://pps.localhost:{port}/v2/x/y/z").json()["resourceType"] == "OperationOutcome"
    assert platform.http.get(f"http://pps.localhost:{port}/sandbox/personas.json").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"DPoP: a\r\nDPoP: b",
        b"Host: a\r\nHost: b",
        b"person-id: 1\r\nPerson-Id: 2",
        b"Authorization: x\r\nAuthorization: y",
    ],
)
def test_a_header_sent_twice_is_refused_with_a_correlation_id(platform: Standing, header: bytes) -> None:
    answer = raw(
        platform,
        b"POST /pps/v2/Observation/_search HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\nContent-Length: 0\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"x-correlation-id: " in answer and b"x-correlation-id: \r\n" not in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /fhir/R4/Observation?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /sts/connect/authorize?\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /static/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /pps/in HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /pps/in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /pps/in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
)
def test_bytes_that_are_hardly_http_end_in_no_fault(platform: Standing, request_: bytes) -> None:
    answer = raw(platform, request_)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert b"Traceback" not in answer


@pytest.mark.parametrize("place", ["127.0.0.1:1/none", "/none?host=/nowhere", "nowhere.invalid/none"])
async def test_a_database_that_is_gone_is_no_fault_of_the_caller_nor_a_trace(platform: Standing, place: str) -> None:
    gone = Pool(f"postgresql://nobody@{place}", 1, 1.0)

    async def ask(_: Call) -> Answer:
        return Answer(200, await gone.fetchval("SELECT ''::bytea"))

    known = platform.application._edge
    edge = Edge(known.settings, known.store, [Route("GET", "/fhir/R4/asked", ask, PUBLIC, "fhir")], known._authenticate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://localhost") as client:
        answer = await client.get("/fhir/R4/asked")
    assert (answer.status_code, answer.json()["resourceType"]) == (503, "OperationOutcome")
    assert "nowhere" not in answer.text and "nobody" not in answer.text and "refused" not in answer.text.lower()


def test_a_page_is_answered_under_the_callers_correlation_id_and_its_route(platform: Standing) -> None:
    begin = platform.written.tell()
    asked = {"x-request-id": "proxy-7", "accept-language": "en"}
    page = platform.http.get(f"{platform.url}/clinician/v/1/report/2", headers=asked)
    missing = platform.http.get(f"{platform.url}/clinician/nothing", headers=asked)
    assert (missing.status_code, "proxy-7" in missing.text) == (404, True)
    assert {one.headers["x-correlation-id"] for one in (page, missing)} == {"proxy-7"}
    lines = [decode(line.encode()) for line in platform.written.getvalue()[begin:].splitlines()]
    own = [(line["route"], line["status"]) for line in lines if line["correlation"] == "proxy-7"]
    assert own == [("/clinician/v/{visit}/report/{report}", 303), ("", 404)]


async def test_what_a_mounted_application_does_not_meet_is_met_at_the_edge(platform: Standing) -> None:
    async def breaks(*_: Any) -> None:
        raise ValueError("nobody meant this")

    known = platform.application._edge
    edge = Edge(known.settings, known.store, [], known._authenticate, [Mount("/broken", breaks)])
    begin = platform.written.tell()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://localhost") as client:
        answer = await client.get("/broken/page?name=Kari", headers={"cid": "broken-1"})
    assert (answer.status_code, "broken-1" in answer.json()["todo"]) == (500, True)
    (line,) = platform.written.getvalue()[begin:].splitlines()
    told = decode(line.encode())
    assert (told["event"], told["correlation"], told["route"]) == ("fault", "broken-1", "/broken")
    assert "nobody meant this" in told["exception"]
    assert "Kari" not in line


def test_a_text_that_no_store_takes_is_refused_in_an_attestation(platform: Standing) -> None:
    for reason in ("a\x00b", "x" * 501, "\u202e"):
        answer = platform.search("Observation", reason=reason)
        assert (answer.status, answer.issue["code"]) == (403, "forbidden")


def test_no_person_number_is_in_any_log_line(platform: Standing) -> None:
    patient = platform.nin("citizen")
    for correlation in (patient, f"x-{patient}"):
        platform.search("Observation", headers={"cid": correlation})
    platform.client.call("GET", f"/fhir/R4/Observation/{patient}?patient={patient}", as_="gp", patient=patient)
    log = platform.written.getvalue()
    assert '"answered"' in log
    assert not any(number.value in log for person in platform.population.people for number in person.numbers)


def test_the_patient_cannot_be_named_in_an_address(platform: Standing) -> None:
    answer = platform.get(f"Observation?patient={platform.nin('citizen')}")
    assert (answer.status, platform.nin("citizen") in answer.response.text) == (400, False)


def test_an_answer_to_head_is_an_answer_without_its_body(platform: Standing) -> None:
    known = platform.search("Observation", [("_count", "1")]).ids()[0]
    got = platform.get(f"Observation/{known}").response
    head = platform.client.call("HEAD", f"/fhir/R4/Observation/{known}", as_="gp", patient=platform.nin("citizen"))
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", got.headers["etag"])
    assert head.headers["content-length"] == str(len(got.content))


def test_a_read_over_the_wire_is_the_same_as_straight_at_the_application(platform: Standing) -> None:
    known = platform.search("Observation", [("_count", "1")]).ids()[0]
    path = f"/fhir/R4/Observation/{known}"
    over = Answered(platform.over_wire.call("GET", path, as_="gp", patient=platform.nin("citizen")))
    assert over.response.content == platform.get(f"Observation/{known}").response.content
