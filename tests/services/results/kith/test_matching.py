"""Which result of a newer version is which of the older ones, where ids count within one message or are not there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from kjerne.services.results.kith import chain
from kjerne.services.results.kith.model import Value

from .conftest import Kith

SUGAR, BLOOD, CRP = "NPU02192", "NPU02319", "NPU19748"


def version(minute: int, *items: str, **report_: Any) -> chain.Versioned:
    raw = Kith.message(
        Kith.report("".join(items), **report_), id_=f"M-{minute}", generated=f"2026-03-02T12:{minute:02}:00"
    )
    return chain.versions(Kith.understood(raw))[0]


def number(code: str, amount: str, service: str = "N", id_: str = "", unit: str = "mmol/L", **more: Any) -> str:
    return Kith.item(code, Kith.number(amount, unit) if amount else "", service=service, id_=id_, **more)


def says(value: Value | None) -> str:
    return "" if value is None else str(value.amount.number) if value.amount else value.text or value.codes[0].code


def told(*versions: chain.Versioned) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Value, status and changes of each result, by value."""
    folded = chain.fold(versions)
    for order in permutations(versions):
        assert chain.fold((*order, *versions)) == folded, "neither order nor repetition may matter"
    return sorted((says(r.value), r.status, [(c.kind, says(c.value)) for c in r.changes]) for r in folded.results)


@pytest.mark.parametrize("ids", [("", "", ""), ("1", "2", "3"), ("1", "2", "1"), ("1", "2", "2")])
@pytest.mark.parametrize("taken", ["5.0", "9.0"])
def test_of_two_results_of_one_analysis_the_one_whose_value_is_named_is_withdrawn(
    ids: tuple[str, str, str], taken: str
) -> None:
    first = version(1, number(SUGAR, "5.0", id_=ids[0]), number(SUGAR, "9.0", id_=ids[1]))
    left = "9.0" if taken == "5.0" else "5.0"
    assert told(first, version(2, number(SUGAR, taken, "C", id_=ids[2]), service="M")) == [
        ("", "cancelled", [("withdrawn", taken)]),
        (left, "final", [("not-repeated", left)]),
    ]


def test_of_two_texts_of_one_examination_the_one_that_is_named_is_withdrawn() -> None:
    def knee(words: str, service: str = "N") -> str:
        return Kith.item("SXR1", Kith.text(words, "RB"), service=service, state="11")

    first = version(1, knee("Høyre: normalt."), knee("Venstre: brudd."), discipline="RTG")
    back = version(2, knee("Venstre: brudd.", "C"), service="M", discipline="RTG")
    assert told(first, back) == [
        ("", "cancelled", [("withdrawn", "Venstre: brudd.")]),
        ("Høyre: normalt.", "final", [("not-repeated", "Høyre: normalt.")]),
    ]


def test_a_withdrawal_takes_no_other_analysis_that_has_its_number() -> None:
    first = version(1, number(BLOOD, "14", id_="1"))
    assert told(first, version(2, number(CRP, "", "C", id_="1"), service="M")) == [
        ("", "cancelled", []),
        ("14", "final", [("not-repeated", "14")]),
    ]
    assert told(first, version(2, Kith.item("", "", service="C", id_="1"), service="M")) == [
        ("", "cancelled", [("withdrawn", "14")])
    ]


def test_what_is_repeated_unchanged_under_another_number_is_no_correction() -> None:
    first = version(1, number(SUGAR, "5.0", id_="1"), number(SUGAR, "9.0", id_="2"))
    anew = version(2, number(SUGAR, "9.9", "M", id_="1"), number(SUGAR, "5.0", "H", id_="2"), service="M")
    assert told(first, anew) == [("5.0", "final", []), ("9.9", "amended", [("corrected", "9.0")])]
    other = version(2, number(CRP, "7", "H", id_="1"), service="M")
    assert told(version(1, number(BLOOD, "14", id_="1")), other) == [
        ("14", "final", [("not-repeated", "14")]),
        ("7", "final", []),
    ]


@pytest.mark.parametrize("ids", [("1", "2", "4", "5"), ("", "", "", "")])
def test_organisms_and_their_antibiotics_that_are_numbered_anew_are_no_corrections(ids: tuple[str, ...]) -> None:
    def grown(name: str, letter: str, service: str, own: str, of: str) -> str:
        level = Kith.text("", "RSB", codes=f"<TextCode V='{letter}' S='{Kith.OID}8271' DN='{letter}'/>")
        tested = Kith.item("NOR10001", level, service=service, id_=of)
        return Kith.item("", Kith.text(name, "FU"), service=service, id_=own, inside=tested)

    coli, kleb = ("E. coli", "S"), ("Klebsiella pneumoniae", "R")
    first = version(1, grown(*coli, "N", ids[0], ids[1]), grown(*kleb, "N", ids[2], ids[3]))
    anew = version(2, grown(*kleb, "H", ids[0], ids[1]), grown(*coli, "H", ids[2], ids[3]), service="M")
    assert all((status, changes) == ("final", []) for _, status, changes in told(first, anew))
    assert len(told(first, anew)) == 4


def test_two_analyses_that_are_changed_and_numbered_anew_keep_apart() -> None:
    first = version(1, number(BLOOD, "14", id_="1"), number(CRP, "5", id_="2"))
    anew = version(2, number(CRP, "7", "M", id_="1"), number(BLOOD, "15", "M", id_="2"), service="M")
    assert told(first, anew) == [("15", "amended", [("corrected", "14")]), ("7", "amended", [("corrected", "5")])]


def test_a_change_under_its_own_number_stays_a_change_though_its_neighbour_had_that_value() -> None:
    first = version(1, number(SUGAR, "5.0", id_="1001"), number(SUGAR, "9.0", id_="1002"))
    swapped = version(2, number(SUGAR, "9.0", "M", id_="1001"), number(SUGAR, "5.0", "M", id_="1002"), service="M")
    assert told(first, swapped) == [
        ("5.0", "amended", [("corrected", "9.0")]),
        ("9.0", "amended", [("corrected", "5.0")]),
    ]


def test_a_number_that_a_change_sends_as_new_takes_the_place_of_the_only_one_it_leaves_out() -> None:
    first = version(1, number(BLOOD, "14", id_="1001"))
    assert told(first, version(2, number(BLOOD, "9", id_="1002"), service="M")) == [
        ("9", "final", [("corrected", "14")])
    ]


@pytest.mark.parametrize(
    ("first", "then", "service", "stand"),
    [
        ((number(BLOOD, "14", id_="1"),), (number(BLOOD, "9", id_="2"),), "N", 2),
        ((number(BLOOD, "14", id_="1"),), (number(BLOOD, "14", "H", id_="1"), number(BLOOD, "9", id_="2")), "M", 2),
        ((number(BLOOD, "14", id_="1"), number(BLOOD, "13", id_="2")), (number(BLOOD, "9", id_="3"),), "M", 3),
        ((number(BLOOD, "14", id_="1"),), (number(BLOOD, "9", id_="2"), number(BLOOD, "8", id_="3")), "M", 3),
        ((Kith.item(BLOOD, Kith.text("Høy"), id_="1"),), (Kith.item(BLOOD, Kith.text("Lav"), id_="2"),), "M", 2),
    ],
    ids=["a new version", "repeated beside it", "two left out", "two new", "texts"],
)
def test_in_doubt_all_of_them_stand(first: tuple[str, ...], then: tuple[str, ...], service: str, stand: int) -> None:
    found = told(version(1, *first), version(2, *then, service=service))
    assert len([value for value, status, _ in found if value and status == "final"]) == stand
    assert not any(kind == "corrected" for _, _, changes in found for kind, _ in changes)


KNOWN = (("5.0", SUGAR), ("9.0", SUGAR), ("14", BLOOD))


def numbered(of: Sequence[tuple[str, str]], service: str = "N") -> list[str]:
    """Results with ids that count within the message."""
    return [number(code, amount, service, str(n)) for n, (amount, code) in enumerate(of, 1)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("more", [(), (("4.0", SUGAR),)])
def test_a_report_that_is_sent_again_as_new_with_ids_counted_anew_corrects_and_doubles_nothing(
    order: tuple[int, ...], more: tuple[tuple[str, str], ...]
) -> None:
    again = [*more, *(KNOWN[n] for n in order)]
    for first in (KNOWN, KNOWN[:2]):
        whole = [one for one in again if one in first or one in more]
        found = told(version(1, *numbered(first)), version(2, *numbered(whole)))
        assert found == sorted((amount, "final", []) for amount, _ in (*first, *more))


def test_a_value_that_is_corrected_where_ids_count_takes_the_place_of_its_own() -> None:
    corrected = numbered([("9.0", SUGAR), ("14", BLOOD), ("7.0", SUGAR)])
    assert told(version(1, *numbered(KNOWN)), version(2, *corrected)) == [
        ("14", "final", []),
        ("7.0", "final", [("corrected", "5.0")]),
        ("9.0", "final", []),
    ]


def test_two_values_that_are_corrected_as_new_under_their_own_ids_leave_none_of_the_former_ones() -> None:
    first = version(1, number(SUGAR, "5.0", id_="1001"), number(SUGAR, "9.0", id_="1002"))
    then = version(2, number(SUGAR, "9.0", id_="1001"), number(SUGAR, "7.0", id_="1002"))
    assert told(first, then) == [("7.0", "final", [("corrected", "9.0")]), ("9.0", "final", [("corrected", "5.0")])]


def test_a_final_answer_that_lists_a_new_organism_first_corrects_none_of_the_preliminary_ones() -> None:
    def growth(*found: tuple[str, str]) -> list[str]:
        made = []
        for n, (name, letter) in enumerate(found):
            level = Kith.text("", "RSB", codes=f"<TextCode V='{letter}' S='{Kith.OID}8271' DN='{letter}'/>")
            made.append(Kith.item("", Kith.text(name, "FU"), id_=str(2 * n + 1)))
            made.append(Kith.item("NOR10001", level, id_=str(2 * n + 2), ref=str(2 * n + 1)))
        return made

    coli, kleb, pseudo = ("E. coli", "S"), ("Klebsiella", "R"), ("Pseudomonas", "R")
    found = told(version(1, *growth(coli, kleb), status="P"), version(2, *growth(kleb, pseudo, coli)))
    assert found == sorted((one, "final", []) for name, letter in (coli, kleb, pseudo) for one in (name, letter))


@pytest.mark.parametrize("service", ["M", "N", ""])
@pytest.mark.parametrize("report", ["M", "N"])
@pytest.mark.parametrize("ids", [("", "", ""), ("1", "2", "1")])
@pytest.mark.parametrize("again", [(), ("C",)])
def test_what_was_sent_as_new_after_a_withdrawal_is_what_the_next_version_corrects(
    ids: tuple[str, str, str], report: str, service: str, again: tuple[str, ...]
) -> None:
    """Whether the withdrawal is said again, with its value or without one, or not at all."""
    first = version(1, number(SUGAR, "5.0", id_=ids[0]))
    second = version(2, number(SUGAR, "5.0", "C", id_=ids[0]), number(SUGAR, "9.0", id_=ids[1]), service="M")
    gone = [number(SUGAR, "", one, id_="") for one in again]
    third = version(3, *gone, number(SUGAR, "8.0", service, id_=ids[2]), service=report)
    found = told(first, second, third)
    assert [(value, [*changes]) for value, _, changes in found] == [
        ("", [("withdrawn", "5.0")]),
        ("8.0", [("corrected", "9.0")]),
    ]


def test_a_withdrawal_alone_reaches_what_stands_and_not_what_is_gone() -> None:
    first = version(1, number(SUGAR, "5.0"))
    second = version(2, number(SUGAR, "5.0", "C"), number(SUGAR, "9.0"), service="M")
    found = told(first, second, version(3, number(SUGAR, "", "C"), service="M"))
    assert found == [("", "cancelled", [("withdrawn", "5.0")]), ("", "cancelled", [("withdrawn", "9.0")])]


@pytest.mark.parametrize("kind", ["M", "A"])
@pytest.mark.parametrize("others", [(), (number(CRP, "30", id_="2"),)])
def test_a_change_whose_id_is_its_neighbours_is_of_its_own_analysis(kind: str, others: tuple[str, ...]) -> None:
    """Where ids count, what is alone in its message has the id of whatever came first."""
    first = version(1, number(BLOOD, "14", id_="1"), number(SUGAR, "7.0", id_="2"))
    found = told(first, version(2, number(SUGAR, "8.0", "M", id_="1"), *others, service=kind))
    assert ("8.0", "amended", [("corrected", "7.0")]) in found
    assert [value for value, _, _ in found] == sorted(["14", "8.0", *(["30"] if others else [])])
    assert not any(before == "14" and kind != "not-repeated" for _, _, changes in found for kind, before in changes)


@pytest.mark.parametrize("service", ["N", "M", "C", "H", "A"])
@pytest.mark.parametrize("amount", ["7.0", ""])
def test_what_is_deleted_under_its_neighbours_id_is_of_its_own_analysis(service: str, amount: str) -> None:
    first = version(1, number(BLOOD, "14", id_="1"), number(SUGAR, "7.0", id_="2"))
    deleted = version(2, number(SUGAR, amount, service, id_="1", state="14"), service="M")
    found = told(first, deleted)
    assert [(value, [before for _, before in changes]) for value, _, changes in found] == [
        ("", ["7.0"]),
        ("14", ["14"]),
    ]


def test_a_withdrawal_under_its_neighbours_id_and_amount_is_of_its_own_analysis() -> None:
    first = version(1, number(BLOOD, "3", id_="1"), number(SUGAR, "4", id_="2"))
    found = told(first, version(2, number(SUGAR, "3", "C", id_="1"), service="M"))
    assert found == [("", "cancelled", [("withdrawn", "4")]), ("3", "final", [("not-repeated", "3")])]


def test_a_corrected_code_is_still_found_by_its_id() -> None:
    first = version(1, number(BLOOD, "7.0", id_="1"), number(CRP, "5", id_="2"))
    found = told(first, version(2, number(SUGAR, "7.0", "M", id_="1"), number(CRP, "5", "H", id_="2"), service="M"))
    assert found == [("5", "final", []), ("7.0", "amended", [("corrected", "7.0")])]


def taken(number_: str, hour: int, kind: str = "S") -> str:
    clock = f"T{hour:02}:00:00" if hour else ""
    return (
        f"<AnalysedSubject><CollectedSample><CollectedDate V='2026-03-02{clock}'/></CollectedSample>"
        f"<TypeCoded S='{Kith.OID}8351' V='{kind}' DN='Materiale {kind}'/>"
        f"<IdByServProvider>{number_}</IdByServProvider></AnalysedSubject>"
    )


def found_in(number_: str) -> str:
    return f"<RefAnalysedSubject>{number_}</RefAnalysedSubject>"


@pytest.mark.parametrize("service", ["N", ""])
@pytest.mark.parametrize(("ids", "second"), [(("", ""), "50"), (("1", "1"), "50"), (("1001", "1002"), "10")])
@pytest.mark.parametrize("number_", ["1", "2"])
def test_a_new_result_of_a_later_sample_that_a_change_holds_alone_leaves_the_first(
    service: str, ids: tuple[str, str], second: str, number_: str
) -> None:
    first = version(1, number(SUGAR, "10", id_=ids[0], inside=found_in("1")), subjects=taken("1", 8))
    later = number(SUGAR, second, service, id_=ids[1], inside=found_in(number_))
    found = told(first, version(2, later, service="M", subjects=taken(number_, 11)))
    assert found == sorted([("10", "final", [("not-repeated", "10")]), (second, "final", [])])


@pytest.mark.parametrize("ids", [("", ""), ("1", "2")])
def test_a_change_of_one_tube_does_not_reach_the_other_that_had_its_number(ids: tuple[str, str]) -> None:
    urine = version(1, number(SUGAR, "4", id_=ids[0], inside=found_in("1")), subjects=taken("1", 0, "U"))
    serum = number(SUGAR, "5", id_=ids[1], inside=found_in("1"))
    found = told(urine, version(2, serum, service="M", subjects=taken("1", 0, "S")))
    assert found == [("4", "final", [("not-repeated", "4")]), ("5", "final", [])]


def trop(amount: str, number_: str, service: str = "N", code: str = BLOOD) -> str:
    """With the id that its tube has."""
    return number(code, amount, service, number_, inside=found_in(number_))


@pytest.mark.parametrize("service", ["N", ""])
@pytest.mark.parametrize("kind", ["N", "M"])
def test_a_whole_report_with_results_and_tubes_numbered_anew_leaves_no_superseded_value(
    kind: str, service: str
) -> None:
    one, two, three = (
        version(at, trop(value, "1"), subjects=taken("1", 7 + at)) for at, value in ((1, "10"), (2, "50"), (3, "70"))
    )
    tubes = taken("1", 8) + taken("2", 9) + taken("3", 10)
    rows = [trop(value, str(n), service) for n, value in enumerate(("11", "55", "70"), 1)]
    found = told(one, two, three, version(4, *rows, service=kind, subjects=tubes))
    assert [(value, changes) for value, _, changes in found] == [
        ("11", [("corrected", "10")]),
        ("55", [("corrected", "50")]),
        ("70", []),
    ]
    waited = version(
        1, number(BLOOD, "14", id_="1", state="2", inside=found_in("1")), subjects=taken("1", 8), status="P"
    )
    final = [trop("7", "1", service, SUGAR), trop("15", "2", service)]
    whole = version(2, *final, service=kind, subjects=taken("1", 9) + taken("2", 8))
    assert told(waited, whole) == [("15", "final", [("replaced", "14")]), ("7", "final", [])]


def test_a_number_of_another_tube_of_the_day_stands_beside_the_one_that_a_change_leaves_out() -> None:
    first = version(1, number(BLOOD, "14", id_="1001", inside=found_in("1")), subjects=taken("1", 0))
    then = version(2, number(BLOOD, "9", id_="1002", inside=found_in("2")), service="M", subjects=taken("2", 0))
    assert told(first, then) == [("14", "final", [("not-repeated", "14")]), ("9", "final", [])]


def grew(words: str, id_: str, service: str) -> str:
    return Kith.item("NPU10001", Kith.text(words), id_=id_, service=service, inside=found_in("1"))


@pytest.mark.parametrize("hour", [0, 8], ids=["one day", "one clock"])
@pytest.mark.parametrize("ids", [("1", "1"), ("", ""), ("1001", "1002")])
@pytest.mark.parametrize(("kind", "service"), [("N", "N"), ("N", ""), ("A", "N"), ("M", "N"), ("M", "")])
def test_an_answer_of_another_material_that_is_sent_alone_leaves_the_first(
    kind: str, service: str, ids: tuple[str, str], hour: int
) -> None:
    """Each message numbers its one result and its one tube from 1."""
    urine = version(1, grew("Ingen vekst", ids[0], "N"), subjects=taken("1", hour, "U"), discipline="MBIO")
    yellow = grew("Gule stafylokokker", ids[1], service)
    wound = version(2, yellow, service=kind, subjects=taken("1", hour, "P"), discipline="MBIO")
    left = [("not-repeated", "Ingen vekst")] if kind == "M" else []
    found = told(urine, wound)
    assert [(value, changes) for value, _, changes in found] == [("Gule stafylokokker", []), ("Ingen vekst", left)]
    anew = grew("Gule stafylokokker", "2" if ids == ("1", "1") else ids[1], "H").replace(">1</Ref", ">2</Ref")
    tubes = taken("1", hour, "U") + taken("2", hour, "P")
    whole = version(3, grew("Ingen vekst", ids[0], "H"), anew, subjects=tubes, discipline="MBIO")
    assert [(value, changes) for value, _, changes in told(urine, wound, whole)] == [
        ("Gule stafylokokker", []),
        ("Ingen vekst", []),
    ]


@pytest.mark.parametrize("hour", [0, 8], ids=["one day", "one clock"])
@pytest.mark.parametrize("ids", [("1", "1"), ("", ""), ("1001", "1002")])
@pytest.mark.parametrize("kind", ["N", "M", "A"])
def test_the_same_words_of_another_material_that_are_sent_alone_are_a_second_answer(
    kind: str, ids: tuple[str, str], hour: int
) -> None:
    urine = version(1, grew("Ingen vekst", ids[0], "N"), subjects=taken("1", hour, "U"), discipline="MBIO")
    wound = version(
        2, grew("Ingen vekst", ids[1], "N"), service=kind, subjects=taken("1", hour, "P"), discipline="MBIO"
    )
    left = [("not-repeated", "Ingen vekst")] if kind == "M" else []
    found = sorted(told(urine, wound), key=lambda one: len(one[2]))
    assert [(value, changes) for value, _, changes in found] == [("Ingen vekst", []), ("Ingen vekst", left)]


def test_an_id_that_lasts_tells_of_an_answer_whose_material_is_corrected() -> None:
    lasting = [
        version(at, grew("Ingen vekst", "1001", "N"), subjects=taken("1", 8, kind), discipline="MBIO")
        for at, kind in ((1, "U"), (2, "P"))
    ]
    assert [value for value, _, _ in told(*lasting)] == ["Ingen vekst"]


@pytest.mark.parametrize("ids", [("", ""), ("1", "2")])
@pytest.mark.parametrize("kind", ["N", "M"])
def test_tubes_that_are_numbered_anew_exchange_nothing(ids: tuple[str, str], kind: str) -> None:
    """Two that say the same, of two materials."""

    def tube(id_: str, number_: str) -> str:
        return Kith.item(SUGAR, Kith.text("Negativ"), id_=id_, inside=found_in(number_))

    first = version(1, tube(ids[0], "1"), tube(ids[1], "2"), subjects=taken("1", 0, "S") + taken("2", 0, "U"))
    again = version(
        2, tube(ids[0], "1"), tube(ids[1], "2"), service=kind, subjects=taken("1", 0, "U") + taken("2", 0, "S")
    )
    folded = chain.fold([again, first])
    assert [(says(one.value), one.changes) for one in folded.results] == [("Negativ", ()), ("Negativ", ())]
    assert sorted(folded.subjects[one.objects[0]].type_code.code for one in folded.results) == ["S", "U"]


@pytest.mark.parametrize("service", ["A", "N", "H", ""])
def test_an_addition_that_repeats_a_panel_of_like_answers_doubles_none(service: str) -> None:
    def absent(code: str, id_: str, of: str) -> str:
        return Kith.item(code, Kith.text("Ikke påvist"), id_=id_, service=of)

    first = version(1, absent(BLOOD, "1", "N"), absent(CRP, "2", "N"))
    more = [absent(SUGAR, "1", service), absent(BLOOD, "2", service), absent(CRP, "3", service)]
    added = version(2, *more, service="A", status="A")
    once_more = version(3, absent(CRP, "1", service), absent(SUGAR, "2", service), service="A", status="A")
    assert [changes for _, _, changes in told(first, added, once_more)] == [[], [], []]


@pytest.mark.parametrize("kind", ["N", "M"])
def test_a_word_that_turned_is_no_second_answer_where_ids_are_seen_to_count(kind: str) -> None:
    def answer(code: str, id_: str, words: str = "Ikke påvist") -> str:
        return Kith.item(code, Kith.text(words), id_=id_)

    first = version(1, number(CRP, "5", id_="1"), answer(BLOOD, "2"))
    then = version(2, answer(SUGAR, "1"), number(CRP, "5", id_="2"), answer(BLOOD, "3", "Påvist"), service=kind)
    assert ("Påvist", "final", [("corrected", "Ikke påvist")]) in told(first, then)
    assert len(told(first, then)) == 3


@pytest.mark.parametrize("service", ["N", "A"])
@pytest.mark.parametrize("ids", [("1", "2"), ("", ""), ("1001", "1002")], ids=["counted", "none", "lasting"])
@pytest.mark.parametrize("of", ["two times", "two analyses"])
def test_what_waits_is_filled_by_answers_that_are_sent_one_by_one(of: str, ids: tuple[str, str], service: str) -> None:
    """Where ids count, each message begins again with 1."""
    code, hour, tube = (BLOOD, 9, "2") if of == "two times" else (CRP, 8, "1")
    tubes = taken("1", 8) + (taken("2", 9) if of == "two times" else "")
    first, second = ids
    alone = "1" if ids == ("1", "2") else second

    def answer(code: str, value: str, id_: str, kind: str, number_: str) -> str:
        return number(code, value, id_=id_, service=kind, inside=found_in(number_))

    waits = [
        Kith.item(c, "", id_=i, state="5", inside=found_in(t))
        for c, i, t in ((BLOOD, first, "1"), (code, second, tube))
    ]
    sent = [
        version(1, *waits, subjects=tubes, status="P"),
        version(2, answer(BLOOD, "14", first, service, "1"), service=service, subjects=taken("1", 8), status="P"),
        version(3, answer(code, "22", alone, service, "1"), service=service, subjects=taken("1", hour), status="P"),
    ]
    assert told(*sent) == [("14", "final", []), ("22", "final", [])]
    whole = [answer(BLOOD, "14", first, "H", "1"), answer(code, "27", second, "M", tube)]
    changed = version(4, *whole, service="M", subjects=tubes)
    assert told(*sent, changed) == [("14", "final", []), ("27", "amended", [("corrected", "22")])]
