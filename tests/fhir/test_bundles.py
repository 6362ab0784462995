"""A bundle hangs together: addresses, references within, the answer to a search."""

from __future__ import annotations

import time
from typing import Any

import pytest

from counting import growth
from kjerne.fhir.validate import FAULTS_LIMIT, check

BASE = "http://example.org"


def composition(**members: Any) -> dict[str, Any]:
    tree = {"resourceType": "Composition", "status": "final", "type": {"text": "x"}, "title": "x", "date": "2024"}
    return tree | {"author": [{"reference": "Practitioner/a"}]} | members


def entry(resource: dict[str, Any], id_: str) -> dict[str, Any]:
    return {"fullUrl": f"{BASE}/{resource['resourceType']}/{id_}", "resource": resource | {"id": id_}}


AUTHOR = entry({"resourceType": "Practitioner", "active": True}, "a")
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def document(*entries: dict[str, Any]) -> dict[str, Any]:
    identifier = {"system": "urn:x", "value": "1"}
    return {
        "resourceType": "Bundle", "type": "document", "identifier": identifier, "timestamp": "2024-01-01T00:00:00Z",
        "entry": list(entries),
    }  # fmt: skip


def broken(tree: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.where.removeprefix("Bundle."), fault.rule) for fault in check(tree, "Bundle")]


def test_a_document_that_has_what_it_speaks_of_is_right() -> None:
    section = {
        "title": "x",
        "entry": [{"reference": f"{BASE}/Observation/o"}],
        "section": [{"entry": [{"reference": "Observation/o"}]}],
    }
    assert broken(document(entry(composition(section=[section]), "c"), AUTHOR, entry(OBSERVATION, "o"))) == []


def test_what_the_composition_speaks_of_is_in_the_document() -> None:
    section = {"section": [{"entry": [{"reference": "Observation/other"}]}]}
    found = broken(document(entry(composition(section=[section]), "c"), AUTHOR))
    assert found == [("entry[0].resource.section[0].section[0].entry[0].reference", "bundle-reference")]


def test_a_reference_with_a_version_means_that_version() -> None:
    first, second = (entry(OBSERVATION | {"meta": {"versionId": version}}, "o") for version in ("1", "2"))

    def wrong(reference: str) -> list[tuple[str, str]]:
        section = {"entry": [{"reference": reference}]}
        return broken(document(entry(composition(section=[section]), "c"), AUTHOR, first, second))

    assert ("entry[0].resource.section[0].entry[0].reference", "bundle-reference") in wrong("Observation/o/_history/3")
    assert ("entry[0].resource.section[0].entry[0].reference", "bundle-reference") in wrong("Observation/o")
    assert wrong("Observation/o/_history/2") == [("entry[2]", "bundle-connected")]


def test_an_entry_that_nothing_leads_to_is_named() -> None:
    assert broken(document(entry(composition(), "c"), AUTHOR, entry(OBSERVATION, "o"))) == [
        ("entry[2]", "bundle-connected")
    ]
    led = OBSERVATION | {"performer": [{"reference": "Practitioner/a"}]}
    assert broken(document(entry(composition(), "c"), AUTHOR, entry(led, "o"))) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"fullUrl": "Observation/o"}, "bundle-full-url"),
        ({"fullUrl": f"{BASE}/Observation/other"}, "bundle-full-url-id"),
        ({"fullUrl": f"{BASE}/Patient/o"}, "bundle-full-url-id"),
        ({"fullUrl": None}, "bundle-full-url"),
        ({"fullUrl": "urn:uuid:0d432bc3-c706-4ca8-93a2-17985e1383d5"}, None),
    ],
)
def test_an_entrys_address_is_whole_and_its_resources(changes: dict[str, Any], rule: str | None) -> None:
    one = {name: value for name, value in (entry(OBSERVATION, "o") | changes).items() if value is not None}
    found = broken({"resourceType": "Bundle", "type": "collection", "entry": [one]})
    assert [name for _, name in found] == ([] if rule is None else [rule])


def search(*entries: dict[str, Any], url: str = f"{BASE}/Observation?code=x", links: int = 1) -> dict[str, Any]:
    link = [{"relation": "self", "url": url}] * links
    return {"resourceType": "Bundle", "type": "searchset", "total": 1, "link": link, "entry": list(entries)}


OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "processing"}]}


def test_an_answer_to_a_search_holds_what_was_searched_for() -> None:
    match, outcome = {"search": {"mode": "match"}}, {"search": {"mode": "outcome"}}
    assert broken(search(entry(OBSERVATION, "o") | match, entry(OUTCOME, "1") | outcome)) == []
    assert broken(search(entry(OBSERVATION, "o") | match, url=f"{BASE}?_type=Observation,Patient&x=y")) == []
    wrong = search(entry(OBSERVATION, "o") | match, url=f"{BASE}/Patient?x=y")
    assert broken(wrong) == [("entry[0].resource", "search-type")]
    assert broken(search(entry(OBSERVATION, "o") | outcome)) == [("entry[0].resource", "search-outcome")]
    assert broken(search(entry(OUTCOME, "o") | match)) == [("entry[0].search.mode", "search-outcome")]
    without = {"fullUrl": "urn:x:1", "resource": OBSERVATION} | match
    assert broken(search(without)) == [("entry[0].resource.id", "search-id")]
    assert broken(search(entry(OBSERVATION, "o") | match, links=2)) == [("link", "bundle-links")]


def test_a_message_has_what_it_is_about() -> None:
    header = {"resourceType": "MessageHeader", "eventUri": "urn:x", "source": {"endpoint": "urn:y"}}
    about = header | {"focus": [{"reference": f"{BASE}/Observation/o"}]}
    bundle = {"resourceType": "Bundle", "type": "message", "entry": [entry(about, "m"), entry(OBSERVATION, "o")]}
    assert broken(bundle) == []
    bundle["entry"] = [entry(about, "m")]
    assert broken(bundle) == [("entry[0].resource.focus[0].reference", "bundle-reference")]


def test_a_large_bundle_costs_time_by_its_size() -> None:
    many = [
        entry(OBSERVATION | {"subject": {"reference": f"Patient/{number}"}}, str(number)) for number in range(1_000)
    ]
    started = time.process_time()
    found = broken(document(entry(composition(), "c"), AUTHOR, *many))
    assert len(found) == FAULTS_LIMIT
    assert time.process_time() - started < 5


def test_entries_of_one_address_are_not_tied_each_to_each() -> None:
    def same(size: int) -> list[tuple[str, str]]:
        led = OBSERVATION | {"hasMember": [{"reference": "Observation/o"}] * 2}
        entries = [entry(led, "o") for _ in range(size)]
        return broken(
            document(entry(composition(section=[{"entry": [{"reference": "Observation/o"}]}]), "c"), *entries)
        )

    assert {rule for _, rule in same(3)} == {"bdl-7", "bundle-reference"}
    assert growth(same, 60) < 2.5


def test_a_long_address_is_not_spelled_for_each_reference() -> None:
    base = "http://example.org/" + "x" * 4_000_000
    many = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    many["hasMember"] = [{"reference": "Observation/o"}] * 20_000
    entries = [{"fullUrl": f"{base}/Observation/{one}", "resource": many | {"id": one}} for one in ("n", "o")]
    first = {
        "fullUrl": f"{base}/Composition/c",
        "resource": composition(author=[{"reference": "Observation/n"}]) | {"id": "c"},
    }
    before = time.process_time()
    assert "bundle-connected" not in [rule for _, rule in broken(document(first, *entries))]
    assert time.process_time() - before < 6
