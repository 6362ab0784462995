"""A code is one that its system has, where HL7's package has the system; a system is an address and no value set."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.validate import check

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
UCUM = "http://unitsofmeasure.org"


def broken(**members: Any) -> list[tuple[str, str]]:
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **members}
    return [(fault.where.removeprefix("Observation."), fault.rule) for fault in check(tree, "Observation")]


@pytest.mark.parametrize(
    ("coding", "wrong"),
    [
        ({"system": CATEGORY, "code": "laboratory"}, None),
        ({"system": CATEGORY, "code": "laboratorium"}, ("code", "known-code")),
        ({"system": CATEGORY, "code": "laboratorium", "version": "99"}, None),
        ({"system": CATEGORY, "display": "no code"}, None),
        ({"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "whatever"}, None),
        ({"system": "category", "code": "x"}, ("system", "absolute-system")),
        ({"system": "http://hl7.org/fhir/ValueSet/observation-category", "code": "x"}, ("system", "no-value-set")),
        ({"system": UCUM, "code": "fmm[Hg]"}, ("code", "ucum")),
        ({"code": "x"}, None),
    ],
)
def test_a_coding_is_held_against_its_system(coding: dict[str, str], wrong: tuple[str, str] | None) -> None:
    found = broken(category=[{"coding": [coding]}])
    assert found == ([] if wrong is None else [(f"category[0].coding[0].{wrong[0]}", wrong[1])])


def test_a_quantity_in_ucum_has_a_unit_of_ucum() -> None:
    assert broken(valueQuantity={"value": 1, "system": UCUM, "code": "mmol/L"}) == []
    assert broken(valueQuantity={"value": 1, "system": UCUM, "code": "mEq"}) == [("valueQuantity.code", "ucum")]
    assert broken(valueQuantity={"value": 1, "system": "urn:x", "code": "mEq"}) == []


def test_an_identifier_that_is_said_to_be_an_address_is_a_whole_one() -> None:
    uri = "urn:ietf:rfc:3986"
    assert broken(identifier=[{"system": uri, "value": "urn:oid:1.2.3"}]) == []
    assert broken(identifier=[{"system": uri, "value": "1.2.3"}]) == [("identifier[0].value", "absolute-uri")]


@pytest.mark.parametrize("type", ["text/plain", "application/fhir+json", "image/svg+xml; charset=utf-8"])
def test_a_mime_type_is_one(type: str) -> None:
    attachment = {"contentType": type, "url": "urn:x"}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
    assert check(document, "DocumentReference") == []
    attachment["contentType"] = "text"
    assert [fault.where for fault in check(document, "DocumentReference")] == [
        "DocumentReference.content[0].attachment.contentType"
    ]
