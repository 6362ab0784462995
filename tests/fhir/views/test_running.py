"""Rows of a view: counted, united and unrolled as the specification's algorithm says, against a small evaluator of our own."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.fhir.views.columns import Misfit
from kjerne.fhir.views.definition import read
from kjerne.fhir.views.running import ROWS_LIMIT, runner

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = {"name": "id", "path": "id"}


def rows(tree: dict[str, Any], *select: Any, typed: bool = False, **more: Any) -> list[tuple[Any, ...]]:
    view = read({"resource": tree["resourceType"], "select": list(select), **more})
    return runner(view, NOW, typed=typed)(tree)


def value(tree: dict[str, Any], path: str, **more: Any) -> Any:
    ((found,),) = rows(tree, {"column": [{"name": "it", "path": path, **more}]})
    return found


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **more}


def plain(select: dict[str, Any], node: dict[str, Any], place: int = 0) -> list[dict[str, Any]]:
    """The specification's `Process` for paths that are names alone, over dicts: no part of it is the product's."""
    foci = [(node, place)]
    if "forEach" in select or "forEachOrNull" in select:
        found = node.get(select.get("forEach") or select["forEachOrNull"], [])
        foci = [(one, at) for at, one in enumerate(found)]
    made = []
    for one, at in foci:
        parts = [
            [{c["name"]: at if c["path"] == "%rowIndex" else one.get(c["path"]) for c in select.get("column", [])}]
        ]
        parts += [plain(inner, one, at) for inner in select.get("select", [])]
        if "unionAll" in select:
            parts.append([row for inner in select["unionAll"] for row in plain(inner, one, at)])
        made += [{name: got for part in pieces for name, got in part.items()} for pieces in itertools.product(*parts)]
    if not foci and "forEachOrNull" in select:
        names = [c for one in _selects(select) for c in one.get("column", [])]
        made.append({c["name"]: 0 if c["path"] == "%rowIndex" else None for c in names})
    return made


def _selects(select: dict[str, Any]) -> list[dict[str, Any]]:
    found = [select]
    for one in [*select.get("select", []), *select.get("unionAll", [])[:1]]:
        found += _selects(one)
    return found


TEXT = st.text(alphabet="abc", min_size=1, max_size=3)
TELECOM = st.fixed_dictionaries({}, optional={"value": TEXT})
CONTACT = st.fixed_dictionaries({}, optional={"gender": TEXT, "telecom": st.lists(TELECOM, max_size=3)})
PATIENT = st.fixed_dictionaries(
    {"resourceType": st.just("Patient"), "id": TEXT},
    optional={"contact": st.lists(CONTACT, max_size=3), "telecom": st.lists(TELECOM, max_size=3)},
)
LOOP = st.sampled_from(("forEach", "forEachOrNull"))


@st.composite
def selects(draw: st.DrawFn) -> dict[str, Any]:
    """A select over contacts and their telecoms, with what may stand beside and within."""
    inner = {draw(LOOP): "telecom", "column": [{"name": "b", "path": "value"}, {"name": "at", "path": "%rowIndex"}]}
    select: dict[str, Any] = {draw(LOOP): "contact", "column": [{"name": "a", "path": "gender"}]}
    if draw(st.booleans()):
        select["column"].append({"name": "place", "path": "%rowIndex"})
    match draw(st.integers(0, 2)):
        case 0:
            select["select"] = [inner]
        case 1:
            bare = {"column": [{"name": "b", "path": "gender"}, {"name": "at", "path": "%rowIndex"}]}
            select["unionAll"] = draw(st.permutations([inner, bare]))
    return select


@given(tree=PATIENT, select=selects(), beside=st.booleans())
def test_rows_are_those_of_an_evaluator_of_our_own(tree: dict[str, Any], select: dict[str, Any], beside: bool) -> None:
    every = [{"column": [ID]}, select]
    if beside:
        every.append({"forEachOrNull": "telecom", "column": [{"name": "own", "path": "value"}]})
    names = [one.name for one in read({"resource": "Patient", "select": every}).columns]
    found = [dict(zip(names, row, strict=True)) for row in rows(tree, *every)]
    wanted = plain({"select": every}, tree)
    assert Counter(map(repr, map(sorted, map(dict.items, found)))) == Counter(
        map(repr, map(sorted, map(dict.items, wanted)))
    )


@given(tree=PATIENT)
def test_siblings_multiply_and_a_union_adds_up(tree: dict[str, Any]) -> None:
    contacts = {"forEach": "contact", "column": [{"name": "a", "path": "gender"}]}
    telecoms = {"forEach": "telecom", "column": [{"name": "b", "path": "value"}]}
    named = {"forEach": "telecom", "column": [{"name": "a", "path": "value"}]}
    one, two = len(rows(tree, contacts)), len(rows(tree, telecoms))
    assert len(rows(tree, contacts, telecoms)) == one * two
    union = rows(tree, {"unionAll": [contacts, named]})
    assert Counter(union) == Counter(rows(tree, contacts) + rows(tree, named))
    assert len(union) == one + two


def test_repeat_goes_down_each_branch_before_the_next_and_counts_all() -> None:
    tree = {
        "resourceType": "QuestionnaireResponse",
        "item": [
            {"linkId": "1", "item": [{"linkId": "1.1"}]},
            {
                "linkId": "2",
                "answer": [{"valueBoolean": True, "item": [{"linkId": "2.1", "item": [{"linkId": "2.1.1"}]}]}],
            },
        ],
    }
    found = rows(
        tree,
        {
            "repeat": ["item", "answer.item"],
            "column": [{"name": "place", "path": "%rowIndex"}, {"name": "link", "path": "linkId"}],
        },
    )
    assert found == [(0, "1"), (1, "1.1"), (2, "2"), (3, "2.1"), (4, "2.1.1")]


def test_a_repeat_without_an_end_and_too_many_rows_are_refused() -> None:
    with pytest.raises(Misfit, match="does not come to an end"):
        rows(patient(name=[{"family": "A"}]), {"repeat": ["$this"], "column": [{"name": "a", "path": "'x'"}]})
    many = [{"value": str(number)} for number in range(50)]
    loops = [{"forEach": "telecom", "column": [{"name": name, "path": "value"}]} for name in "abcd"]
    with pytest.raises(Misfit, match=f"more than {ROWS_LIMIT} rows"):
        rows(patient(telecom=many), *loops)


def test_what_was_computed_once_is_computed_anew_for_each_row() -> None:
    found = rows(
        patient(name=[{"family": "A"}, {"family": "B"}]),
        {"forEach": "name", "column": [{"name": "a", "path": "%rowIndex + 1"}], "select": [
            {"forEachOrNull": "given", "column": [{"name": "b", "path": "%rowIndex + 1"}]},
            {"column": [{"name": "c", "path": "%rowIndex * 10"}]},
        ]},
    )  # fmt: skip
    assert found == [(1, None, 0), (2, None, 10)]


def test_keys_join_and_lead_nowhere_where_whose_they_are_cannot_be_told() -> None:
    def key(reference: str, path: str = "subject.getReferenceKey(Patient)") -> Any:
        return value({"resourceType": "Observation", "subject": {"reference": reference}}, path)

    assert value(patient(), "getResourceKey()") == key("Patient/p1") == key("Patient/p1/_history/3") == "p1"
    assert key("Group/p1", "subject.getReferenceKey()") == "p1"
    for other in ("Group/p1", "#p1", "urn:uuid:p1", "https://other.example/fhir/Patient/p1", "p1", "Patient/"):
        assert key(other) is None


def test_a_value_is_as_it_was_written() -> None:
    tree = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.50")}, "code": {"text": "x"}}
    assert str(value(tree, "value.ofType(Quantity).value")) == "1.50"
    assert value(tree, "code", type="CodeableConcept") == {"text": "x"}
    assert value(tree, "now()", type="dateTime") == NOW.isoformat()


@pytest.mark.parametrize("given", [1.5, Decimal("1.50"), 1])
def test_a_constant_is_compared_as_what_it_is(given: Any) -> None:
    tree = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.5")}}
    constant = [{"name": "limit", "valueDecimal": given}, {"name": "day", "valueDate": "2024-02"}]
    column = {"column": [{"name": "it", "path": "value.ofType(Quantity).value = %limit and @2024-02 = %day"}]}
    assert rows(tree, column, constant=constant) == [(given != 1,)]


def test_what_has_no_value_is_null_and_no_item_of_a_list() -> None:
    tree = patient(name=[{"given": [None, "B"], "_given": [{"extension": []}, None]}], _birthDate={"extension": []})
    assert value(tree, "name.given") == "B"
    assert value(tree, "name.given", collection=True) == ["B"]
    assert value(tree, "birthDate") is None
    assert value(patient(), "name.given", collection=True) == []


def test_a_column_that_gets_more_or_another_than_it_says_is_refused() -> None:
    tree = patient(
        name=[{"given": ["A", "B"]}], active="yes", extension=[{"url": "u", "valuePeriod": {"start": "2024"}}]
    )
    for path, more, says in (
        ("name.given", {}, "several values"),
        ("active", {"type": "boolean"}, "of the type boolean, and got a text"),
        ("extension.value", {}, "got a structure"),
        ("name.given + 'x'", {"type": "string"}, "no answer here"),
    ):
        with pytest.raises(Misfit) as refused:
            value(tree, path, **more)
        assert says in refused.value.says
        assert refused.value.where.startswith("ViewDefinition.select[0].column[0]")
        assert "yes" not in str(refused.value)


def test_a_condition_takes_in_or_leaves_out() -> None:
    column = {"column": [ID]}
    for path, count in (("active", 1), ("active.not()", 0), ("deceased.exists()", 0), ("%on = active", 1)):
        constant = [{"name": "on", "valueBoolean": True}]
        assert len(rows(patient(active=True), column, where=[{"path": path}], constant=constant)) == count
    with pytest.raises(Misfit, match="not true or false"):
        rows(patient(active="yes"), column, where=[{"path": "active"}])
