"""`_filter`: read as R4's grammar has it, and refused with the place of what cannot be read."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked, Chained, Combined, Criterion, TokenValue
from kjerne.wire import filters
from kjerne.wire.criteria import Scope

SERVED = frozenset(("Observation", "DiagnosticReport", "Specimen"))


def read(text: str, type: str = "Observation") -> Asked:
    return filters.understood(Scope(SERVED), type, text)


def refused(text: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(text)
    return caught.value


def code(value: str) -> Criterion:
    return Criterion("code", "token", "", (TokenValue(None, value),))


def test_and_and_or_bind_alike_from_left_to_right() -> None:
    a, b, c = code("a"), code("b"), code("c")
    assert read("code eq a and code eq b or code eq c") == Combined("or", (Combined("and", (a, b)), c))
    assert read("code eq a or code eq b and code eq c") == Combined("and", (Combined("or", (a, b)), c))
    assert read("code eq a or (code eq b and code eq c)") == Combined("or", (a, Combined("and", (b, c))))
    assert read("code eq a and code eq b and code eq c") == Combined("and", (a, b, c))
    assert read("not(code eq a) or not (code eq b)") == Combined("or", (Combined("not", (a,)), Combined("not", (b,))))
    assert read("( code eq a )") == a


def test_a_value_is_bare_or_a_json_string() -> None:
    assert read("code eq urn:x|a") == Criterion("code", "token", "", (TokenValue("urn:x", "a"),))
    for text in ('code eq "a, b$c) \\u0041"', 'code eq "a, b$c) A"'):
        assert read(text) == code("a, b$c) A")
    assert read('(code eq "a)")') == code("a)")


def test_a_path_is_a_chain() -> None:
    near = read("result.specimen.status eq available", "DiagnosticReport")
    assert isinstance(near, Chained)
    assert near.steps[0][0] == "Observation"
    assert isinstance(read("not(specimen.status eq available)"), Combined)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "value"),
        ("code", "value"),
        ("code eq", "value"),
        ("code xx K", "not-supported"),
        ("code eq K and", "value"),
        ("code eq K code eq K", "value"),
        ("(code eq K", "value"),
        ("code eq K)", "value"),
        ("not code eq K", "value"),
        ('code eq "K', "value"),
        ('code eq "\\x"', "value"),
        ("code co K", "not-supported"),
        ("code gt K", "not-supported"),
        ("date co 2024", "not-supported"),
        ("date eq ge2024", "value"),
        ("date po ge2024", "value"),
        ("value-quantity po 5", "not-supported"),
        ("code-value-quantity eq K", "not-supported"),
        ("code-value-quantity pr true", "not-supported"),
        ("code pr maybe", "value"),
        ("colour eq red", "not-supported"),
        ("subject.name co x", "not-supported"),
        ("patient eq 1", "not-supported"),
        ("has-member[code eq K].status eq final", "not-supported"),
        ("code ss final", "not-supported"),
        ("_id gt a", "not-supported"),
        ("(" * 12 + "code eq K" + ")" * 12, "too-costly"),
        (" or ".join(["code eq K"] * 51), "too-costly"),
    ],
)
def test_what_cannot_be_read_or_compared_is_refused(text: str, code: str) -> None:
    error = refused(text)
    assert (error.status, error.code) == (400, code)


def test_a_refusal_tells_the_place_and_no_value() -> None:
    error = refused('code eq K and "01010112345"')
    assert "character 15" in str(error)
    assert "0101" not in str(error)
