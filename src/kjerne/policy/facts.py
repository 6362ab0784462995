"""The questions a rule may ask about a request: small named facts, each with its clause, each true or false.

`policy.rules` combines them by name, and docs/law.md prints the first line of each docstring, so these lines are what a
lawyer reads. A fact looks at values only; it never reads a store or a clock. Text that is empty never equals anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from kjerne.access import (
    ALL_PATIENTS,
    AUDIT,
    DISCLOSURES,
    FIRST_PART,
    NO_LABEL,
    OPERATIONS,
    SUBSCRIPTIONS,
    Action,
    Caller,
    CallerKind,
    Choice,
    Grant,
    Label,
    Subject,
    Tie,
)
from kjerne.policy.people import (
    ADULT,
    HEALTH_MAJORITY,
    LOGS_IN_FROM,
    OLDEST,
    PARENTS_UNTIL,
    UNBORN,
    age,
    norwegian_day,
)
from kjerne.policy.services import DISCLOSED, EXPORTED, HERE, SERVICES, STAFF_PURPOSES, Role
from kjerne.policy.taking_part import takes_part
from kjerne.registries.protection import is_protected
from kjerne.registries.wording import says_something

CITIZEN_PURPOSES: Final = frozenset({"", "PATRQT", "FAMRQT", "PWATRNY"})
LOOKING: Final[frozenset[Action]] = frozenset({"read", "search", "history"})
NOT_FOUND: Final = "?"
"""Ends a piece that the room has looked for among what the caller filed, and not found."""
NOT_LET: Final = "="
"""Ends a piece that what stands there, or whose the choice is, did not let be written, or that was read for nothing."""
STANDING_IN: Final = frozenset({"parent", "proxy", "guardian"})
WRITING: Final[frozenset[Action]] = frozenset({"file", "correct"})
OPENING_BASES: Final = frozenset({"SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"})
BASES: Final = OPENING_BASES | {"", "UNNTAK"}

ATTESTATION_LIFE: Final = timedelta(minutes=60)
"""Tillitsrammeverket v1.1, ATT-58: the longest an attestation lives. A setting can make it shorter, never longer."""
CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far ahead of ours the clock that made an attestation may be."""


ROLES: Final[Mapping[str, Mapping[str, Role]]] = {name: one.roles for name, one in SERVICES.items()}
"""Service -> authorisation -> role."""

ROLE_GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "doctors": frozenset({"LE"}),
    "nurses": frozenset({"SP"}),
    "acute": frozenset({"AA", "PM"}),
    "midwives": frozenset({"JO"}),
    "psychologists": frozenset({"PS"}),
}
"""The groups that a restriction can be against, by authorisation; whoever is in none of them is in `OTHERS`."""
OTHERS: Final = "others"
CITIZEN: Final = frozenset({"kjerne:citizen"})


_OPERATORS: Final[tuple[CallerKind, ...]] = ("practitioner", "system")
_TELLING: Final[tuple[Action, ...]] = ("subscribe", "notify")


def _scopes() -> Iterator[tuple[tuple[CallerKind, str, Action], frozenset[str]]]:
    """What each service asks of whoever looks, registers or sends in, as its law says."""
    for name, one in SERVICES.items():
        for action in LOOKING:
            yield ("practitioner", name, action), one.scopes
            if one.sight:
                yield ("citizen", name, action), CITIZEN
            if one.contact_point:
                yield ("system", name, action), frozenset({one.contact_point})
        for action in WRITING:
            if one.registers:
                yield ("practitioner", name, action), one.filing_scopes
            if one.sending_scopes:
                yield ("system", name, action), one.sending_scopes


SCOPES: Final[Mapping[tuple[CallerKind, str, Action], frozenset[str]]] = {
    **dict(sorted(_scopes())),
    **{("system", name, "disclose"): frozenset({DISCLOSURES}) for name in sorted(DISCLOSED)},
    ("system", "results", "examine"): frozenset({"nhn:pps/provesvar-write", OPERATIONS}),
    ("practitioner", "results", "examine"): frozenset({OPERATIONS}),
    ("system", "results", "trace"): frozenset({OPERATIONS}),
    ("practitioner", "results", "trace"): frozenset({OPERATIONS}),
    ("citizen", "", "insight"): frozenset({"kjerne:citizen", "kjerne:insight"}),
    ("citizen", "", "choose"): CITIZEN,
    ("system", "", "insight"): frozenset({AUDIT}),
    **{("system", name, "export"): frozenset({OPERATIONS, ALL_PATIENTS}) for name in sorted(EXPORTED)},
    **{("practitioner", name, "export"): frozenset({OPERATIONS}) for name in sorted(EXPORTED)},
    **{(kind, name, "recheck"): frozenset({OPERATIONS}) for kind in _OPERATORS for name in sorted(HERE)},
    ("system", "", "link"): frozenset({OPERATIONS}),
    ("practitioner", "", "link"): frozenset({OPERATIONS}),
    ("citizen", "", "ask"): CITIZEN,
    ("citizen", "results", "download"): CITIZEN,
    ("citizen", "results", "permit"): CITIZEN,
    ("system", "results", "handle"): frozenset({"nhn:pps/provesvar-write", OPERATIONS}),
    ("practitioner", "results", "handle"): frozenset({OPERATIONS}),
    ("practitioner", "", "review"): frozenset({OPERATIONS}),
    **{
        ("system", service, action): frozenset({SUBSCRIPTIONS})
        for service in ("results", "critical-information", "record")
        for action in _TELLING
    },
    **{("system", "", action): frozenset({ALL_PATIENTS}) for action in sorted(LOOKING | WRITING)},
}
"""Who, service (empty: every service), action -> the OAuth scopes of which the token must hold one."""


class Case(msgspec.Struct, frozen=True):
    """One request as the law meets it.

    `choices` are the patient's choices in force now for this service, `ties` what binds her to the caller on this
    Norwegian `day`; `own` says that caller and patient are one person. `whole` and `parts` (marks) are what the patient has
    restricted against this caller. `what` is the kind of content that she wants to register, by the service's word for it;
    `piece` is the letter of a FHIR type that the room uses (`Consent.s`), empty where the action says it all.
    """

    caller: Caller
    subject: Subject
    service: str
    action: Action
    basis: str
    purpose: str
    now: datetime
    day: date
    choices: tuple[Choice, ...]
    ties: tuple[Tie, ...]
    own: bool
    whole: bool
    parts: int
    what: str
    piece: str
    beside: Grant | None = None
    """What the caller was given of another, whom a record of the patient's names (`policy.table_beside`)."""


def case_of(
    caller: Caller,
    subject: Subject,
    *,
    service: str,
    action: Action,
    basis: str,
    purpose: str,
    now: datetime,
    what: str = "",
    piece: str = "",
    beside: Grant | None = None,
) -> Case:
    """Gather what many facts share. An empty `purpose` or `basis` means the one that was signed with the caller."""
    if not purpose:
        purpose = caller.attestation.purpose if caller.attestation else caller.errand.purpose if caller.errand else ""
    basis = basis or caller.basis
    day = norwegian_day(now)
    choices = tuple([choice for choice in subject.choices if _holds(choice, service, now)])
    ties = tuple([tie for tie in subject.ties if binds(tie, day)])
    own = subject.caller_key in subject.keys or (bool(caller.digest) and caller.digest in subject.digests)
    whole, parts = _restricted(choices, caller, subject) if choices else (False, 0)
    return Case(
        caller, subject, service, action, basis, purpose, now, day, choices, ties, own, whole, parts, what, piece, beside
    )  # fmt: skip


def _holds(choice: Choice, service: str, now: datetime) -> bool:
    """In force now, [made_at, ended_at), and about this service or about all."""
    if choice.service and choice.service != service:
        return False
    return choice.made_at <= now and (choice.ended_at is None or now < choice.ended_at)


def binds(tie: Tie, day: date) -> bool:
    """In force on this Norwegian day, [since, until)."""
    return (tie.since is None or tie.since <= day) and (tie.until is None or day < tie.until)


def _is_at(organisation: str, caller: Caller) -> bool:
    """Nothing is named, or the caller works there: as legal entity or as point of care."""
    return not organisation or organisation in (caller.organisation, caller.point_of_care)


def _is_among(group: str, caller: Caller) -> bool:
    """No group is named, or the caller's authorisation is of it."""
    if group == OTHERS:
        return not any(caller.authorization in codes for codes in ROLE_GROUPS.values())
    return not group or caller.authorization in ROLE_GROUPS.get(group, ())


def _restricted(choices: tuple[Choice, ...], caller: Caller, subject: Subject) -> tuple[bool, int]:
    """Whether the patient has restricted the whole service against this caller, and the marks of what parts of it."""
    whole, parts = False, 0
    for choice in choices:
        if (
            choice.kind != "restriction"
            or (choice.organisation and not caller.may_be_within(choice.organisation))
            or not _is_among(choice.role, caller)
        ):
            continue
        if _is_whole(choice, subject):
            whole = True
        else:
            parts |= FIRST_PART << choice.slot
    return whole, parts


def _is_whole(choice: Choice, subject: Subject) -> bool:
    """What is not marked everywhere is shut whole: nobody can say what a record without the mark is."""
    return choice.slot < 0 or not (choice.part or choice.source) or not set(subject.keys).issubset(choice.marked)


def shut_parts(case: Case) -> Label:
    """The marks of those parts that the patient has restricted against this caller, who looks or registers as a health
    worker: to change what is shut would tell it (law, K86)."""
    if not case.parts or case.caller.kind != "practitioner" or case.own or case.action not in LOOKING | WRITING:
        return NO_LABEL
    return Label(case.parts)


def _role(case: Case) -> Role | None:
    return ROLES.get(case.service, {}).get(case.caller.authorization)


def _is_aged(case: Case, low: int, high: int) -> bool:
    """Half-open: `low <= age < high`; an unknown age is in no interval."""
    born = case.subject.birth_date
    return born is not None and low <= age(born, case.day) < high


# What the caller brings


def is_the_sender(case: Case) -> bool:
    """the caller is the system that sent the message"""
    # Whoever runs the platform has the operator's scope, and asks for messages of others.
    return case.caller.kind == "system" and OPERATIONS not in case.caller.scopes


def scope_is_missing(case: Case) -> bool:
    """the token holds no scope for this action in this service"""
    key = (case.caller.kind, case.service, case.action)
    needed = SCOPES.get(key) or SCOPES.get((case.caller.kind, "", case.action))
    return needed is None or needed.isdisjoint(case.caller.scopes)


def level_is_below_four(case: Case) -> bool:
    """the login is below security level 4"""
    return case.caller.level < 4


def basis_is_unknown(case: Case) -> bool:
    """the declared access basis is not one of the national ones"""
    return case.basis not in BASES


def basis_is_not_the_signed_one(case: Case) -> bool:
    """the request declares another basis than the access policy (ACP) that was signed"""
    return bool(case.caller.basis) and case.basis != case.caller.basis


def staff_purpose_is_unknown(case: Case) -> bool:
    """the purpose is none of TREAT, ETREAT, COC, BTG"""
    return case.purpose not in STAFF_PURPOSES


def citizen_purpose_is_unknown(case: Case) -> bool:
    """the purpose is not a citizen's (PATRQT, FAMRQT, PWATRNY)"""
    return case.purpose not in CITIZEN_PURPOSES


def caller_is_not_described(case: Case) -> bool:
    """HPR number, authorisation or organisation is missing"""
    caller = case.caller
    return not (caller.hpr and caller.authorization and caller.organisation)


def organisation_is_no_consumer(case: Case) -> bool:
    """no row in force of the register of participation has the caller's organisation as consumer where she works"""
    return not takes_part(case.caller, case.service, "consumer", case.now)


def has_filed_nothing_of_this(case: Case) -> bool:
    """the caller's organisation has filed nothing here that this could change"""
    return case.piece.endswith(NOT_FOUND)


def stood_in_the_way(case: Case) -> bool:
    """what stands here does not let it be, as the room has found after it was let in"""
    return case.piece.endswith(NOT_LET)


def organisation_is_no_source(case: Case) -> bool:
    """no row in force of the register of participation has the sender as source where it lies"""
    return not takes_part(case.caller, case.service, "source", case.now)


def role_is_not_listed(case: Case) -> bool:
    """the authorisation has no access to this service"""
    return _role(case) is None


def attestation_is_missing(case: Case) -> bool:
    """no attestation"""
    return case.caller.attestation is None


def attestation_is_anothers(case: Case) -> bool:
    """the attestation is about another practitioner than the one who logged in"""
    caller, attestation = case.caller, case.caller.attestation
    return attestation is None or (attestation.practitioner_digest, attestation.hpr) != (caller.digest, caller.hpr)


def attestation_names_another(case: Case) -> bool:
    """the attestation does not name this patient, or names somebody else as well"""
    attestation = case.caller.attestation
    if attestation is None or not attestation.patient_digests:
        return True
    return not case.subject.digests.issuperset(attestation.patient_digests)


def attestation_has_expired(case: Case) -> bool:
    """the attestation is 60 minutes old or more, or made in the future"""
    attestation = case.caller.attestation
    return attestation is None or not -CLOCK_SKEW <= case.now - attestation.made_at < ATTESTATION_LIFE


def reason_is_missing(case: Case) -> bool:
    """the attestation gives no reason in words"""
    attestation = case.caller.attestation
    return attestation is None or not says_something(attestation.decision_text)


def role_may_not_break_glass(case: Case) -> bool:
    """the role is not one of those who may set the normal rules aside"""
    role = _role(case)
    return role is None or not role.breaks_glass


# The tie between caller and patient


def is_on_practice_list(case: Case) -> bool:
    """the caller is the patient's GP today"""
    hpr = case.caller.hpr
    return any(tie.kind == "practice-list" and bool(hpr) and tie.hpr == hpr for tie in case.ties)


def has_care_course(case: Case) -> bool:
    """the patient has an open care course at the caller's organisation or point of care"""
    return any(tie.kind == "care" and _is_care_by(tie, case.caller) for tie in case.ties)


def _is_care_by(tie: Tie, caller: Caller) -> bool:
    """A course belongs to the place it names; one without a place belongs to the practitioner it names."""
    if tie.organisation:
        return tie.organisation in (caller.organisation, caller.point_of_care)
    return bool(tie.hpr) and tie.hpr == caller.hpr


def is_self_declared(case: Case) -> bool:
    """the caller has declared the need herself (decision_ref.user_selected)"""
    attestation = case.caller.attestation
    return attestation is not None and attestation.user_selected


def has_no_relation(case: Case) -> bool:
    """no practice list, no care course and no need declared by the caller"""
    return not (is_on_practice_list(case) or has_care_course(case) or is_self_declared(case))


# The patient's own choices


def is_blocked_by_name(case: Case) -> bool:
    """the patient has blocked this person by name"""
    return bool(case.choices) and any(
        choice.kind == "block" and _is_named(choice.hpr, case.caller) for choice in case.choices
    )


def _is_named(hpr: str, caller: Caller) -> bool:
    """The number is the caller's by login or by attestation; zeros in front make no other person of her."""
    number = hpr.lstrip("0")
    attested = caller.attestation.hpr if caller.attestation else ""
    return bool(number) and number in (caller.hpr.lstrip("0"), attested.lstrip("0"))


def has_opted_out(case: Case) -> bool:
    """the patient has opted out of this service"""
    return bool(case.choices) and any(choice.kind == "opt-out" for choice in case.choices)


def is_restricted(case: Case) -> bool:
    """the patient has restricted the service against all personnel, all of this organisation or of this role"""
    return case.whole


def has_blocked_somebody(case: Case) -> bool:
    """the patient has blocked somebody by name, whoever it is"""
    return any(choice.kind == "block" for choice in case.choices)


def has_restricted_the_whole(case: Case) -> bool:
    """the patient has restricted the service, whoever it is against"""
    return any(choice.kind == "restriction" and _is_whole(choice, case.subject) for choice in case.choices)


def has_youth_access(case: Case) -> bool:
    """the consent of a parent or guardian that she sees her own in this service is in force"""
    return any(choice.kind == "youth-access" for choice in case.choices)


def is_partly_restricted(case: Case) -> bool:
    """the patient has restricted a part of the service against this caller"""
    return case.parts != 0


def basis_opens(case: Case) -> bool:
    """consent or an acute situation is declared"""
    return case.basis in OPENING_BASES


def basis_does_not_open(case: Case) -> bool:
    """neither consent nor an acute situation is declared"""
    return not basis_opens(case)


def consent_is_needed(case: Case) -> bool:
    """the role needs consent, none is recorded or declared, and it is not the acute chain with its reason in words"""
    role = _role(case)
    if role is None or not role.needs_consent or (case.purpose == "ETREAT" and not reason_is_missing(case)):
        return False
    return basis_does_not_open(case) and not has_consented(case)


def has_consented(case: Case) -> bool:
    """A consent names a person, an organisation or both, and perhaps a course; it counts only for all that it names."""
    attestation = case.caller.attestation
    course = attestation.decision_id if attestation else ""
    return any(
        choice.kind == "consent"
        and bool(choice.hpr or choice.organisation)
        and choice.hpr in ("", case.caller.hpr)
        and _is_at(choice.organisation, case.caller)
        and choice.course in ("", course)
        for choice in case.choices
    )


# The patient as a person, and who may stand in for her


def is_own(case: Case) -> bool:
    """caller and patient are the same person"""
    return case.own


def is_another(case: Case) -> bool:
    """caller and patient are two persons"""
    return not case.own


def caller_is_unknown(case: Case) -> bool:
    """the person who is logged in is in no register here"""
    return case.subject.caller_key is None


def age_is_unknown(case: Case) -> bool:
    """no register gives the patient's birth date"""
    return case.subject.birth_date is None


def is_deceased(case: Case) -> bool:
    """the patient is dead"""
    return case.subject.deceased


def is_under_12(case: Case) -> bool:
    """the patient's age is below 12"""
    return _is_aged(case, UNBORN, PARENTS_UNTIL)


def is_12_to_13(case: Case) -> bool:
    """the patient's age is in [12, 13)"""
    return _is_aged(case, PARENTS_UNTIL, LOGS_IN_FROM)


def is_13_to_16(case: Case) -> bool:
    """the patient's age is in [13, 16)"""
    return _is_aged(case, LOGS_IN_FROM, HEALTH_MAJORITY)


def is_12_to_16(case: Case) -> bool:
    """the patient's age is in [12, 16)"""
    return _is_aged(case, PARENTS_UNTIL, HEALTH_MAJORITY)


def is_under_16(case: Case) -> bool:
    """the patient's age is below 16"""
    return _is_aged(case, UNBORN, HEALTH_MAJORITY)


def is_16_to_18(case: Case) -> bool:
    """the patient's age is in [16, 18)"""
    return _is_aged(case, HEALTH_MAJORITY, ADULT)


def is_16_or_more(case: Case) -> bool:
    """the patient's age is 16 or more"""
    return _is_aged(case, HEALTH_MAJORITY, OLDEST)


def is_18_or_more(case: Case) -> bool:
    """the patient's age is 18 or more"""
    return _is_aged(case, ADULT, OLDEST)


def has_protected_address(case: Case) -> bool:
    """the patient's address is protected (kode 6 or 7)"""
    return is_protected(case.subject.protection)


def either_has_protected_address(case: Case) -> bool:
    """the patient's or the caller's address is protected (kode 6 or 7)"""
    return is_protected(case.subject.protection) or is_protected(case.subject.caller_protection)


def no_parent_lives_there(case: Case) -> bool:
    """no register says that a parent is registered at the child's address"""
    return case.subject.lives_with_parent is not True


def _is_tied_as(case: Case, kind: str) -> bool:
    key = case.subject.caller_key
    return key is not None and any(tie.kind == kind and tie.key == key for tie in case.ties)


def is_parent(case: Case) -> bool:
    """the caller is registered with parental responsibility today"""
    return _is_tied_as(case, "parent")


def is_proxy(case: Case) -> bool:
    """the caller has the patient's power of attorney today"""
    return _is_tied_as(case, "proxy")


def is_guardian(case: Case) -> bool:
    """the caller is registered as the patient's guardian today"""
    return _is_tied_as(case, "guardian")


def is_near(case: Case) -> bool:
    """the caller is the patient, or is registered today, under any of her numbers, as her parent, proxy or guardian"""
    keys = (case.subject.caller_key, *case.subject.caller_linked)
    return case.own or any(tie.kind in STANDING_IN and tie.key in keys for tie in case.ties)


# What a citizen came to a portal for


def errand_is_about_another(case: Case) -> bool:
    """the portal's errand is about somebody else than this patient"""
    errand = case.caller.errand
    return errand is not None and errand.patient_digest not in case.subject.digests


def errand_does_not_fit(case: Case) -> bool:
    """the caller is not to the patient what the portal's errand says"""
    errand = case.caller.errand
    return errand is not None and not _RIGHT_BY_POLICY[errand.policy](case)


_RIGHT_BY_POLICY: Final[Mapping[str, Callable[[Case], bool]]] = {
    "0": is_own,
    "1": is_parent,
    "2": is_proxy,
    "3": is_guardian,
}
"""National access policy (ACP) of a citizen's errand -> what the registers must say of the two."""
