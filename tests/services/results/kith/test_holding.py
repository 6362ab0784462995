"""The text of a group of radiology goes with the examinations in it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from kjerne.services.results.kith import chain

from .conftest import Kith

EMBOLISM, NONE = "Lungeemboli i begge underlapper.", "Ingen lungeemboli, artefakt fra bevegelse."
LIVER, SPREAD = "Normale forhold i lever og milt.", "Metastaser i lever."
CHEST, BELLY = "SXR0AA", "SJJ0AK"


def version(minute: int, *items: str, **report_: Any) -> chain.Versioned:
    raw = Kith.message(
        Kith.report("".join(items), discipline="RTG", subjects="", **report_),
        id_=f"M-{minute}",
        generated=f"2026-03-02T12:{minute:02}:00",
    )
    return chain.versions(Kith.understood(raw))[0]


def group(words: str, service: str, *held: tuple[str, str], inner: str | None = None, id_: str = "") -> str:
    """A group with its text, and examinations by code and accession number, which have no words of their own."""
    inside = "".join(
        Kith.item(code, "", id_=own, service=service if inner is None else inner, state="11") for code, own in held
    )
    return Kith.item("", Kith.text(words, "GR"), id_=id_, service=service, state="11", inside=inside)


def told(*versions: chain.Versioned) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each text that stands, with what it said before; how many examinations there are is the same as texts."""
    folded = chain.fold(versions)
    for order in permutations(versions):
        assert chain.fold((*order, *versions)) == folded, "neither order nor repetition may matter"
    texts = [one for one in folded.results if not one.item.investigations]
    assert len(folded.results) == 2 * len(texts), "no examination is doubled"
    return sorted(
        (one.value.text, [(c.kind, c.value.text) for c in one.changes if c.value]) for one in texts if one.value
    )


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("ids", [("T-1", "T-2"), ("", "")])
def test_of_two_texts_that_are_both_corrected_each_takes_the_place_of_its_own(
    ids: tuple[str, str], turned: bool
) -> None:
    first = version(1, group(EMBOLISM, "N", (CHEST, ids[0])), group(LIVER, "N", (BELLY, ids[1])))
    both = [group(NONE, "M", (CHEST, ids[0]), inner="H"), group(SPREAD, "M", (BELLY, ids[1]), inner="H")]
    found = told(first, version(2, *(both[::-1] if turned else both), service="M"))
    assert found == [(NONE, [("corrected", EMBOLISM)]), (SPREAD, [("corrected", LIVER)])]


@pytest.mark.parametrize("service", ["N", "M", ""])
@pytest.mark.parametrize("before", [False, True])
def test_a_corrected_text_beside_a_new_group_takes_the_place_of_the_former_one(service: str, before: bool) -> None:
    first = version(1, group(EMBOLISM, "N", (CHEST, "T-1")))
    both = [group(NONE, "M", (CHEST, "T-1"), inner="H"), group(SPREAD, service, (BELLY, "T-2"), inner="N")]
    found = told(first, version(2, *(both[::-1] if before else both), service="M"))
    assert found == [(NONE, [("corrected", EMBOLISM)]), (SPREAD, [])]


@pytest.mark.parametrize("kind", ["N", "M"])
@pytest.mark.parametrize("service", ["N", ""])
@pytest.mark.parametrize("id_", ["T-1", ""])
def test_another_text_of_the_same_examination_is_that_text_corrected_whatever_it_says_of_itself(
    kind: str, service: str, id_: str
) -> None:
    first = version(1, group(EMBOLISM, service, (CHEST, id_)))
    folded = chain.fold([first, version(2, group(NONE, service, (CHEST, id_)), service=kind)])
    stand = {one.value.text: [c.kind for c in one.changes] for one in folded.results if one.value}
    assert stand == {NONE: ["corrected"]}


def test_a_preliminary_text_is_replaced_by_the_final_one_of_the_same_examination() -> None:
    waits = group(EMBOLISM, "N", (CHEST, "T-1")).replace("V='11'", "V='10'")
    assert told(version(1, waits, status="P"), version(2, group(NONE, "N", (CHEST, "T-1")))) == [
        (NONE, [("replaced", EMBOLISM)])
    ]


def test_a_group_that_was_added_is_corrected_in_its_own_place() -> None:
    first = version(1, group(EMBOLISM, "N", (CHEST, "T-1")))
    added = version(2, group(LIVER, "A", (BELLY, "T-2")), service="A")
    both = [group(NONE, "M", (CHEST, "T-1"), inner="H"), group(SPREAD, "M", (BELLY, "T-2"), inner="H")]
    found = told(first, added, version(3, *both, service="M"))
    assert found == [(NONE, [("corrected", EMBOLISM)]), (SPREAD, [("corrected", LIVER)])]


def test_an_addition_corrects_the_text_of_the_examination_that_it_names() -> None:
    first = version(1, group(EMBOLISM, "N", (CHEST, "T-1")), group(LIVER, "N", (BELLY, "T-2")))
    found = told(first, version(2, group(NONE, "M", (CHEST, "T-1"), inner="H"), service="A"))
    assert found == [(NONE, [("corrected", EMBOLISM)]), (LIVER, [])]


def test_the_same_text_of_another_examination_is_another_text() -> None:
    first = version(1, group(LIVER, "N", (BELLY, "T-1")))
    assert told(first, version(2, group(LIVER, "A", (BELLY, "T-2")), service="A")) == [(LIVER, []), (LIVER, [])]
    swapped = version(2, group(LIVER, "H", (BELLY, "T-2")), group(SPREAD, "M", (BELLY, "T-1"), inner="H"), service="M")
    both = version(1, group(LIVER, "N", (BELLY, "T-1")), group(LIVER, "N", (BELLY, "T-2")))
    assert told(both, swapped) == [(SPREAD, [("corrected", LIVER)]), (LIVER, [])]


def test_a_text_of_one_line_is_corrected_with_its_examination() -> None:
    first = version(1, group("Brudd", "N", (CHEST, "T-1")))
    found = told(first, version(2, group("Ikke brudd", "M", (CHEST, "T-1"), inner="H"), service="M"))
    assert found == [("Ikke brudd", [("corrected", "Brudd")])]


def test_results_with_an_answer_of_their_own_hold_no_group_together() -> None:
    """The name of a group of a laboratory is not what its results are about."""

    def named(name: str, amount: str) -> str:
        inside = Kith.item("NPU19748", Kith.number(amount), id_="1")
        return Kith.item("", Kith.text(name, "GR"), inside=inside)

    folded = chain.fold([version(1, named("Spinalvæske", "4")), version(2, named("Serum", "5"))])
    assert [one.value.text for one in folded.results if one.value and one.value.text] == ["Serum", "Spinalvæske"]


@pytest.mark.parametrize("kind", ["N", "M", "A"])
@pytest.mark.parametrize("service", ["N", ""])
@pytest.mark.parametrize("ids", [("1", "2"), ("", "1"), ("", "")])
def test_a_text_about_another_examination_that_is_sent_alone_is_a_second_one(
    ids: tuple[str, str], service: str, kind: str
) -> None:
    """Each message numbers its one group and its one examination from 1."""
    of_group, own = ids
    first = version(1, group(EMBOLISM, service, (CHEST, own), id_=of_group))
    second = version(2, group(SPREAD, service, (BELLY, own), id_=of_group), service=kind)
    left = [("not-repeated", EMBOLISM)] if kind == "M" else []
    assert told(first, second) == [(EMBOLISM, left), (SPREAD, [])]
