"""Search parameters, profiles, forms and value sets say what can be."""

from __future__ import annotations

from typing import Any

import pytest

from counting import steps
from kjerne.fhir.conformance import structure_definition
from kjerne.fhir.validate import check

PARAMETER = {
    "resourceType": "SearchParameter", "url": "urn:x", "name": "X", "status": "active", "description": "x", "code": "name",
    "base": ["Organization"], "type": "string", "derivedFrom": "http://hl7.org/fhir/SearchParameter/Organization-name",
}  # fmt: skip
PROFILE = {
    "resourceType": "StructureDefinition", "url": "urn:x", "name": "X", "status": "draft", "kind": "resource", "abstract": False,
    "type": "Observation", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation", "derivation": "constraint",
}  # fmt: skip


def broken(tree: dict[str, Any]) -> list[tuple[str, str]]:
    type = tree["resourceType"]
    return [(fault.where.removeprefix(f"{type}."), fault.rule) for fault in check(tree, type)]


def test_a_derived_search_parameter_keeps_what_it_is_derived_from() -> None:
    assert broken(PARAMETER) == []
    assert broken(PARAMETER | {"type": "token"}) == [("type", "derived-type")]
    assert broken(PARAMETER | {"base": ["Patient"]}) == [("base[0]", "derived-base")]


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("Observation.value[x]", True),
        ("Observation.valueQuantity.unit", True),
        ("Observation.code.coding.system", True),
        ("Observation.component.referenceRange.low", True),
        ("Observation.contained.anything", True),
        ("Observation.valueBla", False),
        ("Observation.code.nothing", False),
        ("Patient.name", False),
    ],
)
def test_a_profile_speaks_of_elements_that_there_are(path: str, right: bool) -> None:
    tree = PROFILE | {"differential": {"element": [{"id": path, "path": path}]}}
    assert (("differential.element[0].path", "known-path") not in broken(tree)) == right


def question(link_id: str, asks: str = "", **members: Any) -> dict[str, Any]:
    condition = [{"question": asks, "operator": "=", "answerBoolean": True}]
    return {"linkId": link_id, "type": "boolean"} | ({"enableWhen": condition} if asks else {}) | members


@pytest.mark.parametrize(
    ("items", "where"),
    [
        ([question("a"), question("b", "a")], None),
        ([question("b", "a"), question("a")], None),
        ([question("a", "a")], "item[0].enableWhen[0].question"),
        ([question("a", "c")], "item[0].enableWhen[0].question"),
        ([question("g", "in", type="group", item=[question("in")])], "item[0].enableWhen[0].question"),
        ([question("g", type="group", item=[question("in", "g")])], None),
    ],
)
def test_a_question_depends_on_another_question(items: list[dict[str, Any]], where: str | None) -> None:
    form = {"resourceType": "Questionnaire", "status": "draft", "item": items}
    assert broken(form) == ([] if where is None else [(where, "enable-when")])


def value_set(**include: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": "urn:x", "status": "draft", "compose": {"include": [include]}}


def test_a_value_set_includes_code_systems_and_their_codes() -> None:
    snomed, category = "http://snomed.info/sct", "http://terminology.hl7.org/CodeSystem/observation-category"
    where = "compose.include[0]"
    constraint = {"property": "constraint", "op": "="}
    assert broken(value_set(system=category, concept=[{"code": "laboratory"}])) == []
    assert broken(value_set(system=category, concept=[{"code": "x"}])) == [(f"{where}.concept[0].code", "known-code")]
    assert broken(value_set(system="http://hl7.org/fhir/ValueSet/languages")) == [(f"{where}.system", "no-value-set")]
    assert broken(value_set(system=snomed, filter=[constraint | {"value": "<< 404684003"}])) == []
    wrong = value_set(system=snomed, filter=[constraint | {"value": "404684003 << 404684003"}])
    assert broken(wrong) == [(f"{where}.filter[0].value", "ecl")]


@pytest.mark.parametrize(
    ("expression", "rule"), [("%p-active", None), ("%p-other", "parameter"), ("%p-active +", "fhirpath")]
)
def test_a_filter_uses_the_value_sets_own_parameters(expression: str, rule: str | None) -> None:
    computed = {"language": "text/fhirpath", "expression": expression}
    extension = {"url": "http://hl7.org/fhir/StructureDefinition/cqf-expression", "valueExpression": computed}
    tree = value_set(system="urn:y", filter=[{"property": "p", "op": "=", "_value": {"extension": [extension]}}])
    named = {"url": "name", "valueCode": "p-active"}
    tree["extension"] = [
        {"url": "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter", "extension": [named]}
    ]
    assert broken(tree) == ([] if rule is None else [("compose.include[0].filter[0].value", rule)])


def test_a_code_system_without_content_lists_none() -> None:
    system = {"resourceType": "CodeSystem", "url": "urn:x", "status": "draft", "content": "not-present"}
    assert broken(system) == []
    assert broken(system | {"concept": [{"code": "x"}]}) == [("concept", "content")]


def test_a_long_path_is_gone_along_and_not_through_all_that_a_type_has_at_each_step() -> None:
    def known(length: int) -> bool:
        path = "Patient" + ".extension" * length + ".nothing"
        tree = {"type": "Patient", "derivation": "constraint", "differential": {"element": [{"path": path}]}}
        return not structure_definition(tree)

    assert not known(10)
    # A type has some sixty members.
    assert steps(lambda: known(2_000)) < 2_000 * 60
