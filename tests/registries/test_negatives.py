"""Codes that say that there is nothing, and those that only look like it."""

from __future__ import annotations

import pytest

from kjerne.registries.negatives import ABSENT_UNKNOWN, SNOMED, is_negative


@pytest.mark.parametrize(
    ("codes", "negative"),
    [
        ([(SNOMED, "716186003")], True),
        ([(SNOMED, "409137002")], True),
        ([(ABSENT_UNKNOWN, "no-known-allergies")], True),
        ([(ABSENT_UNKNOWN, "no-allergy-info")], True),
        ([("http://www.whocc.no/atc", "J01CA04"), (SNOMED, "716186003")], True),
        ([("https://abroad.example/codes", "716186003")], False),
        ([(SNOMED, "372687004")], False),
        ([], False),
    ],
)
def test_a_negative_is_known_by_its_system_and_code(codes: list[tuple[str, str]], negative: bool) -> None:
    assert is_negative(codes) is negative
