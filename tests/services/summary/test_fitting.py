"""A record as it stands in a document."""

from __future__ import annotations

from typing import Any

from kjerne.fhir.validate import check
from kjerne.services.summary.document import ORGANISATIONS
from kjerne.services.summary.fitting import ABSENT, fitted, led_to, organisations, with_code

from .records import ATC, BASE, DISCIPLINES, HER, HL7, LOINC, NLK, NUMBER, concept, recorder

Tree = dict[str, Any]
PATIENT = f"{BASE}/Patient/p1"


def fit(tree: Tree) -> Tree:
    made = fitted(tree, PATIENT, BASE)
    assert check(made, made["resourceType"]) == []
    return made


def test_it_leads_to_the_patient_of_the_document_and_names_nobody_by_number() -> None:
    inside = {"resourceType": "Patient", "id": "her", "identifier": [{"system": NUMBER, "value": "30876827200"}]}
    tree = {"resourceType": "Condition", "code": {"text": "x"}, "subject": {"reference": "#her"}, "contained": [inside],
            "clinicalStatus": concept(f"{HL7}condition-clinical", "active")}  # fmt: skip
    made = fit(tree)
    assert (made["subject"], "contained" in made) == ({"reference": PATIENT}, False)
    assert tree["contained"] == [inside]
    assert fit({"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": dict(HER)})[
        "subject"
    ] == {"reference": PATIENT}


def test_its_references_are_whole_addresses_and_those_within_it_stay() -> None:
    device = {"resourceType": "Device", "id": "d"}
    made = fit({"resourceType": "DeviceUseStatement", "status": "active", "subject": dict(HER), "contained": [device],
                "device": {"reference": "#d"}, "derivedFrom": [{"reference": "Procedure/1"}, {"reference": "urn:uuid:0"}],
                "timingDateTime": "2020"})  # fmt: skip
    assert made["device"] == {"reference": "#d"}
    assert [one["reference"] for one in made["derivedFrom"]] == [f"{BASE}/Procedure/1", "urn:uuid:0"]


def test_a_narrative_that_repeats_the_record_is_left_out_and_one_that_says_more_stays() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">mer</div>'
    for status, stays in (("generated", False), ("extensions", False), ("additional", True)):
        tree = {
            "resourceType": "Flag",
            "status": "active",
            "code": {"text": "x"},
            "text": {"status": status, "div": div},
        }
        assert ("text" in fit(tree)) is stays


def test_what_the_guide_demands_and_nobody_knows_is_said_to_be_unknown() -> None:
    unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    category = concept("http://nhn.no/kj/fhir/CodeSystem/Category", "6", "Pågående behandling")
    procedure = fit({"resourceType": "Procedure", "status": "completed", "category": category, "subject": dict(HER)})
    assert procedure["_performedDateTime"] == unknown
    assert procedure["code"]["text"] == "Pågående behandling"
    told = fit({"resourceType": "Procedure", "status": "completed", "code": {"text": "x"}, "performedString": "i fjor"})
    assert ("_performedDateTime" in told, told["code"]) == (False, {"text": "x"})
    result = fit({"resourceType": "Observation", "status": "final", "code": concept(NLK, "NPU27300")})
    assert (result["_effectiveDateTime"], result["performer"]) == (unknown, [unknown])


def allergy(*substances: Tree, **more: Any) -> Tree:
    reactions = [{"substance": one, "manifestation": [{"text": "sjokk"}]} for one in substances]
    return {
        "resourceType": "AllergyIntolerance", "patient": dict(HER), "reaction": reactions or [{"manifestation": [{"text": "x"}]}],
        "clinicalStatus": concept(f"{HL7}allergyintolerance-clinical", "active"),
    } | more  # fmt: skip


def test_an_allergy_without_a_code_is_named_by_what_was_reacted_to() -> None:
    amoxicillin, penicillin = concept(ATC, "J01CA04", "Amoxicillin"), {"text": "Penicillin"}
    assert fit(allergy(amoxicillin))["code"] == fit(allergy(amoxicillin, amoxicillin))["code"] == amoxicillin
    assert fit(allergy(amoxicillin, penicillin))["code"]["text"] == "Amoxicillin, Penicillin"
    assert fit(allergy(amoxicillin, code=penicillin))["code"] == penicillin
    for made in (fit(allergy()), fit(allergy(amoxicillin, penicillin))):
        assert made["code"]["coding"][0]["code"] == "unknown"


def test_a_time_that_the_guides_do_not_take_is_told_in_one_that_they_do() -> None:
    def result(**more: Any) -> Tree:
        return fit({"resourceType": "Observation", "status": "final", "code": concept(NLK, "NPU27300")} | more)

    def timed(**timing: Any) -> Tree:
        return result(effectiveTiming=timing)

    early, late = "2026-11-01T09:30:00+01:00", "2026-11-01T09:00:00Z"
    assert result(effectiveInstant=late)["effectiveDateTime"] == late
    assert timed(event=[late])["effectiveDateTime"] == late
    assert timed(event=[late, early])["effectivePeriod"] == {"start": early, "end": late}
    assert timed(event=[early], repeat={"boundsPeriod": {"start": "2026"}})["effectivePeriod"] == {"start": "2026"}
    sign = {"category": [concept(f"{HL7}observation-category", "vital-signs")]}
    assert result(effectiveDateTime="2026-11", **sign)["effectivePeriod"] == {"start": "2026-11", "end": "2026-11"}
    assert result(effectiveDateTime="2026-11-01", **sign)["effectiveDateTime"] == "2026-11-01"
    assert result(effectiveDateTime="2026")["effectiveDateTime"] == "2026"
    assert "_effectiveDateTime" in timed(code={"text": "ved behov"})
    use = {"resourceType": "DeviceUseStatement", "status": "active", "subject": dict(HER), "device": {"display": "x"}}
    assert fit(use | {"timingTiming": {"event": ["2019"]}})["timingDateTime"] == "2019"


def test_a_result_has_the_category_of_r4_beside_its_own() -> None:
    for discipline, code in (("KLIN", "laboratory"), ("RAD", "imaging"), ("NUK", "imaging")):
        own = concept(DISCIPLINES, discipline)
        made = fit({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "category": [own]})
        assert [one["coding"][0]["code"] for one in made["category"]] == [discipline, code]
    named = concept(f"{HL7}observation-category", "exam")
    for tree in ({"code": {"text": "x"}, "category": [named]}, {"code": concept(LOINC, "82810-3")}):
        made = fit({"resourceType": "Observation", "status": "final"} | tree)
        assert made.get("category") == tree.get("category")


def test_what_comes_along_and_whose_it_is_is_told_by_its_own_elements() -> None:
    tree = {
        "medicationReference": {"reference": "Medication/1"}, "hasMember": [{"reference": "Observation/2"}],
        "device": {"display": "x"}, "subject": {"reference": "Patient/1"},
    }  # fmt: skip
    assert list(led_to(tree)) == ["Medication/1", "Observation/2"]
    tree = recorder() | {"performer": [{"identifier": {"system": ORGANISATIONS, "value": "1"}}]}
    assert list(organisations(tree, ORGANISATIONS)) == ["100000008", "1"]
    assert list(organisations(tree, "urn:other")) == []


def test_a_medicine_without_a_code_says_that_it_is_not_known() -> None:
    assert with_code({"resourceType": "Medication"})["code"]["coding"][0]["code"] == "unknown"
    coded = {"resourceType": "Medication", "code": {"text": "x"}}
    assert with_code(coded) is coded
