"""A person's address: always the same, hers alone, and taken for nobody's where it is another record's."""

from __future__ import annotations

from uuid import uuid4

import pytest

from kjerne.errors import Refusal
from kjerne.store.patient_ids import about_whom, check_reference, id_of, is_a_number, key_of, subject_key
from kjerne.store.sealed_id import SealedIds

IDS = SealedIds(bytes(32))
KEY, OTHER = 4711, 4712
HERS = f"Patient/{id_of(IDS, KEY)}"


def test_her_id_is_always_the_same_and_holds_no_number() -> None:
    assert id_of(IDS, KEY) == id_of(IDS, KEY) != id_of(IDS, OTHER)
    for text in (HERS, HERS.removeprefix("Patient/"), f"https://fhir.example/R4/{HERS}", f"{HERS}/_history/2"):
        assert key_of(IDS, text) == KEY


def test_the_id_of_another_record_of_hers_is_nobodys_patient() -> None:
    assert key_of(IDS, f"Patient/{IDS.make(KEY)}") == key_of(IDS, str(uuid4())) == 0
    for text in (
        "Patient/123",
        "",
        "Group/" + str(id_of(IDS, KEY)),
        "urn:uuid:" + str(id_of(IDS, KEY)),
        "Patient?name=x",
    ):
        assert key_of(IDS, text) is None


def test_a_resource_that_refers_to_another_as_its_subject_is_refused() -> None:
    def observation(reference: str) -> dict[str, object]:
        return {"resourceType": "Observation", "subject": {"reference": reference}}

    assert subject_key(IDS, observation(HERS)) == KEY
    assert subject_key(IDS, observation(f"Patient/{uuid4()}")) is None
    assert subject_key(IDS, {"resourceType": "AllergyIntolerance", "patient": {"reference": HERS}}) == KEY
    for taken in (
        HERS,
        "Patient/123",
        "#p",
        "Device/1",
        f"Patient/{uuid4()}",
        f"https://other.example/Patient/{uuid4()}",
    ):
        check_reference(IDS, observation(taken), [KEY])
    check_reference(IDS, {"resourceType": "Observation"}, [KEY])
    for wrong in (f"Patient/{id_of(IDS, OTHER)}", f"Patient/{id_of(IDS, OTHER)}/_history/1"):
        with pytest.raises(Refusal) as refused:
            check_reference(IDS, observation(wrong), [KEY])
        assert (refused.value.status, refused.value.where) == (422, "Observation.subject.reference")


@pytest.mark.parametrize(
    ("name", "element"), [("AppointmentResponse", "actor"), ("SupplyRequest", "deliverTo"), ("Task", "for")]
)
def test_a_subject_is_found_where_its_type_has_it(name: str, element: str) -> None:
    of_hers = {"resourceType": name, element: {"reference": HERS}}
    assert subject_key(IDS, of_hers) == KEY
    check_reference(IDS, of_hers, [KEY])
    with pytest.raises(Refusal) as refused:
        check_reference(IDS, of_hers, [OTHER])
    assert refused.value.where == f"{name}.{element}.reference"
    for odd in (None, "text", [], [{"reference": HERS}], {"reference": 1}):
        assert subject_key(IDS, {"resourceType": name, element: odd}) is None


def test_the_patient_of_an_appointment_is_found_among_those_who_meet() -> None:
    def meeting(*actors: object) -> dict[str, object]:
        return {"resourceType": "Appointment", "participant": [{"actor": one} for one in actors]}

    doctor, her = {"reference": f"Practitioner/{id_of(IDS, OTHER)}"}, {"reference": HERS}
    assert subject_key(IDS, meeting(doctor, her)) == KEY
    for nobody in (
        meeting(doctor),
        {"resourceType": "Appointment"},
        {"resourceType": "Appointment", "participant": [{}]},
    ):
        assert subject_key(IDS, nobody) is None
    check_reference(IDS, meeting(doctor, her), [KEY])
    with pytest.raises(Refusal) as refused:
        check_reference(IDS, meeting(doctor, {"reference": f"Patient/{id_of(IDS, OTHER)}"}), [KEY])
    assert (refused.value.status, refused.value.where) == (422, "Appointment.participant.actor.reference")


def test_another_s_answer_to_an_appointment_is_of_whom_the_appointment_is() -> None:
    at, doctor = f"Appointment/{IDS.make(KEY)}", {"reference": "Practitioner/1"}

    def answer(to: object, actor: object) -> dict[str, object]:
        return {"resourceType": "AppointmentResponse", "appointment": {"reference": to}, "actor": actor}

    assert subject_key(IDS, answer(at, doctor)) == subject_key(IDS, answer(f"{at}/_history/2", doctor)) == KEY
    assert subject_key(IDS, answer(at, {"reference": f"Patient/{id_of(IDS, OTHER)}"})) == OTHER
    for elsewhere in ("Appointment/1", f"https://a.example/{at}", f"Encounter/{IDS.make(KEY)}", "", 7):
        assert subject_key(IDS, answer(elsewhere, doctor)) is None
    assert subject_key(IDS, answer(at, {"display": "nobody says who"})) is None
    with pytest.raises(Refusal):
        check_reference(IDS, answer(at, doctor), [OTHER])
    assert about_whom(IDS, (("patient", at),)).key is None


def test_the_parameters_of_a_search_are_taken_apart() -> None:
    whom = about_whom(
        IDS,
        (("code", "x"), ("subject:Patient.family", "Moe"), ("patient", HERS), ("patient.name:exact", "y"),
         ("performer.name", "z"), ("subject", HERS)),
    )  # fmt: skip
    assert whom.key == KEY
    assert whom.of_her == (("family", "Moe"), ("name:exact", "y"))
    assert whom.rest == (("code", "x"), ("performer.name", "z"))
    with pytest.raises(Refusal):
        about_whom(IDS, (("patient", HERS), ("subject", f"Patient/{id_of(IDS, OTHER)}")))
    assert about_whom(IDS, (("patient", "Patient/123"),)).rest == (("patient", "Patient/123"),)


def test_only_a_national_number_or_one_of_no_system_names_a_patient() -> None:
    assert is_a_number("subject.identifier", "urn:oid:2.16.578.1.12.4.1.4.1|1")
    assert is_a_number("identifier", "1")
    assert not is_a_number("identifier", "urn:oid:1.2.3|1")
    assert not is_a_number("family", "1")
