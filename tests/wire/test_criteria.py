"""One criterion: modifiers by kind of parameter, value sets spelled out, chains and `_has` with their limits."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked, Chained, Coded, Criterion, Pointed, Sought, TokenValue, TypedValue, is_linked
from kjerne.fhir.search import MODIFIERS, modifiers
from kjerne.fhir.searchparams import parameters
from kjerne.wire.criteria import CHAIN_LIMIT, LINKS_LIMIT, Scope

SERVED = frozenset(("Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "PractitionerRole", "Binary"))
STATUS = "http://hl7.org/fhir/observation-status"


def asked(name: str, value: str, type: str = "Observation", reachable: frozenset[str] = SERVED) -> Asked:
    return Scope(reachable).asked(type, name, value)


def refused(name: str, value: str, type: str = "Observation", reachable: frozenset[str] = SERVED) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asked(name, value, type, reachable)
    return caught.value


def plain(code: str, kind: str, *values: Any) -> Criterion:
    return Criterion(code, kind, "", values)


def test_a_value_set_of_r4_is_spelled_out_as_its_codes() -> None:
    found = asked("status:in", "http://hl7.org/fhir/ValueSet/observation-status")
    assert isinstance(found, Criterion)
    assert (found.modifier, TokenValue(STATUS, "final") in found.values, len(found.values)) == ("", True, 8)
    other = asked("status:not-in", "http://hl7.org/fhir/ValueSet/observation-status|4.0.1")
    assert isinstance(other, Criterion)
    assert (other.modifier, set(other.values)) == ("not", set(found.values))


def test_what_stands_under_and_over_a_code_is_spelled_out() -> None:
    for modifier, of, codes in (("below", "amended", ["amended", "corrected"]), ("above", "corrected", ["amended", "corrected"]),
                                ("above", "final", ["final"])):  # fmt: skip
        found = asked(f"status:{modifier}", f"{STATUS}|{of}")
        assert found == plain("status", "token", *(TokenValue(STATUS, code) for code in codes))


def test_what_r4_does_not_list_is_left_to_the_store() -> None:
    assert asked("code:in", "http://x.example/vs|1") == Coded(
        "code", "code:in", False, (), (Sought("in", "http://x.example/vs|1"),)
    )
    sct = "http://snomed.info/sct"
    assert asked("code:below", f"{sct}|1,{STATUS}|final") == Coded(
        "code", "code:below", False, (TokenValue(STATUS, "final"),), (Sought("below", sct, "1"),)
    )
    found = asked("code:not-in", f"{sct}?fhir_vs=isa/1")
    assert isinstance(found, Coded)
    assert found.negated
    assert is_linked(found)


def test_an_identifier_is_asked_for_by_its_type() -> None:
    assert asked("identifier:of-type", "urn:t|MR|12") == Criterion(
        "identifier", "token", "of-type", (TypedValue("urn:t", "MR", "12"),)
    )


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("code:in", "", "not-supported"),
        ("code:in", ",".join(f"http://x.example/{one}" for one in range(11)), "too-costly"),
        ("code:below", "amended", "not-supported"),
        ("code:above", "http://loinc.org|", "not-supported"),
        ("code:in", "http://terminology.hl7.org/ValueSet/v3-ActCode", "too-costly"),
        ("code:of-type", "urn:t|MR|12", "not-supported"),
        ("identifier:of-type", "MR|12", "value"),
        ("identifier:of-type", "|MR|12", "value"),
        ("specimen:below", "Specimen/1", "not-supported"),
        ("value-string:text", "x", "not-supported"),
        ("code-value-quantity:missing", "true", "not-supported"),
    ],
)
def test_what_a_modifier_cannot_be_answered_for_is_refused(name: str, value: str, code: str) -> None:
    error = refused(name, value)
    assert (error.status, error.code, error.where) == (400, code, name)


def test_every_modifier_of_a_kind_is_taken_by_a_parameter_of_that_kind() -> None:
    taken = {kind: set[str]() for kind in MODIFIERS}
    for type in ("Observation", "RiskAssessment"):
        for one in parameters(type).values():
            if one.kind in taken:
                taken[one.kind] |= modifiers(one)
    assert taken == {kind: set(names) for kind, names in MODIFIERS.items()}


def test_a_chain_goes_over_references_to_what_is_asked_of_the_far_end() -> None:
    code = plain("code", "token", TokenValue(None, "K"))
    assert asked("result.code", "K", "DiagnosticReport") == Chained("result", (("Observation", code),))
    type_ = plain("type", "token", TokenValue(None, "x"))
    far = Chained("result", (("Observation", Chained("specimen", (("Specimen", type_),))),))
    assert asked("result.specimen.type", "x", "DiagnosticReport") == far
    assert asked("result:Observation.specimen:Specimen.type", "x", "DiagnosticReport") == far


def test_a_chain_leads_to_every_type_that_is_served_and_has_the_parameter() -> None:
    found = asked("focus.status", "final")
    assert isinstance(found, Chained)
    assert {type for type, _ in found.steps} == {"DiagnosticReport", "Observation", "ServiceRequest", "Specimen"}
    narrowed = asked("focus:Specimen.status", "final")
    assert isinstance(narrowed, Chained)
    assert [type for type, _ in narrowed.steps] == ["Specimen"]


def test_has_asks_the_other_way_round_and_may_be_nested() -> None:
    code = plain("code", "token", TokenValue(None, "K"))
    assert asked("_has:DiagnosticReport:result:code", "K") == Pointed("DiagnosticReport", "result", code)
    nested = asked("_has:Observation:specimen:_has:DiagnosticReport:result:code:not", "K", "Specimen")
    assert nested == Pointed(
        "Observation",
        "specimen",
        Pointed("DiagnosticReport", "result", Criterion("code", "token", "not", (TokenValue(None, "K"),))),
    )
    mixed = asked("specimen._has:Observation:specimen:code", "K")
    assert mixed == Chained("specimen", (("Specimen", Pointed("Observation", "specimen", code)),))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("subject:Patient.name", "not-supported"),
        ("patient.name", "not-supported"),
        ("encounter.status", "not-supported"),
        ("specimen:Device.type", "not-supported"),
        ("specimen:Nothing.type", "value"),
        ("code.text", "value"),
        ("specimen.colour", "not-supported"),
        ("specimen.subject", "not-supported"),
        ("specimen.type:", "value"),
        ("_has", "value"),
        ("_has:DiagnosticReport", "value"),
        ("_has:DiagnosticReport:result:", "value"),
        ("_hasty:DiagnosticReport:result:code", "value"),
        ("_has:Encounter:reason-reference:status", "not-supported"),
        ("_has:DiagnosticReport:code:code", "not-supported"),
        ("_has:DiagnosticReport:subject:code", "not-supported"),
        ("_has:DiagnosticReport:specimen:code", "value"),
        ("_has:DiagnosticReport:result:patient", "not-supported"),
        ("_has:DiagnosticReport:result:colour", "not-supported"),
    ],
)
def test_a_chain_that_leads_nowhere_is_refused(name: str, code: str) -> None:
    assert refused(name, "x").code == code


def test_where_one_type_stands_alone_nothing_is_chained() -> None:
    assert refused("entity.identifier", "x", "AuditEvent", frozenset()).code == "not-supported"
    assert refused("_has:Provenance:entity:_id", "x", "AuditEvent", frozenset()).code == "not-supported"


def test_values_have_a_limit_all_together() -> None:
    scope, many = Scope(SERVED), ",".join("x" * 400)
    for name in ("code", "_has:DiagnosticReport:result:code"):
        scope.asked("Observation", name, many)
    with pytest.raises(Refusal, match="at most 1000 values") as caught:
        scope.asked("Observation", "specimen.type:not", many)
    assert caught.value.code == "too-costly"


def test_chains_have_a_limit_each_and_all_together() -> None:
    def chain(steps: int) -> str:
        return "has-member:Observation." * steps + "code"

    assert isinstance(asked(chain(CHAIN_LIMIT), "K"), Chained)
    assert refused(chain(CHAIN_LIMIT + 1), "K").code == "too-costly"
    assert isinstance(asked("_has:Observation:has-member:" * CHAIN_LIMIT + "code", "K"), Pointed)
    assert refused("_has:Observation:has-member:" * (CHAIN_LIMIT + 1) + "code", "K").code == "too-costly"
    scope = Scope(SERVED)
    for _ in range(LINKS_LIMIT // CHAIN_LIMIT):
        scope.asked("Observation", chain(CHAIN_LIMIT), "K")
    with pytest.raises(Refusal, match="at most 32 steps"):
        scope.asked("Observation", chain(1), "K")
    wide = Scope(SERVED)
    for _ in range(10):
        wide.asked("Observation", "focus.code", "K")
    with pytest.raises(Refusal, match="at most 32 steps"):
        wide.asked("Observation", "focus.code", "K")
