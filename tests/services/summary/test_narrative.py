"""The narrative: made here from coded data, escaped, and with every code in it."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.cds_hooks import codings
from kjerne.fhir.xhtml import is_safe
from kjerne.services.summary.choosing import section_of
from kjerne.services.summary.model import KIND_BY_KEY, Section
from kjerne.services.summary.narrative import of_document, of_section, value_in

from .records import ATC, NLK, NOW, Maker, concept

Tree = dict[str, Any]


def told(tree: Tree, language: str = "nb", key: str = "") -> str:
    kind = KIND_BY_KEY[key or section_of(tree, NOW)]
    return of_section(Section(kind, [tree], True), language, {})


@pytest.mark.parametrize("seed", range(15))
def test_every_code_of_what_an_entry_is_stands_in_it_and_it_is_right(seed: int) -> None:
    maker = Maker(seed)
    for tree in (one for trees in maker.records().values() for one in trees if section_of(one, NOW)):
        div = told(tree, maker.one("nb", "nn", "en"))
        assert is_safe(div)
        for key in ("code", "vaccineCode", "medicationCodeableConcept"):
            assert all(code in div for _, code, _ in codings(tree.get(key)))


def test_text_of_a_record_is_never_markup() -> None:
    nasty = "</td><script>alert('x')</script>\u202e<img src=x onerror=y>\n\"'&"
    div = told({"resourceType": "Flag", "status": "active", "code": {"text": nasty}, "author": {"display": nasty}})
    assert is_safe(div)
    assert "<script" not in div
    assert "<img" not in div
    assert "&lt;script&gt;" in div
    assert "\u202e" not in div


def test_what_an_allergy_does_is_told_in_words() -> None:
    tree = {
        "resourceType": "AllergyIntolerance", "code": concept(ATC, "J01CA04", "Amoksicillin"), "criticality": "high",
        "reaction": [{"manifestation": [{"text": "Anafylaksi"}]}], "recordedDate": "2026-03-04",
        "recorder": {"display": "Lege Legesen"},
    }  # fmt: skip
    assert "<td>Amoksicillin</td><td>ATC J01CA04</td><td>alvorlighet: høy; reaksjon: Anafylaksi</td>" in told(tree)
    assert "<td>2026-03-04</td><td>Lege Legesen</td>" in told(tree)
    assert "criticality: high; reaction: Anafylaksi" in told(tree, "en")


def test_what_was_reacted_to_and_a_device_are_told_by_name_and_code() -> None:
    tree = {"resourceType": "AllergyIntolerance", "reaction": [{"substance": concept(ATC, "J01CA04", "Amoksicillin")}]}
    assert "<td>Amoksicillin</td><td>ATC J01CA04</td>" in told(tree)
    assert "<td>Penicillin (Amoksicillin)</td><td>ATC J01CA04</td>" in told(tree | {"code": {"text": "Penicillin"}})
    device = {"resourceType": "Device", "id": "d", "deviceName": [{"name": "Pacemaker Medtronic"}]}
    use = {"resourceType": "DeviceUseStatement", "status": "active"}
    assert "<td>Pacemaker Medtronic</td>" in told(use | {"contained": [device], "device": {"reference": "#d"}})
    assert "<td>SN-77</td>" in told(use | {"device": {"identifier": {"value": "SN-77"}}})


def test_what_somebody_wrote_beside_it_is_told_once_and_leaves_the_rest_whole() -> None:
    reaction = {"manifestation": [{"text": "Anafylaksi"}], "description": "Sjokk", "note": [{"text": "I 2019"}]}
    tree = {
        "resourceType": "AllergyIntolerance", "code": concept(ATC, "J01CA04", "Amoksicillin"), "reaction": [reaction],
        "note": [{"text": "Å" * 400}, {"text": "Sjokk"}, {"text": " "}],
        "extension": [{"url": "http://nhn.no/kj/fhir/StructureDefinition/KjNote", "valueString": "Sett <b>selv</b>"}],
    }  # fmt: skip
    cut = "Å" * 299 + "…"
    assert f"<td>reaksjon: Anafylaksi; merknad: {cut[:290]}" in told(
        tree
    ) and "; merknad: Sjokk; merknad: Sett &lt;b&gt;selv&lt;/b&gt;; merknad: I 2019</td>" in told(tree)
    negative = {"code": concept("http://snomed.info/sct", "716186003", "No known allergy"), "reaction": []}
    assert "merknad: Men penicillin" in told(tree | negative | {"note": [{"text": "Men penicillin"}]})


def test_that_nothing_is_known_is_told_by_whom_and_not_as_grave() -> None:
    tree = {
        "resourceType": "AllergyIntolerance", "code": concept("http://snomed.info/sct", "716186003", "Ingen kjent allergi"),
        "criticality": "high", "reaction": [{"manifestation": [{"text": "Anafylaksi"}]}], "recordedDate": "2026-03-04",
        "recorder": {"display": "Lege Legesen"},
    }  # fmt: skip
    said = told(tree)
    assert "Anafylaksi" not in said and "høy" not in said
    assert "Lege Legesen" in said and "2026-03-04" in said


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"valueQuantity": {"value": 41, "unit": "mmol/mol"}}, "41 mmol/mol"),
        ({"valueQuantity": {"comparator": "<", "value": 0, "code": "g"}}, "<0 g"),
        ({"valueString": "Intet funn"}, "Intet funn"),
        ({"valueCodeableConcept": concept(NLK, "X")}, "NLK X"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}, "1–2"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 64}}}, "1/64"),
        ({"valuePeriod": {"start": "2020", "end": "2021"}}, "2020–2021"),
        ({"valueBoolean": True}, "true"),
        ({"status": "final"}, ""),
    ],
)
def test_a_value_is_told_in_one_line(tree: Tree, text: str) -> None:
    assert value_in(tree) == text


def test_a_medicine_is_told_by_what_it_leads_to() -> None:
    tree = {"resourceType": "MedicationStatement", "status": "active", "medicationReference": {"reference": "urn:m"}}
    held = {"resourceType": "Medication", "code": concept(ATC, "C09AA02", "Enalapril")}
    section = Section(KIND_BY_KEY["medications"], [tree], True)
    assert "<td>Enalapril</td><td>ATC C09AA02</td>" in of_section(section, "nb", {"urn:m": held})


def test_the_whole_says_what_it_is_and_what_it_lacks() -> None:
    div = of_document("Tittel", ["Allergier", "Prøvesvar"], "nb")
    assert is_safe(div)
    assert "ufullstendig: Allergier, Prøvesvar" in div
    assert "ufullstendig" not in of_document("Tittel", [], "nb")


@pytest.mark.parametrize(
    "more",
    [
        {"code": {"coding": [
            {"system": "http://snomed.info/sct", "code": "716186003", "display": "Ingen kjent allergi"},
            {"system": "http://www.whocc.no/atc", "code": "J01CA04", "display": "Amoksicillin"},
        ]}},
        {"reaction": [{"substance": concept("http://www.whocc.no/atc", "J01CA04", "Amoksicillin")}]},
    ],
)  # fmt: skip
def test_a_substance_beside_a_code_of_none_is_named_with_every_code_and_that_they_contradict(more: Tree) -> None:
    none = {"code": concept("http://snomed.info/sct", "716186003", "Ingen kjent allergi")}
    text = told({"resourceType": "AllergyIntolerance", "id": "1"} | none | more)
    assert "<td>Amoksicillin</td>" in text
    assert "716186003" in text and "ATC J01CA04" in text and "otsier seg selv" in text
