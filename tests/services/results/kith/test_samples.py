"""All public sample messages beside an independent reading of their XML with another parser: nothing lost, nothing doubled."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

from kjerne.fhir.validate import check
from kjerne.services.results import answers as read_answers
from kjerne.services.results import points, trends
from kjerne.services.results.kith import chain, kin, lineage, mapping, traces
from kjerne.services.results.kith.model import Report

SHARED = Path(__file__).parents[5] / "shared" / "data"
Tree = dict[str, Any]
SAMPLES = sorted((SHARED / "kith").glob("*.xml"))

pytestmark = pytest.mark.skipif(
    not SAMPLES, reason="the public samples of ../shared/data/kith are not beside this checkout"
)


def name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def under(element: ET.Element, path: str) -> ET.Element | None:
    found: ET.Element | None = element
    for part in path.split("/"):
        found = next((child for child in found if name(child) == part), None) if found is not None else None
    return found


def items(path: Path) -> list[ET.Element]:
    return [element for element in ET.parse(path).iter() if name(element) == "ResultItem"]


def independent(path: Path) -> Counter[tuple[str, str]]:
    """Kind and content of every result in the file, by the standard library's parser and nothing of ours."""
    found: Counter[tuple[str, str]] = Counter()
    for item in items(path):
        number = under(item, "NumResult/NumResultValue")
        words = under(item, "TextResult/TextResultValue")
        coded = [e for e in under(item, "TextResult") or () if name(e) == "TextCode"]
        sign = under(item, "NumResult/ArithmeticComp")
        if number is not None:
            found["number", f"{'' if sign is None else sign.get('V')}{number.get('V')} {number.get('U')}"] += 1
        elif words is not None and "".join(words.itertext()).strip():
            found["text", "".join("".join(words.itertext()).split())] += 1
        elif coded:
            found["code", ",".join(e.get("V", "") for e in coded)] += 1
        else:
            found["nothing", ""] += 1
    return found


def ours(observations: list[Tree]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    signs = {"<": "LT", ">": "GT", None: ""}
    for tree in observations:
        quantity, concept = tree.get("valueQuantity"), tree.get("valueCodeableConcept")
        if quantity:
            assert isinstance(quantity["value"], Decimal)
            found["number", f"{signs[quantity.get('comparator')]}{quantity['value']} {quantity.get('unit', '0')}"] += 1
        elif concept and concept["text"] == names_of(concept):
            found["code", ",".join(coding["code"] for coding in answers(concept))] += 1
        elif concept:
            found["text", "".join(concept["text"].split())] += 1
        else:
            found["nothing", ""] += 1
    return found


def answers(concept: Tree) -> list[Tree]:
    return [coding for coding in concept.get("coding", ()) if not coding["system"].endswith(".8243")]


def names_of(concept: Tree) -> str:
    """What stands as text where the sender gave codes only."""
    return ", ".join(coding.get("display", "") for coding in answers(concept))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem[:40])
def test_every_result_item_is_one_observation_with_its_value(kith: Any, path: Path) -> None:
    observations = kith.observations(kith.mapped(path.read_bytes()))
    expected = independent(path)
    assert len(observations) == len(items(path))
    assert ours(observations) == expected


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem[:40])
def test_every_resource_of_a_sample_is_valid_r4(kith: Any, path: Path) -> None:
    [version] = chain.versions(kith.understood(path.read_bytes()))
    made: dict[tuple[str, str], str] = {}
    trees = mapping.resources(chain.fold([version]), lambda type_, key: made.setdefault((type_, key), f"n{len(made)}"))
    assert [(tree["resourceType"], fault) for tree in trees for fault in check(tree, tree["resourceType"])] == []
    known = {f"{tree['resourceType']}/{tree['id']}" for tree in trees}
    assert len(known) == len(trees)
    assert references(trees) <= known


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem[:40])
def test_every_result_with_something_to_say_is_read_somewhere(kith: Any, path: Path) -> None:
    """In the table or in a report: its value, its comment, or that it has none. A group or heading says nothing itself."""
    trees = kith.mapped(path.read_bytes())
    observations = kith.observations(trees)
    reports = [tree for tree in trees if tree["resourceType"] == "DiagnosticReport"]
    found = read_answers.answers(reports, observations)
    left_out = read_answers.in_answers(found, reports, observations)
    seen = {point.id for series in trends.series(observations, leave_out=left_out) for point in series.points}
    pages = " ".join(str(answer) for answer in found)
    for tree in observations:
        point = points.point_of(tree)
        if point is not None and tree["id"] not in seen and not points.another_person(tree):
            parts = (*point.notes, *point.value.text.split(" – "))
            assert all(repr(said)[1:-1] in pages for said in parts), tree["id"]


def references(tree: object) -> set[str]:
    if isinstance(tree, list):
        return set().union(*map(references, tree)) if tree else set()
    if not isinstance(tree, dict):
        return set()
    own = {tree["reference"]} if isinstance(tree.get("reference"), str) else set()
    return own.union(*(references(value) for value in tree.values()))


def chained(kith: Any, beginning: str) -> list[Tree]:
    trees: list[Tree] = kith.mapped(*(path.read_bytes() for path in SAMPLES if path.name.startswith(beginning)))
    return trees


def test_the_blood_culture_ends_with_the_items_of_its_final_report(kith: Any) -> None:
    trees = chained(kith, "FHI_20KT00140")
    last = [path for path in SAMPLES if path.name.startswith("FHI_20KT00140")][-1]
    assert kith.only(trees, "DiagnosticReport")["status"] == "amended"
    assert len(kith.observations(trees)) == len(items(last))
    assert Counter(tree["status"] for tree in kith.observations(trees)) == {
        "final": len(items(last)) - 1,
        "cancelled": 1,
    }


def test_the_changed_report_withdraws_what_its_mistyped_id_means(kith: Any) -> None:
    both = [path.read_bytes() for path in SAMPLES if path.name[:2] in ("5_", "6_")]
    statuses = {tree["code"]["text"]: tree["status"] for tree in kith.observations(kith.mapped(*both))}
    assert len(statuses) == 8
    assert (statuses["Us-FT4"], statuses["B-Hemoglobin"]) == ("cancelled", "amended")
    assert Counter(statuses.values()) == {"final": 6, "cancelled": 1, "amended": 1}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_new_changed_and_cancelled_under_three_numbers_are_one_report(kith: Any, order: tuple[int, ...]) -> None:
    messages = [kith.understood(path.read_bytes()) for path in SAMPLES if path.name.startswith("fagmelding")]
    chains = {messages[i].id.encode(): chain.versions(messages[i]) for i in order}
    [versions] = kin.gather(chains).values()
    state = chain.fold(versions)
    assert (state.status, {result.status for result in state.results}) == ("cancelled", {"cancelled"})
    assert len(state.results) == 8


def test_our_own_messages_meet_the_published_schema(kith: Any) -> None:
    """The messages of these tests are what senders may send; the schemas import each other by file name."""
    folder = SHARED / "schemas" / "kith"
    svar = etree.parse(str(folder / "svar-v1.4.xsd"))
    imported = svar.getroot().find("{http://www.w3.org/2001/XMLSchema}import")
    assert imported is not None
    imported.set("schemaLocation", str(folder / "kith.xsd"))
    schema = etree.XMLSchema(svar)
    own = kith.message(kith.report(kith.item(inside=kith.item(value=kith.text("ja"), ref="1"), id_="1")))
    tree = etree.fromstring(own)
    assert schema.validate(tree), schema.error_log


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem[:40])
def test_a_withdrawal_from_a_wrong_patient_leaves_the_right_one_every_result(kith: Any, path: Path) -> None:
    """Each sample sent for a wrong patient, then for the right one, then withdrawn or corrected for the wrong one."""
    for report in kith.understood(path.read_bytes()).reports:
        if not report.items:
            continue
        again = msgspec.structs.replace

        def marked(report: Report, person: int, day: int) -> lineage.Mark:
            at = datetime(2026, 3, 2 + day, tzinfo=UTC)
            return lineage.Mark(at, f"M-{day}", person, traces.trace(report))

        gone = [again(one, status="14") if one.status or one.parent < 0 else one for one in report.items]
        taken = [again(one, service="C") if one.service or one.parent < 0 else one for one in report.items]
        first, right = marked(again(report, service="N"), 1, 0), marked(again(report, service="N"), 2, 1)
        for items in (gone, taken):
            wrong = marked(again(report, service="M", items=tuple(items)), 1, 2)
            assert wrong.trace.only_withdraws
            assert [lineage.owner(one) for one in lineage.gathered([first, right, wrong]) if right in one] == [2]
        corrected = marked(again(report, service="M"), 2, 1)
        assert [lineage.owner(one) for one in lineage.gathered([first, corrected])] == [2]
