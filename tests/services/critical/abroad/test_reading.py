"""A foreign patient summary read: whose it is, who made it, and which entries critical information has a place for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from ips_packages import EPS, IPS, examples, needed
from kjerne.errors import Refusal
from kjerne.services.critical.abroad.reading import Document, read
from kjerne.services.critical.abroad.reconciling import compared, proposed
from kjerne.services.critical.groups import plain
from kjerne.services.critical.kinds import TYPES
from services.critical.foreign import FIRST, PATIENT, allergy, document, problem
from services.critical.records import SNOMED
from shapes import spoiled

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HER: dict[str, Any] = {"resourceType": "Patient", "id": "p", "name": [{"family": "Nordmann", "given": ["Kari"]}]}


def refused(tree: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Refusal) as caught:
        read(tree, NOW)
    found = [caught.value.fault, *caught.value.faults]
    assert caught.value.status == 422
    return {one.where: one.rule for one in found if one}


def of(*resources: dict[str, Any], **more: Any) -> Document:
    return read(document(HER, *resources, **more), NOW)


def test_a_document_says_who_made_it_when_and_where() -> None:
    head = of(value="urn:uuid:1", language="sv").head
    assert (head.system, head.value, head.title) == ("urn:ietf:rfc:3986", "urn:uuid:1", "Patientöversikt")
    assert (head.author, head.custodian, head.country, head.language) == ("Sjukhuset", "Sjukhuset", "SE", "sv")
    assert head.at == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_what_a_document_does_not_say_of_itself_is_empty_and_no_fault() -> None:
    tree = document(HER)
    del tree["timestamp"], tree["identifier"]
    for name in ("title", "date", "author", "custodian"):
        del tree["entry"][0]["resource"][name]
    assert tuple(read(tree, NOW).head) == ("", "", None, "", "", "", "", "", "")


def test_entries_are_read_in_their_places_without_what_critical_information_has_no_place_for() -> None:
    medicine = {"resourceType": "MedicationStatement", "status": "active", "subject": {"reference": PATIENT}}
    found = of(allergy(), medicine, problem())
    assert [(one.place, one.type) for one in found.entries] == [(FIRST, "AllergyIntolerance"), (FIRST + 2, "Condition")]
    first, second = (one.entry for one in found.entries)
    assert (
        first
        and second
        and (first.now.name, first.now.kind, first.now.reaction) == ("Amoxicillin", "drug-reaction", "Anaphylaxis")
    )
    assert second.now.kind == "", "a problem does not say which kind of critical information it is"


def test_the_same_content_has_the_same_digest_whatever_its_id_and_narrative() -> None:
    one = allergy(id="a", text={"status": "empty", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"})
    first, second, third = of(one, allergy(id="b"), allergy(criticality="low")).entries
    assert first.digest == second.digest != third.digest


def test_a_device_is_read_with_its_use_and_a_reference_that_leads_to_itself_ends() -> None:
    device = {"resourceType": "Device", "id": "d", "parent": {"reference": "Device/d"},
              "type": {"coding": [{"system": SNOMED, "code": "14106009", "display": "Pacemaker"}]}}  # fmt: skip
    use = {
        "resourceType": "DeviceUseStatement",
        "status": "active",
        "subject": {"reference": PATIENT},
        "device": {"reference": "Device/d"},
    }
    (found,) = of(device, use).entries
    assert found.entry is not None and (found.entry.now.name, found.entry.now.kind) == ("Pacemaker", "implant")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": "collection"}, {"Bundle.type": "bundle-document"}),
        ({"entry": []}, {"Bundle.entry": "bdl-11"}),
        ({"entry": "none"}, {"Bundle.entry": "bdl-11"}),
        (
            {"entry": [{}, 3]},
            {"Bundle.entry[0].resource": "document-entry", "Bundle.entry[1].resource": "document-entry"},
        ),
        ({"entry": [{"resource": HER}]}, {"Bundle.entry[0].resource": "bdl-11"}),
    ],
)
def test_what_is_no_document_is_refused_with_every_place(change: dict[str, Any], told: dict[str, str]) -> None:
    assert refused(document(HER) | change) == told


def test_two_resources_at_her_address_are_two_subjects() -> None:
    tree = document(HER)
    tree["entry"].append(tree["entry"][1])
    assert refused(tree) == {"Bundle.entry[0].resource.subject": "two-subjects"}


def test_entries_about_another_are_all_told_and_one_about_nobody_is_an_entrys_own_fault() -> None:
    other = HER | {"id": "other"}
    tree = document(HER, other, *[allergy(patient={"reference": "Patient/other"})] * 2)
    assert refused(tree) == {f"Bundle.entry[{FIRST + n}].resource.patient": "two-subjects" for n in (1, 2)}
    inside = allergy(contained=[other], patient={"reference": "#other"})
    assert refused(document(HER, inside)) == {f"Bundle.entry[{FIRST}].resource.patient": "two-subjects"}
    (found,) = of(allergy(patient={"reference": "Patient/elsewhere"})).entries
    assert [one.rule for one in found.faults] == ["no-subject"]


SWEDISH = {"system": "urn:oid:1.2.752.129.2.1.3.1", "value": "8001011234"}
OURS = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "15887099918"}
TO_HER = {"reference": PATIENT}


@pytest.mark.parametrize(
    ("patient", "bar"),
    [
        (TO_HER, ""),
        (TO_HER | {"type": "Patient", "identifier": SWEDISH}, ""),
        (TO_HER | {"identifier": {"system": "https://abroad.example/case", "value": "1"}}, ""),
        ({"identifier": SWEDISH}, ""),
        ({"identifier": OURS}, ""),
        ({"reference": "Patient/elsewhere"}, "no-subject"),
        ({"reference": "https://abroad.example/fhir/Patient/1"}, "no-subject"),
        ({"reference": "Patient/elsewhere", "identifier": SWEDISH}, "no-subject"),
        ({"reference": "#nowhere"}, "no-subject"),
        (TO_HER | {"type": "Group"}, "no-subject"),
        (TO_HER | {"identifier": SWEDISH | {"value": "9002022345"}}, "no-subject"),
        ({"identifier": SWEDISH | {"value": "9002022345"}}, "no-subject"),
        ({"identifier": {"system": "https://abroad.example/case", "value": "1"}}, "no-subject"),
        ({"display": "she"}, "no-subject"),
        ({}, "no-subject"),
        ([TO_HER, {"reference": "Patient/elsewhere"}], "no-subject"),
    ],
)
def test_an_entry_is_hers_where_its_reference_leads_to_her_or_names_her(patient: Any, bar: str) -> None:
    tree = document(HER | {"identifier": [SWEDISH]}, allergy(patient=patient))
    (found,) = read(tree, NOW).entries
    assert (found.bar, "no-subject" in {one.rule for one in found.faults}) == (bar, bar != "")


@pytest.mark.parametrize(
    "address", ["https://a.example/fhir/Patient/p", "urn:uuid:0c5a7b1f-9d1e-4d39-8f1d-1f1f6a0a5b02"]
)
@pytest.mark.parametrize(
    ("reference", "bar"),
    [
        ("{address}", ""),
        ("{address}/_history/2", ""),
        ("Patient/p", ""),
        ("Patient/p/_history/2", ""),
        ("/Patient/p", ""),
        ("https://b.example/fhir/Patient/p", "no-subject"),
        ("https://b.example/fhir/Patient/p/_history/2", "no-subject"),
        ("https://a.example/other/Patient/p", "no-subject"),
        ("HTTP://b.example/Patient/p", "no-subject"),
        ("//b.example/fhir/Patient/p", "no-subject"),
        ("urn:oid:1.2/Patient/p", "no-subject"),
    ],
)
def test_an_absolute_address_is_that_of_an_entry_or_of_nobody_in_the_document(
    address: str, reference: str, bar: str
) -> None:
    """R4 bundle.html#references; a relative one is read as leniently as it is written."""
    tree = document(HER, allergy(patient={"reference": reference.format(address=address)}))
    tree["entry"][1]["fullUrl"] = tree["entry"][0]["resource"]["subject"]["reference"] = address
    (found,) = read(tree, NOW).entries
    assert (found.bar, "no-subject" in {one.rule for one in found.faults}) == (bar, bar != "")


def test_a_document_about_a_patient_on_another_server_leads_to_nobody_in_it() -> None:
    tree = document(HER)
    tree["entry"][1]["fullUrl"] = "https://a.example/fhir/Patient/p"
    tree["entry"][0]["resource"]["subject"] = {"reference": "https://b.example/fhir/Patient/p"}
    assert refused(tree) == {"Bundle.entry[0].resource.subject": "no-subject"}


TURNS: dict[str, Any] = {"modifierExtension": [{"url": "https://abroad.example/negated", "valueBoolean": True}]}
RULES: dict[str, Any] = {"implicitRules": "https://abroad.example/rules"}


@pytest.mark.parametrize("turns", [TURNS, RULES])
@pytest.mark.parametrize(
    "place", ["Bundle", "row", "Composition", "section", "Patient", "entry", "within", "contained"]
)
def test_what_may_turn_the_meaning_of_an_entry_bars_it_and_is_told_by_path(turns: dict[str, Any], place: str) -> None:
    one = allergy() | (turns if place == "entry" else {})
    one |= {"reaction": [one["reaction"][0] | turns]} if place == "within" else {}
    one |= {"contained": [{"resourceType": "Practitioner", "id": "x"} | turns]} if place == "contained" else {}
    tree = document(HER | (turns if place == "Patient" else {}), one, problem()) | (turns if place == "Bundle" else {})
    tree["entry"][FIRST] |= turns if place == "row" else {}
    head = tree["entry"][0]["resource"]
    head |= turns if place == "Composition" else {}
    head["section"] = [{"title": "x"} | (turns if place == "section" else {})]
    found, beside = read(tree, NOW).entries
    rules = {"modifier-extension", "implicit-rules"}
    assert found.bar == "modified" and len(rules & {one.rule for one in found.faults}) == 1
    whole = place in ("Bundle", "Composition", "section", "Patient")
    assert beside.bar == ("modified" if whole else "")


def test_what_may_turn_the_meaning_of_a_device_turns_that_of_its_use_and_is_other_content() -> None:
    use = {
        "resourceType": "DeviceUseStatement",
        "status": "active",
        "subject": TO_HER,
        "device": {"reference": "Device/d"},
    }
    device = {"resourceType": "Device", "id": "d", "type": {"text": "Pacemaker"}}
    (plain,), (turned,) = of(device, use).entries, of(device | TURNS, use).entries
    assert (plain.bar, turned.bar) == ("", "modified") and plain.digest != turned.digest
    (first,), (second,) = of(allergy(id="a")).entries, of(allergy(id="a") | RULES).entries
    assert first.digest != second.digest


def test_what_was_not_done_never_becomes_a_record() -> None:
    done = {"resourceType": "Procedure", "status": "completed", "subject": TO_HER, "code": {"text": "Transplantasjon"}}
    first, second = of(done, done | {"status": "not-done"}).entries
    assert (first.bar, second.bar) == ("", "not-done")


def test_whose_a_device_is_counts_for_its_use() -> None:
    use = {
        "resourceType": "DeviceUseStatement", "status": "active", "subject": TO_HER, "device": {"reference": "Device/d"},
    }  # fmt: skip
    for patient, bar in (({"patient": TO_HER}, ""), ({}, ""), ({"patient": {"reference": "Patient/x"}}, "no-subject")):
        device = {"resourceType": "Device", "id": "d", "type": {"text": "Pacemaker"}} | patient
        (found,) = of(device, use).entries
        assert found.bar == bar


def test_every_national_number_by_which_a_document_names_a_patient_is_told_with_its_place() -> None:
    tree = document(HER | {"identifier": [OURS]}, allergy(patient={"identifier": OURS}))
    tree["entry"][0]["resource"]["subject"] |= {"identifier": OURS}
    assert [where for where, _ in read(tree, NOW).named] == [
        "Bundle.entry[0].resource.subject.identifier", "Bundle.entry[1].resource.identifier",
        f"Bundle.entry[{FIRST}].resource.patient.identifier",
    ]  # fmt: skip


def test_an_entry_that_is_no_valid_resource_is_told_by_path_and_stands_beside_the_others() -> None:
    wrong, right = of(allergy(criticality="very", code={}), allergy()).entries
    assert wrong.entry is None and {one.where for one in wrong.faults} == {
        f"Bundle.entry[{FIRST}].resource.{name}" for name in ("code", "criticality")
    }
    assert right.entry is not None and right.faults == ()


def test_more_entries_than_a_clinician_can_settle_are_refused() -> None:
    assert refused(document(HER, *[allergy()] * 501)) == {"Bundle.entry": "too-many"}
    assert refused(document(HER, *[{"resourceType": "Basic"}] * 2_000)) == {"Bundle.entry": "too-many"}


@needed
@pytest.mark.parametrize("name", [IPS, EPS])
def test_every_example_of_the_guides_is_read_with_all_its_entries_or_refused_for_what_it_lacks(name: str) -> None:
    for tree in examples(name):
        there = [one["resource"]["resourceType"] for one in tree["entry"]]
        if there[0] != "Composition":
            assert refused(tree) == {"Bundle.entry[0].resource": "bdl-11"}
            continue
        found = read(tree, NOW)
        assert [one.type for one in found.entries] == [one for one in there if one in TYPES]
        assert [one.faults for one in found.entries if one.faults] == []
        assert all(one.entry and one.entry.now.name for one in found.entries)


WHOLE = document(HER | {"identifier": [SWEDISH]}, allergy(), problem())


@given(spoiled(WHOLE))
@settings(deadline=None, max_examples=150)
def test_a_document_of_which_places_have_become_anything_is_read_or_refused_by_path_and_rule(
    tree: dict[str, Any],
) -> None:
    try:
        found = read(tree, NOW)
    except Refusal as refusal:
        assert refusal.status == 422 and refusal.fault and refusal.fault.rule
    else:
        for one in found.entries:
            proposed(compared(one, plain(one.entry) if one.entry else None, ()))


@pytest.mark.parametrize(
    ("address", "reference", "bar"),
    [
        ("urn:uuid:0c5a7b1f-9d1e-4d39-8f1d-1f1f6a0a5b02", "urn:uuid:0C5A7B1F-9D1E-4D39-8F1D-1F1F6A0A5B02", ""),
        ("URN:UUID:0c5a7b1f-9d1e-4d39-8f1d-1f1f6a0a5b02", "urn:uuid:0c5a7b1f-9d1e-4d39-8f1d-1f1f6a0a5b02", ""),
        ("https://A.example/fhir/Patient/p", "HTTPS://a.Example/fhir/Patient/p", ""),
        ("https://a.example/fhir/Patient/p", "https://a.example/fhir/Patient/P", "no-subject"),
        ("https://a.example/fhir/Patient/p", "https://a.example/FHIR/Patient/p", "no-subject"),
        ("https://a.example/fhir/Patient/p", "http://a.example/fhir/Patient/p", "no-subject"),
        ("https://a.example:1/fhir/Patient/p", "https://a.example/fhir/Patient/p", "no-subject"),
        ("urn:oid:1.2", "urn:OID:1.2", "no-subject"),
    ],
)
def test_the_letters_of_a_uuid_and_of_a_server_are_the_same_in_either_case(
    address: str, reference: str, bar: str
) -> None:
    tree = document(HER | {"id": "h"}, allergy(patient={"reference": reference}))
    tree["entry"][1]["fullUrl"] = tree["entry"][0]["resource"]["subject"]["reference"] = address
    (found,) = read(tree, NOW).entries
    assert found.bar == bar
    twice = document(HER, HER, allergy())
    for place, each in ((1, address), (FIRST, reference)):
        twice["entry"][place]["fullUrl"] = each
    twice["entry"][0]["resource"]["subject"]["reference"] = address
    if not bar:
        assert refused(twice)["Bundle.entry[0].resource.subject"] == "two-subjects"
