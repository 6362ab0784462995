"""SMART scopes as limits: what is understood, what refuses the token, and which caller each kind binds."""

from __future__ import annotations

import pytest

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.index import index
from kjerne.fhir.smart import demand, demand_whole, holds, left, limits, understood

LABORATORY = {"resourceType": "Observation", "category": [{"coding": [{"system": "urn:c", "code": "laboratory"}]}]}


def caller(*scopes: str) -> Caller:
    return Caller("practitioner", "ehr", frozenset(scopes), limits=limits(scopes, "practitioner"))


@pytest.mark.parametrize(
    ("scope", "type_", "letters"),
    [
        ("patient/Observation.rs", "Observation", "rs"),
        ("user/*.cruds", "", "cruds"),
        ("system/Specimen.read", "Specimen", "rs"),
        ("system/Specimen.write", "Specimen", "cud"),
        ("user/*.*", "", "cruds"),
    ],
)
def test_both_versions_are_understood(scope: str, type_: str, letters: str) -> None:
    found = understood(scope)
    assert (found.type, found.letters, found.tokens) == (type_, letters, ())


@pytest.mark.parametrize(
    "scope",
    [
        "user/Observation", "user/Observation.", "user/Observation.sr", "user/Observation.rr", "user/Observation.R",
        "user/Nothing.rs", "user/.rs", "user/Observation.rs?", "user/Observation.rs?category",
        "user/Observation.rs?category=", "user/Observation.rs?category=|", "user/Observation.rs?category=a|b|c",
        "user/*.rs?category=a", "user/Observation.read?category=a", "user/Observation.rs?category:not=a",
        "user/Observation.rs?subject=1", "user/Observation.rs?patient.identifier=1", "user/Observation.rs?_id=1",
        "user/Observation.rs?date=2024", "user/Observation.rs?specimen=Specimen/1", "user/Observation.rs?nothing=a",
        "user/Observation.rs?" + "&".join(["code=a"] * 11), "user/Observation.rs?code=a\\,b", "patient/",
    ],
)  # fmt: skip
def test_what_is_not_understood_refuses_the_token(scope: str) -> None:
    with pytest.raises(Refusal) as refused:
        limits(["user/Observation.rs", scope], "practitioner")
    assert refused.value.status == 403
    assert "insufficient_scope" in str(refused.value.headers)


def test_a_token_without_smart_scopes_is_not_limited() -> None:
    free = caller("nhn:pps/provesvar-read", "openid")
    assert free.limits is None
    assert left(free, "Observation", "r") is None
    demand(free, "Observation", "c")
    demand_whole(free, ["Observation"], "cruds")


def test_a_scope_of_the_other_kind_leaves_nothing() -> None:
    assert caller("system/*.cruds").limits == ()
    assert limits(["user/*.cruds", "patient/*.cruds"], "system") == ()
    with pytest.raises(Refusal):
        demand(caller("system/*.cruds"), "Observation", "r")


def test_scopes_add_up_and_conditions_in_one_hold_together() -> None:
    tokens = index(LABORATORY).tokens
    both = caller("user/Observation.r?category=urn:c|laboratory&code=x", "user/Observation.r?category=imaging")
    assert not holds(left(both, "Observation", "r"), tokens)
    either = caller("user/Observation.r?category=imaging,laboratory", "user/Specimen.s")
    assert holds(left(either, "Observation", "r"), tokens)
    assert left(either, "Observation", "s") == ()
    with pytest.raises(Refusal):
        demand_whole(either, ["Observation"], "r")
    whole = caller("user/Observation.r?category=imaging", "patient/Observation.r")
    assert left(whole, "Observation", "r") is None


def test_a_code_is_of_its_system_where_the_scope_names_one() -> None:
    tokens = index(LABORATORY).tokens
    for scope, right in (("urn:c|laboratory", True), ("urn:d|laboratory", False), ("|laboratory", False)):
        found = left(caller(f"user/Observation.r?category={scope}"), "Observation", "r")
        assert holds(found, tokens) is right
