"""Records about no patient under `/fhir/R4`: read by everybody, written by who may, changed by who wrote them, about nobody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

import words
from kjerne.fhir.validate import check
from kjerne.registries.homes import SHARED_TYPES
from kjerne.services import shared_records
from kjerne.wire.json import parse
from platform_fixture import Answered, Standing, Tree

FHIR = "application/fhir+json"
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
ENH = "urn:oid:2.16.578.1.12.4.1.4.101"


def organisation(name: str, **more: Any) -> Tree:
    return {"resourceType": "Organization", "name": name, **more}


def ask(
    platform: Standing, method: str, path: str, body: Any = None, *, as_: str = "registry", **headers: str
) -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content:
        sent.setdefault("content-type", FHIR)
    return Answered(platform.client.call(method, f"/fhir/R4/{path}", as_=as_, body=content, headers=sent))


@pytest.fixture
def made(platform: Standing, word: str) -> str:
    return str(ask(platform, "POST", "Organization", organisation(word)).tree["id"])


def test_a_record_is_written_read_and_found_and_comes_back_as_it_was_sent(platform: Standing, word: str) -> None:
    raw = b'{"resourceType": "Organization",  "name":"%s", "identifier":[{"system":"%s","value":"974707152"}]}' % (
        word.encode(),
        ENH.encode(),
    )
    created = ask(platform, "POST", "Organization", raw)
    id_ = created.tree["id"]
    assert (created.status, created.tree["meta"]["versionId"]) == (201, "1")
    assert created.response.headers["location"].endswith(f"/fhir/R4/Organization/{id_}/_history/1")
    for as_ in ("gp", "lab", "registry"):
        read = ask(platform, "GET", f"Organization/{id_}", as_=as_)
        assert (read.status, read.response.headers["etag"]) == (200, 'W/"1"')
        assert b'"name":"%s", "identifier"' % word.encode() in read.response.content
    found = ask(platform, "GET", f"Organization?name={word}&identifier={ENH}|974707152", as_="gp")
    assert (found.ids(), found.tree["total"]) == ([id_], 1)


def test_a_search_needs_no_patient_and_no_attestation_and_leaves_no_row_in_anybodys_log(
    platform: Standing, made: str, word: str
) -> None:
    answer = ask(platform, "POST", f"Organization/_search?name={word}", as_="gp")
    assert answer.ids() == [made]
    assert platform.audited(answer.response) == []


@pytest.mark.parametrize("as_", ["gp", "lab", "citizen", "operator"])
def test_who_lacks_the_scope_of_registries_writes_nothing(platform: Standing, made: str, as_: str) -> None:
    for method, path in (("POST", "Organization"), ("PUT", f"Organization/{made}"), ("DELETE", f"Organization/{made}")):
        body = None if method == "DELETE" else organisation("x", id=made)
        assert ask(platform, method, path, body, as_=as_).status == 403
    assert ask(platform, "GET", f"Organization/{made}").tree["meta"]["versionId"] == "1"


def test_a_record_is_changed_under_its_version_and_both_stay_in_history(
    platform: Standing, made: str, word: str
) -> None:
    put = ask(platform, "PUT", f"Organization/{made}", organisation(word + "b", id=made), if_match='W/"1"')
    assert (put.status, put.tree["name"], put.response.headers["etag"]) == (200, word + "b", 'W/"2"')
    assert ask(platform, "PUT", f"Organization/{made}", organisation("x", id=made), if_match='W/"1"').status == 412
    assert ask(platform, "PUT", f"Organization/{made}", organisation("x", id=made)).status == 428
    assert ask(platform, "GET", f"Organization/{made}/_history/1").tree["name"] == word
    told = ask(platform, "GET", f"Organization/{made}/_history").tree
    assert [entry["request"]["method"] for entry in told["entry"]] == ["PUT", "POST"]
    assert ask(platform, "GET", f"Organization?name:exact={word}").ids() == []


def test_a_client_may_choose_the_id_and_then_owns_it(platform: Standing) -> None:
    id_ = f"ward-{uuid4().hex[:8]}"
    body = {"resourceType": "Location", "id": id_, "name": "Ward", "status": "active"}
    assert ask(platform, "PUT", f"Location/{id_}", body).status == 201
    assert ask(platform, "GET", f"Location/{id_}", as_="gp").tree["name"] == "Ward"
    assert ask(platform, "PUT", "Location/other", body).status == 400
    request = ask(platform, "GET", f"Location/{id_}/_history").tree["entry"][0]["request"]
    assert (request["method"], request["url"]) == ("PUT", f"Location/{id_}")


def test_what_was_deleted_is_gone_is_found_no_more_and_may_be_put_again(
    platform: Standing, made: str, word: str
) -> None:
    assert ask(platform, "DELETE", f"Organization/{made}").status == 204
    assert ask(platform, "GET", f"Organization/{made}").status == 410
    assert ask(platform, "GET", f"Organization/{made}/_history/2").status == 410
    assert ask(platform, "GET", f"Organization?name={word}").ids() == []
    assert ask(platform, "DELETE", f"Organization/{made}").status == 204
    told = ask(platform, "GET", f"Organization/{made}/_history").tree["entry"]
    assert [(one["request"]["method"], "resource" in one) for one in told] == [("DELETE", False), ("POST", True)]
    assert ask(platform, "PUT", f"Organization/{made}", organisation(word, id=made)).status == 201
    assert ask(platform, "GET", f"Organization/{made}").tree["meta"]["versionId"] == "3"


def test_the_history_of_a_type_tells_every_version_and_deletion_of_its_records_page_by_page(
    platform: Standing, made: str, word: str
) -> None:
    ask(platform, "PUT", f"Organization/{made}", organisation(word, id=made), if_match='W/"1"')
    chosen = f"unit-{words.fresh()}"
    assert ask(platform, "PUT", f"Organization/{chosen}", organisation(word, id=chosen)).status == 201
    assert ask(platform, "DELETE", f"Organization/{made}").status == 204
    found, path = list[Tree](), "Organization/_history?_count=2"
    while path:
        answer = ask(platform, "GET", path, as_="gp")
        assert platform.audited(answer.response) == []
        assert check(parse(answer.response.content), "Bundle") == []
        found += answer.tree["entry"]
        path = answer.link("next").partition("/fhir/R4/")[2]
    assert answer.tree["total"] == len(found)
    newest = [
        (one["request"]["method"], one["fullUrl"].rpartition("/")[2], one["response"]["etag"]) for one in found[:4]
    ]
    assert newest == [
        ("DELETE", made, 'W/"3"'), ("PUT", chosen, 'W/"1"'), ("PUT", made, 'W/"2"'), ("POST", made, 'W/"1"'),
    ]  # fmt: skip
    by_id = [one for id_ in {one["fullUrl"].rpartition("/")[2] for one in found}
             for one in ask(platform, "GET", f"Organization/{id_}/_history?_count=100").tree["entry"]]  # fmt: skip
    assert sorted(map(repr, by_id)) == sorted(map(repr, found))


def test_the_history_of_a_type_is_of_a_time_and_of_what_the_scopes_leave(
    platform: Standing, made: str, word: str
) -> None:
    platform.clock.move(timedelta(seconds=1))
    ask(platform, "PUT", f"Organization/{made}", organisation(word, id=made, active=True), if_match='W/"1"')
    first, second = ask(platform, "GET", f"Organization/{made}/_history").tree["entry"][::-1]
    moment = second["response"]["lastModified"].replace("+", "%2B")

    def seen(query: str, narrower: str = "") -> list[str]:
        answer = platform.client.call(
            "GET", f"/fhir/R4/Organization/_history{query}", as_="registry", narrower=narrower
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] >= len(answer.json().get("entry", ()))
        entries = [one for one in answer.json().get("entry", ()) if one["fullUrl"] == first["fullUrl"]]
        return [one["response"]["etag"] for one in entries]

    assert seen("?_count=9") == seen("?_count=9", "system/Organization.rs") == ['W/"2"', 'W/"1"']
    assert seen(f"?_since={moment}") == ['W/"2"']
    assert seen("?_at=2100-01-01&_count=1000") == ['W/"2"']
    assert seen("?_since=2100-01-01") == seen("?_summary=count") == []
    assert seen("?_count=9", "system/Organization.rs?active=true") == ['W/"2"']
    for scope in ("system/Organization.r", "system/Organization.s", "system/Location.rs"):
        assert (
            platform.client.call("GET", "/fhir/R4/Organization/_history", as_="registry", narrower=scope).status_code
            == 403
        )


def test_the_history_of_a_record_is_of_a_time_and_page_by_page(platform: Standing, made: str, word: str) -> None:
    for version in ("1", "2"):
        platform.clock.move(timedelta(seconds=1))
        tree = organisation(word, id=made, active=version == "2")
        assert ask(platform, "PUT", f"Organization/{made}", tree, if_match=f'W/"{version}"').status == 200

    def seen(query: str, narrower: str = "") -> tuple[list[str], int]:
        path = f"/fhir/R4/Organization/{made}/_history{query}"
        answer = platform.client.call("GET", path, as_="registry", narrower=narrower)
        assert answer.status_code == 200, answer.text
        return [one["response"]["etag"] for one in answer.json().get("entry", ())], answer.json()["total"]

    entries = ask(platform, "GET", f"Organization/{made}/_history").tree["entry"]
    third, second, first = (one["response"]["lastModified"].replace("+", "%2B") for one in entries)
    assert seen(f"?_since={second}") == (['W/"3"', 'W/"2"'], 2)
    assert seen(f"?_since={second}&_count=1") == (['W/"3"'], 2)
    assert seen(f"?_at={second}") == (['W/"2"', 'W/"1"'], 2)
    assert seen(f"?_at={first}") == (['W/"1"'], 1)
    assert seen(f"?_at={third}", "system/Organization.rs?active=true") == (['W/"3"'], 1)
    assert seen("?_since=2100-01-01", "system/Organization.rs?active=true") == seen("?_since=2100-01-01") == ([], 0)
    onward = ask(platform, "GET", f"Organization/{made}/_history?_since={second}&_count=1").link("next")
    rest = ask(platform, "GET", onward.partition("/fhir/R4/")[2]).tree["entry"]
    assert [one["response"]["etag"] for one in rest] == ['W/"2"']
    assert ask(platform, "GET", f"Organization/{words.fresh()}/_history?_since=2100-01-01").status == 404
    assert ask(platform, "GET", f"Organization/{made}/_history?_since=x").status == 400


def test_a_token_of_some_codes_looks_through_so_many_versions_of_a_type_and_no_more(
    platform: Standing, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_records, "HISTORY_LIMIT", 0)
    path, scope = "/fhir/R4/Organization/_history", "system/Organization.rs?active=true"
    assert platform.client.call("GET", path, as_="registry", narrower=scope).status_code == 422
    assert platform.client.call("GET", path, as_="registry").status_code == 200


def test_a_patch_of_any_kind_makes_a_version(platform: Standing, made: str) -> None:
    change = [{"op": "replace", "path": "/name", "value": "patched"}]
    sent = {"content_type": "application/json-patch+json"}
    answer = ask(platform, "PATCH", f"Organization/{made}", change, if_match='W/"1"', **sent)
    assert (answer.status, answer.tree["name"], answer.tree["meta"]["versionId"]) == (200, "patched", "2")
    away = [{"op": "remove", "path": "/resourceType"}]
    assert ask(platform, "PATCH", f"Organization/{made}", away, if_match='W/"2"', **sent).status == 422
    assert ask(platform, "PATCH", f"Organization/{uuid4()}", change, if_match='W/"1"', **sent).status == 404


def test_a_conditional_create_of_two_at_once_makes_one_record(platform: Standing, word: str) -> None:
    def create(_: int) -> int:
        return ask(platform, "POST", "Organization", organisation(word), if_none_exist=f"name={word}").status

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, range(4))) == [200, 200, 200, 201]
    assert ask(platform, "GET", f"Organization?name={word}").tree["total"] == 1


def test_conditional_updates_and_deletions_are_about_the_one_that_answers(platform: Standing, word: str) -> None:
    first = ask(platform, "PUT", f"Organization?name={word}", organisation(word))
    assert first.status == 201
    assert ask(platform, "PUT", f"Organization?name={word}", organisation(word)).status == 428
    again = ask(platform, "PUT", f"Organization?name={word}", organisation(word, active=True), if_match='W/"1"')
    assert (again.status, again.tree["id"]) == (200, first.tree["id"])
    ask(platform, "POST", "Organization", organisation(word))
    assert ask(platform, "DELETE", f"Organization?name={word}").status == 412
    assert ask(platform, "DELETE", f"Organization?name={word}&active=true").status == 204
    assert ask(platform, "DELETE", f"Organization?name={word}&active=true").status == 204
    assert ask(platform, "DELETE", "Organization").status == 400
    other = str(ask(platform, "POST", "Organization", organisation(word + "b")).tree["id"])
    misled = ask(platform, "PUT", f"Organization?name:exact={word}c", organisation(word + "c", id=other))
    assert (misled.status, misled.issue["expression"]) == (409, ["Organization.id"])


def test_chains_includes_and_sorting_go_over_shared_records(platform: Standing, word: str) -> None:
    org = ask(platform, "POST", "Organization", organisation(word)).tree["id"]
    managed = {"managingOrganization": {"reference": f"Organization/{org}"}}
    places = [
        ask(platform, "POST", "Location", {"resourceType": "Location", "name": f"{word}{n}", **managed}).tree["id"]
        for n in (2, 1, 3)
    ]
    in_order = [places[1], places[0], places[2]]
    assert ask(platform, "GET", f"Location?organization.name={word}&_sort=name").ids() == in_order
    assert ask(platform, "GET", f"Organization?_has:Location:organization:name={word}3").ids() == [org]
    brought = ask(platform, "GET", f"Location?name={word}&_include=Location:organization").tree["entry"]
    assert [(one["resource"]["resourceType"], one["search"]["mode"]) for one in brought][-1] == (
        "Organization",
        "include",
    )
    bringing = ask(platform, "GET", f"Organization?name={word}&_revinclude=Location:organization").tree["entry"]
    assert sorted(one["resource"]["id"] for one in bringing[1:]) == sorted(places)


def test_pages_follow_each_other_and_a_link_is_its_callers_alone(platform: Standing, word: str) -> None:
    ids = [ask(platform, "POST", "Organization", organisation(f"{word}{n}")).tree["id"] for n in range(5)]
    seen, path = [], f"Organization?name={word}&_sort=name&_count=2"
    while path:
        page = ask(platform, "GET", path, as_="gp")
        seen += page.ids()
        onward = [one["url"] for one in page.tree["link"] if one["relation"] == "next"]
        path = onward[0].partition("/fhir/R4/")[2] if onward else ""
        if path:
            assert ask(platform, "GET", path, as_="lab").status == 400
    assert seen == ids


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({"resourceType": "Location", "name": "x", "managingOrganization": {"reference": "Patient/1"}}, "Location"),
        (
            {"resourceType": "Practitioner", "identifier": [{"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "1"}]},
            "Practitioner.identifier[0]",
        ),
        (
            {"resourceType": "Schedule", "actor": [{"reference": "https://other.example/fhir/Patient/7"}]},
            "Schedule.actor[0]",
        ),
        (
            {"resourceType": "Schedule", "actor": [{"type": "Patient", "reference": f"urn:uuid:{uuid4()}"}]},
            "Schedule.actor[0]",
        ),
        (
            {
                "resourceType": "Library",
                "status": "draft",
                "type": {"text": "x"},
                "contained": [{"resourceType": "Patient", "id": "p"}],
                "subjectReference": {"reference": "#p"},
            },
            "Library.subject",
        ),
    ],
    ids=["reference", "number", "whole-address", "typed", "contained"],
)
def test_what_leads_to_a_patient_or_names_a_person_by_number_is_refused(
    platform: Standing, record: Tree, where: str
) -> None:
    answer = ask(platform, "POST", record["resourceType"], record)
    assert answer.status in (400, 422)
    assert where in json.dumps(answer.tree)


@pytest.mark.parametrize(
    "reference",
    [
        {"type": "Patient", "identifier": {"system": "urn:mrn", "value": "A123"}},
        {"type": "http://hl7.org/fhir/StructureDefinition/Patient", "display": "Kari Nordmann"},
        {"type": "Group", "display": "Avdelingens pasienter"},
        {"reference": "Patient?identifier=urn:mrn|A123"},
        {"reference": "https://x.example/fhir/Patient/123#a"},
        {"reference": "https://x.example/fhir/Patient/123/"},
        {"reference": "https://x.example/fhir/P%61tient/123"},
        {"reference": "Observation/123/_history/2"},
    ],
    ids=["by-identifier", "canonical", "group", "condition", "fragment", "slash", "escaped", "version"],
)
def test_no_way_of_writing_a_reference_leads_to_a_patient(platform: Standing, reference: Tree) -> None:
    schedule = {"resourceType": "Schedule", "actor": [reference]}
    answer = ask(platform, "POST", "Schedule", schedule)
    assert (answer.status, answer.tree["issue"][0]["expression"]) == (422, ["Schedule.actor[0]"])


def test_no_text_and_no_address_holds_a_person_number_or_a_patients_record(platform: Standing, word: str) -> None:
    number = platform.nin("gp")
    for more in (
        {"name": f"Kontor for {number}"},
        {"alias": [number]},
        {"contact": [{"name": {"text": f"Kari {number}"}}]},
        {"identifier": [{"system": "urn:x", "value": f"No{number}"}]},
        {"extension": [{"url": "http://x.example", "valueString": number}]},
        {"extension": [{"url": "http://x.example", "valueUri": "Patient/123"}]},
        {"meta": {"tag": [{"system": "urn:x", "code": number}]}},
    ):
        answer = ask(platform, "POST", "Organization", organisation(word) | more)
        assert answer.status == 422, more
        assert number not in answer.response.text
    assert ask(platform, "PUT", f"Organization?name={word}", organisation(word, id=number)).status in (400, 422)
    assert (
        ask(platform, "POST", "Organization", organisation(word), if_none_exist=f"identifier=urn:x|{number}").status
        == 400
    )
    codes = {"resourceType": "CodeSystem", "status": "draft", "content": "complete", "concept": [{"code": number}]}
    assert ask(platform, "POST", "CodeSystem", codes | {"url": f"http://{word}.example"}).status == 201
    assert ask(platform, "POST", "Organization", organisation("Patient/Person og annet")).status == 201


def test_neither_a_number_of_json_nor_another_way_of_writing_hides_a_person_number(
    platform: Standing, word: str
) -> None:
    number, seen = platform.nin("gp"), str(uuid4())
    wide = "".join(chr(0xFF10 + int(one)) for one in number)
    texts = [f"{number[:3]} {number[3:]}", ".".join(number), " - ".join((number[:6], number[6:])), wide,
             "\u200b".join(number), f"{number[:2]} {number[2:4]} {number[4:6]} {number[6:]}",
             f"se Observation/{seen} i journalen"]  # fmt: skip
    for text in texts:
        answer = ask(platform, "POST", "Organization", organisation(f"{word} {text}"))
        assert answer.status == 422, text
    for longitude in (int(number), float(number), f"{number[:6]}.{number[6:]}"):
        body = f'{{"resourceType":"Location","position":{{"latitude":1,"longitude":{longitude}}}}}'.encode()
        answer = ask(platform, "POST", "Location", json.loads(body) if not isinstance(longitude, str) else body)
        assert (answer.status, answer.tree["issue"][0]["expression"]) == (422, ["Location.position.longitude"])
    for other in (
        f"Tlf. +47 22 33 44 55, {seen}",
        "2.16.578.1.12.4.1.1.9603",
        "2026-03-04 12:00:05",
        f"urn:uuid:{seen}",
    ):
        assert ask(platform, "POST", "Organization", organisation(f"{word} {other}")).status == 201, other


def test_a_practitioner_with_a_synthetic_person_number_under_any_system_is_refused(platform: Standing) -> None:
    number = platform.nin("gp")
    record = {"resourceType": "Practitioner", "identifier": [{"system": "http://local.example", "value": number}]}
    answer = ask(platform, "POST", "Practitioner", record)
    assert answer.status == 422
    assert number not in answer.response.text
    assert ask(platform, "GET", f"Practitioner?identifier={number}").status == 400
    assert ask(platform, "PUT", f"Practitioner/{number}", {"resourceType": "Practitioner", "id": number}).status == 422


def test_a_resource_that_is_not_valid_is_refused_with_its_faults(platform: Standing) -> None:
    answer = ask(platform, "POST", "Organization", {"resourceType": "Organization", "active": "yes", "nonsense": 1})
    assert answer.status == 422
    assert len(answer.tree["issue"]) >= 2


def test_smart_scopes_narrow_what_is_read_and_written(platform: Standing, made: str, word: str) -> None:
    def narrowed(scope: str, method: str, path: str, body: bytes = b"") -> int:
        answer = platform.client.call(
            method, f"/fhir/R4/{path}", as_="registry", body=body, headers={"content-type": FHIR}, narrower=scope
        )
        return answer.status_code

    body = json.dumps(organisation(word)).encode()
    assert narrowed("system/Location.rs", "GET", f"Organization/{made}") == 403
    assert narrowed("system/Organization.rs", "GET", f"Organization/{made}") == 200
    assert narrowed("system/Organization.rs", "POST", "Organization", body) == 403
    assert narrowed("system/Organization.c", "POST", "Organization", body) == 201
    assert narrowed("system/Organization.rs?active=true", "GET", f"Organization/{made}") == 404
    assert narrowed("system/Organization.rs?active=true", "GET", f"Organization/{made}/_history") == 404
    assert narrowed("system/Organization.rs", "GET", f"Organization/{made}/_history") == 200


def test_every_shared_type_can_be_searched_and_is_told_in_the_statement(platform: Standing) -> None:
    told = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()["rest"][0]["resource"]
    by_type = {one["type"]: {each["code"] for each in one["interaction"]} for one in told}
    assert by_type.keys() >= SHARED_TYPES
    assert {"read", "vread", "history-instance", "search-type", "create", "update", "patch", "delete"} <= by_type[
        "Organization"
    ]
    chosen = {one["type"]: one.get("updateCreate", False) for one in told}
    assert (chosen["Organization"], chosen["Observation"]) == (True, False)
    for name in sorted(SHARED_TYPES):
        assert ask(platform, "GET", f"{name}?_count=1").status == 200, name
