"""R4's own value sets as lists of codes, and the levels of its code systems."""

from __future__ import annotations

import pytest

from kjerne.fhir import concepts
from kjerne.fhir.rulebook import rules

INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("http://hl7.org/fhir/ValueSet/observation-category", True),
        ("http://hl7.org/fhir/ValueSet/observation-category|4.0.1", True),
        ("http://hl7.org/fhir/ValueSet/observation-category|2", False),
        ("http://hl7.org/fhir/ValueSet/observation-codes", False),
        ("http://x.example/ValueSet/x", False),
        ("", False),
    ],
)
def test_a_value_set_is_listed_where_the_package_alone_says_its_codes(address: str, there: bool) -> None:
    found = concepts.codes(address)
    assert (found is not None) == there
    if found:
        (codes,) = found.values()
        assert {"laboratory", "imaging", "exam"} <= codes


def test_a_code_has_itself_and_all_levels_over_and_under_it() -> None:
    assert concepts.related(INTERPRETATION, "HH", above=True) == {
        INTERPRETATION: {"HH", "A", "AA", "_ObservationInterpretationNormality"}
    }
    under = concepts.related(INTERPRETATION, "A", above=False)
    assert under
    assert {"A", "AA", "HH", "LL", "H", "L"} <= under[INTERPRETATION]
    assert concepts.related(INTERPRETATION, "nothing", above=True) is None
    assert concepts.related("http://loinc.org", "1-2", above=False) is None


def test_over_is_the_other_way_round_of_under_in_every_system_with_levels() -> None:
    for system in concepts.table().parents:
        codes = sorted(rules().systems[system])[:60]
        for code in codes:
            over = concepts.related(system, code, above=True)
            assert over
            for one in over[system]:
                under = concepts.related(system, one, above=False)
                assert under is not None and code in under[system]
