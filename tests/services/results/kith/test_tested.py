"""What was tested on a finding goes with it: by reference as by nesting, and never over to another finding."""

from __future__ import annotations

from typing import Any

import pytest

from .test_chain import digits, state, version

COLI, KLEBSIELLA = ("ECOLI", "E. coli"), ("KLEPNE", "Klebsiella pneumoniae")
AMPICILLIN, CIPROFLOXACIN = "NOR10001", "NOR10002"


def grown(
    kith: Any, organism: tuple[str, str], service: str = "N", *, id_: str = "1", stands: str = "3", inside: str = ""
) -> str:
    code, name = organism
    value = f"<TextResult><Heading V='FU'/><TextCode V='{code}' S='{kith.OID}8340' DN='{name}'/></TextResult>"
    return str(kith.item("", value, id_=id_, service=service, state=stands, inside=inside))


def drug(kith: Any, code: str, letter: str, service: str = "N", *, ref: str = "1", mic: str = "") -> str:
    value = f"<TextResult><Heading V='RSB'/><TextCode V='{letter}' S='{kith.OID}8271' DN='{letter}'/></TextResult>"
    value += kith.number(mic, "mg/L", "GT") if mic else ""
    return str(kith.item(code, value, id_=f"{code}-1", ref=ref, service=service))


def letters(folded: Any) -> dict[str, tuple[str, str, list[str]]]:
    """By antibiotic: status, the letter that stands, and what became of earlier ones."""
    return {
        one.item.investigations[0].code: (
            one.status, one.value.codes[0].code if one.value else "", [change.kind for change in one.changes]
        )
        for one in folded.results if one.item.investigations
    }  # fmt: skip


def nested_or_not(kith: Any, organism: tuple[str, str], service: str, drugs: list[Any], *, nested: bool) -> str:
    """The organism with its antibiotics inside it, or beside it by reference."""
    if nested:
        return grown(kith, organism, service, inside="".join(drug(kith, *one, ref="") for one in drugs))
    return grown(kith, organism, service) + "".join(drug(kith, *one) for one in drugs)


BOTH = [(AMPICILLIN, "S"), (CIPROFLOXACIN, "R")]
WITHDRAWN = ("cancelled", "", ["withdrawn"])


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("again", [[], [(AMPICILLIN, "S", "H"), (CIPROFLOXACIN, "R", "H")], [(AMPICILLIN, "S", "M")]])
def test_what_was_tested_on_an_organism_that_is_taken_back_is_taken_back(kith: Any, again: Any, nested: bool) -> None:
    first = version(kith, 1, nested_or_not(kith, COLI, "N", BOTH, nested=nested), discipline="MBIO")
    change = nested_or_not(kith, COLI, "C", again, nested=nested)
    folded = state(kith, first, version(kith, 2, change, service="M", discipline="MBIO"))
    assert letters(folded) == {AMPICILLIN: WITHDRAWN, CIPROFLOXACIN: WITHDRAWN}


@pytest.mark.parametrize("nested", [False, True])
def test_a_deleted_organism_takes_what_was_tested_on_it_along(kith: Any, nested: bool) -> None:
    first = version(kith, 1, nested_or_not(kith, COLI, "N", BOTH, nested=nested), discipline="MBIO")
    gone = grown(kith, COLI, "M", stands="14")
    folded = state(kith, first, version(kith, 2, gone, service="M", discipline="MBIO"))
    assert letters(folded) == dict.fromkeys((AMPICILLIN, CIPROFLOXACIN), ("unknown", "", ["withdrawn"]))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("service", ["M", "N"])
def test_another_organism_inherits_nothing_that_was_tested_on_the_one_before(
    kith: Any, service: str, nested: bool
) -> None:
    first = version(kith, 1, nested_or_not(kith, COLI, "N", BOTH, nested=nested), discipline="MBIO")
    another = nested_or_not(kith, KLEBSIELLA, "M", [(CIPROFLOXACIN, "S", "M")], nested=nested)
    folded = state(kith, first, version(kith, 2, another, service=service, discipline="MBIO"))
    assert letters(folded) == {CIPROFLOXACIN: ("amended", "S", ["corrected"]), AMPICILLIN: WITHDRAWN}


def test_the_same_organism_in_other_words_keeps_what_was_tested_on_it(kith: Any) -> None:
    first = version(kith, 1, nested_or_not(kith, COLI, "N", BOTH, nested=False), discipline="MBIO")
    words = grown(kith, (COLI[0], "Escherichia coli"), "M")
    folded = state(kith, first, version(kith, 2, words, service="M", discipline="MBIO"))
    assert {letter for _, letter, _ in letters(folded).values()} == {"S", "R"}
    assert all(kinds == ["not-repeated"] for _, _, kinds in letters(folded).values())


@pytest.mark.parametrize("service", ["M", "N"])
@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("Escherichia coli", "Escherichia coli, ESBL", True),
        ("Escherichia coli, ESBL", "Escherichia  coli", True),
        ("Enterococcus", "Rikelig vekst av enterococcus faecium.", True),
        ("Escherichia coli", "Klebsiella pneumoniae", False),
        ("Escherichia coli", "Ingen vekst av Escherichia coli", False),
        ("Escherichia coli", "Escherichia coli ikke påvist", False),
        ("Ingen vekst av Escherichia coli", "Escherichia coli", False),
        ("E. coli", "E. colina", False),
    ],
)
def test_an_organism_that_gets_a_word_more_keeps_what_was_tested_on_it(
    kith: Any, before: str, after: str, service: str, left: bool
) -> None:
    def named(words: str, kind: str) -> str:
        return str(kith.item("", kith.text(words, "FU"), id_="1", service=kind))

    first = version(kith, 1, named(before, "N") + "".join(drug(kith, *one) for one in BOTH), discipline="MBIO")
    folded = state(kith, first, version(kith, 2, named(after, service), service=service, discipline="MBIO"))
    marks = ["not-repeated"] if service == "M" else []
    kept = {AMPICILLIN: ("final", "S", marks), CIPROFLOXACIN: ("final", "R", marks)}
    assert letters(folded) == (kept if left else dict.fromkeys((AMPICILLIN, CIPROFLOXACIN), WITHDRAWN))


def test_what_is_no_susceptibility_stays_where_a_text_beside_it_says_another_thing(kith: Any) -> None:
    held = kith.item("NPU1", kith.number("5"), id_="2")
    first = version(kith, 1, kith.item("", kith.text("Ingen funn i preparatet.", "GR"), id_="1", inside=held))
    other = kith.item("", kith.text("Funn av celler i preparatet.", "GR"), id_="1", service="M")
    folded = state(kith, first, version(kith, 2, other, service="M"))
    assert [digits(one.value) for one in folded.results if one.item.investigations] == ["5"]


def test_a_result_that_refers_to_one_that_is_taken_back_says_so_by_fhir(kith: Any) -> None:
    raws = [
        kith.message(kith.report(items, service=service, discipline="MBIO"), id_=service, generated=f"2026-03-0{day}T12:00:00")
        for day, service, items in (
            (2, "N", grown(kith, COLI) + drug(kith, AMPICILLIN, "S", mic="4")),
            (3, "M", grown(kith, COLI, "C") + drug(kith, AMPICILLIN, "S", "H", mic="4")),
        )
    ]  # fmt: skip
    _, last = kith.observations(kith.mapped(*raws))
    assert last["status"] == "cancelled"
    assert not {"valueCodeableConcept", "component"} & last.keys()
