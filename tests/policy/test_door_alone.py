"""The door by itself, over a store that is stood in for: when facts are read anew, and what is written before a no.

tests/policy/test_door.py has it over a whole platform; here each of its turns is taken alone, fast enough for `make mutants`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Caller, Subject
from kjerne.clock import FixedClock
from kjerne.exchange import Denied, Joined, PatientRef
from kjerne.fhir.smart import limits
from kjerne.policy import door
from kjerne.policy.door import Door
from kjerne.store import audit, subjects
from kjerne.store.participation import Takers

from .cast import COURSE, GP_LIST, NOW, PATIENT, attestation, choice, citizen, doctor, laboratory, patient

HER = PatientRef(digest=PATIENT)
NOBODY_ELSE = PatientRef(digest=b"another's digest")
ONCE: Any = object()


@dataclass
class Stored:
    """What the store knows, what it was asked, and the refusals it was given."""

    known: Subject | None
    asked: list[tuple[PatientRef, Any]] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        yield self


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    found = Stored(patient(ties=(GP_LIST,)))

    async def load(conn: Stored, ref: PatientRef, who: Caller, wrap: Any, once: Any = None) -> Any:
        conn.asked.append((ref, once))
        return (conn.known, None) if conn.known and ref == HER else None

    async def insert(conn: Stored, row: Any, named: Any = ()) -> None:
        conn.written.append(row)

    async def stand(conn: Stored, known: Subject) -> bool:
        return conn.known is not None and known.stamp == conn.known.stamp

    monkeypatch.setattr(subjects, "load", load)
    monkeypatch.setattr(subjects, "stand", stand)
    monkeypatch.setattr(audit, "insert", insert)
    monkeypatch.setattr(audit, "refused", lambda denial: denial)
    monkeypatch.setattr(audit, "with_words", lambda answer, wrap, asked: answer)

    async def told(_: Takers, who: Caller, joined: Joined | None = None) -> Caller:
        return who

    monkeypatch.setattr(Takers, "told", told)
    return found


def the_door(stored: Stored, **jurisdiction: bool) -> Door:
    house: Any = SimpleNamespace(pool=stored, wrap=None)
    return Door(house, FixedClock(NOW), **jurisdiction)


async def test_a_grant_holds_the_request_and_leaves_no_refusal(stored: Stored) -> None:
    grant = await the_door(stored).admit(doctor(), "c-1")(HER, "results", "search", basis="AKUTT", purpose="ETREAT")
    assert (grant.rule, grant.correlation, grant.at, grant.basis, grant.purpose) == (
        "gp",
        "c-1",
        NOW,
        "AKUTT",
        "ETREAT",
    )
    assert (stored.written, grant.subject) == ([], stored.known)


async def test_a_refusal_is_written_before_it_is_raised(stored: Stored) -> None:
    stored.known = patient()
    with pytest.raises(Denied) as denied:
        await the_door(stored).admit(doctor(), "c-2")(HER, "results", "search", basis="", purpose="TREAT")
    assert stored.written == [denied.value.denial]
    assert (denied.value.denial.rule, denied.value.denial.correlation) == ("no-relation", "c-2")


async def test_what_no_words_were_asked_in_is_logged_without_and_narrowed_by_no_type(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    def with_words(answer: Any, wrap: Any, asked: str) -> Any:
        logged.append(asked)
        return answer

    monkeypatch.setattr(audit, "with_words", with_words)
    narrow = doctor(limits=limits(["user/Observation.s"], "practitioner"))
    admit = the_door(stored).admit(narrow, "c-2")
    assert (await admit(HER, "results", "search")).rule == "gp"
    assert (await admit(HER, "results", "search", asked="code=1")).rule == "gp"
    assert logged == ["", "code=1"]


async def test_a_refusal_goes_by_what_was_declared(stored: Stored) -> None:
    stored.known = patient(ties=(GP_LIST,), choices=(choice("restriction"),))
    admit = the_door(stored).admit(doctor(), "c-3")
    with pytest.raises(Denied) as denied:
        await admit(HER, "results", "search")
    assert denied.value.denial.rule == "restricted"
    assert (await admit(HER, "results", "search", basis="SAMTYKKE")).rule == "restriction-opened"
    assert (await admit(HER, "results", "search", basis="AKUTT", purpose="BTG")).purpose == "BTG"


async def test_nobody_is_answered_as_a_stranger_whoever_she_was_asked_for_by(stored: Stored) -> None:
    admit = the_door(stored).admit(doctor(user_selected=True), "c-4")
    with pytest.raises(Denied) as denied:
        await admit(NOBODY_ELSE, "results", "search")
    assert (denied.value.denial.rule, denied.value.denial.subject) == ("attestation-of-another-patient", None)


async def test_remembered_facts_serve_only_what_proves_them(stored: Stored) -> None:
    one = the_door(stored)
    admit = one.admit(doctor(), "c-5", ONCE)
    await admit(HER, "results", "search", proven=True)
    assert stored.asked == [(HER, ONCE)]
    again = await admit(HER, "results", "search", proven=True, basis="AKUTT", purpose="ETREAT")
    assert stored.asked == [(HER, ONCE)]
    assert (again.once, again.correlation, again.basis, again.purpose) == (ONCE, "c-5", "AKUTT", "ETREAT")
    await admit(HER, "results", "search")
    assert len(stored.asked) == 2


async def test_facts_just_read_carry_no_proof_to_be_noted_again(stored: Stored) -> None:
    assert (await the_door(stored).admit(doctor(), "c-6", ONCE)(HER, "results", "search", proven=True)).once is None


async def test_a_no_is_never_given_from_memory(stored: Stored) -> None:
    one = the_door(stored)
    await one.admit(doctor(), "c-7")(HER, "results", "search", proven=True)
    stored.known = patient(ties=(GP_LIST,), choices=(choice("block", hpr="9144900"),))
    elsewhere = replace(doctor(), attestation=attestation(purpose="COC", decision_text=""))
    with pytest.raises(Denied) as denied:
        await one.admit(elsewhere, "c-8")(HER, "results", "search", proven=True)
    assert denied.value.denial.rule == "blocked-by-name"
    assert len(stored.asked) == 2


@pytest.mark.parametrize(
    "other",
    [
        doctor(hpr="1"), doctor(organisation="1"), doctor(point_of_care="1"),
        replace(doctor(), digest=b"1", attestation=attestation(practitioner_digest=b"1")),
    ],
)  # fmt: skip
async def test_what_is_remembered_is_of_one_caller_at_one_place(stored: Stored, other: Caller) -> None:
    stored.known = patient(ties=(GP_LIST, COURSE))
    one = the_door(stored)
    await one.admit(doctor(), "c-9")(HER, "results", "search", proven=True)
    await one.admit(other, "c-9")(HER, "results", "search", proven=True)
    assert len(stored.asked) == 2


async def test_a_citizens_facts_are_read_each_time(stored: Stored) -> None:
    stored.known = patient(caller_key=1)
    one = the_door(stored)
    for _ in range(2):
        await one.admit(citizen(), "c-10")(HER, "results", "search", proven=True)
    assert len(stored.asked) == 2
    stored.known = patient()
    for _ in range(2):
        await one.admit(laboratory(), "c-10")(HER, "results", "file", proven=True)
    assert len(stored.asked) == 3


async def test_the_facts_of_many_are_read_at_once_and_serve_who_asks_next(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[list[int]] = []

    async def load_many(conn: Stored, keys: list[int], who: Caller, wrap: Any) -> list[Subject]:
        at_once.append(keys)
        return [replace(patient(ties=(GP_LIST,)), patient=key) for key in keys]

    monkeypatch.setattr(subjects, "load_many", load_many)
    one, gp = the_door(stored), doctor()
    await one.meet(gp, [5, 6])
    await one.meet(gp, [6, 7])
    await one.meet(gp, [5, 6, 7])
    await one.meet(citizen(), [5])
    assert at_once == [[5, 6], [7]], "who is known is not read again, and of a citizen nothing is remembered"
    assert (await one.admit(gp, "c-12")(PatientRef(key=7), "results", "search", proven=True)).subject.patient == 7
    assert stored.asked == []


async def test_of_others_whose_records_name_her_those_are_given_whom_the_law_opens_and_nothing_is_written(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {5: patient(), 6: patient(choices=(choice("opt-out"),)), 7: patient()}

    async def load_many(conn: Stored, keys: list[int], who: Caller, wrap: Any) -> list[Subject]:
        return [replace(known[key], patient=key, keys=(key,), digests=frozenset()) for key in keys if key in known]

    monkeypatch.setattr(subjects, "load_many", load_many)
    one = the_door(stored)
    hers = await one.admit(doctor(), "c-14")(HER, "results", "search")
    given = await one.beside(hers, [5, 6, 7, 8])
    assert [grant.subject.patient for grant in given] == [5, 7]
    # What was attested is about the one who is named: it goes into nobody else's log.
    assert {(grant.rule, grant.caller.attestation, grant.correlation, grant.at) for grant in given} == {
        ("named", None, "c-14", NOW)
    }
    assert {(grant.service, grant.action, grant.purpose) for grant in given} == {("results", "search", "TREAT")}
    within: Any = SimpleNamespace(acquire=stored.acquire)
    assert len(await one.beside(hers, [5], within)) == 1
    assert await one.beside(replace(hers, caller=citizen()), [5]) == []
    assert stored.written == []


async def test_a_refusal_in_a_transaction_is_left_for_it_to_write(stored: Stored) -> None:
    kept: list[tuple[Any, Any]] = []
    joined: Any = SimpleNamespace(acquire=stored.acquire, refused=lambda row, named: kept.append((row, named)))
    stored.known = patient()
    with pytest.raises(Denied) as denied:
        await the_door(stored).admit(doctor(), "c-13")(
            HER, "results", "search", named=((1, UUID(int=2), 3),), joined=joined
        )
    assert (kept, stored.written) == ([(denied.value.denial, ((1, UUID(int=2), 3),))], [])


async def test_a_refused_look_is_not_remembered(stored: Stored) -> None:
    one = the_door(stored)
    stored.known = patient()
    for _ in range(2):
        with pytest.raises(Denied):
            await one.admit(doctor(), "c-11")(HER, "results", "search", proven=True)
    assert len(stored.asked) == 2


async def test_what_is_remembered_has_an_end_and_the_oldest_goes(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "REMEMBERED", 2)
    one = the_door(stored)
    callers = [doctor(), doctor(organisation="1"), doctor(organisation="2")]
    for caller in callers:
        await one.admit(caller, "c-12")(HER, "results", "search", proven=True)
    for caller in callers[1:]:
        await one.admit(caller, "c-12")(HER, "results", "search", proven=True)
    assert len(stored.asked) == 3
    await one.admit(callers[0], "c-12")(HER, "results", "search", proven=True)
    assert len(stored.asked) == 4


async def test_a_newcomer_is_judged_as_she_will_stand_and_nothing_is_read(stored: Stored) -> None:
    stored.known = None
    admit = the_door(stored).admit(laboratory(), "c-13", ONCE)
    grant = await admit(NOBODY_ELSE, "results", "file", newcomer=patient())
    assert (grant.rule, grant.once, stored.asked) == ("filed", ONCE, [])


async def test_would_open_says_what_the_law_says_and_leaves_no_trace(stored: Stored) -> None:
    one = the_door(stored)
    assert await one.would_open(doctor(), HER, "results", "search") is True
    assert await one.would_open(doctor(), NOBODY_ELSE, "results", "search") is False
    stored.known = patient()
    assert await one.would_open(doctor(), HER, "results", "search") is False
    assert stored.written == []


async def test_whom_the_law_opens_or_a_tie_knows_may_be_named(stored: Stored) -> None:
    one = the_door(stored)
    shut = (choice("block", hpr="9144900"),)
    for known, named in (
        (patient(ties=(GP_LIST,)), True),
        (patient(ties=(GP_LIST,), choices=shut), True),
        (patient(ties=(COURSE,), choices=shut), True),
        (patient(choices=shut), False),
        (patient(), False),
        (patient(ties=(GP_LIST,), protection="fortrolig"), False),
        (None, False),
    ):
        stored.known = known
        assert await one.may_name(doctor(), HER, "results", "search") is named
    stored.known = patient(ties=(GP_LIST,))
    assert await one.may_name(replace(doctor(), parts=()), HER, "results", "search") is False
    assert stored.written == []


async def test_where_no_choice_may_be_told_the_no_goes_along_to_be_written_with_the_answer(stored: Stored) -> None:
    stored.known = patient(ties=(GP_LIST,), choices=(choice("restriction"),))
    one = the_door(stored, tells_choices=False)
    admit = one.admit(doctor(), "c-14")
    for _ in range(2):
        grant = await admit(HER, "results", "search", proven=True, basis="UNNTAK", purpose="COC")
        assert grant.instead_of is not None and (grant.instead_of.rule, grant.subject.keys) == ("restricted", ())
        assert (grant.basis, grant.purpose, stored.written) == ("UNNTAK", "COC", [])
    assert len(stored.asked) == 1, "as of anybody: she would be known by the time of the answer"
    assert (await admit(HER, "results", "search", basis="AKUTT")).instead_of is None


async def test_a_choice_that_is_not_told_is_remembered_while_it_stands_with_the_requests_proof(stored: Stored) -> None:
    shut = stored.known = patient(ties=(GP_LIST,), choices=(choice("restriction"),))
    one = the_door(stored, tells_choices=False)
    assert (await one.admit(doctor(), "c-16", ONCE)(HER, "results", "search", proven=True)).once is None
    again = await one.admit(doctor(), "c-17", ONCE)(HER, "results", "search", proven=True)
    assert again.instead_of is not None
    assert (again.once, again.correlation, again.instead_of.rule) == (ONCE, "c-17", "restricted")
    assert (await one.admit(doctor(), "c-17")(HER, "results", "search", proven=True, basis="AKUTT")).instead_of is None
    stored.known = replace(shut, choices=(), stamp=shut.stamp + 1)
    assert (await one.admit(doctor(), "c-18")(HER, "results", "search", proven=True)).instead_of is None
    assert len(stored.asked) == 2
    stored.known = replace(shut, stamp=shut.stamp + 2)
    assert (await one.admit(doctor(), "c-19")(HER, "results", "search")).instead_of is not None


async def test_where_no_choice_may_be_told_another_no_is_told_and_the_true_one_written(stored: Stored) -> None:
    stored.known = patient(choices=(choice("block", hpr="9144900"),))
    with pytest.raises(Denied) as denied:
        await the_door(stored, tells_choices=False).admit(doctor(), "c-15")(HER, "results", "search")
    assert denied.value.denial.rule == "no-relation"
    assert [one.rule for one in stored.written] == ["blocked-by-name"]


async def test_where_no_choice_may_be_told_a_patient_is_named_as_if_she_had_made_none(stored: Stored) -> None:
    one, told = the_door(stored, tells_choices=False), the_door(stored)
    declared = doctor(user_selected=True)
    for choices in ((), (choice("restriction"),)):
        stored.known = patient(choices=choices)
        assert await one.may_name(declared, HER, "results", "search") is True
        assert await one.may_name(doctor(), HER, "results", "search") is False
        assert await one.would_open(declared, HER, "results", "search") is (not choices)
        assert await one.may_list(declared, HER, "results", "search") is True
        assert await told.may_list(declared, HER, "results", "search") is (not choices)
    assert await told.may_name(declared, HER, "results", "search") is False
