"""Each rule with the story that calls for it, and what a grant or a refusal then carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from kjerne.access import Action, Caller, Denial, Grant, Label, Limit, Subject, Tie, part_label
from kjerne.policy.privacy import GROUPS
from kjerne.policy.rules import decide, mark_of, told
from kjerne.policy.table import RULES
from kjerne.store import audit

from .cast import (
    CLINIC,
    COURSE,
    GP_LIST,
    GUARDIAN,
    NOW,
    PARENT,
    PATIENT,
    PROXY,
    RELATIVE,
    SHUTTING,
    SOURCE,
    WARD,
    at_a_portal,
    attestation,
    choice,
    citizen,
    doctor,
    laboratory,
    patient,
)

ROOT = Path(__file__).parents[2]


def ask(
    caller: Caller,
    subject: Subject | None,
    action: Action = "search",
    *,
    service: str = "results",
    basis: str = "",
    purpose: str = "",
    piece: str = "",
) -> Grant | Denial:
    return decide(
        caller, subject, service, action, basis=basis, purpose=purpose, now=NOW, correlation="c-1", asked=PATIENT,
        piece=piece,
    )  # fmt: skip


ON_LIST = patient(ties=(GP_LIST,))
IN_CARE = patient(ties=(COURSE,))
BLOCKING = patient(ties=(GP_LIST,), choices=(choice("block", hpr="9144900"), choice("opt-out")))
RESTRICTED = patient(ties=(GP_LIST,), choices=(choice("restriction"),))
PART = choice("restriction", part="radiology", slot=5, marked=(1,))
PARTLY = patient(ties=(GP_LIST,), choices=(PART, replace(PART, source=WARD, part="", role="nurses", slot=6)))
FROM_STAFF = Label.RESTRICTED | Label.RESTRICTED_HERE | Label.WITHDRAWN
OPTED_OUT = patient(ties=(GP_LIST,), choices=(choice("opt-out"),))
ADULT = patient(caller_key=1)
RELATIVES = patient(caller_key=7, ties=(PROXY,))
CHILD = patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True)
RELATION = citizen(RELATIVE)
OPERATIONS = frozenset({"kjerne:operations"})
UNMARKED = patient(keys=(1, 2), ties=(GP_LIST,), choices=(PART,))
AGAINST = {group: patient(ties=(GP_LIST,), choices=(choice("restriction", role=group),)) for group in GROUPS}


def consenting(course: str) -> Subject:
    return patient(ties=(COURSE,), choices=(choice("consent", organisation=WARD, course=course),))


MIDWIFE: dict[str, Any] = {"authorization": "JO", "hpr": "7012345"}

# story, caller, patient, declared basis, the rule that decides
PERSONNEL = [
    ("the GP reads her patient's results", doctor(), ON_LIST, "UNNTAK", "gp"),
    ("a ward with an open course reads", doctor(), IN_CARE, "", "care"),
    ("the acute chain reads under normal rules", doctor(purpose="ETREAT"), IN_CARE, "AKUTT", "care"),
    ("a doctor without any tie does not", doctor(), patient(), "AKUTT", "no-relation"),
    ("a doctor without a tie declares the need", doctor(user_selected=True), patient(), "", "self-declared"),
    ("a case worker names the case", doctor(purpose="COC"), ON_LIST, "", "case-handling"),
    ("a case worker names no case", doctor(purpose="COC", reason=" "), ON_LIST, "", "case-handling-reason"),
    ("a case worker without a tie", doctor(purpose="COC"), patient(), "", "no-relation"),
    ("glass broken with a reason", doctor(purpose="BTG"), patient(), "", "break-glass"),
    ("glass broken without one", doctor(purpose="BTG", reason=""), patient(), "", "break-glass-reason"),
    ("glass broken by a midwife", doctor(purpose="BTG", **MIDWIFE), patient(), "", "break-glass-role"),
    ("a midwife without consent", doctor(**MIDWIFE), IN_CARE, "UNNTAK", "consent-missing"),
    ("a midwife with declared consent", doctor(**MIDWIFE), IN_CARE, "SAMTYKKE", "care"),
    ("a midwife in the acute chain", doctor(purpose="ETREAT", **MIDWIFE), IN_CARE, "", "care"),
    ("she does not say why", doctor(purpose="ETREAT", reason=" .", **MIDWIFE), IN_CARE, "", "consent-missing"),
    ("she declares it", doctor(purpose="ETREAT", reason="", **MIDWIFE), IN_CARE, "AKUTT", "care"),
    ("a doctor need not say why", doctor(purpose="ETREAT", reason=""), IN_CARE, "", "care"),
    ("a blocked doctor", doctor(), BLOCKING, "", "blocked-by-name"),
    ("an opt-out in an emergency", doctor(purpose="BTG"), OPTED_OUT, "FORHOYET_AKUTT", "opted-out"),
    ("a restriction without declaration", doctor(), RESTRICTED, "UNNTAK", "restricted"),
    ("a restriction when glass is broken", doctor(purpose="BTG"), RESTRICTED, "", "restricted"),
    ("a restriction opened by consent", doctor(), RESTRICTED, "SAMTYKKE", "restriction-opened"),
    ("a restriction opened in an emergency", doctor(), RESTRICTED, "AKUTT", "restriction-opened"),
    ("a part restricted, the rest open", doctor(), PARTLY, "UNNTAK", "gp"),
    ("a part opened in an emergency", doctor(), PARTLY, "AKUTT", "part-opened"),
    ("a part opened in the acute chain", doctor(purpose="ETREAT"), PARTLY, "SAMTYKKE", "part-opened"),
    ("a part opened whole", doctor(), PARTLY, "FORHOYET_SAMTYKKE", "elevated"),
    ("a part whose records are not all marked", doctor(), UNMARKED, "", "restricted"),
    ("a restriction against doctors", doctor(), AGAINST["doctors"], "", "restricted"),
    ("a restriction against nurses met by a doctor", doctor(), AGAINST["nurses"], "", "gp"),
    (
        "a restriction against others met by a radiographer",
        doctor(authorization="TL"),
        AGAINST["others"],
        "",
        "consent-missing",
    ),
    ("consent for this course", doctor(**MIDWIFE), consenting("1"), "", "care"),
    ("consent for another course", doctor(**MIDWIFE), consenting("2"), "", "consent-missing"),
    ("everything opened by explicit consent", doctor(), RESTRICTED, "FORHOYET_SAMTYKKE", "everything-opened"),
    ("explicit consent where nothing is restricted", doctor(), ON_LIST, "FORHOYET_SAMTYKKE", "elevated"),
    ("an emergency where nothing is restricted", doctor(), ON_LIST, "FORHOYET_AKUTT", "elevated"),
    ("everything opened without a reason", doctor(reason=""), ON_LIST, "FORHOYET_AKUTT", "elevated-emergency-reason"),
    ("everything opened by a midwife", doctor(**MIDWIFE), IN_CARE, "FORHOYET_AKUTT", "elevated-emergency-role"),
    ("a protected address", doctor(), replace(ON_LIST, protection="fortrolig"), "AKUTT", "address-protected"),
    ("an unknown ground", doctor(), ON_LIST, "1", "basis-unknown"),
    ("an unknown purpose", doctor(purpose="CURIOSITY"), ON_LIST, "", "purpose-unknown"),
    ("a token of another service", doctor(scopes=frozenset({"nhn:pmd/read"})), ON_LIST, "", "scope-missing"),
    ("a login below level 4", doctor(level=3), ON_LIST, "", "level-too-low"),
    ("no attestation", doctor(attestation=None), ON_LIST, "", "attestation-missing"),
    ("no organisation", doctor(organisation=""), ON_LIST, "", "caller-not-described"),
    ("an organisation outside", doctor(parts=()), ON_LIST, "", "organisation-takes-no-part"),
    (
        "an organisation outside breaks glass",
        doctor(purpose="BTG", parts=()),
        patient(),
        "",
        "organisation-takes-no-part",
    ),
    ("a source that is no consumer", doctor(parts=(SOURCE,)), ON_LIST, "", "organisation-takes-no-part"),
    ("a veterinarian", doctor(authorization="VE"), ON_LIST, "", "role-not-listed"),
    ("a doctor on her own record", doctor(digest=PATIENT), patient(), "", "own-as-staff"),
    ("a doctor breaking glass on herself", doctor(digest=PATIENT, purpose="BTG"), patient(), "", "own-not-as-staff"),
    ("a doctor outside on her own record", doctor(digest=PATIENT, parts=()), patient(), "", "own-takes-no-part"),
    ("a doctor known by her key", doctor(), patient(caller_key=1), "", "own-as-staff"),
]


@pytest.mark.parametrize(("story", "caller", "subject", "basis", "rule"), PERSONNEL, ids=[row[0] for row in PERSONNEL])
def test_personnel(story: str, caller: Caller, subject: Subject, basis: str, rule: str) -> None:
    assert ask(caller, subject, basis=basis).rule == rule


# story, what the attestation says, the rule that decides
ATTESTED = [
    ("about this patient", {}, "gp"),
    ("about nobody", {"patient_digests": ()}, "attestation-of-another-patient"),
    ("about another patient", {"patient_digests": (b"another",)}, "attestation-of-another-patient"),
    ("about this patient and another", {"patient_digests": (PATIENT, b"another")}, "attestation-of-another-patient"),
    ("about another practitioner", {"practitioner_digest": b"x"}, "attestation-of-another-practitioner"),
    ("with another's number", {"hpr": "1"}, "attestation-of-another-practitioner"),
    ("59 minutes and 59 seconds old", {"made_at": NOW - timedelta(seconds=3599)}, "gp"),
    ("60 minutes old", {"made_at": NOW - timedelta(minutes=60)}, "attestation-expired"),
    ("made by a clock a minute ahead", {"made_at": NOW + timedelta(seconds=60)}, "gp"),
    ("made by a clock two minutes ahead", {"made_at": NOW + timedelta(minutes=2)}, "attestation-expired"),
]


@pytest.mark.parametrize(("story", "said", "rule"), ATTESTED, ids=[row[0] for row in ATTESTED])
def test_an_attestation(story: str, said: dict[str, Any], rule: str) -> None:
    assert ask(doctor(attestation=attestation(**said)), ON_LIST).rule == rule


# story, caller, patient, action, the rule that decides
CITIZENS = [
    ("an adult reads her own", citizen(), ADULT, "search", "own"),
    ("an adult who has opted out reads her own", citizen(), replace(OPTED_OUT, caller_key=1), "search", "own"),
    ("one with a protected address reads her own", citizen(), replace(ADULT, protection="fortrolig"), "read", "own"),
    ("a youth of 16", citizen(), patient(age=16, caller_key=1), "search", "own-youth"),
    ("a child of 11", citizen(), patient(age=11, caller_key=1), "search", "own-under-12"),
    ("her log", citizen(), ADULT, "insight", "own-log"),
    ("her choices", citizen(), ADULT, "choose", "own-choices"),
    ("she says that something is wrong", citizen(), ADULT, "ask", "own-inquiry"),
    ("a parent says so for a child", RELATION, CHILD, "ask", "parent-inquiry"),
    ("she takes a copy of all", citizen(), ADULT, "download", "own-download"),
    ("a youth of 16 takes a copy", citizen(), patient(age=16, caller_key=1), "download", "own-download"),
    ("a parent takes a copy for a child", RELATION, CHILD, "download", "parent-download"),
    ("a proxy takes none", RELATION, RELATIVES, "download", "proxy-area"),
    ("a proxy says nothing", RELATION, RELATIVES, "ask", "proxy-area"),
    ("a parent of a child of 8", RELATION, CHILD, "search", "parent"),
    ("the child's log", RELATION, CHILD, "insight", "parent-log"),
    ("the child's choices", RELATION, CHILD, "choose", "parent-choices"),
    ("no parent lives there", RELATION, replace(CHILD, lives_with_parent=False), "search", "parent-elsewhere"),
    ("no register says where", RELATION, replace(CHILD, lives_with_parent=None), "search", "parent-elsewhere"),
    ("a parent of one of 12", RELATION, patient(age=12, caller_key=7, ties=(PARENT,)), "read", "parent-of-12-to-16"),
    ("a parent of one of 16", RELATION, patient(age=16, caller_key=7, ties=(PARENT,)), "read", "parent-of-16-to-18"),
    ("a parent of an adult", RELATION, patient(age=18, caller_key=7, ties=(PARENT,)), "read", "no-representation"),
    ("a child with a protected address", RELATION, replace(CHILD, protection="strengtFortrolig"), "search",
     "address-protected-representation"),
    ("a parent with a protected address", RELATION, replace(CHILD, caller_protection="fortrolig"), "search",
     "address-protected-representation"),
    ("a proxy", RELATION, RELATIVES, "search", "proxy"),
    ("a proxy at the log", RELATION, RELATIVES, "insight", "proxy-log"),
    ("a proxy at the choices", RELATION, RELATIVES, "choose", "proxy-area"),
    ("a parent with power of attorney from 17", RELATION,
     patient(age=17, caller_key=7, ties=(PARENT, PROXY)), "search", "proxy"),
    ("a proxy of 17", RELATION, replace(RELATIVES, caller_birth_date=date(2008, 11, 24)), "search", "proxy-too-young"),
    ("a proxy whose power has another area", RELATION,
     replace(RELATIVES, ties=(replace(PROXY, areas=("digitaleHelsetjenester",)),)), "search", "proxy-area"),
    ("a guardian", RELATION, replace(RELATIVES, ties=(GUARDIAN,)), "search", "guardian"),
    ("a guardian reading the log", RELATION, replace(RELATIVES, ties=(GUARDIAN,)), "insight", "guardian-log"),
    ("a guardian in money", RELATION,
     replace(RELATIVES, ties=(replace(GUARDIAN, areas=("oekonomiskeInteresser",)),)), "search", "guardian-scope"),
    ("a proxy who is dead", RELATION, replace(RELATIVES, caller_deceased=True), "search", "representative-deceased"),
    ("a stranger", RELATION, patient(caller_key=7), "search", "no-representation"),
    ("somebody no register knows", RELATION, patient(), "search", "citizen-unknown"),
    ("a patient whose birth date nobody knows", citizen(), replace(ADULT, birth_date=None), "search", "age-unknown"),
    ("the dead", RELATION, replace(RELATIVES, deceased=True), "search", "deceased"),
    ("a citizen with a clinician's token", citizen(scopes=doctor().scopes), ADULT, "search", "scope-missing"),
    ("a citizen who writes", citizen(), ADULT, "write", "scope-missing"),
]  # fmt: skip


# story, caller, patient, the rule that decides
AT_A_PORTAL = [
    ("her own", at_a_portal("PATRQT", "0", digest=PATIENT), ADULT, "own"),
    ("her own, and asks for another", at_a_portal("PATRQT", "0", digest=PATIENT, about=RELATIVE), ADULT,
     "errand-about-another"),
    ("herself, about a stranger", at_a_portal("PATRQT", "0"), patient(caller_key=7), "errand-without-right"),
    ("herself, about her child", at_a_portal("PATRQT", "0"), CHILD, "errand-without-right"),
    ("her child", at_a_portal("FAMRQT", "1"), CHILD, "parent"),
    ("her child, and asks for another", at_a_portal("FAMRQT", "1", about=RELATIVE), CHILD, "errand-about-another"),
    ("somebody else's child", at_a_portal("FAMRQT", "1"), replace(CHILD, ties=()), "errand-without-right"),
    ("her child of 12", at_a_portal("FAMRQT", "1"), patient(age=12, caller_key=7, ties=(PARENT,)), "parent-of-12-to-16"),
    ("a child whose proxy she says she is", at_a_portal("PWATRNY", "2"), CHILD, "errand-without-right"),
    ("who gave her power of attorney", at_a_portal("PWATRNY", "2"), RELATIVES, "proxy"),
    ("who gave her none", at_a_portal("PWATRNY", "2"), patient(caller_key=7), "errand-without-right"),
    ("a proxy who says that she is the parent", at_a_portal("FAMRQT", "1"), RELATIVES, "errand-without-right"),
    ("her ward", at_a_portal("PWATRNY", "3"), replace(RELATIVES, ties=(GUARDIAN,)), "guardian"),
    ("a proxy who says that she is the guardian", at_a_portal("PWATRNY", "3"), RELATIVES, "errand-without-right"),
    ("her own, as somebody's parent", at_a_portal("FAMRQT", "1", digest=PATIENT), ADULT, "errand-without-right"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "caller", "subject", "rule"), AT_A_PORTAL, ids=[row[0] for row in AT_A_PORTAL])
def test_a_citizen_at_a_portal(story: str, caller: Caller, subject: Subject, rule: str) -> None:
    assert ask(caller, subject).rule == rule


def test_a_signed_basis_stands_for_the_header_and_no_other_header_stands_against_it() -> None:
    signed = doctor(basis="SAMTYKKE")
    shut = patient(ties=(COURSE,), choices=(choice("restriction"),))
    assert ask(doctor(), shut).rule == "restricted"
    opened = ask(signed, shut)
    assert (opened.rule, opened.basis) == ("restriction-opened", "SAMTYKKE")  # type: ignore[union-attr]
    assert ask(signed, shut, basis="SAMTYKKE").rule == "restriction-opened"
    assert ask(signed, shut, basis="FORHOYET_AKUTT").rule == "basis-not-signed"


@pytest.mark.parametrize(("story", "caller", "subject", "action", "rule"), CITIZENS, ids=[row[0] for row in CITIZENS])
def test_citizens(story: str, caller: Caller, subject: Subject, action: Action, rule: str) -> None:
    assert ask(caller, subject, action).rule == rule


def test_a_citizen_cannot_state_a_clinicians_purpose() -> None:
    assert ask(citizen(), ADULT, purpose="TREAT").rule == "citizen-purpose-unknown"
    assert ask(RELATION, CHILD, purpose="PATRQT").purpose == "FAMRQT"  # type: ignore[union-attr]


@pytest.mark.parametrize("code", ["LE", "SP", "AA", "PM", "FA1", "FA2", "FT", "JO", "KI", "MT", "PS", "TL", "VP"])
def test_each_listed_role_reads_by_consent_or_without_and_no_other_reads(code: str) -> None:
    free = code in {"LE", "SP", "AA", "PM"}
    in_care, caller = patient(ties=(COURSE,)), doctor(authorization=code)
    assert ask(caller, in_care).rule == ("care" if free else "consent-missing")
    assert ask(caller, in_care, basis="SAMTYKKE").rule == "care"
    glass = doctor(authorization=code, purpose="BTG")
    assert ask(glass, in_care, basis="AKUTT").rule == ("break-glass" if free else "break-glass-role")
    assert ask(doctor(authorization=code + "X"), in_care).rule == "role-not-listed"


@pytest.mark.parametrize(("age_seconds", "lives"), [(-61, False), (-60, True), (0, True), (3599, True), (3600, False)])
def test_an_attestation_lives_for_an_hour_and_may_be_a_minute_ahead(age_seconds: int, lives: bool) -> None:
    made = attestation(made_at=NOW - timedelta(seconds=age_seconds))
    answer = ask(replace(doctor(), attestation=made), IN_CARE)
    assert answer.rule == ("care" if lives else "attestation-expired")


def test_a_citizen_may_state_the_purposes_that_are_citizens() -> None:
    for purpose in ("", "PATRQT", "FAMRQT", "PWATRNY"):
        assert ask(citizen(), ADULT, purpose=purpose).rule == "own"


def test_blocked_doctor_sees_nothing_even_in_an_emergency() -> None:
    for basis in ("", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"):
        for purpose in ("TREAT", "ETREAT", "COC", "BTG"):
            answer = ask(doctor(), BLOCKING, basis=basis, purpose=purpose)
            assert isinstance(answer, Denial)
            assert (answer.rule, answer.outcome) == ("blocked-by-name", "Specific")


def test_a_block_finds_the_person_behind_leading_zeros_and_behind_the_attestation() -> None:
    padded = patient(ties=(GP_LIST,), choices=(choice("block", hpr="0009144900"),))
    assert ask(doctor(), padded).rule == "blocked-by-name"
    unnamed = patient(ties=(GP_LIST,), choices=(choice("block", hpr="000"), choice("block", hpr="")))
    assert ask(doctor(), unnamed).rule == "gp"


def test_another_doctor_is_not_touched_by_a_block() -> None:
    elsewhere = patient(ties=(GP_LIST,), choices=(choice("block", hpr="1234567"),))
    assert ask(doctor(), elsewhere).rule == "gp"


def test_each_privacy_outcome_is_told_as_pps_tells_it() -> None:
    outcomes = [ask(doctor(), subject).outcome for subject in (BLOCKING, RESTRICTED, OPTED_OUT)]  # type: ignore[union-attr]
    assert outcomes == ["Specific", "General", "Reservation"]


def test_a_caller_without_need_learns_nothing_of_the_patients_choices() -> None:
    for choices in ((), (choice("opt-out"),), (choice("restriction"),)):
        answer = ask(doctor(), patient(choices=choices))
        assert isinstance(answer, Denial)
        assert (answer.rule, answer.outcome) == ("no-relation", "")


def test_a_restriction_against_one_place_leaves_others_free() -> None:
    for place, rule in ((WARD, "restricted"), (CLINIC, "gp")):
        subject = patient(ties=(GP_LIST,), choices=(choice("restriction", organisation=place),))
        assert ask(doctor(), subject).rule == rule


def test_a_recorded_consent_counts_for_all_that_it_names() -> None:
    for given, rule in (
        (choice("consent", organisation=WARD), "care"),
        (choice("consent", hpr="7012345"), "care"),
        (choice("consent", hpr="7012345", organisation=CLINIC), "consent-missing"),
        (choice("consent", hpr="9144900"), "consent-missing"),
        (choice("consent"), "consent-missing"),
        (choice("consent", organisation=WARD, service="documents"), "consent-missing"),
    ):
        assert ask(doctor(**MIDWIFE), patient(ties=(COURSE,), choices=(given,))).rule == rule


def test_empty_never_equals_empty() -> None:
    nobody = patient(
        ties=(replace(GP_LIST, hpr=""), replace(COURSE, organisation="")), digests=frozenset({PATIENT, b""})
    )
    assert ask(doctor(), nobody).rule == "no-relation"
    assert ask(laboratory(), nobody, "file").rule == "filed"
    assert ask(citizen(b""), patient(digests=frozenset({b""}))).rule == "citizen-unknown"


def test_a_course_without_a_place_belongs_to_its_practitioner() -> None:
    assert ask(doctor(), patient(ties=(replace(COURSE, organisation="", hpr="9144900"),))).rule == "care"
    assert ask(doctor(), patient(ties=(replace(COURSE, organisation=CLINIC, hpr="9144900"),))).rule == "no-relation"


def test_a_laboratory_files_and_nothing_else() -> None:
    assert ask(laboratory(), patient(), "file").rule == "filed"
    assert ask(laboratory(), OPTED_OUT, "file").rule == "filed-after-opt-out"
    assert ask(laboratory(), patient(), "correct").rule == "filed"
    assert ask(laboratory(), OPTED_OUT, "correct").rule == "corrected-after-opt-out"
    for subject in (patient(), OPTED_OUT):
        assert ask(laboratory(), subject, "correct", piece="Observation.d?").rule == "nothing-of-its-own"
        assert ask(laboratory(), subject, "correct", piece="Observation.u=").rule == "refused-as-it-stands"
        assert ask(laboratory(), subject, "file", piece="Observation.u=").rule == "refused-as-it-stands"
        assert ask(doctor(), subject, "search", piece="Observation.s=").rule == "looked-up-and-not-given"
    narrow = laboratory(limits=(Limit("system/Observation.u", "Observation", "u"),))
    assert ask(narrow, patient(), "correct", piece="Observation.u=").rule == "refused-as-it-stands"
    assert ask(narrow, patient(), "correct", piece="Observation.d=").rule == "scope-narrower"
    actions: tuple[Action, ...] = ("read", "search", "history", "write", "insight", "choose")
    for action in actions:
        assert ask(laboratory(), patient(), action).rule == "scope-missing"
    assert ask(laboratory(scopes=frozenset({"nhn:pmd/write"})), patient(), "file").rule == "scope-missing"


EXAMINED = [
    (patient(), "rejected-opened"),
    (patient(choices=(choice("block", hpr="9144900"), choice("opt-out"))), "examined-by-a-blocked"),
    (patient(protection="fortrolig", choices=(choice("opt-out"),)), "examined-protected"),
    (OPTED_OUT, "examined-after-opt-out"),
    (RESTRICTED, "examined-restricted"),
    (PARTLY, "examined-partly-restricted"),
]


@pytest.mark.parametrize(("subject", "rule"), EXAMINED)
def test_a_rejected_message_is_opened_unless_the_patient_has_shut_it(subject: Subject, rule: str) -> None:
    operator = doctor(scopes=OPERATIONS)
    assert ask(operator, subject, "examine").rule == rule
    machine = ask(laboratory(scopes=OPERATIONS), subject, "examine")
    assert isinstance(machine, Grant) == (rule == "rejected-opened")
    assert ask(laboratory(), subject, "examine").rule == "sent-opened"


def test_what_opens_a_rejected_message_opens_no_labelled_record() -> None:
    for action in ("examine", "trace"):
        answer = ask(laboratory(scopes=OPERATIONS), patient(), action)  # type: ignore[arg-type]
        assert isinstance(answer, Grant)
        assert all(label in answer.hides for label in SHUTTING)


def test_what_no_rule_mentions_is_refused() -> None:
    assert ask(doctor(), ON_LIST, service="documents").rule == "scope-missing"
    strange = replace(doctor(), kind="robot")  # type: ignore[arg-type]
    assert ask(strange, ON_LIST).rule == "no-rule"


@pytest.mark.parametrize(
    "caller",
    [
        doctor(),
        doctor(authorization="HE"),
        doctor(purpose="COC", reason=""),
        doctor(purpose="BTG", reason=""),
        doctor(level=3),
        replace(doctor(), attestation=None),
        replace(doctor(), attestation=attestation(patient_digests=(RELATIVE,))),
        replace(doctor(), attestation=attestation(made_at=NOW - timedelta(hours=1))),
    ],
)
@pytest.mark.parametrize("action", ["read", "search", "history", "file", "insight"])
def test_personnel_hear_of_nobody_what_they_hear_of_a_stranger(caller: Caller, action: Action) -> None:
    nobody = ask(caller, None, action)
    assert isinstance(nobody, Denial) and nobody.subject is None
    strangers = (patient(), patient(protection="fortrolig"), patient(choices=(choice("opt-out"),)))
    for stranger in strangers:
        assert ask(caller, stranger, action) == replace(nobody, subject=stranger)


@pytest.mark.parametrize("action", ["read", "search", "insight", "choose", "ask", "download", "file"])
@pytest.mark.parametrize(
    "caller", [RELATION, at_a_portal("PWATRNY", "2"), citizen(RELATIVE, level=3)], ids=["at home", "portal", "low"]
)
def test_a_citizen_hears_of_a_stranger_what_she_hears_of_nobody(caller: Caller, action: Action) -> None:
    nobody = ask(caller, None, action)
    assert isinstance(nobody, Denial)
    past = replace(PROXY, until=NOW.date())
    for changes in (
        {}, {"protection": "strengtFortrolig"}, {"deceased": True}, {"birth_date": None}, {"caller_key": None},
        {"caller_deceased": True}, {"choices": (choice("opt-out"),)}, {"ties": (past,)},
    ):  # fmt: skip
        answer = ask(caller, patient(**({"caller_key": 7} | changes)), action)
        assert isinstance(answer, Denial) and answer.rule != nobody.rule
        assert told(answer) == nobody


@pytest.mark.parametrize("tie", [PARENT, PROXY, GUARDIAN], ids=lambda tie: tie.kind)
def test_a_citizen_with_a_tie_hears_the_rule(tie: Tie) -> None:
    for changes in ({"protection": "fortrolig"}, {"deceased": True}):
        answer = ask(RELATION, patient(caller_key=7, ties=(tie,), **changes))
        assert isinstance(answer, Denial) and told(answer) is answer
    own = ask(citizen(), patient(caller_key=1, deceased=True))
    assert isinstance(own, Denial) and told(own) is own


def test_what_personnel_and_systems_hear_is_the_rules_own() -> None:
    for answer in (ask(doctor(), patient()), ask(laboratory(level=0, scopes=frozenset()), patient(), "file")):
        assert isinstance(answer, Denial) and told(answer) is answer


def test_of_nobody_whom_the_law_would_have_opened_the_tie_is_missing() -> None:
    for caller in (doctor(user_selected=True), doctor(purpose="BTG")):
        assert ask(caller, None).rule == "no-relation"
    assert ask(laboratory(), None, "file").rule == ask(citizen(), None).rule == "unknown-person"


def test_the_log_and_the_choices_need_no_service_of_their_own() -> None:
    assert ask(citizen(), ADULT, "insight", service="privacy").rule == "own-log"
    assert ask(citizen(scopes=frozenset({"kjerne:insight"})), ADULT, "insight", service="").rule == "own-log"
    assert ask(citizen(), ADULT, "choose", service="documents").rule == "own-choices"


# who, what stays hidden, released results only
HIDDEN = [
    (doctor(), ON_LIST, "", FROM_STAFF, False),
    (doctor(), ON_LIST, "SAMTYKKE", FROM_STAFF, False),
    (doctor(), PARTLY, "", FROM_STAFF | part_label(5), False),
    (doctor(purpose="BTG"), PARTLY, "UNNTAK", FROM_STAFF | part_label(5), False),
    (doctor(), PARTLY, "AKUTT", FROM_STAFF, False),
    (doctor(), PARTLY, "FORHOYET_SAMTYKKE", Label.WITHDRAWN, False),
    (doctor(authorization="SP"), PARTLY, "", FROM_STAFF | part_label(5) | part_label(6), False),
    (doctor(digest=PATIENT), PARTLY, "", Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN, True),
    (doctor(), ON_LIST, "FORHOYET_SAMTYKKE", Label.WITHDRAWN, False),
    (doctor(digest=PATIENT), patient(), "", Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN, True),
    (citizen(), ADULT, "", Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN, True),
    (RELATION, RELATIVES, "", Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN, True),
    (RELATION, CHILD, "", Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS | Label.WITHDRAWN, True),
]


@pytest.mark.parametrize(("caller", "subject", "basis", "hides", "released_only"), HIDDEN)
def test_what_stays_hidden(caller: Caller, subject: Subject, basis: str, hides: Label, released_only: bool) -> None:
    grant = ask(caller, subject, basis=basis)
    assert isinstance(grant, Grant)
    assert (grant.hides, grant.released_only) == (hides, released_only)


def test_a_grant_carries_its_law_its_words_and_the_request() -> None:
    caller = doctor(purpose="ETREAT")
    assert ask(caller, IN_CARE, "history", basis="AKUTT") == Grant(
        caller=caller,
        subject=IN_CARE,
        service="results",
        action="history",
        rule="care",
        law="pasientjournalloven § 19; helsepersonelloven § 45; kjernejournalforskriften § 7",
        says="Behandlingsstedet så opplysningene i behandlingen.",
        purpose="ETREAT",
        basis="AKUTT",
        hides=FROM_STAFF,
        released_only=False,
        at=NOW,
        correlation="c-1",
    )


def test_a_denial_carries_its_law_its_words_and_the_request() -> None:
    caller = doctor()
    assert ask(caller, patient(), "read") == Denial(
        caller=caller,
        subject=patient(),
        service="results",
        action="read",
        rule="no-relation",
        law="pasientjournalloven § 16; helsepersonelloven § 21 a",
        says="Den som spurte, hadde ikke noe behandlingsforhold til pasienten.",
        outcome="",
        at=NOW,
        correlation="c-1",
        purpose="TREAT",
    )


def test_a_denial_says_under_what_it_was_asked_and_never_in_words_that_are_none_of_the_laws() -> None:
    acute = ask(doctor(purpose="BTG", authorization="FA1"), patient(), "read", basis="AKUTT")
    assert isinstance(acute, Denial)
    assert (acute.purpose, acute.basis) == ("BTG", "AKUTT")
    unknown = ask(doctor(purpose="01017012345"), patient(), "read", basis="01017012345")
    assert isinstance(unknown, Denial)
    assert (unknown.purpose, unknown.basis) == ("", "")
    assert audit.refused(acute)[9:11] == ("BTG", "AKUTT")


def test_an_api_may_state_the_purpose_for_the_attestation() -> None:
    grant = ask(doctor(), ON_LIST, purpose="BTG")
    assert isinstance(grant, Grant)
    assert (grant.rule, grant.purpose) == ("break-glass", "BTG")


def test_what_sets_aside_or_opens_is_marked_and_ordinary_care_is_not() -> None:
    marks = {rule.id: rule.mark for rule in RULES if rule.mark}
    assert marks == {
        "everything-opened": "restriction-opened",
        "elevated": "restriction-opened",
        "restriction-opened": "restriction-opened",
        "part-opened": "restriction-opened",
        "registered-with-all-opened": "restriction-opened",
        "registered-behind-restriction": "restriction-opened",
        "registered-behind-part": "restriction-opened",
        "break-glass": "break-glass",
        "sent-opened": "break-glass",
        "rejected-opened": "break-glass",
        "case-handling": "case-handling",
        "self-declared": "self-declared",
    }
    assert mark_of("gp") == mark_of("a rule of another year") == ""
    assert mark_of("break-glass") == "break-glass"


def test_a_newborn_whose_day_has_not_come_here_is_a_child_all_the_same() -> None:
    assert ask(RELATION, replace(CHILD, birth_date=date(2026, 11, 24))).rule == "parent"


@pytest.mark.parametrize(("names", "shut"), [("the ward", True), ("its hospital", True), ("another ward", False)])
def test_a_restriction_against_a_unit_holds_against_who_names_only_what_lies_over_it(names: str, shut: bool) -> None:
    """Nobody can say that she does not work in it (law, K80)."""
    shuts = patient(ties=(GP_LIST,), choices=(choice("restriction", organisation="974760673"),))
    who = {
        "the ward": doctor(point_of_care="974760673"),
        "its hospital": doctor(point_of_care="", below=frozenset({"974760673", "974760681"})),
        "another ward": doctor(point_of_care="974760681"),
    }[names]
    assert (ask(who, shuts).rule == "restricted") is shut
    assert ask(who, shuts, basis="SAMTYKKE").rule == ("restriction-opened" if shut else "gp")
