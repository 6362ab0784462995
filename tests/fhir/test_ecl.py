"""Which texts SNOMED's constraint language could read."""

from __future__ import annotations

import pytest

from kjerne.fhir.ecl import is_expression


@pytest.mark.parametrize(
    "text",
    [
        "404684003",
        "< 404684003 |Clinical finding|",
        "<< 73211009 OR << 38341003",
        "(< 19829001 MINUS < 301867009) AND *",
        "^ 929360041000036105",
        "< 404684003: 363698007 = << 39057004, 116676008 = *",
        "< 404684003: {363698007 = < 39057004 AND 116676008 != 415582006}",
        "< 27658006: [1..3] 127489000 = *, 1142135004 >= #250",
        "< 105590001: R 127489000 = 111115",
        "<! 404684003 . 363698007",
        '<< 64572001 {{ term = "heart" }}',
    ],
)
def test_an_expression_is_one(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text", ["", "234234 << 234234", "< ", "finding", "(404684003", "404684003:", "< 1", "(" * 9000]
)
def test_what_is_none_is_none(text: str) -> None:
    assert not is_expression(text)
