"""What is answered where no choice of a patient's may be told: as of one who has made none, and has nothing there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kjerne.access import Caller, Denial, Grant, Part, Subject
from kjerne.exchange import NOT_REGISTERED
from kjerne.policy.rules import decide, opens_what_is_shut
from kjerne.policy.services import SERVICES
from kjerne.policy.unsaid import LAW, SAYS, unsaid
from kjerne.store import audit

from .cast import COURSE, GP_LIST, NOW, choice, citizen, doctor, laboratory, patient

BLOCK = choice("block", hpr="9144900")


def refused(caller: Caller, subject: Subject, action: Any = "search", **declared: str) -> Denial:
    answer = decide(caller, subject, "results", action, now=NOW, correlation="c", **declared)
    assert isinstance(answer, Denial)
    return answer


@pytest.mark.parametrize(
    ("shut", "rule"),
    [(BLOCK, "blocked-by-name"), (choice("restriction"), "restricted"), (choice("opt-out"), "opted-out")],
)
def test_a_choice_is_answered_with_a_grant_that_reaches_nobodys_records(shut: Any, rule: str) -> None:
    denial = refused(doctor(), patient(ties=(GP_LIST,), choices=(shut,)))
    answer = unsaid(denial)
    assert isinstance(answer, Grant)
    assert (denial.rule, answer.rule, answer.correlation, answer.at) == (rule, "gp", "c", NOW)
    assert (answer.subject.keys, answer.subject.wrapped, answer.subject.destroyed, answer.subject.stamp) == (
        (),
        (),
        (),
        0,
    )
    assert (answer.subject.patient, answer.subject.ties) == (denial.subject and denial.subject.patient, (GP_LIST,))


def test_its_row_in_the_log_is_that_of_the_refusal() -> None:
    denial = refused(doctor(), patient(ties=(GP_LIST,), choices=(BLOCK,)))
    answer = unsaid(denial)
    assert isinstance(answer, Grant) and answer.instead_of is denial
    one, other = audit.given(answer), audit.refused(denial)
    number = audit.COLUMNS.split(", ").index("number")
    assert one[:number] + one[number + 1 :] == other[:number] + other[number + 1 :]


def test_who_has_no_need_hears_what_she_hears_of_anybody() -> None:
    stranger = patient(choices=(BLOCK, choice("restriction")))
    assert (refused(doctor(), stranger).rule, answered(unsaid(refused(doctor(), stranger)))) == (
        "blocked-by-name",
        "no-relation",
    )
    hidden = patient(ties=(GP_LIST,), choices=(BLOCK,), protection="fortrolig")
    assert answered(unsaid(refused(doctor(), hidden))) == "address-protected"


def answered(answer: Grant | Denial) -> str:
    assert isinstance(answer, Denial)
    return answer.rule


def test_what_was_declared_counts_as_it_would_of_anybody() -> None:
    midwife = doctor(authorization="JO")
    shut = patient(ties=(COURSE,), choices=(choice("opt-out"),))
    denial = refused(midwife, shut, basis="SAMTYKKE")
    assert answered(unsaid(denial)) == "consent-missing"
    given = unsaid(denial, basis="SAMTYKKE")
    assert isinstance(given, Grant) and given.basis == "SAMTYKKE"
    urgent = unsaid(denial, purpose="ETREAT")
    assert isinstance(urgent, Grant) and urgent.purpose == "ETREAT"


def test_a_consent_she_has_given_still_stands() -> None:
    consent = choice("consent", hpr="9144900")
    midwife = doctor(authorization="JO")
    shut = patient(ties=(COURSE,), choices=(consent, choice("restriction")))
    given = unsaid(refused(midwife, shut))
    assert isinstance(given, Grant) and given.subject.choices == shut.choices


def test_another_refusal_and_one_to_a_system_stay_as_they_are() -> None:
    for denial in (
        refused(doctor(), patient()),
        refused(laboratory(), patient(choices=(choice("opt-out"),)), "file"),
    ):
        assert unsaid(denial) is denial
    nobody = decide(doctor(), None, "results", "search", now=NOW)
    assert isinstance(nobody, Denial) and unsaid(nobody) is nobody


def test_who_would_register_hears_no_without_its_reason_whatever_the_patient_chose() -> None:
    """A look is answered as if nothing were there; what is written so would be lost."""
    service = "critical-information"
    parts = tuple(Part(service, role, NOW - timedelta(days=1), None) for role in ("consumer", "source"))
    gp = replace(doctor(), scopes=SERVICES[service].scopes, parts=parts)
    heard = []
    for kind in ("opt-out", "restriction", "block"):
        hers = choice(kind, service=service, hpr=gp.hpr if kind == "block" else "")
        denial = decide(gp, patient(ties=(GP_LIST,), choices=(hers,)), service, "file", now=NOW, what="dialysis")
        assert isinstance(denial, Denial) and denial.outcome
        answer = unsaid(denial, what="dialysis")
        assert isinstance(answer, Denial)
        heard.append((answer.rule, answer.says, answer.law, answer.outcome))
    assert set(heard) == {(NOT_REGISTERED, SAYS, LAW, "")}


def test_who_would_register_without_a_need_hears_what_she_hears_of_anybody() -> None:
    service = "critical-information"
    parts = tuple(Part(service, role, NOW - timedelta(days=1), None) for role in ("consumer", "source"))
    stranger = replace(doctor(), scopes=SERVICES[service].scopes, parts=parts)
    heard = []
    for choices in ((), (choice("block", service=service, hpr=stranger.hpr),)):
        denial = decide(stranger, patient(choices=choices), service, "file", now=NOW, what="dialysis")
        assert isinstance(denial, Denial)
        heard.append(answered(unsaid(denial, what="dialysis")))
    assert heard == ["no-relation", "no-relation"]


@pytest.mark.parametrize(
    ("choices", "basis", "is_shut"),
    [
        ((choice("restriction"),), "SAMTYKKE", True),
        ((choice("restriction"),), "FORHOYET_AKUTT", True),
        ((), "FORHOYET_AKUTT", False),
        ((choice("restriction", part="genetics", slot=0, marked=(1,)),), "SAMTYKKE", False),
    ],
)
def test_what_a_basis_opens_was_shut_whole_and_is_told_where_choices_may_be(
    choices: Any, basis: str, is_shut: bool
) -> None:
    subject = patient(ties=(GP_LIST,), choices=choices)
    grant = decide(doctor(), subject, "results", "search", now=NOW, correlation="c", basis=basis)
    assert isinstance(grant, Grant)
    assert opens_what_is_shut(grant, tells_choices=True) == is_shut
    assert not opens_what_is_shut(grant, tells_choices=False)


def test_a_citizen_and_an_answer_about_nobody_are_told_of_nothing_that_is_shut() -> None:
    shut = patient(ties=(GP_LIST,), choices=(choice("restriction"),))
    hers = decide(citizen(), replace(shut, caller_key=1), "results", "search", now=NOW, correlation="c")
    instead = unsaid(refused(doctor(), shut))
    own = decide(doctor(), replace(shut, caller_key=1), "results", "search", now=NOW, correlation="c")
    for grant in (hers, instead, own):
        assert isinstance(grant, Grant)
        assert not opens_what_is_shut(grant, tells_choices=True)
