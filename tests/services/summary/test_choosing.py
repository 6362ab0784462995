"""Which records stand in a summary, and in which section."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from kjerne.services.summary.choosing import (
    gravest_first,
    latest_of_each,
    moment_of,
    name_of,
    recorded,
    section_of,
    standing,
    stated,
)
from kjerne.services.summary.model import ABSENT_UNKNOWN

from .records import ATC, HL7, LOINC, NLK, NOW, SNOMED, concept, recorder

Tree = dict[str, Any]
KJ = "http://nhn.no/kj/fhir/StructureDefinition/"


def allergy(**more: Any) -> Tree:
    return {"resourceType": "AllergyIntolerance", "code": concept(ATC, "J01CA04")} | more


def condition(**more: Any) -> Tree:
    return {"resourceType": "Condition", "code": {"text": "x"}} | more


def clinical(kind: str, code: str) -> Tree:
    return {"clinicalStatus": concept(f"{HL7}{kind}-clinical", code)}


def verified(kind: str, code: str) -> Tree:
    return {"verificationStatus": concept(f"{HL7}{kind}", code)}


def found(system: str, code: str, **more: Any) -> Tree:
    return {"resourceType": "Observation", "status": "final", "code": concept(system, code), "valueInteger": 1} | more


@pytest.mark.parametrize(
    ("tree", "section"),
    [
        (allergy(), "allergies"),
        (allergy(**clinical("allergyintolerance", "active")), "allergies"),
        (allergy(**clinical("allergyintolerance", "inactive")), ""),
        (allergy(**verified("allergyintolerance-verification", "refuted")), ""),
        (allergy(**verified("allergyintolerance-verification", "entered-in-error")), ""),
        (allergy(extension=[{"url": f"{KJ}KjValidUntil", "valueDate": "2026-11-26"}]), ""),
        (allergy(extension=[{"url": f"{KJ}KjValidUntil", "valueDate": "2026-11-27"}]), "allergies"),
        (condition(), "problems"),
        (condition(**clinical("condition", "recurrence")), "problems"),
        (condition(**clinical("condition", "resolved")), "past-problems"),
        (condition(abatementDateTime="2020"), "past-problems"),
        (condition(**verified("condition-ver-status", "refuted")), ""),
        ({"resourceType": "Procedure", "status": "completed"}, "procedures"),
        ({"resourceType": "Procedure", "status": "not-done"}, ""),
        ({"resourceType": "Procedure", "status": "entered-in-error"}, ""),
        ({"resourceType": "DeviceUseStatement", "status": "active"}, "devices"),
        ({"resourceType": "DeviceUseStatement", "status": "completed"}, ""),
        ({"resourceType": "Flag", "status": "active"}, "alerts"),
        ({"resourceType": "Flag", "status": "inactive"}, ""),
        ({"resourceType": "Flag", "status": "active", "period": {"end": "2026-11-26"}}, ""),
        ({"resourceType": "Flag", "status": "active", "period": {"end": "2026-11-28"}}, "alerts"),
        ({"resourceType": "MedicationStatement", "status": "active"}, "medications"),
        ({"resourceType": "MedicationStatement", "status": "not-taken"}, ""),
        ({"resourceType": "MedicationRequest", "status": "active", "intent": "order"}, "medications"),
        ({"resourceType": "MedicationRequest", "status": "active", "intent": "proposal"}, ""),
        ({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "doNotPerform": True}, ""),
        ({"resourceType": "Immunization", "status": "completed"}, "immunizations"),
        ({"resourceType": "Immunization", "status": "not-done"}, ""),
        ({"resourceType": "CarePlan", "status": "active"}, "plan"),
        ({"resourceType": "CarePlan", "status": "draft"}, ""),
        (found(NLK, "NPU27300"), "results"),
        (found(NLK, "NPU27300", status="registered"), ""),
        (found(NLK, "NPU27300", status="entered-in-error"), ""),
        ({"resourceType": "Observation", "status": "final", "code": {"text": "a heading"}}, ""),
        (found(LOINC, "82810-3"), "pregnancy"),
        (found(LOINC, "11636-8"), "pregnancy"),
        (found(LOINC, "11778-8"), ""),
        (found(LOINC, "72166-2"), "social-history"),
        (found(LOINC, "29463-7", category=[concept(f"{HL7}observation-category", "vital-signs")]), "vital-signs"),
        ({"resourceType": "DiagnosticReport", "status": "final", "conclusion": "Intet funn"}, "results"),
        ({"resourceType": "DiagnosticReport", "status": "final"}, ""),
        ({"resourceType": "Encounter", "status": "finished"}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_record_stands_where_its_status_and_codes_say(tree: Tree, section: str) -> None:
    assert section_of(tree, NOW) == section


def test_of_each_analysis_the_latest_is_shown_and_reports_all() -> None:
    old, new = found(NLK, "A", effectiveDateTime="2025-01-01"), found(NLK, "A", effectiveDateTime="2026-01-01")
    other, named = found(NLK, "B", effectiveDateTime="2024-01-01"), {**found(NLK, "C"), "code": {"text": "uten kode"}}
    reports = [
        {"resourceType": "DiagnosticReport", "code": concept(NLK, "A"), "issued": "2023-01-01"} for _ in range(2)
    ]
    assert latest_of_each([old, other, named, *reports, new], NOW) == [new, other, *reports, named]
    assert latest_of_each([old, other, new], NOW, most=1) == [new]
    assert moment_of({"effectivePeriod": {"start": "2020"}}) == "2020"


def test_the_newest_result_is_so_by_the_moment_and_not_by_how_its_clock_tells_it_and_one_without_a_value_hides_none() -> (
    None
):
    def result(at: str, **more: Any) -> Tree:
        return {"resourceType": "Observation", "code": concept(NLK, "A"), "effectiveDateTime": at} | more

    older, newer = result("2026-11-20T09:30:00+01:00", valueInteger=5), result("2026-11-20T09:00:00Z", valueInteger=212)
    assert latest_of_each([older, newer], NOW) == latest_of_each([newer, older], NOW) == [newer]
    for later in (
        {"effectiveTiming": {"event": ["2026-11-25", "2026-11-19"]}}, {"effectivePeriod": {"end": "2026-11-25"}},
        {"effectivePeriod": {"start": "2026-11-01", "end": "2026-11-25"}}, {"effectiveInstant": "2026-11-25T08:00:00Z"},
        {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-25"}}}},
    ):  # fmt: skip
        timed = {"resourceType": "Observation", "code": concept(NLK, "A"), "valueInteger": 9} | later
        assert latest_of_each([timed, newer | {"issued": "2026-11-26"}], NOW) == [timed]
    haemolysed = result("2026-11-21", dataAbsentReason={"text": "Hemolysert"})
    assert latest_of_each([older, newer, haemolysed, result("ukjent", valueInteger=9)], NOW) == [haemolysed, newer]
    long_ago = result("2024-01-01", dataAbsentReason={"text": "Hemolysert"})
    assert latest_of_each([long_ago, older], NOW) == [older]
    empty = result("2026-11-21", component=[{"dataAbsentReason": {"text": "Ikke målt"}}])
    assert latest_of_each([empty, newer], NOW) == [empty, newer]


def test_a_result_of_a_day_that_has_not_come_stands_beside_the_last_and_hides_none() -> None:
    every = [found(NLK, "A", effectiveDateTime=day) for day in ("2026-11-20", "2026-11-26", "2027-11-20", "2028")]
    for order in permutations(every):
        assert latest_of_each(order, NOW) == [every[3], every[1]]


@pytest.mark.parametrize(
    ("system", "code", "says"),
    [
        (SNOMED, "716186003", "whole"), (ABSENT_UNKNOWN, "no-known-allergies", "whole"), (SNOMED, "429625007", "part"),
        (ABSENT_UNKNOWN, "no-allergy-info", "no-info"), (SNOMED, "91935009", ""), (ATC, "716186003", ""),
    ],
)  # fmt: skip
def test_a_record_may_say_that_there_is_nothing(system: str, code: str, says: str) -> None:
    assert stated(allergy(code=concept(system, code))) == says


def test_what_says_that_there_is_nothing_stands_where_a_clinician_said_so_and_nothing_speaks_against_it() -> None:
    whole = allergy(code=concept(SNOMED, "716186003"), **recorder())
    part = allergy(code=concept(SNOMED, "429625007"), **recorder())
    nameless = allergy(code=concept(SNOMED, "716186003"), recordedDate="2026-01-01")
    here = {key: value for key, value in recorder().items() if key != "recordedDate"} | {
        "meta": {"lastUpdated": "2026-11-27T10:00:00Z"}
    }
    dayless = allergy(code=concept(SNOMED, "716186003"), **here)
    others = dayless | {"recorder": {"display": "Lege Legesen"}}
    empty = allergy(code=concept(ABSENT_UNKNOWN, "no-allergy-info"), **recorder())
    real = allergy()
    assert standing([dayless, others], is_whole=True) == [dayless]
    assert recorded(dayless) == ("Lege Legesen", "2026-11-27T10:00:00Z")
    assert standing([whole], is_whole=True) == [whole]
    assert standing([whole, nameless, empty], is_whole=True) == [whole]
    assert standing([whole, part, real], is_whole=True) == [part, real]
    assert standing([whole, part, real], is_whole=False) == [real]


def test_who_recorded_a_statement_is_told_by_display_or_by_what_is_contained() -> None:
    assert recorded(recorder("Kari Lege")) == ("Kari Lege", "2026-03-04")
    assert recorded({"recorder": {"display": "Lege"}}) is None
    assert recorded({"recordedDate": "2026"}) is None
    human = {"resourceType": "Practitioner", "id": "p", "name": [{"given": ["Kari"], "family": "Lege"}]}
    assert name_of({"contained": [human]}, {"reference": "#p"}) == "Kari Lege"
    assert name_of({"contained": [{**human, "name": "Sykehuset"}]}, {"reference": "#p"}) == "Sykehuset"
    assert name_of({}, {"reference": "#p"}) == name_of({}, {"reference": "Practitioner/1"}) == ""


def test_the_gravest_stands_first_whatever_the_order_they_come_in() -> None:
    def of(name: str, criticality: str, verification: str) -> Tree:
        return allergy(id=name, criticality=criticality, **verified("allergyintolerance-verification", verification))

    none = of("6", "high", "confirmed") | {"code": {"coding": [{"system": SNOMED, "code": "716186003"}]}}
    every = [
        of("1", "high", "confirmed"), of("2", "high", "unconfirmed"), of("3", "unable-to-assess", "confirmed"),
        of("4", "low", "confirmed"), of("5", "low", "unconfirmed"), none,
    ]  # fmt: skip
    for order in permutations(every):
        assert [one["id"] for one in gravest_first(order)] == ["1", "2", "3", "4", "5", "6"]
