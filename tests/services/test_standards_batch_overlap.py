"""Entries of one transaction that are about one record, by whichever way they name it, and links that a patch would hide."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from bundles import bundle, entry, send, statuses
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
