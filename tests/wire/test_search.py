"""Search parameters: typed, or refused with the parameter's name and without its value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.criteria import (
    CompositeValue,
    DateValue,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    is_linked,
)
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.index import index
from kjerne.fhir.search import Include, Search, Sort, plan
from kjerne.fhir.searchparams import parameters
from kjerne.wire.search import parse


def read(*pairs: tuple[str, str], type: str = "Observation", lenient: bool = False) -> Search:
    return parse(type, pairs, lenient=lenient, page_size=50, page_size_limit=1000)


def values(name: str, text: str, type: str = "Observation") -> tuple[Any, ...]:
    return read((name, text), type=type).criteria[0].values


def refused(*pairs: tuple[str, str]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(*pairs)
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("code", "K", (TokenValue(None, "K"),)),
        ("code", "urn:oid:1.2|K,|Na", (TokenValue("urn:oid:1.2", "K"), TokenValue("", "Na"))),
        ("code", "urn:oid:1.2|", (TokenValue("urn:oid:1.2", ""),)),
        ("code", r"a\,b\|c", (TokenValue(None, "a,b|c"),)),
        ("code:text", "kalium", (StringValue("kalium"),)),
        ("specimen", "Specimen/1,2", (ReferenceValue("Specimen", "1"), ReferenceValue("", "2"))),
        ("specimen:Specimen", "1", (ReferenceValue("Specimen", "1"),)),
        ("specimen", "urn:uuid:1", (ReferenceValue("", "", "urn:uuid:1"),)),
        ("performer:identifier", "urn:oid:1.2|9", (TokenValue("urn:oid:1.2", "9"),)),
        ("value-string", "a b", (StringValue("a b"),)),
        ("_profile", "http://x.example/p", (UriValue("http://x.example/p"),)),
        ("value-quantity", "ap5.40", (QuantityValue("ap", Decimal("5.40"), None, ""),)),
        ("value-quantity", "lt5||mg", (QuantityValue("lt", Decimal(5), None, "mg"),)),
        ("value-quantity", "5|urn:x|mg", (QuantityValue("eq", Decimal(5), "urn:x", "mg"),)),
        (
            "code-value-quantity",
            "K$gt4",
            (CompositeValue((TokenValue(None, "K"), QuantityValue("gt", Decimal(4), None, ""))),),
        ),
        ("_id", "a,b-1", (TokenValue(None, "a"), TokenValue(None, "b-1"))),
    ],
)
def test_a_value_is_typed(name: str, text: str, expected: tuple[Any, ...]) -> None:
    assert values(name, text) == expected


def test_a_number_keeps_its_digits() -> None:
    assert values("probability", "gt0.80", type="RiskAssessment") == (NumberValue("gt", Decimal("0.80")),)


@pytest.mark.parametrize(
    "text", ["ge2024-03-14T10:00:00+01:00", "ge2024-03-14T10:00:00 01:00", "ge2024-03-14T09:00:00Z"]
)
def test_a_moment_is_read_with_its_zone_even_where_the_plus_became_a_space(text: str) -> None:
    start = datetime(2024, 3, 14, 9, tzinfo=UTC)
    assert values("date", text) == (DateValue("ge", start, start.replace(second=1)),)


def test_a_date_without_a_zone_is_norwegian_time() -> None:
    assert values("date", "2024-07-01")[0].start == datetime(2024, 6, 30, 22, tzinfo=UTC)


def test_parameters_of_the_result_are_typed() -> None:
    search = read(
        ("_count", "20"),
        ("_total", "accurate"),
        ("_sort", "-date,_lastUpdated"),
        ("_include", "Observation:specimen"),
        ("_include:iterate", "Specimen:parent:Specimen"),
        ("_revinclude", "DiagnosticReport:result"),
        ("_elements", "code,value,Observation.status"),
        ("_summary", "false"),
        ("_format", "json"),
    )
    assert (search.count, search.total, search.summary) == (20, "accurate", "false")
    assert search.sort == (Sort("date", descending=True), Sort("_lastUpdated", descending=False))
    assert search.includes == (
        Include("Observation", "specimen"),
        Include("Specimen", "parent", "Specimen", iterate=True),
    )
    assert search.revincludes == (Include("DiagnosticReport", "result"),)
    assert search.elements == ("code", "value", "status")


def test_an_include_that_goes_on_may_be_repeated_and_counts_once() -> None:
    asked = [("_include:iterate", "Specimen:parent"), ("_include:iterate", "Observation:specimen")]
    back = [("_revinclude:iterate", "DiagnosticReport:result"), ("_revinclude:iterate", "Observation:specimen")]
    search = read(*asked, *asked, *back)
    assert [one.code for one in search.includes] == ["parent", "specimen"]
    assert [one.code for one in search.revincludes] == ["result", "specimen"]


def test_a_star_is_every_reference_of_what_is_served() -> None:
    search = read_served(("_include", "*"), ("_revinclude", "*"))
    assert {one.source for one in search.includes} == {"Observation"}
    codes = {one.code for one in search.includes}
    assert {"specimen", "has-member"} <= codes
    assert codes.isdisjoint({"based-on", "encounter", "subject"}), "they lead to nothing that is served"
    back = {(one.source, one.code, one.target, one.iterate) for one in search.revincludes}
    assert ("DiagnosticReport", "result", "Observation", False) in back
    assert ("DiagnosticReport", "specimen", "Observation", False) not in back
    onward = read_served(("_include:iterate", "*"), ("_revinclude:iterate", "*"))
    assert {one.source for one in onward.includes} == {"Observation", "Specimen", "DiagnosticReport"}
    assert ("DiagnosticReport", "specimen", "", True) in {
        (one.source, one.code, one.target, one.iterate) for one in onward.revincludes
    }
    assert all(one.iterate for one in (*onward.includes, *onward.revincludes))
    own = read_served(("_include:iterate", "DiagnosticReport:*"), ("_include", "Observation:*:Specimen")).includes
    assert Include("DiagnosticReport", "result", iterate=True) in own
    assert Include("Observation", "specimen", "Specimen") in own
    assert not [one for one in own if one.source == "Observation" and one.code == "device"]


def read_served(*pairs: tuple[str, str]) -> Search:
    served = frozenset(("Observation", "Specimen", "DiagnosticReport"))
    return parse("Observation", pairs, page_size=50, page_size_limit=1000, reachable=served)


def test_a_page_is_never_larger_than_the_limit() -> None:
    assert read(("_count", "999999999")).count == 1000
    assert read().count == 50


def test_an_unknown_parameter_is_refused_with_its_name() -> None:
    error = refused(("colour", "red"))
    assert (error.status, error.where) == (400, "colour")
    assert "lenient" in error.todo


def test_lenient_handling_passes_over_unknown_names_and_says_so() -> None:
    assert read(("colour", "red"), ("code", "K"), lenient=True).ignored == ("colour",)
    with pytest.raises(Refusal):
        read(("date", "yesterday"), lenient=True)


def test_neither_a_value_nor_a_name_like_a_person_number_is_repeated() -> None:
    for pairs in ([("01010112345", "x")], [("date", "01010112345x")], [("_id", "01010112345 ")], [("code:x1", "0101")]):
        error = refused(*pairs)
        assert "0101" not in str(error)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code", ""),
        ("code", "a|b|c"),
        ("code", "|"),
        ("code", "K,"),
        ("code:", "K"),
        ("code:in", ""),
        ("code:exact", "K"),
        ("code:missing", "maybe"),
        ("code", "K\x00"),
        ("code", "x" * 3000),
        ("code", ",".join("x" * 501)),
        ("date", "2024-02-30"),
        ("date", "2024-13"),
        ("date", "xx2024"),
        ("date", "2024-03-14T10:00:00+25:00"),
        ("date:exact", "2024"),
        ("value-quantity", "five"),
        ("value-quantity", "NaN"),
        ("value-quantity", "5|mg"),
        ("value-quantity", "5|urn:x|"),
        ("value-quantity", "1e999"),
        ("specimen", "Specimen/"),
        ("specimen", "Nothing/1"),
        ("specimen:Specimen", "Device/1"),
        ("specimen:identifier", "urn:oid:1.2|"),
        ("_filter", "x"),
        ("_id", "a b"),
        ("_id:not", "a"),
        ("_lastUpdated:missing", "true"),
        ("subject:missing", "true"),
        ("code-value-quantity", "K"),
        ("code-value-quantity", "K$4$5"),
        ("_count", "-1"),
        ("_count", "ten"),
        ("_total", "some"),
        ("_summary", "all"),
        ("_text", ""),
        ("_text", "(x"),
        ("_content", "x and"),
        ("_content", "..."),
        ("_list", "1"),
        ("_type", "Observation"),
        ("_query", "x"),
        ("_contained", "both"),
        ("_score", "1"),
        ("_sort", "code-value-quantity"),
        ("_sort", "subject"),
        ("_sort", "_score"),
        ("_include", "*:*"),
        ("_include", "Nothing:*"),
        ("_include", "DiagnosticReport:result"),
        ("_include", "Observation:specimen:Patient"),
        ("_revinclude", "Observation:*:Patient"),
        ("_sort", ""),
        ("_include", "Observation:code"),
        ("_include", "Observation:specimen:Nothing"),
        ("_revinclude", "DiagnosticReport:result:Patient"),
        ("_elements", "colour"),
        ("_pretty", "yes"),
    ],
)
def test_what_is_not_understood_is_refused(name: str, text: str) -> None:
    assert refused((name, text)).status == 400


def test_the_text_alone_is_not_asked_of_what_is_included() -> None:
    assert read(("_summary", "text")).summary == "text"
    for include in (("_include", "Observation:specimen"), ("_revinclude", "DiagnosticReport:result")):
        assert refused(include, ("_summary", "text")).where == "_summary"


def test_only_json_is_answered() -> None:
    assert refused(("_format", "xml")).status == 406


def test_a_result_parameter_stands_once_and_a_search_has_few_parameters() -> None:
    assert refused(("_count", "1"), ("_count", "2")).where == "_count"
    assert refused(*[("code", "K")] * 65).status == 400


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Refusal):
        read(type="Nothing")


@pytest.mark.parametrize("type", TYPES)
def test_every_base_parameter_of_every_type_is_planned_or_refused(type: str) -> None:
    probes = {
        "date": "2024",
        "number": "5",
        "quantity": "5",
        "reference": "1",
        "uri": "urn:x",
        "token": "x",
        "string": "x",
    }
    row = index({"resourceType": type})
    for one in parameters(type).values():
        parts = [probes[part.kind] for part in one.composite[1]] if one.composite else [probes.get(one.kind, "x")]
        try:
            search = read((one.code, "$".join(parts)), type=type)
        except Refusal as error:
            assert error.code == "not-supported"
            continue
        made = plan(search, at=datetime(2026, 1, 1, tzinfo=UTC))
        assert made.match is None or made.match(row.values) is False
        assert made.match_tree is None or made.match_tree({"resourceType": type}) is False


NAMES = st.sampled_from(
    [
        *parameters("Observation"),
        "_sort",
        "_filter",
        "_text",
        "_content",
        "_include:iterate",
        "_count",
        "_include",
        "_revinclude",
        "_elements",
        "_total",
        "_summary",
        "_has",
        "_has:DiagnosticReport:result:code",
        "_has:DiagnosticReport:result:_id",
        "_has:Observation",
        "specimen.type",
        "has-member.specimen.parent.parent.parent",
        "performer:Practitioner._has:Observation:performer:code",
    ]
) | st.text(max_size=8)
MODIFIERS = st.sampled_from(
    [
        "",
        "",
        ":missing",
        ":not",
        ":text",
        ":exact",
        ":identifier",
        ":of-type",
        ":in",
        ":below",
        ":Patient",
        ":Patient.name",
        ":",
    ]
)
TEXTS = st.sampled_from(
    [
        "*",
        "Observation:*",
        'code eq K or not(status ne "x")',
        "specimen.type eq x",
        "date po 2024",
        "(a or b) and c",
        "-code,status",
    ]
) | st.text("0123456789-T:+.,$|\\eglnsab Zz/*å\x00\ud800", max_size=24)


@given(st.lists(st.tuples(st.builds("{}{}".format, NAMES, MODIFIERS), TEXTS), max_size=3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_parameters_are_planned_or_refused(pairs: list[tuple[str, str]], lenient: bool) -> None:
    tree = {
        "resourceType": "Observation",
        "code": {"text": "x"},
        "valueQuantity": {"value": 5},
        "effectiveDateTime": "2024",
    }
    try:
        search = read(*pairs, lenient=lenient)
    except Refusal as error:
        assert 400 <= error.status < 500
        return
    met = tuple(one for one in search.criteria if not is_linked(one))
    made = plan(replace(search, criteria=met), at=datetime(2026, 1, 1, tzinfo=UTC))
    row = index(tree)
    assert made.match is None or made.match(row.values) in (True, False)
    assert made.match_tree is None or made.match_tree(tree) in (True, False)
