"""Which report a version is of, where specimens are numbered anew in each message and samplings are sent one by one."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith import chain, lineage, traces
from kjerne.services.results.kith.lineage import Mark
from kjerne.services.results.kith.traces import Trace

from .test_lineage import days, mark, told_of, twins

A, B = 1, 2
EIGHT, NINE, TEN = (f"2026-03-02T{hour}:00:00" for hour in ("08", "09", "10"))
BLOOD, CRP, GLUCOSE = "NPU02319", "NPU19748", "NPU22089"
CODES = (BLOOD, CRP, GLUCOSE)

Told = tuple[str, str, str]
"""A result: its analysis, when its sample was taken, and its value."""


def tube(kith: Any, number: str, taken: str) -> str:
    return str(kith.SAMPLE).replace(">P1<", f">{number}<").replace("2026-03-02T08:15:00", taken)


def report_of(
    kith: Any, *results: Told, tubes: str = "", ids: dict[Told, str] | None = None, kind: str = "N", item: str = "",
    own: str = "", asked: str = "Q1", issued: str = "2026-03-02T12:00:00", **more: Any,
) -> Trace:  # fmt: skip
    """A report with these results. `tubes`: the times of the specimens in the order in which they are numbered; `ids`: those of
    the results, where they do not count."""
    shown = more.pop("items", None)
    times = tubes.split() or list(dict.fromkeys(time for _, time, _ in results))
    numbers = {time: str(place) for place, time in enumerate(times, 1)}
    items = "".join(
        kith.item(
            code, kith.number(value) if value else "", service=item or kind,
            id_=str(place) if ids is None else ids.get((code, time, ""), ""),
        ).replace("</ResultItem>", f"<RefAnalysedSubject>{numbers[time]}</RefAnalysedSubject></ResultItem>")
        for place, (code, time, value) in enumerate(results, 1)
    )  # fmt: skip
    told = (f"<Id>{asked}</Id>" if asked else "") + (f"<IdByServProvider>{own}</IdByServProvider>" if own else "")
    subjects = "".join(tube(kith, numbers[time], time) for time in times)
    head = f"<ServReq>{told}</ServReq>" if told else ""
    raw = kith.message(
        kith.report("".join(shown or ()) or items, subjects=subjects, service=kind, issued=issued, head=head, **more)
    )
    return traces.trace(chain.versions(kith.understood(raw))[0].report)


LATER = {"issued": "2026-03-02T13:00:00"}
WHOLE = {"issued": "2026-03-02T14:00:00"}
HB, CR = (BLOOD, EIGHT, "14"), (CRP, NINE, "5")
AGAIN = (BLOOD, NINE, "16")


@pytest.mark.parametrize("asked", ["Q1", ""])
@pytest.mark.parametrize("issued", ["2026-03-02T12:00:00", "2026-03-03T10:00:00"])
@pytest.mark.parametrize(
    ("first", "tubes", "again", "others"),
    [
        ([HB], EIGHT, [(GLUCOSE, NINE, "7"), HB], f"{NINE} {EIGHT}"),
        ([HB], EIGHT, [(GLUCOSE, NINE, "7"), (BLOOD, EIGHT, "15")], f"{NINE} {EIGHT}"),
        ([(BLOOD, EIGHT, "")], EIGHT, [(GLUCOSE, NINE, "7"), HB], f"{NINE} {EIGHT}"),
        ([HB, CR], f"{EIGHT} {NINE}", [HB, CR], f"{NINE} {EIGHT}"),
        ([(BLOOD, EIGHT[:10], "14")], "", [(GLUCOSE, "2026-03-03", "7"), (BLOOD, EIGHT[:10], "14")], ""),
    ],
    ids=["a new tube first", "another value", "what waited", "two tubes exchanged", "days without a clock"],
)
def test_a_report_sent_again_as_new_is_the_same_however_its_tubes_are_numbered(
    kith: Any, first: list[Told], tubes: str, again: list[Told], others: str, issued: str, asked: str
) -> None:
    one = report_of(kith, *first, tubes=tubes, asked=asked)
    two = report_of(kith, *again, tubes=others, asked=asked, issued=issued)
    assert days(mark(one), mark(two, A, 1)) == [(A, [0, 1])]
    bare = report_of(kith, kind="C", asked=asked, issued=issued)
    assert days(mark(one), mark(two, A, 1), mark(bare, A, 2)) == [(A, [0, 1, 2])]
    right = report_of(kith, *again, tubes=tubes if len(first) > 1 else others, kind="M", asked=asked, issued=issued)
    assert days(mark(one), mark(two, A, 1), mark(right, B, 2)) == [(B, [0, 1, 2])]


@pytest.mark.parametrize("value", ["14", "15"])
def test_a_change_moves_a_report_to_another_person_however_its_tubes_are_numbered(kith: Any, value: str) -> None:
    first = mark(report_of(kith, HB, CR))
    changed = report_of(kith, CR, (BLOOD, EIGHT, value), tubes=f"{NINE} {EIGHT}", kind="M", **LATER)
    assert days(first, mark(changed, B, 1)) == [(B, [0, 1])]
    apart = report_of(kith, (BLOOD, TEN, "17"), kind="M", **LATER)
    assert days(first, mark(apart, B, 1)) == [(A, [0]), (B, [1])]


def test_a_sampling_of_another_time_alone_is_a_report_of_its_own(kith: Any) -> None:
    parts = mark(report_of(kith, HB)), mark(report_of(kith, AGAIN, **LATER), A, 1)
    assert days(*parts) == [(A, [0]), (A, [1])]
    both_are_gone_on_with = [
        mark(report_of(kith, one, kind="M", **WHOLE), A, day) for day, one in ((2, HB), (3, AGAIN))
    ]
    assert days(*parts, *both_are_gone_on_with) == [(A, [0, 2]), (A, [1, 3])]


@pytest.mark.parametrize("kind", ["N", "H", "M", "C", "A"])
@pytest.mark.parametrize("asked", ["Q1", ""])
@pytest.mark.parametrize("clock", [True, False])
def test_samplings_that_a_later_version_names_together_are_one_report(
    kith: Any, kind: str, asked: str, clock: bool
) -> None:
    one, two = (HB, AGAIN) if clock else ((BLOOD, "2026-03-02", "14"), (BLOOD, "2026-03-03", "16"))
    whole = report_of(kith, (*one[:2], "15"), two, kind=kind, asked=asked, **WHOLE)
    parts = mark(report_of(kith, one, asked=asked)), mark(report_of(kith, two, asked=asked, **LATER), A, 1)
    assert days(*parts, mark(whole, A, 2)) == [(A, [0, 1, 2])]
    bare = report_of(kith, kind="C", asked=asked, issued="2026-03-02T15:00:00")
    assert days(*parts, mark(whole, A, 2), mark(bare, A, 3)) == [(A, [0, 1, 2, 3])]


def test_samplings_named_together_by_ids_that_last_are_one_where_a_time_is_corrected(kith: Any) -> None:
    ids = {(BLOOD, EIGHT, ""): "L1", (BLOOD, NINE, ""): "L2", (BLOOD, TEN, ""): "L1"}
    parts = mark(report_of(kith, HB, ids=ids)), mark(report_of(kith, AGAIN, ids=ids, **LATER), A, 1)
    whole = report_of(kith, (BLOOD, TEN, "14"), AGAIN, ids=ids, kind="M", **WHOLE)
    assert days(*parts, mark(whole, A, 2)) == [(A, [0, 1, 2])]


@pytest.mark.parametrize(
    "other",
    [{"asked": "Q2"}, {"provider": "77003"}, {"person": B}],
    ids=["of another request", "of another department", "of another person"],
)
def test_what_is_of_another_stays_a_report_of_its_own(kith: Any, other: dict[str, Any]) -> None:
    other = dict(other)
    person = other.pop("person", A)
    if "provider" in other:
        other["provider"] = kith.PROVIDER.replace("77002", other["provider"])
    one, two = mark(report_of(kith, HB)), mark(report_of(kith, AGAIN, **LATER, **other), person, 1)
    named = mark(report_of(kith, HB, (*AGAIN[:2], "17") if person == B else AGAIN, kind="M", **WHOLE), A, 2)
    one_of_both = [(A, [0, 1, 2])] if person == B else [(A, [0, 2]), (person, [1])]
    assert days(one, two, named) == one_of_both, "what it names is hers, whoever had it"
    bare = mark(report_of(kith, kind="C", **WHOLE), A, 3)
    assert days(one, two, bare) == [(A, [0, 3]), (person, [1])]


def test_two_reports_of_one_message_are_named_together_and_stay_two(kith: Any) -> None:
    told = ("N", A, {"request": "Q1"}), ("N", A, {"request": "Q1", "taken": "2026-03-02T08:40:00"})
    one, two = twins(kith, *told)
    both = (BLOOD, "2026-03-02T08:15:00", "1"), (BLOOD, "2026-03-02T08:40:00", "2")
    third = mark(report_of(kith, *both, kind="M"), A, 1)
    for order in itertools.permutations([one, two, third]):
        assert told_of(lineage.gathered(order)) in (told_of([[one, third], [two]]), told_of([[one], [two, third]]))


@pytest.mark.parametrize("numbers", [{}, {"own": "L1"}, {"own": "L1", "asked": ""}])
def test_a_bare_cancellation_of_a_request_is_of_all_samplings_that_were_sent_under_it(
    kith: Any, numbers: dict[str, str]
) -> None:
    parts = mark(report_of(kith, HB, **numbers)), mark(report_of(kith, AGAIN, **LATER, **numbers), A, 1)
    assert days(*parts, mark(report_of(kith, kind="C", **WHOLE, **numbers), A, 2)) == [(A, [0, 1, 2])]
    of_one_time = mark(report_of(kith, kind="C", **LATER, **numbers), A, 2)
    assert days(*parts, of_one_time) == [(A, [0]), (A, [1, 2])]
    of_one_sample = mark(report_of(kith, (BLOOD, EIGHT, ""), kind="C", **WHOLE, **numbers), A, 2)
    assert days(*parts, of_one_sample) == [(A, [0, 2]), (A, [1])]
    silent = mark(report_of(kith, kind="C", asked="", **WHOLE), A, 2)
    assert days(*parts, silent) == [(A, [0]), (A, [1, 2])]
    next_year = mark(report_of(kith, kind="C", issued="2027-03-02T14:00:00", **numbers), A, 366)
    assert days(*parts, next_year) == [(A, [0]), (A, [1, 366])]


def test_a_cancellation_without_times_is_of_the_samplings_whose_analyses_it_names(kith: Any) -> None:
    parts = mark(report_of(kith, HB)), mark(report_of(kith, CR, **LATER), A, 1)
    whole = report_of(kith, kind="C", items=[kith.item(code, "", service="C") for code in (BLOOD, CRP)], **WHOLE)
    assert days(*parts, mark(whole, A, 2)) == [(A, [0, 1, 2])]


def test_samplings_of_a_wrong_patient_that_a_change_names_together_go_together(kith: Any) -> None:
    parts = mark(report_of(kith, HB)), mark(report_of(kith, AGAIN, **LATER), A, 1)
    changed = mark(report_of(kith, AGAIN, (BLOOD, EIGHT, "15"), kind="M", **WHOLE), B, 2)
    assert days(*parts, changed) == [(B, [0, 1, 2])]
    of_one = mark(report_of(kith, AGAIN, kind="M", **WHOLE), B, 2)
    assert days(*parts, of_one) == [(A, [0]), (B, [1, 2])]


SENT = st.lists(
    st.tuples(
        st.sampled_from(["N", "N", "M", "H"]),
        st.lists(st.sampled_from([EIGHT, NINE, TEN]), min_size=1, max_size=3, unique=True),
        st.integers(0, 3),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(
    SENT, st.sampled_from(["lasting", "counted", "none"]), st.booleans(), st.sampled_from([("Q1", ""), ("", "L1"), ("", "")]),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_whatever_parts_came_before_a_whole_report_is_of_all_of_them(
    kith: Any, sent: Any, numbered: str, clock: bool, request: tuple[str, str], random: Any
) -> None:
    every = [EIGHT, NINE, TEN]
    asked, own = request

    def told(kind: str, times: list[str], day: int) -> Mark:
        results = [
            (code, time if clock else f"2026-03-0{every.index(time) + 1}", str(random.randint(3, 9)))
            for time in times
            for code in CODES[: 1 + every.index(time)]
        ]
        random.shuffle(results)
        ids = {"lasting": {(code, at, ""): f"{code}{at}" for code, at, _ in results}, "none": {}}.get(numbered)
        order = list(dict.fromkeys(at for _, at, _ in results))
        random.shuffle(order)
        issued = f"2026-03-{10 + day}T12:00:00"
        of = report_of(kith, *results, tubes=" ".join(order), ids=ids, kind=kind, asked=asked, own=own, issued=issued)
        return mark(of, A, day)

    marks = [told(kind, times, day) for day, (kind, times, _) in enumerate(sent)]
    seen = list(dict.fromkeys(time for _, times, _ in sent for time in times))
    marks.append(told(random.choice("NMHC"), seen, len(sent)))
    random.shuffle(marks)
    assert [len(one) for one in lineage.gathered(marks)] == [len(marks)]


@given(SENT, SENT, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_reports_of_two_requests_and_other_sample_times_are_never_one(
    kith: Any, sent: Any, others: Any, own: bool, random: Any
) -> None:
    marks = []
    for of, (hour, versions) in enumerate((("08", sent), ("11", others))):
        request = {"own": f"L{of}", "asked": ""} if own else {"asked": f"Q{of}"}
        for kind, times, day in versions:
            results = [(BLOOD, time.replace("T08", f"T{hour}").replace("T09", f"T{hour}").replace("T10", f"T{hour}"), "7")
                       for time in times[:1]]  # fmt: skip
            issued = f"2026-03-{10 + day}T12:0{of}:00"
            marks.append(mark(report_of(kith, *results, kind=kind, issued=issued, **request), A, day)._replace(
                message=f"{of}-{len(marks)}"
            ))  # fmt: skip
    random.shuffle(marks)
    reports = lineage.gathered(marks)
    assert all(len({one.message[0] for one in report}) == 1 for report in reports)


WHEN = st.sampled_from(["", EIGHT, NINE, f"{EIGHT} {NINE}", f"{NINE} {EIGHT}", "2026-03-02", f"{TEN} {EIGHT}"])
ARRIVING = st.lists(
    st.tuples(
        st.sampled_from("NNMCHA"), st.sampled_from([A, A, B]), st.integers(0, 3), st.sampled_from(["", "Q1", "Q2"]), WHEN,
        st.sampled_from(["2026-03-02T12:00:00", "2026-03-03T10:00:00", "2026-03-03"]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(ARRIVING, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_what_is_joined_depends_on_what_arrived_and_not_on_its_order(kith: Any, arriving: Any, random: Any) -> None:
    marks = []
    for index, (kind, person, day, asked, times, issued) in enumerate(arriving):
        results = [(BLOOD, time, str(index)) for time in times.split()]
        of = report_of(kith, *results, kind=kind, asked=asked, issued=issued)
        marks.append(mark(of, person, day)._replace(message=f"M-{index}"))
    ends = []
    for _ in range(3):
        random.shuffle(marks)
        known: list[Mark] = []
        for fresh in marks:
            known = lineage.laid([*known, fresh], lineage.plan(b"the-number-of-it", known, fresh))
            owners: dict[bytes, set[int]] = {}
            for one in (piece for whole in known for piece in whole.pieces()):
                owners.setdefault(one.chain, set()).add(one.owner)
            assert all(chain and len(found) == 1 for chain, found in owners.items()), "a chain belongs to one person"
        grouped: dict[bytes, set[Any]] = {}
        for one in (piece for whole in known for piece in whole.pieces()):
            grouped.setdefault(one.chain, set()).add((one.name, one.of, one.owner))
        ends.append({frozenset(found) for found in grouped.values()})
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize("value", ["14", "15"])
def test_of_samplings_that_were_joined_the_one_that_was_anothers_goes_and_the_rest_stays(
    kith: Any, value: str, clock: bool
) -> None:
    one, two = (HB, AGAIN) if clock else ((BLOOD, "2026-03-02", "14"), (BLOOD, "2026-03-03", "16"))
    parts = [mark(report_of(kith, one)), mark(report_of(kith, two, **LATER), A, 1)]
    whole = mark(report_of(kith, one, two, **WHOLE), A, 2)
    taken = mark(report_of(kith, (*one[:2], value), kind="M", issued="2026-03-02T15:00:00"), B, 3)
    assert days(*parts, taken) == [(A, [1]), (B, [0, 3])]
    assert days(*parts, whole, taken) == [(A, [1, 2]), (B, [0, 2, 3])], (
        "the whole one lies with both, each with what is theirs"
    )
    again = mark(report_of(kith, two, issued="2026-03-02T16:00:00"), A, 4)
    assert days(*parts, whole, taken, again) == [(A, [1, 2, 4]), (B, [0, 2, 3])]
    back = mark(report_of(kith, (*one[:2], value), two, kind="M", issued="2026-03-02T17:00:00"), A, 5)
    assert days(*parts, whole, taken, back) == [(A, [0, 1, 2, 3, 5])]
    for day, (person, which) in enumerate(((A, 1), (B, 2)), 4):
        bare = mark(report_of(kith, kind="C", issued="2026-03-02T17:00:00"), person, day)
        told = [[1, 2], [0, 2, 3]]
        told[which - 1].append(day)
        assert days(*parts, whole, taken, bare) == [(A, told[0]), (B, told[1])], "each is cancelled by itself"
    for named, of_hers in (
        ((one, two), [[1, 2, 4], [0, 2, 3, 4]]),
        ((two,), [[1, 2, 4], [0, 2, 3]]),
        ((one,), [[1, 2], [0, 2, 3, 4]]),
    ):
        gone = mark(report_of(kith, *named, kind="C", issued="2026-03-02T17:00:00"), A, 4)
        assert days(*parts, whole, taken, gone) == [(A, of_hers[0]), (B, of_hers[1])]
    every = mark(report_of(kith, one, two, kind="M", issued="2026-03-02T15:00:00"), B, 3)
    assert days(*parts, whole, every) == [(B, [0, 1, 2, 3])]


def test_what_the_whole_report_said_of_a_sampling_stays_with_that(kith: Any) -> None:
    parts = [mark(report_of(kith, HB)), mark(report_of(kith, AGAIN, **LATER), A, 1)]
    whole = mark(report_of(kith, HB, (*AGAIN[:2], "17"), kind="M", **WHOLE), A, 2)
    taken = mark(report_of(kith, HB, kind="M", issued="2026-03-02T15:00:00"), B, 4)
    assert days(*parts, whole, taken) == [(A, [1, 2]), (B, [0, 2, 4])]


def test_of_what_was_stored_before_samplings_were_told_apart_another_value_goes_with_the_whole(kith: Any) -> None:
    """Its former value would stand again with whom it stays with."""
    parts = [mark(report_of(kith, HB)), mark(report_of(kith, AGAIN, **LATER), A, 1)]
    of_before = msgspec.structs.replace(report_of(kith, HB, (*AGAIN[:2], "17"), kind="M", **WHOLE), parts=())
    whole = mark(of_before, A, 2)
    taken = mark(report_of(kith, HB, kind="M", issued="2026-03-02T15:00:00"), B, 4)
    assert days(*parts, whole, taken) == [(B, [0, 1, 2, 4])]
    told = mark(report_of(kith, (*AGAIN[:2], "17"), kind="M", issued="2026-03-02T14:30:00"), A, 3)
    assert days(*parts, whole, told, taken) == [(A, [1, 3]), (B, [0, 2, 4])]


@pytest.mark.parametrize("numbered", ["lasting", "counted", "none"])
def test_a_change_of_the_whole_report_that_corrects_the_time_of_one_of_its_samplings_is_of_both(
    kith: Any, numbered: str
) -> None:
    ids = {"lasting": {(*HB[:2], ""): "a", (*AGAIN[:2], ""): "b", (BLOOD, TEN, ""): "b"}, "none": {}}.get(numbered)
    parts = [mark(report_of(kith, HB, ids=ids)), mark(report_of(kith, AGAIN, ids=ids, **LATER), A, 1)]
    whole = mark(report_of(kith, HB, (BLOOD, TEN, "16"), ids=ids, kind="M", **WHOLE), A, 2)
    assert days(*parts, whole) == [(A, [0, 1, 2])]
    moved = mark(report_of(kith, (BLOOD, TEN, "16"), ids=ids, kind="M", issued="2026-03-02T17:00:00"), B, 3)
    assert days(*parts, whole, moved) == [(A, [0, 2]), (B, [1, 2, 3])], "what it was corrected from goes along"
    another = mark(report_of(kith, HB, (CRP, TEN, "16"), kind="M", **WHOLE), A, 2)
    assert days(*parts, another) == [(A, [0, 2]), (A, [1])]
    as_new = mark(report_of(kith, HB, (BLOOD, TEN, "17"), kind="N", ids={}, **WHOLE), A, 2)
    assert days(*parts, as_new) == [(A, [0, 2]), (A, [1])]


def test_a_change_of_two_samplings_that_were_moved_one_by_one_takes_no_third_for_an_id_that_counts(kith: Any) -> None:
    told = HB, AGAIN, (BLOOD, TEN, "18")
    grown = [mark(report_of(kith, *told[: 1 + day], issued=f"2026-03-0{2 + day}T12:00:00"), A, day) for day in range(3)]
    moved = [told[2:], told[:1], (told[0], told[2])]
    own = [
        mark(report_of(kith, *of, kind="M", issued=f"2026-03-0{5 + day}T12:00:00"), B, 3 + day)
        for day, of in enumerate(moved)
    ]
    assert told_days(*grown, *own) == [(A, [1, 2]), (B, [0, 1, 2, 3, 4, 5])]


def told_days(*marks: Mark) -> list[tuple[int, list[int]]]:
    """As `days`, in the order of their making alone."""
    found = lineage.gathered(marks)
    return sorted((lineage.owner(one), [(of.made_at - marks[0].made_at).days for of in one]) for one in found)
