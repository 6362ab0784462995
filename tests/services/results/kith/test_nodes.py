"""Looking into elements: names, and codes up to their limits."""

from __future__ import annotations

import pytest
from lxml import etree

from kjerne.errors import Refusal
from kjerne.services.results.kith.model import Code
from kjerne.services.results.kith.nodes import (
    CODE_LIMIT_CHARACTERS,
    NAME_LIMIT_CHARACTERS,
    NAMES,
    code_of,
    name_of,
    parts,
)

MANY = 3_000
"""More names than are kept."""


def test_a_name_is_read_without_its_namespace_however_many_came_before() -> None:
    for number in range(MANY):
        assert name_of(etree.Element(f"{{urn:x}}Name{number}")) == f"Name{number}"
    assert len(NAMES) < MANY
    holder = etree.fromstring("<a xmlns='urn:x'><b/><c/><b xmlns='urn:y'/></a>")
    assert {name: len(found) for name, found in parts(holder).items()} == {"b": 2, "c": 1}


def test_a_name_of_any_length_is_read_and_a_long_one_not_kept() -> None:
    long = "N" * 10_000
    assert name_of(etree.Element(f"{{urn:x}}{long}")) == long
    assert not any(long in tag for tag in NAMES)


def test_a_code_is_read_up_to_the_limits_of_its_parts() -> None:
    code, name = "v" * CODE_LIMIT_CHARACTERS, "n" * NAME_LIMIT_CHARACTERS
    sent = {"V": f" {code} ", "S": name, "DN": name, "OT": f"\n{name}"}
    assert code_of(etree.Element("Id", sent)) == Code(code, name, name, name)


@pytest.mark.parametrize(
    ("part", "limit"),
    [("V", CODE_LIMIT_CHARACTERS), ("S", NAME_LIMIT_CHARACTERS), ("DN", NAME_LIMIT_CHARACTERS), ("OT", NAME_LIMIT_CHARACTERS)],
)  # fmt: skip
def test_a_code_with_a_longer_part_is_refused_by_its_name(part: str, limit: int) -> None:
    with pytest.raises(Refusal, match=rf"Id \({part}\) is longer than {limit} signs"):
        code_of(etree.Element("Id", {part: "x" * (limit + 1)}))
