"""What a search takes is counted where the work is, whether or not anything is found: no dear search is a cheap one by its count.

Work is steps of the interpreter (`counting.steps`), of which a microsecond is some thirty, and not seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from counting import steps
from kjerne.fhir.effort import left, limited
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.fhir.search import Plan, plan
from kjerne.wire import search as wire_search

AT = datetime(2026, 11, 26, tzinfo=UTC)
ENOUGH = 10**9
OF_THE_INTERPRETER = 60
"""Steps of the interpreter behind one step that is counted, at most: under two microseconds."""

TREES: list[dict[str, Any]] = [
    {
        "resourceType": "Observation",
        "id": f"a{place}",
        "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
        "status": "final",
        "code": {"coding": [{"system": "urn:oid:1.2", "code": f"NPU{place}"}], "text": f"P-{place}"},
        "effectiveDateTime": "2026-01-02",
        "valueQuantity": {"value": place / 10, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
        "note": [{"text": "short"}],
    }
    for place in range(40)
]
VALUES = [index(decode(encode(tree))).values for tree in TREES]
MANY = range(15)

SEARCHES = {
    "a parameter that nothing has": [("method:missing", "true")] * 60,
    "pr in a filter": [("_filter", " or ".join(["method pr true"] * 50))],
    "words in short texts": [("_content", "zzz")],
    "many words": [("_content", " or ".join(["zzz"] * 200))],
    "a word in narratives that are not there": [("_text", "zzz")],
    "numbers": [("value-quantity", ",".join(f"99{place}" for place in MANY))],
    "numbers in another unit": [
        ("value-quantity", ",".join(f"99{place}|http://unitsofmeasure.org|mg" for place in MANY))
    ],
    "numbers near others": [("value-quantity", ",".join(f"ap99{place}" for place in MANY))],
    "numbers in a filter": [("_filter", " or ".join(["value-quantity gt 9999"] * 50))],
    "texts beside codes": [("code:text", ",".join(f"zz{place}" for place in MANY))],
    "whole code systems": [("code", ",".join(f"urn:x{place}|" for place in MANY))],
    "unequal codes": [("_filter", " or ".join(["status ne final"] * 50))],
    "dates in a filter": [("_filter", " or ".join(["date gt 2027-01-01"] * 50))],
    "updates in a filter": [("_filter", " or ".join(["_lastUpdated gt 2027-01-01"] * 50))],
    "composites": [("code-value-quantity", ",".join(f"NPU{place}$gt999" for place in MANY))],
}


def looked_at(found: Plan) -> list[bool]:
    if found.match is not None:
        return [found.match(values) for values in VALUES]
    assert found.match_tree is not None
    return [found.match_tree(tree) for tree in TREES]


def counted(found: Plan) -> int:
    with limited(ENOUGH):
        looked_at(found)
        return ENOUGH - left()


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_counted_is_what_it_takes(name: str) -> None:
    found = plan(wire_search.parse("Observation", SEARCHES[name], page_size=50, page_size_limit=1000), at=AT)
    looked_at(found)
    assert steps(lambda: looked_at(found)) / max(counted(found), 1) < OF_THE_INTERPRETER


@pytest.mark.parametrize("code", ["value-quantity", "code"])
def test_sorting_is_counted_too(code: str) -> None:
    (order,) = plan(
        wire_search.parse("Observation", [("_sort", code)], page_size=50, page_size_limit=1000), at=AT
    ).order
    pairs = list(zip(VALUES, TREES, strict=True))

    def sort() -> None:
        sorted(order.key(values) if order.key else order.tree_key(tree) for values, tree in pairs)  # type: ignore[misc]

    with limited(ENOUGH):
        sort()
        of_all = ENOUGH - left()
    assert steps(sort) / max(of_all, 1) < OF_THE_INTERPRETER
