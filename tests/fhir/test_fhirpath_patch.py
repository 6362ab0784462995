"""FHIRPath Patch: each operation, lists of primitives with what stands beside them, choices of types, and refusals."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.encode import encode
from kjerne.fhir.fhirpath_patch import apply, read
from kjerne.fhir.validate import check

Tree = dict[str, Any]
RESULT: Tree = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "urn:a", "code": "1"}, {"system": "urn:b", "code": "2"}]},
    "effectiveDateTime": "2026-03-02",
    "valueQuantity": {"value": Decimal("1.10"), "unit": "mmol/L"},
}
PERSON: Tree = {
    "resourceType": "Patient",
    "name": [{"use": "official", "given": ["Kari", "Anne"], "_given": [None, {"id": "g2"}]}, {"use": "usual", "text": "Kari"}],
    "birthDate": "1980-01-01",
    "_birthDate": {"extension": [{"url": "http://x/time", "valueTime": "10:00:00"}]},
}  # fmt: skip


def operation(type_: str, path: str, **parts: Any) -> Tree:
    """`value_String="x"` is a part of the name value; `name` and numbers have their own types."""
    made: list[Tree] = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name.startswith("value"):
            made.append({"name": "value", **value})
        else:
            made.append({"name": name, ("valueString" if name == "name" else "valueInteger"): value})
    return {"name": "operation", "part": made}


def parameters(*operations: Tree) -> Tree:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def patched(tree: Tree, *operations: Tree) -> Tree:
    sent = parameters(*operations)
    assert check(sent, "Parameters") == []
    return apply(deepcopy(tree), read(sent))


def refusal(tree: Tree, *operations: Tree) -> Refusal:
    with pytest.raises(Refusal) as caught:
        apply(deepcopy(tree), read(parameters(*operations)))
    return caught.value


def test_what_is_not_touched_keeps_its_digits_and_its_order() -> None:
    after = patched(RESULT, operation("replace", "Observation.status", value={"valueCode": "amended"}))
    assert encode(after) == encode(RESULT).replace(b"final", b"amended")


def test_a_choice_is_named_by_its_element_and_takes_the_type_of_the_value() -> None:
    words = patched(RESULT, operation("replace", "Observation.value", value={"valueString": "low"}))
    assert list(words) == ["resourceType", "status", "code", "effectiveDateTime", "valueString"]
    again = patched(words, operation("delete", "Observation.value.ofType(string)"),
                    operation("add", "Observation", name="value", value={"valueInteger": 3}))  # fmt: skip
    assert (again["valueInteger"], "valueString" in again) == (3, False)
    for name in ("value", "valueInteger", "value[x]"):
        told = refusal(again, operation("add", "Observation", name=name, value={"valueInteger": 4}))
        assert "there already" in told.says
    bad = refusal(RESULT, operation("replace", "Observation.value", value={"valueUri": "urn:x"}))
    assert "no value of this type" in bad.says


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("Patient.name[0].given[0]", ["Anne"]),
        ("Patient.name.where(use = 'official').given.last()", ["Kari"]),
        ("Patient.name.where(use = 'official' and given.exists()).given.first()", ["Anne"]),
        ("Patient.name.first().`given`[1]", ["Kari"]),
        ("Patient.name.where(use = 'old').given", ["Kari", "Anne"]),
    ],
)
def test_a_place_is_named_in_a_small_language(path: str, left: list[str]) -> None:
    assert patched(PERSON, operation("delete", path))["name"][0]["given"] == left


def test_a_list_of_primitives_keeps_the_list_beside_it_in_step() -> None:
    first = "Patient.name[0]"
    inserted = patched(PERSON, operation("insert", f"{first}.given", index=0, value={"valueString": "Eva"}))
    assert inserted["name"][0] == {
        "use": "official",
        "given": ["Eva", "Kari", "Anne"],
        "_given": [None, None, {"id": "g2"}],
    }
    moved = patched(PERSON, operation("move", f"{first}.given", source=1, destination=0))
    assert moved["name"][0] == {"use": "official", "given": ["Anne", "Kari"], "_given": [{"id": "g2"}, None]}
    gone = patched(PERSON, operation("delete", f"{first}.given[1]"))
    assert gone["name"][0] == {"use": "official", "given": ["Kari"]}
    other = patched(PERSON, operation("replace", f"{first}.given[1]", value={"valueString": "Ane"}))
    assert other["name"][0] == {"use": "official", "given": ["Kari", "Ane"]}


def test_a_primitive_has_extensions_beside_it() -> None:
    gone = patched(PERSON, operation("delete", "Patient.birthDate.extension('http://x/time')"))
    assert "_birthDate" not in gone and gone["birthDate"] == "1980-01-01"
    extension = {"part": [{"name": "url", "valueUri": "http://y"}, {"name": "value", "valueBoolean": True}]}
    added = patched(gone, operation("add", "Patient.birthDate", name="extension", value=extension))
    assert added["_birthDate"] == {"extension": [{"url": "http://y", "valueBoolean": True}]}
    changed = patched(
        PERSON,
        operation("replace", "Patient.birthDate.extension('http://x/time').value", value={"valueTime": "11:00:00"}),
    )
    assert changed["_birthDate"]["extension"][0]["valueTime"] == "11:00:00"
    assert "_birthDate" not in patched(
        PERSON, operation("replace", "Patient.birthDate", value={"valueDate": "1980-01-02"})
    )


def test_what_has_no_type_of_its_own_is_built_from_its_parts() -> None:
    parts = {
        "part": [
            {"name": "code", "valueCodeableConcept": {"text": "x"}},
            {"name": "value", "valueQuantity": {"value": 1}},
        ]
    }
    after = patched(RESULT, operation("add", "Observation", name="component", value=parts))
    assert after["component"] == [{"code": {"text": "x"}, "valueQuantity": {"value": 1}}]
    assert check(after, "Observation") == []
    held = {"resource": {"resourceType": "Device", "id": "d"}}
    assert patched(RESULT, operation("add", "Observation", name="contained", value=held))["contained"] == [
        held["resource"]
    ]


def test_what_an_operation_leaves_empty_is_taken_away() -> None:
    one = {**RESULT, "code": {"coding": [{"code": "1"}]}, "note": [{"text": "x"}]}
    assert patched(one, operation("delete", "Observation.note[0].text")).keys() == RESULT.keys()
    assert "code" not in patched(one, operation("delete", "Observation.code.coding.code"))


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (operation("replace", "Observation.note", value={"valueString": "x"}), 422, "nothing at this path"),
        (operation("delete", "Observation.code.coding"), 422, "leads to 2 places"),
        (operation("delete", "Observation"), 422, "the resource itself stays"),
        (operation("delete", "Patient.name"), 422, "does not begin at Observation"),
        (operation("delete", "Observation.nothing"), 422, "no element of this name"),
        (operation("add", "Observation", name="nothing", value={"valueString": "x"}), 422, "no element of this name"),
        (operation("add", "Observation", name="status", value={"valueCode": "final"}), 422, "there already"),
        (
            operation("add", "Observation", name="method", value={"valueQuantity": {"value": 1}}),
            422,
            "no value of this type",
        ),
        (operation("add", "Observation", value={"valueString": "x"}), 400, "name is missing"),
        (operation("add", "Observation", name="note"), 400, "value is missing"),
        (operation("insert", "Observation.status", index=0, value={"valueCode": "x"}), 422, "status is no list"),
        (operation("insert", "Observation.code.coding[0]", index=0, value={"valueCoding": {}}), 422, "name of a list"),
        (
            operation("insert", "Observation.code.coding", index=3, value={"valueCoding": {"code": "x"}}),
            422,
            "has 2 items",
        ),
        (operation("insert", "Observation.code.coding", value={"valueCoding": {"code": "x"}}), 400, "index is missing"),
        (operation("move", "Observation.code.coding", source=0, destination=2), 422, "has 2 items"),
        (operation("move", "Observation.code.coding", source=0, destination=-1), 400, "destination is missing"),
        (operation("rename", "Observation.status"), 400, "type is a valueCode"),
        (operation("delete", "Observation.subject.resolve().name"), 400, "resolve is not understood"),
        (operation("delete", "Observation.code.coding.where(code ~ 'x')"), 400, "not one that is understood"),
        (operation("delete", "Observation" + ".code" * 70), 400, "at most 64 steps"),
        (operation("delete", "a." + "a.where(" * 249), 400, "at most 4 conditions"),
    ],
)
def test_a_refusal_names_the_operation_and_its_path(sent: Tree, status: int, says: str) -> None:
    told = refusal(RESULT, operation("replace", "Observation.status", value={"valueCode": "final"}), sent)
    assert (told.status, says in told.says) == (status, True), told.says
    assert told.says.startswith("operation 2: ") and told.where.startswith("operation 2")


NAMELESS: Tree = {"_name": {"extension": [{"url": "urn:x", "valueString": "y"}]}, "valueString": "x"}


@pytest.mark.parametrize("held", [[NAMELESS], [{"name": "value", "part": [NAMELESS]}]])
def test_a_part_without_a_name_is_refused(held: list[Tree]) -> None:
    sent = operation("add", "Observation.code", name="coding")
    sent["part"] += held
    assert check(parameters(sent), "Parameters") == []
    told = refusal(RESULT, sent)
    assert (told.status, told.where) == (400, "operation 1, Observation.code")
    assert "has no name" in told.says


@pytest.mark.parametrize("type_", ["add", "replace"])
def test_operations_can_be_applied_again(type_: str) -> None:
    path = {"add": "Observation", "replace": "Observation.code"}[type_]
    name, value = {"add": "bodySite", "replace": "code"}[type_], {"valueCodeableConcept": {"coding": [{"code": "x"}]}}
    first = operation(type_, path, name=name, value=value)
    more = operation("add", f"Observation.{name}", name="coding", value={"valueCoding": {"code": "y"}})
    operations = read(parameters(first, more))
    assert encode(apply(deepcopy(RESULT), operations)) == encode(apply(deepcopy(RESULT), operations))


def test_what_stands_in_quotes_is_not_repeated() -> None:
    told = refusal(
        RESULT,
        operation("add", "Observation.code.coding.where(code = '13868099910')", name="x", value={"valueCode": "x"}),
    )
    assert told.where == "operation 1, Observation.code.coding.where(code = '')"


def test_a_patch_is_made_of_operations_alone() -> None:
    with pytest.raises(Refusal) as caught:
        read({"resourceType": "Parameters", "parameter": [{"name": "patch"}]})
    assert caught.value.status == 400
    with pytest.raises(Refusal) as caught:
        read(parameters(*[operation("delete", "Observation.note")] * 101))
    assert caught.value.status == 413
    twice = operation("delete", "Observation.note")
    twice["part"].append({"name": "path", "valueString": "Observation"})
    assert refusal(RESULT, twice).status == 400


codes = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(codes, st.data())
def test_a_move_back_and_a_deletion_after_an_insertion_undo(given_codes: list[str], data: st.DataObject) -> None:
    tree = {**RESULT, "code": {"coding": [{"code": code} for code in given_codes]}}
    last, path = len(given_codes) - 1, "Observation.code.coding"
    source, destination = data.draw(st.integers(0, last)), data.draw(st.integers(0, last))
    there = operation("move", path, source=source, destination=destination)
    back = operation("move", path, source=destination, destination=source)
    assert patched(tree, there, back) == tree
    at = data.draw(st.integers(0, last + 1))
    inserted = operation("insert", path, index=at, value={"valueCoding": {"code": "new"}})
    assert patched(tree, inserted, operation("delete", f"{path}[{at}]")) == tree
    replaced = operation("replace", f"{path}[{source}].code", value={"valueCode": "z"})
    assert patched(tree, replaced) == patched(tree, replaced, replaced)


names = st.sampled_from(["type", "path", "name", "value", "index", "source", "destination", "x"])
texts = st.sampled_from(
    ["add", "insert", "delete", "replace", "move", "Patient", "Patient.name", "Patient.name.given", "Patient.birthDate",
     "Patient.name[0].given[1]", "Patient.name.where(a.where(b = 1).exists())", "Patient.name.extension('x')", "given",
     "name", "birthDate", "extension", "contained", "deceased", "x", "Patient.deceased", "Patient.name.ofType(HumanName)"]
)  # fmt: skip
_extended = st.just({"extension": [{"url": "urn:x", "valueString": "y"}]})
_simple = st.one_of(
    st.fixed_dictionaries({"valueString": texts}),
    st.fixed_dictionaries({"valueCode": texts.filter(str.isalpha)}),
    st.fixed_dictionaries({"valueInteger": st.integers(-1, 3)}),
    st.fixed_dictionaries({"_valueString": _extended}),
    st.just({"valueHumanName": {"family": "A", "_given": [{"id": "g"}]}}),
    st.just({"resource": {"resourceType": "Device", "id": "d"}}),
    st.just({"valueBoolean": True}),
)
_named = st.one_of(st.fixed_dictionaries({"name": names}), st.fixed_dictionaries({"_name": _extended}))
part = st.recursive(
    st.tuples(_named, _simple).map(lambda pair: pair[0] | pair[1]),
    lambda inner: st.tuples(_named, st.lists(inner, min_size=1, max_size=3)).map(
        lambda pair: pair[0] | {"part": pair[1]}
    ),
    max_leaves=4,
)
whole = st.builds(
    lambda type_, path, name, index, value, more: {
        "name": "operation",
        "part": [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path},
                 {"name": "name", "valueString": name}, {"name": "index", "valueInteger": index},
                 {"name": "source", "valueInteger": index}, {"name": "destination", "valueInteger": 0},
                 {**{key: one for key, one in value.items() if key != "_name"}, "name": "value"}, *more],
    },
    st.sampled_from(["add", "insert", "delete", "replace", "move"]), texts, texts, st.integers(0, 2), part,
    st.lists(part.filter(lambda one: one.get("name") == "x"), max_size=1),
)  # fmt: skip
loose = st.fixed_dictionaries({"name": st.just("operation"), "part": st.lists(part, min_size=1, max_size=5)})


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(whole, loose), min_size=1, max_size=4))
def test_whatever_a_valid_body_holds_is_done_or_refused(sent: list[Tree]) -> None:
    body = parameters(*sent)
    if check(body, "Parameters"):
        return
    try:
        encode(apply(deepcopy(PERSON), read(body)))
    except Refusal as told:
        assert told.status in (400, 422)
