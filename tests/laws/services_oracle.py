"""The law of the services beside results a second time, from docs/law.md (K38 to K49, K71 to K75, K88), without the product.

Citizens, operators and keepers of the log meet the same law in every service and are answered by `oracle`. Here is what
personnel and systems meet: each law by itself says whether it speaks against, and what is told of the patient comes last.
"""

from __future__ import annotations

from datetime import date, timedelta

from .days import day_in_norway
from .oracle import (
    NOT_FOR_CITIZENS,
    NOT_IN_BULK,
    ROLES_WITHOUT_CONSENT,
    asking_consent,
    gives_reason,
    has_turned,
    is_blocked,
    is_opened,
    is_protected,
    is_restricted,
    restricted_parts,
    smart_scopes_leave_something,
    snooping,
    takes_part,
    test_client,
    treats,
    wills_now,
)
from .oracle import answer as answer_of_results
from .situation import LOOKING, Answer, Situation

OTHERS = ("critical-information", "documents", "record", "settlement", "measurements", "maternity", "cross-border")
NO = Answer(given=False)

SECTION_45 = "nhn:phr/mhd/read-documentreferences"
BY_KJERNEJOURNAL = f"{SECTION_45}/kjernejournalforskriften"
TO_LOOK = {
    "critical-information": {"nhn:critical-information/api"},
    "documents": {SECTION_45, BY_KJERNEJOURNAL},
    "record": {"kjerne:record-read"},
    "settlement": {"kjerne:settlement-read"},
    "measurements": {"nhn:pmd/read"},
    "maternity": {"nhn:maternity-record/api"},
    "cross-border": {"kjerne:cross-border"},
}
TO_REGISTER = {
    "critical-information": "nhn:critical-information/api",
    "record": "kjerne:record-write",
    "maternity": "nhn:maternity-record/api",
}
TO_SEND = {
    "critical-information": "kjerne:critical-information-transfer",
    "documents": "nhn:phr/mhd/create-documents-with-reference",
    "record": "kjerne:record-write",
    "settlement": "kjerne:settlement-write",
    "measurements": "nhn:pmd/write",
}
WITH_CONSENT = ("FA1", "FA2", "FT", "JO", "KI", "MT", "PS", "TL", "VP")
"""Kjernejournal's other groups."""
ROLES = {
    "critical-information": ROLES_WITHOUT_CONSENT + WITH_CONSENT,
    "documents": ROLES_WITHOUT_CONSENT + WITH_CONSENT,
    "record": ROLES_WITHOUT_CONSENT + WITH_CONSENT,
    "settlement": (),
    "measurements": (*ROLES_WITHOUT_CONSENT, "VP"),
    "maternity": ("LE", "SP", "JO"),
    "cross-border": ("LE",),
}
SHELF = tuple(
    (kind, begun)
    for kind in ("A00-1", "B00-1", "C00-1", "D00-1", "E00-1", "I00-1", "S00-1")
    for begun in (date(2026, 11, 23), date(2025, 11, 24), date(2025, 11, 23), date(2021, 11, 24), date(2021, 11, 23))
)  # fmt: skip
"""Documents by class and the day on which the service began."""


def answer(s: Situation) -> Answer:
    """What the law says to this situation, whichever service it is about."""
    staff_or_system = s.kind in ("practitioner", "system") and s.action in (*LOOKING, "file", "correct")
    if s.service not in OTHERS or not staff_or_system:
        return answer_of_results(s)
    if s.basis not in ("", "UNNTAK", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"):
        return NO
    if s.smart and not smart_scopes_leave_something(s):
        return NO
    if s.kind == "system":
        return test_client(s) or (contact_point(s) if s.action in LOOKING else source(s))
    if s.level < 4:
        return NO
    return looking(s) if s.action in LOOKING else registering(s)


# Personnel who look


def looking(s: Situation) -> Answer:
    """Own record as a citizen and no further (K8); else a need that somebody vouches for, in a service of hers."""
    if not TO_LOOK[s.service] & s.scopes:
        return NO
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    if s.is_the_patient:
        return herself(s, purpose)
    basis_is_missing = s.service == "documents" and is_by_kjernejournal(s) and s.basis == ""
    if not takes_part(s, "consumer") or not is_vouched_for(s) or purpose not in purposes(s) or basis_is_missing:
        return NO
    if is_blocked(s):
        return Answer(given=False, outcome="Specific")
    if goes_too_far(s, purpose) or snooping(s, purpose):
        return NO
    return shut_by_the_patient(s, purpose) or Answer(
        given=True, hidden=hidden(s), marked=marked(s, purpose), purpose=purpose, too_old=too_old(s)
    )


def herself(s: Situation, purpose: str) -> Answer:
    may = s.born is not None and has_turned(s, 16) and purpose in ("", "TREAT") and takes_part(s, "consumer")
    if s.service == "cross-border" or not may:
        return NO
    return Answer(given=True, hidden=NOT_FOR_CITIZENS, only_released=True, purpose="PATRQT")


def purposes(s: Situation) -> tuple[str, ...]:
    return ("TREAT", "ETREAT") if s.service == "cross-border" else ("TREAT", "ETREAT", "COC", "BTG")


def is_vouched_for(s: Situation) -> bool:
    """Tillitsrammeverket, by a role that the service knows."""
    attest = s.attest
    if attest is None or not attest.of_the_one_logged_in or not s.hpr or not s.legal_entity:
        return False
    if not attest.about or set(attest.about) != {"this"} or not -1 <= attest.minutes_old < 60:
        return False
    return s.role in ROLES[s.service]


def is_by_kjernejournal(s: Situation) -> bool:
    """§ 45 is the wider and holds where the token has both (K38)."""
    return SECTION_45 not in s.scopes


def may_set_rules_aside(s: Situation) -> bool:
    """Doctors, nurses and the acute chain; in maternity midwives too; across borders nobody."""
    if s.service == "cross-border":
        return False
    return s.role in (ROLES["maternity"] if s.service == "maternity" else ROLES_WITHOUT_CONSENT)


def goes_too_far(s: Situation, purpose: str) -> bool:
    """Setting rules aside and opening everything are for listed roles with a reason; a case is one that is named."""
    if purpose == "BTG" or s.basis == "FORHOYET_AKUTT":
        return not (may_set_rules_aside(s) and gives_reason(s))
    return purpose == "COC" and not gives_reason(s)


def shut_by_the_patient(s: Situation, purpose: str) -> Answer | None:
    """What is told to nobody but her who has shown a need (K5); an address shuts everywhere (K46), a death maternity."""
    if is_protected(s.address):
        return Answer(given=False, tells_address=True)
    if s.service == "maternity" and s.dead:
        return NO
    if s.service in ("maternity", "cross-border") and not has_agreed(s):
        return NO
    by_kjernejournal = s.service == "critical-information" or (s.service == "documents" and is_by_kjernejournal(s))
    if by_kjernejournal and asking_consent(s, purpose):
        return NO
    return by_her_will(s)


def by_her_will(s: Situation) -> Answer | None:
    """An opt-out, which is an objection where the law is § 45 and what is shared is the record (K40, K88); a restriction that
    is not opened."""
    opted_out = wills_now(s, "opt-out")
    if opted_out and s.service not in ("documents", "record"):
        return Answer(given=False, outcome="Reservation")
    if (opted_out or is_restricted(s)) and not opens_what_is_shut(s):
        return Answer(given=False, outcome="General")
    return None


def has_agreed(s: Situation) -> bool:
    """To the service itself: a consent that names nobody, no place and no course (K43, K44)."""
    return any(not (will.hpr or will.place or will.treatment) for will in wills_now(s, "consent"))


def opens_what_is_shut(s: Situation) -> bool:
    """Kjernejournal and maternity: a declaration. § 45: weighty reasons (K40). Across borders: nothing."""
    if s.service in ("critical-information", "maternity"):
        return is_opened(s)
    return s.service != "cross-border" and s.basis.startswith("FORHOYET")


def hidden(s: Situation) -> frozenset[str]:
    single = {"withdrawn", "restricted", "restricted here"}
    if s.service != "cross-border" and s.basis.startswith("FORHOYET"):
        # What the source of a document restricts is opened by nothing (K41).
        return frozenset({"withdrawn", "restricted"} if s.service == "documents" else {"withdrawn"})
    return frozenset(single) if opens_what_is_shut(s) else frozenset(single) | restricted_parts(s)


def marked(s: Situation, purpose: str) -> str:
    behind = is_restricted(s) or restricted_parts(s)
    if s.service != "cross-border" and (s.basis.startswith("FORHOYET") or (behind and opens_what_is_shut(s))):
        return "restriction-opened"
    if purpose in ("BTG", "COC"):
        return {"BTG": "break-glass", "COC": "case-handling"}[purpose]
    return "" if treats(s) else "self-declared"


# How old a document may be (K39)

YEARS = {"C00-1": 1, "D00-1": 5, "E00-1": 5, "I00-1": 1}


def too_old(s: Situation) -> frozenset[tuple[str, date]]:
    if s.service != "documents" or not is_by_kjernejournal(s):
        return frozenset()
    return frozenset(one for one in SHELF if not is_young_enough(*one, day_in_norway(s.now)))


def is_young_enough(kind: str, begun: date, today: date) -> bool:
    """Counted in whole years lived, like a person's; a class that is not named has no age at which it is open."""
    if kind == "A00-1":
        return True
    if kind not in YEARS:
        return False
    lived = 0
    while _anniversary(begun, lived + 1) <= today:
        lived += 1
    return lived < YEARS[kind]


def _anniversary(begun: date, years: int) -> date:
    if (begun.month, begun.day) == (2, 29):
        return date(begun.year + years, 2, 28) + timedelta(days=1)
    return date(begun.year + years, begun.month, begun.day)


# Personnel who register (K45)

DURING_TREATMENT = ("TREAT", "ETREAT")


def registering(s: Situation) -> Answer:
    purpose = s.purpose or (s.attest.purpose if s.attest else "")
    if TO_REGISTER.get(s.service) not in s.scopes or s.is_the_patient or not takes_part(s, "source"):
        return NO
    if not is_vouched_for(s) or purpose not in DURING_TREATMENT or not may_register(s):
        return NO
    if is_blocked(s):
        return Answer(given=False, outcome="Specific")
    if goes_too_far(s, purpose) or snooping(s, purpose):
        return NO
    # What shuts a look shuts registering, part by part and record by record, and the same opens it (K86). What is new in a
    # part is taken in and shut with it, to its author too, in either jurisdiction (K84).
    behind = is_restricted(s) or (restricted_parts(s) and opens_what_is_shut(s))
    mark = "restriction-opened" if behind or s.basis.startswith("FORHOYET") else ""
    return shut_by_the_patient(s, purpose) or Answer(given=True, hidden=hidden(s), marked=mark, purpose=purpose)


KINDS = (
    "drug-reaction", "other-allergen", "critical-condition", "infection", "intubation-problem", "anaesthesia-problem",
    "transplant", "implant", "radiotherapy", "cytostatics", "dialysis", "other-treatment", "procedure-change", "crisis-plan",
)  # fmt: skip


def may_register(s: Situation) -> bool:
    """A doctor everything, and she alone verifies; a nurse three treatments; a psychologist a crisis plan. All of what is of
    several kinds must be hers (K71); what is to be changed has no kind before it is found (K73). The structured record is
    kept by everybody who may look there (K88)."""
    hers: tuple[str, ...] = ()
    if s.service in ("maternity", "record"):
        hers = ("record",)
    elif s.role == "LE":
        hers = (*KINDS, "verification")
    elif s.role == "SP":
        hers = ("radiotherapy", "cytostatics", "dialysis")
    elif s.role == "PS":
        hers = ("crisis-plan",)
    if s.what == "*":
        return s.action == "correct" and hers != ()
    return s.what != "" and all(kind in hers for kind in s.what.split())


# Systems


def source(s: Situation) -> Answer:
    """A source sends in documents, measurements or the record. A document restricted where it was written never comes (K41); of
    an opt-out from measurements nothing new is kept, and what lies there is put right (K42, as K19). To the record an
    objection is none to be kept: who treats her must write it down (K88); nor to a settlement, which is accounts (K92). An EHR
    sends critical information with a scope of its own, which opens nothing else (K134); an opt-out is as from measurements."""
    if TO_SEND.get(s.service) not in s.scopes or not takes_part(s, "source"):
        return NO
    if s.service == "documents":
        return NO if s.action == "file" and s.what == "restricted-at-source" else Answer(given=True, purpose=s.purpose)
    if s.service in ("measurements", "critical-information") and s.action == "file" and wills_now(s, "opt-out"):
        return Answer(given=False, outcome="Reservation")
    return Answer(given=True, purpose=s.purpose)


def contact_point(s: Situation) -> Answer:
    """Another country's question: only with her consent, never of what she has shut to anybody, told without a reason (K44)."""
    if s.service != "cross-border" or "kjerne:contact-point" not in s.scopes or not takes_part(s, "consumer"):
        return NO
    if is_protected(s.address) or wills_now(s, "opt-out") or wills_now(s, "restriction") or not has_agreed(s):
        return NO
    return Answer(given=True, hidden=NOT_IN_BULK, purpose=s.purpose)


# What withholds critical information, over a change at the national address (K102, K112, K131)

LABELS = ("NORS", "NORN_ALL", "NORN_FORANS", "NORN_UNGDOM", "NORU", "NORU 2999-12-24")
"""Of code system 9603, a delay with its day."""


def withheld_after(before: frozenset[str], said: frozenset[str] | None, of_the_source: bool) -> frozenset[str] | None:
    """What withholds a record after a version that says this of 9603 (None: nothing at all); None where it is refused.

    Its source ends and sets what it likes. Another organisation changes what the record says and not who sees it: silence leaves
    it, and what it says is to be what stands.
    """
    if of_the_source:
        return said or frozenset()
    return before if said is None or said == before else None


def hides_from(labels: frozenset[str]) -> frozenset[str]:
    """From whom, of personnel without more than an ordinary ground, the citizen, and who stands in for her."""
    citizen = labels & {"NORN_ALL", "NORU", "NORU 2999-12-24"}
    return frozenset({"personnel"} if "NORS" in labels else ()) | (
        frozenset({"citizen", "proxy"}) if citizen else frozenset()
    )
