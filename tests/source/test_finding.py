"""Names by patterns: what SQL's LIKE finds, and never slowly."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.source.finding import is_like

SIGNS = st.text("aAb%_^.*\\\n", max_size=8)


def as_expression(pattern: str) -> re.Pattern[str]:
    """The same as one expression, which may go back without end."""
    return re.compile(
        "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern), re.IGNORECASE | re.DOTALL
    )


@given(pattern=SIGNS, text=SIGNS)
@settings(max_examples=400, deadline=None)
def test_a_pattern_finds_what_it_means(pattern: str, text: str) -> None:
    assert is_like(pattern, text) == (as_expression(pattern).fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("%vits%", True), ("VITS", False), ("%^VITS^GR_NN%", True), ("%^vits^gr__nn%", False), ("%", True)],
)
def test_an_author_is_found_by_part_of_the_name(pattern: str, found: bool) -> None:
    assert is_like(pattern, "9144897^VITS^GRØNN^^^^^^&2.16.578.1.12.4.1.4.4&ISO") == found


def test_a_pattern_that_goes_back_without_end_as_an_expression_ends() -> None:
    assert not is_like("%_" * 200 + "#", "a" * 2_000)
