"""Less of a resource, where a search asks for less, and never without saying so."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.encode import decode, encode
from kjerne.fhir.subset import SUBSETTED, shown
from kjerne.wire import search as wire_search

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "a",
    "meta": {"versionId": "1", "tag": [{"code": "x"}]},
    "text": {"status": "generated", "div": "<div/>"},
    "status": "final",
    "code": {"text": "P-Kalium"},
    "effectiveDateTime": "2026-01-02",
    "_effectiveDateTime": {"extension": [{"url": "u", "valueCode": "c"}]},
    "valueQuantity": {"value": 4},
    "note": [{"text": "n"}],
    "component": [{"code": {"text": "c"}, "valueString": "v", "interpretation": [{"text": "i"}]}],
}


def of(*pairs: tuple[str, str]) -> set[str]:
    search = wire_search.parse("Observation", pairs, page_size=50, page_size_limit=100)
    return set(decode(shown(encode(OBSERVATION), search)))


MUST = {"resourceType", "id", "meta", "status", "code"}


def test_a_search_that_asks_for_all_gets_the_same_bytes() -> None:
    search = wire_search.parse("Observation", (("_summary", "false"),), page_size=50, page_size_limit=100)
    assert shown(encode(OBSERVATION), search) == encode(OBSERVATION)


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (("_elements", "value"), {"valueQuantity"}),
        (("_elements", "Observation.effective,note"), {"effectiveDateTime", "_effectiveDateTime", "note"}),
        (("_summary", "text"), {"text"}),
        (("_summary", "data"), set(OBSERVATION) - {"text"}),
        (("_summary", "true"), {"effectiveDateTime", "_effectiveDateTime", "valueQuantity", "component"}),
    ],
)
def test_what_is_asked_for_comes_with_what_must_be_there(asked: tuple[str, str], more: set[str]) -> None:
    assert of(asked) == MUST | more


def test_a_part_says_that_it_is_a_part_and_keeps_the_tags_it_had() -> None:
    search = wire_search.parse("Observation", (("_summary", "true"),), page_size=50, page_size_limit=100)
    tree = decode(shown(encode(OBSERVATION), search))
    assert tree["meta"]["tag"] == [{"code": "x"}, SUBSETTED]
    assert tree["component"] == [{"code": {"text": "c"}, "valueString": "v"}]
