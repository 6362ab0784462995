"""How sensitive what grew is: the letter, and the number beside it however it was sent, now and before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kjerne.services.results import answers, trends
from kjerne.services.results.points import Part
from kjerne.services.results.susceptibility import Level, Susceptibility, susceptibility_of
from kjerne.services.results.values import Value
from pages import resources as r
from services.results.kith.conftest import Kith

LETTERS = {"S": "Sensitiv", "R": "Resistent"}


def version(letter: str, *numbers: str, service: str = "N", made: str = "2026-03-02T12:00:05") -> bytes:
    """A growth with one antibiotic: its letter, and further values beside it."""
    code = f"<TextCode V='{letter}' S='{Kith.OID}8271' DN='{LETTERS[letter]}'/>"
    said = f"<TextResult><Heading V='RSB'/>{code}</TextResult>" + "".join(Kith.number(one, "mg/L") for one in numbers)
    said = "" if service == "C" else said
    antibiotic = Kith.item("NPU1", said, id_="2", service=service)
    growth = Kith.item("NPU2", Kith.text("E. coli"), id_="1", inside=antibiotic)
    whole = Kith.report(growth, discipline="MBIO", service="N" if service == "N" else "M")
    return Kith.message(whole, id_=f"M-{made}", generated=made)


def read(*versions: bytes) -> Susceptibility:
    trees = Kith.mapped(*versions)
    (one,) = answers.answers([Kith.only(trees, "DiagnosticReport")], Kith.observations(trees))
    ((tested,),) = [organism.tested for organism in one.organisms]
    return tested


S, R = Level("S", "Sensitiv", ""), Level("R", "Resistent", "")


def mic(level: Level, number: str) -> Level:
    return Level(level.letter, level.meaning, f"{number} mg/L")


def test_a_number_sent_beside_the_letter_is_its_concentration() -> None:
    assert read(version("S", "0.25")).level == mic(S, "0.25")


@pytest.mark.parametrize(
    ("before", "after", "level", "old"),
    [
        (("S", "0.25"), ("S", "8"), mic(S, "8"), mic(S, "0.25")),
        (("S", "0.25"), ("R", "8"), mic(R, "8"), mic(S, "0.25")),
        (("S", "0.25"), ("R", "0.25"), mic(R, "0.25"), S),
        (("S", "0.25"), ("S",), S, mic(S, "0.25")),
        (("S",), ("S", "8"), mic(S, "8"), None),
        (("S",), ("R", "8"), mic(R, "8"), S),
        (("S", "0.25"), ("S", "0.25"), mic(S, "0.25"), None),
    ],
    ids=str,
)
def test_a_corrected_concentration_is_told_with_what_it_was(
    before: tuple[str, ...], after: tuple[str, ...], level: Level, old: Level | None
) -> None:
    found = read(version(*before), version(*after, service="M", made="2026-03-03T12:00:05"))
    assert (found.level, found.old) == (level, old)
    assert (found.parts, found.old_parts) == ((), ())


def test_a_letter_that_is_taken_back_keeps_its_concentration_in_sight() -> None:
    found = read(version("S", "0.25"), version("S", service="C", made="2026-03-03T12:00:05"))
    assert (found.mark, found.level, found.old) == ("withdrawn", None, mic(S, "0.25"))


def test_a_third_value_stands_beside_the_level() -> None:
    found = read(version("S", "0.25", "22"))
    assert (found.level, [part.value.number for part in found.parts]) == (mic(S, "0.25"), [Decimal(22)])


def by_fhir(value: str, *former: str, status: str = "final") -> r.Resource:
    def component(number: str) -> dict[str, Any]:
        return {"code": {"text": "MIC"}, "valueQuantity": r.quantity(number, "mg/L")}

    def was(number: str) -> r.Resource:
        change = r.change("corrected", "", **letter)
        part = [{"url": "code", "valueCodeableConcept": {"text": "MIC"}}, {"url": "value", **component(number)}]
        return change | {"extension": [*change["extension"], {"url": "component", "extension": part}]}

    letter = {"valueCodeableConcept": {"coding": [{"system": r.SUSCEPTIBILITY, "code": "S"}]}}
    made = r.observation("1", "Mecillinam", "", "2026-11-12", status=status, extension=tuple(map(was, former)))
    return made | letter | {"component": [component(value)]}


def named(number: str) -> Part:
    return Part("MIC", Value(Decimal(number), "", "mg/L"))


@pytest.mark.parametrize(
    ("sent", "parts", "old_parts"),
    [
        (by_fhir("0.25"), (named("0.25"),), ()),
        (by_fhir("8", "0.25"), (named("8"),), (named("0.25"),)),
        (by_fhir("0.25", status="entered-in-error"), (), (named("0.25"),)),
    ],
    ids=["one", "corrected", "taken back"],
)
def test_a_component_with_a_name_stands_beside_the_letter_by_that(
    sent: r.Resource, parts: tuple[Part, ...], old_parts: tuple[Part, ...]
) -> None:
    found = susceptibility_of(sent)
    assert (found.parts, found.old_parts) == (parts, old_parts)


@pytest.mark.parametrize("state", ["14", "3"])
def test_an_organism_that_is_taken_back_leaves_no_antibiotic_that_stands(state: str) -> None:
    def sent(service: str, said: str, made: str) -> bytes:
        letter = f"<TextCode V='S' S='{Kith.OID}8271' DN='Sensitiv'/>"
        kept = Kith.item(
            "NPU1", f"<TextResult><Heading V='RSB'/>{letter}</TextResult>" + Kith.number("0.25", "mg/L"), id_="2",
            ref="1", service="H" if service != "N" else "N",
        )  # fmt: skip
        gone = {"service": "M", "state": "14"} if state == "14" else {"service": "C"}
        growth = Kith.item("NPU2", said, id_="1", **(gone if service != "N" else {}))
        return Kith.message(Kith.report(growth + kept, discipline="MBIO", service=service), id_=made, generated=made)

    first = sent("N", Kith.text("E. coli"), "2026-03-02T12:00:05")
    assert (read(first).level, read(first).mark) == (mic(S, "0.25"), "")
    found = read(first, sent("M", Kith.text("E. coli"), "2026-03-03T12:00:05"))
    assert (found.mark, found.level, found.old, found.absent) == ("withdrawn", None, mic(S, "0.25"), "")


@pytest.mark.parametrize(
    "said",
    [
        Kith.number("0.25", "mg/L"),
        Kith.number("0.25", "mg/L")
        + f"<TextResult><Heading V='RSB'/><TextCode V='S' S='{Kith.OID}8271' DN='Sensitiv'/></TextResult>",
        Kith.text(">100.000 pr.ml."),
    ],
    ids=["a MIC without a letter", "a MIC with its letter behind", "how much grew"],
)
def test_what_is_said_of_an_organism_that_is_taken_back_is_taken_back_with_it(said: str) -> None:
    letter = f"<TextResult><Heading V='RSB'/><TextCode V='R' S='{Kith.OID}8271' DN='Resistent'/></TextResult>"

    def sent(service: str, made: str, growth: dict[str, Any]) -> bytes:
        kept = "H" if service != "N" else "N"
        members = Kith.item("NPU1", letter, id_="2", ref="1", service=kept) + Kith.item(
            "NPU3", said, id_="3", ref="1", service=kept
        )
        grew = Kith.item("NPU2", Kith.text("E. coli"), id_="1", **growth)
        return Kith.message(Kith.report(grew + members, discipline="MBIO", service=service), id_=made, generated=made)

    def marks(*versions: bytes) -> set[str]:
        trees = Kith.mapped(*versions)
        held = Kith.observations(trees)
        reports = [Kith.only(trees, "DiagnosticReport")]
        (one,) = answers.answers(reports, held)
        (organism,) = one.organisms
        assert organism.details
        left = answers.in_answers([one], reports, held)
        points = [point for row in trends.series(held, leave_out=left) for point in row.points]
        return {one.mark for one in (*organism.details, *organism.tested, *points)}

    first = sent("N", "2026-03-02T12:00:05", {})
    assert marks(first) == {""}
    assert marks(first, sent("M", "2026-03-03T12:00:05", {"service": "M", "state": "14"})) == {"withdrawn"}
