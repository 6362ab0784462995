"""The FHIRPath of search parameters: what is in the subset is read, the rest is an error and never a guess."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.fhir.paths import Step, Where, parse


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("A.b.c", [(Step("A"), Step("b"), Step("c"))]),
        ("A.b | C.d", [(Step("A"), Step("b")), (Step("C"), Step("d"))]),
        ("(A.b as Period)", [(Step("A"), Step("b", cast="Period"))]),
        ("(A.b as CodeableConcept).text", [(Step("A"), Step("b", cast="CodeableConcept"), Step("text"))]),
        ("A.b.ofType(Range)", [(Step("A"), Step("b", cast="Range"))]),
        ("A.b.where(system='x y')", [(Step("A"), Step("b", test=Where("equals", "system", "x y")))]),
        ("A.b.where(resolve() is Patient)", [(Step("A"), Step("b", test=Where("resolves", value="Patient")))]),
        ("A.extension('urn:x')", [(Step("A"), Step("extension", test=Where("extension", value="urn:x")))]),
        ("A.b[0].c", [(Step("A"), Step("b", test=Where("first")), Step("c"))]),
    ],
)
def test_an_expression_is_read_into_steps(expression: str, expected: list[tuple[Step, ...]]) -> None:
    assert parse(expression) == tuple(expected)


@pytest.mark.parametrize(
    "expression",
    ["", "A.", "A.b.exists() and A.b != false", "%x.a", "A.b.where(c)", "(A", "A)", "'x'", "A..b", "A.b + 1"],
)
def test_what_is_outside_the_subset_is_an_error(expression: str) -> None:
    with pytest.raises(ValueError):
        parse(expression)


@given(st.text("Ab.()|'[0] aswhere=!%", max_size=30))
def test_any_text_is_read_or_is_an_error(expression: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(expression)
