"""Entries of one transaction that are about one record, by whichever way they name it, and links that a patch would hide."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

import words
from bundles import about, bundle, entry, send, statuses
from platform_fixture import Standing, Tree
from services.test_shared_records import ask, organisation
from services.test_standards import create, observation, read

WHO = "parent"
NUMBER = "http://l.example"


def numbered(number: str, **more: Any) -> Tree:
    return observation(identifier=[{"system": NUMBER, "value": number}], **more)


@pytest.fixture
def number() -> str:
    return str(uuid4())


@pytest.fixture
def made(platform: Standing, number: str) -> str:
    return str(create(platform, json.dumps(numbered(number)).encode(), about=WHO).tree["id"])


def test_a_record_that_a_condition_deletes_is_deleted_once_and_not_written(
    platform: Standing, number: str, made: str
) -> None:
    gone = entry("DELETE", f"Observation?identifier={number}")
    again = entry("POST", "Observation", numbered(number), ifNoneExist=f"identifier={number}")
    assert statuses(send(platform, bundle("transaction", gone, again), about=WHO)) == [204, 201]
    answer = send(platform, bundle("transaction", gone, gone), about=WHO)
    assert (answer.status, answer.issue["code"]) == (400, "duplicate")


def test_a_shared_record_that_a_condition_deletes_is_not_put_again(platform: Standing, word: str) -> None:
    id_ = f"unit-{word.lower()}"
    assert ask(platform, "PUT", f"Organization/{id_}", organisation(word, id=id_)).status == 201
    put = entry("PUT", f"Organization/{id_}", organisation(word, id=id_))
    for gone in (entry("DELETE", f"Organization?name={word}"), entry("DELETE", f"Organization/{id_}")):
        answer = send(platform, bundle("transaction", put, gone), as_="registry")
        assert (answer.status, answer.issue["code"]) == (400, "duplicate")
    assert ask(platform, "GET", f"Organization/{id_}").tree["meta"]["versionId"] == "1"


@pytest.mark.parametrize("kind", ["application/json-patch+json", "application/xml-patch+xml"])
def test_a_link_to_an_entry_in_a_patch_that_is_not_followed_is_refused(
    platform: Standing, number: str, made: str, kind: str
) -> None:
    own = f"urn:uuid:{uuid4()}"
    if kind.endswith("json"):
        value = {"reference": own}
        patch = json.dumps([{"op": "add", "path": "/derivedFrom", "value": [value]}]).replace("urn:", "\\u0075rn:")
    else:
        patch = (
            f'<diff xmlns:f="http://hl7.org/fhir"><add sel="f:Observation"><f:reference value="{own}"/></add></diff>'
        )
    binary = {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(patch.encode()).decode()}
    new = entry("POST", "Observation", observation(), own)
    change = entry("PATCH", f"Observation/{made}", binary, ifMatch='W/"1"')
    answer = send(platform, bundle("transaction", new, change), about=WHO)
    assert (answer.status, answer.issue["expression"]) == (422, ["Bundle.entry[1].resource"])
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"


def at(number: str, code: str) -> Tree:
    return numbered(number, code={"coding": [{"code": code}]})


@pytest.mark.parametrize("of_both", [False, True])
@pytest.mark.parametrize("first", ["DELETE id", "DELETE number", "PUT id", "PUT number", "PATCH id"])
@pytest.mark.parametrize("second", ["DELETE code", "PUT code"])
def test_two_entries_that_mean_one_record_by_different_criteria_are_refused_in_any_order(
    platform: Standing, number: str, word: str, first: str, second: str, of_both: bool
) -> None:
    """The second would find nothing, or the other record that has the code: what it meant is gone, or changed."""
    code, other = words.fresh(), words.fresh()
    made = create(platform, json.dumps(at(number, code)).encode(), about=WHO).tree["id"]
    if of_both:
        create(platform, json.dumps(at(str(uuid4()), code)).encode(), about=WHO)
    changed = at(number, other)
    patch = {"op": "replace", "path": "/code/coding/0/code", "value": other}
    data = base64.b64encode(json.dumps([patch]).encode()).decode()
    sent = {
        "DELETE id": entry("DELETE", f"Observation/{made}"),
        "DELETE number": entry("DELETE", f"Observation?identifier={number}"),
        "PUT id": entry("PUT", f"Observation/{made}", {**changed, "id": made}, ifMatch='W/"1"'),
        "PUT number": entry("PUT", f"Observation?identifier={number}", changed, ifMatch='W/"1"'),
        "PATCH id": entry(
            "PATCH", f"Observation/{made}", ifMatch='W/"1"',
            resource={"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data},
        ),
        "DELETE code": entry("DELETE", f"Observation?code={code}"),
        "PUT code": entry("PUT", f"Observation?code={code}", at(str(uuid4()), other)),
    }  # fmt: skip
    for entries in ((sent[first], sent[second]), (sent[second], sent[first])):
        answer = send(platform, bundle("transaction", *entries), about=WHO)
        assert answer.status in (400, 404, 412, 428), answer.response.text
        assert answer.status != 400 or answer.issue["code"] == "duplicate"
        assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"
    rows = [row for row in platform.audited(answer.response) if row["outcome"] == 0]
    assert rows == []


def test_criteria_that_mean_another_person_s_record_are_no_overlap(platform: Standing, number: str, made: str) -> None:
    of_other = numbered(number) | about(platform.nin("citizen"))
    there = entry("PUT", f"Observation?identifier={number}", of_other)
    entries = entry("DELETE", f"Observation/{made}"), there
    assert statuses(send(platform, bundle("transaction", *entries))) == [204, 201]


@pytest.mark.parametrize("second", ["DELETE", "PUT"])
def test_two_entries_that_mean_one_record_about_nobody_are_refused(platform: Standing, word: str, second: str) -> None:
    parent = ask(platform, "POST", "Organization", organisation(words.fresh())).tree
    id_ = ask(
        platform, "POST", "Organization", organisation(word, partOf={"reference": f"Organization/{parent['id']}"})
    ).tree["id"]
    new = organisation(words.fresh()) if second == "PUT" else None
    for criteria in (f"name={word}", f"partof.name={parent['name']}"):
        gone = entry("DELETE", f"Organization/{id_}")
        answer = send(
            platform, bundle("transaction", gone, entry(second, f"Organization?{criteria}", new)), as_="registry"
        )
        assert (answer.status, answer.issue["code"]) == (400, "duplicate"), answer.response.text
    assert ask(platform, "GET", f"Organization/{id_}").tree["meta"]["versionId"] == "1"
