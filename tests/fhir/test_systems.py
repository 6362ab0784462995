"""Addresses of code systems: every name of a system is one, and what nobody knows stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.fhir.index import index, token_texts
from kjerne.fhir.search import plan
from kjerne.fhir.systems import NLK, UCUM, canonical
from kjerne.wire.search import parse


@pytest.mark.parametrize(
    "spelled",
    [
        NLK, NLK.removeprefix("urn:oid:"), NLK.upper(), "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
        "https://hl7.no/fhir/codesystem/no-kodeverk-7280.codesystem", "urn:oid:2.16.578.1.12.4.1.1.7230",
        "HTTP://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk", "http://Ehelse.no/fhir/codeSystem/no-kodeverk-7280/",
    ],
)  # fmt: skip
def test_every_name_of_a_system_is_one(spelled: str) -> None:
    assert canonical(spelled) == NLK
    assert token_texts(7, spelled, "NPU1") == token_texts(7, NLK, "NPU1")


@pytest.mark.parametrize(
    "spelled", ["HTTP://unitsofmeasure.org", "http://unitsofmeasure.org/", "http://UnitsOfMeasure.org"]
)
def test_capitals_and_a_slash_behind_make_no_other_system(spelled: str) -> None:
    assert canonical(spelled) == UCUM


@given(st.text(max_size=300))
def test_one_spelling_is_its_own_and_another_system_is_never_taken_for_it(system: str) -> None:
    once = canonical(system)
    assert canonical(once) == once
    if not system.strip().isascii() or "." not in system:
        assert once == system


def test_a_quantity_in_ucum_is_found_by_either_of_its_names() -> None:
    oid = "urn:oid:2.16.840.1.113883.6.8"
    for stored, asked in ((oid, UCUM), (UCUM, oid)):
        tree = {"resourceType": "Observation", "valueQuantity": {"value": 5, "system": stored, "code": "mg/L"}}
        search = parse("Observation", [("value-quantity", f"0.005|{asked}|g/L")], page_size=1, page_size_limit=1)
        matches = plan(search, at=datetime(2026, 1, 1, tzinfo=UTC)).match
        assert matches is not None and matches(index(tree).values)
