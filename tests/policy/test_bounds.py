"""What of a token's SMART scopes must be left for each action: at least one letter, every letter, or everything whole."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from kjerne.access import Action
from kjerne.fhir import smart
from kjerne.fhir.smart import limits
from kjerne.policy import bounds
from kjerne.policy.bounds import smart_scopes_leave_nothing
from kjerne.policy.facts import case_of
from kjerne.registries.homes import types_of

from .cast import NOW, laboratory, patient


def leaves(scopes: list[str], action: Any, piece: str = "", service: str = "results") -> bool:
    caller = laboratory(limits=limits(scopes, "system"))
    case = case_of(caller, patient(), service=service, action=action, basis="", purpose="", now=NOW, piece=piece)
    return not smart_scopes_leave_nothing(case)


LETTERS = {
    "read": "r", "history": "r", "search": "s", "file": "cu", "correct": "ud", "export": "r", "recheck": "r", "subscribe": "rs",
    "notify": "rs",
}  # fmt: skip
WHOLE = ("examine", "trace", "disclose")
EACH = {"insight": ("AuditEvent", "rs"), "choose": ("Consent", "crus")}


@pytest.mark.parametrize("action", LETTERS)
def test_one_letter_of_the_action_left_of_one_type_is_something(action: str) -> None:
    for letter in "cruds":
        assert leaves([f"system/Specimen.{letter}"], action) is (letter in LETTERS[action])
        assert leaves([f"system/Flag.{letter}"], action) is False
    assert set(bounds.LETTERS[action]) <= set(smart.LETTERS)  # type: ignore[index]


@pytest.mark.parametrize("action", WHOLE)
def test_what_no_parameter_divides_needs_every_type_whole(action: str) -> None:
    assert leaves(["system/*.r"], action)
    assert not leaves(["system/*.cuds"], action)
    assert not leaves(["system/Observation.r"], action)
    assert not leaves(["system/*.r"], action, service="maternity"), "a service without types leaves nothing whole"


@pytest.mark.parametrize("action", EACH)
def test_the_log_and_the_choices_need_each_letter_where_the_room_names_none(action: str) -> None:
    kind, letters = EACH[action]
    assert leaves([f"system/{kind}.{letters}"], action)
    for letter in letters:
        assert not leaves([f"system/{kind}.{letters.replace(letter, '')}"], action)
        assert leaves([f"system/{kind}.{letter}"], action, f"{kind}.{letter}")


def test_an_action_that_is_none_of_these_is_left_nothing_by_any_scope() -> None:
    others = set(get_args(Action)) - {*LETTERS, *WHOLE, *EACH}
    assert not any(leaves(["system/*.cruds"], action) for action in others)
    assert others == {"write", "ask", "handle", "download", "review", "permit", "link", "attest"}


def test_a_piece_of_every_type_is_left_whole_where_each_type_of_the_service_is() -> None:
    each = [f"system/{name}.cud" for name in types_of("results")]
    assert leaves(each, "file", "*.cud!")
    assert not leaves([*each[1:], each[0].replace("cud", "cu")], "file", "*.cud!")
    assert not leaves(each[:-1], "file", "*.cud!")
