"""The law about a record that names another patient, asked of the one with whom it lies (K104, K105): who sees it beside hers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kjerne.access import SHUT_BY_PATIENT, Caller, Grant, Label, Subject
from kjerne.policy.rules import decide
from kjerne.policy.table import SECTIONS
from kjerne.policy.table_beside import BESIDE, is_beside

from .cast import DOCTOR, GP_LIST, NOW, PATIENT, choice, citizen, doctor, laboratory, patient

TESTING = laboratory(scopes=frozenset({"kjerne:all-patients"}), parts=())
NAMED = patient(ties=(GP_LIST,))
HOME = replace(patient(), patient=77, keys=(77,), digests=frozenset({b"another's digest"}))
OTHERS_CLAIM = choice("consent", service="results", hpr="9144900")
PHARMACIST: dict[str, Any] = {"authorization": "FA1", "hpr": "9144900"}


def given(caller: Caller, named: Subject = NAMED, **changes: Any) -> Grant:
    """What the caller was given of the one who is named, by the ordinary rows."""
    answer = decide(caller, named, "results", "search", now=NOW, asked=PATIENT, **changes)
    assert isinstance(answer, Grant), answer.rule
    return answer


BESIDE_HERS = [
    ("who treats the other", doctor(), HOME, {}, "named"),
    ("the acute chain", doctor(purpose="ETREAT"), HOME, {}, "named"),
    ("a case", doctor(purpose="COC"), HOME, {}, "named-not-for-care"),
    ("the rules set aside", doctor(purpose="BTG"), HOME, {}, "named-not-for-care"),
    ("herself, the one with whom it lies", doctor(), replace(HOME, digests=frozenset({DOCTOR})), {}, "named-not-for-care"),
    ("blocked by name", doctor(), replace(HOME, choices=(choice("block", hpr="9144900"),)), {}, "named-and-shut"),
    ("another blocked", doctor(), replace(HOME, choices=(choice("block", hpr="1"),)), {}, "named"),
    ("opted out", doctor(), replace(HOME, choices=(choice("opt-out"),)), {}, "named-and-shut"),
    ("restricted", doctor(), replace(HOME, choices=(choice("restriction"),)), {}, "named-and-shut"),
    (
        "restricted, with the other's emergency", doctor(), replace(HOME, choices=(choice("restriction"),)),
        {"basis": "FORHOYET_SAMTYKKE"}, "named-and-shut",
    ),
    ("protected", doctor(), replace(HOME, protection="fortrolig"), {}, "named-and-shut"),
    ("dead", doctor(), replace(HOME, deceased=True), {}, "named-and-shut"),
    ("the other's consent alone", doctor(**PHARMACIST), HOME, {"basis": "SAMTYKKE"}, "named-without-consent"),
    ("her own consent", doctor(**PHARMACIST), replace(HOME, choices=(OTHERS_CLAIM,)), {"basis": "SAMTYKKE"}, "named"),
    ("the test client", TESTING, HOME, {}, "named"),
    ("the test client, of who has shut a thing", TESTING, replace(HOME, choices=(choice("restriction", role="nurses"),)), {},
     "named-and-shut"),
    ("the test client, of somebody real", TESTING, replace(HOME, synthetic=False), {}, "named-and-shut"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "home", "changes", "rule"), [row[1:] for row in BESIDE_HERS], ids=[row[0] for row in BESIDE_HERS]
)
def test_a_record_of_anothers_is_seen_where_neither_has_shut_it(
    caller: Caller, home: Subject, changes: dict[str, Any], rule: str
) -> None:
    beside = given(caller, **changes)
    answer = decide(caller, home, "results", "search", now=NOW, purpose=beside.purpose, beside=beside)
    assert answer.rule == rule
    assert isinstance(answer, Grant) == (rule == "named")


def test_a_citizen_sees_nothing_of_anothers_beside_her_own() -> None:
    herself = citizen()
    beside = replace(given(doctor()), caller=herself, purpose="PATRQT")
    for home in (HOME, replace(HOME, caller_key=77)):
        assert decide(herself, home, "results", "read", now=NOW, beside=beside).rule == "named-not-for-care"


def test_a_health_worker_who_is_the_one_that_is_named_sees_hers_alone() -> None:
    herself = given(doctor(), replace(NAMED, digests=frozenset({DOCTOR, PATIENT})))
    answer = decide(doctor(), HOME, "results", "search", now=NOW, purpose=herself.purpose, beside=herself)
    assert (herself.rule, answer.rule) == ("own-as-staff", "named-not-for-care")


def test_whatever_she_has_restricted_of_her_record_stays_shut_whoever_it_is_restricted_against() -> None:
    beside = given(doctor())
    answer = decide(doctor(), HOME, "results", "search", now=NOW, purpose=beside.purpose, beside=beside)
    assert isinstance(answer, Grant)
    assert answer.hides & SHUT_BY_PATIENT == SHUT_BY_PATIENT
    assert Label.WITHDRAWN in answer.hides and Label.WITHHELD_FROM_CITIZEN not in answer.hides


def test_no_other_row_is_asked_about_such_a_record_and_these_about_nothing_else() -> None:
    for section in SECTIONS:
        for rule in section.rules:
            assert (is_beside in rule.when) == (section is BESIDE)
    # Alone she has no need about the one with whom it lies, and the attestation is about another.
    answer = decide(doctor(), HOME, "results", "search", now=NOW)
    assert answer.rule == "attestation-of-another-patient"
