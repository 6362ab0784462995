"""What entries of critical information are called on a card."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.registries.negatives import ABSENT_UNKNOWN
from kjerne.services.warnings.naming import is_nothing, name_of
from kjerne.services.warnings.reading import SNOMED, SUBSTANCES
from services.warnings.worlds import coded

PACEMAKER = coded({"system": SNOMED, "code": "14106009", "display": "Pacemaker"})


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
