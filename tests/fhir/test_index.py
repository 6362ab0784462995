"""What is searchable is taken out, small and exact."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.index import asked_text, index, token, token_texts, unpack
from kjerne.fhir.searchparams import parameters, type_search, walk


def leaf(type: str, code: str) -> int:
    return parameters(type)[code].leaves[0].number


def tokens(type: str, code: str, system: str, value: str) -> set[int]:
    return {token(text) for text in token_texts(leaf(type, code), system, value)}


def test_a_code_is_found_alone_and_with_its_system() -> None:
    found = index({"resourceType": "Observation", "code": {"coding": [{"system": "urn:oid:1.2", "code": "K"}]}})
    assert set(found.tokens) == tokens("Observation", "code", "urn:oid:1.2", "K")


def test_a_plain_code_has_the_system_of_its_code_list_and_costs_one_token() -> None:
    status = parameters("Observation")["status"].leaves[0]
    found = index({"resourceType": "Observation", "status": "final"})
    for system in (None, "http://hl7.org/fhir/observation-status"):
        text = asked_text(status, system, "final")
        assert text is not None
        assert found.tokens == [token(text)]
    assert asked_text(status, "urn:oid:1.2", "final") is asked_text(status, "", "final") is None


def test_tokens_fit_the_databases_signed_numbers() -> None:
    assert all(-(2**63) <= token(str(number)) < 2**63 for number in range(1000))


def test_whose_record_it_is_costs_no_token() -> None:
    assert index({"resourceType": "Observation", "subject": {"reference": "Patient/1"}}).tokens == []


@pytest.mark.parametrize(
    ("type", "element"),
    [("Observation", "effectiveDateTime"), ("DiagnosticReport", "effectiveDateTime"), ("ServiceRequest", "authoredOn")],
)
def test_the_main_date_is_a_column_and_not_a_value(type: str, element: str) -> None:
    found = index({"resourceType": type, element: "2024-03-14T10:00:00Z"})
    assert (found.date_from, found.date_to) == (
        datetime(2024, 3, 14, 10, tzinfo=UTC),
        datetime(2024, 3, 14, 10, 0, 1, tzinfo=UTC),
    )
    assert unpack(found.values)[1] == {}


def test_a_specimens_main_date_is_when_it_was_taken() -> None:
    found = index({"resourceType": "Specimen", "collection": {"collectedPeriod": {"start": "2024", "end": "2024"}}})
    assert found.date_from == datetime(2023, 12, 31, 23, tzinfo=UTC)


def test_decimals_keep_their_digits() -> None:
    found = index({"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.10"), "code": "g"}})
    assert unpack(found.values)[1][leaf("Observation", "value-quantity")] == [["1.10", "1.10", "", "g", ""]]


def test_a_versioned_reference_is_found_without_its_version() -> None:
    plain, versioned = (
        index({"resourceType": "Observation", "specimen": {"reference": text}})
        for text in ("Specimen/1", "Specimen/1/_history/2")
    )
    assert plain.tokens == versioned.tokens


def test_a_condition_on_the_value_is_kept() -> None:
    patient = {
        "resourceType": "Patient",
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}],
    }
    found = set(index(patient).tokens)
    assert tokens("Patient", "email", "", "a@b") & found
    assert not tokens("Patient", "email", "", "1") & found


def test_a_reference_is_sorted_by_the_type_it_points_at() -> None:
    appointment = {
        "resourceType": "Appointment",
        "participant": [{"actor": {"reference": "Location/1"}}, {"actor": {"reference": "Practitioner/2"}}],
    }
    found = set(index(appointment).tokens)
    assert tokens("Appointment", "location", "", "Location/1") & found
    assert not tokens("Appointment", "location", "", "Practitioner/2") & found


def test_an_extension_is_indexed_by_its_address() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/observation-geneticsDnaVariant"
    extensions = [{"url": url, "valueString": "c.1A>G"}, {"url": "urn:x", "valueString": "No"}]
    found = index({"resourceType": "Observation", "extension": extensions})
    assert list(unpack(found.values)[1].values()) == [["c.1A>G"]]


def test_what_is_indexed_is_what_stands_at_the_places_of_the_types_parameters() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "meta": {"tag": [{"code": "a"}, {"code": "b"}]},
        "identifier": [{"system": "urn:x", "value": "1"}, None],
        "media": [{"link": {"reference": "Media/1"}}, "x"],
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "result": [{"reference": "Observation/1"}, {"reference": "#inside"}, {"identifier": {"value": "2"}}],
        "effectivePeriod": {"start": "2026-03-01"},
    }
    present = unpack(index(report).values)[0]
    assert set(present) == {leaf.number for leaf, _ in walk(type_search("DiagnosticReport").tree, report)}
    assert len(present) == 6


def test_a_type_that_r4_does_not_have_is_refused() -> None:
    for tree in ({}, {"resourceType": "Nothing"}, {"resourceType": ["Observation"]}):
        with pytest.raises(Refusal):
            index(tree)


@pytest.mark.parametrize(
    "broken", [None, 1, "x", True, [], {}, [None], [[]], [{}], {"coding": "x"}, {"coding": [1]}, {"start": 1}]
)
def test_values_of_a_wrong_form_are_passed_over(broken: Any) -> None:
    names = (
        "code",
        "status",
        "effectivePeriod",
        "effectiveTiming",
        "valueQuantity",
        "specimen",
        "meta",
        "component",
        "identifier",
    )
    sound = {"identifier": [{"system": "urn:x", "value": "1"}], "issued": "2026-01-02T03:04:05Z"}
    spoiled = dict.fromkeys((name for name in names if name not in sound), broken)
    known = index({"resourceType": "Observation"} | sound)
    found = index({"resourceType": "Observation"} | sound | spoiled)
    assert set(known.tokens) <= set(found.tokens), "what is sound beside it is still found"
    assert (found.date_from, found.date_to) == (None, None)


def test_almost_every_base_parameter_is_compiled() -> None:
    left_out = {
        f"{type}.{one.code}"
        for type in TYPES
        for one in parameters(type).values()
        if not one.leaves and not one.composite and one.code not in ("_id", "_lastUpdated")
    }
    assert left_out == {
        "Bundle.composition",
        "Bundle.message",
        "DocumentReference.relationship",
        "InsurancePlan.name",
        "Patient.deceased",
        "Patient.part-agree",
        "QuestionnaireResponse.item-subject",
        "MolecularSequence.chromosome-variant-coordinate",
        "MolecularSequence.referenceseqid-variant-coordinate",
    }


def test_leaf_numbers_fit_a_byte() -> None:
    assert (
        max(leaf.number for type in TYPES for one in type_search(type).parameters.values() for leaf in one.leaves) < 256
    )
