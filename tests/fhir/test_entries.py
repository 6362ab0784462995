"""A refusal's place in the Bundle, and the answers joined in the order of the requests."""

from __future__ import annotations

import json

import pytest

from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer
from kjerne.fhir.entries import Entry, entries_of, placed, response

BASE = "http://kjerne.example/fhir/R4"


@pytest.mark.parametrize(
    ("where", "expression", "told"),
    [
        ("", "Bundle.entry[3]", False), ("Observation.code.coding[0]", "Bundle.entry[3].resource.code.coding[0]", False),
        ("Observation", "Bundle.entry[3].resource", False), ("Observations", "Bundle.entry[3]", True),
        ("Specimen.status", "Bundle.entry[3]", True), ("If-Match", "Bundle.entry[3].request.ifMatch", False),
        ("If-None-Exist", "Bundle.entry[3].request.ifNoneExist", False), ("query", "Bundle.entry[3].request.url", False),
        ("id", "Bundle.entry[3].request.url", False), ("line 2, column 4", "Bundle.entry[3].resource", True),
        ("resourceType", "Bundle.entry[3].resource", False), ("_sort", "Bundle.entry[3]", True),
        ("Bundle.entry[1].fullUrl", "Bundle.entry[1].fullUrl", False),
    ],
)  # fmt: skip
def test_a_refusal_says_where_in_the_bundle_it_is(where: str, expression: str, told: bool) -> None:
    entry = Entry(3, "PUT", "Observation/1", "", tree={"resourceType": "Observation"})
    wrong = Fault("this too", "Observation.status", rule="r", line=2)
    found = placed(Refusal(422, "it is wrong", where=where, rule="a-rule", faults=(wrong,)), entry)
    assert (found.status, found.where, found.rule) == (422, expression, "a-rule")
    assert found.says == (f"it is wrong ({where})" if told else "it is wrong")
    assert [(one.where, one.rule, one.line) for one in found.faults] == [("Bundle.entry[3].resource.status", "r", 2)]


def test_entries_are_read_with_their_bytes() -> None:
    raw = (
        b'{"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "A?b=c"}}, 7,'
        b' {"resource": {"a" : 1.10 }, "request": {"url": "%b/A", "method": "POST", "ifNoneExist": "x=1"}}]}'
        % BASE.encode()
    )
    kind, (first, second, third) = entries_of(json.loads(raw), raw, BASE, 3)
    assert kind == "batch"
    assert isinstance(first, Entry) and (first.path, first.query, first.raw) == ("A", "b=c", b"")
    assert isinstance(second, Refusal)
    assert isinstance(third, Entry) and (third.path, third.raw) == ("A", b'{"a" : 1.10 }')
    assert third.headers == {"if-none-exist": "x=1", "content-type": "application/fhir+json"}


def test_the_answers_are_joined_in_order() -> None:
    at = ("last-modified", "Thu, 26 Nov 2026 12:00:00 GMT")
    answers = [
        Answer(201, b'{"resourceType":"A"}', headers=(("location", "A/1/_history/1"), ("etag", 'W/"1"'), at)),
        Answer(204),
        Answer(404, b'{"resourceType":"OperationOutcome","issue":[]}'),
        Answer(299),
    ]
    assert json.loads(response("batch", answers)) == {
        "resourceType": "Bundle",
        "type": "batch-response",
        "entry": [
            {
                "resource": {"resourceType": "A"},
                "response": {
                    "status": "201 Created", "location": "A/1/_history/1", "etag": 'W/"1"',
                    "lastModified": "2026-11-26T12:00:00Z",
                },
            },
            {"response": {"status": "204 No Content"}},
            {"response": {"status": "404 Not Found", "outcome": {"resourceType": "OperationOutcome", "issue": []}}},
            {"response": {"status": "299"}},
        ],
    }  # fmt: skip
    assert json.loads(response("transaction", [])) == {"resourceType": "Bundle", "type": "transaction-response"}


@pytest.mark.parametrize(
    ("url", "says"), [("Observation", "a POST brings a resource"), ("Observation/1/$validate", "")]
)
def test_what_is_to_be_made_comes_along_and_what_an_operation_brings_is_its_own_business(url: str, says: str) -> None:
    tree = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "POST", "url": url}}]}
    (one,) = entries_of(tree, json.dumps(tree).encode(), BASE, 9)[1]
    assert (one.says if isinstance(one, Refusal) else "") == says
    if isinstance(one, Refusal):
        assert (one.status, one.where) == (400, "Bundle.entry[0].resource")
