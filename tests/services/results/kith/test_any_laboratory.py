"""Laboratories that number, mark and order their results in every way, against a model of what they mean.

Each sends a report and its later versions: whole ones, as new (N) or as a change (M), changes of no more than what is changed,
additions and cancellations. The model knows what stands; after the fold just that must stand, each under its own organism or
examination, with no correction that none made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith import chain

from .conftest import Kith

Numbering = Literal["last", "count", "none"]
NUMBERINGS: tuple[Numbering, ...] = ("last", "count", "none")
EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class One:
    """A result as the laboratory means it: its own name, analysis, answer, and the name of what it stands in."""

    name: str
    code: str
    says: str
    inside: str = ""
    tube: int = 0


@dataclass
class House:
    """A laboratory with its report so far."""

    draw: Any
    numbering: Numbering
    stands: list[One] = field(default_factory=list)
    versions: list[chain.Versioned] = field(default_factory=list)
    names: int = 0
    corrections: int = 0

    def chance(self, of: int) -> bool:
        return self.draw(st.integers(1, of)) == 1

    def name(self) -> str:
        self.names += 1
        return f"U-{self.names}"

    def send(self, service: str, rows: list[tuple[One, str]], write: Any, **report: Any) -> None:
        """One version with these results, each with its kind of service; what stands in another comes behind it."""
        outer = [row for row in rows if not row[0].inside]
        if self.chance(2):
            outer = self.draw(st.permutations(outer))
        ids: dict[str, str] = {}
        for one, _ in [row for out in outer for row in (out, *(r for r in rows if r[0].inside == out[0].name))]:
            ids[one.name] = {"last": one.name, "count": str(len(ids) + 1), "none": ""}[self.numbering]
        items = ""
        for one, kind in outer:
            held = "".join(write(r, k, ids[r.name], "") for r, k in rows if r.inside == one.name)
            items += write(one, kind, ids[one.name], held)
        minute = len(self.versions) + 1
        raw = Kith.message(
            Kith.report(items, service=service, **report), id_=f"M-{minute}", generated=f"2026-03-02T12:{minute:02}:00"
        )
        self.versions.append(chain.versions(Kith.understood(raw))[0])

    def told(self) -> tuple[Counter[tuple[str, str, str]], int]:
        """What stands by the fold: code, answer, and the answer of what it stands in; and how many were corrected."""
        folded = chain.fold(self.draw(st.permutations(self.versions)))
        assert folded == chain.fold(self.versions), "the order of arrival does not matter"
        by_key = {one.key: one for one in folded.results}
        found: Counter[tuple[str, str, str]] = Counter()
        for one in folded.results:
            if one.status == "cancelled" or not (said := says(one)):
                continue
            around = by_key.get(one.parent)
            code = one.item.investigations[0].code if one.item.investigations else ""
            found[code, said, says(around) if around else ""] += 1
        return found, sum(change.kind == "corrected" for one in folded.results for change in one.changes)

    def meant(self) -> Counter[tuple[str, str, str]]:
        by_name = {one.name: one.says for one in self.stands}
        return Counter((one.code, one.says, by_name.get(one.inside, "")) for one in self.stands if one.says)


def says(one: Any) -> str:
    value = one.value
    if value is None:
        return ""
    return str(value.amount.number) if value.amount else value.text or "".join(code.code for code in value.codes)


def judge(house: House) -> None:
    found, corrected = house.told()
    assert found == house.meant()
    assert corrected <= house.corrections, "nobody is told of a correction that none made"


def changed(house: House, one: One, answers: list[str]) -> One:
    """The same with another answer."""
    other = replace(one, says=house.draw(st.sampled_from([a for a in answers if a != one.says])))
    house.stands[house.stands.index(one)] = other
    house.corrections += 1
    return other


def tube(number: int, hour: int, kind: str) -> str:
    """A specimen: its number in the message, when it was taken, and its material."""
    return (
        f"<AnalysedSubject><CollectedSample><CollectedDate V='2026-03-02T{hour:02}:00:00'/></CollectedSample>"
        f"<TypeCoded S='{Kith.OID}8351' V='{kind}' DN='Materiale {kind}'/>"
        f"<IdByServProvider>{number}</IdByServProvider></AnalysedSubject>"
    )


@pytest.mark.parametrize("numbering", NUMBERINGS)
@given(data=st.data())
@EXAMPLES
def test_of_a_panel_with_two_tubes_each_result_is_told_once(numbering: Numbering, data: st.DataObject) -> None:
    house = House(data.draw, numbering)
    answers = ["3", "4", "5", "Ikke påvist", "Påvist"]
    free = [(code, tube) for code in ("NPU1", "NPU2", "NPU3") for tube in (1, 2)]
    numbers = {1: 1, 2: 2}

    def new() -> One | None:
        if not free:
            return None
        code, tube = free.pop(house.draw(st.integers(0, len(free) - 1)))
        house.stands.append(One(house.name(), code, house.draw(st.sampled_from(answers)), tube=tube))
        return house.stands[-1]

    def write(one: One, service: str, id_: str, _: str) -> str:
        value = Kith.number(one.says) if one.says.isdigit() else Kith.text(one.says)
        return Kith.item(
            one.code,
            value,
            id_=id_,
            service=service,
            inside=f"<RefAnalysedSubject>{numbers[one.tube]}</RefAnalysedSubject>",
        )

    def numbered() -> str:
        if anew and house.chance(2):
            numbers.update({1: numbers[2], 2: numbers[1]})
        return tube(numbers[1], 8, "S") + (tube(numbers[2], 8, "U") if materials else tube(numbers[2], 9, "S"))

    materials, anew = data.draw(st.booleans()), data.draw(st.booleans())
    house.send("N", [(one, "N") for one in filter(None, (new(), new()))], write, subjects=numbered())
    for drawn in house.draw(st.lists(st.sampled_from("NMMAAP"), min_size=1, max_size=3)):
        part, kind = drawn == "P" and not anew, drawn.replace("P", "M")
        rows = [(one, "H") for one in house.stands if kind != "A" or house.chance(2)]
        if kind == "M":
            rows = [(changed(house, one, answers), "M") if house.chance(3) else (one, "H") for one, _ in rows]
        if kind == "M" and len(house.stands) > 1 and house.chance(3):
            gone = house.stands.pop(house.draw(st.integers(0, len(house.stands) - 1)))
            rows = [(one, "C" if one == gone else service) for one, service in rows]
        if (more := new()) is not None:
            rows.append((more, "A" if kind == "A" else "N"))
        rows = [row for row in rows if not part or row[1] != "H"] or rows
        house.send(kind, rows, write, subjects=numbered())
    judge(house)


@pytest.mark.parametrize("kind", ["N", "M"])
@pytest.mark.parametrize("service", ["N", ""])
@given(data=st.data())
@EXAMPLES
def test_of_samplings_sent_one_by_one_and_then_whole_no_superseded_value_stays(
    service: str, kind: str, data: st.DataObject
) -> None:
    """By a laboratory that numbers results and tubes in each message, and says of each that it is new."""
    house = House(data.draw, "count")
    answers = [str(n) for n in range(3, 30)]
    others = data.draw(st.booleans())
    samplings = [1, 2, 3][: data.draw(st.integers(2, 3))]
    numbers: dict[int, int] = {}

    def write(one: One, service: str, id_: str, _: str) -> str:
        number = f"<RefAnalysedSubject>{numbers[one.tube]}</RefAnalysedSubject>"
        return Kith.item(one.code, Kith.number(one.says), id_=id_, service=service, inside=number)

    def send(kind: str, rows: list[One]) -> None:
        used = data.draw(st.permutations(sorted({one.tube for one in rows})))
        numbers.update({sampling: place for place, sampling in enumerate(used, 1)})
        tubes = (tube(numbers[n], 8, "SUP"[n - 1]) if others else tube(numbers[n], 7 + n, "S") for n in used)
        house.send(kind, [(one, service) for one in rows], write, subjects="".join(tubes))

    for sampling in samplings:
        for code in data.draw(st.lists(st.sampled_from(["NPU1", "NPU2"]), unique=True, min_size=1)):
            answer = answers.pop(data.draw(st.integers(0, len(answers) - 1)))
            house.stands.append(One(house.name(), code, answer, tube=sampling))
        send("N", [one for one in house.stands if one.tube == sampling])
    for _ in range(data.draw(st.integers(1, 2))):
        rows = [changed(house, one, answers) if house.chance(3) else one for one in list(house.stands)]
        send(kind, rows)
    judge(house)


@pytest.mark.parametrize("numbering", NUMBERINGS)
@given(data=st.data())
@EXAMPLES
def test_each_letter_stays_under_its_organism(numbering: Numbering, data: st.DataObject) -> None:
    house = House(data.draw, numbering)
    marked = data.draw(st.booleans())
    names = ["E. coli", "Klebsiella", "Enterococcus", "Proteus"]
    letters = ["S", "I", "R"]

    def new() -> None:
        if names:
            grown = One(house.name(), "", names.pop())
            tested = house.draw(st.lists(st.sampled_from(["NPU1", "NPU2", "NPU3"]), unique=True, min_size=1))
            house.stands.append(grown)
            house.stands += [One(house.name(), a, house.draw(st.sampled_from(letters)), grown.name) for a in tested]

    def write(one: One, service: str, id_: str, held: str) -> str:
        coded = f"<TextCode V='{one.says}' S='{Kith.OID}8271' DN='{one.says}'/>"
        value = Kith.text("", "RSB", codes=coded) if one.code else Kith.text(one.says, "FU")
        return Kith.item(one.code, value, id_=id_, service=service, inside=held)

    new()
    house.send("N", [(one, "N") for one in house.stands], write, discipline="MBIO")
    for kind in house.draw(st.lists(st.sampled_from("NMMAC"), min_size=1, max_size=3)):
        if kind == "C":
            house.send("C", [], write, discipline="MBIO")
            house.send("N", [(one, "N") for one in house.stands], write, discipline="MBIO")
            continue
        known = list(house.stands) if kind != "A" or house.chance(2) else []
        rows = [(one, "H") for one in known]
        if kind == "M":
            rows = [(changed(house, o, letters), "M") if o.code and house.chance(3) else (o, "H") for o, _ in rows]
        rows = [(one, service if marked else "N") for one, service in rows]
        before = len(house.stands)
        new()
        house.send(kind, [*rows, *((one, "N") for one in house.stands[before:])], write, discipline="MBIO")
    judge(house)


@pytest.mark.parametrize("numbering", NUMBERINGS)
@given(data=st.data())
@EXAMPLES
def test_each_text_of_radiology_stays_with_its_examination(numbering: Numbering, data: st.DataObject) -> None:
    house = House(data.draw, numbering)
    texts = [
        f"{what} i {where}." for what in ("Svulst", "Normale forhold", "Cyste") for where in ("lever", "nyre", "milt")
    ]
    examinations = ["SXR0AA", "SJJ0AK", "SKK0AC", "SNG0AB"]

    def new() -> None:
        if examinations:
            house.stands.append(One(house.name(), "", texts.pop()))
            house.stands.append(One(house.name(), examinations.pop(), "", house.stands[-1].name))

    def write(one: One, service: str, id_: str, held: str) -> str:
        if one.code:
            return Kith.item(one.code, "", id_=id_, service=service, state="11")
        return Kith.item("", Kith.text(one.says, "GR"), service=service, state="11", inside=held)

    new()
    house.send("N", [(one, "N") for one in house.stands], write, discipline="RTG", subjects="")
    for kind in house.draw(st.lists(st.sampled_from("NMMA"), min_size=1, max_size=3)):
        rows = [(one, "H") for one in house.stands if kind != "A"]
        if kind == "M":
            rows = [
                (changed(house, one, texts), "M") if not one.code and len(texts) > 1 and house.chance(2) else (one, "H")
                for one, _ in rows
            ]
            used = {one.says for one in house.stands}
            texts = [one for one in texts if one not in used]
        before = len(house.stands)
        if texts and house.chance(2):
            new()
        more = [(one, "A" if kind == "A" else "N") for one in house.stands[before:]]
        if rows or more:
            house.send(kind, [*rows, *more], write, discipline="RTG", subjects="")
    judge(house)
