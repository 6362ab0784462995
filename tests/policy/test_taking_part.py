"""What an organisation hears that takes no part: the nearest reason, with its instant, and never anything of a patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Denial, Part
from kjerne.policy.rules import decide
from kjerne.policy.taking_part import absence, takes_part

from .cast import GP_LIST, NOW, PATIENT, citizen, doctor, laboratory, patient

DAY = timedelta(days=1)


def row(since: datetime, until: datetime | None = None, *, here: bool = True, part: str = "consumer") -> Part:
    return Part("results", part, since, until, here)  # type: ignore[arg-type]


ABSENT = [
    ("nothing in the register", (), "never", None),
    ("it ended now", (row(NOW - DAY, NOW),), "ended", NOW),
    ("it ended twice", (row(NOW - 4 * DAY, NOW - 3 * DAY), row(NOW - 2 * DAY, NOW - DAY)), "ended", NOW - DAY),
    ("it begins", (row(NOW - 2 * DAY, NOW - DAY), row(NOW + 2 * DAY), row(NOW + DAY)), "coming", NOW + DAY),
    ("it was called off before it began", (row(NOW + DAY, NOW + DAY),), "never", None),
    ("it is elsewhere", (row(NOW - DAY, here=False),), "elsewhere", None),
    (
        "it ended here and stands elsewhere",
        (row(NOW - 2 * DAY, NOW - DAY), row(NOW - DAY, here=False)),
        "ended-here",
        NOW - DAY,
    ),
    ("it begins here and stands elsewhere", (row(NOW + DAY), row(NOW - DAY, here=False)), "coming-here", NOW + DAY),
    (
        "it ended here and will begin elsewhere",
        (row(NOW - 2 * DAY, NOW - DAY), row(NOW + DAY, here=False)),
        "ended",
        NOW - DAY,
    ),
    ("it ended elsewhere", (row(NOW - 2 * DAY, NOW - DAY, here=False),), "never", None),
    ("it is a source", (row(NOW - DAY, part="source"),), "never", None),
]


@pytest.mark.parametrize(("story", "parts", "kind", "at"), ABSENT, ids=[one[0] for one in ABSENT])
def test_the_nearest_reason_is_told(story: str, parts: tuple[Part, ...], kind: str, at: datetime | None) -> None:
    caller = doctor(parts=parts)
    assert not takes_part(caller, "results", "consumer", NOW)
    told = absence(caller, "results", "consumer", NOW)
    assert (told.kind, told.at) == (kind, at)


def test_a_part_in_force_is_one_of_the_service_in_its_interval() -> None:
    assert takes_part(doctor(parts=(row(NOW, NOW + DAY),)), "results", "consumer", NOW)
    assert not takes_part(doctor(parts=(row(NOW - DAY),)), "documents", "consumer", NOW)


def test_the_refusal_says_until_when_it_took_part_and_the_log_only_that_it_does_not() -> None:
    outside = doctor(parts=(row(NOW - 9 * DAY, NOW - DAY),))
    denial = decide(outside, patient(ties=(GP_LIST,)), "results", "read", now=NOW)
    assert isinstance(denial, Denial)
    assert denial.rule == "organisation-takes-no-part"
    assert denial.of_caller == "Den deltok til 2026-11-22T12:00:00Z."
    assert "2026" not in denial.says


OUTSIDE = [
    ("own-takes-no-part", "results", doctor(digest=PATIENT), "read", "consumer"),
    ("organisation-takes-no-part", "results", doctor(), "read", "consumer"),
    ("sender-takes-no-part", "results", laboratory(), "file", "source"),
    ("answerer-takes-no-part", "results", laboratory(), "handle", "source"),
    ("registrar-takes-no-part", "critical-information",
     doctor(scopes=frozenset({"nhn:critical-information/api"})), "file", "source"),
    ("contact-point-takes-no-part", "cross-border", laboratory(scopes=frozenset({"kjerne:contact-point"})), "read",
     "consumer"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "service", "caller", "action", "role"), OUTSIDE, ids=[row[0] for row in OUTSIDE])
def test_each_refusal_tells_of_the_role_that_was_wanting(
    rule: str, service: str, caller: Any, action: Any, role: Any
) -> None:
    ended = Part(service, role, NOW - 9 * DAY, NOW - DAY)
    denial = decide(replace(caller, parts=(ended,)), patient(ties=(GP_LIST,)), service, action, now=NOW)
    assert isinstance(denial, Denial)
    assert (denial.rule, denial.of_caller) == (rule, "Den deltok til 2026-11-22T12:00:00Z.")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ((), "Den står ikke i registeret over deltakere."),
        ((row(NOW - DAY, here=False),), "Den deltar, men ikke i dette området."),
        ((row(NOW + DAY),), "Den deltar fra 2026-11-24T12:00:00Z."),
        ((row(NOW - 2 * DAY, NOW - DAY),), "Den deltok til 2026-11-22T12:00:00Z."),
        (
            (row(NOW + DAY), row(NOW - DAY, here=False)),
            "Den deltar, men i dette området først fra 2026-11-24T12:00:00Z.",
        ),
    ],
)
def test_each_absence_has_its_sentence(parts: tuple[Part, ...], says: str) -> None:
    denial = decide(doctor(parts=parts), patient(ties=(GP_LIST,)), "results", "read", now=NOW)
    assert isinstance(denial, Denial) and denial.of_caller == says


def test_one_that_was_narrowed_is_not_told_that_it_takes_part_nowhere() -> None:
    narrowed = doctor(parts=(row(NOW - 9 * DAY, NOW - DAY), row(NOW - DAY, here=False)))
    denial = decide(narrowed, patient(ties=(GP_LIST,)), "results", "read", now=NOW)
    assert isinstance(denial, Denial)
    assert denial.of_caller == "Den deltar, men i dette området bare til 2026-11-22T12:00:00Z."


@pytest.mark.parametrize("caller", [doctor(parts=()), laboratory(parts=())], ids=["doctor", "laboratory"])
def test_it_is_the_same_for_a_patient_and_for_nobody(caller: object) -> None:
    action = "file" if caller.kind == "system" else "read"  # type: ignore[attr-defined]
    known = decide(caller, patient(), "results", action, now=NOW)  # type: ignore[arg-type]
    nobody = decide(caller, None, "results", action, now=NOW, asked=PATIENT)  # type: ignore[arg-type]
    assert isinstance(known, Denial)
    assert isinstance(nobody, Denial)
    assert (known.rule, known.says, known.of_caller) == (nobody.rule, nobody.says, nobody.of_caller)
    assert known.of_caller


def test_a_sender_that_takes_part_hears_of_an_unknown_person_as_before() -> None:
    nobody = decide(laboratory(), None, "results", "file", now=NOW)
    assert (nobody.rule, nobody.of_caller) == ("unknown-person", "")  # type: ignore[union-attr]


def test_no_other_refusal_says_anything_of_the_organisation() -> None:
    denial = decide(citizen(), patient(caller_key=1, age=8), "results", "read", now=NOW)
    assert (denial.rule, denial.of_caller) == ("own-under-12", "")  # type: ignore[union-attr]
