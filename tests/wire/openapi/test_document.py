"""The OpenAPI document is the route table's: no line is missing, none too many, and each can be read by a program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from described import resolved, undescribed
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.wire.openapi.document import document
from kjerne.wire.openapi.operations import KNOWN
from platform_fixture import Standing

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
Tree = dict[str, Any]


@pytest.fixture
def told(platform: Standing) -> Tree:
    answer = platform.http.get(f"{platform.url}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: Tree = answer.json()
    return found


def operations(told: Mapping[str, Any]) -> Iterator[tuple[str, Tree]]:
    for path, methods in told["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in methods.items())


def everything_in(piece: Any) -> Iterator[Any]:
    yield piece
    within = piece.values() if isinstance(piece, dict) else piece if isinstance(piece, list) else ()
    for one in within:
        yield from everything_in(one)


def test_each_line_of_the_table_is_in_the_document_and_nothing_else_is(platform: Standing, told: Tree) -> None:
    table = {f"{route.method} {route.path}" for route in platform.application._edge.routes}
    assert dict(operations(told)).keys() == table
    assert KNOWN.keys() == table


def test_lists_and_exports_answer_as_the_document_says(platform: Standing, told: Tree) -> None:
    """From a list to the files of an export of it, and the list's end."""

    def ask(status: int, line: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        method, _, at = line.partition(" ")
        sent = {"content-type": "application/fhir+json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        answer = platform.client.call(method, path, as_="all-patients", body=body, headers=sent)
        assert (answer.status_code, undescribed(told, method, at, answer)) == (status, ""), (line, answer.text)
        return answer

    member = [{"entity": {"identifier": {"system": FNR, "value": platform.nin("citizen")}}}]
    group: Tree = {"resourceType": "Group", "type": "person", "actual": True, "member": member}
    lists, files = "/fhir/R4/Group", "/exports/{number}/files/{file}"
    id_ = ask(201, f"POST {lists}", lists, json.dumps(group).encode()).json()["id"]
    ask(200, f"GET {lists}/{{id}}", f"{lists}/{id_}")
    changed = json.dumps(group | {"id": id_, "name": "x"}).encode()
    ask(412, f"PUT {lists}/{{id}}", f"{lists}/{id_}", changed, if_match='W/"9"')
    ask(200, f"PUT {lists}/{{id}}", f"{lists}/{id_}", changed, if_match='W/"1"')
    at = f"{lists}/{id_}/$export?_type=Observation"
    kicked = ask(202, f"GET {lists}/{{id}}/$export", at, prefer="respond-async").headers["content-location"]
    number = kicked.removeprefix(platform.url)
    file = ask(200, "GET /exports/{number}", number).json()["output"][0]["url"].removeprefix(platform.url)
    tag = ask(200, f"GET {files}", file, accept_encoding="identity").headers["etag"]
    ask(206, f"GET {files}", file, range="bytes=10-", if_range=tag)
    ask(416, f"GET {files}", file, range="bytes=99999999-", if_range=tag)
    ask(404, f"GET {files}", "/exports/999999/files/Observation-0")
    ask(202, "DELETE /exports/{number}", number)
    ask(204, f"DELETE {lists}/{{id}}", f"{lists}/{id_}")
    ask(410, f"GET {lists}/{{id}}", f"{lists}/{id_}")


def test_operations_have_names_of_their_own_and_say_what_they_do(told: Tree) -> None:
    names = [operation["operationId"] for _, operation in operations(told)]
    assert len(set(names)) == len(names)
    assert [line for line, operation in operations(told) if not operation.get("summary")] == []


def test_every_reference_leads_to_a_piece_and_every_piece_is_used(told: Tree) -> None:
    used = {one["$ref"] for one in everything_in(told) if isinstance(one, dict) and "$ref" in one}
    assert all(resolved(told, {"$ref": one}) for one in used)
    kept = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers", "responses")
        for name in told["components"][kind]
    }
    assert kept == used


def test_what_a_type_is_searched_by_is_told_as_the_capability_statement_tells_it(
    platform: Standing, told: Tree
) -> None:
    statement = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()["rest"][0]["resource"]
    searched = [one for one in statement if "searchParam" in one and one["type"] in told["x-criteria"]]
    assert len(searched) > 100
    for one in searched:
        schema = resolved(told, told["x-criteria"][one["type"]])
        kinds = {name: resolved(told, value)["description"] for name, value in schema.get("properties", {}).items()}
        of_whom = {"patient", "subject"} & {each["name"] for each in one["searchParam"]} - kinds.keys()
        names = {each["name"] for each in one["searchParam"] if not each["name"].startswith("_")}
        assert names - of_whom == kinds.keys(), one["type"]
    observation = told["components"]["schemas"]["ObservationCriteria"]["properties"]
    assert observation["code"] == {"$ref": "#/components/schemas/SearchToken"}
    assert observation["code-value-quantity"] == {"$ref": "#/components/schemas/SearchComposite"}
    assert {"patient", "subject"}.isdisjoint(observation)
    last = {one["name"]: one for one in told["paths"]["/fhir/R4/Observation/$lastn"]["get"]["parameters"]}
    assert last["criteria"]["schema"] == {"$ref": "#/components/schemas/ObservationCriteria"}


def test_every_part_of_a_path_is_a_parameter_and_no_parameter_stands_twice(told: Tree) -> None:
    for line, operation in operations(told):
        places = [(one["in"], one["name"]) for one in operation.get("parameters", ())]
        assert len(set(places)) == len(places), line
        assert {name for place, name in places if place == "path"} == {
            part[1:-1] for part in line.split("/") if part.startswith("{")
        }, line


def test_a_line_says_by_which_scopes_and_in_which_shape(platform: Standing, told: Tree) -> None:
    for route in platform.application._edge.routes:
        operation = told["paths"][route.path][route.method.lower()]
        scopes = {scope for way in operation["security"] for each in way.values() for scope in each}
        of_types = " ".join(route.by_type.values()).split()
        assert scopes == ({*route.needs.split(), *of_types} if route.needs != PUBLIC else set())
        schemas = resolved(told, operation["responses"]["400"])["content"].values()
        shape = "OperationOutcome" if route.errors == "fhir" else "Error"
        assert f"#/components/schemas/{shape}" in {one["schema"]["$ref"] for one in schemas}


def test_a_line_that_nothing_more_is_said_of_is_told_with_all_it_may_answer() -> None:
    async def handler(_: Call) -> Answer:
        """Does something. And more of it."""
        return Answer(200)

    found = document([Route("POST", "/new/{number}", handler, "kjerne:new", "json")], ("Observation",), ())
    operation = found["paths"]["/new/{number}"]["post"]
    assert (operation["summary"], operation["parameters"][0]["name"]) == ("Does something. And more of it.", "number")
    assert {"200", "201", "204", "400", "401", "403", "404", "409", "413", "422", "503"} <= operation[
        "responses"
    ].keys()
