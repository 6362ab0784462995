"""The versions of a report, in any order of arrival."""

from __future__ import annotations

import sys
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith import chain, lineage, traces
from kjerne.services.results.kith.model import Value

from .conftest import Kith

A, B, C = "NPU03429", "NPU03230", "NPU01370"


def version(kith: Any, minute: int, items: str, **report_: Any) -> chain.Versioned:
    raw = kith.message(kith.report(items, **report_), id_=f"M-{minute}", generated=f"2026-03-02T12:{minute:02}:00")
    return chain.versions(kith.understood(raw))[0]


def state(kith: Any, *versions: chain.Versioned) -> chain.State:
    folded = chain.fold(versions)
    for order in permutations(versions):
        assert chain.fold(order) == folded, "the order of arrival must not matter"
    assert chain.fold((*versions, *versions)) == folded, "folding twice must change nothing"
    return folded


def digits(value: Value | None) -> str:
    """The number as sent; empty where there is none."""
    return str(value.amount.number) if value is not None and value.amount is not None else ""


def told(folded: chain.State) -> dict[str, tuple[str, str]]:
    """By code: status and number, the number empty where there is none."""
    return {result.item.investigations[0].code: (result.status, digits(result.value)) for result in folded.results}


def test_a_final_report_takes_the_place_of_the_preliminary_one(kith: Any) -> None:
    folded = state(
        kith,
        version(
            kith,
            1,
            kith.item(A, kith.number("140"), id_="1", state="2") + kith.item(B, "", id_="2", state="15"),
            status="P",
        ),
        version(kith, 2, kith.item(A, kith.number("141"), id_="1") + kith.item(B, kith.number("4.1"), id_="2")),
    )
    assert (folded.status, folded.versions) == ("final", 2)
    assert told(folded) == {A: ("final", "141"), B: ("final", "4.1")}
    assert [change.kind for change in folded.results[0].changes] == ["replaced"]
    assert folded.results[1].changes == ()


def test_partial_answers_grow_into_one_report(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1"), status="P"),
        version(kith, 2, kith.item(A, id_="1") + kith.item(B, id_="2"), status="P", service="M"),
        version(
            kith, 3, kith.item(A, id_="1") + kith.item(B, id_="2") + kith.item(C, id_="3"), status="F", service="M"
        ),
    )
    assert told(folded) == {A: ("final", "140"), B: ("final", "140"), C: ("final", "140")}
    assert (folded.status, folded.completes) == ("amended", True)


def test_what_was_only_waited_for_is_completed_by_a_change_and_not_corrected(kith: Any) -> None:
    """A laboratory sends the whole of a preliminary answer as a change: M on the report, or on each result too."""
    waited = version(kith, 1, kith.item(A, kith.number("5"), id_="1", state="2"), status="P")
    whole = kith.item(A, kith.number("6"), id_="1", service="M") + kith.item(B, id_="2", service="M")
    folded = state(kith, waited, version(kith, 2, whole, service="M"))
    assert folded.completes
    assert [(one.status, one.waited) for one in folded.results] == [("amended", True)] * 2
    again = state(kith, waited, version(kith, 2, whole, service="M"), version(kith, 3, whole, service="M"))
    assert not again.completes
    assert not any(one.waited for one in again.results)


def test_a_finished_result_of_a_preliminary_report_is_corrected_and_so_is_the_report(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("5"), id_="1"), status="P")
    for changed in (kith.item(A, kith.number("7"), id_="1", service="M"), kith.item(A, id_="1", service="C")):
        folded = state(kith, first, version(kith, 2, changed, service="M"))
        assert not folded.completes
        assert not any(one.waited for one in folded.results)


def test_what_a_change_brings_under_another_number_and_code_completes_nothing(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("5"), id_="1"))
    folded = state(kith, first, version(kith, 2, kith.item(B, kith.number("5"), id_="9", service="M"), service="M"))
    assert [one.waited for one in folded.results if one.status == "amended"] == [False]


def test_a_preliminary_value_sent_as_a_change_is_replaced_and_not_corrected(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("5"), id_="1", state="2"), status="P"),
        version(kith, 2, kith.item(A, kith.number("6"), id_="1", state="2", service="M"), status="P", service="M"),
        version(kith, 3, kith.item(A, kith.number("7"), id_="1", service="M"), service="M"),
    )
    (result,) = folded.results
    assert ([change.kind for change in result.changes], result.waited) == (["replaced", "replaced"], True)


def test_of_a_report_whose_beginning_is_not_known_nothing_is_said_to_be_completed(kith: Any) -> None:
    whole = kith.item(A, kith.number("6"), id_="1", service="M")
    headless = state(kith, version(kith, 2, whole, service="M"))
    named_another = chain.absent(version(kith, 1, whole, status="P"))
    for folded in (headless, state(kith, named_another, version(kith, 2, whole, service="M"))):
        assert not any(one.waited for one in folded.results)
    assert not headless.completes


def test_a_corrected_result_keeps_its_old_value(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("15.0"), id_="1") + kith.item(B, id_="2")),
        version(
            kith,
            2,
            kith.item(A, kith.number("12.0"), id_="1", service="M") + kith.item(B, id_="2", service="H"),
            service="M",
        ),
    )
    changed, same = folded.results
    [change] = changed.changes
    assert (changed.status, digits(changed.value)) == ("amended", "12.0")
    assert (change.kind, digits(change.value), change.status) == ("corrected", "15.0", "final")
    assert (change.issued, change.at) == ("2026-03-02T12:01:00+01:00", "2026-03-02T12:02:00+01:00")
    assert (same.history, same.status, same.issued, same.changes) == (True, "final", "2026-03-02T12:01:00+01:00", ())


@pytest.mark.parametrize(("service", "kind"), [("M", "corrected"), ("C", "withdrawn")])
def test_a_corrected_analysis_keeps_what_it_was_called(kith: Any, service: str, kind: str) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("88"), id_="w1")),
        version(kith, 2, kith.item(B, kith.number("88"), id_="w1", service=service), service="M"),
    )
    [result] = folded.results
    [change] = result.changes
    assert (change.kind, digits(change.value)) == (kind, "88")
    assert ([c.code for c in change.investigations], result.item.investigations[0].code) == ([A], B)


def test_the_same_analysis_corrected_says_nothing_of_another(kith: Any) -> None:
    local = f"<Investigation><Id V='{A}' S='{kith.OID}7280' DN='Na'/><Id V='L1' S='{kith.OID}8212' DN='Na (lokal)'/>"
    [result] = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("88"), id_="w1")),
        version(
            kith,
            2,
            kith.item("", kith.number("89"), id_="w1", service="M", extra=local + "</Investigation>"),
            service="M",
        ),
    ).results
    assert [(change.kind, change.investigations) for change in result.changes] == [("corrected", ())]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("11", ""), ("11.0", "")),
        (("5", "10^9/L"), ("5", "10*9/L")),
        (("5", "mmol/l"), ("5.0", "mmol/L")),
        (("5", "poeng"), ("5", " poeng")),
    ],
)
def test_another_spelling_is_no_correction_and_the_digits_are_kept(
    kith: Any, before: tuple[str, str], after: tuple[str, str]
) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number(*before), id_="1")),
        version(kith, 2, kith.item(A, kith.number(*after), id_="1", service="M"), service="M"),
    )
    [result] = folded.results
    assert (result.changes, digits(result.value), result.status) == ((), after[0], "amended")


@pytest.mark.parametrize(
    ("before", "after"),
    [(("11", ""), ("11.1", "")), (("5", "mmol/L"), ("5", "umol/L")), (("5", "poeng"), ("5", ""))],
)
def test_another_number_or_unit_is_a_correction(kith: Any, before: tuple[str, str], after: tuple[str, str]) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number(*before), id_="1")),
        version(kith, 2, kith.item(A, kith.number(*after), id_="1", service="M"), service="M"),
    )
    assert [(change.kind, digits(change.value)) for change in folded.results[0].changes] == [("corrected", before[0])]


@pytest.mark.parametrize("added", [True, False])
def test_a_finding_beside_the_same_text_that_comes_or_goes_is_a_correction(kith: Any, added: bool) -> None:
    code = f"<TextCode V='S1' S='{kith.OID}8340' DN='Salmonella påvist'/>"
    first, then = kith.text("Dyrkning avsluttet"), kith.text("Dyrkning avsluttet", codes=code)
    if not added:
        first, then = then, first
    folded = state(
        kith,
        version(kith, 1, kith.item(A, first, id_="1")),
        version(kith, 2, kith.item(A, then, id_="1", service="M"), service="M"),
    )
    assert [change.kind for change in folded.results[0].changes] == ["corrected"]


def test_a_withdrawn_result_has_no_value_but_a_past(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("11"), id_="1")),
        version(kith, 2, kith.item(A, "", id_="1", service="C"), service="M"),
    )
    [result] = folded.results
    assert (result.status, result.value) == ("cancelled", None)
    assert [(c.kind, digits(c.value)) for c in result.changes] == [("withdrawn", "11")]


def test_a_mistyped_id_does_not_leave_a_withdrawn_result_standing(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("21"), id_="555") + kith.item(B, id_="556")),
        version(kith, 2, kith.item(A, "", id_="5555", service="C") + kith.item(B, id_="556", service="H"), service="M"),
    )
    assert told(folded) == {A: ("cancelled", ""), B: ("final", "140")}


def test_a_cancelled_report_cancels_every_result_and_keeps_the_values(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1") + kith.item(B, id_="2")),
        version(kith, 2, "", service="C", subjects=""),
    )
    assert folded.status == "cancelled"
    assert told(folded) == {A: ("cancelled", ""), B: ("cancelled", "")}
    assert all(result.changes[0].kind == "withdrawn" for result in folded.results)
    assert len(folded.subjects) == 1


def test_a_report_sent_again_after_its_cancellation_holds_again(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.number("1"), id_="1")),
        version(kith, 2, "", service="C"),
        version(kith, 3, kith.item(A, kith.number("2"), id_="1")),
    )
    assert told(folded) == {A: ("final", "2")}
    assert [change.kind for change in folded.results[0].changes] == ["withdrawn"]


LATER = {"subjects": Kith.SAMPLE.replace("2026-03-02T08:15:00", "2026-03-03T09:00:00")}


@pytest.mark.parametrize("id_", ["1", ""])
def test_a_new_result_of_another_sample_time_is_no_version_of_the_old_one(kith: Any, id_: str) -> None:
    first = version(kith, 1, kith.item(A, kith.number("31"), id_=id_))
    folded = state(kith, first, version(kith, 2, kith.item(A, kith.number("12"), id_=id_), **LATER))
    assert sorted(digits(result.value) for result in folded.results) == ["12", "31"]
    assert all(result.changes == () for result in folded.results)
    changed = version(kith, 2, kith.item(A, kith.number("12"), id_=id_, service="M"), service="M", **LATER)
    assert [digits(result.value) for result in state(kith, first, changed).results] == ["12"]


def test_a_change_that_holds_two_samples_finds_the_one_that_is_known(kith: Any) -> None:
    other = Kith.SAMPLE.replace("2026-03-02T08:15:00", "2026-03-03T09:00:00").replace("P1", "P2")
    of = {number: f"<RefAnalysedSubject>{number}</RefAnalysedSubject>" for number in ("P1", "P2")}

    def result(value: str, sample: str) -> str:
        return str(kith.item(A, kith.number(value))).replace("</ResultItem>", of[sample] + "</ResultItem>")

    folded = state(
        kith,
        version(kith, 1, result("5.0", "P1"), subjects=Kith.SAMPLE),
        version(kith, 2, result("7.0", "P2") + result("5.0", "P1"), subjects=Kith.SAMPLE + other, service="M"),
    )
    assert [(digits(r.value), r.changes) for r in folded.results] == [("7.0", ()), ("5.0", ())]


def test_what_named_another_patient_is_history_and_no_content(kith: Any) -> None:
    first = version(
        kith, 1, kith.item(A, kith.number("15"), id_="1") + kith.item(B, id_="2"), issued="2026-03-01T10:00:00"
    )
    changed = version(kith, 2, kith.item(A, kith.number("12"), id_="1", service="M"), service="M")
    folded = state(kith, chain.absent(first), changed)
    assert (told(folded), folded.results[0].changes, folded.notes) == ({A: ("amended", "12")}, (), ())
    assert (folded.first_issued, folded.versions) == ("2026-03-01T10:00:00+01:00", 2)
    assert chain.unpack(chain.pack(chain.absent(first))).report.patient.number == ""


def test_an_addition_adds_and_takes_nothing_away(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1")),
        version(kith, 2, kith.item(B, id_="2", service="A"), service="A", status="A"),
    )
    assert told(folded) == {A: ("final", "140"), B: ("final", "140")}
    assert folded.results[0].changes == ()


def test_a_final_result_that_a_change_leaves_out_stays_and_is_marked(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1") + kith.item(B, id_="2")),
        version(kith, 2, kith.item(A, id_="1", service="H"), service="M"),
    )
    assert told(folded) == {A: ("final", "140"), B: ("final", "140")}
    assert [change.kind for change in folded.results[1].changes] == ["not-repeated"]


def test_a_result_that_is_repeated_again_is_no_longer_left_out(kith: Any) -> None:
    def both(minute: int, number: str = "140") -> chain.Versioned:
        other = kith.item(B, kith.number(number), id_="2", service="M")
        return version(kith, minute, kith.item(A, id_="1", service="H") + other, service="M")

    def one(minute: int) -> chain.Versioned:
        return version(kith, minute, kith.item(A, id_="1", service="H"), service="M")

    first = version(kith, 1, kith.item(A, id_="1") + kith.item(B, id_="2"))
    again = state(kith, first, one(2), both(3))
    assert again.results[1].changes == ()
    corrected = state(kith, first, one(2), both(3, "141"))
    assert [(c.kind, digits(c.value)) for c in corrected.results[1].changes] == [("corrected", "140")]
    twice = state(kith, first, one(2), both(3), one(4))
    assert [(c.kind, c.at[14:16]) for c in twice.results[1].changes] == [("not-repeated", "04")]


def test_what_an_unfinished_result_said_before_it_was_left_out_stays_where_it_says_another_now(kith: Any) -> None:
    def last(number: str) -> chain.State:
        unfinished = kith.item(A, id_="1") + kith.item(B, id_="2", state="2")
        return state(
            kith,
            version(kith, 1, unfinished, status="P"),
            version(kith, 2, kith.item(A, id_="1")),
            version(kith, 3, kith.item(A, id_="1") + kith.item(B, kith.number(number), id_="2")),
        )

    assert [(c.kind, digits(c.value)) for c in last("141").results[1].changes] == [("replaced", "140")]
    assert (last("140").results[1].changes, told(last("140"))[B]) == ((), ("final", "140"))


def test_an_unfinished_result_that_the_final_report_leaves_out_waits_no_longer(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1") + kith.item(B, "", id_="2", state="15"), status="P"),
        version(kith, 2, kith.item(A, id_="1"), status="F"),
    )
    assert told(folded)[B] == ("cancelled", "")


def test_a_result_without_id_finds_itself_by_place_and_national_code(kith: Any) -> None:
    first, second = (
        kith.item(A, "", id_="", state="15").replace(
            "</Investigation>", f"<Id V='{local}' S='{kith.OID}8212'/></Investigation>"
        )
        for local in ("MP-D", "MP-A")
    )
    folded = state(
        kith,
        version(kith, 1, first, status="P"),
        version(
            kith, 2, second.replace("<ServType", kith.number("2") + "<ServType").replace("V='15'", "V='3'"), service="M"
        ),
    )
    assert told(folded) == {A: ("final", "2")}


def test_the_same_short_id_for_another_organism_is_another_result(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item("COLI", kith.text("E. coli"), id_="1")),
        version(
            kith,
            2,
            kith.item("STAU", kith.text("S. aureus"), id_="1") + kith.item("COLI", kith.text("E. coli"), id_="2"),
            service="M",
        ),
    )
    assert {r.item.investigations[0].code: r.value.text for r in folded.results if r.value} == {
        "STAU": "S. aureus",
        "COLI": "E. coli",
    }
    assert [r.changes for r in folded.results] == [(), ()]


def test_equal_ids_in_one_message_stay_two_results(kith: Any) -> None:
    folded = state(
        kith, version(kith, 1, kith.item(A, id_="1") + kith.item(B, id_="1") + kith.item(B, kith.number("9"), id_="1"))
    )
    assert len({result.key for result in folded.results}) == 3


def test_results_that_refer_to_each_other_in_a_circle_are_taken_in(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1", ref="2") + kith.item(B, id_="2", ref="1")),
        version(kith, 2, kith.item(A, id_="1", ref="2") + kith.item(B, id_="2", ref="1"), service="M"),
    )
    assert [(r.key, r.target) for r in folded.results] == [("id:1", "id:2"), ("id:2", "id:1")]


def test_a_result_that_says_nothing_of_itself_in_a_preliminary_report_is_preliminary(kith: Any) -> None:
    folded = state(kith, version(kith, 1, kith.item(A, service="", state=""), status="P"))
    assert told(folded)[A][0] == "preliminary"


def test_an_inner_result_shares_the_state_of_the_one_around_it(kith: Any) -> None:
    outer = kith.item(A, "", state="2", inside=kith.item(B, kith.text("Funn", "FU"), service="", state=""))
    folded = state(kith, version(kith, 1, outer))
    assert [result.status for result in folded.results] == ["preliminary", "preliminary"]


def test_a_change_whose_first_version_is_unknown_says_so(kith: Any) -> None:
    folded = state(kith, version(kith, 2, kith.item(A, service="M"), service="M"))
    assert "The first version of this report has not been received." in folded.notes


def test_the_report_date_is_the_first_versions(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, id_="1"), issued="2026-03-01T10:00:00"),
        version(kith, 2, kith.item(A, id_="1"), issued="2026-03-02T10:00:00", service="M"),
    )
    assert folded.first_issued == "2026-03-01T10:00:00+01:00"
    assert folded.issued == "2026-03-02T12:02:00+01:00"


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"id_": "R-2"}, False), ({"discipline": "MBIO"}, False), ({"status": "P", "service": "M"}, True)],
)
def test_versions_of_a_report_share_laboratory_discipline_and_number(
    kith: Any, change: dict[str, str], same: bool
) -> None:
    messages = [kith.understood(kith.message(kith.report(kith.item(), **options))) for options in ({}, change)]
    keys = [chain.report_key(message, message.reports[0]) for message in messages]
    assert (keys[0] == keys[1]) is same
    assert (chain.report_digest(keys[0]) == chain.report_digest(keys[1])) is same


def test_another_patient_number_is_still_the_same_report(kith: Any) -> None:
    one = kith.understood(kith.message(kith.report(kith.item())))
    other = kith.understood(
        kith.message(kith.report(patient=kith.person(kith.item(), number="54321", kind="HNR"), service="M"))
    )
    assert chain.report_key(one, one.reports[0]) == chain.report_key(other, other.reports[0])


def test_a_version_is_the_same_after_packing(kith: Any) -> None:
    known = version(kith, 1, kith.item(A, kith.number("1.10", comparator="LT"), inside=kith.item(B, kith.text("ja"))))
    assert chain.unpack(chain.pack(known)) == known
    assert digits(chain.unpack(chain.pack(known)).report.items[0].value) == "1.10"


CODES = st.sampled_from([A, B, C, "COLI"])
ITEMS = st.lists(
    st.tuples(
        CODES, st.sampled_from(["", "1", "2", "3"]), st.sampled_from(["", "N", "M", "C", "H", "A"]),
        st.sampled_from(["", "2", "3", "15"]), st.sampled_from(["1", "1.0", "2"]), st.sampled_from(["", "1", "2"]), st.booleans(),
    ),
    max_size=5,
)  # fmt: skip
VERSIONS = st.lists(
    st.tuples(st.sampled_from("NMCHA"), st.sampled_from("SPFA"), st.integers(0, 3), ITEMS), min_size=1, max_size=4
)


@given(VERSIONS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_chain_folds_to_one_state_in_any_order(kith: Any, drawn: Any, random: Any) -> None:
    versions = []
    for index, (service, status, minute, items) in enumerate(drawn):
        body = ""
        for code, id_, own, state_, value, ref, nested in items:
            made = kith.item(code, kith.number(value), id_=id_, service=own, state=state_, ref=ref)
            body = body.removesuffix("</ResultItem>") + made + "</ResultItem>" if nested and body else body + made
        raw = kith.message(
            kith.report(body, service=service, status=status), id_=f"M-{index}", generated=f"2026-03-02T12:0{minute}:00"
        )
        versions += chain.versions(kith.understood(raw))
    folded = chain.fold(versions)
    shuffled = list(versions)
    random.shuffle(shuffled)
    assert chain.fold(shuffled) == folded
    assert chain.fold(versions + shuffled) == folded
    assert len({result.key for result in folded.results}) == len(folded.results)
    assert len(folded.results) >= max(len(v.report.items) for v in versions)
    assert len(folded.results) <= sum(len(v.report.items) for v in versions)


def test_an_addition_may_refer_to_a_result_of_the_report_it_is_added_to(kith: Any) -> None:
    folded = state(
        kith,
        version(kith, 1, kith.item(A, kith.text("E. coli"), id_="1")),
        version(kith, 2, kith.item(B, kith.text("0,5"), ref="1", service="A"), service="A"),
    )
    organism, drug = folded.results
    assert drug.target == organism.key


def test_reports_of_one_message_that_share_their_number_are_reports_of_their_own(kith: Any) -> None:
    raw = kith.message(
        kith.report(kith.item(A)) + kith.report(kith.item(B)) + kith.report(kith.item(C), id_="R-2"), version="1.3"
    )
    message = kith.understood(raw)
    versions = chain.versions(message)
    assert [one.generated for one in versions] == [message.generated] * 3
    assert [one.generated_at == message.generated_at for one in versions] == [True, False, True]
    marks = [lineage.Mark(one.generated_at, one.message, 1, traces.trace(one.report)) for one in versions[:2]]
    assert lineage.gathered(marks) == [marks[:1], marks[1:]]
    assert len(chain.ordered([*chain.versions(message), *chain.versions(message)])) == 3


def test_results_stand_in_the_order_of_the_report_whatever_refers_to_what(kith: Any) -> None:
    folded = state(kith, version(kith, 1, kith.item(A, ref="2", id_="1") + kith.item(B, id_="2") + kith.item(C)))
    assert list(told(folded)) == [A, B, C]


def test_many_results_alike_are_told_apart_quickly(kith: Any) -> None:
    one = version(kith, 1, kith.item(A) * 3_000)
    two = version(kith, 2, kith.item(A, kith.number("141"), service="M") * 3_000, service="M")
    folded = chain.fold([one, two])
    assert len({result.key for result in folded.results}) == 3_000
    assert {digits(result.value) for result in folded.results} == {"141"}


def steps(work: Any, *given: Any) -> int:
    """How many lines of this program run, whatever the machine does beside it."""
    count = 0

    def trace(_frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        work(*given)
    finally:
        sys.settrace(None)
    return count


SHAPES = {
    "results with ids": lambda kith, n: "".join(kith.item(A, id_=str(i)) for i in range(n)),
    "one result again and again": lambda kith, n: kith.item(A) * n,
    "one id for all": lambda kith, n: "".join(kith.item(f"X{i}", id_="1", ref="1") for i in range(n)),
    "a row of references": lambda kith, n: "".join(kith.item(f"X{i}", id_=str(i), ref=str(i + 1)) for i in range(n)),
    "a group": lambda kith, n: kith.item(A, inside=kith.item(B) * n),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("samples", [1, 10])
def test_reading_and_folding_take_work_in_step_with_the_size_of_a_report(kith: Any, shape: str, samples: int) -> None:
    def cost(n: int) -> int:
        subjects = "".join(
            Kith.SAMPLE.replace("08:15", f"{i // 60 % 24:02}:{i % 60:02}") for i in range(n * samples // 10)
        )
        items = SHAPES[shape](kith, n)
        raws = [
            kith.message(kith.report(items, service=service, subjects=subjects), id_=service, generated=generated)
            for service, generated in (("N", "2026-03-02T12:00:00"), ("M", "2026-03-03T12:00:00"))
        ]
        versions: list[chain.Versioned] = []

        def work() -> None:
            for raw in raws:
                versions.extend(chain.versions(kith.understood(raw)))
            chain.fold(versions)
            for one in versions:
                traces.trace(one.report)

        return steps(work)

    cost(8)  # what is read once is read
    assert cost(200) < 2.4 * cost(100)
