"""Any patient summary on a page: every code and every name of it can be read, and nothing in it acts."""

from __future__ import annotations

from html import escape, unescape
from typing import Any

import pytest
from lxml import html

import ips_packages
from fhir.test_document_view import codes_in, examples
from kjerne.fhir.document_view import Code, Fact
from kjerne.fhir.system_labels import label_of
from kjerne.pages.summary_page import label, rendered, told
from kjerne.registries.summary_words import LANGUAGES
from kjerne.services.summary.document import document
from services.summary.records import Maker, summary

Tree = dict[str, Any]


def text_of(page: str) -> str:
    return " ".join(html.fromstring(page).text_content().split())


@ips_packages.needed
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_every_example_can_be_read_beside_its_system(language: str) -> None:
    counted = 0
    for bundle in examples():
        seen = text_of(rendered(bundle, language))
        for system, code in set(codes_in([one["resource"] for one in bundle["entry"]])):
            assert f"{label_of(system)} {code}" in seen, (bundle["id"], system, code)
            counted += 1
    assert counted > 250


@ips_packages.needed
def test_what_codes_are_called_can_be_read_too() -> None:
    for bundle in examples():
        seen = text_of(rendered(bundle, "en"))
        for name in displays_in([one["resource"] for one in bundle["entry"]]):
            assert " ".join(name.split()) in seen, (bundle["id"], name)


def displays_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [one for each in value for one in displays_in(each)]
    if not isinstance(value, dict):
        return []
    own = [value["display"]] if isinstance(value.get("display"), str) and "code" in value else []
    return own + [one for each in value.values() for one in displays_in(each)]


@pytest.mark.parametrize("seed", range(5))
def test_a_summary_that_is_made_here_can_be_read_on_it(seed: int) -> None:
    maker = Maker(seed)
    made = document(summary(maker.records(), patient=maker.patient()))
    seen = text_of(rendered(made, "nb"))
    assert all(
        f"{label_of(system)} {code}" in seen for system, code in codes_in([one["resource"] for one in made["entry"]])
    )
    assert "Internasjonalt pasientsammendrag" in seen


def test_nothing_of_a_document_acts() -> None:
    nasty = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    section = {
        "title": nasty, "code": {"coding": [{"system": "javascript:alert(1)", "code": nasty, "display": nasty}]},
        "text": {"div": f"<div><p onclick='x()'>{nasty}</p></div>"}, "entry": [{"reference": "javascript:alert(1)"}],
    }  # fmt: skip
    made = rendered({"entry": [
        {"resource": {"resourceType": "Composition", "title": nasty, "section": [section]}},
        {"resource": {"resourceType": nasty, nasty: nasty, "code": {"text": nasty}, "url": nasty}},
    ]}, "nb")  # fmt: skip
    page = str(made)
    root = html.fromstring(page)
    assert {one.tag for one in root.iter() if isinstance(one.tag, str)} & {"script", "img", "iframe", "a"} == set()
    assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)
    assert escape(nasty, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")
    assert nasty in unescape(page)


def test_a_document_without_its_composition_says_so_and_shows_all_the_same() -> None:
    page = rendered({"entry": [{"resource": {"resourceType": "Flag", "code": {"text": "Fallfare"}}}]}, "nb")
    assert "mangler den delen" in text_of(page)
    assert "Fallfare" in text_of(page)


def test_a_fact_is_called_by_the_words_of_the_language_or_by_its_elements() -> None:
    assert label(Fact(("reaction", "manifestation"), "x"), "nb") == "reaksjon · symptom"
    assert label(Fact(("ownElement",), "x"), "nb") == "own element"
    assert label(Fact(("extension", "valueCoding"), "x"), "en") == "value coding"
    assert label(Fact(("extension",), "x"), "en") == "extension"


def test_a_code_that_stands_for_itself_is_told_in_words() -> None:
    assert told(Fact(("status",), "active"), "nb") == "aktiv"
    assert told(Fact(("clinicalStatus",), "", (Code("urn:a", "resolved", ""),)), "en") == "resolved"
    assert told(Fact(("code",), "Feber"), "nb") == "Feber"
    assert told(Fact(("code",), "", (Code("urn:a", "1", ""),)), "nb") == ""


SEEN = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7497", "code": "1", "display": "Anafylaktisk reaksjon"}]}


def test_a_record_that_contradicts_itself_is_called_by_what_it_says_that_there_is() -> None:
    none = {"system": "http://snomed.info/sct", "code": "716186003", "display": "Ingen kjent allergi"}
    drug = {"system": "http://www.whocc.no/atc", "code": "J01CA04", "display": "Amoksicillin"}
    for more in (
        {"code": {"coding": [none, drug]}}, {"code": {"coding": [none]}, "reaction": [{"substance": {"coding": [drug]}}]},
        {"code": {"coding": [none], "text": "Amoksicillin"}},
        {"code": {"coding": [none, {"system": "http://www.whocc.no/atc", "display": "Amoksicillin"}]}},
        *({"code": {"coding": [none]}, "reaction": [{"manifestation": [SEEN]} | one]} for one in (
            {"description": "Amoksicillin"}, {"note": [{"text": "Amoksicillin"}]},
        )),
    ):  # fmt: skip
        allergy = {"resourceType": "AllergyIntolerance", "id": "1", "criticality": "high"} | more
        page = html.fromstring(rendered({"resourceType": "Bundle", "entry": [{"resource": allergy}]}, "nb"))
        (entry,) = page.xpath("//article")
        assert entry[0].text_content().split()[0] == "Amoksicillin"
        assert "motsier seg selv" in entry.text_content() and "716186003" in entry.text_content()


def test_every_link_within_a_summary_leads_somewhere() -> None:
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "title": "Sammendrag",
        "section": [{"entry": [{"reference": "F/1"}]}],
    }
    flag = {"resourceType": "Flag", "code": {"text": "Varsel"}, "author": {"reference": "urn:c"}}
    entries = [{"fullUrl": "urn:c", "resource": composition}, {"fullUrl": "x/F/1", "resource": flag}]
    page = html.fromstring(rendered({"resourceType": "Bundle", "entry": entries}, "nb"))
    links = [one.removeprefix("#") for one in page.xpath("//a/@href")]
    assert "entry-0" in links and set(links) <= set(page.xpath("//@id"))
