"""What is wrong in a ViewDefinition is told before a file is read: what, where, and what to do."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.views.definition import DEPTH_LIMIT, read
from kjerne.fhir.views.shelf import definition, names
from spoiled import spoiled

ID = {"name": "id", "path": "id"}


def view(*select: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "ViewDefinition", "resource": "Patient", "select": list(select), **more}


def column(path: str, **more: Any) -> dict[str, Any]:
    return view({"column": [{"name": "it", "path": path, **more}]})


def deep(levels: int) -> dict[str, Any]:
    return {"select": [deep(levels - 1)]} if levels else {"column": [ID]}


@pytest.mark.parametrize(
    ("tree", "where", "says"),
    [
        ([], "ViewDefinition", "a JSON object"),
        ({}, "ViewDefinition", "no resource"),
        ({"resource": "Patient"}, "ViewDefinition", "no select"),
        ({"resource": "Person2", "select": []}, "ViewDefinition.resource", "no such type"),
        (view(), "ViewDefinition.select", "with something in it"),
        (view({}), "ViewDefinition.select[0]", "no column"),
        (view({"column": []}), "ViewDefinition.select[0]", "no column"),
        (view({"columns": [ID]}), "ViewDefinition.select[0]", "columns is not known"),
        (view({"column": [ID]}, wher=[]), "ViewDefinition", "wher is not known"),
        (view({"column": [ID]}, fhirVersion=["5.0.0"]), "ViewDefinition.fhirVersion", "another version"),
        (view({"column": [{"path": "id"}]}), "ViewDefinition.select[0].column[0]", "no name"),
        (view({"column": [{**ID, "tags": []}]}), "ViewDefinition.select[0].column[0]", "tags is not known"),
        (view({"column": [{"name": "_id", "path": "id"}]}), "ViewDefinition.select[0].column[0].name", "a name is"),
        (view({"column": [ID, {"name": "ID", "path": "id"}]}), "ViewDefinition.select[0].column[1]", "two columns"),
        (view({"forEach": "name", "repeat": ["name"], "column": [ID]}), "ViewDefinition.select[0]", "stand together"),
        (view({"repeat": "name", "column": [ID]}), "ViewDefinition.select[0].repeat", "a list of paths"),
        (view({"forEach": "name..given", "column": [ID]}), "ViewDefinition.select[0].forEach", "cannot be read"),
        (view({"forEach": 1, "column": [ID]}), "ViewDefinition.select[0].forEach", "a path is a text"),
        (column("gender = %gender"), "ViewDefinition.select[0].column[0].path", "no constant gender"),
        (column("generalPractitioner.resolve().id"), "ViewDefinition.select[0].column[0].path", "resolve()"),
        (column("name"), "ViewDefinition.select[0].column[0].path", "a structure (HumanName)"),
        (column("birthDate", type="integer"), "ViewDefinition.select[0].column[0].type", "of date"),
        (column("name.count()", type="boolean"), "ViewDefinition.select[0].column[0].type", "of integer"),
        (column("id", type="strng"), "ViewDefinition.select[0].column[0].type", "no such type"),
        (column("id", collection="yes"), "ViewDefinition.select[0].column[0].collection", "true or false"),
        (
            column("id", tag=[{"name": "ansi/type", "value": "TEXT; DROP"}]),
            "ViewDefinition.select[0].column[0].tag",
            "SQL",
        ),
        (view({"column": [ID]}, where=[{"path": "name.family"}]), "ViewDefinition.where[0].path", "true or false"),
        (view({"column": [ID]}, constant=[{"name": "a"}]), "ViewDefinition.constant[0]", "one value"),
        (
            view({"column": [ID]}, constant=[{"name": "rowIndex", "valueInteger": 1}]),
            "ViewDefinition.constant[0].name",
            "of that name already",
        ),
        (
            view({"column": [ID]}, constant=[{"name": "a", "valueInteger": True}]),
            "ViewDefinition.constant[0].valueInteger",
            "no integer",
        ),
        (
            view({"unionAll": [{"column": [ID]}, {"column": [{"name": "it", "path": "id"}]}]}),
            "ViewDefinition.select[0].unionAll[1]",
            "not those of the first",
        ),
        (
            view({"unionAll": [{"column": [ID]}, {"column": [{"name": "id", "path": "active"}]}]}),
            "ViewDefinition.select[0].unionAll[1]",
            "of another type",
        ),
    ],
)
def test_a_view_that_is_wrong_is_refused_with_its_place(tree: Any, where: str, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(tree)
    assert refused.value.status == 422
    assert (refused.value.where, says in refused.value.says) == (where, True), str(refused.value)


def test_selects_within_each_other_have_a_limit() -> None:
    assert read(view(deep(DEPTH_LIMIT))).columns
    with pytest.raises(Refusal, match="deep"):
        read(view(deep(DEPTH_LIMIT + 1)))


def test_a_spoiled_view_is_read_or_refused() -> None:
    draw, ended = random.Random(20261126), set[str]()
    for name in names():
        for _ in range(20):
            try:
                ended.add(read(spoiled(definition(name), draw)).resource and "read")
            except Refusal as refused:
                assert refused.where.startswith("ViewDefinition")
                ended.add("refused")
    assert ended == {"read", "refused"}


def test_an_element_that_r4_does_not_have_is_noted_and_not_refused() -> None:
    made = read(view({"column": [ID, {"name": "a", "path": "nmae.family"}]}))
    assert made.notes == (
        "ViewDefinition.select[0].column[1].path: Patient has no element nmae, so nothing is found there",
    )
    answers = {"repeat": ["item", "answer.item"], "column": [{"name": "id", "path": "linkId"}]}
    assert read({"resource": "QuestionnaireResponse", "select": [answers]}).notes == ()


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("id", "id"),
        ("Patient.birthDate", "date"),
        ("name.given.join(' ')", "string"),
        ("name.where(use = 'official').family.first()", "string"),
        ("contact.telecom.system.first()", "code"),
        ("deceased.ofType(boolean)", "boolean"),
        ("deceased", ""),
        ("%rowIndex", "integer"),
        ("%rowIndex + 1", "integer"),
        ("name.exists() and active", "boolean"),
        ("birthDate.lowBoundary()", "date"),
        ("iif(active, 'a', 'b')", "string"),
        ("extension('http://example.org').value", ""),
        ("multipleBirth.ofType(integer) | 1", "integer"),
        ("meta.lastUpdated", "instant"),
        ("getResourceKey()", "string"),
        ("contained.id", ""),
        ("@2024-01-01", "date"),
    ],
)
def test_a_column_has_the_type_that_its_path_tells(path: str, type_: str) -> None:
    assert [one.type for one in read(column(path)).columns] == [type_]


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ("http://hl7.org/fhir/StructureDefinition/code", "code"),
        ("http://hl7.org/fhirpath/System.String", "string"),
        ("string", "string"),
    ],
)
def test_a_type_may_be_an_address(given: str, type_: str) -> None:
    (made,) = read(column("gender", type=given)).columns
    assert made.type == type_


def test_columns_stand_in_the_order_of_the_specification() -> None:
    def named(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "path": "id"} for name in names]

    first = {
        "unionAll": [{"column": named("e", "f")}, {"column": named("e", "f")}],
        "select": [{"column": named("c", "d")}],
        "column": named("a", "b"),
    }
    assert [one.name for one in read(view(first, {"column": named("g")})).columns] == list("abcdefg")
