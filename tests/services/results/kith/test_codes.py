from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.validate import check
from kjerne.services.results.kith.codes import (
    LOCAL,
    NCRP,
    NLK,
    NORPAT,
    READING_NOTE,
    VOLVEN,
    canonical,
    is_known,
)

SPELLINGS = {
    NLK: (
        "2.16.578.1.12.4.1.1.7280",
        "urn:oid:2.16.578.1.12.4.1.1.7280",
        "URN:OID:2.16.578.1.12.4.1.1.7280",
        "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
        "http://helsedir.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
        "2.16.578.1.12.4.1.1.7230",
        " 2.16.578.1.12.4.1.1.7280 ",
    ),
    NCRP: ("2.16.578.1.12.4.1.1.7270", "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7270-ncrp"),
    NORPAT: ("http://helsedir.no/fhir/CodeSystem/no-kodeverk-7010-norpat",),
    LOCAL: ("http://ehelse.no/fhir/CodeSystem/no-kodeverk-8212",),
    VOLVEN + "7110": ("http://hl7.org/fhir/sid/icd-10-no", "2.16.578.1.12.4.1.1.7110"),
    VOLVEN + "7170": ("http://hl7.org/fhir/sid/icpc-2",),
    "http://www.whocc.no/atc": ("2.16.578.1.12.4.1.1.7180",),
    "http://snomed.info/sct": ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    "http://loinc.org": ("urn:oid:2.16.840.1.113883.6.1",),
    "urn:oid:2.16.578.1.12.4.1.4.101": ("2.16.578.1.12.4.1.2.101",),
    "urn:oid:2.16.578.1.12.4.1.4.102": ("urn:oid:2.16.578.1.12.4.1.2.102",),
}


@pytest.mark.parametrize(("system", "sent"), [(system, sent) for system, all_ in SPELLINGS.items() for sent in all_])
def test_every_spelling_of_a_system_becomes_one(system: str, sent: str) -> None:
    assert canonical(sent) == system


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        ("", ""),
        ("http://lab.example/koder", "http://lab.example/koder"),
        ("1.2.3.4", "urn:oid:1.2.3.4"),
        ("LABKODE 7", "urn:kjerne:code-system:LABKODE%207"),
        ("urn:oid:abc", "urn:kjerne:code-system:urn%3Aoid%3Aabc"),
        ("2.16.0578", "urn:kjerne:code-system:2.16.0578"),
    ],
)
def test_an_unknown_system_is_a_uri(sent: str, address: str) -> None:
    assert canonical(sent) == address
    assert not is_known(sent)


def test_a_result_in_an_unknown_system_is_kept_and_noted(kith: Any) -> None:
    item = kith.item("HB").replace(f"{kith.OID}7280", "LABKODE 7")
    trees = kith.mapped(kith.message(kith.report(item)))
    faults = [fault for tree in trees for fault in check({**tree, "id": "n1"}, tree["resourceType"])]
    (observation,) = kith.observations(trees)
    assert observation["code"]["coding"][0]["system"] == "urn:kjerne:code-system:LABKODE%207"
    assert [fault for fault in faults if "system" in fault.where] == []
    notes = kith.extensions(kith.only(trees, "DiagnosticReport"), READING_NOTE)
    assert any("LABKODE 7" in note["valueString"] for note in notes)
