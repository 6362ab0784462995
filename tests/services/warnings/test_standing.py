"""Which entries stand at a moment, and what each is called."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.registries.negatives import ABSENT_UNKNOWN
from kjerne.services.warnings import reading
from kjerne.services.warnings.reading import SNOMED, SUBSTANCES
from kjerne.services.warnings.standing import is_nothing, name_of, stands
from services.warnings.worlds import coded

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
KJ = "http://nhn.no/kj/fhir/StructureDefinition/"
PACEMAKER = coded({"system": SNOMED, "code": "14106009", "display": "Pacemaker"})
ACTIVE: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {}, "Condition": {}, "DeviceUseStatement": {"status": "active"},
    "Procedure": {"status": "in-progress"}, "Flag": {"status": "active"},
}  # fmt: skip


def until(day: str, name: str = f"{KJ}KjValidUntil") -> dict[str, Any]:
    return {"extension": [{"url": name, "valueDate": day}]}


@pytest.mark.parametrize("name", ACTIVE)
def test_what_was_valid_until_yesterday_stands_no_more_whatever_it_is(name: str) -> None:
    assert stands(name, ACTIVE[name] | until("2026-11-27"), NOW)
    assert not stands(name, ACTIVE[name] | until("2026-11-26"), NOW)


@pytest.mark.parametrize(
    "address", ["https://ehr.example/validUntil", f"{KJ}kjvaliduntil", f"{KJ}KjValidUntil/x", "KjValidUntil"]
)
def test_an_extension_of_a_like_name_ends_nothing(address: str) -> None:
    assert stands("Flag", ACTIVE["Flag"] | until("2020-01-01", address), NOW)
    assert reading.allergy("1", {"code": PACEMAKER} | until("2020-01-01", address), NOW) is not None


def test_a_flag_stands_until_its_period_has_ended() -> None:
    for period, expected in (
        ({"end": "2026-11-26"}, False), ({"end": "2026-11-27"}, True), ({"start": "2019-01-01"}, True), ("x", True),
        ({"end": "x"}, True), ({"start": "2019", "end": "2020"}, False),
    ):  # fmt: skip
        assert stands("Flag", ACTIVE["Flag"] | {"period": period}, NOW) == expected


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED, "716186003"), (SNOMED, "409137002"), ("urn:oid:2.16.840.1.113883.6.96", "716186003"),
        (ABSENT_UNKNOWN, "no-known-allergies"), (ABSENT_UNKNOWN, "no-allergy-info"),
    ],
)  # fmt: skip
def test_that_there_is_no_allergy_is_none(system: str, code: str) -> None:
    nothing = {"system": system, "code": code}
    substance = coded({"system": SUBSTANCES, "code": "1"})
    assert is_nothing({"code": coded(nothing, text="Ingen kjente allergier")})
    assert not is_nothing({"code": coded(nothing, substance["coding"][0])})
    assert not is_nothing({"code": coded(nothing), "reaction": [{"substance": substance}]})
    # The profile demands it of every entry.
    assert is_nothing({"code": coded(nothing), "reaction": [{"manifestation": [coded(text="Anafylaktisk reaksjon")]}]})
    assert not is_nothing({"code": coded({"system": "urn:x", "code": code})})
    assert not is_nothing({"code": coded(text="No known allergy")})


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ({"contained": [{"resourceType": "Device", "id": "d", "type": PACEMAKER}], "device": {"reference": "#d"}}, "Pacemaker"),
        ({"contained": [{"resourceType": "Device", "id": "d", "deviceName": [{"name": "ICD"}]}]}, "ICD"),
        ({"contained": [{"resourceType": "Device", "type": {"coding": [{"code": "14106009"}]}}]}, "14106009"),
        ({"contained": [{"resourceType": "Device", "id": "x", "type": PACEMAKER}], "device": {"reference": "#d"}}, "Device"),
        ({"device": {"display": "Pacemaker"}}, "Pacemaker"),
        ({"device": {"display": " "}}, "Device"),
        ({"code": {"text": "Skal ikke ha blod"}}, "Skal ikke ha blod"),
        ({"category": [{"text": "Endring"}], "code": {"coding": [{"code": "7"}]}}, "Endring"),
        ({"code": {"coding": [{"code": "7"}]}}, "7"),
        ({"contained": 7, "device": 7, "code": 7, "category": 7}, "Device"),
    ],
)  # fmt: skip
def test_an_entry_is_called_by_its_words_its_device_or_its_category(tree: dict[str, Any], name: str) -> None:
    assert name_of({"resourceType": "Device"} | tree) == name
