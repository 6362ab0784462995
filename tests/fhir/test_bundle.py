"""Bundles are right R4, and their addresses tell nothing about who a person is."""

from __future__ import annotations

from datetime import UTC, datetime

from kjerne.fhir.bundle import Shut, Version, history, self_url
from kjerne.fhir.encode import encode
from kjerne.fhir.search import Search
from kjerne.fhir.validate import check
from kjerne.registries.identifiers import is_number
from kjerne.wire.json import parse

AT = datetime(2026, 3, 5, 12, 0, 0, 123456, tzinfo=UTC)


def version(number: int) -> Version:
    body = b'{"resourceType":"Specimen","id":"a"}'
    return Version("http://kjerne.example/fhir/R4/Specimen/a", "Specimen", "a", number, AT, body)


def test_each_version_in_a_history_says_which_request_made_it() -> None:
    tree = parse(history([version(2), version(1)], [("self", "http://kjerne.example/fhir/R4/Specimen/a/_history")], 2))
    assert check(tree, "Bundle") == []
    newest, first = tree["entry"]
    assert newest["request"] == {"method": "PUT", "url": "Specimen/a"}
    assert newest["response"] == {"status": "200", "etag": 'W/"2"', "lastModified": "2026-03-05T12:00:00.123+00:00"}
    assert (first["request"], first["response"]["status"]) == ({"method": "POST", "url": "Specimen"}, "201")
    assert "search" not in newest


def test_a_deletion_of_which_no_version_was_made_has_no_etag() -> None:
    """What was taken from a wrong person, of whoever follows her."""
    tree = parse(
        history([version(0)._replace(resource=b"")], [("self", "http://kjerne.example/fhir/R4/$changes")], None)
    )
    assert check(tree, "Bundle") == []
    (gone,) = tree["entry"]
    assert gone["request"] == {"method": "DELETE", "url": "Specimen/a"}
    assert gone["response"] == {"status": "204", "lastModified": "2026-03-05T12:00:00.123+00:00"}


def test_what_is_shut_stands_in_a_history_as_the_request_that_was_refused() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    gone = version(3)._replace(resource=b"")
    shut = [Shut("Condition/_history", 403, encode(outcome))]
    tree = parse(history([gone], [("self", "http://kjerne.example/fhir/R4/Condition/_history")], 1, shut))
    assert check(tree, "Bundle") == []
    refused, deletion = tree["entry"]
    assert refused == {
        "request": {"method": "GET", "url": "Condition/_history"}, "response": {"status": "403", "outcome": outcome},
    }  # fmt: skip
    assert (deletion["request"]["method"], deletion["response"]["status"], "resource" in deletion) == (
        "DELETE",
        "204",
        False,
    )


def test_what_merely_looks_like_a_number_stays_in_the_address_of_a_search() -> None:
    pairs = [("identifier", "urn:gtin|12817510079"), ("code", "20260101 12345")]
    used = self_url("http://kjerne.example/x", pairs, Search("Device"), is_number)
    assert used == "http://kjerne.example/x?identifier=urn%3Agtin%7C12817510079&code=20260101+12345"


def test_the_address_of_a_search_holds_what_was_used_and_no_number() -> None:
    numbers = [("identifier", "urn:x|12817510130"), ("identifier", "128175 10130"), ("code", "a,12817510130")]
    pairs = [("code", "NPU03429"), ("strange", "1"), ("date", "ge2026-01-01"), *numbers]
    used = self_url("http://kjerne.example/x", pairs, Search("Observation", ignored=("strange",)), is_number)
    assert used == "http://kjerne.example/x?code=NPU03429&date=ge2026-01-01"
    assert self_url("http://kjerne.example/x", (), Search("Observation"), is_number) == "http://kjerne.example/x"
