"""An examination that its laboratory deleted (8245: 14): withdrawn, with the status of the national table."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.services.results import points
from kjerne.services.results.answers import answers

from .test_chain import A, B, digits, state, version


def deleted(kith: Any, n: int, value: str, service: str = "M") -> Any:
    gone = kith.item(A, value, id_="1", service=service, state="14")
    return version(kith, n, gone, service="M" if n > 1 else "N")


def test_a_deleted_examination_has_no_value_but_a_past_and_the_status_of_the_table(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1"))
    [result] = state(kith, first, deleted(kith, 2, kith.number("9"))).results
    assert (result.status, result.value) == ("unknown", None)
    assert [(c.kind, digits(c.value), c.status) for c in result.changes] == [("withdrawn", "9", "final")]
    [again] = state(kith, first, deleted(kith, 2, kith.number("9")), deleted(kith, 3, kith.number("9"))).results
    assert (again.value, again.changes) == (None, result.changes)


def test_an_examination_sent_as_deleted_at_once_never_had_a_value_that_stands(kith: Any) -> None:
    [result] = state(kith, deleted(kith, 1, kith.number("9"), "N")).results
    assert (result.status, result.value, digits(result.changes[0].value)) == ("unknown", None, "9")


def test_a_deleted_examination_that_is_sent_anew_stands_and_was_corrected(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1"))
    last = version(kith, 3, kith.item(A, kith.number("8"), id_="1", service="M"), service="M")
    [result] = state(kith, first, deleted(kith, 2, kith.number("9")), last).results
    assert (digits(result.value), [c.kind for c in result.changes]) == ("8", ["withdrawn"])


def test_a_deleted_examination_that_is_then_left_out_stays_deleted(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1") + kith.item(B, id_="2"))
    last = version(kith, 3, kith.item(B, id_="2", service="H"), service="M")
    results = state(kith, first, deleted(kith, 2, kith.number("9")), last).results
    gone = next(one for one in results if one.item.id == "1")
    assert (gone.status, [c.kind for c in gone.changes]) == ("unknown", ["withdrawn"])


def radiology(kith: Any, *states: str, group: str = "3", service: str = "M", words: str = "Stor svulst i lever") -> str:
    """A group with the text and an examination without one for each state, as in the national layout."""
    inside = "".join(
        kith.item(code, "", id_=code, service=service, state=state) for code, state in zip((A, B), states, strict=False)
    )
    held: str = kith.item("", kith.text(words, "GR"), service=service, state=group, inside=inside)
    return held


def test_a_group_whose_examinations_are_all_deleted_loses_its_text(kith: Any) -> None:
    first = version(kith, 1, radiology(kith, "11", "11", service="N"))
    one = state(kith, first, version(kith, 2, radiology(kith, "14", "11"), service="M")).results
    assert [(r.status, r.value is None) for r in one] == [("amended", False), ("unknown", True), ("amended", True)]
    both = state(kith, first, version(kith, 2, radiology(kith, "14", "14"), service="M")).results
    assert [(r.status, r.gone) for r in both] == [("unknown", True)] * 3
    assert [(c.kind, c.value.text) for c in both[0].changes if c.value] == [("withdrawn", "Stor svulst i lever")]


def test_deleting_and_cancelling_reach_all_that_stands_in_an_examination(kith: Any) -> None:
    finding = kith.item("", kith.text("Svulst", "FU"), id_="F1", service="M", state="")
    first = version(kith, 1, kith.item(A, "", id_="1", state="11", inside=finding.replace("V='M'", "V='N'")))
    for inside in (finding, ""):
        for service, how, status in (("M", "14", "unknown"), ("C", "", "cancelled")):
            gone = version(kith, 2, kith.item(A, "", id_="1", service=service, state=how, inside=inside), service="M")
            results = state(kith, first, gone).results
            assert [(r.status, r.gone, r.changes[0].kind) for r in results] == [(status, True, "withdrawn")] * 2


def test_a_group_whose_examinations_are_gone_in_two_ways_has_the_status_of_the_first_whatever_that_refers_to(
    kith: Any,
) -> None:
    cancelled = kith.item(A, "", id_="1", ref="9", service="C")
    group = kith.item("", kith.text("Tekst.", "GR"), inside=cancelled + kith.item(B, "", id_="2", state="14"))
    referred = kith.item(A, "", id_="8", inside=kith.item(B, id_="9"))
    assert state(kith, version(kith, 1, group + referred)).results[0].status == "cancelled"


def test_a_group_that_is_deleted_takes_its_examinations_with_it_and_they_come_back_with_it(kith: Any) -> None:
    first = version(kith, 1, radiology(kith, "11", service="N"))
    gone = version(kith, 2, radiology(kith, "11", group="14"), service="M")
    assert [r.status for r in state(kith, first, gone).results] == ["unknown", "unknown"]
    back = version(kith, 3, radiology(kith, "11"), service="M")
    assert [(r.status, r.gone) for r in state(kith, first, gone, back).results] == [("amended", False)] * 2


def test_an_examination_that_was_deleted_in_a_group_that_stands_says_so_on_the_page(kith: Any) -> None:
    items = [radiology(kith, "11", "11", service="N"), radiology(kith, "14", "11")]
    raws = [
        kith.message(
            kith.report(held, service="NM"[n], discipline="UL"), id_=f"M-{n}", generated=f"2026-03-0{n + 2}T12:00:00"
        )
        for n, held in enumerate(items)
    ]
    trees = kith.mapped(*raws)
    [answer] = answers([kith.only(trees, "DiagnosticReport")], kith.observations(trees))
    told = [(one.heading, one.value.text, one.mark) for one in answer.findings]
    assert told == [("", "Stor svulst i lever", "corrected"), (f"Analyse {A}", "", "withdrawn")]


def test_what_was_taken_back_has_no_value_of_any_kind_left(kith: Any) -> None:
    flag, facts = (
        "<DevResultInd V='1'/>",
        "<StructuredInfo><Type V='X' DN='t'/><TextInfo><Text>abc</Text></TextInfo></StructuredInfo>",
    )
    for service, how in (("M", "14"), ("C", ""), ("C", "3")):
        for value in (kith.number("9") + kith.number("7"), ""):
            items = kith.item(A, value, id_="1", extra=flag, inside=facts)
            gone = kith.item(A, value, id_="1", extra=flag, inside=facts, service=service, state=how)
            first = kith.message(kith.report(items), id_="M-1", generated="2026-03-02T12:00:00")
            later = kith.message(kith.report(gone, service="M"), id_="M-2", generated="2026-03-03T12:00:00")
            for raws in ((first, later), (later,)):
                [result] = kith.observations(kith.mapped(*raws))
                assert {"interpretation", "component", "valueQuantity"}.isdisjoint(result)
                [change] = points.changes_of(result)
                assert (change.kind, change.circumstances) == ("withdrawn", ("flag",))
                assert "abc" in [part.value.text for part in change.parts]


def test_the_text_of_a_group_that_was_corrected_takes_the_place_of_the_former_one(kith: Any) -> None:
    first = version(kith, 1, radiology(kith, "11", service="N", words="Stor svulst i lever."))
    second = version(kith, 2, radiology(kith, "11", words="Ingen svulst."), service="M")
    group, _ = state(kith, first, second).results
    assert [(c.kind, c.value.text) for c in group.changes if c.value] == [("corrected", "Stor svulst i lever.")]
    gone = version(kith, 2, radiology(kith, "14", words="Undersøkelsen er slettet."), service="M")
    assert [r.gone for r in state(kith, first, gone).results] == [True, True]
    named = version(kith, 1, radiology(kith, "11", service="N", words="Blod"))
    other = kith.item("", kith.text("Urin", "GR"), service="M", inside=kith.item(B, "", id_=B, service="M", state="11"))
    assert len(state(kith, named, version(kith, 2, other, service="M")).results) == 4, "another name is another group"


def test_a_group_that_is_left_out_goes_when_all_that_stood_in_it_is_deleted_elsewhere(kith: Any) -> None:
    first = version(kith, 1, radiology(kith, "11", "11", service="N"))
    bare = [kith.item(code, "", id_=code, service="M", state="14") for code in (A, B)]
    for items in ("".join(bare), kith.item("", "", service="M", state="", inside="".join(bare))):
        text = [r for r in state(kith, first, version(kith, 2, items, service="M")).results if r.item.value]
        assert [(r.gone, r.changes[0].kind) for r in text] == [(True, "withdrawn")]
    [text] = [r for r in state(kith, first, version(kith, 2, bare[0], service="M")).results if r.item.value]
    assert not text.gone, "one of its examinations stands"


def diagnosis(
    kith: Any, service: str, measure: str, words: str = "Malignt melanom.", heading: str = "DI", state: str = "3"
) -> str:
    """A diagnosis (no analysis of its own) and a measure in it, each with its kind of service."""
    inside = kith.item(A, kith.number("2"), id_="2", service=measure, state=state) if measure else ""
    held: str = kith.item("", kith.text(words, heading), id_="1", service=service, inside=inside)
    return held


@pytest.mark.parametrize("heading", ["DI", "FU"])
@pytest.mark.parametrize(
    ("former", "service", "kinds"), [("Malignt melanom.", "H", []), ("Benign nevus.", "M", ["corrected"])]
)
@pytest.mark.parametrize(("how", "state_"), [("C", "3"), ("M", "14")])
def test_what_a_version_itself_says_stands_though_all_that_was_measured_in_it_is_withdrawn(
    kith: Any, heading: str, former: str, service: str, kinds: list[str], how: str, state_: str
) -> None:
    first = version(kith, 1, diagnosis(kith, "N", "N", former, heading))
    second = version(kith, 2, diagnosis(kith, service, how, heading=heading, state=state_), service="M")
    later = version(kith, 3, kith.item(B, id_="9"), service="A", status="A")
    for known in ((first, second), (first, second, later)):
        told, measure, *_ = state(kith, *known).results
        assert (told.value.text if told.value else "", [c.kind for c in told.changes]) == ("Malignt melanom.", kinds)
        assert measure.gone


def test_a_diagnosis_that_a_version_says_nothing_of_goes_with_all_that_stood_in_it(kith: Any) -> None:
    first = version(kith, 1, diagnosis(kith, "N", "N"))
    alone = kith.item(A, kith.number("2"), id_="2", service="C")
    results = state(kith, first, version(kith, 2, alone, service="M")).results
    assert [r.gone for r in results] == [True, True]
    deleted = version(kith, 2, diagnosis(kith, "C", ""), service="M")
    assert [r.gone for r in state(kith, first, deleted).results] == [True, True]


def test_the_text_of_a_group_stands_where_its_examination_was_only_called_wrong(kith: Any) -> None:
    def group(service: str, exam: str, words: str) -> str:
        inside = kith.item(A, "", id_="2", service=exam, state="11")
        held: str = kith.item("", kith.text(words, "GR"), id_="1", service=service, state="11", inside=inside)
        return held

    first = version(kith, 1, group("N", "N", "Lungeemboli i høyre lapp."))
    right = group("M", "C", "Lungeemboli i begge lapper.") + kith.item(B, "", id_="3", state="11")
    text, exam, other = state(kith, first, version(kith, 2, right, service="M")).results
    assert (text.value.text if text.value else "", exam.gone, other.gone) == (
        "Lungeemboli i begge lapper.",
        True,
        False,
    )
    named = version(kith, 2, group("H", "C", "Blodprøver"), service="M")
    results = state(kith, version(kith, 1, group("N", "N", "Blodprøver")), named).results
    assert [r.gone for r in results] == [True, True], "a group that has its name alone"
