"""The questions that rules ask, where a story of the table does not tell one answer from another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kjerne.access import Tie
from kjerne.fhir.smart import limits
from kjerne.policy.facts import case_of
from kjerne.policy.privacy import GROUPS
from kjerne.policy.rules import decide

from .cast import COURSE, GP_LIST, NOW, choice, citizen, doctor, patient
from .test_rules import ask

GROUP_OF = {
    "LE": "doctors", "SP": "nurses", "AA": "acute", "PM": "acute", "JO": "midwives", "PS": "psychologists", "FT": "others",
    "VP": "others",
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_a_restriction_against_a_group_is_met_by_those_who_are_of_it_and_by_nobody_else(group: str) -> None:
    shuts = patient(ties=(COURSE,), choices=(choice("restriction", role=group),))
    met = {code for code in GROUP_OF if ask(doctor(authorization=code), shuts, basis="SAMTYKKE").rule != "care"}
    assert met == {code for code, its in GROUP_OF.items() if its == group}


@pytest.mark.parametrize("tie", [GP_LIST, COURSE], ids=lambda tie: tie.kind)
def test_a_tie_holds_from_the_day_it_begins_and_not_on_the_day_it_ends(tie: Tie) -> None:
    today, day = NOW.date(), timedelta(days=1)
    for since, until, holds in (
        (today, None, True), (today + day, None, False), (None, today, False), (None, today + day, True),
    ):  # fmt: skip
        tied = patient(ties=(replace(tie, since=since, until=until),))
        assert (ask(doctor(), tied).rule != "no-relation") is holds


def test_a_choice_that_what_stands_here_does_not_let_be_made_is_refused_by_its_own_rule() -> None:
    for piece, rule in (("Consent.u=", "choice-refused"), ("Consent.u", "own-choices"), ("", "own-choices")):
        assert ask(citizen(), patient(caller_key=1), "choose", piece=piece).rule == rule


def test_what_a_request_does_not_say_is_what_was_signed_or_nothing() -> None:
    asked = {"service": "results", "action": "read", "basis": "", "purpose": "", "now": NOW}
    signed = case_of(doctor(basis="AKUTT"), patient(), **asked)  # type: ignore[arg-type]
    assert (signed.purpose, signed.basis, signed.what, signed.piece) == ("TREAT", "AKUTT", "", "")
    assert case_of(citizen(), patient(), **asked).purpose == ""  # type: ignore[arg-type]
    plain = decide(doctor(), patient(ties=(COURSE,)), "results", "read", now=NOW)
    assert (plain.correlation, plain.rule) == ("", "care")
    narrow = doctor(limits=limits(["user/Observation.s"], "practitioner"))
    assert decide(narrow, patient(ties=(COURSE,)), "results", "search", now=NOW).rule == "care"
