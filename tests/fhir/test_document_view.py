"""Any document as a page shows it: all that is coded is there, whatever is wrong with the rest."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

import ips_packages
from kjerne.fhir.document_view import ALL_CHARACTERS, FACTS, LONGEST, Code, prose, view

Tree = dict[str, Any]
SPOILED = int(os.environ.get("KJERNE_STORM", "1000")) // 20


def codes_in(value: Any) -> Iterator[tuple[str, str]]:
    """System and code of everything that has both, at any depth; found without the program's help."""
    if isinstance(value, list):
        for one in value:
            yield from codes_in(one)
    elif isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield value["system"], value["code"]
        for one in value.values():
            yield from codes_in(one)


def shown(bundle: Tree) -> set[tuple[str, str]]:
    """The codes in a view, wherever they stand."""
    made = view(bundle)
    facts = [fact for entry in made.entries() for fact in entry.facts] + list(made.facts)
    sections = list(made.sections)
    found = list[Code]()
    while sections:
        one = sections.pop()
        sections += one.sections
        facts += [*one.facts, *([one.empty] if one.empty else [])]
        found += [one.code] if one.code else []
    return {(code.system, code.code) for code in (*found, *(code for fact in facts for code in fact.codes))}


def examples() -> list[Tree]:
    if not ips_packages.FOLDER.exists():
        return []
    return [*ips_packages.examples(ips_packages.IPS), *ips_packages.examples(ips_packages.EPS)]


@ips_packages.needed
def test_every_code_of_every_example_of_both_guides_is_shown() -> None:
    counted = 0
    for bundle in examples():
        # The codes of the document's own meta are of the exchange, and no entries.
        wanted = set(codes_in([one.get("resource") for one in bundle["entry"]]))
        assert wanted - shown(bundle) == set(), bundle["id"]
        counted += len(wanted)
    assert (len(examples()), counted > 250) == (7, True)


@ips_packages.needed
def test_every_resource_of_every_example_is_shown_once() -> None:
    for bundle in examples():
        made = view(bundle)
        places = [one.place for one in made.entries()]
        heads = [n for n, one in enumerate(bundle["entry"]) if "section" in one["resource"]]
        assert sorted(places) == [n for n in range(len(bundle["entry"])) if n not in heads[:1]], bundle["id"]


@ips_packages.needed
def test_the_sections_of_a_document_are_told_with_their_entries_and_their_reasons_for_having_none() -> None:
    (bundle,) = [one for one in examples() if one["id"] == "bundle-no-info-required-sections"]
    made = view(bundle)
    first = made.sections[0]
    assert (first.title, first.code and first.code.code) == ("Allergies and Intolerances", "48765-2")
    assert first.empty is not None
    assert first.empty.codes[0].code == "unavailable"
    assert first.prose.startswith("There is no information")
    assert made.patient is not None
    assert any(fact.text == "1985-04-25" for fact in made.patient.facts)


@ips_packages.needed
@pytest.mark.parametrize("seed", range(SPOILED))
def test_of_a_document_that_was_spoiled_at_random_what_is_left_is_shown(seed: int) -> None:
    maker = random.Random(seed)
    bundle = copy.deepcopy(maker.choice(examples()))
    for _ in range(maker.randint(1, 8)):
        spoil(bundle, maker)
    rows = bundle.get("entry")
    resources = [one.get("resource") for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    wanted = set(codes_in([one for one in resources if isinstance(one, dict)]))
    assert {one for one in wanted if all(one)} - shown(bundle) == set()


def spoil(value: Any, maker: random.Random) -> None:
    """Puts something else in one place, or takes it away."""
    while isinstance(value, (dict, list)) and value:
        key = maker.choice(list(value)) if isinstance(value, dict) else maker.randrange(len(value))
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or maker.random() < 0.15:
            if maker.random() < 0.4:
                del value[key]
            else:
                value[key] = maker.choice([None, 0, "", "x", [], {}, [None], {"a": [1]}, True, 1.5])
            return
        value = inner


@pytest.mark.parametrize(
    "bundle", [{}, {"entry": None}, {"entry": [None, 7, [], {}, {"resource": []}]}, {"entry": {"resource": {"a": 1}}}]
)
def test_what_is_no_document_has_nothing_and_is_told_to_lack_its_composition(bundle: Tree) -> None:
    made = view(bundle)
    assert (made.has_composition, made.sections, made.patient) == (False, (), None)


def test_an_entry_that_nothing_leads_to_is_shown_among_the_rest_and_one_that_is_missing_is_named() -> None:
    section = {"title": "T", "entry": [{"reference": "Condition/none"}, {"reference": "Condition/c/_history/2"}]}
    made = view({"entry": [
        {"resource": {"resourceType": "Composition", "section": [section]}},
        {"fullUrl": "http://a.example/Condition/c", "resource": {"resourceType": "Condition", "code": {"text": "Feber"}}},
        {"resource": {"resourceType": "Flag", "code": {"text": "Varsel"}}},
    ]})  # fmt: skip
    assert made.sections[0].missing == ("Condition/none",)
    assert [one.heading for one in made.sections[0].entries] == ["Feber"]
    assert [(one.type, one.heading) for one in made.rest] == [("Flag", "Varsel")]


def test_what_is_too_deep_or_too_much_is_said_to_be_cut() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = {"a": deep}
    made = view({"entry": [{"resource": {"resourceType": "Basic", "deep": deep}},
                           {"resource": {"resourceType": "Basic", "many": ["x"] * (FACTS + 1)}}]})  # fmt: skip
    assert [one.is_cut for one in made.rest] == [True, True]


def test_a_text_that_is_too_long_is_cut_with_how_much_is_missing_and_a_file_is_told_by_its_size() -> None:
    flag = {"resourceType": "Flag", "code": {"text": "x" * (LONGEST + 5)}}
    made = view({"entry": [{"resource": flag}]})
    assert made.rest[0].heading == "x" * LONGEST + " … (+5)" and made.is_shortened
    paper = {"resourceType": "Binary", "contentType": "image/png", "data": "A" * (LONGEST * 2)}
    shown_ = view({"entry": [{"resource": paper}]})
    assert f"{LONGEST * 3 // 2} bytes" in {one.text for one in shown_.rest[0].facts} and not shown_.is_shortened


def test_many_long_texts_are_cut_together_and_none_is_lost() -> None:
    many = [{"resource": {"resourceType": "Flag", "code": {"text": f"{n:03} {'x' * 10_000}"}}} for n in range(300)]
    made = view({"entry": many})
    texts = [one.heading for one in made.rest]
    assert [int(one[:3]) for one in texts] == list(range(300)) and made.is_shortened
    assert sum(map(len, texts)) < ALL_CHARACTERS + 300 * 200


def test_a_narrative_is_its_text_a_line_for_each_block() -> None:
    div = "<div><p>A &lt;b&gt; &amp; c</p><table><tr><td>1</td><td>2</td></tr></table><script>x()</script></div>"
    assert prose(div) == "A <b> & c\n1 | 2\nx()"


def test_a_coding_that_stands_alone_one_within_another_and_one_without_a_code_are_shown() -> None:
    inner = {"url": "http://a.example/other", "valueCoding": {"system": "urn:b", "code": "2", "display": "to"}}
    concept = {"coding": [{"system": "urn:a", "code": "1", "extension": [inner]}, {"display": "uten kode"}]}
    study = {
        "resourceType": "ImagingStudy", "modality": [{"system": "urn:c", "code": "3"}], "reasonCode": [concept],
        "meta": {"tag": [{"system": "urn:d", "code": "4"}]}, "identifier": [{"system": "urn:e", "value": "5"}],
    }  # fmt: skip
    made = view({"entry": [{"resource": study}]})
    facts = made.rest[0].facts
    assert {code for fact in facts for code in fact.codes} >= {
        Code("urn:a", "1", ""), Code("urn:b", "2", "to"), Code("urn:c", "3", ""), Code("urn:d", "4", ""),
    }  # fmt: skip
    assert "uten kode" in [fact.text for fact in facts]
    assert "5 (urn:e)" in [fact.text for fact in facts[-2:]]


@pytest.mark.parametrize(
    "tree",
    [
        {"code": {"coding": [{"system": "urn:a", "code": "1", "display": "x"}], "text": ["Penicillin"]}},
        {"code": {"coding": [{"system": "urn:a", "code": "1", "display": ["Penicillin"]}]}},
        {"code": {"coding": [{"system": ["Penicillin"], "code": "1", "display": "x"}]}},
        {"valueQuantity": {"value": 1, "unit": ["Penicillin"]}},
        {"subject": {"reference": "Patient/1", "display": ["Penicillin"]}},
        {"identifier": [{"system": {"x": "Penicillin"}, "value": "1"}]},
    ],
)
def test_what_is_of_another_shape_than_r4_has_is_not_lost(tree: dict[str, Any]) -> None:
    shown = view({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Basic"} | tree}]})
    assert "Penicillin" in str(shown.rest[0].facts)
