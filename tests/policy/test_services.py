"""The services beside results: each row that is theirs with the story that calls for it, and their law as data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest

from kjerne.access import Action, Caller, CallerKind, Choice, Denial, Grant, Label, Part, Subject, part_label
from kjerne.policy import privacy
from kjerne.policy.facts import ROLES, SCOPES
from kjerne.policy.rule import Rule
from kjerne.policy.rules import decide
from kjerne.policy.services import IN_USE, SERVICES, STAFF_PURPOSES, deleted_after, kept_by_law, needed
from kjerne.policy.table import RULES, SECTIONS
from kjerne.policy.table_registering import REGISTERING
from kjerne.policy.table_services import _made
from kjerne.registries.homes import KEPT, types_of

from .cast import (
    COURSE,
    GP_LIST,
    GUARDIAN,
    NOW,
    PARENT,
    PATIENT,
    PROXY,
    RELATIVE,
    attestation,
    choice,
    citizen,
    doctor,
    laboratory,
    patient,
)

SECTION_45 = "nhn:phr/mhd/read-documentreferences"
CRITICAL, DOCUMENTS, MEASUREMENTS = "critical-information", "documents", "measurements"
MATERNITY, ABROAD, RECORD, SETTLEMENT = "maternity", "cross-border", "record", "settlement"


def part(service: str, role: Any) -> Part:
    return Part(service, role, NOW - timedelta(days=400), None)


def staff(service: str, **changes: Any) -> Caller:
    """A doctor whose organisation is consumer and source there, with every scope that the service has for personnel."""
    law = SERVICES[service]
    made = doctor(**changes)
    if "scopes" not in changes:
        made = replace(made, scopes=law.scopes | (law.filing_scopes if law.registers else frozenset()))
    return replace(made, parts=changes.get("parts", (part(service, "consumer"), part(service, "source"))))


def system(service: str, *scopes: str, **changes: Any) -> Caller:
    made = laboratory(scopes=frozenset(scopes), parts=(part(service, "source"), part(service, "consumer")))
    return replace(made, **changes)


def ask(
    service: str, caller: Caller, subject: Subject, action: Any = "search", basis: str = "", what: str = ""
) -> Grant | Denial:
    return decide(caller, subject, service, action, basis=basis, now=NOW, asked=PATIENT, what=what)


def listed(*choices: Choice, **changes: Any) -> Subject:
    return patient(ties=(GP_LIST,), choices=choices, **changes)


def will(kind: Any, service: str, **changes: Any) -> Choice:
    return choice(kind, service=service, **changes)


BY_KJERNEJOURNAL: dict[str, Any] = {"scopes": frozenset({f"{SECTION_45}/kjernejournalforskriften"})}
A_PART = will("restriction", CRITICAL, source="983658725", slot=3, marked=(1,))
MIDWIFE: dict[str, Any] = {"authorization": "JO", "hpr": "7012345"}
NURSE: dict[str, Any] = {"authorization": "SP"}
PSYCHOLOGIST: dict[str, Any] = {"authorization": "PS"}
AGREED, TO_ABROAD = will("consent", MATERNITY), will("consent", ABROAD)
IN_CARE = patient(ties=(COURSE,))
WITHDRAWN = listed(replace(AGREED, ended_at=NOW))
POINT = system(ABROAD, "kjerne:contact-point")
SENDER = system(DOCUMENTS, "nhn:phr/mhd/create-documents-with-reference")
JOURNAL = system(RECORD, "kjerne:record-write")
EHR = system(CRITICAL, "kjerne:critical-information-transfer")
PAID = system(SETTLEMENT, "kjerne:settlement-write")
GATEWAY = system(MEASUREMENTS, "nhn:pmd/write")

# story, service, caller, patient, action, basis, what, the rule that decides
STORIES = [
    ("the GP reads a document", DOCUMENTS, staff(DOCUMENTS), listed(), "read", "", "", "gp"),
    ("a midwife by § 45", DOCUMENTS, staff(DOCUMENTS, **MIDWIFE), IN_CARE, "read", "", "", "care"),
    ("the GP by kjernejournal", DOCUMENTS, staff(DOCUMENTS, **BY_KJERNEJOURNAL), listed(), "read", "UNNTAK", "", "gp"),
    ("by kjernejournal, no basis", DOCUMENTS, staff(DOCUMENTS, **BY_KJERNEJOURNAL), listed(), "read", "", "", "basis-missing"),
    (
        "a midwife by kjernejournal", DOCUMENTS, staff(DOCUMENTS, **MIDWIFE, **BY_KJERNEJOURNAL), IN_CARE, "read", "UNNTAK", "",
        "consent-missing-by-kjernejournal",
    ),
    ("objected to", DOCUMENTS, staff(DOCUMENTS), listed(will("opt-out", DOCUMENTS)), "read", "SAMTYKKE", "", "objected"),
    ("for weight", DOCUMENTS, staff(DOCUMENTS), listed(will("opt-out", DOCUMENTS)), "read", "FORHOYET_AKUTT", "", "elevated"),
    ("glass broken", DOCUMENTS, staff(DOCUMENTS, purpose="BTG"), listed(will("opt-out", DOCUMENTS)), "read", "", "", "objected"),
    ("restricted", DOCUMENTS, staff(DOCUMENTS), listed(will("restriction", DOCUMENTS)), "read", "AKUTT", "",
        "restricted-but-for-weighty-reasons"),
    (
        "restricted, her explicit yes", DOCUMENTS, staff(DOCUMENTS), listed(will("restriction", DOCUMENTS)), "read",
        "FORHOYET_SAMTYKKE", "", "everything-opened",
    ),
    ("a document comes", DOCUMENTS, SENDER, patient(), "file", "", "", "sent-in"),
    ("restricted at its source", DOCUMENTS, SENDER, patient(), "file", "", "restricted-at-source", "restricted-at-source"),
    ("restricted there later", DOCUMENTS, SENDER, patient(), "correct", "", "restricted-at-source", "sent-in"),
    ("of her who objects", DOCUMENTS, SENDER, listed(will("opt-out", DOCUMENTS)), "file", "", "", "sent-in"),
    ("from outside", DOCUMENTS, replace(SENDER, parts=()), patient(), "file", "", "", "sender-takes-no-part"),
    ("a midwife reads", RECORD, staff(RECORD, **MIDWIFE), IN_CARE, "read", "", "", "care"),
    ("a pharmacist writes", RECORD, staff(RECORD, authorization="FA1"), IN_CARE, "file", "", "record", "registered"),
    ("one of no such profession", RECORD, staff(RECORD, authorization="HE"), IN_CARE, "read", "", "", "role-not-listed"),
    ("about a case", RECORD, staff(RECORD, purpose="COC"), listed(), "file", "", "record", "registering-purpose"),
    ("of a kind of another service", RECORD, staff(RECORD), listed(), "file", "", "dialysis", "register-kind"),
    ("before it is found", RECORD, staff(RECORD), listed(), "correct", "", "*", "registered"),
    ("objected to", RECORD, staff(RECORD), listed(will("opt-out", RECORD)), "read", "SAMTYKKE", "", "objected"),
    ("for weight", RECORD, staff(RECORD), listed(will("opt-out", RECORD)), "read", "FORHOYET_SAMTYKKE", "", "elevated"),
    ("glass broken", RECORD, staff(RECORD, purpose="BTG"), listed(will("opt-out", RECORD)), "read", "", "", "objected"),
    ("written against an objection", RECORD, staff(RECORD), listed(will("opt-out", RECORD)), "file", "", "record", "objected"),
    ("restricted", RECORD, staff(RECORD), listed(will("restriction", RECORD)), "read", "AKUTT", "",
        "restricted-but-for-weighty-reasons"),
    ("opted out of another", RECORD, staff(RECORD), listed(will("opt-out", "results")), "read", "", "", "gp"),
    ("a system sends in", RECORD, JOURNAL, patient(), "file", "", "record", "sent-in"),
    ("an EHR sends", CRITICAL, EHR, patient(), "file", "", "drug-reaction verification", "sent-in"),
    ("with what opens it to people", CRITICAL, system(CRITICAL, "nhn:critical-information/api"), patient(), "file", "", "",
     "scope-missing"),
    ("an EHR reads", CRITICAL, EHR, listed(), "read", "", "", "scope-missing"),
    ("an EHR from outside", CRITICAL, replace(EHR, parts=()), patient(), "file", "", "", "sender-takes-no-part"),
    ("an EHR of her who opted out", CRITICAL, EHR, listed(will("opt-out", CRITICAL)), "file", "", "", "not-kept-after-opt-out"),
    ("an EHR puts right", CRITICAL, EHR, listed(will("opt-out", CRITICAL)), "correct", "", "", "put-right-after-opt-out"),
    ("a doctor with an EHR's scope", CRITICAL, staff(CRITICAL, scopes=EHR.scopes), listed(), "file", "", "drug-reaction",
     "scope-missing"),
    ("of her who objects", RECORD, JOURNAL, listed(will("opt-out", RECORD)), "file", "", "record", "sent-in"),
    ("a system reads", RECORD, JOURNAL, listed(), "read", "", "", "scope-missing"),
    ("from outside", RECORD, replace(JOURNAL, parts=()), patient(), "file", "", "record", "sender-takes-no-part"),
    ("a doctor in treatment", SETTLEMENT, staff(SETTLEMENT), listed(), "read", "", "", "role-not-listed"),
    ("a doctor in an emergency", SETTLEMENT, staff(SETTLEMENT), listed(), "read", "FORHOYET_AKUTT", "", "role-not-listed"),
    ("a doctor writes", SETTLEMENT, staff(SETTLEMENT), listed(), "file", "", "", "scope-missing"),
    ("a system sends in", SETTLEMENT, PAID, patient(), "file", "", "", "sent-in"),
    ("of her who opted out", SETTLEMENT, PAID, listed(will("opt-out", SETTLEMENT)), "file", "", "", "sent-in"),
    ("a system reads", SETTLEMENT, PAID, listed(), "read", "", "", "scope-missing"),
    ("from outside", SETTLEMENT, replace(PAID, parts=()), patient(), "file", "", "", "sender-takes-no-part"),
    ("a social educator", MEASUREMENTS, staff(MEASUREMENTS, authorization="VP"), IN_CARE, "read", "", "", "care"),
    ("a midwife", MEASUREMENTS, staff(MEASUREMENTS, **MIDWIFE), IN_CARE, "read", "SAMTYKKE", "", "role-not-listed"),
    (
        "opted out of", MEASUREMENTS, staff(MEASUREMENTS), listed(will("opt-out", MEASUREMENTS)), "read", "FORHOYET_AKUTT", "",
        "opted-out",
    ),
    ("measurements come", MEASUREMENTS, GATEWAY, patient(), "file", "", "", "sent-in"),
    ("nothing new", MEASUREMENTS, GATEWAY, listed(will("opt-out", MEASUREMENTS)), "file", "", "", "not-kept-after-opt-out"),
    ("put right while she takes part", MEASUREMENTS, GATEWAY, patient(), "correct", "", "", "sent-in"),
    ("put right", MEASUREMENTS, GATEWAY, listed(will("opt-out", MEASUREMENTS)), "correct", "", "", "put-right-after-opt-out"),
    ("a midwife", MATERNITY, staff(MATERNITY, **MIDWIFE), patient(ties=(COURSE,), choices=(AGREED,)), "read", "", "", "care"),
    ("without her consent", MATERNITY, staff(MATERNITY), listed(), "read", "FORHOYET_AKUTT", "", "service-not-agreed-to"),
    ("in an emergency", MATERNITY, staff(MATERNITY, purpose="BTG"), listed(), "read", "AKUTT", "", "service-not-agreed-to"),
    (
        "a consent to one person", MATERNITY, staff(MATERNITY), listed(will("consent", MATERNITY, hpr="9144900")), "read", "", "",
        "service-not-agreed-to",
    ),
    (
        "a consent to one place", MATERNITY, staff(MATERNITY), listed(will("consent", MATERNITY, organisation="983658725")),
        "read", "", "", "service-not-agreed-to",
    ),
    (
        "a consent for one course", MATERNITY, staff(MATERNITY), listed(will("consent", MATERNITY, course="1")), "read", "", "",
        "service-not-agreed-to",
    ),
    ("withdrawn", MATERNITY, staff(MATERNITY), WITHDRAWN, "file", "", "record", "service-not-agreed-to"),
    ("dead", MATERNITY, staff(MATERNITY), listed(AGREED, deceased=True), "read", "", "", "of-the-dead"),
    ("kode 6", MATERNITY, staff(MATERNITY), listed(AGREED, protection="strengtFortrolig"), "read", "", "", "address-protected"),
    ("written", MATERNITY, staff(MATERNITY), listed(AGREED), "file", "", "record", "registered"),
    ("not written", MATERNITY, staff(MATERNITY), listed(), "file", "", "record", "service-not-agreed-to"),
    ("a pharmacist", MATERNITY, staff(MATERNITY, authorization="FA1"), listed(AGREED), "read", "", "", "role-not-listed"),
    ("a doctor verifies", CRITICAL, staff(CRITICAL), listed(), "correct", "", "verification", "registered"),
    ("a nurse does not", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "correct", "", "verification", "register-kind"),
    ("a nurse on dialysis", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "file", "", "dialysis", "registered"),
    ("a nurse on a reaction", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "file", "", "drug-reaction", "register-kind"),
    ("two of hers", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "file", "", "cytostatics dialysis", "registered"),
    ("one of two", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "file", "", "dialysis verification", "register-kind"),
    ("before it is found", CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "correct", "", "*", "registered"),
    ("anything new", CRITICAL, staff(CRITICAL), IN_CARE, "file", "", "*", "register-kind"),
    ("by who registers nothing", CRITICAL, staff(CRITICAL, authorization="AA"), IN_CARE, "correct", "", "*", "register-kind"),
    ("a crisis plan", CRITICAL, staff(CRITICAL, **PSYCHOLOGIST), IN_CARE, "file", "SAMTYKKE", "crisis-plan", "registered"),
    ("without her consent", CRITICAL, staff(CRITICAL, **PSYCHOLOGIST), IN_CARE, "file", "", "crisis-plan", "consent-missing"),
    ("an unknown kind", CRITICAL, staff(CRITICAL), listed(), "file", "", "horoscope", "register-kind"),
    ("of herself", CRITICAL, staff(CRITICAL, digest=PATIENT), listed(), "file", "", "dialysis", "own-not-registered"),
    ("no relation", CRITICAL, staff(CRITICAL), patient(), "file", "", "dialysis", "no-relation"),
    ("glass broken", CRITICAL, staff(CRITICAL, purpose="BTG"), listed(), "file", "", "dialysis", "registering-purpose"),
    ("in a case", CRITICAL, staff(CRITICAL, purpose="COC"), listed(), "file", "", "dialysis", "registering-purpose"),
    (
        "a consumer alone", CRITICAL, staff(CRITICAL, parts=(part(CRITICAL, "consumer"),)), listed(), "file", "", "dialysis",
        "registrar-takes-no-part",
    ),
    ("after an opt-out", CRITICAL, staff(CRITICAL), listed(will("opt-out", CRITICAL)), "file", "", "dialysis", "opted-out"),
    (
        "behind a restriction", CRITICAL, staff(CRITICAL), listed(will("restriction", CRITICAL)), "file", "SAMTYKKE", "dialysis",
        "registered-behind-restriction",
    ),
    ("restricted", CRITICAL, staff(CRITICAL), listed(will("restriction", CRITICAL)), "file", "", "dialysis", "restricted"),
    ("all opened", CRITICAL, staff(CRITICAL), listed(), "correct", "FORHOYET_AKUTT", "dialysis", "registered-with-all-opened"),
    ("beside a part", CRITICAL, staff(CRITICAL), listed(A_PART), "correct", "", "dialysis", "registered"),
    ("behind a part", CRITICAL, staff(CRITICAL), listed(A_PART), "correct", "AKUTT", "dialysis", "registered-behind-part"),
    ("a doctor asks abroad", ABROAD, staff(ABROAD), listed(TO_ABROAD), "read", "", "", "gp"),
    ("without her consent", ABROAD, staff(ABROAD), listed(), "read", "AKUTT", "", "service-not-agreed-to"),
    ("in haste", ABROAD, staff(ABROAD, purpose="ETREAT"), listed(TO_ABROAD), "read", "", "", "gp"),
    ("in a case", ABROAD, staff(ABROAD, purpose="COC"), listed(TO_ABROAD), "read", "", "", "purpose-not-covered"),
    ("to break glass", ABROAD, staff(ABROAD, purpose="BTG"), listed(TO_ABROAD), "read", "", "", "purpose-not-covered"),
    (
        "restricted", ABROAD, staff(ABROAD), listed(TO_ABROAD, will("restriction", ABROAD)), "read", "FORHOYET_SAMTYKKE", "",
        "restricted-to-all",
    ),
    ("another country asks", ABROAD, POINT, listed(TO_ABROAD), "read", "", "", "sent-abroad"),
    ("without her consent", ABROAD, POINT, listed(), "read", "FORHOYET_AKUTT", "", "service-not-agreed-to"),
    (
        "a nurse is shut out", ABROAD, POINT, listed(TO_ABROAD, will("restriction", ABROAD, role="nurses")), "read", "", "",
        "not-sent-abroad",
    ),
    ("kode 7", ABROAD, POINT, listed(TO_ABROAD, protection="fortrolig"), "read", "", "", "not-sent-abroad"),
    ("an opt-out", ABROAD, POINT, listed(TO_ABROAD, will("opt-out", ABROAD)), "read", "", "", "not-sent-abroad"),
    ("from outside", ABROAD, replace(POINT, parts=()), listed(TO_ABROAD), "read", "", "", "contact-point-takes-no-part"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "caller", "subject", "action", "basis", "what", "rule"), [row[1:] for row in STORIES], ids=[
        f"{row[1]}: {row[0]}" for row in STORIES
    ]
)  # fmt: skip
def test_each_service_by_its_own_law(
    service: str, caller: Caller, subject: Subject, action: Any, basis: str, what: str, rule: str
) -> None:
    assert ask(service, caller, subject, action, basis, what).rule == rule


CODES = ("LE", "SP", "AA", "PM", "FA1", "FA2", "FT", "JO", "KI", "MT", "PS", "TL", "VP", "VE")


@pytest.mark.parametrize(
    ("service", "looking", "breaking"),
    [
        (MEASUREMENTS, {"LE", "SP", "AA", "PM", "VP"}, {"LE", "SP", "AA", "PM"}),
        (MATERNITY, {"LE", "SP", "JO"}, {"LE", "SP", "JO"}),
        (ABROAD, {"LE"}, set()),
    ],
)
def test_who_looks_without_consent_and_who_breaks_the_glass_by_profession(
    service: str, looking: set[str], breaking: set[str]
) -> None:
    in_care = patient(ties=(COURSE,), choices=(will("consent", service),))
    given = {code for code in CODES if ask(service, staff(service, authorization=code), in_care).rule == "care"}
    glass = {
        code
        for code in CODES
        if isinstance(ask(service, staff(service, authorization=code, purpose="BTG"), in_care), Grant)
    }
    assert (given, glass) == (looking, breaking)


def test_each_who_looks_at_maternity_writes_in_it() -> None:
    in_care = patient(ties=(COURSE,), choices=(AGREED,))
    writing = {
        code: ask(MATERNITY, staff(MATERNITY, authorization=code), in_care, "file", "", "record").rule for code in CODES
    }
    assert {code for code, rule in writing.items() if rule == "registered"} == {"LE", "SP", "JO"}


@pytest.mark.parametrize("action", ["read", "file", "correct"])
@pytest.mark.parametrize(("basis", "shut"), [("", True), ("UNNTAK", True), ("SAMTYKKE", False), ("AKUTT", False)])
def test_a_part_is_shut_to_who_registers_as_to_who_looks(action: Any, basis: str, shut: bool) -> None:
    grant = ask(CRITICAL, staff(CRITICAL), listed(A_PART), action, basis, "dialysis")
    assert isinstance(grant, Grant)
    assert bool(grant.hides & part_label(3)) is shut


@pytest.mark.parametrize("action", ["read", "file", "correct"])
@pytest.mark.parametrize(
    ("basis", "shut"), [("SAMTYKKE", True), ("FORHOYET_SAMTYKKE", False), ("FORHOYET_AKUTT", False)]
)
def test_what_opens_a_single_record_for_a_look_opens_it_to_be_corrected(action: Any, basis: str, shut: bool) -> None:
    grant = ask(CRITICAL, staff(CRITICAL), listed(), action, basis, "dialysis")
    assert isinstance(grant, Grant)
    assert bool(grant.hides & Label.RESTRICTED_HERE) is bool(grant.hides & Label.RESTRICTED) is shut
    assert grant.hides & Label.WITHDRAWN


@pytest.mark.parametrize("service", [name for name in SERVICES if name != ABROAD])
def test_citizens_see_what_their_service_shows_them(service: str) -> None:
    sight = SERVICES[service].sight
    child = patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True)
    assert isinstance(ask(service, citizen(), patient(caller_key=1)), Grant)
    assert isinstance(ask(service, citizen(RELATIVE), child), Grant) == ("parent" in sight)
    for tie in (PROXY, GUARDIAN):
        for action in ("read", "insight"):
            answer = ask(service, citizen(RELATIVE), patient(caller_key=7, ties=(tie,)), action)
            assert isinstance(answer, Grant) == ("representative" in sight)


def test_what_another_country_holds_is_seen_by_no_citizen_here() -> None:
    assert ask(ABROAD, citizen(), patient(caller_key=1)).rule == "scope-missing"
    assert ask(ABROAD, staff(ABROAD, digest=PATIENT), patient(caller_key=1)).rule == "own-not-as-staff"


def test_documents_by_kjernejournal_have_an_age_and_by_section_45_none() -> None:
    limited = ask(DOCUMENTS, staff(DOCUMENTS, **BY_KJERNEJOURNAL), listed(), "search", "UNNTAK")
    assert isinstance(limited, Grant)
    assert dict(limited.windows) == {
        "A00-1": None,
        "C00-1": date(2025, 11, 24),
        "D00-1": date(2021, 11, 24),
        "E00-1": date(2021, 11, 24),
        "I00-1": date(2025, 11, 24),
    }
    both = frozenset({SECTION_45, *BY_KJERNEJOURNAL["scopes"]})
    herself = ask(DOCUMENTS, staff(DOCUMENTS, digest=PATIENT, **BY_KJERNEJOURNAL), patient(caller_key=1))
    for free in (
        ask(DOCUMENTS, staff(DOCUMENTS, scopes=both), listed()),
        herself,
        ask(DOCUMENTS, SENDER, patient(), "file"),
    ):
        assert isinstance(free, Grant)
        assert free.windows == ()


def test_of_nobody_a_service_says_what_it_says_of_a_stranger_who_lives() -> None:
    declared = staff(MATERNITY, user_selected=True)
    nobody = decide(declared, None, MATERNITY, "read", now=NOW, asked=PATIENT)
    assert nobody.rule == ask(MATERNITY, declared, patient()).rule == "service-not-agreed-to"


def test_on_the_29th_of_february_the_year_of_a_document_is_the_one_that_has_passed_whole() -> None:
    leap_day = datetime(2028, 2, 29, 11, tzinfo=UTC)
    limited = staff(DOCUMENTS, **BY_KJERNEJOURNAL)
    fresh = replace(limited, attestation=replace(attestation(), made_at=leap_day))
    grant = decide(fresh, listed(), DOCUMENTS, "read", basis="UNNTAK", now=leap_day)
    assert isinstance(grant, Grant)
    assert dict(grant.windows)["C00-1"] == date(2027, 3, 1)


def test_what_a_source_restricts_is_opened_by_nothing_and_a_part_by_weighty_reasons_alone() -> None:
    partly = listed(will("restriction", DOCUMENTS, part="radiology", slot=5, marked=(1,)))
    shut = ask(DOCUMENTS, staff(DOCUMENTS), partly, "read", "SAMTYKKE")
    opened = ask(DOCUMENTS, staff(DOCUMENTS), partly, "read", "FORHOYET_SAMTYKKE")
    assert isinstance(shut, Grant)
    assert isinstance(opened, Grant)
    assert part_label(5) in shut.hides
    assert opened.hides == Label.RESTRICTED | Label.WITHDRAWN
    sent = ask(ABROAD, POINT, listed(TO_ABROAD))
    assert isinstance(sent, Grant)
    assert Label.RESTRICTED | Label.RESTRICTED_HERE | Label.WITHDRAWN in sent.hides


# The table itself


def test_a_row_means_the_same_in_every_service_but_for_its_law() -> None:
    def same(rule: Rule) -> tuple[object, ...]:
        return (rule.effect, rule.says, rule.outcome, rule.mark, rule.released_only, rule.purpose, rule.opens_parts)

    by_name: dict[str, set[tuple[object, ...]]] = {}
    for rule in RULES:
        by_name.setdefault(rule.id, set()).add(same(rule))
        assert "{" not in rule.law
    assert all(len(meanings) == 1 for meanings in by_name.values())


NOT_ABROAD = set(SERVICES) - {ABROAD}
DECLARED = {"results", CRITICAL, MATERNITY}
OF_SOME_SERVICES: list[tuple[set[str], tuple[str, ...]]] = [
    (
        NOT_ABROAD,
        (
            "own-as-staff", "own-takes-no-part", "break-glass", "break-glass-role", "break-glass-reason", "case-handling",
            "case-handling-reason",
        ),
    ),
    (NOT_ABROAD - {SETTLEMENT}, ("everything-opened", "elevated")),
    ({ABROAD}, ("purpose-not-covered",)),
    ({ABROAD, SETTLEMENT}, ("restricted-to-all",)),
    (DECLARED, ("restricted", "restriction-opened", "part-opened")),
    (NOT_ABROAD - DECLARED - {SETTLEMENT}, ("restricted-but-for-weighty-reasons",)),
    ({CRITICAL, MATERNITY}, ("registered-behind-part",)),
    ({CRITICAL, MATERNITY, RECORD}, ("registered-with-all-opened",)),
    ({"results", CRITICAL}, ("consent-missing",)),
    ({DOCUMENTS}, ("consent-missing-by-kjernejournal", "basis-missing", "restricted-at-source")),
    ({DOCUMENTS, RECORD}, ("objected",)),
    (set(SERVICES) - {DOCUMENTS, RECORD}, ("opted-out",)),
    ({MATERNITY}, ("of-the-dead",)),
    ({MATERNITY, ABROAD}, ("service-not-agreed-to",)),
    ({MEASUREMENTS, CRITICAL}, ("not-kept-after-opt-out", "put-right-after-opt-out")),
]  # fmt: skip


@pytest.mark.parametrize(("services", "rows"), OF_SOME_SERVICES, ids=[rows[0] for _, rows in OF_SOME_SERVICES])
def test_a_service_whose_law_has_nothing_of_the_kind_has_no_row_about_it(
    services: set[str], rows: tuple[str, ...]
) -> None:
    for row in rows:
        having = [section.services for section in SECTIONS if row in {rule.id for rule in section.rules}]
        assert set().union(*having) == services, row


@pytest.mark.parametrize(
    ("opens", "rows"),
    [
        ("declared", {"registered-with-all-opened", "registered-behind-part"}),
        ("weighty", {"registered-with-all-opened"}),
        ("nothing", set()),
    ],
)
def test_a_service_to_come_in_which_personnel_register_has_the_rows_that_its_restriction_leaves(
    opens: Any, rows: set[str]
) -> None:
    (section,) = _made(REGISTERING, [replace(SERVICES[CRITICAL], opens=opens)])
    ids = {rule.id for rule in section.rules}
    assert ids & {"registered-with-all-opened", "registered-behind-part"} == rows
    assert not ids & {"break-glass-role", "break-glass-reason", "case-handling-reason"}, "nobody registers for these"


@pytest.mark.parametrize("service", SERVICES)
def test_no_request_meets_a_row_twice(service: str) -> None:
    kinds: tuple[CallerKind, ...] = get_args(CallerKind)
    actions: tuple[Action, ...] = get_args(Action)
    for kind, action in product(kinds, actions):
        rows = [
            rule.id
            for section in SECTIONS
            if kind in (section.kinds or kinds) and service in (section.services or SERVICES)
            if action in (section.actions or actions)
            for rule in section.rules
        ]
        assert len(rows) == len(set(rows))


def test_the_law_of_every_service_fits_together() -> None:
    for name, one in SERVICES.items():
        assert one.name == name
        assert ROLES[name] == one.roles
        assert one.registers.keys() <= one.roles.keys()
        assert one.purposes <= STAFF_PURPOSES
        assert bool(one.filing_scopes) == bool(one.registers or one.sources)
        assert bool(one.windows) == bool(one.unlimited_scope)
        assert one.unlimited_scope in one.scopes | {""}
        assert not (one.opt_out.yields and one.opens != "weighty")
        assert SCOPES[("practitioner", name, "read")] == one.scopes


def test_only_services_in_use_can_be_chosen_for() -> None:
    assert privacy.SERVICES == IN_USE == {"results", CRITICAL, DOCUMENTS, RECORD, SETTLEMENT}


def test_an_opt_out_deletes_as_its_service_has_it() -> None:
    assert deleted_after("results") == deleted_after("") == deleted_after(CRITICAL) == timedelta(days=30)
    assert deleted_after(MATERNITY) == timedelta(0)
    assert deleted_after(DOCUMENTS) is deleted_after(RECORD) is None
    assert kept_by_law() == {RECORD, SETTLEMENT}
    assert privacy.deletion_of(will("opt-out", DOCUMENTS)) is None
    made = will("opt-out", MATERNITY)
    assert privacy.deletion_of(made) == made.made_at


EVERY_KIND = {
    "drug-reaction", "other-allergen", "critical-condition", "infection", "intubation-problem", "anaesthesia-problem",
    "transplant", "implant", "radiotherapy", "cytostatics", "dialysis", "other-treatment", "procedure-change", "crisis-plan",
    "verification",
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "types"),
    [
        (
            "results",
            {
                "DiagnosticReport",
                "Observation",
                "ServiceRequest",
                "Specimen",
                "PractitionerRole",
                "Binary",
                "ImagingStudy",
                "Media",
            },
        ),
        (CRITICAL, {"AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag"}),
        (DOCUMENTS, {"DocumentReference", "Binary"}),
        (RECORD, set(types_of(RECORD))),
        (SETTLEMENT, set(types_of(SETTLEMENT))),
        (MEASUREMENTS, {"Observation"}),
        (MATERNITY, set()),
        (ABROAD, {"DocumentReference", "Binary"}),
    ],
)
def test_a_service_holds_its_types_and_no_others(service: str, types: set[str]) -> None:
    assert set(SERVICES[service].types) == types


@pytest.mark.parametrize(
    ("service", "looking", "filing"),
    [
        ("results", {"nhn:pps/provesvar-read"}, {"nhn:pps/provesvar-write"}),
        (CRITICAL, {"nhn:critical-information/api"}, {"nhn:critical-information/api"}),
        (
            DOCUMENTS, {SECTION_45, "nhn:phr/mhd/read-documentreferences/kjernejournalforskriften"},
            {"nhn:phr/mhd/create-documents-with-reference"},
        ),
        (SETTLEMENT, {"kjerne:settlement-read"}, {"kjerne:settlement-write"}),
        (MEASUREMENTS, {"nhn:pmd/read"}, {"nhn:pmd/write"}),
        (MATERNITY, {"nhn:maternity-record/api"}, {"nhn:maternity-record/api"}),
        (ABROAD, {"kjerne:cross-border"}, set()),
    ],
)  # fmt: skip
def test_a_service_is_opened_by_its_own_scopes_and_no_others(service: str, looking: set[str], filing: set[str]) -> None:
    assert (SERVICES[service].scopes, SERVICES[service].filing_scopes) == (looking, filing)


def test_a_grant_to_write_says_which_kinds_and_no_other_grant_does() -> None:
    nurse = ask(CRITICAL, staff(CRITICAL, **NURSE), IN_CARE, "correct", what="*")
    assert isinstance(nurse, Grant) and nurse.registers == {"radiotherapy", "cytostatics", "dialysis"}
    doctors = ask(CRITICAL, staff(CRITICAL), IN_CARE, "correct", what="*")
    assert isinstance(doctors, Grant) and doctors.registers == EVERY_KIND
    look = ask(CRITICAL, staff(CRITICAL, **NURSE), IN_CARE)
    filed = ask("results", laboratory(), IN_CARE, "file")
    assert isinstance(look, Grant) and isinstance(filed, Grant)
    assert look.registers is filed.registers is None


def test_a_source_writes_whatever_it_has_where_personnel_register_by_profession() -> None:
    doctors, systems = (
        ask(RECORD, staff(RECORD), listed(), "correct", what="*"),
        ask(RECORD, JOURNAL, listed(), "correct"),
    )
    assert isinstance(doctors, Grant) and isinstance(systems, Grant)
    assert (doctors.registers, systems.registers) == ({"record"}, None)


def test_who_would_change_what_her_organisation_has_not_registered_is_refused_in_the_log() -> None:
    found = decide(staff(CRITICAL), listed(), CRITICAL, "correct", now=NOW, what="*", piece="Flag.d?")
    assert isinstance(found, Denial) and found.rule == "nothing-of-its-own"


def test_only_results_can_be_restricted_by_kind_of_content() -> None:
    assert {name for name, one in SERVICES.items() if one.parts} == {"results"}


def test_a_type_is_opened_by_the_scopes_of_each_service_that_keeps_it() -> None:
    found = needed(lambda service: service.scopes)
    for name in {name for name, _ in KEPT}:
        scopes = {scope for one, service in KEPT if one == name for scope in SERVICES[service].scopes}
        assert found[name].split(" ") == sorted(scopes)
