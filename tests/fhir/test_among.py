"""References among lines: which are followed, what becomes of the bytes, and what is warned of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.fhir.among import NO_FULL_URL, SEVERAL_HAVE_IT, TOLD, Lost, Named, among, look, relinked, told

BASE = "http://here.example/fhir/R4"


def looked(*trees: dict[str, Any]) -> Named:
    named = Named([], [])
    for number, tree in enumerate(trees, 1):
        look(named, number, json.dumps(tree).encode(), tree)
    return named


def line(*links: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", **more, "derivedFrom": [{"reference": one} for one in links]}


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("Observation/a", "Observation/a"), ("Observation/a/_history/2", "Observation/a"),
        ("Observation/a#part", "Observation/a"), (f"{BASE}/Observation/a", "Observation/a"),
        (f"{BASE}/Observation/a/_history/1#x", "Observation/a"), ("http://elsewhere.example/Observation/a", ""),
        (f"{BASE}/x/Observation/a", ""), ("#a", ""), ("observation/a", ""), ("Patient/a", ""), (f"{BASE}/Patient/a", ""),
        ("Observation/b", ""), ("Observation", ""),
    ],
)  # fmt: skip
def test_a_link_is_followed_where_it_means_what_a_line_is_called(link: str, name: str) -> None:
    found = among([looked(line(link), line(id="a"))], BASE, earlier=False)
    assert found.links == ({1: {link: name}} if name else {})
    assert found.led({2: "Observation/new"}, {}) == ({1: {link: "Observation/new"}} if name else {})
    assert (found.whole(), found.lost()) == ({1: {link: name}} if name and link.startswith("http") else {}, [])


def test_what_no_line_is_called_is_asked_for_where_other_lines_came_before() -> None:
    named = [looked(line("Observation/a", "Specimen/b", id="a"))]
    assert among(named, BASE, earlier=False).asked() == {}
    found = among(named, BASE, earlier=True)
    assert found.asked() == {"Specimen/b": 1}
    assert found.led({1: "Observation/new"}, {"Specimen/b": "Specimen/old"}) == {
        1: {"Observation/a": "Observation/new", "Specimen/b": "Specimen/old"}
    }


def test_what_cannot_be_followed_is_warned_of_by_line() -> None:
    urn = "urn:uuid:0B1C4D1E-0000-4000-8000-000000000001"
    lines = [line("Observation/a", urn, urn), line(id="a"), line(id="a"), line(id=urn[9:].lower()), line("urn:uuid:x")]
    found = among([looked(*lines)], BASE, earlier=False)
    assert found.lost() == [Lost(1, "Observation/a", SEVERAL_HAVE_IT), Lost(1, urn, NO_FULL_URL)]
    assert found.led({2: "Observation/new"}, {}) == {}
    issues = told([Lost(7, "Observation/a", SEVERAL_HAVE_IT)] * (TOLD + 1))["issue"]
    assert (len(issues), issues[0]["location"]) == (TOLD, ["line 7"])


def test_every_byte_but_the_reference_stays() -> None:
    text = r'{ "a":"\"reference\": \"Observation/a\"", "x":{"reference" :  "Observation\/a"},"reference":"Observation/b","n":1.0}'
    made = relinked(text.encode(), {"Observation/a": "Observation/new"}).decode()
    assert made == text.replace(r'"Observation\/a"', '"Observation/new"')
    assert relinked(b"", {"a": "b"}) == b""
