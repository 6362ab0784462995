"""How entries of a transaction mean one another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.entries import Entry
from kjerne.fhir.linking import MARKS_LIMIT, Addresses, Links, by_number

BASE = "http://lab.example/fhir"


def entry(place: int, full_url: str, *references: str, method: str = "POST") -> Entry:
    tree = {"resourceType": "Observation", "derivedFrom": [{"reference": one} for one in references]}
    return Entry(place, method, "Observation", "", full_url, tree, json.dumps(tree).encode())


@pytest.mark.parametrize(
    ("own", "text", "place"),
    [
        ("urn:uuid:1", "urn:uuid:2", 1), ("", "urn:uuid:2", 1), (f"{BASE}/Observation/9", "Specimen/3", 2),
        ("http://other.example/Observation/9", "Specimen/3", None), ("urn:uuid:1", "Specimen/3", None),
        ("urn:uuid:1", f"{BASE}/Specimen/3", 2), (f"{BASE}/Observation/9", "Specimen/3/_history/1", 2),
        ("urn:uuid:1", f"{BASE}/Specimen/3/_history/1", 2), ("urn:uuid:1", f"{BASE}/Specimen/3#a", 2),
        ("urn:uuid:1", "urn:uuid:2#a", 1), ("urn:uuid:1", "#a", None), ("urn:uuid:1", f"{BASE}/Specimen/3/other", None),
        ("urn:uuid:1", "", None),
        ("urn:uuid:1", "urn:uuid:4", None),
    ],
)  # fmt: skip
def test_a_link_means_the_entry_of_its_address(own: str, text: str, place: int | None) -> None:
    rows = [
        entry(0, own),
        entry(1, "urn:uuid:2"),
        entry(2, f"{BASE}/Specimen/3"),
        entry(3, "urn:uuid:4", method="DELETE"),
    ]
    assert Addresses(rows).meant(text, rows[0]) == place


def test_links_are_followed_once_their_addresses_are_known() -> None:
    rows = [entry(0, "urn:uuid:1", "urn:uuid:2", "Specimen?identifier=7", "Specimen/8"), entry(1, "urn:uuid:2")]
    links = Links(rows[0], rows[0].tree, Addresses(rows))
    assert (links.to, links.conditional) == ({1}, {"Specimen?identifier=7"})
    found = links.followed({1: "Observation/b"}, {"Specimen?identifier=7": "Specimen/c"})
    assert [one["reference"] for one in found["derivedFrom"]] == ["Observation/b", "Specimen/c", "Specimen/8"]


def test_a_resource_without_links_is_not_looked_through() -> None:
    addresses = Addresses([entry(0, "urn:uuid:1"), entry(1, f"{BASE}/Specimen/3")])
    assert not addresses.may_link(b'{"resourceType":"Observation","code":{"coding":[{"system":"http://x.example"}]}}')
    for raw in (
        b'{"valueUri":"urn:uuid:1"}',
        b'{"url":"http://lab.example/fhir/Specimen/3"}',
        b'{"refe\\u0072ence":"x"}',
    ):
        assert addresses.may_link(raw)
    many = [entry(place, f"http://{place}.example/Specimen/3") for place in range(MARKS_LIMIT)]
    assert Addresses(many).may_link(b"{}")


@pytest.mark.parametrize(("text", "system"), [("Patient?identifier=s|1", "s"), ("Patient?identifier=1", None)])
def test_a_patient_by_number_becomes_an_identifier(text: str, system: str | None) -> None:
    tree: dict[str, Any] = {"resourceType": "Observation", "subject": {"reference": text}}
    expected = {"value": "1"} if system is None else {"system": system, "value": "1"}
    assert by_number(tree, lambda _, value: value == "1")["subject"] == {"type": "Patient", "identifier": expected}


@pytest.mark.parametrize("text", ["Patient?identifier=2", "Patient?identifier=1&x=1", "Patient?name=1", "Patient?"])
def test_any_other_condition_on_a_patient_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as told:
        by_number({"resourceType": "Observation", "subject": {"reference": text}}, lambda _, value: value == "1")
    assert (told.value.status, "1" in told.value.says) == (422, False)


def test_a_version_is_not_taken_over_and_a_place_only_where_no_reference_stands() -> None:
    tree = {
        "resourceType": "Observation",
        "derivedFrom": [{"reference": f"{BASE}/Observation/7/_history/1"}, {"reference": f"{BASE}/Observation/7#a"}],
        "text": {"div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{BASE}/Observation/7#a">x</a></div>'},
    }
    own = Entry(0, "POST", "Observation", "", "", tree, json.dumps(tree).encode())
    links = Links(own, tree, Addresses([own, entry(1, f"{BASE}/Observation/7")]))
    assert links.to == {1}
    made = links.followed({1: "Observation/new"}, {})
    assert made["derivedFrom"] == [{"reference": "Observation/new"}] * 2
    assert '<a href="Observation/new#a">' in made["text"]["div"]
