"""A resource looked at whole answers as SQL and a row's values do, whatever is joined by a filter."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.fhir.answering import answers
from kjerne.fhir.criteria import Among, Criterion, Reaching
from kjerne.fhir.search import plan
from kjerne.fhir.searchparams import type_search
from kjerne.wire.search import parse

from .test_search_judged import CRITERION, OBSERVATION, judged

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Finds = Callable[[list[tuple[str, str]], Tree], bool]
TYPE = type_search("Observation")


@given(OBSERVATION, st.lists(CRITERION, min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_resource_answers_as_its_row_does(
    finds: Finds, tree: Tree, criteria: list[tuple[str, str, list[str]]]
) -> None:
    for name, modifier, values in criteria:
        pair = (f"{name}:{modifier}" if modifier else name, ",".join(values))
        (asked,) = parse("Observation", [pair], page_size=50, page_size_limit=1000).criteria
        assert answers(TYPE, asked, NOW)(tree) == finds([pair], tree), pair


# A filter is made from criteria that the judge knows, each with one value, and joined at random.

OPERATORS = {"": "eq", "in": "in", "not-in": "ni", "below": "ss", "above": "sb", "contains": "co"}
ORDERED = ("date", "value-date", "value-quantity", "combo-value-quantity")
Filter = tuple[str, Callable[[Tree], bool]]


def comparison(criterion: tuple[str, str, list[str]]) -> Filter | None:
    name, modifier, (value, *_) = criterion
    if name.endswith("code-value-quantity") or (name == "value-string" and modifier != "contains"):
        return None
    if modifier == "missing":
        return f"{name} pr {'false' if value == 'true' else 'true'}", lambda tree: judged(
            tree, [(name, "missing", [value])]
        )
    if name == "_profile" and modifier:
        return None
    if name in ORDERED:
        prefix, rest = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
        return f"{name} {prefix} {rest}", lambda tree: judged(tree, [(name, "", [prefix + rest])])
    if modifier not in OPERATORS:
        return None
    return (
        f"{name} {OPERATORS[modifier]} {json.dumps(value, ensure_ascii=False)}",
        lambda tree: judged(tree, [(name, modifier, [value])]),
    )


def joined(parts: tuple[Filter, str, Filter, bool]) -> Filter:
    (left, says_left), sign, (right, says_right), negated = parts

    def says(tree: Tree) -> bool:
        both = (says_left(tree), says_right(tree))
        return (all(both) if sign == "and" else any(both)) != negated

    return f"{'not' if negated else ''}(({left}) {sign} ({right}))", says


FILTER = st.recursive(
    CRITERION.map(comparison).filter(lambda one: one is not None),
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner, st.booleans()).map(joined),
    max_leaves=5,
)


@given(st.lists(OBSERVATION, min_size=3, max_size=3), FILTER)
@settings(max_examples=150, deadline=None)
def test_a_filter_finds_what_its_parts_find_joined(finds: Finds, trees: list[Tree], asked: Filter) -> None:
    text, says = asked
    for tree in trees:
        assert finds([("_filter", text)], tree) == says(tree), text


TREE: Tree = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "urn:x", "code": "K"}, {"code": "Na"}]},
    "effectivePeriod": {"start": "2024-03-01", "end": "2024-03-14"},
    "valueString": "Ikke påvist",
    "specimen": {"reference": "Specimen/1"},
    "performer": [{"reference": "Practitioner/1"}, {"reference": "Practitioner/2"}],
    "meta": {"profile": ["http://x.example/p"]},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("code eq K", True),
        ("code ne K", False),
        ("code ne Cl", True),
        ("performer ne Practitioner/1", True),
        ("status ne final", False),
        ("category ne lab", False),
        ("not(category eq lab)", True),
        ('value-string eq "ikke pavist"', True),
        ('value-string eq "ikke"', False),
        ('value-string sw "IKKE"', True),
        ('value-string ew "påvist"', True),
        ('value-string ew "ikke"', False),
        ('value-string co "e p"', True),
        ('value-string ne "ikke påvist"', False),
        ('value-string ne "ikke"', True),
        ("date po 2024-03-05", True),
        ("date po 2024-03-14", True),
        ("date po 2024-03-15", False),
        ("date po 2024", True),
        ("date eq 2024-03", True),
        ("date sa 2024-02", True),
        ("date eb 2024-03-14", False),
        ("specimen re Specimen/1", True),
        ("specimen re Specimen/2", False),
        ("specimen ne Specimen/2", True),
        ("_profile eq http://x.example/p", True),
        ("component-code pr false", True),
        ("component-code pr true", False),
        ("status in http://hl7.org/fhir/ValueSet/observation-status", True),
        ("code ni http://hl7.org/fhir/ValueSet/observation-status", True),
        ("status ss http://hl7.org/fhir/observation-status|final", True),
        ("status sb http://hl7.org/fhir/observation-status|corrected", False),
        ("value-string pr true and (code eq x or date lt 2025)", True),
    ],
)
def test_a_comparison_is_answered_as_r4_says(finds: Finds, text: str, found: bool) -> None:
    assert finds([("_filter", text)], TREE) is found
    # What SQL does not decide is looked for on the resource, and gives the same.
    assert finds([("_filter", f"({text}) or code eq nothing")], TREE) is found
    assert finds([("_filter", f"not({text})")], TREE) is not found


def test_what_a_filter_joins_by_and_alone_is_decided_by_the_database() -> None:
    def planned(text: str) -> Any:
        return plan(parse("Observation", [("_filter", text)], page_size=50, page_size_limit=1000), at=NOW)

    assert planned("code eq http://x.example|K and date ge 2024 and status eq final").exact_in_sql
    assert not planned("code eq K or date ge 2024").exact_in_sql


def asked(code: str, kind: str, *pair: str) -> Criterion:
    (found,) = parse("Observation", [pair], page_size=50, page_size_limit=1000).criteria  # type: ignore[list-item]
    assert isinstance(found, Criterion) and (found.code, found.kind) == (code, kind)
    return found


@pytest.mark.parametrize(
    ("pair", "kind", "there"),
    [
        (("_id", "a,b"), "token", True),
        (("_id", "b"), "token", False),
        (("_lastUpdated", "2025-06-01"), "date", True),
        (("_lastUpdated", "gt2025-06-01T12:00:00Z"), "date", False),
        (("_lastUpdated", "lt2025-06-01T12:00:01Z"), "date", True),
    ],
)
def test_id_and_time_are_read_as_served(pair: tuple[str, str], kind: str, there: bool) -> None:
    tree = {"id": "a", "meta": {"lastUpdated": "2025-06-01T12:00:00.123+00:00"}}
    assert answers(TYPE, asked(pair[0], kind, *pair), NOW)(tree) is there


def test_the_far_ends_of_links_are_compared_by_what_they_name() -> None:
    tree = {"id": "a", "specimen": {"reference": "Specimen/1/_history/2"}}
    for targets, there in (({"Specimen/1"}, True), ({"Specimen/2"}, False), ({"1"}, True), (set(), False)):
        assert answers(TYPE, Reaching("specimen", frozenset(targets)), NOW)(tree) is there
    assert answers(TYPE, Among(frozenset("a")), NOW)(tree)
    assert not answers(TYPE, Among(frozenset("b")), NOW)(tree)
