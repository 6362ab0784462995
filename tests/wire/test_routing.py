"""One table of routes, and a host name of its own for each service."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.wire.routing import PREFIX_BY_HOST, Router, prefixed


async def nothing(_: Call) -> Answer:
    return Answer(200)


def route(method: str, path: str) -> Route:
    return Route(method, path, nothing, PUBLIC, "json")


ROUTER = Router(
    [
        route("GET", "/a"),
        route("POST", "/a"),
        route("GET", "/{type}/{id}"),
        route("PUT", "/{type}/{id}"),
        route("GET", "/x/y"),
    ]
)


def test_an_exact_path_goes_before_one_with_parts() -> None:
    assert ROUTER.find("GET", "/x/y")[0].path == "/x/y"
    assert ROUTER.find("GET", "/x/z")[1] == {"type": "x", "id": "z"}
    assert ROUTER.find("PUT", "/x/y")[1] == {"type": "x", "id": "y"}


@pytest.mark.parametrize("path", ["", "/", "/b", "/a/", "//", "/x/", "/x/y/z", "/x//y", "/A"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("GET", path)
    assert refused.value.status == 404


def test_a_slash_behind_a_fhir_address_says_nothing_and_two_are_no_address() -> None:
    paths = (
        "/fhir/R4",
        "/fhir/R4/",
        "/fhir/R4/metadata",
        "/fhir/R4/{type}",
        "/fhir/R4/{type}/{id}",
        "/pps/v2/{type}/_search",
    )
    router = Router([route("GET", path) for path in paths] + [route("GET", "/pps/in")])
    found = {
        "/fhir/R4/": "/fhir/R4/", "/fhir/R4/metadata/": "/fhir/R4/metadata", "/fhir/R4/Patient/": "/fhir/R4/{type}",
        "/fhir/R4/Patient/1/": "/fhir/R4/{type}/{id}", "/pps/v2/Observation/_search/": "/pps/v2/{type}/_search",
    }  # fmt: skip
    assert {path: router.find("GET", path)[0].path for path in found} == found
    assert router.find("GET", "/fhir/R4/Patient/1/")[1] == {"type": "Patient", "id": "1"}
    for path in ("/fhir/R4//", "/fhir/R4/Patient//", "/pps/in/", "/pps/v2/", "/fhir/"):
        with pytest.raises(Refusal) as refused:
            router.find("GET", path)
        assert refused.value.status == 404


def test_a_wrong_method_is_told_which_are_taken() -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("DELETE", "/a")
    assert (refused.value.status, refused.value.headers) == (405, (("allow", "GET, POST"),))


def test_head_is_answered_where_get_is() -> None:
    assert ROUTER.find("HEAD", "/a")[0].method == "GET"
    with pytest.raises(Refusal):
        ROUTER.find("get", "/a")


def test_two_routes_for_one_address_stop_the_program() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Router([route("GET", "/a"), route("GET", "/a")])


@pytest.mark.parametrize(("label", "prefix"), PREFIX_BY_HOST.items())
def test_a_service_answers_at_a_host_of_its_own(label: str, prefix: str) -> None:
    assert prefixed(f"{label}.localhost:8000", "/v2/metadata") == f"{prefix}/v2/metadata"
    assert prefixed(f"{label.upper()}.example.no", f"{prefix}/v2") == f"{prefix}/v2"


@pytest.mark.parametrize(
    "host", ["", "localhost", "pps", "127.0.0.1:8000", "[::1]:8000", "other.localhost", ".localhost"]
)
def test_other_hosts_change_nothing(host: str) -> None:
    assert prefixed(host, "/v2") == "/v2"
