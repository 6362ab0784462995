"""What a patient may choose about her own data, how it is put, and what the store is then told to write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.access import PARTS, REGRET, Caller, Choice, Grant, Held, Subject, Wish
from kjerne.errors import Refusal
from kjerne.policy import privacy
from kjerne.policy.privacy import KINDS, ChoiceChange, deletion_of, in_force, lift
from kjerne.policy.reach import REACH, may_be_told, setter
from kjerne.policy.rules import decide
from kjerne.policy.words import CHOICE_EFFECTS

from .cast import (
    GP_LIST,
    GUARDIAN,
    HOSPITAL,
    MINORS_GUARDIAN,
    NOW,
    PARENT,
    PROXY,
    RELATIVE,
    choice,
    citizen,
    doctor,
    patient,
)

LATER = NOW + timedelta(days=7)
RECORD = UUID(int=7)


PLACES = {HOSPITAL, "100000008", "983974899", "974760673"}
"""What the register of organisations has."""


def make(grant: Grant, wish: Wish, **more: Any) -> ChoiceChange:
    return privacy.make(grant, wish, **{"organisations": PLACES, **more})


def choosing(*choices: Choice) -> Grant:
    grant = decide(citizen(), patient(caller_key=1, choices=choices), "privacy", "choose", now=NOW)
    assert isinstance(grant, Grant)
    return grant


def test_she_blocks_a_named_doctor_from_now_on() -> None:
    change = make(choosing(), Wish("block", hpr="009144900"), is_registered=True)
    assert change == ChoiceChange(
        op="make",
        patient=1,
        number=0,
        choice=Choice("block", "results", "9144900", "", NOW, None),
        rule="own-choices",
    )


def test_an_opt_out_is_deleted_after_thirty_days_and_not_before() -> None:
    change = make(choosing(), Wish("opt-out"))
    assert change.delete_at == NOW + timedelta(days=30)
    assert deletion_of(change.choice) == change.delete_at
    assert deletion_of(choice("restriction")) is None
    assert deletion_of(choice("opt-out", ended_at=NOW)) is None


def test_a_restriction_is_against_all_or_one_organisation() -> None:
    assert make(choosing(), Wish("restriction")).choice.organisation == ""
    assert make(choosing(), Wish("restriction", organisation=HOSPITAL, until=LATER)).choice.ended_at == LATER


def test_a_consent_names_whom_it_is_for_and_may_end_by_itself() -> None:
    change = make(choosing(), Wish("consent", hpr="7012345", organisation=HOSPITAL, until=LATER))
    assert change.choice == Choice("consent", "results", "7012345", HOSPITAL, NOW, LATER)
    assert change.delete_at is None


def test_a_consent_is_for_one_course_and_may_begin_later() -> None:
    course = Wish("consent", organisation=HOSPITAL, course="hofteoperasjon", since=LATER, until=LATER + REGRET)
    made = make(choosing(), course).choice
    assert (made.course, made.made_at, made.ended_at) == ("hofteoperasjon", LATER, LATER + REGRET)
    assert in_force((made,), NOW) == ()
    with pytest.raises(Refusal, match="already"):
        make(choosing(made), course, held=[Held(1, 5, made)])
    ended = lift(choosing(made), Held(1, 5, made)).choice
    assert in_force((ended,), LATER) == ()


def test_a_consent_may_begin_at_this_instant_and_name_its_course_at_some_length() -> None:
    made = make(choosing(), Wish("consent", organisation=HOSPITAL, course="a" * 100, since=NOW)).choice
    assert (made.course, made.made_at) == ("a" * 100, NOW)


def test_a_restricted_part_gets_a_mark_that_no_other_has() -> None:
    parts = ("laboratory", "pathology", "genetics", "radiology")
    held: list[Choice] = []
    for count in range(PARTS):
        wish = Wish(
            "restriction", part=parts[count % 4], organisation=["", "100000008", "983974899", "974760673"][count // 4]
        )
        held.append(make(choosing(*held), wish).choice)
    assert sorted(one.slot for one in held) == list(range(PARTS))
    with pytest.raises(Refusal) as refusal:
        make(choosing(*held), Wish("restriction", source=HOSPITAL))
    assert (refusal.value.status, refusal.value.rule) == (409, "choice-too-many")
    held[3] = replace(held[3], ended_at=NOW)
    assert make(choosing(*held), Wish("restriction", source=HOSPITAL)).choice.slot == held[3].slot


def test_a_single_record_is_restricted_by_its_id() -> None:
    assert make(choosing(), Wish("record", record=str(RECORD))).choice.record == RECORD


def test_a_parent_of_a_small_child_chooses_for_it() -> None:
    child = patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True)
    grant = decide(citizen(RELATIVE), child, "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    assert make(grant, Wish("restriction")).rule == "parent-choices"


# days until she turns 12, from a Norwegian midnight, and whether a parent may still opt her out
BEFORE_TWELVE = [(60, True), (31, True), (30, True), (29, False), (1, False)]


@pytest.mark.parametrize(("days", "may"), BEFORE_TWELVE)
def test_a_parent_opts_a_child_out_only_while_it_can_be_taken_back_until_it_deletes(days: int, may: bool) -> None:
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)
    twelve = (NOW + timedelta(days=days)).date()
    born = twelve.replace(year=twelve.year - 12)
    child = replace(patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True), birth_date=born)
    grant = decide(citizen(RELATIVE), child, "results", "choose", now=midnight)
    assert isinstance(grant, Grant)
    assert make(grant, Wish("restriction")).rule == "parent-choices"
    if may:
        assert make(grant, Wish("opt-out")).delete_at == grant.at + REGRET
        return
    with pytest.raises(Refusal) as refusal:
        make(grant, Wish("opt-out"))
    assert (refusal.value.status, refusal.value.where, refusal.value.rule) == (409, "regret", "choice-beyond-regret")


ACTING = replace(PROXY, areas=("innsyn", "digitaleHelsetjenester"))
# by whom, the patient she meets, the rule, whose choices she lifts
LIMITED = [
    (citizen(), patient(age=15, caller_key=1), "youth-choices", {"youth-choices"}),
    (citizen(RELATIVE), patient(caller_key=7, ties=(ACTING,)), "proxy-choices", {"proxy-choices"}),
    (citizen(RELATIVE), patient(caller_key=7, ties=(GUARDIAN,)), "guardian-choices", {"guardian-choices"}),
    (citizen(RELATIVE), patient(age=8, caller_key=7, ties=(MINORS_GUARDIAN,)), "guardian-of-minor-choices",
     {"guardian-of-minor-choices", "parent-choices"}),
]  # fmt: skip


@pytest.mark.parametrize(("caller", "subject", "rule", "lifted"), LIMITED, ids=[row[2] for row in LIMITED])
def test_who_is_young_or_stands_in_for_another_shuts_and_lifts_what_was_shut_so(
    caller: Caller, subject: Subject, rule: str, lifted: set[str]
) -> None:
    grant = decide(caller, subject, "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    assert grant.rule == rule
    for wish in (Wish("restriction"), Wish("block", hpr="9144900"), Wish("record", record=str(RECORD))):
        assert make(grant, wish, is_registered=True).rule == rule
    for wish in (Wish("opt-out"), Wish("consent", organisation=HOSPITAL)):
        with pytest.raises(Refusal) as made:
            make(grant, wish)
        assert (made.value.status, made.value.rule) == (403, "choice-not-covered")
    held = choice("block", hpr="9144900")
    for by in (*REACH, ""):
        if by in lifted:
            assert lift(grant, Held(1, 5, held, set_by=by)).op == "end"
            continue
        with pytest.raises(Refusal) as refusal:
            lift(grant, Held(1, 5, held, set_by=by))
        assert (refusal.value.status, refusal.value.rule) == (403, "choice-of-somebody-else")


@pytest.mark.parametrize("by", ["", *REACH])
def test_from_sixteen_she_lifts_whatever_anybody_chose(by: str) -> None:
    grant = decide(citizen(), patient(age=16, caller_key=1), "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    assert lift(grant, Held(1, 5, choice("restriction"), set_by=by)).rule == "own-choices"


def test_a_consent_to_youth_access_is_neither_made_nor_lifted_as_a_choice() -> None:
    with pytest.raises(Refusal) as made:
        make(choosing(), Wish("youth-access"))
    assert made.value.where == "kind"
    with pytest.raises(Refusal) as lifted:
        lift(choosing(), Held(1, 5, choice("youth-access"), set_by="parent-permits"))
    assert lifted.value.rule == "choice-of-somebody-else"


def test_of_who_made_a_choice_the_standing_is_told_and_of_nobody_named_that_it_was_herself() -> None:
    told = {by: setter(Held(1, 5, choice("block"), set_by=by)) for by in ("", "own-choices", "youth-choices")}
    assert set(told.values()) == {"self"}
    for by in ("parent-choices", "parent-permits"):
        assert setter(Held(1, 5, choice("block"), set_by=by)) == "parent"
    assert setter(Held(1, 5, choice("youth-access"), set_by="guardian-permits")) == "representative"
    assert {by for by in REACH if setter(Held(1, 5, choice("block"), set_by=by)) == "representative"} == {
        "proxy-choices", "guardian-choices", "guardian-of-minor-choices",
    }  # fmt: skip


@pytest.mark.parametrize(("caller", "subject", "rule", "_"), LIMITED, ids=[row[2] for row in LIMITED])
def test_of_those_only_the_young_herself_is_told_of_looks(
    caller: Caller, subject: Subject, rule: str, _: set[str]
) -> None:
    grant = decide(caller, subject, "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    assert may_be_told(grant) == (rule == "youth-choices")
    assert may_be_told(choosing())


def test_a_parent_who_chooses_for_a_child_may_choose_to_be_told_of_looks() -> None:
    child = patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True)
    grant = decide(citizen(RELATIVE), child, "results", "choose", now=NOW)
    assert isinstance(grant, Grant) and may_be_told(grant)


def test_a_grant_to_read_is_none_to_choose() -> None:
    grant = decide(doctor(), patient(ties=(GP_LIST,)), "results", "read", now=NOW)
    assert isinstance(grant, Grant)
    with pytest.raises(Refusal) as made:
        make(grant, Wish("restriction"))
    with pytest.raises(Refusal) as lifted:
        lift(grant, Held(1, 5, choice("restriction")))
    for refusal in (made.value, lifted.value):
        assert (refusal.status, refusal.rule) == (403, "choice-not-hers")


# what was asked for, where the fault is
WRONG = [
    (Wish("curse"), "kind"),
    (Wish("block"), "hpr"),
    (Wish("block", hpr="9144900", organisation=HOSPITAL), "hpr"),
    (Wish("block", hpr="9144900", until=LATER), "until"),
    (Wish("restriction", hpr="9144900"), "hpr"),
    (Wish("restriction", until=NOW), "until"),
    (Wish("restriction", until=LATER.replace(tzinfo=None)), "until"),
    (Wish("restriction", service=""), "service"),
    (Wish("opt-out", service="everything"), "service"),
    (Wish("opt-out", hpr="9144900"), "hpr"),
    (Wish("opt-out", organisation=HOSPITAL), "hpr"),
    (Wish("opt-out", until=LATER), "until"),
    (Wish("consent"), "hpr"),
    (Wish("restriction", role="kings"), "role"),
    (Wish("restriction", role="nurses", organisation=HOSPITAL), "role"),
    (Wish("restriction", part="dentistry"), "part"),
    (Wish("restriction", part="radiology", source=HOSPITAL), "source"),
    (Wish("restriction", course="1"), "course"),
    (Wish("restriction", since=LATER), "since"),
    (Wish("opt-out", part="radiology"), "part"),
    (Wish("block", hpr="9144900", role="nurses"), "role"),
    (Wish("consent", hpr="9144900", part="radiology"), "part"),
    (Wish("consent", hpr="9144900", course="a\nb"), "course"),
    (Wish("consent", hpr="9144900", course="a" * 101), "course"),
    (Wish("consent", hpr="9144900", since=LATER.replace(tzinfo=None)), "since"),
    (Wish("consent", hpr="9144900", since=NOW - timedelta(seconds=1)), "since"),
    (Wish("consent", hpr="9144900", since=LATER, until=LATER), "until"),
    (Wish("record"), "record"),
    (Wish("record", record="nothing"), "record"),
    (Wish("record", record=str(RECORD), hpr="9144900"), "hpr"),
    (Wish("record", record=str(RECORD), until=LATER), "until"),
    (Wish("restriction", record=str(RECORD)), "record"),
]


@pytest.mark.parametrize(("wish", "where"), WRONG)
def test_what_cannot_be_chosen_is_refused_with_its_place(wish: Wish, where: str) -> None:
    with pytest.raises(Refusal) as refusal:
        make(choosing(), wish, is_registered=True)
    assert (refusal.value.status, refusal.value.where, refusal.value.rule) == (422, where, "choice-invalid")
    assert refusal.value.todo


def test_a_block_of_a_number_that_nobody_has_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        make(choosing(), Wish("block", hpr="9144900"))
    assert refusal.value.where == "hpr"


@pytest.mark.parametrize(
    ("kind", "where"), [("restriction", "organisation"), ("restriction", "source"), ("consent", "organisation")]
)
def test_a_place_that_the_register_does_not_have_is_refused(kind: str, where: str) -> None:
    with pytest.raises(Refusal) as refusal:
        make(choosing(), Wish(kind, **{where: "123456785"}))
    assert (refusal.value.status, refusal.value.where, refusal.value.rule) == (422, where, "choice-invalid")


@pytest.mark.parametrize("number", ["12 34", "0", "1234567890", "LEGE"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(Refusal) as refusal:
        make(choosing(), Wish("block", hpr=number), is_registered=True)
    assert refusal.value.status == 400
    assert number not in str(refusal.value)


def test_the_same_choice_twice_is_refused_while_the_first_holds() -> None:
    wish = Wish("block", hpr="9144900")
    held = choice("block", hpr="09144900")
    with pytest.raises(Refusal) as refusal:
        make(choosing(), wish, held=[Held(1, 5, held)], is_registered=True)
    assert (refusal.value.status, refusal.value.rule) == (409, "choice-in-force")
    lifted = replace(held, ended_at=NOW)
    assert make(choosing(), wish, held=[Held(1, 5, lifted)], is_registered=True).op == "make"
    others = (
        choice("record", record=UUID(int=3)),
        choice("block", hpr="7012345"),
        choice("block", hpr="9144900", service="documents"),
        choice("consent", hpr="9144900"),
        choice("restriction", organisation=HOSPITAL),
    )
    beside = [Held(1, number, one) for number, one in enumerate(others)]
    assert make(choosing(), wish, held=beside, is_registered=True).op == "make"
    assert make(choosing(), Wish("restriction"), held=beside).op == "make"
    assert make(choosing(), Wish("record", record=str(RECORD)), held=beside).op == "make", "one record is not another"


@pytest.mark.parametrize(("caller", "subject", "rule", "_"), LIMITED, ids=[row[2] for row in LIMITED])
def test_what_another_made_and_could_lift_does_not_stand_in_the_way_of_her_own(
    caller: Caller, subject: Subject, rule: str, _: set[str]
) -> None:
    own = Wish("restriction")
    assert make(choosing(), own, held=[Held(1, 5, choice("restriction"), set_by=rule)]).op == "make"
    theirs = decide(caller, subject, "results", "choose", now=NOW)
    assert isinstance(theirs, Grant)
    for by in ("", "own-choices", rule):
        with pytest.raises(Refusal) as refusal:
            make(theirs, own, held=[Held(1, 5, choice("restriction"), set_by=by)])
        assert refusal.value.rule == "choice-in-force"


# the end of the one held, the end of the new one, whether the new one is let in
ENDS = [
    (LATER, None, True),
    (LATER, LATER + REGRET, True),
    (LATER, LATER, False),
    (None, LATER, False),
    (None, None, False),
]


@pytest.mark.parametrize(("held_until", "until", "is_let_in"), ENDS)
def test_a_choice_that_would_last_longer_is_made_while_the_shorter_one_stands(
    held_until: datetime | None, until: datetime | None, is_let_in: bool
) -> None:
    held = Held(1, 5, choice("restriction", ended_at=held_until), set_by="own-choices")
    if is_let_in:
        assert make(choosing(), Wish("restriction", until=until), held=[held]).choice.ended_at == until
        return
    with pytest.raises(Refusal, match="already"):
        make(choosing(), Wish("restriction", until=until), held=[held])


def test_a_consent_for_one_course_is_none_for_another() -> None:
    held = [Held(1, 5, choice("consent", organisation=HOSPITAL, course="1"), set_by="own-choices")]
    assert make(choosing(), Wish("consent", organisation=HOSPITAL, course="2"), held=held).choice.course == "2"
    with pytest.raises(Refusal) as refusal:
        make(choosing(), Wish("consent", organisation=HOSPITAL, course="1"), held=held)
    assert refusal.value.rule == "choice-in-force"


def test_a_consent_is_made_now_where_the_same_begins_later() -> None:
    coming = Held(1, 5, choice("consent", organisation=HOSPITAL, made_at=LATER), set_by="own-choices")
    assert make(choosing(), Wish("consent", organisation=HOSPITAL), held=[coming]).choice.made_at == NOW


def test_a_lifted_choice_stays_on_record_until_the_instant_it_ended() -> None:
    held = choice("block", hpr="9144900")
    change = lift(choosing(held), Held(1, 5, held))
    assert change == ChoiceChange("end", 1, 5, replace(held, ended_at=NOW), "own-choices")
    assert in_force((change.choice,), NOW - timedelta(microseconds=1)) == (change.choice,)
    assert in_force((change.choice,), NOW) == ()


@pytest.mark.parametrize(("age", "cancels"), [(REGRET - timedelta(seconds=1), True), (REGRET, False)])
def test_an_opt_out_taken_back_within_thirty_days_cancels_its_deletion(age: timedelta, cancels: bool) -> None:
    held = choice("opt-out", made_at=NOW - age)
    assert lift(choosing(held), Held(1, 5, held)).cancels_deletion is cancels
    other = choice("restriction", made_at=NOW - timedelta(days=1))
    assert not lift(choosing(other), Held(1, 5, other)).cancels_deletion


def test_what_is_not_hers_or_not_in_force_cannot_be_lifted() -> None:
    held = choice("restriction")
    for wrong in (Held(2, 5, held), Held(1, 5, replace(held, ended_at=NOW)), Held(1, 5, replace(held, made_at=LATER))):
        with pytest.raises(Refusal) as refusal:
            lift(choosing(held), wrong)
        assert (refusal.value.status, refusal.value.rule) == (404, "choice-not-in-force")


def test_a_choice_is_lifted_under_the_number_it_was_made_under() -> None:
    block = choice("block", hpr="9144900")
    joined = {"keys": (1, 2), "wrapped": (b"", b""), "choices": (block,)}
    for own, made_under, rule in ((1, 1, ""), (2, 2, ""), (2, 1, "choice-of-another-number")):
        grant = decide(citizen(), patient(caller_key=own, **joined), "privacy", "choose", now=NOW)
        assert isinstance(grant, Grant)
        held = Held(made_under, 1, block, block.made_at)
        if not rule:
            assert lift(grant, held).patient == made_under
            continue
        with pytest.raises(Refusal) as caught:
            lift(grant, held)
        assert (caught.value.status, caught.value.rule) == (409, rule)


def test_every_kind_of_choice_has_its_effect_in_words() -> None:
    assert set(CHOICE_EFFECTS) == set(KINDS)


instants = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))


@settings(max_examples=100, deadline=None)
@given(made=instants, ended=st.none() | instants, at=instants)
def test_every_choice_holds_in_a_half_open_interval(made: datetime, ended: datetime | None, at: datetime) -> None:
    held = choice("restriction", made_at=made, ended_at=ended)
    assert bool(in_force((held,), at)) == (made <= at and (ended is None or ended > at))


@settings(max_examples=50, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), seconds=st.integers(0, 10**7))
def test_what_is_made_and_lifted_never_holds_again(kind: str, seconds: int) -> None:
    hpr = "9144900" if kind in {"block", "consent"} else ""
    record = str(RECORD) if kind == "record" else ""
    made = make(choosing(), Wish(kind, hpr=hpr, record=record), is_registered=True)
    later = replace(choosing(made.choice), at=NOW + timedelta(seconds=seconds))
    ended = lift(later, Held(1, 5, made.choice)).choice
    assert not in_force((ended,), later.at)
    assert bool(in_force((ended,), NOW)) == (seconds > 0)
