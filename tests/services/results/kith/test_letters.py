"""Organisms and their antibiotics, where every item is numbered within its message: each letter stays under its organism."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.services.results.kith import chain

from .test_chain import state, version


def letter(kith: Any, antibiotic: str, level: str, service: str, id_: str, ref: str = "") -> str:
    coded = f"<TextCode V='{level}' S='{kith.OID}8271' DN='{level}'/>"
    found: str = kith.item(antibiotic, kith.text("", "RSB", codes=coded), service=service, id_=id_, ref=ref)
    return found


def grown(kith: Any, name: str, service: str, id_: str, inside: str = "") -> str:
    found: str = kith.item("", kith.text(name, "FU"), service=service, id_=id_, inside=inside)
    return found


def on_organisms(folded: chain.State) -> list[tuple[str, str, str, list[str]]]:
    """Each letter that stands with its organism and antibiotic, and the letters before it."""
    by_key = {one.key: one for one in folded.results}
    found = []
    for one in folded.results:
        organism = by_key.get(one.target or one.parent)
        if organism is not None and organism.value is not None and one.value is not None:
            before = [c.value.codes[0].code for c in one.changes if c.value is not None]
            found.append((organism.value.text, one.item.investigations[0].code, one.value.codes[0].code, before))
    return sorted(found)


@pytest.mark.parametrize("service", ["M", "N"])
@pytest.mark.parametrize("kind", ["M", "N"])
def test_a_letter_that_changed_is_the_one_of_its_organism_and_antibiotic_whatever_its_number(
    kith: Any, service: str, kind: str
) -> None:
    """Every item is numbered in the message, and the antibiotics come in another order."""

    def both(cipro: str, ampi: str, of: str, said: str, turned: bool) -> str:
        found = ""
        for n, name in enumerate(("E. coli", "Klebsiella")):
            letters = [("NPU1", ampi, of), ("NPU2", cipro, said)][:: -1 if turned else 1]
            inside = "".join(letter(kith, a, level, s, str(3 * n + i)) for i, (a, level, s) in enumerate(letters, 2))
            found += grown(kith, name, of, str(3 * n + 1), inside)
        return found

    first = version(kith, 1, both("S", "S", "N", "N", turned=False))
    changed = version(kith, 2, both("R", "S", "H" if service == "M" else "N", service, turned=True), service=kind)
    assert on_organisms(state(kith, first, changed)) == sorted(
        (name, a, level, before)
        for name in ("E. coli", "Klebsiella")
        for a, level, before in (("NPU1", "S", []), ("NPU2", "R", ["S"]))
    )


@pytest.mark.parametrize("service", ["H", "N"])
@pytest.mark.parametrize("kind", ["M", "N"])
def test_a_new_organism_takes_no_antibiotic_by_its_number(kith: Any, service: str, kind: str) -> None:
    coli = letter(kith, "NPU1", "S", "N", "2", "1") + letter(kith, "NPU2", "R", "N", "3", "1")
    first = version(kith, 1, grown(kith, "E. coli", "N", "1") + coli)
    again = letter(kith, "NPU1", "S", service, "3", "1") + letter(kith, "NPU2", "R", service, "4", "1")
    names = grown(kith, "E. coli", service, "1") + grown(kith, "Klebsiella", "N", "2")
    found = state(kith, first, version(kith, 2, names + again + letter(kith, "NPU1", "R", "N", "5", "2"), service=kind))
    assert on_organisms(found) == [
        ("E. coli", "NPU1", "S", []), ("E. coli", "NPU2", "R", []), ("Klebsiella", "NPU1", "R", []),
    ]  # fmt: skip
    assert not any(one.changes for one in found.results)
    assert len(found.results) == 5


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("level", ["S", "R"])
def test_an_added_organism_has_its_own_letters_though_they_are_numbered_and_read_as_the_first_ones(
    kith: Any, nested: bool, level: str
) -> None:
    def one(name: str, service: str) -> str:
        found = letter(kith, "NPU1", level, service, "2", "" if nested else "1")
        return grown(kith, name, service, "1", found if nested else "") + ("" if nested else found)

    first = version(kith, 1, one("E. coli", "N"))
    more = [version(kith, 1 + n, one(name, "A"), service="A") for n, name in enumerate(("Klebsiella", "Proteus"), 1)]
    found = state(kith, first, *more)
    names = ("E. coli", "Klebsiella", "Proteus")
    assert on_organisms(found) == [(name, "NPU1", level, []) for name in names]
    key = {by.parent or by.target: by.key for by in found.results}
    without = state(kith, first, more[1])
    assert {by.parent or by.target: by.key for by in without.results}.items() <= key.items(), "whatever else is added"


def test_a_whole_report_that_is_sent_again_as_an_addition_with_a_new_organism_doubles_no_letter(kith: Any) -> None:
    def one(name: str, level: str, service: str, number: int) -> str:
        return grown(kith, name, service, str(number), letter(kith, "NPU1", level, service, str(number + 1)))

    first = version(kith, 1, one("E. coli", "S", "N", 1) + one("Klebsiella", "I", "N", 3))
    again = one("Klebsiella", "I", "H", 1) + one("Enterococcus", "I", "N", 3) + one("E. coli", "S", "H", 5)
    found = state(kith, first, version(kith, 2, again, service="A"))
    assert on_organisms(found) == [
        ("E. coli", "NPU1", "S", []), ("Enterococcus", "NPU1", "I", []), ("Klebsiella", "NPU1", "I", []),
    ]  # fmt: skip
    assert len(found.results) == 6
