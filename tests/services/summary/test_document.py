"""A summary as a document: right by R4, IPS 2.0.1 and EU EPS, with a narrative, a maker and addresses that stay."""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID

import pytest

import ips_packages
from kjerne.fhir.validate import check
from kjerne.services.summary.document import INCOMPLETE, LACKING, document
from kjerne.services.summary.fitting import unknown
from kjerne.services.summary.model import CRITICAL, KINDS, RECORD, RESULTS, Drawn

from .records import ATC, BASE, HER, HL7, LOINC, Maker, concept, is_right, recorder, summary

Tree = dict[str, Any]
PATIENTS = int(os.environ.get("KJERNE_STORM", "1000")) // 50


def sections(bundle: Tree) -> dict[str, Tree]:
    """The sections of a document by their LOINC codes' keys."""
    by_code = {one["code"]["coding"][0]["code"]: one for one in bundle["entry"][0]["resource"]["section"]}
    return {kind.key: by_code[kind.loinc] for kind in KINDS if kind.loinc in by_code}


def empty_codes(section: Tree) -> list[str]:
    return [one["code"] for one in section["emptyReason"]["coding"]]


@ips_packages.needed
@pytest.mark.parametrize("seed", range(PATIENTS))
def test_a_summary_of_whatever_lies_here_is_right_by_both_guides(seed: int) -> None:
    maker = Maker(seed)
    records = maker.records()
    assert [one for trees in records.values() for one in trees if not is_right(one)] == []
    made = document(summary(records, patient=maker.patient(), language=maker.one("nb", "nn", "en")))
    assert ips_packages.faults(made) == []


@ips_packages.needed
def test_the_guides_are_asked_and_find_what_is_wrong() -> None:
    made = document(summary())
    assert ips_packages.faults(made) == []
    del made["entry"][0]["resource"]["section"][0]
    assert any("sectionAllergies" in one or "slice" in one for one in ips_packages.faults(made))


def test_an_empty_register_says_that_it_has_no_information_and_never_that_there_is_nothing() -> None:
    made = document(summary())
    assert check(made, "Bundle") == []
    told = {key: empty_codes(one)[1:] for key, one in sections(made).items()}
    assert told == {
        "allergies": ["no-allergy-info"], "alerts": [], "problems": ["no-problem-info"],
        "medications": ["no-medication-info"], "procedures": ["no-procedure-info"], "devices": ["no-device-info"],
        "immunizations": ["no-immunization-info"], "results": [],
    }  # fmt: skip
    assert "no-known" not in str(made)
    assert "tag" not in made["meta"]
    assert all("Det betyr ikke" in one["text"]["div"] for one in sections(made).values())


def negative(**more: Any) -> Tree:
    return {
        "resourceType": "AllergyIntolerance", "id": "n1", "patient": dict(HER),
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
        "code": concept("http://snomed.info/sct", "716186003", "No known allergy"),
    } | more  # fmt: skip


def test_a_clinician_who_recorded_that_there_is_nothing_is_named_with_the_date() -> None:
    made = document(summary({CRITICAL: [negative(**recorder())]}))
    section = sections(made)["allergies"]
    assert section["entry"] == [{"reference": f"{BASE}/AllergyIntolerance/n1"}]
    assert "No known allergy: registrert av Lege Legesen, 2026-03-04" in section["text"]["div"]
    if ips_packages.FOLDER.exists():
        assert ips_packages.faults(made) == []


@pytest.mark.parametrize("more", [{}, {"recordedDate": "2026-03-04"}, {"recorder": {"display": "Lege"}}])
def test_a_negative_without_name_or_date_says_nothing(more: Tree) -> None:
    section = sections(document(summary({CRITICAL: [negative(**more)]})))["allergies"]
    assert empty_codes(section) == ["unavailable", "no-allergy-info"]


def test_a_negative_that_an_entry_speaks_against_is_left_out() -> None:
    allergy = negative(id="a1", code=concept("http://www.whocc.no/atc", "J01CA04"))
    section = sections(document(summary({CRITICAL: [negative(**recorder()), allergy]})))["allergies"]
    assert section["entry"] == [{"reference": f"{BASE}/AllergyIntolerance/a1"}]


@pytest.mark.parametrize("became", ["withheld", "unavailable"])
def test_a_source_that_is_shut_late_or_failed_says_neither_and_the_summary_says_that_it_is_incomplete(
    became: Any,
) -> None:
    gone = {CRITICAL: Drawn(became), RECORD: Drawn("unavailable")}
    made = document(summary({CRITICAL: [negative(**recorder())]}, without=gone))
    allergies = sections(made)["allergies"]
    assert (empty_codes(allergies), "entry" in allergies) == ([became], False)
    assert allergies["extension"] == [{"url": LACKING, "valueCode": became}]
    assert not any(
        code in str(made) for code in ("no-allergy-info", "no-problem-info", "no-medication-info", "no-known")
    )
    composition = made["entry"][0]["resource"]
    assert made["meta"]["tag"] == composition["meta"]["tag"] == [INCOMPLETE]
    assert "ufullstendig: Allergier og overfølsomhet, Varsler, Problemer" in composition["text"]["div"]
    assert "kunne ikke hentes" in allergies["text"]["div"]
    assert empty_codes(sections(made)["results"]) == ["unavailable"]
    assert check(made, "Bundle") == []
    if ips_packages.FOLDER.exists():
        assert ips_packages.faults(made) == []


def test_of_a_section_with_two_sources_what_one_has_is_shown_and_that_the_other_is_missing_is_said() -> None:
    problem = {
        "resourceType": "Condition", "id": "c1", "subject": dict(HER), "code": {"text": "Hodepine"},
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    }  # fmt: skip
    made = document(summary({RECORD: [problem]}, without={CRITICAL: Drawn("unavailable")}))
    section = sections(made)["problems"]
    assert len(section["entry"]) == 1
    assert section["extension"][0]["valueCode"] == "unavailable"
    assert "ikke alle kilder" in section["text"]["div"]


def test_where_no_choice_may_be_told_what_is_shut_and_what_is_empty_are_the_same_to_the_byte() -> None:
    """Personnel under EHDS: a grant about nobody finds nothing, and so does one about a patient without records."""
    made = document(summary(tells_choices=False))
    assert all(empty_codes(one) == ["unavailable"] for one in sections(made).values())
    assert made["meta"]["tag"] == [INCOMPLETE]
    shut = document(summary(tells_choices=False, without={RESULTS: Drawn("withheld"), CRITICAL: Drawn("unavailable")}))
    assert shut == made


def test_it_says_who_made_it_for_whom_and_whose_records_it_is_made_of() -> None:
    made = document(summary({CRITICAL: [negative(id="a1", code={"text": "Nøtter"}, **recorder())]}))
    by_address = {one["fullUrl"]: one["resource"] for one in made["entry"]}
    composition = made["entry"][0]["resource"]
    author = by_address[composition["author"][0]["reference"]]
    assert (author["resourceType"], author["deviceName"][0]["name"]) == ("Device", "kjerne")
    assert by_address[composition["custodian"]["reference"]]["resourceType"] == "Organization"
    (provenance,) = [one for one in by_address.values() if one["resourceType"] == "Provenance"]
    agents = [by_address[one["who"]["reference"]] for one in provenance["agent"]]
    assert [one.get("name", "") for one in agents] == ["", "Sykehuset"]


def test_addresses_are_the_same_each_time_and_the_document_is_another() -> None:
    from dataclasses import replace

    made = summary({CRITICAL: [negative(**recorder())]})
    first, second = document(made), document(replace(made, number="two"))
    assert [one["fullUrl"] for one in first["entry"]] == [one["fullUrl"] for one in second["entry"]]
    assert first["identifier"] != second["identifier"]
    assert {**first, "identifier": 0} == {**second, "identifier": 0}


def test_no_record_says_whom_it_is_about_by_number_and_its_own_narrative_is_left_out() -> None:
    maker = Maker(3)
    made = document(
        summary({CRITICAL: [maker.allergy() | {"clinicalStatus": negative()["clinicalStatus"]} for _ in range(9)]})
    )
    records = [one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "AllergyIntolerance"]
    assert records
    assert "30876827200" not in str(made)
    assert not any("text" in one for one in records)
    assert {one["patient"]["reference"] for one in records} == {made["entry"][1]["fullUrl"]}


def when(name: str, element: str, **more: Any) -> list[Tree]:
    """The same record at an instant, by a rhythm and between two days, as R4 lets it be written."""
    forms: list[Tree] = [
        {f"{element}Timing": {"event": ["2026-03-04T05:06:07Z"]}},
        {
            f"{element}Timing": {
                "event": ["2026-03-05", "2026-03-04", "2026-03-04T12:00:00Z"],
                "code": {"text": "hver dag"},
            }
        },
        {f"{element}Timing": {"repeat": {"boundsPeriod": {"start": "2026-03-04"}, "frequency": 2}}},
        {f"{element}Timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}},
        {f"{element}Period": {"start": "2026-03-04", "end": "2026-03-05"}},
    ]
    if name == "Observation":
        forms += [{f"{element}Instant": "2026-03-04T05:06:07Z"}, {f"_{element}Instant": unknown("masked")}]
    return [{"resourceType": name, "id": str(UUID(int=at + 10)), "subject": dict(HER)} | more | one
            for at, one in enumerate(forms)]  # fmt: skip


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [one for each in (value.values() if isinstance(value, dict) else value) for one in leaves(each)]
    return [str(value)]


VALUE: Tree = {"status": "final", "valueString": "x"}


@ips_packages.needed
@pytest.mark.parametrize(
    "record",
    [
        *when("Observation", "effective", **VALUE, code={"text": "CRP"}),
        *when("Observation", "effective", **VALUE, code=concept(LOINC, "72166-2")),
        *when("Observation", "effective", **VALUE, code=concept(LOINC, "82810-3")),
        *when(
            "Observation", "effective", status="final", code=concept(LOINC, "29463-7"),
            valueQuantity={"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
            category=[concept(f"{HL7}observation-category", "vital-signs")],
        ),
        *when("DeviceUseStatement", "timing", status="active", device={"display": "Pacemaker"}),
    ],
)  # fmt: skip
def test_whatever_form_a_time_has_it_is_right_by_both_guides_and_what_it_says_is_kept(record: Tree) -> None:
    assert is_right(record)
    service = CRITICAL if record["resourceType"] == "DeviceUseStatement" else RESULTS
    made = document(summary({service: [record]}))
    assert ips_packages.faults(made) == []
    kept = next(one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == record["resourceType"])
    value = [one for key, one in record.items() if key.startswith(("effective", "timing"))]
    assert all(one in str(kept) for one in leaves(value))


@ips_packages.needed
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("substance", [{}, concept(ATC, "J01CA04", "Amoksicillin"), {"text": "Amoksicillin"}])
def test_an_allergy_without_a_code_is_called_by_its_substances_and_right_by_both_guides(
    substance: Tree, several: bool
) -> None:
    reactions = [{"substance": substance, "manifestation": [{"text": "sjokk"}]}] if substance else []
    reactions += [{"substance": {"text": "Jod"}, "manifestation": [{"text": "utslett"}]}] if several else []
    record = {"resourceType": "AllergyIntolerance", "id": str(UUID(int=9)), "patient": dict(HER)}
    record |= {"clinicalStatus": concept(f"{HL7}allergyintolerance-clinical", "active")}
    record |= {"reaction": reactions} if reactions else {}
    assert is_right(record)
    made = document(summary({CRITICAL: [record]}))
    assert ips_packages.faults(made) == []
    code = next(
        one["resource"]["code"] for one in made["entry"] if one["resource"]["resourceType"] == record["resourceType"]
    )
    assert several or not substance or code == substance
    row = sections(made)["allergies"]["text"]["div"].partition("<td>")[2].partition("</td>")[0]
    wanted = [name for name in ("Amoksicillin" if substance else "", "Jod" if several else "") if name]
    assert row == ", ".join(wanted or ["ukjent"])
