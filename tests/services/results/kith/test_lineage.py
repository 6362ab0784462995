"""A laboratory's number that is used again: for another sample, another patient, or years later."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith import chain, lineage, traces
from kjerne.services.results.kith.lineage import Mark
from kjerne.services.results.kith.traces import Trace

NUMBER = b"the-number-of-it"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, B = 1, 2
OTHER = "13817510099"
"""Another synthetic number."""


def shown(
    kith: Any, *, service: str = "N", taken: str = "2026-03-02T08:15:00", request: str = "", **more: Any
) -> Trace:
    """The trace of a report with one result."""
    subjects = kith.SAMPLE.replace("2026-03-02T08:15:00", taken) if taken else ""
    head = more.pop("head", "") + (f"<ServReq><Id>{request}</Id></ServReq>" if request else "")
    items = more.pop("items", kith.item(id_=more.pop("result", "1")))
    issued = more.pop("issued", "2026-03-02T12:00:00")
    raw = kith.message(
        kith.report(items, service=service, subjects=subjects, head=head, issued=issued, **more)
    )  # fmt: skip
    return traces.trace(chain.versions(kith.understood(raw))[0].report)


def mark(trace: Trace, person: int = A, day: int = 0) -> Mark:
    return Mark(START + timedelta(days=day), f"M-{day}", person, trace)


def days(*marks: Mark) -> list[tuple[int, list[int]]]:
    """Each report under the number: whose it is, and the days of its versions, whatever order they are given in."""
    told = [
        sorted((lineage.owner(one), [(mark.made_at - START).days for mark in one]) for one in lineage.gathered(order))
        for order in itertools.permutations(marks)
    ]
    assert all(one == told[0] for one in told), "the order of arrival must not matter"
    return told[0]


def test_a_new_report_about_another_patient_is_a_report_of_its_own(kith: Any) -> None:
    other = {"taken": "2026-03-03T09:00:00", "issued": "2026-03-03T10:00:00"}
    assert days(mark(shown(kith, request="Q1")), mark(shown(kith, request="Q2", result="7", **other), B, 1)) == [
        (A, [0]), (B, [1]),
    ]  # fmt: skip
    same_ids = shown(kith, **other)
    assert days(mark(shown(kith)), mark(same_ids, B, 1)) == [(A, [0]), (B, [1])]


def test_a_new_report_of_another_sample_of_one_patient_is_a_report_of_its_own(kith: Any) -> None:
    later = shown(kith, taken="2026-03-03T09:00:00")
    assert days(mark(shown(kith)), mark(later, A, 1)) == [(A, [0]), (A, [1])]


def test_a_final_report_of_the_same_sample_is_the_same_report(kith: Any) -> None:
    final = shown(kith, status="F", issued="2026-03-03T10:00:00")
    assert days(mark(shown(kith, status="P")), mark(final, A, 1)) == [(A, [0, 1])]
    day_only = shown(kith, taken="2026-03-02", issued="2026-03-03T10:00:00")
    assert days(mark(shown(kith)), mark(day_only, A, 1)) == [(A, [0, 1])]


def test_a_report_without_times_is_the_same_until_the_number_is_an_old_one(kith: Any) -> None:
    first, second = shown(kith, taken=""), shown(kith, taken="", issued="2026-03-09T10:00:00", result="8")
    assert days(mark(first), mark(second, A, 7)) == [(A, [0, 7])]
    assert days(mark(first), mark(second, A, 400)) == [(A, [0]), (A, [400])]


def test_another_department_under_one_number_is_another_report(kith: Any) -> None:
    other = kith.PROVIDER.replace("77002", "77003")
    assert days(mark(shown(kith)), mark(shown(kith, provider=other), A, 1)) == [(A, [0]), (A, [1])]


NOTHING = {"taken": "2026-03-03T09:00:00", "issued": "2026-03-03T10:00:00", "result": "7"}
"""What a report shows that has nothing in common with the first one."""
NO_TIME = {"taken": ""}


@pytest.mark.parametrize(
    "shared",
    [
        {"request": "Q1"}, {"taken": "2026-03-02T08:15:00"}, {"issued": "2026-03-02T12:00:00"} | NO_TIME,
        {"result": "1"} | NO_TIME,
    ],
)  # fmt: skip
def test_a_change_moves_a_report_that_it_shares_something_with(kith: Any, shared: dict[str, str]) -> None:
    first = mark(shown(kith, request=shared.get("request", "")))
    assert days(first, mark(shown(kith, service="M", **NOTHING | shared), B, 1)) == [(B, [0, 1])]
    assert days(first, mark(shown(kith, service="M", **NOTHING), B, 1)) == [(A, [0]), (B, [1])]


@pytest.mark.parametrize("shared", [{"issued": "2026-03-02T12:00:00"}, {"result": "1"}])
def test_a_change_of_another_sample_takes_nothing_for_a_time_or_a_counted_id(kith: Any, shared: dict[str, str]) -> None:
    changed = mark(shown(kith, service="M", **NOTHING | shared), B, 1)
    assert days(mark(shown(kith)), changed) == [(A, [0]), (B, [1])]


def test_the_same_result_id_years_later_moves_nothing(kith: Any) -> None:
    later = {"taken": "2027-03-03T09:00:00", "issued": "2027-03-03T10:00:00"}
    changed = mark(shown(kith, service="M", **later), B, 366)
    assert days(mark(shown(kith)), changed) == [(A, [0]), (B, [366])]
    assert days(mark(shown(kith)), changed, mark(shown(kith, **later), B, 365)) == [(A, [0]), (B, [365, 366])]


@pytest.mark.parametrize(
    ("hour", "found"),
    [("09", [(A, [0]), (B, [1, 2])]), ("10", [(A, [0]), (B, [1, 2])]), ("08", [(B, [0, 2]), (B, [1])])],
)
def test_a_change_is_laid_on_the_report_of_its_own_patient_unless_it_names_the_sample_of_another_ones(
    kith: Any, hour: str, found: Any
) -> None:
    one, other = (shown(kith, taken=f"2026-03-02T{at}:00:00") for at in ("08", "09"))
    change = shown(kith, service="M", taken=f"2026-03-02T{hour}:00:00")
    assert days(mark(one), mark(other, B, 1), mark(change, B, 2)) == found


def test_a_new_report_that_plainly_is_the_same_moves(kith: Any) -> None:
    assert days(mark(shown(kith)), mark(shown(kith, issued="2026-03-04T10:00:00"), B, 1)) == [(B, [0, 1])]
    again = shown(kith, request="Q1", result="9", issued="2026-03-04T10:00:00")
    assert days(mark(shown(kith, request="Q1")), mark(again, B, 1)) == [(B, [0, 1])]
    answers_another = shown(kith, request="Q2", issued="2026-03-04T10:00:00")
    assert days(mark(shown(kith, request="Q1")), mark(answers_another, B, 1)) == [(A, [0]), (B, [1])]


@pytest.mark.parametrize(
    ("head", "issued", "moves"),
    [
        ("<ServReq><Id>1</Id></ServReq>", "2026-03-03", False),
        ("<ServReq><Id>1</Id></ServReq>", "2026-03-03T09:00:00", False),
        ("<ServReq><Id>1</Id></ServReq>", "2026-03-02T09:00:00", True),
        ("<ServReq><IdByServProvider>L1</IdByServProvider></ServReq>", "2026-03-03", True),
    ],
)
def test_where_no_time_of_a_sample_is_told_a_report_issued_on_another_day_is_another(
    kith: Any, head: str, issued: str, moves: bool
) -> None:
    first, second = (shown(kith, taken="", head=head, issued=one) for one in ("2026-03-02", issued))
    standing = [(B, [0, 1])] if moves else [(A, [0]), (B, [1])]
    assert days(mark(first), mark(second, B, 1)) == standing


def test_what_waited_with_the_wrong_patient_waits_no_more_when_the_answer_goes_to_the_right_one(kith: Any) -> None:
    def told(value: str, **more: str) -> Trace:
        waiting = kith.item(id_="1", value=value and kith.number(value), state="3" if value else "2")
        return shown(kith, items=waiting, **({"request": "Q1"} | more))

    waits, answer = told(""), told("140", issued="2026-03-03T10:00:00")
    assert days(mark(waits), mark(answer, B, 1)) == [(B, [0, 1])]
    for other in ({"request": "Q2"}, {"request": ""}, {"taken": "2026-03-02T08:16:00"}):
        assert days(mark(waits), mark(told("140", **other), B, 1)) == [(A, [0]), (B, [1])]
    # Where the first gets an answer of her own after all, the second keeps his.
    hers = told("7", issued="2026-03-04T10:00:00")
    assert days(mark(waits), mark(answer, B, 1), mark(hers, A, 2)) == [(A, [2]), (B, [0, 1])]


def valued(kith: Any, value: str, result: str = "1") -> dict[str, str]:
    return {"items": kith.item(value=kith.number(value), id_=result)}


OTHER_REQUESTER = "<Requester><HCP><Inst><Name>Et annet</Name><Id>88009</Id><TypeId V='HER'/></Inst></HCP></Requester>"
UNLIKE: dict[str, dict[str, str]] = {
    "the requesters count alike, on one day": {
        "requester": OTHER_REQUESTER, "taken": "2026-03-02T09:40:00", "issued": "2026-03-02", "value": "77", "result": "9",
    },
    "one requester counts anew, on one day": {"taken": "2026-03-02T09:40:00", "issued": "2026-03-02"},
    "another value of a sample that was taken at the same time": {"value": "77", "issued": "2026-03-02T16:00:00"},
    "another value under one request at one time": {"value": "77"},
    "another material": {"material": "Urin"},
    "another department": {"department": "77003"},
}  # fmt: skip


@pytest.mark.parametrize("told", UNLIKE.values(), ids=UNLIKE)
@pytest.mark.parametrize("request_", ["1", ""])
def test_a_new_report_that_is_not_plainly_the_same_leaves_another_persons_where_it_is(
    kith: Any, told: dict[str, str], request_: str
) -> None:
    told = dict(told)
    value, result = told.pop("value", "140"), told.pop("result", "1")
    sample = kith.SAMPLE.replace("2026-03-02T08:15:00", told.pop("taken", "2026-03-02T08:15:00"))
    if material := told.pop("material", ""):
        sample = sample.replace("V='S' DN='Serum'", f"V='U' DN='{material}'")
    provider = kith.PROVIDER.replace("77002", told.pop("department", "77002"))
    issued = told.get("issued", "")
    first = shown(kith, request=request_, **({"issued": issued} if issued == "2026-03-02" else {}))
    head = f"<ServReq><Id>{request_}</Id></ServReq>" if request_ else ""
    raw = kith.message(
        kith.report(
            kith.item(value=kith.number(value), id_=result), subjects=sample, provider=provider, head=head, **told
        )
    )
    second = traces.trace(chain.versions(kith.understood(raw))[0].report)
    assert days(mark(first), mark(second, B, 1)) == [(A, [0]), (B, [1])]


def test_the_laboratorys_own_number_of_a_request_goes_before_the_requesters(kith: Any) -> None:
    def numbered(own: str, **more: Any) -> Trace:
        return shown(kith, head=f"<ServReq><Id>1</Id><IdByServProvider>{own}</IdByServProvider></ServReq>", **more)

    other = {"issued": "2026-03-04T10:00:00", "result": "9"}
    assert days(mark(numbered("L1")), mark(numbered("L1", **other), B, 1)) == [(B, [0, 1])]
    assert days(mark(numbered("L1")), mark(numbered("L2", **other), B, 1)) == [(A, [0]), (B, [1])]
    changed = numbered("L1", service="M", **valued(kith, "77"), **NOTHING | {"result": "7"})
    assert days(mark(numbered("L1")), mark(changed, B, 1)) == [(B, [0, 1])]
    changed = numbered("L2", service="M", **valued(kith, "77"))
    assert days(mark(numbered("L1")), mark(changed, B, 1)) == [(A, [0]), (B, [1])]


def test_a_value_is_the_same_however_it_is_written(kith: Any) -> None:
    again = shown(kith, issued="2026-03-04T10:00:00", **valued(kith, "140.0"))
    assert days(mark(shown(kith)), mark(again, B, 1)) == [(B, [0, 1])]


def twins(kith: Any, *told: tuple[str, int, dict[str, Any]], day: int = 0) -> list[Mark]:
    """The reports of one message under one number."""
    return [
        mark(shown(kith, service=service, **more), person, day)._replace(
            made_at=START + timedelta(days=day, microseconds=place)
        )
        for place, (service, person, more) in enumerate(told)
    ]


ONE = {"request": "Q1"}
TWO_OF_IT = {"request": "Q2", "taken": "2026-03-02T08:40:00"}


def told_of(reports: list[list[Mark]]) -> list[Any]:
    return sorted((lineage.owner(one), [(mark.name, mark.person) for mark in one]) for one in reports)


@pytest.mark.parametrize("kind", ["M", "C", "N"])
def test_a_version_of_the_second_of_two_reports_of_one_message_is_laid_on_that_one(kith: Any, kind: str) -> None:
    for person in (A, B):
        one, two = twins(kith, ("N", A, ONE), ("N", person, TWO_OF_IT))
        changed = mark(shown(kith, service=kind, **TWO_OF_IT, **valued(kith, "78")), person, 1)
        first = mark(shown(kith, service=kind, **ONE, **valued(kith, "43")), A, 2)
        for order in itertools.permutations([one, two, changed, first]):
            assert told_of(lineage.gathered(order)) == told_of([[one, first], [two, changed]])


def test_two_reports_of_one_message_are_each_gone_on_with_in_their_place(kith: Any) -> None:
    first = twins(kith, ("N", A, {}), ("N", A, {}))
    again = twins(kith, ("M", A, {}), ("M", A, {}), day=1)
    for order in itertools.permutations([*first, *again]):
        assert told_of(lineage.gathered(order)) == told_of([[first[0], again[0]], [first[1], again[1]]])


def test_the_reports_of_one_message_are_planned_one_after_the_other(kith: Any) -> None:
    known = [one._replace(chain=NUMBER, owner=A) for one in twins(kith, ("N", A, ONE))]
    one, two = twins(kith, ("M", B, ONE), ("N", A, TWO_OF_IT), day=1)
    done = lineage.plan(NUMBER, known, one)
    after = lineage.laid(known, done)
    assert {(mark.name, mark.owner) for mark in after} == {(known[0].name, B), (one.name, B)}
    [(name, standing)] = lineage.plan(NUMBER, after, two).after.items()
    assert (name != NUMBER, standing.owner, list(standing.marks)) == (True, A, [two])


def test_a_new_report_after_a_cancellation_moves_where_they_share_something(kith: Any) -> None:
    first, cancelled = mark(shown(kith, request="Q1")), mark(shown(kith, service="C", items="", request="Q1"), A, 1)
    for request, found in (("Q1", [(B, [0, 1, 2])]), ("Q2", [(A, [0, 1]), (B, [2])])):
        fresh = shown(
            kith, request=request, result="9", taken="2026-03-03T09:00:00", issued="2026-03-04T10:00:00"
        )  # fmt: skip
        assert days(first, cancelled, mark(fresh, B, 2)) == found


WITHDRAWALS = {
    "a bare cancellation": {"service": "C", "items": ""},
    "a cancellation that names its results": {"service": "C"},
    "a change of nothing but deleted results": {"service": "M", "state": "14"},
    "a change of nothing but withdrawn results": {"service": "M", "kind": "C"},
    "a change whose group has deleted results alone": {"service": "M", "state": "14", "group": True},
    "a change whose named group has deleted results alone": {"service": "M", "state": "14", "group": "Blodprøver"},
    "a change whose named group has withdrawn results alone": {"service": "M", "kind": "C", "group": "Blodprøver"},
    "a change with deleted results and a remark": {"service": "M", "state": "14", "remark": "KO"},
    "a change with withdrawn results and a remark that changes": {"service": "M", "kind": "C", "remark": "LR"},
    "a change with a deleted organism and what refers to it": {"service": "M", "state": "14", "about": "1"},
    "a change with nothing but a comment": {"service": "M", "items": "", "head": "<Comment>Feil pasient</Comment>"},
    "a change of a result that has no value": {"service": "M"},
    "a new report of deleted results": {"service": "N", "kind": "N", "state": "14"},
    "a history of deleted results": {"service": "H", "kind": "H", "state": "14"},
    "a new report of nothing": {"service": "N", "items": ""},
}


def withdrawal(kith: Any, told: dict[str, Any], **more: Any) -> Trace:
    told = dict(told)
    own = kith.item(value="", id_="1", service=told.pop("kind", "M"), state=told.pop("state", "3"))
    if (group := told.pop("group", False)) is not False:
        own = kith.item("", "" if group is True else kith.text(group, "GR"), service="", state="", inside=own)
    if about := told.pop("about", ""):
        own += kith.item("ESCOLI", kith.text("E. coli"), id_="2", ref=about, service="", state="")
        own += kith.item("NPU06045", kith.text("S", "RSB"), ref="2", service="", state="")
    if heading := told.pop("remark", ""):
        own += kith.item("", kith.text("Feil pasient, svaret er slettet", heading), service="N")
    return shown(kith, **{"items": own} | told | more)


@pytest.mark.parametrize("told", WITHDRAWALS.values(), ids=WITHDRAWALS)
@pytest.mark.parametrize("moving", ["N", "M"])
def test_what_only_withdraws_leaves_a_report_with_whom_it_has_gone_to(
    kith: Any, told: dict[str, Any], moving: str
) -> None:
    first, right = mark(shown(kith, request="Q1")), mark(shown(kith, service=moving, request="Q1"), B, 1)
    wrong = mark(withdrawal(kith, told, request="Q1"), A, 2)
    assert days(first, right, wrong) == [(B, [0, 1, 2])]
    assert days(first, wrong._replace(made_at=START, message="M-0b"), right) == [(B, [0, 0, 1])]
    unnumbered = withdrawal(kith, told, issued="2026-03-04T10:00:00")
    assert days(first, right, mark(unnumbered, A, 2)) == [(B, [0, 1, 2])]
    own = mark(withdrawal(kith, told, request="Q1"), B, 3)
    assert days(first, right, wrong, own) == [(B, [0, 1, 2, 3])]


@pytest.mark.parametrize("told", WITHDRAWALS.values(), ids=WITHDRAWALS)
def test_what_withdraws_from_somebody_it_never_was_of_stands_alone(kith: Any, told: dict[str, Any]) -> None:
    first, mistyped = mark(shown(kith, request="Q1")), mark(withdrawal(kith, told, request="Q1"), B, 1)
    assert days(first, mistyped) == [(A, [0]), (B, [1])]
    assert days(first, mistyped, mark(shown(kith, request="Q1"), B, 2)) == [(B, [0, 2]), (B, [1])]
    assert days(mistyped, mark(shown(kith, request="Q1"), A, 2)) == [(A, [2]), (B, [1])]


def test_a_report_that_only_the_first_had_cancelled_is_not_taken_from_the_second(kith: Any) -> None:
    first, right = mark(shown(kith, request="Q1")), mark(shown(kith, request="Q1"), B, 1)
    cancelled = mark(shown(kith, service="C", items="", request="Q1"), A, 2)
    third = shown(kith, request="Q1", result="9", taken="2026-03-03T09:00:00", issued="2026-03-04T10:00:00")
    assert days(first, right, cancelled, mark(third, 3, 3)) == [(B, [0, 1, 2]), (3, [3])]


def test_a_change_that_says_something_else_beside_a_deletion_moves_as_any_other(kith: Any) -> None:
    items = kith.item(value="", id_="1", state="14") + kith.item(id_="2", service="M")
    assert days(mark(shown(kith)), mark(shown(kith, service="M", items=items), B, 1)) == [(B, [0, 1])]


@pytest.mark.parametrize(
    "words", ["Normale forhold.", "Lungeemboli i begge underlapper", "Ingen fraktur. Normale bløtdeler."]
)
@pytest.mark.parametrize("kind", ["N", "H", "M"])
def test_a_change_moves_a_short_description_of_radiology_as_a_long_one(kith: Any, words: str, kind: str) -> None:
    def described(service: str) -> str:
        inside = kith.item("SXR0AA", "", id_="X1", service=service, state="11").replace("1.7280", "1.7270")
        told: str = kith.item("", kith.text(words, "GR"), service=service, state="11", inside=inside)
        return told

    told = {"taken": "", "request": "Q1", "discipline": "RAD"}
    moved = shown(kith, service="M", items=described(kind), issued="2026-03-03T10:00:00", **told)
    assert days(mark(shown(kith, items=described("N"), **told)), mark(moved, B, 1)) == [(B, [0, 1])]


@pytest.mark.parametrize("told", ["Feil pasient", "Svaret er slettet"])
def test_words_in_place_of_a_number_bring_no_report_back_to_whom_it_has_left(kith: Any, told: str) -> None:
    first, right = mark(shown(kith, request="Q1")), mark(shown(kith, request="Q1"), B, 1)
    worded = kith.item(value=kith.text(told), id_="1", service="M")
    assert days(first, right, mark(shown(kith, service="M", items=worded, request="Q1"), A, 2)) == [
        (A, [2]), (B, [0, 1]),
    ]  # fmt: skip
    other = kith.item("NPU01349", id_="9", service="M")
    assert days(first, right, mark(shown(kith, service="M", items=other, request="Q1"), A, 2)) == [
        (A, [2]), (B, [0, 1]),
    ]  # fmt: skip


def test_a_report_of_which_another_is_told_nothing_stays(kith: Any) -> None:
    silent = mark(shown(kith, service="M", items="", request="Q1"), B, 1)
    assert days(mark(shown(kith, request="Q1")), silent) == [(A, [0]), (B, [1])]


def test_words_move_with_the_analysis_that_they_stand_in_or_around(kith: Any) -> None:
    finding = kith.item("", kith.text("Uegnet prøve.", "FU"), service="", state="")
    for items in (
        kith.item("NOR25524", "", id_="27", inside=finding),
        kith.item("", kith.text("Svært forstørret lever.\n" * 9, "GR"), inside=kith.item("SJJ0AK", "", service="", state="11")),
        kith.item("NPU03429", "", state="2"),
        kith.item("", kith.text("Uegnet prøve.", "FU")),
    ):  # fmt: skip
        first, right = (mark(shown(kith, service=kind, items=items, request="Q1"), who, day)
                        for kind, who, day in (("N", A, 0), ("M", B, 1)))  # fmt: skip
        assert days(first, right) == [(B, [0, 1])]


def test_a_trace_of_before_withdrawals_were_noted_says_what_its_kind_says(kith: Any) -> None:
    known = shown(kith, service="C", items="")
    old = msgspec.msgpack.encode(msgspec.msgpack.decode(traces.pack(known))[:-11])
    assert traces.unpack(old) == msgspec.structs.replace(known, content=b"", gives_nothing=False, materials=frozenset())
    assert traces.unpack(old).only_withdraws
    assert not lineage.collides([mark(traces.unpack(old))], mark(known))


@pytest.mark.parametrize("old", [{0}, {1}, {0, 1}])
@pytest.mark.parametrize(
    ("again", "moves"),
    [
        ({}, True),
        ({"request": "Q2"}, False),
        ({"request": ""}, False),
        ({"issued": "2026-03-02T12:00:01"}, False),
        ({"taken": "2026-03-02T08:16:00"}, False),
        ({"taken": "2026-03-02"}, False),
        ({"result": "2"}, False),
    ],
)
def test_a_report_of_before_values_were_noted_moves_where_all_else_is_the_same(
    kith: Any, old: set[int], again: dict[str, str], moves: bool
) -> None:
    first, second = shown(kith, request="Q1"), shown(kith, **({"request": "Q1"} | again))
    before = [
        traces.unpack(msgspec.msgpack.encode(msgspec.msgpack.decode(traces.pack(one))[:-6])) for one in (first, second)
    ]
    assert not any(one.own or one.asked or one.found or one.materials for one in before)
    assert first.found
    came = [one if i in old else whole for i, (one, whole) in enumerate(zip(before, (first, second), strict=True))]
    standing = [(B, [0, 1])] if moves else [(A, [0]), (B, [1])]
    assert days(mark(came[0]), mark(came[1], B, 1)) == standing


@pytest.mark.parametrize(
    ("of_it", "of_the_copy"),
    [
        ("Prøve, Person", "PERSON PRØVE"), ("<Sex V='1'/>", ""), ("<Comment>Til deg</Comment></ServReq>", "</ServReq>"),
        ("<Comment>Kopi ikke sendt</Comment>", "<Comment>Kopi er sendt</Comment>"), ("<Id>Q1</Id>", "<Id>Z1</Id>"),
        ("<ReasonAsText><Heading V='INDF'/><TextResultValue>x</TextResultValue></ReasonAsText>", ""),
        ("<InfItem><Type V='1'/><Descr>x</Descr></InfItem>", ""),
    ],
)  # fmt: skip
def test_a_copy_that_leaves_out_what_is_the_askers_is_the_same_message(kith: Any, of_it: str, of_the_copy: str) -> None:
    own = kith.item(id_="1").replace("<StatusInv", "<Comment>Kopi ikke sendt</Comment><StatusInv")
    facts = "<InfItem><Type V='1'/><Descr>x</Descr></InfItem>"
    reason = "<ReasonAsText><Heading V='INDF'/><TextResultValue>x</TextResultValue></ReasonAsText>"
    raw = kith.message(
        kith.report(
            patient=kith.person(kith.SAMPLE + own, relation="<Sex V='1'/>", before=facts),
            head=f"<ServReq><Id>Q1</Id>{reason}<Comment>Til deg</Comment></ServReq>",
        )
    )  # fmt: skip
    assert of_it.encode() in raw
    first = mark(traces.trace(chain.versions(kith.understood(raw))[0].report))

    def says_another(copy: bytes) -> bool:
        return lineage.collides([first], mark(traces.trace(chain.versions(kith.understood(copy))[0].report)))

    assert not says_another(raw.replace(of_it.encode(), of_the_copy.encode()))
    others = {
        "V='140'": "V='150'",
        "mmol/L": "mol/L",
        "T08:15": "T09:15",
        "<Status V='F'": "<Status V='P'",
        kith.NUMBER: OTHER,
    }
    for one, another in others.items():
        assert says_another(raw.replace(one.encode(), another.encode()))


def test_an_addition_about_another_patient_takes_nothing_from_the_first(kith: Any) -> None:
    assert days(mark(shown(kith)), mark(shown(kith, service="A"), B, 1)) == [(A, [0]), (B, [1])]
    moved = mark(shown(kith, service="M"), B, 1)
    assert days(mark(shown(kith)), moved, mark(shown(kith, service="A"), B, 2)) == [(B, [0, 1, 2])]


def test_a_report_may_go_to_another_and_come_back(kith: Any) -> None:
    there, back = mark(shown(kith, service="M"), B, 1), mark(shown(kith, service="M"), A, 2)
    assert days(mark(shown(kith)), there, back) == [(A, [0, 1, 2])]


def test_what_was_stored_before_traces_were_stays_together(kith: Any) -> None:
    old = [mark(Trace(), A, day)._replace(chain=NUMBER, owner=A) for day in (0, 300)]
    fresh = mark(shown(kith, service="M"), A, 301)
    assert lineage.plan(NUMBER, old, fresh).after.keys() == {NUMBER}
    assert [one.made_at for one in lineage.plan(NUMBER, old, fresh).after[NUMBER].marks] == [
        START + timedelta(days=day) for day in (0, 300, 301)
    ]


def test_a_trace_is_the_same_after_packing(kith: Any) -> None:
    known = shown(kith, request="Q1")
    assert traces.unpack(traces.pack(known)) == known
    assert traces.unpack(b"") == Trace()


DRAWN = st.lists(
    st.tuples(
        st.sampled_from("NNMCA"), st.sampled_from([A, B]), st.integers(0, 3), st.sampled_from(["", "Q1", "Q2"]),
        st.sampled_from(["", "2026-03-02T08:15:00", "2026-03-03T09:00:00"]), st.sampled_from(["1", "2"]),
        st.sampled_from(["140", "77"]), st.sampled_from([0, 0, 1]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@given(DRAWN, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_what_stands_after_each_arrival_depends_on_what_arrived_alone(kith: Any, drawn: Any, random: Any) -> None:
    marks = [
        mark(
            shown(kith, service=service, request=request, taken=taken, **valued(kith, value, result)), person, day
        )._replace(message=f"M-{index - twin}", made_at=START + timedelta(days=day - twin, microseconds=twin))
        for index, (service, person, day, request, taken, result, value, twin) in enumerate(drawn)
    ]
    ends = []
    for _ in range(3):
        random.shuffle(marks)
        known: list[Mark] = []
        for fresh in marks:
            plan = lineage.plan(NUMBER, known, fresh)
            laid = {one.name: (c, s.owner) for c, s in plan.after.items() for one in s.marks}
            kept = [one for one in [*known, fresh] if one.name not in laid]
            known = kept + [
                one._replace(chain=laid[one.name][0], owner=laid[one.name][1])
                for one in [*known, fresh] if one.name in laid
            ]  # fmt: skip
            owners: dict[bytes, set[int]] = {}
            for one in known:
                owners.setdefault(one.chain, set()).add(one.owner)
            assert all(len(found) == 1 for found in owners.values()), "a chain belongs to one person"
        grouped: dict[bytes, set[Any]] = {}
        for one in known:
            grouped.setdefault(one.chain, set()).add((one.name, one.owner))
        ends.append({frozenset(found) for found in grouped.values()})
    assert all(end == ends[0] for end in ends)


TWO = st.lists(
    st.tuples(
        st.sampled_from(["N", "N", "M", "C", *WITHDRAWALS]), st.sampled_from([A, B]), st.sampled_from(["", "Q1"]),
        st.sampled_from(["2026-03-02T12:00:00", "2026-03-03T10:00:00"]),
    ),
    min_size=2, max_size=6,
)  # fmt: skip


@given(TWO, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_no_withdrawal_gives_a_result_to_another(kith: Any, drawn: Any, random: Any) -> None:
    marks = []
    for day, (kind, person, request, issued) in enumerate(drawn):
        about = {"request": request, "issued": issued}
        told = WITHDRAWALS.get(kind)
        known = withdrawal(kith, told, **about) if told else shown(kith, service=kind, **about)
        assert known.only_withdraws == (kind not in ("N", "M"))
        marks.append(mark(known, person, day))

    def owners(versions: list[Mark]) -> dict[Any, int]:
        random.shuffle(versions)
        known = [versions[0]._replace(chain=NUMBER, owner=versions[0].person)]
        for fresh in versions[1:]:
            plan = lineage.plan(NUMBER, known, fresh)
            laid = {one.name: (c, s.owner) for c, s in plan.after.items() for one in s.marks}
            known = [
                one._replace(chain=laid[one.name][0], owner=laid[one.name][1]) if one.name in laid else one
                for one in [*known, fresh]
            ]
        return {one.name: one.owner for one in known}

    for upto, newest in enumerate(marks[1:], 1):
        if newest.trace.only_withdraws:
            before, after = owners(marks[:upto]), owners(marks[: upto + 1])
            assert {name: after[name] for name in before} == before
