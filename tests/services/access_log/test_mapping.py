"""One line of the log as an AuditEvent: valid R4, in the national profile and in IHE's patterns where it has what they ask."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Coded
from kjerne.fhir.validate import check
from kjerne.services.access_log.mapping import ENTITIES_LIMIT, audit_event, shape_of
from kjerne.store.log_entry import LogEntry, Origin, Seen

AT = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
OID = "urn:oid:2.16.578.1.12.4.1."
PATIENT = "13916900216"
ORIGIN = Origin(
    patient=1, number=UUID(int=7), hpr="9144900", organisation="999999901", point_of_care="999999902", department="4208723",
    patient_point_of_care="999999902", patient_department=f"{OID}4.102|4208723", client="epj", token="t-1", decision="42",
    attested_at=datetime(2026, 11, 23, 11, 58, 25, tzinfo=UTC), correlation="c-1", asked="Observation?code=NPU27300",
)  # fmt: skip
BLOOD = Seen("Observation", "00000000-0000-4000-8000-000000000002", 3)
LINE = LogEntry(
    at=AT, by="practitioner", who="Kari Lege", role="LE", organisation="Fjellet sykehus", point_of_care="Medisin",
    department="4208723", place_withheld=False, given=True, action="search", service="results", purpose="TREAT",
    basis="SAMTYKKE", says="Behandlingsstedet så opplysningene.", law="pasientjournalloven § 19", rule="care",
    seen=(BLOOD, Seen("DiagnosticReport", "00000000-0000-4000-8000-000000000001", 1)), acute=False, self_declared=True,
    mark="", reason="Poliklinikk", healthcare_service=Coded("KX17", f"{OID}1.8655", "Fastlege"),
    purpose_details=Coded("BEHANDLER", "urn:AuditEventHL7Norway/CodeSystem/carerelation", "Behandler"),
    patient_point_of_care="Medisin", patient_department="4208723", origin=ORIGIN,
)  # fmt: skip
ONE = replace(LINE, seen=(BLOOD,))


def told(entry: LogEntry, *, number: str = PATIENT, to_controller: bool = False) -> dict[str, Any]:
    event = audit_event(
        entry, id_="a" * 64, number=number, base="https://kjerne.example/fhir/R4", to_controller=to_controller
    )
    assert check(event, "AuditEvent") == []
    return event


def every(tree: Any, name: str) -> Iterator[Any]:
    """The values of all members of this name, at any depth."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == name:
                yield value
            yield from every(value, name)
    elif isinstance(tree, list):
        for one in tree:
            yield from every(one, name)


def inside(event: dict[str, Any], reference: dict[str, str]) -> dict[str, Any]:
    (found,) = [one for one in event["contained"] if one["id"] == reference["reference"][1:]]
    return dict(found)


def extension(event: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in event["extension"] if one["url"] == f"http://hl7.no/fhir/StructureDefinition/{name}"]
    return dict(found)


ACTIONS = [
    ("read", (BLOOD,), "R", "read", "PatientRead"),
    ("read", (), "R", "read", ""),
    ("history", (BLOOD,), "R", "vread", "PatientRead"),
    ("history", LINE.seen, "R", "history-instance", ""),
    ("search", LINE.seen, "E", "search-type", "PatientQuery"),
    ("insight", (), "E", "search-type", "PatientQuery"),
    ("file", (replace(BLOOD, version=1),), "C", "create", "PatientCreate"),
    ("file", (BLOOD,), "U", "update", "PatientUpdate"),
    ("file", LINE.seen, "U", "update", ""),
    ("correct", (replace(BLOOD, version=1),), "U", "update", "PatientUpdate"),
    ("correct", (replace(BLOOD, gone=True),), "D", "delete", "PatientDelete"),
    ("correct", (replace(BLOOD, gone=True), BLOOD), "U", "update", ""),
    ("erase", (BLOOD,), "D", "delete", "PatientDelete"),
    ("choose", (), "E", "operation", ""),
    ("examine", (), "E", "operation", ""),
]


@pytest.mark.parametrize("action", ["file", "correct"])
@pytest.mark.parametrize("rule", ["met-and-not-written", "met-with-restriction-opened"])
def test_what_was_met_and_not_written_is_neither_created_nor_updated(action: str, rule: str) -> None:
    event = told(replace(LINE, action=action, rule=rule, seen=(BLOOD,), by="system"))
    assert (event["action"], event["subtype"][0]["code"], event["outcome"]) == ("E", "operation", "0")


@pytest.mark.parametrize(
    ("asked", "interaction"), [("Observation/_history?_count=2", "history-type"), ("_history?", "history-system")]
)
@pytest.mark.parametrize("seen", [(), (BLOOD,), LINE.seen])
def test_a_history_of_many_is_told_by_what_was_asked_for(asked: str, interaction: str, seen: tuple[Seen, ...]) -> None:
    line = replace(LINE, action="history", seen=seen, origin=replace(LINE.origin, asked=asked))
    assert [one["code"] for one in told(line)["subtype"]] == [interaction, "110110"]


@pytest.mark.parametrize("by", ["practitioner", "self", "representative", "system"])
@pytest.mark.parametrize(("action", "seen", "code", "interaction", "pattern"), ACTIONS)
def test_every_action_has_its_code_and_the_pattern_that_it_fulfils(
    by: Any, action: str, seen: tuple[Seen, ...], code: str, interaction: str, pattern: str
) -> None:
    event = told(replace(LINE, action=action, seen=seen, by=by))
    assert event["type"]["code"] == "rest"
    assert (event["action"], event["subtype"][0]["code"]) == (code, interaction)
    claimed = [one.rpartition(".")[2] for one in event["meta"].get("profile", ()) if "BasicAudit" in one]
    assert claimed == ([pattern] if pattern else [])
    if pattern:
        holds_the_pattern(event, pattern)


ROLES = {
    "PatientRead": ("110152", "110153"), "PatientQuery": ("110153", "110152"), "PatientCreate": ("110153", "110152"),
    "PatientUpdate": ("110153", "110152"), "PatientDelete": ("110150", "custodian"),
}  # fmt: skip


def holds_the_pattern(event: dict[str, Any], pattern: str) -> None:
    """What BALP 1.1 demands of the pattern, written from its profiles."""
    kinds = [one["type"]["coding"][0]["code"] for one in event["agent"]]
    assert [kinds.count(one) for one in ROLES[pattern]] == [1, 1]
    for agent in event["agent"][:2]:
        assert agent["who"] and agent["network"]
    people = [one for one in event["agent"] if one["type"]["coding"][0]["code"] in ("IRCP", "AUT")]
    assert len(people) <= 1
    for user in people:
        assert user["requestor"] is True and "network" not in user
    assert event["outcome"] == "0"
    of_kind = [one["type"]["code"] for one in event["entity"]]
    assert (of_kind.count("1"), of_kind.count("2"), of_kind.count("XrequestId")) == (1, 1, 1)
    (patient,) = [one for one in event["entity"] if one["type"]["code"] == "1"]
    assert (patient["role"]["code"], patient["what"]) == ("1", {"reference": "#patient"})
    (thing,) = [one for one in event["entity"] if one["type"]["code"] == "2"]
    if pattern == "PatientQuery":
        assert thing["role"]["code"] == "24" and not {"what", "lifecycle", "detail"} & thing.keys()
        assert base64.b64decode(thing["query"]) == b"Observation?code=NPU27300"
    else:
        assert thing["role"]["code"] in ("4", "3", "20") and thing["what"]["reference"].count("/") == 3


def test_the_national_profile_has_practitioner_organisation_place_decision_and_care() -> None:
    event = told(LINE)
    assert event["meta"]["profile"][-1].endswith("/no-domain-Trustframework-Auditevent")
    (user,) = [one for one in event["agent"] if "name" in one]
    role = inside(event, user["who"])
    practitioner = inside(event, role["practitioner"])
    assert practitioner["identifier"] == [{"system": f"{OID}4.4", "value": "9144900"}]
    assert practitioner["qualification"][0]["code"]["coding"] == [{"system": f"{OID}1.9060", "code": "LE"}]
    department = inside(event, role["organization"])
    assert department["identifier"] == [{"value": "4208723"}]
    assert inside(event, department["partOf"])["identifier"] == [{"system": f"{OID}4.101", "value": "999999901"}]
    (location,) = role["location"]
    assert inside(event, inside(event, location)["managingOrganization"])["identifier"][0]["value"] == "999999902"
    encounter = inside(event, extension(event, "auditevent-encounter-extension")["valueReference"])
    assert encounter["serviceType"]["coding"] == [{"system": f"{OID}1.8655", "code": "KX17", "display": "Fastlege"}]
    assert inside(event, encounter["serviceProvider"])["identifier"] == [{"system": f"{OID}4.102", "value": "4208723"}]
    patient = inside(event, extension(event, "auditevent-patient-extension")["valueReference"])
    assert patient["identifier"] == [{"system": f"{OID}4.1", "value": PATIENT}]
    said = {one["url"]: one for one in extension(event, "auditevent-carerelation-metadata-extension")["extension"]}
    assert said["decision-ref-id"]["valueString"] == "42"
    assert said["decision-ref-description"]["valueString"] == "Poliklinikk"
    assert said["decision-ref-user-selected"]["valueBoolean"] is True
    assert said["toa"]["valueUnsignedInt"] == 1795435105
    (purpose,) = event["purposeOfEvent"]
    assert [one["code"] for one in purpose["coding"]] == ["TREAT", "BEHANDLER", "SAMTYKKE"]
    assert purpose["text"] == "pasientjournalloven § 19"


def test_every_number_stands_in_the_value_of_its_identifier_and_never_in_its_id() -> None:
    """The examples of the national guide write it in `identifier.id`."""
    found = [
        one for member in every(told(LINE), "identifier") for one in (member if isinstance(member, list) else [member])
    ]
    assert len(found) >= 7
    for identifier in found:
        assert "id" not in identifier
        assert identifier["value"]


def test_a_practitioner_without_an_hpr_number_keeps_her_person_number_masked() -> None:
    event = told(replace(LINE, origin=replace(ORIGIN, hpr="")))
    (practitioner,) = [one for one in event["contained"] if one["resourceType"] == "Practitioner"]
    (identifier,) = practitioner["identifier"]
    assert (identifier["system"], "value" in identifier) == (f"{OID}4.1", False)
    assert identifier["_value"]["extension"][0]["valueCode"] == "masked"


def test_where_places_are_withheld_no_organisation_is_named() -> None:
    bare = replace(
        ORIGIN, organisation="", point_of_care="", department="", patient_point_of_care="", patient_department=""
    )
    hidden = replace(
        LINE, organisation="", point_of_care="", department="", place_withheld=True, patient_point_of_care="",
        patient_department="", origin=bare,
    )  # fmt: skip
    event = told(hidden)
    names = [one for one in event["contained"] if one["resourceType"] == "Organization"]
    assert names == [
        {"resourceType": "Organization", "id": "legal-entity", "_name": {"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}}
    ]  # fmt: skip
    assert "9999999" not in repr(event)


def test_a_reason_that_is_not_there_or_may_not_be_told_leaves_the_extension_whole() -> None:
    said = extension(told(replace(LINE, reason=" ")), "auditevent-carerelation-metadata-extension")["extension"]
    assert [one["url"] for one in said] == [
        "decision-ref-id", "decision-ref-description", "decision-ref-user-selected", "toa",
    ]  # fmt: skip
    assert "valueString" not in said[1]


def test_whoever_stands_in_for_the_patient_is_told_by_name_alone() -> None:
    event = told(replace(LINE, by="representative", who="Mor Prøve", action="read", seen=(BLOOD,)))
    (related,) = [one for one in event["contained"] if one["resourceType"] == "RelatedPerson"]
    assert related == {
        "resourceType": "RelatedPerson", "id": "representative", "patient": {"reference": "#patient"},
        "name": [{"text": "Mor Prøve"}],
    }  # fmt: skip
    assert not any("Trustframework" in one for one in event["meta"]["profile"])


def test_the_tokens_id_is_told_to_the_data_controller_alone() -> None:
    assert "t-1" not in repr(told(ONE))
    event = told(ONE, to_controller=True)
    (user,) = [one for one in event["agent"] if "policy" in one]
    assert user["policy"] == ["urn:ietf:params:oauth:jti:t-1"]
    assert "UserOauthAgent" in [one["code"] for one in user["type"]["coding"]]


def test_a_long_list_of_records_ends_with_how_many_more_there_are() -> None:
    many = tuple(replace(BLOOD, version=n + 1) for n in range(ENTITIES_LIMIT + 12))
    event = told(replace(LINE, seen=many))
    named = [one for one in event["entity"] if one.get("what", {}).get("reference", "").startswith("Observation/")]
    assert len(named) == ENTITIES_LIMIT
    assert event["entity"][-1]["description"].startswith("12 further records")
    assert "further" not in repr(told(replace(LINE, seen=many[:ENTITIES_LIMIT])))


def test_a_line_with_nothing_but_what_every_row_has_is_a_valid_event() -> None:
    bare = LogEntry(
        at=AT, by="system", who="", role="", organisation="", point_of_care="", department="", place_withheld=False,
        given=True, action="erase", service="", purpose="", basis="", says="Slettet.", law="", rule="r", seen=(), acute=False,
        self_declared=False, mark="",
    )  # fmt: skip
    event = told(bare, number="")
    assert "profile" not in event["meta"]
    assert event["agent"][0]["requestor"] is True
    assert shape_of(bare).action == "D"


def test_the_patient_may_have_a_number_of_any_kind() -> None:
    for number, system in (("41815012345", "4.2"), ("81234567890", "4.3")):
        (patient,) = [one for one in told(LINE, number=number)["contained"] if one["resourceType"] == "Patient"]
        assert patient["identifier"] == [{"system": OID + system, "value": number}]
