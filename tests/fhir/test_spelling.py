"""What a result said, compared: another spelling is the same, another answer never is."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.spelling import same_concept

FINDINGS, SNOMED, HEADING = (
    "urn:oid:2.16.578.1.12.4.1.1.8340",
    "http://snomed.info/sct",
    "urn:oid:2.16.578.1.12.4.1.1.8243",
)


def concept(text: str = "", *codes: tuple[str, str, str]) -> dict[str, Any]:
    listed = [{"system": system, "code": code} | ({"display": name} if name else {}) for system, code, name in codes]
    return ({"text": text} if text else {}) | ({"coding": listed} if listed else {})


PLACE = ("urn:oid:2.16.578.1.12.4.1.1.7010", "LEV", "Lever")
LOCAL = "urn:kjerne:local-code:1"
FOUND = (FINDINGS, "27268008", "Salmonella påvist")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (concept("Dyrkning avsluttet"), concept("Dyrkning avsluttet", FOUND)),
        (concept("Dyrkning avsluttet"), concept("Dyrkning avsluttet", (FINDINGS, "27268008", ""))),
        (concept("Dyrkning avsluttet", (SNOMED, "1", "Dyrkning avsluttet")), concept("Dyrkning avsluttet", FOUND)),
        (concept("Negativ", (FINDINGS, "1", "Negativ")), concept("Negativ", (FINDINGS, "2", "Negativ"))),
        (concept("Funn", (HEADING, "T", "Mikroskopi")), concept("Funn", (HEADING, "T", "Mikroskopi"), FOUND)),
        (concept("Se vurdering.", PLACE), concept("Se vurdering.", PLACE, (FINDINGS, "1", "Malign svulst"))),
        (concept("Ikke påvist", PLACE), concept("Ikke påvist", PLACE, (LOCAL, "POS", "Påvist"))),
    ],
)
def test_a_finding_that_comes_to_the_same_text_or_leaves_it_is_another_answer(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert not same_concept(before, after)
    assert not same_concept(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (concept("Salmonella påvist"), concept("Salmonella påvist", FOUND)),
        (concept("", FOUND), concept("Salmonella påvist", FOUND)),
        (concept("Salmonella  Påvist"), concept("Salmonella Påvist", FOUND)),
        (concept("Salmonella påvist", FOUND), concept("Salmonella påvist", FOUND, (SNOMED, "27268008", "Salmonella"))),
        (concept("Normalt"), concept("Normalt", (HEADING, "V", "Vurdering"))),
    ],
)
def test_a_code_for_what_the_text_says_is_the_same_answer(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert same_concept(before, after)
    assert same_concept(after, before)
