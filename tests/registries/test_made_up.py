"""Who is made up, and where such people may be: told by the month of a number, and by a label."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.registries.identifiers import OID_PERSON, control_digits
from kjerne.registries.made_up import SANDBOX, MadeUp
from kjerne.settings import Settings

PRODUCTION = MadeUp.of(Settings(mode="production"))
WITH_FORTY = MadeUp.of(Settings(mode="production", month_40="synthetic"))


def numbers(months: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    """Numbers with these months that control digits hold of, D-numbers too."""
    days = st.integers(1, 28).flatmap(lambda day: st.sampled_from([day, day + 40]))
    nine = st.tuples(days, months, st.integers(0, 99), st.integers(0, 499)).map(_nine)
    return nine.filter(control_digits).map(lambda one: one + control_digits(one)).filter(identifiers.is_number)


def _nine(told: tuple[int, int, int, int]) -> str:
    day, month, year, individual = told
    return f"{day:02d}{month:02d}{year:02d}{individual:03d}"


def keeps_out(rule: MadeUp, number: str) -> bool:
    try:
        rule.hold(identifiers.parse(number), "Patient.identifier[0].value")
    except Refusal as refusal:
        assert (refusal.status, refusal.where) == (422, "Patient.identifier[0].value")
        assert number not in str(refusal)
        return True
    return False


@given(numbers(st.sampled_from([*range(81, 93), *range(66, 78)])))
def test_a_number_with_80_or_65_is_kept_out_of_production_and_let_into_a_sandbox(number: str) -> None:
    assert (keeps_out(PRODUCTION, number), keeps_out(WITH_FORTY, number), keeps_out(SANDBOX, number)) == (
        True, True, False,
    )  # fmt: skip


@given(numbers(st.integers(1, 12)))
def test_anybody_elses_number_is_taken_by_production_and_refused_by_a_sandbox(number: str) -> None:
    assert (keeps_out(PRODUCTION, number), keeps_out(WITH_FORTY, number), keeps_out(SANDBOX, number)) == (
        False, False, True,
    )  # fmt: skip


@given(numbers(st.integers(41, 52)))
def test_a_month_with_40_is_kept_out_where_an_operator_says_that_such_people_are_made_up(number: str) -> None:
    assert (keeps_out(PRODUCTION, number), keeps_out(WITH_FORTY, number)) == (False, True)


@given(st.integers(0, 99_999_999).map(lambda one: f"8{one:08d}").filter(control_digits))
def test_a_common_help_number_has_no_month_and_is_nobodys_who_is_made_up(nine: str) -> None:
    assert not keeps_out(WITH_FORTY, nine + control_digits(nine))


def observation(number: str = "", **more: Any) -> tuple[bytes, dict[str, Any]]:
    tree: dict[str, Any] = {"resourceType": "Observation", "status": "final", **more}
    if number:
        tree["subject"] = {"identifier": {"system": f"{OID_PERSON}1", "value": number}}
    return json.dumps(tree).encode(), tree


MADE_UP = "13717404089"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
MARKED = {"meta": {"security": [{"system": ACT_REASON, "code": "HTEST"}]}}


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        (observation(MADE_UP), "Observation.subject.identifier.value"),
        (
            observation(performer=[{"display": "A"}, {"identifier": {"value": MADE_UP}}]),
            "Observation.performer[1].identifier.value",
        ),
        (
            observation(contained=[{"resourceType": "Patient", "identifier": [{"system": f"{OID_PERSON}2", "value": MADE_UP}]}]),
            "Observation.contained[0].identifier[0].value",
        ),
        (observation(**MARKED), "Observation.meta.security"),
        (observation(meta={"tag": [{"code": "htest"}]}), "Observation.meta.tag"),
        (observation(contained=[{"resourceType": "Patient", **MARKED}]), "Observation.contained[0].meta.security"),
    ],
)  # fmt: skip
def test_a_resource_about_somebody_made_up_is_refused_in_production_by_its_place(
    resource: tuple[bytes, dict[str, Any]], where: str
) -> None:
    with pytest.raises(Refusal) as caught:
        PRODUCTION.check(*resource)
    assert (caught.value.status, caught.value.where) == (422, where)
    assert MADE_UP not in str(caught.value)
    SANDBOX.check(*resource)


def test_a_number_is_found_however_its_digits_are_spelled() -> None:
    raw, tree = observation(MADE_UP)
    spelled = raw.replace(MADE_UP.encode(), b"\\u00313717404089")
    apart = json.loads(raw.replace(MADE_UP.encode(), b"137174 04089"))
    for said, parsed in ((spelled, tree), (json.dumps(apart).encode(), apart)):
        with pytest.raises(Refusal):
            PRODUCTION.check(said, parsed)


def test_what_is_nobodys_number_is_let_in_however_it_looks() -> None:
    PRODUCTION.check(*observation(identifier=[{"system": "http://lab.example/id", "value": MADE_UP}]))
    PRODUCTION.check(*observation(identifier=[{"value": MADE_UP[:-1] + "0"}]))
    PRODUCTION.check(*observation(note=[{"text": MADE_UP}]))
