"""Youth of 13 to 15, who consents for them, guardians of minors, and who chooses for another: each rule with its story."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kjerne.access import Action, Caller, Subject, Tie

from .cast import GUARDIAN, MINORS_GUARDIAN, NOW, PARENT, PATIENT, PROXY, RELATIVE, choice, citizen, doctor, patient
from .test_rules import ask

RELATION = citizen(RELATIVE)
RELATIVES = patient(caller_key=7, ties=(PROXY,))
ALONE = patient(age=8, caller_key=7, ties=(MINORS_GUARDIAN,))
YOUTH = patient(age=15, caller_key=1)
YOUNG = patient(age=15, caller_key=7, ties=(PARENT,))

# story, caller, patient, action, the rule that decides
YOUNG_AND_THEIRS = [
    ("a youth of 15", citizen(), YOUTH, "search", "youth-without-consent"),
    ("a youth of 15 with consent", citizen(), replace(YOUTH, choices=(choice("youth-access"),)), "search", "youth"),
    ("a child of 12", citizen(), patient(age=12, caller_key=1), "insight", "own-12-to-13"),
    ("a youth's choices", citizen(), YOUTH, "choose", "youth-choices"),
    ("a youth who takes a copy", citizen(), YOUTH, "download", "youth-not-open"),
    ("a parent consents", RELATION, replace(YOUNG, lives_with_parent=True), "permit", "parent-permits"),
    ("a parent who lives elsewhere consents", RELATION, replace(YOUNG, lives_with_parent=None), "permit",
     "permit-elsewhere"),
    ("a guardian consents", RELATION, replace(YOUNG, ties=(MINORS_GUARDIAN,)), "permit", "guardian-permits"),
    ("a guardian consents beside a parent", RELATION,
     replace(YOUNG, ties=(MINORS_GUARDIAN,), parents=(Tie("parent", key=8),)), "permit", "guardian-beside-parent"),
    ("her log at 15", citizen(), patient(age=15, caller_key=1), "insight", "youth-log"),
    ("a proxy who may act at the choices", RELATION,
     replace(RELATIVES, ties=(replace(PROXY, areas=("digitaleHelsetjenester", "innsyn")),)), "choose", "proxy-choices"),
    ("a guardian at the choices", RELATION, replace(RELATIVES, ties=(GUARDIAN,)), "choose", "guardian-choices"),
    ("a child's guardian", RELATION, ALONE, "search", "guardian-of-minor"),
    ("a child's guardian at the log", RELATION, ALONE, "insight", "guardian-of-minor-log"),
    ("a child's guardian at the choices", RELATION, ALONE, "choose", "guardian-of-minor-choices"),
    ("a child's guardian where a parent's responsibility has ended", RELATION,
     replace(ALONE, parents=(Tie("parent", key=8, until=NOW.date()),)), "search", "guardian-of-minor"),
    ("a child's guardian beside a parent", RELATION, replace(ALONE, parents=(Tie("parent", key=8),)), "search",
     "guardian-beside-parent"),
    ("a guardian of a child of 12", RELATION, patient(age=12, caller_key=7, ties=(MINORS_GUARDIAN,)), "search",
     "guardian-of-12-to-16"),
    ("an asylum seeker's guardian", RELATION,
     replace(ALONE, ties=(replace(MINORS_GUARDIAN, form="ensligMindreaarigAsylsoeker",
                                  areas=("utlendingssakerPersonligeOgOekonomiskeInteresser",)),)),
     "search", "guardian-of-minor"),
    ("a refugee's guardian with the scope of asylum", RELATION,
     replace(ALONE, ties=(replace(MINORS_GUARDIAN, form="ensligMindreaarigFlyktning",
                                  areas=("utlendingssakerPersonligeOgOekonomiskeInteresser",)),)),
     "search", "guardian-scope"),
    ("a proxy of a youth of 15", RELATION, patient(age=15, caller_key=7, ties=(PROXY,)), "read", "proxy-of-under-16"),
    ("a guardian of a youth of 17", RELATION, patient(age=17, caller_key=7, ties=(GUARDIAN,)), "search",
     "guardian-of-16-to-18"),
    ("a parent who says for a child of 12 that something is wrong", RELATION,
     patient(age=12, caller_key=7, ties=(PARENT,), lives_with_parent=True), "ask", "parent-of-12-to-16"),
    ("a proxy reads an older version", RELATION, RELATIVES, "history", "proxy"),
    ("a doctor of 15 on herself", doctor(digest=PATIENT), patient(age=15, caller_key=1), "search", "own-not-as-staff"),
    ("a doctor of 16 on herself", doctor(digest=PATIENT), patient(age=16, caller_key=1), "search", "own-as-staff"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "caller", "subject", "action", "rule"), YOUNG_AND_THEIRS, ids=[row[0] for row in YOUNG_AND_THEIRS]
)
def test_the_young_and_who_stands_in_for_them(
    story: str, caller: Caller, subject: Subject, action: Action, rule: str
) -> None:
    assert ask(caller, subject, action).rule == rule
