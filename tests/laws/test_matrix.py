"""The access matrix: the rule table against the oracle, cell by cell, and at every edge of age and time.

A cell is one caller x one patient x one action x one purpose x one basis. The oracle answers in its own words; only
this file translates between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kjerne.access import PARTS, Attestation, Caller, Choice, Denial, Grant, Label, Part, Subject, Tie, part_label
from kjerne.fhir.smart import limits
from kjerne.policy.rules import decide, mark_of
from kjerne.policy.unsaid import unsaid

from .days import day_in_norway
from .people import (
    ASYLUM,
    CALLERS,
    CLINIC,
    ELSEWHERE,
    ENTITY,
    GP,
    LAB,
    LONG_AGO,
    NOW,
    OPERATIONS,
    PARENT,
    PATIENTS,
    PROXY,
    READ,
    SELF,
    TOMORROW,
    UNIT,
    WARDSHIP,
    YESTERDAY,
)
from .services_oracle import OTHERS, SHELF, TO_LOOK, TO_REGISTER, TO_SEND, answer
from .situation import Answer, Attest, Bond, Membership, Situation, Will

WORDS = {
    Label.RESTRICTED: "restricted",
    Label.WITHHELD_FROM_CITIZEN: "withheld from citizen",
    Label.WITHHELD_FROM_PARENTS: "withheld from parents",
    Label.WITHHELD_FROM_YOUTH: "withheld from youth",
    Label.NOT_THE_MOTHERS: "not the mother's",
    Label.WITHDRAWN: "withdrawn",
    Label.RESTRICTED_HERE: "restricted here",
}

PURPOSES = ("", "TREAT", "ETREAT", "COC", "BTG", "PATRQT", "nonsense")
BASES = ("", "UNNTAK", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "1")
OTHER_ACTIONS = (
    "read",
    "history",
    "write",
    "insight",
    "choose",
    "file",
    "correct",
    "examine",
    "trace",
    "disclose",
    "subscribe",
    "notify",
    "attest",
    "link",
    "export",
    "recheck",
    "ask",
    "handle",
    "download",
    "review",
    "permit",
)


ENOUGH = 20
"""Cells that differ, after which no more are asked."""


def caller_of(s: Situation) -> Caller:
    return Caller(
        kind=s.kind,  # type: ignore[arg-type]
        client="a system",
        scopes=s.scopes | frozenset(s.smart),
        digest=b"" if s.kind == "system" else b"the patient" if s.is_the_patient else b"the one who asks",
        hpr=s.hpr,
        authorization=s.role,
        organisation=s.legal_entity,
        point_of_care=s.unit,
        level=s.level,
        attestation=attestation_of(s) if s.attest else None,
        parts=tuple(
            Part(line.service, line.role, line.begins or LONG_AGO, line.ends, line.covers_her_place)  # type: ignore[arg-type]
            for line in s.memberships
        ),
        limits=limits(s.smart, s.kind),  # type: ignore[arg-type]
        above=frozenset(s.above),
        below=frozenset(s.below),
    )


def attestation_of(s: Situation) -> Attestation:
    assert s.attest
    who = b"the patient" if s.is_the_patient else b"the one who asks"
    return Attestation(
        practitioner_digest=who if s.attest.of_the_one_logged_in else b"a colleague",
        hpr=s.hpr,
        authorization=s.role,
        legal_entity=s.legal_entity,
        point_of_care=s.unit,
        department="",
        healthcare_service=None,
        purpose=s.attest.purpose,
        purpose_details=None,
        decision_id=s.attest.treatment,
        decision_text=s.attest.reason,
        user_selected=s.attest.self_authorised,
        patient_digests=tuple(b"the patient" if one == "this" else b"another" for one in s.attest.about),
        made_at=s.now - timedelta(minutes=s.attest.minutes_old),
    )


def subject_of(s: Situation) -> Subject:
    key = 11 if s.is_the_patient else 22
    return Subject(
        patient=10,
        keys=(10, 11),
        stamp=1,
        wrapped=(b"", b""),
        birth_date=s.born,
        sex="",
        protection=s.address,
        deceased=s.dead,
        choices=tuple(
            Choice(
                will.kind,
                will.service,
                will.hpr,
                will.place,
                will.begins or LONG_AGO,
                will.ends,  # type: ignore[arg-type]
                role=will.group,
                part=will.content,
                source=will.sent_by,
                course=will.treatment,
                slot=will.mark,
                marked=(10, 11) if will.marked_everywhere else (11,),
            )
            for will in s.wills
        ),
        ties=tuple(
            Tie(
                bond.kind,  # type: ignore[arg-type]
                bond.hpr,
                bond.place,
                key if bond.helper else 33,
                bond.first_day,
                bond.day_after_last,
                bond.covers,
                bond.form,
            )
            for bond in s.bonds
        ),
        caller_key=key if s.is_registered and s.kind != "system" else None,
        synthetic=s.made_up,
        digests=frozenset({b"the patient", b"the patient's former number"}),
        caller_protection=s.own_address,
        caller_birth_date=s.own_birth,
        caller_deceased=s.own_death,
        lives_with_parent=s.a_parent_lives_with_child,
        parents=tuple(
            Tie("parent", key=44, since=bond.first_day, until=bond.day_after_last)
            for bond in s.bonds
            if bond.kind == "parent"
        ),
    )


def in_the_oracles_words(decision: Grant | Denial) -> Answer:
    if isinstance(decision, Denial):
        return Answer(given=False, outcome=decision.outcome, tells_address=decision.rule == "address-protected")
    if decision.instead_of is not None:
        return Answer(given=False, looks_empty=not decision.subject.keys)
    hidden = frozenset(word for label, word in WORDS.items() if label in decision.hides)
    hidden |= {f"part {slot}" for slot in range(PARTS) if part_label(slot) in decision.hides}
    opens = dict(decision.windows)
    too_old = frozenset(one for one in SHELF if opens and not _is_open(opens, *one))
    return Answer(True, "", hidden, decision.released_only, mark_of(decision.rule), decision.purpose, too_old=too_old)


def _is_open(opens: dict[str, date | None], kind: str, begun: date) -> bool:
    first = opens.get(kind, date.max)
    return first is None or begun >= first


def product_answers(s: Situation, caller: Caller, subject: Subject) -> Answer:
    decision = decide(  # type: ignore[arg-type]
        caller, subject, s.service, s.action, basis=s.basis, purpose=s.purpose, now=s.now, what=s.what
    )
    if s.jurisdiction == "EHDS" and isinstance(decision, Denial):
        decision = unsaid(decision, basis=s.basis, purpose=s.purpose)
    return in_the_oracles_words(decision)


def cells(
    callers: Mapping[str, Situation] = CALLERS, purposes: Sequence[str] = PURPOSES, bases: Sequence[str] = BASES
) -> Iterator[tuple[str, str, Situation, Answer]]:
    """Every caller and patient in full on search; fewer purposes and bases on the other actions and services. And what the
    oracle says to each."""
    abroad = ("search", "insight", "choose", "file", "ask", "handle", "link", "download", "review")
    asked = [
        (action, service, purpose, basis)
        for action, service, purpose, basis in (
            *product(("search",), ("results",), PURPOSES, BASES),
            *product(OTHER_ACTIONS, ("results",), ("",), ("", "AKUTT")),
            *product(abroad, ("documents",), ("",), ("",)),
        )
        if purpose in purposes and basis in bases
    ]
    for (who, caller), (whom, patient) in product(callers.items(), PATIENTS.items()):
        base = replace(caller, **patient)  # type: ignore[arg-type]
        for action, service, purpose, basis in asked:
            s = replace(base, action=action, service=service, purpose=purpose, basis=basis)
            said = answer(s)
            yield who, whom, s, said
            # Where nothing is told of a choice there is nothing to keep silent of.
            if said.outcome:
                silent = replace(s, jurisdiction="EHDS")
                yield who, whom, silent, answer(silent)


def test_no_cell_of_the_matrix_leaks_and_none_is_wrongly_refused() -> None:
    wrong: list[str] = []
    counted = given_away = 0
    made: dict[tuple[str, str], tuple[Caller, Subject]] = {}
    for who, whom, s, expected in cells():
        caller, subject = made.get((who, whom)) or made.setdefault((who, whom), (caller_of(s), subject_of(s)))
        got = product_answers(s, caller, subject)
        counted += 1
        given_away += expected.given
        if expected != got:
            wrong.append(
                f"{who} / {whom} / {s.jurisdiction} {s.service} {s.action} {s.purpose} {s.basis}: law {expected}, rules {got}"
            )
        if len(wrong) == ENOUGH:
            break
    assert not wrong, f"{len(wrong)} of {counted} cells differ:\n" + "\n".join(wrong)
    assert counted > 60_000
    assert 0.05 < given_away / counted < 0.5  # a matrix of nothing but refusals would prove nothing


def agree(s: Situation) -> Answer:
    """The answer both give; fails where they differ."""
    expected = answer(s)
    assert product_answers(s, caller_of(s), subject_of(s)) == expected
    return expected


# Ages: every edge, the last minute before midnight in Norway and the first after it


def turns(born_on: date, years: int) -> date:
    """The birthday as a calendar prints it; 29 February is kept on 1 March in a common year."""
    leap = born_on.month == 2 and born_on.day == 29
    year = born_on.year + years
    common = not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    return date(year, 3, 1) if leap and common else date(year, born_on.month, born_on.day)


@st.composite
def moments_around_a_birthday(draw: st.DrawFn) -> tuple[date, int, datetime, bool]:
    """Birth date, age, an instant within two days of that birthday, and whether the birthday has come in Norway."""
    leap_days = st.sampled_from([date(2000, 2, 29), date(2004, 2, 29), date(2008, 2, 29), date(2012, 2, 29)])
    born_on = draw(leap_days | st.dates(date(1995, 1, 1), date(2020, 12, 31)))
    years = draw(st.sampled_from([12, 13, 16, 18]))
    midnight_utc = datetime.combine(turns(born_on, years), datetime.min.time(), UTC)
    minutes = draw(st.sampled_from([-1440, -121, -120, -61, -60, -1, 0, 1, 1439]) | st.integers(-2880, 2880))
    now = midnight_utc + timedelta(minutes=minutes)
    return born_on, years, now, turns(born_on, years) <= day_in_norway(now)


ELEVEN_364 = datetime(2026, 11, 22, 22, 59, tzinfo=UTC)
TWELVE_0 = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


@settings(max_examples=300, deadline=None)
@example((date(2014, 11, 23), 12, ELEVEN_364, False))
@example((date(2014, 11, 23), 12, TWELVE_0, True))
@example((date(2013, 11, 23), 13, ELEVEN_364, False))
@example((date(2013, 11, 23), 13, TWELVE_0, True))
@example((date(2012, 2, 29), 13, datetime(2025, 2, 28, 22, 59, tzinfo=UTC), False))
@example((date(2012, 2, 29), 13, datetime(2025, 2, 28, 23, 0, tzinfo=UTC), True))
@example((date(2010, 11, 23), 16, ELEVEN_364, False))
@example((date(2010, 11, 23), 16, TWELVE_0, True))
@example((date(2008, 11, 23), 18, ELEVEN_364, False))
@example((date(2008, 11, 23), 18, TWELVE_0, True))
@example((date(2008, 2, 29), 18, datetime(2026, 2, 28, 22, 59, tzinfo=UTC), False))
@example((date(2008, 2, 29), 18, datetime(2026, 2, 28, 23, 0, tzinfo=UTC), True))
@given(moments_around_a_birthday())
def test_every_birthday_turns_at_norwegian_midnight(moment: tuple[date, int, datetime, bool]) -> None:
    born_on, years, now, has_come = moment
    at = {"born": born_on, "now": now, "a_parent_lives_with_child": True}
    own = agree(replace(SELF, **at)).given  # type: ignore[arg-type]
    parent = agree(replace(PARENT, **at)).given  # type: ignore[arg-type]
    proxy = agree(replace(PROXY, **at)).given  # type: ignore[arg-type]
    guardian = agree(replace(PROXY, bonds=(WARDSHIP,), **at)).given  # type: ignore[arg-type]
    youth = replace(SELF, wills=(Will("youth-access", begins=now - timedelta(days=1)),), **at)  # type: ignore[arg-type]
    permitted = agree(youth).given
    log = agree(replace(SELF, action="insight", **at)).given  # type: ignore[arg-type]
    consents = agree(replace(PARENT, action="permit", **at)).given  # type: ignore[arg-type]
    minors = replace(PROXY, bonds=(replace(WARDSHIP, form="mindreaarig"),), **at)  # type: ignore[arg-type]
    of_minors = agree(minors).given
    may_consent = agree(replace(minors, action="permit")).given
    by_youth = agree(replace(PROXY, own_birth=born_on, now=now)).given
    assert guardian == by_youth == (years == 18 and has_come)
    assert of_minors == (years == 12 and not has_come)
    assert permitted == log == (years in (16, 18) or (years == 13 and has_come))
    assert consents == may_consent == ((years == 13 and has_come) or (years == 16 and not has_come))
    if years in (12, 13):
        assert (own, parent, proxy) == (False, years == 12 and not has_come, False)
    elif years == 16:
        assert (own, parent, proxy) == (has_come, False, has_come)
    else:
        assert (own, parent, proxy) == (True, False, True)


# Intervals: a choice holds from the instant it is made and no longer at the instant it ends

instants = st.sampled_from([-86400, -1, 0, 1, 86400]).map(lambda seconds: NOW + timedelta(seconds=seconds))


@settings(max_examples=200, deadline=None)
@given(begins=instants, ends=st.none() | instants, kind=st.sampled_from(["block", "restriction", "opt-out", "consent"]))
def test_a_choice_holds_in_its_half_open_interval(begins: datetime, ends: datetime | None, kind: str) -> None:
    midwife = CALLERS["midwife in care"]
    will = Will(kind, hpr="7012345" if kind in {"block", "consent"} else "", begins=begins, ends=ends)
    holds = begins <= NOW and (ends is None or ends > NOW)
    got = agree(replace(midwife, purpose="TREAT" if kind == "consent" else "ETREAT", wills=(will,)))
    assert got.given == (holds if kind == "consent" else not holds)


@settings(max_examples=200, deadline=None)
@given(begins=instants, ends=st.none() | instants, who=st.sampled_from(["gp", "laboratory"]))
def test_an_organisation_takes_part_in_a_half_open_interval(begins: datetime, ends: datetime | None, who: str) -> None:
    one = CALLERS[who]
    line = replace(one.memberships[0], begins=begins, ends=ends)
    got = agree(replace(one, action="file" if who == "laboratory" else "read", memberships=(line,)))
    assert got.given == (begins <= NOW and (ends is None or ends > NOW))


days = st.sampled_from([-2, -1, 0, 1, 2]).map(lambda count: date(2026, 11, 24) + timedelta(days=count))


@settings(max_examples=200, deadline=None)
@given(
    first=st.none() | days,
    after=st.none() | days,
    now=st.sampled_from([datetime(2026, 11, 23, 22, 59, tzinfo=UTC), datetime(2026, 11, 23, 23, 0, tzinfo=UTC)]),
    kind=st.sampled_from(["practice-list", "care", "proxy", "guardian"]),
)
def test_a_tie_binds_on_norwegian_days(first: date | None, after: date | None, now: datetime, kind: str) -> None:
    base = PROXY if kind in ("proxy", "guardian") else GP
    stated = {"proxy": PROXY.bonds[0], "guardian": WARDSHIP}.get(kind, Bond(kind, hpr="9144900", helper=True))
    bond = replace(stated, first_day=first, day_after_last=after)
    got = agree(replace(base, now=now, bonds=(bond,)))
    today = date(2026, 11, 23) if now.minute == 59 else date(2026, 11, 24)
    assert got.given == ((first is None or first <= today) and (after is None or today < after))


# Anything at all

SEED = 20261123
OF_OTHERS = frozenset({*TO_REGISTER.values(), *TO_SEND.values(), "kjerne:contact-point"}).union(*TO_LOOK.values())
OPTIONS: dict[str, tuple[object, ...]] = {
    "kind": ("practitioner", "practitioner", "citizen", "system"),
    "action": ("search", "search", *OTHER_ACTIONS),
    "service": ("results", "results", "documents", *OTHERS),
    "what": (
        "",
        "radiotherapy",
        "crisis-plan",
        "verification",
        "record",
        "restricted-at-source",
        "dialysis verification",
        "*",
    ),
    "purpose": ("", "", *PURPOSES),
    "basis": BASES,
    "jurisdiction": ("NO", "EHDS"),
    "scopes": (
        READ,
        READ,
        SELF.scopes,
        LAB.scopes,
        READ | SELF.scopes | LAB.scopes,
        OPERATIONS,
        OF_OTHERS,
        OF_OTHERS,
        frozenset({"kjerne:subscriptions"}),
    ),
    "smart": (
        (),
        (),
        (),
        ("user/Observation.rs",),
        ("user/Observation.rs?code=1", "system/*.cud"),
        ("patient/*.*",),
        ("system/Specimen.cu", "patient/AuditEvent.s"),
        ("patient/Consent.write", "system/*.r"),
    ),
    "level": (4, 4, 4, 3),
    "hpr": ("9144900", "1234567", ""),
    "role": ("LE", "SP", "JO", "PS", "HE", ""),
    "legal_entity": (ENTITY, ENTITY, ""),
    "unit": (UNIT, ""),
    "above": ((), (CLINIC,), (CLINIC, ENTITY)),
    "below": ((), (), (CLINIC,), (CLINIC, UNIT)),
    "is_the_patient": (False, False, True),
    "is_registered": (True, True, False),
    "own_address": ("", "ugradert", "fortrolig"),
    "own_birth": (None, date(1970, 1, 1), date(2008, 11, 23), date(2008, 11, 24)),
    "own_death": (False, False, False, True),
    "born": (None, *(date(2026 - years, 11, 23) for years in (5, 11, 12, 13, 15, 15, 16, 17, 18, 50))),
    "dead": (False, False, True),
    "address": ("ugradert", "ugradert", "klientadresse", "strengtFortrolig"),
    "a_parent_lives_with_child": (None, True, False),
}
INSTANTS = (None, YESTERDAY, NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1), TOMORROW)
DAYS = (None, *(date(2026, 11, 23) + timedelta(days=count) for count in (-1, 0, 1)))
NUMBERS = ("", "9144900", "1234567", "0009144900")
KINDS = ("block", "restriction", "restriction", "opt-out", "consent", "record", "youth-access", "youth-access")
GROUPS = ("", "", "doctors", "nurses", "acute", "midwives", "psychologists", "others", "nobody")
PLACES = ("", ENTITY, UNIT, CLINIC, ELSEWHERE)


COVERED = (
    (), ("innsyn",), ("innsyn", "digitaleHelsetjenester"), ("personligeInteresser",), ("oekonomiskeInteresser",),
    ("oekonomiskeInteresser", "personligeOgOekonomiskeInteresser"), ("Innsyn",), ("digitaleHelsetjenester",), (ASYLUM,),
)  # fmt: skip
FORMS = (
    "voksen", "voksen", "mindreaarig", "midlertidigForMindreaarig", "ensligMindreaarigAsylsoeker",
    "ensligMindreaarigFlyktning", "stadfestetFremtidsfullmakt", "forvaltningUtenforVergemaal", "",
)  # fmt: skip


def any_situation(chance: Random) -> Situation:
    pick = chance.choice
    wills = [
        Will(pick(KINDS), pick(("", "results", "documents", *OTHERS)), pick(NUMBERS),
             pick(PLACES), pick(INSTANTS), pick(INSTANTS), pick(GROUPS), pick(("", "", "radiology")),
             pick(("", "", ELSEWHERE)), chance.randrange(PARTS), chance.random() < 0.8, pick(("", "", "1", "2")))
        for _ in range(chance.randrange(3))
    ]  # fmt: skip
    bonds = [
        Bond(pick(("practice-list", "care", "parent", "proxy", "guardian")), pick(NUMBERS), pick(PLACES),
             pick((True, False)), pick(DAYS), pick(DAYS), pick(COVERED), pick(FORMS))
        for _ in range(chance.randrange(4))
    ]  # fmt: skip
    attest = Attest(
        of_the_one_logged_in=chance.random() < 0.9,
        about=pick((("this",), ("this",), ("this",), ("this", "this"), ("this", "other"), ())),
        purpose=pick(PURPOSES),
        reason=pick(("", "time i dag")),
        self_authorised=pick((True, False)),
        minutes_old=pick((-2, -1, 0, 30, 59, 60)),
    )
    members = [
        Membership(pick(("consumer", "consumer", "source")), pick(("results", "results", *OTHERS)),
                   pick((None, None, *INSTANTS)), pick((None, None, *INSTANTS)), pick((True, True, False)))
        for _ in range(chance.randrange(4))
    ]  # fmt: skip
    facts = {name: pick(options) for name, options in OPTIONS.items()}
    # Only personnel carry an attestation: `policy.caller` refuses one on anybody else.
    carried = pick((attest, attest, None)) if facts["kind"] == "practitioner" else None
    return Situation(
        now=NOW, bonds=tuple(bonds), wills=tuple(wills), memberships=tuple(members), attest=carried, **facts
    )  # type: ignore[arg-type]


def test_any_situation_at_all_has_one_law() -> None:
    chance = Random(SEED)
    for _ in range(20_000):
        agree(any_situation(chance))
