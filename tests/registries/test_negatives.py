"""Codes that say that there is nothing, and those that only look like it."""

from __future__ import annotations

import pytest

from kjerne.registries.negatives import ABSENT_UNKNOWN, SNOMED, is_negative, negative_in


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


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        ([(SNOMED, "716186003")], "whole"),
        ([("urn:oid:2.16.840.1.113883.6.96", "716186003")], "whole"),
        ([(SNOMED, "716186003"), (ABSENT_UNKNOWN, "no-known-allergies")], "whole"),
        ([(SNOMED, "716186003"), (SNOMED, "428197003")], "part"),
        ([(SNOMED, "716186003"), (ABSENT_UNKNOWN, "no-allergy-info")], "no-info"),
        ([("http://www.whocc.no/atc", "J01CA04"), (SNOMED, "716186003")], ""),
        ([(SNOMED, "716186003"), ("https://abroad.example/codes", "x")], ""),
        ([], ""),
    ],
)
def test_several_codes_say_that_there_is_nothing_only_where_each_does(codes: list[tuple[str, str]], says: str) -> None:
    assert negative_in(codes) == negative_in(reversed(codes)) == says
