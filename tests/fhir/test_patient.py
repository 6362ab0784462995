"""A person of the register as a Patient, and what the register takes from one."""

from __future__ import annotations

from datetime import date

import pytest

from kjerne.fhir.patient import Known, Number, born_on, died_on, name_of, patient
from kjerne.fhir.validate import check

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
KARI = Known("Kari Anne Nordmann", "female", date(1980, 5, 17), None, "Storgata 1, 0155 OSLO", is_made_up=False)


def test_a_person_is_told_with_numbers_name_sex_birth_and_address() -> None:
    told = patient(KARI, [Number(FNR, "11900012345", holds=True), Number(FNR, "11900054321", holds=False)])
    assert check(told, "Patient") == []
    assert [(one["use"], one["value"]) for one in told["identifier"]] == [
        ("official", "11900012345"), ("old", "11900054321")
    ]  # fmt: skip
    (name,) = told["name"]
    assert (name["family"], name["given"]) == ("Nordmann", ["Kari", "Anne"])
    assert (told["gender"], told["birthDate"]) == ("female", "1980-05-17")
    assert told["address"][0]["text"] == "Storgata 1, 0155 OSLO"
    assert "meta" not in told
    assert "deceasedDateTime" not in told


def test_what_the_register_does_not_say_is_left_out() -> None:
    told = patient(Known("", "", None, date(2026, 1, 2), "", is_made_up=True), [])
    assert check(told, "Patient") == []
    assert told.keys() == {"resourceType", "meta", "gender", "deceasedDateTime"}
    assert (told["gender"], told["deceasedDateTime"]) == ("unknown", "2026-01-02")
    assert told["meta"]["security"][0]["code"] == "HTEST"
    assert patient(KARI._replace(name="Cher"), [])["name"] == [{"use": "official", "text": "Cher", "family": "Cher"}]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([{"family": "Moe", "given": ["Ola", "B"]}], "Ola B Moe"),
        ([{"family": "Old"}, {"use": "official", "family": "Moe"}], "Moe"),
        ([{"text": "Ola Moe"}], "Ola Moe"),
        ([], ""),
    ],
)
def test_a_name_is_one_line_in_the_register(names: list[dict[str, object]], line: str) -> None:
    assert name_of({"name": names}) == line


def test_days_are_whole_or_unknown() -> None:
    assert born_on({"birthDate": "1971-02-03"}) == date(1971, 2, 3)
    assert born_on({"birthDate": "1971"}) is born_on({}) is None
    today = date(2026, 11, 26)
    assert died_on({"deceasedDateTime": "2020-01-02T10:00:00Z"}, today) == date(2020, 1, 2)
    assert died_on({"deceasedDateTime": "2020"}, today) == died_on({"deceasedBoolean": True}, today) == today
    assert died_on({"deceasedBoolean": False}, today) is died_on({}, today) is None
