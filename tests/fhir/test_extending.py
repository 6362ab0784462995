"""HL7's own extensions: known, where they belong, with the value they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from counting import growth
from kjerne.fhir.validate import check

HL7 = "http://hl7.org/fhir/StructureDefinition/"
BIRTH_TIME = {"url": f"{HL7}patient-birthTime", "valueDateTime": "1974-12-25T14:35:45-05:00"}
MOTHER = {"url": f"{HL7}humanname-mothers-family", "valueString": "x"}
ABSENT = {"url": f"{HL7}data-absent-reason", "valueCode": "unknown"}
CITIZEN = {"url": f"{HL7}patient-nationality", "extension": [{"url": "code", "valueCodeableConcept": {"text": "x"}}]}


def broken(**members: Any) -> list[str]:
    tree = {"resourceType": "Patient", **members}
    return [fault.rule for fault in check(tree, "Patient")]


@pytest.mark.parametrize(
    "members",
    [
        {"birthDate": "1974-12-25", "_birthDate": {"extension": [BIRTH_TIME]}},
        {"name": [{"family": "x", "_family": {"extension": [MOTHER]}}]},
        {"name": [{"_family": {"extension": [ABSENT]}}]},
        {"contact": [{"name": {"family": "x", "_family": {"extension": [MOTHER]}}}]},
        {"extension": [CITIZEN]},
        {"extension": [{"url": "urn:x", "valueString": "y"}]},
        {"extension": [{"url": "urn:x", "extension": [{"url": "part", "valueString": "y"}]}]},
        {"extension": [{"url": "urn:x", "extension": [ABSENT]}]},
    ],
)
def test_an_extension_in_its_place_is_right(members: dict[str, Any]) -> None:
    assert broken(**members) == []


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ({"extension": [BIRTH_TIME]}, "extension-context"),
        ({"name": [{"family": "x", "extension": [MOTHER]}]}, "extension-context"),
        ({"name": [{"given": ["x"], "_given": [{"extension": [MOTHER]}]}]}, "extension-context"),
        ({"extension": [{"url": "urn:x", "extension": [BIRTH_TIME]}]}, "extension-context"),
        ({"extension": [{"url": f"{HL7}nobody-knows", "valueString": "x"}]}, "known-extension"),
        ({"extension": [{"url": "relative", "valueString": "x"}]}, "absolute-extension"),
        ({"_birthDate": {"extension": [{"url": BIRTH_TIME["url"], "valueString": "x"}]}}, "extension-value"),
        ({"extension": [{"url": CITIZEN["url"], "valueString": "x"}]}, "extension-value"),
        ({"extension": [CITIZEN | {"extension": [{"url": "no", "valueString": "x"}]}]}, "extension-part"),
        ({"extension": [CITIZEN | {"extension": CITIZEN["extension"] * 2}]}, "extension-part"),  # type: ignore[operator]
        ({"modifierExtension": [CITIZEN]}, "extension-modifier"),
        ({"extension": [{"url": "urn:x", "valueString": "x", "extension": [ABSENT]}]}, "ext-1"),
    ],
)
def test_an_extension_out_of_its_place_is_named(members: dict[str, Any], rule: str) -> None:
    assert rule in broken(**members)


def test_an_extension_is_judged_in_the_resource_that_it_stands_in() -> None:
    inner = {"resourceType": "Patient", "birthDate": "1974", "_birthDate": {"extension": [BIRTH_TIME]}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:1", "resource": inner}]}
    assert check(bundle, "Bundle") == []
    contained = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "#p"},
    }
    assert check(contained | {"contained": [inner | {"id": "p"}]}, "Observation") == []
    wrong = inner | {"extension": [BIRTH_TIME]}
    found = check(contained | {"contained": [wrong | {"id": "p"}]}, "Observation")
    assert [(fault.where, fault.rule) for fault in found] == [
        ("Observation.contained[0].extension[0]", "extension-context")
    ]


def test_parts_of_another_versions_element_are_called_as_elements_are() -> None:
    animal = {"url": "http://hl7.org/fhir/1.0/StructureDefinition/extension-Patient.animal"}
    assert broken(extension=[animal | {"extension": [{"url": "breed", "valueString": "x"}]}]) == []
    assert broken(extension=[animal | {"extension": [{"url": "x-breed", "valueString": "x"}]}]) == ["extension-part"]


def test_the_work_grows_with_the_depth_of_an_extension_that_is_out_of_its_place_and_does_not_double_with_each_step() -> (
    None
):
    def nested(depth: int) -> list[str]:
        inner: dict[str, Any] = BIRTH_TIME
        for _ in range(depth):
            inner = {"url": "urn:x", "extension": [inner]}
        return broken(extension=[inner])

    assert nested(12) == ["extension-context"]
    assert growth(nested, 7) < 3


def test_what_r4s_own_snapshots_say_of_elements_may_stand_there() -> None:
    normative = {"url": f"{HL7}structuredefinition-normative-version", "valueCode": "4.0.0"}
    regex = {"url": f"{HL7}regex", "valueString": "[A-Z]+"}
    fhir_type = {"url": f"{HL7}structuredefinition-fhir-type", "valueUrl": "string"}
    code = "http://hl7.org/fhirpath/System.String"
    element = {"id": "Basic.id", "path": "Basic.id", "min": 0, "max": "1"}
    typed = element | {"type": [{"extension": [fhir_type, regex], "code": code}], "extension": [normative]}
    whole = {"id": "Basic", "path": "Basic", "min": 0, "max": "*"}
    tree = {
        "resourceType": "StructureDefinition", "url": "http://x.example/Basic", "name": "B", "status": "draft",
        "kind": "resource", "abstract": True, "type": "Basic", "differential": {"element": [whole, typed]},
    }  # fmt: skip
    assert [fault.rule for fault in check(tree, "StructureDefinition")] == []
    misplaced = tree | {"contact": [{"extension": [normative]}]}
    assert [fault.rule for fault in check(misplaced, "StructureDefinition")] == ["extension-context"]
