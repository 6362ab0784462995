"""What a citizen, a parent and a proxy read in the log of who looked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

import pytest

from kjerne.access import COMMAND_LINE, Action, Grant, Subject
from kjerne.errors import Refusal
from kjerne.policy import insight
from kjerne.policy.insight import LogEntry, Seen, entries
from kjerne.policy.rules import decide
from kjerne.store.log_entry import Chosen

from .cast import (
    COURSE,
    DOCTOR,
    GP_LIST,
    HOSPITAL,
    NOW,
    PARENT,
    PATIENT,
    PROXY,
    RELATIVE,
    WARD,
    citizen,
    doctor,
    laboratory,
    patient,
)

REPORT = UUID("00000000-0000-4000-8000-000000000001")
BLOOD = UUID("00000000-0000-4000-8000-000000000002")
NAMES = {HOSPITAL: "Fjellet sykehus", WARD: "Medisinsk avdeling"}
TYPES = {1: "DiagnosticReport", 2: "Observation"}


def row(**changes: Any) -> dict[str, Any]:
    """A row of table `audit`: a GP's read of one report with one observation."""
    made: dict[str, Any] = {
        "patient": 1,
        "at": NOW,
        "number": UUID(int=7),
        "outcome": 0,
        "action": "search",
        "service": "results",
        "rule": "care",
        "law": "pasientjournalloven § 19",
        "says": "Behandlingsstedet så opplysningene i behandlingen.",
        "purpose": "TREAT",
        "basis": "",
        "caller_kind": "practitioner",
        "caller_digest": DOCTOR,
        "caller_name": "Kari Lege",
        "caller_hpr": "9144900",
        "caller_role": "LE",
        "organisation": HOSPITAL,
        "point_of_care": WARD,
        "department": "Sengepost 3",
        "client": "journal",
        "token": "token",
        "decision": "1",
        "self_selected": False,
        "correlation": "c-1",
        "types": [1, 2],
        "ids": [REPORT, BLOOD],
        "versions": [1, 3],
        "reason": "",
        "healthcare_service": "",
        "purpose_details": "",
        "asked": "",
        "attested_at": None,
        "service_text": "",
        "about": "",
        "details_text": "",
        "patient_point_of_care": "",
        "patient_department": "",
    }
    return made | changes


def reading(subject: Subject | None = None, *, as_relative: bool = False) -> Grant:
    caller = citizen(RELATIVE) if as_relative else citizen()
    grant = decide(caller, subject or patient(caller_key=1), "results", "insight", now=NOW)
    assert isinstance(grant, Grant)
    return grant


PROXYS = patient(caller_key=7, ties=(PROXY,))
CHILDS = patient(age=8, caller_key=7, ties=(PARENT,), lives_with_parent=True)


def read(*rows: dict[str, Any], grant: Grant | None = None, **how: Any) -> tuple[LogEntry, ...]:
    known: dict[str, Any] = {"organisations": NAMES, "type_name": TYPES.__getitem__, "hidden": frozenset()}
    return entries(rows, grant or reading(), **(known | how))


def test_who_used_the_command_line_is_named_as_the_operator_and_not_by_the_machines_user() -> None:
    linked = row(caller_kind="system", client=COMMAND_LINE, caller_name="command line root", action="link")
    assert [read(linked, language=language)[0].who for language in ("nb", "nn", "en")] == [
        "Drift av plattformen", "Drift av plattforma", "Operation of the platform",
    ]  # fmt: skip


def test_she_reads_who_where_when_why_and_which() -> None:
    assert read(row(reason="Innlagt i natt")) == (
        LogEntry(
            at=NOW,
            by="practitioner",
            who="Kari Lege",
            role="LE",
            organisation="Fjellet sykehus",
            point_of_care="Medisinsk avdeling",
            department="Sengepost 3",
            place_withheld=False,
            given=True,
            action="search",
            service="results",
            purpose="TREAT",
            basis="",
            says="Behandlingsstedet så opplysningene i behandlingen.",
            law="pasientjournalloven § 19",
            rule="care",
            seen=(Seen("DiagnosticReport", str(REPORT), 1), Seen("Observation", str(BLOOD), 3)),
            acute=False,
            self_declared=False,
            mark="",
            reason="Innlagt i natt",
        ),
    )


REPRESENTATIVES = [("proxy", PROXYS), ("parent", CHILDS)]


def test_the_filing_of_what_is_hidden_has_no_line_and_a_look_at_it_has() -> None:
    both = frozenset({str(BLOOD), str(REPORT)})
    for action in ("file", "write", "correct"):
        filed = row(action=action, caller_kind="system", caller_digest=b"")
        assert read(filed, hidden=both) == ()
        (entry,) = read(filed, hidden={str(BLOOD)})
        assert [seen.type for seen in entry.seen] == ["DiagnosticReport"]
        assert len(read(filed | {"types": [], "ids": [], "versions": []})) == 1, "a refused or empty filing is told"
    assert len(read(row(), hidden=both)) == 1


@pytest.mark.parametrize(("tie", "subject"), REPRESENTATIVES, ids=[tie for tie, _ in REPRESENTATIVES])
def test_who_stands_in_for_the_patient_reads_no_reason_whatever_was_seen(tie: str, subject: Subject) -> None:
    grant, seen = reading(subject, as_relative=True), row(reason="Spurt om det som skjedde hjemme")
    for hidden in (set[str](), {str(BLOOD)}):
        assert read(seen, grant=grant, hidden=hidden)[0].reason == ""
        assert read(seen, hidden=hidden)[0].reason, "the patient herself reads what was written to her"


def test_the_search_is_told_to_whoever_keeps_the_log_alone_whatever_it_found() -> None:
    looked = row(
        asked=f"Observation?_id={BLOOD}&code=NPU27300", healthcare_service="8655|KX17", service_text="Fastlege"
    )
    everything = frozenset({str(BLOOD), str(REPORT)})
    for hidden in (frozenset[str](), everything):
        (own,) = read(looked, hidden=hidden)
        assert own.origin.asked == "", "beside what was seen and is not named it would tell what that is"
        assert own.ground == "Behandlingsstedet så opplysningene i behandlingen. (Fastlege)"
        for subject in (PROXYS, CHILDS):
            (other,) = read(looked, grant=reading(subject, as_relative=True), hidden=hidden)
            assert (other.origin.asked, other.ground) == ("", other.says)
            assert other.healthcare_service and other.healthcare_service.code == "KX17"


def test_that_a_history_of_many_was_asked_for_she_is_told_without_what_narrowed_it() -> None:
    (own,) = read(row(action="history", asked="Observation/_history?_since=2026-01-01"))
    assert own.origin.asked == "Observation/_history"
    (one,) = read(row(action="history", asked=f"Observation/{BLOOD}/_history?_since=2026-01-01"))
    assert one.origin.asked == ""


def test_whoever_keeps_the_log_reads_it_whole() -> None:
    shielded = patient(protection="strengtFortrolig")
    grant = decide(laboratory(scopes=frozenset({"kjerne:audit"})), shielded, "", "insight", now=NOW)
    assert isinstance(grant, Grant)
    looked = row(asked=f"Observation?_id={BLOOD}", patient_department="4.102|12", patient_point_of_care=WARD)
    relative = row(caller_kind="citizen", caller_digest=RELATIVE, caller_name="Ola Nabo", rule="proxy")
    (entry, other) = read(looked, relative, grant=grant)
    assert (entry.origin.asked, entry.place_withheld) == (f"Observation?_id={BLOOD}", False)
    assert (entry.patient_point_of_care, entry.patient_department) == ("Medisinsk avdeling", "12")
    assert (entry.origin.hpr, entry.origin.patient_department, other.by) == ("9144900", "4.102|12", "representative")


def test_whoever_keeps_the_log_reads_who_used_the_command_line_and_a_person_is_never_named_as_the_operator() -> None:
    linked = row(caller_kind="system", client=COMMAND_LINE, caller_name="command line root", action="link")
    keeper = decide(laboratory(scopes=frozenset({"kjerne:audit"})), patient(), "", "insight", now=NOW)
    assert isinstance(keeper, Grant)
    assert read(linked, grant=keeper)[0].who == "command line root"
    assert read(row(client=COMMAND_LINE))[0].who == "Kari Lege"
    assert read(linked | {"client": "journal"})[0].who == "command line root"


def test_an_attested_code_keeps_its_words_on_one_line() -> None:
    (entry,) = read(row(purpose_details="9151|9", details_text="Vakt\u202e\nnatt"))
    assert entry.purpose_details is not None
    assert (entry.purpose_details.system, entry.purpose_details.code) == ("9151", "9")
    assert entry.purpose_details.text.split() == ["Vakt", "natt"]


def test_a_row_whose_records_do_not_fit_together_stops_the_reading() -> None:
    for short in ({"versions": [1]}, {"types": [1]}):
        with pytest.raises(ValueError, match="argument"):
            read(row(**short))


def test_an_id_in_which_digits_happen_to_follow_each_other_stays_whole_and_a_person_number_does_not_stand() -> None:
    (entry,) = read(row(decision="a12345678901f", correlation="8d12345678901e"))
    assert (entry.origin.decision, entry.origin.correlation) == ("a12345678901f", "8d12345678901e")
    assert read(row(decision="13916900216"))[0].origin.decision == ""


def test_a_reason_holds_no_person_number_and_nothing_that_turns_the_line() -> None:
    (entry,) = read(row(reason="Gjelder 139169 00216 \u202eog\nbarnet"))
    assert "139169" not in entry.reason
    assert entry.reason.split() == ["Gjelder", "og", "barnet"]


def test_no_number_of_a_practitioner_is_ever_shown() -> None:
    (entry,) = read(row(caller_name="Kari Lege 13916900216", department="Post 139169 00216"))
    assert (entry.who, entry.department) == ("Kari Lege", "Post")
    assert "9144900" not in repr(entry)
    assert DOCTOR not in [getattr(entry, name) for name in entry.__slots__]


def test_an_organisation_without_a_name_keeps_its_public_number() -> None:
    (entry,) = read(row(organisation="993467049"))
    assert entry.organisation == "993467049"


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({}, "practitioner"),
        ({"caller_digest": PATIENT}, "self"),
        ({"caller_kind": "citizen", "caller_digest": PATIENT}, "self"),
        ({"caller_kind": "citizen", "caller_digest": RELATIVE}, "representative"),
        ({"caller_kind": "system", "caller_digest": b""}, "system"),
    ],
)
def test_each_kind_of_reader_is_told_apart(changes: dict[str, Any], by: str) -> None:
    assert [entry.by for entry in read(row(**changes))] == [by]


def test_a_refused_attempt_is_shown_as_one() -> None:
    (entry,) = read(
        row(outcome=1, rule="blocked-by-name", purpose="", types=[], ids=[], versions=[], self_selected=True)
    )
    assert (entry.given, entry.seen, entry.mark, entry.self_declared) == (False, (), "", True)


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"rule": "restriction-opened", "basis": "SAMTYKKE"}, "restriction-opened"),
        ({"rule": "everything-opened", "basis": "FORHOYET_AKUTT"}, "restriction-opened"),
        ({"rule": "break-glass", "purpose": "BTG"}, "break-glass"),
        ({"rule": "self-declared", "self_selected": True}, "self-declared"),
        ({"rule": "care", "self_selected": True}, "self-declared"),
        ({"rule": "restriction-opened", "self_selected": True}, "restriction-opened"),
        ({"rule": "own", "caller_kind": "citizen", "caller_digest": PATIENT, "self_selected": True}, ""),
        ({"rule": "care"}, ""),
    ],
)
def test_what_was_opened_or_self_declared_is_marked(changes: dict[str, Any], mark: str) -> None:
    assert [entry.mark for entry in read(row(**changes))] == [mark]


@pytest.mark.parametrize(
    ("changes", "acute"),
    [
        ({"purpose": "TREAT"}, False),
        ({"purpose": "COC"}, False),
        ({"purpose": "ETREAT"}, True),
        ({"purpose": "BTG"}, True),
        ({"basis": "AKUTT"}, True),
        ({"basis": "FORHOYET_AKUTT"}, True),
        ({"basis": "SAMTYKKE"}, False),
    ],
)
def test_acute_looks_are_told_from_ordinary_ones(changes: dict[str, Any], acute: bool) -> None:
    assert [entry.acute for entry in read(row(**changes))] == [acute]


def test_records_that_the_reader_may_not_know_of_are_left_out_and_the_line_stays() -> None:
    (entry,) = read(row(), hidden=frozenset({str(BLOOD)}))
    assert entry.seen == (Seen("DiagnosticReport", str(REPORT), 1),)
    (empty,) = read(row(), hidden=frozenset({str(BLOOD), str(REPORT)}))
    assert (empty.who, empty.seen) == ("Kari Lege", ())


def test_a_look_at_what_may_not_be_named_is_told_as_a_look_and_a_search_that_found_nothing_as_none() -> None:
    both = frozenset({str(BLOOD), str(REPORT)})
    assert [one.unnamed for one in read(row(), hidden=both)] == ["kept"]
    assert [one.unnamed for one in read(row(), hidden=both, deleted={str(BLOOD)})] == ["kept"]
    assert [one.unnamed for one in read(row(), hidden=both, deleted=both)] == ["deleted"]
    assert [one.unnamed for one in read(row(), hidden={str(BLOOD)})] == [""], "what is named is told as before"
    for action in ("read", "search", "history", "notify"):
        assert [one.unnamed for one in read(row(action=action), hidden=both)] == ["kept"], action
    assert [one.unnamed for one in read(row(action="file"), hidden=both)] != ["kept"], "what was put in is no look"
    nothing = row(types=[], ids=[], versions=[])
    assert [one.unnamed for one in read(nothing, hidden=both, deleted=both)] == [""]
    beside = row(types=[], ids=[], versions=[], rule="shown-from-anothers")
    assert [one.unnamed for one in read(beside)] == ["anothers"], "what was shown lies with another"
    for other in (row(outcome=1), row(action="choose"), row(action="erase")):
        assert [one.unnamed for one in read(other, hidden=both)] == [""]


@pytest.mark.parametrize(("tie", "subject"), REPRESENTATIVES, ids=[tie for tie, _ in REPRESENTATIVES])
def test_who_stands_in_for_her_cannot_tell_a_look_at_what_is_kept_from_one_that_found_nothing(
    tie: str, subject: Subject
) -> None:
    grant = reading(subject, as_relative=True)
    both = frozenset({str(BLOOD), str(REPORT)})
    found, nothing = row(), row(types=[], ids=[], versions=[])
    for deleted in (frozenset(), both):
        (one,), (other,) = (read(each, grant=grant, hidden=both, deleted=deleted) for each in (found, nothing))
        assert one == other and one.unnamed == "untold"
    beside = row(types=[], ids=[], versions=[], rule="shown-from-anothers")
    assert [one.unnamed for one in read(beside, grant=grant)] == ["untold"]
    (open_,) = read(found, grant=grant)
    assert open_.unnamed == ""


def test_a_choice_that_was_made_is_told_apart_from_a_look_at_the_choices_and_by_its_kind_and_number() -> None:
    def told(about: str, action: str = "choose") -> Chosen | None:
        return read(row(action=action, about=about, caller_kind="citizen", caller_digest=PATIENT))[0].chosen

    assert told("choices") == Chosen("seen")
    assert told("choices/made/opt-out/12", "choose") == Chosen("made", "opt-out", 12)
    assert told("choices/ended/youth-access/7", "permit") == Chosen("ended", "youth-access", 7)
    assert told("", "choose") is None, "a row of before says neither"
    assert told("choices/made/block/1", "review") is None, "another action is about something of its own"


def test_a_proxy_sees_no_other_proxies_but_her_own_looks() -> None:
    mine = row(caller_kind="citizen", caller_digest=RELATIVE, caller_name="Ola Nabo", rule="proxy")
    other = row(caller_kind="citizen", caller_digest=b"another proxy", caller_name="Per Fetter", rule="proxy")
    hers = row(caller_kind="citizen", caller_digest=PATIENT, rule="own")
    grant = reading(PROXYS, as_relative=True)
    assert [entry.who for entry in read(row(), mine, other, hers, grant=grant)] == [
        "Kari Lege",
        "Ola Nabo",
        "Kari Lege",
    ]
    assert len(read(row(), mine, other, hers)) == 4
    assert len(read(row(), mine, other, hers, grant=reading(CHILDS, as_relative=True))) == 4


def test_where_a_person_with_a_protected_address_was_treated_is_told_to_nobody_else() -> None:
    own = reading(patient(caller_key=1, protection="strengtFortrolig"))
    (entry,) = read(row(), grant=own)
    assert (entry.organisation, entry.place_withheld) == ("Fjellet sykehus", False)
    # No rule gives a proxy such a grant; were one made, the place would still be kept back.
    open_grant = reading(PROXYS, as_relative=True)
    shielded = patient(caller_key=7, ties=(PROXY,), protection="strengtFortrolig")
    (entry,) = read(row(), grant=replace(open_grant, subject=shielded))
    assert (entry.organisation, entry.point_of_care, entry.department, entry.place_withheld) == ("", "", "", True)
    assert (entry.who, entry.role) == ("Kari Lege", "LE")
    told = entry.origin
    assert {told.organisation, told.point_of_care, told.department, told.patient_point_of_care} == {""}


def test_the_words_are_those_of_the_day_in_bokmal_and_todays_in_other_languages() -> None:
    old = row(says="Slik sto det da.")
    assert [read(old, language=language)[0].says for language in ("nb", "nn", "en")] == [
        "Slik sto det da.",
        "Behandlingsstaden såg opplysningane i behandlinga.",
        "The place of care saw the information as part of treatment.",
    ]
    gone = row(says="Slik sto det da.", rule="a rule of another year")
    assert read(gone, language="en")[0].says == "Slik sto det da."


def test_a_grant_to_read_results_opens_no_log() -> None:
    grant = decide(doctor(), patient(ties=(GP_LIST, COURSE)), "results", "search", now=NOW)
    assert isinstance(grant, Grant)
    with pytest.raises(Refusal) as refusal:
        read(row(), grant=grant)
    assert (refusal.value.status, refusal.value.rule) == (403, "insight-only")


def test_a_row_about_somebody_else_stops_the_reading() -> None:
    with pytest.raises(Refusal):
        read(row(), row(patient=2))


def test_a_linked_persons_rows_belong_to_her_log() -> None:
    linked = patient(caller_key=1, keys=(1, 2))
    assert len(read(row(), row(patient=2), grant=reading(linked))) == 2


@pytest.mark.parametrize(("subject", "closed"), [(PROXYS, ("maternity", "measurements")), (CHILDS, ("maternity",))])
def test_who_stands_in_for_her_reads_no_line_of_a_service_that_shows_them_nothing(
    subject: Subject, closed: tuple[str, ...]
) -> None:
    grant = reading(subject, as_relative=True)
    for service in ("results", "persons", "maternity", "measurements", "documents"):
        assert bool(read(row(service=service), grant=grant)) == (service not in closed), service
        assert read(row(service=service))


def test_what_she_says_is_wrong_and_who_answers_it_is_between_them_and_no_proxys() -> None:
    for action in ("ask", "handle"):
        line = row(action=action)
        assert read(line, grant=reading(PROXYS, as_relative=True)) == ()
        assert read(line) and read(line, grant=reading(CHILDS, as_relative=True))


def test_the_log_of_every_service_is_open_to_whom_that_of_one_is() -> None:
    relative = citizen(digest=RELATIVE)
    for subject in (PROXYS, patient(caller_key=7), patient(caller_key=7, ties=(replace(PROXY, areas=()),))):
        whole, of_one = (decide(relative, subject, service, "insight", now=NOW) for service in ("", "results"))
        assert (type(whole), whole.rule) == (type(of_one), of_one.rule)


def test_what_was_filed_changed_chosen_or_erased_is_a_writing_and_no_deed_of_others_is() -> None:
    assert set(insight.SORTING.writing) == {"file", "write", "correct", "choose", "erase"}
    assert not set(insight.SORTING.writing) & set(insight.SORTING.deeds)


def test_every_other_action_than_hers_and_a_look_is_a_deed_of_others() -> None:
    looks_and_hers = {"read", "search", "history", "insight", "ask", "download", "notify"}
    assert set(get_args(Action)) - set(insight.SORTING.writing) - looks_and_hers == set(insight.SORTING.deeds)
