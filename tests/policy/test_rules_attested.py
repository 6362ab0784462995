"""What the law says of an attestation that does not hold: always no, by the rule that was broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kjerne.access import Denial
from kjerne.policy.services import SERVICES, service_of

from .cast import GP_LIST, citizen, doctor, laboratory, patient
from .test_rules import ask

BROKEN = {
    "ATT-9": "login-too-weak",
    "ATT-11": "attested-colleague",
    "ATT-29": "personnel-not-registered",
    "ATT-32": "authorization-not-registered",
    "ATT-38": "purpose-unknown",
    "ATT-58": "attestation-out-of-time",
    **dict.fromkeys(("ATT-2, ATT-13", "ATT-15", "ATT-18", "ATT-18, ATT-19", "ATT-28"), "attested-place"),
    **dict.fromkeys(("ATT-49", "ATT-51", "ATT-56"), "attested-place"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("service", ["", *SERVICES])
def test_what_is_broken_is_the_rule(broken: str, service: str) -> None:
    answer = ask(doctor(attestation=None, broken=broken), patient(ties=(GP_LIST,)), "attest", service=service)
    assert isinstance(answer, Denial)
    assert (answer.rule, answer.outcome) == (BROKEN[broken], "")


@pytest.mark.parametrize(
    "broken", ["", "ATT-4", "ATT-10", "ATT-43", "ATT-46", "section 5.1", "portal-purpose", "of another year"]
)
def test_whatever_else_is_broken_or_not_nothing_is_given(broken: str) -> None:
    for caller in (doctor(), citizen(), laboratory()):
        answer = ask(replace(caller, broken=broken), patient(ties=(GP_LIST,), caller_key=1), "attest")
        assert isinstance(answer, Denial) and answer.rule == "attestation-refused"


def test_a_row_is_of_the_one_service_that_a_token_is_for() -> None:
    assert service_of(frozenset({"nhn:pps/provesvar-read", "openid"})) == "results"
    assert service_of(frozenset({"nhn:maternity-record/api"})) == "maternity"
    assert service_of(frozenset({"nhn:pps/provesvar-read", "kjerne:record-read"})) == ""
    assert service_of(frozenset({"kjerne:operations"})) == ""
