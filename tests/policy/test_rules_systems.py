"""The rules for systems and operators beside the services: the log kept, told to its source, numbers linked, scopes narrowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kjerne.access import SHUT_BY_PATIENT, Caller, Denial, Grant, Label, Part, Subject, Tie
from kjerne.fhir.smart import limits
from kjerne.policy.table_subscribing import TELLING, TOLD_OF
from kjerne.registries.homes import KEPT

from .cast import GUARDIAN, PARENT, PROXY, SHUTTING, choice, citizen, doctor, laboratory, patient
from .test_rules import ADULT, BLOCKING, CHILD, OPERATIONS, OPTED_OUT, RELATION, RESTRICTED, ask

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_whoever_answers_a_citizen_opens_what_she_wrote_whatever_she_has_shut() -> None:
    for subject in (patient(), OPTED_OUT, RESTRICTED, patient(choices=(choice("block", hpr="9144900"),))):
        for caller in (laboratory(), laboratory(scopes=OPERATIONS), doctor(scopes=OPERATIONS)):
            answer = ask(caller, subject, "handle")
            assert isinstance(answer, Grant)
            assert (answer.rule, all(label in answer.hides for label in SHUTTING)) == ("inquiry-handled", True)
        for caller in (doctor(), citizen(), laboratory(scopes=frozenset({"nhn:pmd/write"}))):
            assert ask(caller, subject, "handle").rule == "scope-missing"


def test_a_source_that_takes_no_part_answers_no_citizen_and_the_operator_does() -> None:
    for parts in ((), (Part("results", "consumer", LONG_AGO, None),), (Part("results", "source", LONG_AGO, LONG_AGO),)):
        answer = ask(laboratory(parts=parts), patient(), "handle")
        assert isinstance(answer, Denial)
        assert answer.rule == "answerer-takes-no-part"
        assert answer.of_caller
        assert ask(laboratory(scopes=OPERATIONS, parts=parts), patient(), "handle").rule == "inquiry-handled"


def test_who_opened_what_was_filed_on_a_wrong_person_is_traced_by_the_operator_alone() -> None:
    for subject in (patient(), OPTED_OUT, RESTRICTED):
        for operator in (laboratory(scopes=OPERATIONS), doctor(scopes=OPERATIONS)):
            assert ask(operator, subject, "trace").rule == "readers-traced"
        for caller in (laboratory(), doctor(), citizen()):
            assert ask(caller, subject, "trace").rule == "scope-missing"


def test_the_log_of_every_service_is_read_whole_by_the_data_controllers_own_system_and_no_other() -> None:
    for subject in (ADULT, CHILD, patient(protection="fortrolig"), patient(deceased=True)):
        answer = ask(laboratory(scopes=frozenset({"kjerne:audit"})), subject, "insight", service="")
        assert isinstance(answer, Grant)
        assert (answer.rule, answer.hides, answer.released_only) == ("log-controlled", Label(0), False)
        for action in ("read", "search", "choose", "trace"):
            assert ask(laboratory(scopes=frozenset({"kjerne:audit"})), subject, action).rule == "scope-missing"
        for caller in (laboratory(), laboratory(scopes=OPERATIONS), doctor(scopes=frozenset({"kjerne:audit"}))):
            assert ask(caller, subject, "insight", service="").rule == "scope-missing"


def test_a_source_hears_who_was_given_what_it_sent_whatever_the_patient_has_chosen() -> None:
    asking = laboratory(scopes=frozenset({"kjerne:disclosures"}))
    for subject in (ADULT, BLOCKING, RESTRICTED, OPTED_OUT, patient(protection="fortrolig"), patient(deceased=True)):
        answer = ask(asking, subject, "disclose")
        assert isinstance(answer, Grant)
        assert (answer.rule, answer.hides) == ("disclosed-to-source", Label(0))
    assert (
        ask(laboratory(scopes=frozenset({"kjerne:disclosures"}), parts=()), ADULT, "disclose").rule
        == "sender-takes-no-part"
    )
    for caller in (laboratory(), laboratory(scopes=OPERATIONS), doctor(), citizen()):
        assert ask(caller, ADULT, "disclose").rule == "scope-missing"


EHR = laboratory(scopes=frozenset({"kjerne:subscriptions"}), parts=(Part("results", "consumer", LONG_AGO, None),))
CARE = {"ties": (Tie("care", organisation=EHR.organisation),)}


def test_a_system_of_those_who_treat_her_is_told_of_what_is_shut_to_nobody() -> None:
    answer = ask(EHR, patient(**CARE), "notify")
    assert isinstance(answer, Grant)
    assert (answer.rule, answer.hides) == ("told-to-subscriber", SHUT_BY_PATIENT | Label.WITHDRAWN)
    for shut in (
        patient(protection="fortrolig", **CARE), patient(choices=(choice("opt-out"),), **CARE),
        patient(choices=(choice("block", hpr="1"),), **CARE), patient(choices=(choice("restriction", organisation="1"),), **CARE),
    ):  # fmt: skip
        assert ask(EHR, shut, "notify").rule == "not-told-to-subscriber"
        assert ask(EHR, shut, "subscribe").rule == "subscribed", "the answer would tell what she has shut"


def test_who_does_not_treat_her_or_takes_no_part_neither_subscribes_nor_is_told() -> None:
    for action in ("subscribe", "notify"):
        assert ask(EHR, patient(), action).rule == "subscriber-does-not-treat"
        assert ask(replace(EHR, parts=()), patient(**CARE), action).rule == "subscriber-takes-no-part"
        for caller in (laboratory(), doctor(), citizen()):
            assert ask(caller, patient(**CARE), action).rule == "scope-missing"


REVIEWED = [
    (patient(), "log-line-opened"),
    (OPTED_OUT, "log-line-opened"),
    (RESTRICTED, "log-line-opened"),
    (patient(deceased=True), "log-line-opened"),
    (patient(caller_key=1), "review-own"),
    (patient(age=8, caller_key=7, ties=(PARENT,)), "review-own"),
    (patient(caller_key=7, ties=(PROXY,)), "review-own"),
    (patient(caller_key=7, ties=(GUARDIAN,)), "review-own"),
    (patient(age=8, caller_key=8, caller_linked=(7,), ties=(PARENT,)), "review-own"),
    (patient(age=8, caller_key=8, ties=(PARENT,)), "log-line-opened"),
    (patient(choices=(choice("block", hpr="9144900"),), protection="fortrolig"), "review-by-a-blocked"),
    (patient(protection="fortrolig"), "review-protected"),
]


@pytest.mark.parametrize(("subject", "rule"), REVIEWED)
def test_a_reading_that_stands_out_is_opened_by_a_person_who_is_nobodys_kin(subject: Subject, rule: str) -> None:
    answer = ask(doctor(scopes=OPERATIONS), subject, "review")
    assert answer.rule == rule
    if isinstance(answer, Grant):
        assert all(label in answer.hides for label in SHUTTING)
    for other in (laboratory(scopes=OPERATIONS), laboratory(), doctor(), citizen()):
        assert ask(other, subject, "review").rule == "scope-missing"
    assert ask(doctor(scopes=OPERATIONS, level=3), subject, "review").rule == "level-too-low"


TESTING = frozenset({"kjerne:all-patients", "nhn:pps/provesvar-write"})
TESTED = [
    (patient(), "test-of-a-synthetic-person"),
    (patient(deceased=True), "test-of-a-synthetic-person"),
    (patient(age=8), "test-of-a-synthetic-person"),
    (replace(patient(), synthetic=False), "test-of-a-real-person"),
    (replace(OPTED_OUT, synthetic=False), "test-of-a-real-person"),
    (OPTED_OUT, "test-of-what-is-shut"),
    (RESTRICTED, "test-of-what-is-shut"),
    (patient(protection="fortrolig"), "test-of-what-is-shut"),
]


@pytest.mark.parametrize(("subject", "rule"), TESTED)
def test_the_test_client_meets_everybody_who_is_made_up_and_has_shut_nothing(subject: Subject, rule: str) -> None:
    client = laboratory(scopes=TESTING, parts=())
    for action in ("read", "search", "history", "file", "correct", "export"):
        answer = ask(client, subject, action)  # type: ignore[arg-type]
        assert answer.rule == rule
        if isinstance(answer, Grant):
            assert Label.RESTRICTED in answer.hides
            assert answer.registers is None
    for action in ("insight", "choose", "trace", "download"):
        assert ask(client, subject, action).rule == "scope-missing"  # type: ignore[arg-type]


def test_the_test_client_changes_what_it_has_filed_itself_alone() -> None:
    # A choice in one service is none in another (K48).
    assert ask(laboratory(scopes=TESTING), OPTED_OUT, "read", service="critical-information").rule == TESTED[0][1]
    found = ask(laboratory(scopes=TESTING, parts=()), patient(), "correct", piece="Observation.u?")
    assert found.rule == "test-of-what-is-not-its-own"
    for caller in (doctor(scopes=TESTING), citizen(scopes=TESTING)):
        assert ask(caller, patient(), "search").rule == "scope-missing"


# The table itself


def test_smart_scopes_that_leave_nothing_refuse_and_others_do_not() -> None:
    def rule(scope: str, action: str, caller: Caller = RELATION, piece: str = "") -> str:
        narrower = replace(caller, limits=limits([scope], caller.kind))
        subject = CHILD if caller is RELATION else patient()
        return ask(narrower, subject, action, piece=piece).rule  # type: ignore[arg-type]

    assert rule("patient/Observation.s?category=laboratory", "search") == "parent"
    assert rule("patient/Observation.s", "read") == rule("system/*.cruds", "search") == "scope-narrower"
    assert rule("patient/AuditEvent.rs", "insight") == rule("patient/AuditEvent.r", "insight", piece="AuditEvent.r")
    assert rule("patient/AuditEvent.rs", "insight") == "parent-log"
    assert rule("patient/Consent.cruds", "choose") == rule("patient/Consent.u", "choose", piece="Consent.u")
    assert rule("patient/Consent.cruds", "choose") == "parent-choices"
    for scope, action, piece in (
        ("patient/Observation.rs", "insight", ""), ("patient/AuditEvent.r", "insight", ""),
        ("patient/AuditEvent.r", "insight", "AuditEvent.s"), ("patient/AuditEvent.rs?action=C", "insight", "AuditEvent.s"),
        ("patient/Consent.cu", "choose", ""), ("patient/Consent.c", "choose", "Consent.u"),
        ("patient/Specimen.s", "search", "Observation.s"),
    ):  # fmt: skip
        assert rule(scope, action, piece=piece) == "scope-narrower", (scope, piece)
    assert rule("patient/Specimen.s", "search", piece="Specimen.s") == "parent"
    operator = laboratory(scopes=frozenset({"kjerne:operations"}))
    assert rule("system/*.r", "trace", operator) == "readers-traced"
    assert rule("system/Observation.r", "examine", operator) == "scope-narrower"
    assert ask(replace(operator, limits=()), patient(), "trace", service="documents").rule == "scope-missing"
    source = laboratory(scopes=frozenset({"kjerne:disclosures"}))
    assert rule("system/*.r", "disclose", source) == "disclosed-to-source"
    assert rule("system/Observation.r", "disclose", source) == "scope-narrower"
    for scope, piece, told in (
        ("system/*.cud", "*.cud!", "filed"), ("system/Observation.cud", "*.cud!", "scope-narrower"),
        ("system/*.cu", "*.cud!", "scope-narrower"), ("system/Observation.c", "Observation.c!", "filed"),
        ("system/Observation.c?code=x", "Observation.c!", "scope-narrower"),
    ):  # fmt: skip
        assert rule(scope, "file", laboratory(), piece) == told, (scope, piece)
    elsewhere = replace(citizen(), limits=limits(["user/*.cruds"], "citizen"))
    assert ask(elsewhere, patient(caller_key=1), "insight", service="documents").rule == "own-log"


EXPORTED = [
    (patient(), "exported"),
    (patient(choices=(choice("block", hpr="9144900"),)), "export-after-block"),
    (patient(choices=(choice("block", hpr="1234567"),)), "export-after-block"),
    (patient(protection="fortrolig"), "export-protected"),
    (patient(choices=(choice("opt-out"), choice("restriction"))), "export-after-opt-out"),
    (patient(choices=(choice("restriction"),)), "export-restricted"),
    (patient(choices=(choice("restriction", organisation="999999901"),)), "export-restricted"),
    (patient(choices=(choice("restriction", role="doctors"),)), "export-restricted"),
    (patient(choices=(choice("restriction", part="laboratory", slot=0, marked=(1,)),)), "exported"),
]


@pytest.mark.parametrize(("subject", "rule"), EXPORTED)
def test_an_export_leaves_out_who_has_shut_anything(subject: Subject, rule: str) -> None:
    for asking in (doctor(scopes=OPERATIONS, attestation=None), laboratory(scopes=OPERATIONS)):
        assert ask(asking, subject, "export").rule == rule
        # A choice in one service is none in another (K48), and an address is protected in each.
        elsewhere = rule if rule == "export-protected" else "exported"
        assert ask(asking, subject, "export", service="record").rule == elsewhere
        assert ask(asking, subject, "export", service="documents").rule == "scope-missing"
    assert ask(laboratory(), subject, "export").rule == "scope-missing"


RECHECKED = [(subject, rule.replace("export", "recheck", 1)) for subject, rule in EXPORTED]


@pytest.mark.parametrize(("subject", "rule"), RECHECKED)
def test_a_check_of_what_is_stored_leaves_out_who_has_shut_anything_and_is_of_settlement_too(
    subject: Subject, rule: str
) -> None:
    for asking in (doctor(scopes=OPERATIONS, attestation=None), laboratory(scopes=OPERATIONS)):
        assert ask(asking, subject, "recheck").rule == rule
        elsewhere = rule if rule == "recheck-protected" else "rechecked"
        assert ask(asking, subject, "recheck", service="settlement").rule == elsewhere
        assert ask(asking, subject, "export", service="settlement").rule == "scope-missing"
        assert ask(asking, subject, "recheck", service="documents").rule == "scope-missing"
    assert ask(laboratory(), subject, "recheck").rule == "scope-missing"
    testing = laboratory(scopes=frozenset({"kjerne:all-patients"}))
    assert ask(testing, subject, "recheck").rule == "scope-missing"


@pytest.mark.parametrize("service", ["results", "persons"])
def test_two_numbers_are_linked_by_the_operator_whatever_the_patient_has_chosen(service: str) -> None:
    shut = patient(choices=(choice("opt-out", service=""), choice("block", hpr="9144900")), protection="fortrolig")
    for who in (laboratory(scopes=OPERATIONS), doctor(scopes=OPERATIONS, attestation=None)):
        assert ask(who, shut, "link", service=service).rule == "persons-linked"
    assert ask(doctor(scopes=OPERATIONS, level=3), shut, "link", service=service).rule == "level-too-low"
    for other in (laboratory(), doctor(), citizen()):
        assert ask(other, shut, "link", service=service).rule == "scope-missing"


def test_a_subscriber_is_told_of_each_type_by_every_service_that_keeps_it_and_tells() -> None:
    assert {(name, service) for name, services in TOLD_OF.items() for service in services} == {
        (name, service) for name, service in KEPT if service in TELLING
    }
