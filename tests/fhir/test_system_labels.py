"""What a code system is called beside a code of it."""

from __future__ import annotations

import pytest

from kjerne.fhir.system_labels import label_of


@pytest.mark.parametrize(
    ("system", "label"),
    [
        ("http://snomed.info/sct", "SNOMED CT"),
        ("urn:oid:2.16.840.1.113883.6.96", "SNOMED CT"),
        ("http://www.whocc.no/atc", "ATC"),
        ("urn:oid:2.16.578.1.12.4.1.1.7110", "ICD-10"),
        ("urn:oid:2.16.578.1.12.4.1.1.8202", "8202"),
        ("urn:oid:1.2.3", "1.2.3"),
        ("http://example.org/CodeSystem/own-codes/", "own-codes"),
        ("own", "own"),
        ("", ""),
    ],
)
def test_a_system_has_a_short_name_or_the_end_of_its_address(system: str, label: str) -> None:
    assert label_of(system) == label
