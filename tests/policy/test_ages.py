"""What each of those who ask as citizens is answered at every age of the patient, action by action.

The stories of the other files go one by one; here no age and no action is left out, so that a row that forgot its age,
or whose caller it is, would be seen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest

from kjerne.access import Action, Denial, Subject, Tie

from .cast import GUARDIAN, MINORS_GUARDIAN, NOW, PARENT, PROXY, RELATIVE, citizen, patient
from .test_rules import CHILD, RELATION, ask

ACTIONS: tuple[Action, ...] = ("search", "insight", "choose", "ask", "download", "permit")
ACTING = replace(PROXY, areas=("innsyn", "digitaleHelsetjenester"))
ALL = len(ACTIONS)

# who, her age, what she hears to each action
ANSWERS: list[tuple[str, tuple[int, ...], tuple[str, ...]]] = [
    ("herself", (11,), ("own-under-12",) * ALL),
    ("herself", (12,), ("own-12-to-13",) * ALL),
    ("herself", (13, 15), ("youth-without-consent", "youth-log", "youth-choices", *["youth-not-open"] * 3)),
    ("herself", (16, 17), ("own-youth", "own-log", "own-choices", "own-inquiry", "own-download", "no-rule")),
    ("herself", (18, 46), ("own", "own-log", "own-choices", "own-inquiry", "own-download", "no-rule")),
    ("parent", (0, 11), ("parent", "parent-log", "parent-choices", "parent-inquiry", "parent-download", "no-representation")),
    ("parent", (12,), ("parent-of-12-to-16",) * ALL),
    ("parent", (13, 15), (*["parent-of-12-to-16"] * 5, "parent-permits")),
    ("parent", (16, 17), ("parent-of-16-to-18",) * ALL),
    ("parent", (18,), ("no-representation",) * ALL),
    ("parent elsewhere", (11,), ("parent-elsewhere",) * ALL),
    ("parent elsewhere", (13, 15), (*["parent-of-12-to-16"] * 5, "permit-elsewhere")),
    ("parent elsewhere", (12,), ("parent-of-12-to-16",) * ALL),
    ("parent elsewhere", (16,), ("parent-of-16-to-18",) * ALL),
    ("proxy", (11, 15), ("proxy-of-under-16",) * ALL),
    ("proxy", (16, 18), ("proxy", "proxy-log", "proxy-choices", *["proxy-area"] * 3)),
    ("proxy of 17", (16, 46), ("proxy-too-young", "proxy-too-young", *["proxy-area"] * 4)),
    ("guardian", (11,), ("guardian-scope",) * ALL),
    ("guardian", (12, 15), ("guardian-of-12-to-16",) * ALL),
    ("guardian", (16, 17), ("guardian-of-16-to-18",) * ALL),
    ("guardian", (18,), ("guardian", "guardian-log", "guardian-choices", *["guardian-scope"] * 3)),
    ("minor's guardian", (0, 11), ("guardian-of-minor", "guardian-of-minor-log", "guardian-of-minor-choices",
                                   *["guardian-scope"] * 3)),
    ("minor's guardian", (12,), ("guardian-of-12-to-16",) * ALL),
    ("minor's guardian", (13, 15), (*["guardian-of-12-to-16"] * 5, "guardian-permits")),
    ("minor's guardian", (16, 17), ("guardian-of-16-to-18",) * ALL),
    ("minor's guardian", (18,), ("guardian-scope",) * ALL),
    ("minor's guardian beside a parent", (11, 15), ("guardian-beside-parent",) * ALL),
    ("minor's guardian beside a parent", (16,), ("guardian-of-16-to-18",) * ALL),
    ("nobody to her", (11, 15, 17, 46), ("no-representation",) * ALL),
    ("dead", (46,), ("representative-deceased",) * ALL),
]  # fmt: skip
MET: dict[str, dict[str, Any]] = {
    "herself": {"caller_key": 1},
    "parent": {"ties": (PARENT,), "lives_with_parent": True},
    "parent elsewhere": {"ties": (PARENT,), "lives_with_parent": False},
    "proxy": {"ties": (ACTING,)},
    "proxy of 17": {"ties": (ACTING,), "caller_birth_date": date(2008, 11, 24)},
    "guardian": {"ties": (GUARDIAN,)},
    "minor's guardian": {"ties": (MINORS_GUARDIAN,)},
    "minor's guardian beside a parent": {"ties": (MINORS_GUARDIAN,), "parents": (Tie("parent", key=8),)},
    "nobody to her": {},
    "dead": {"ties": (ACTING, GUARDIAN), "caller_deceased": True},
}


def met(who: str, age: int) -> Subject:
    return patient(age=age, **({"caller_key": 7} | MET[who]))


@pytest.mark.parametrize(("who", "ages", "rules"), ANSWERS, ids=[f"{who}: {ages}" for who, ages, _ in ANSWERS])
def test_a_citizen_is_answered_by_who_she_is_and_how_old_the_patient_is(
    who: str, ages: tuple[int, ...], rules: tuple[str, ...]
) -> None:
    caller = citizen() if who == "herself" else citizen(RELATIVE)
    for age in ages:
        assert tuple(ask(caller, met(who, age), action).rule for action in ACTIONS) == rules


@pytest.mark.parametrize("age", [8, 12, 14, 17, 46])
def test_whatever_a_register_ties_her_to_herself_by_gives_and_takes_nothing(age: int) -> None:
    own = patient(age=age, caller_key=1)
    tied = replace(
        own, ties=tuple(replace(tie, key=1) for tie in (PARENT, ACTING, GUARDIAN, MINORS_GUARDIAN)),
        parents=(Tie("parent", key=1),), caller_deceased=True, lives_with_parent=False,
    )  # fmt: skip
    for action in get_args(Action):
        assert ask(citizen(), tied, action).rule == ask(citizen(), own, action).rule


def test_a_proxys_power_is_used_by_who_has_turned_18() -> None:
    for born, rule in (
        (date(2008, 11, 23), "proxy"),
        (date(2008, 11, 24), "proxy-too-young"),
        (None, "proxy-too-young"),
    ):
        assert ask(RELATION, replace(met("proxy", 46), caller_birth_date=born)).rule == rule


def test_an_age_that_nobody_has_is_none() -> None:
    for born, rule in (
        (date(NOW.year - 199, 11, 23), "own"), (date(NOW.year - 200, 11, 23), "no-rule"),
    ):  # fmt: skip
        assert ask(citizen(), patient(caller_key=1, birth_date=born)).rule == rule
    for born, rule in ((date(2027, 11, 23), "parent"), (date(2027, 11, 24), "no-representation")):
        assert ask(RELATION, replace(CHILD, birth_date=born)).rule == rule


def test_a_citizen_hears_to_every_action_of_staff_that_it_is_not_hers() -> None:
    for action in set(get_args(Action)) - set(ACTIONS) - {"read", "history", "attest"}:
        answer = ask(citizen(), patient(caller_key=1), action)
        assert isinstance(answer, Denial) and answer.rule == "scope-missing"
