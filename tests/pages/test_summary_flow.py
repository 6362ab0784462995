"""What of an entry stands in one line on a page, and that all of it stands in its details."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import html

import ips_packages
from fhir.test_document_view import examples
from kjerne.fhir.document_view import Code, Entry, Fact, view
from kjerne.pages.summary_flow import MATTERS, Telling, dated
from kjerne.pages.summary_page import SHOWN, flow, rendered
from kjerne.pages.summary_pdf import laid_out
from kjerne.registries.summary_words import say
from kjerne.services.summary.document import document
from kjerne.services.summary.model import Became, Drawn, Summary
from pages.documents import whole
from services.summary.records import summary

Tree = dict[str, Any]
V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"


def entry_of(resource: Tree, *others: Tree) -> Entry:
    return view({"entry": [{"resource": one} for one in (resource, *others)]}).rest[0]


def line(resource: Tree, *others: Tree, language: str = "nb") -> str:
    """The flow as it is read."""
    return " · ".join(f"{one.label} {one.said}".strip() for one in flow(entry_of(resource, *others), language))


def quantity(value: float, unit: str = "mmol/L") -> Tree:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def found(node: html.HtmlElement, path: str) -> list[Any]:
    result: Any = node.xpath(path)
    return list(result)


def bundle_of(count: int) -> Tree:
    """A document with one section of so many entries."""
    entries = [
        {"fullUrl": f"urn:e:{n}", "resource": {"resourceType": "Flag", "code": {"text": f"Varsel {n}"}}}
        for n in range(count)
    ]
    section = {"title": "Varsler", "entry": [{"reference": one["fullUrl"]} for one in entries]}
    return {"entry": [{"resource": {"resourceType": "Composition", "section": [section]}}, *entries]}


def test_that_nothing_is_known_is_not_told_as_grave() -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003", "display": "Ingen kjent allergi"}]}
    negative = {
        "resourceType": "AllergyIntolerance", "code": code, "criticality": "high", "recordedDate": "2026-03-04",
        "reaction": [{"manifestation": [{"text": "Anafylaksi"}]}],
    }  # fmt: skip
    assert line(negative) == "registrert 04.03.2026"
    assert "Anafylaksi" in line(negative | {"reaction": [{"substance": {"text": "Fisk"}, **negative["reaction"][0]}]})
    assert "Anafylaksi" in rendered({"entry": [{"resource": negative}]}, "nb")


def test_a_result_is_its_value_its_flag_its_reference_and_its_day() -> None:
    result = {
        "resourceType": "Observation", "status": "final", "code": {"text": "P-TSH"}, "valueQuantity": quantity(4.38),
        "interpretation": [{"coding": [{"system": V3, "code": "H", "display": "High"}]}],
        "referenceRange": [{"low": quantity(0.2), "high": quantity(4.1)}], "effectiveDateTime": "2026-11-13T10:39:00+01:00",
        "basedOn": [{"reference": "http://a.example/fhir/ServiceRequest/1"}], "identifier": [{"system": "urn:x", "value": "7"}],
    }  # fmt: skip
    assert line(result) == "4,38 mmol/L · høy · referanse 0,2–4,1 mmol/L · endelig · tidspunkt 13.11.2026 10:39"
    assert line(result, language="en").startswith("4.38 mmol/L · high · reference 0.2–4.1 mmol/L · final")
    assert [one.kind for one in flow(entry_of(result), "nb")][1] == "high"


def test_an_allergy_says_how_sure_how_grave_what_happens_and_who_says_it() -> None:
    role = {
        "resourceType": "PractitionerRole", "id": "r", "practitioner": {"display": "Ingvild Kristensen"},
        "organization": {"identifier": {"value": "100000008"}},
    }  # fmt: skip
    allergy = {
        "resourceType": "AllergyIntolerance", "contained": [role], "code": {"text": "Lateks"}, "criticality": "high",
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active", "display": "Active"}]},
        "category": ["food"], "onsetDateTime": "2019-05", "recorder": {"reference": "#r"},
        "reaction": [
            {"manifestation": [{"text": "Utslett"}, {"text": "Kløe"}], "severity": "mild"},
            {"manifestation": [{"text": "Sjokk"}]},
        ],
    }  # fmt: skip
    house = {"resourceType": "Organization", "name": "Granlia", "identifier": [{"value": "100000008"}]}
    assert line(allergy, house) == (
        "alvorlighet høy · reaksjon Utslett, Kløe, alvorlighetsgrad mild · reaksjon Sjokk · aktiv · kategori mat"
        " · begynte 2019-05 · registrert av Ingvild Kristensen, Granlia"
    )


def test_each_part_of_a_result_is_told_with_its_own_value_and_flag() -> None:
    parts = [
        {
            "code": {"text": "Systolisk"},
            "valueQuantity": quantity(181.5, "mm[Hg]"),
            "interpretation": [{"coding": [{"code": "H"}]}],
        },
        {"code": {"text": "Diastolisk"}, "valueQuantity": quantity(80, "mm[Hg]")},
    ]
    told = flow(entry_of({"resourceType": "Observation", "component": parts}), "nb")
    assert [(one.label, one.said.split(",")[0], one.kind) for one in told] == [
        ("Systolisk", "181", "high"), ("Diastolisk", "80 mm[Hg]", ""),
    ]  # fmt: skip


def test_what_changes_the_meaning_of_an_entry_is_always_in_its_line() -> None:
    odd = {"url": "http://a.example/notPresent", "valueBoolean": True}
    assert "ja" in line({"resourceType": "Condition", "code": {"text": "Feber"}, "modifierExtension": [odd]})
    assert line({"resourceType": "MedicationRequest", "doNotPerform": True}) == "skal ikke gjøres ja"


def test_an_address_that_leads_nowhere_is_in_the_details_alone() -> None:
    resource = {
        "resourceType": "Flag",
        "code": {"text": "X"},
        "author": {"reference": "http://a.example/fhir/Practitioner/9"},
    }
    assert line(resource) == ""
    assert "http://a.example/fhir/Practitioner/9" in rendered({"entry": [{"resource": resource}]}, "nb")


def test_words_that_say_more_than_a_code_are_not_replaced_by_the_word_of_the_code() -> None:
    coded = (Code(CLINICAL, "active", "Active"),)
    assert Telling("nb").told(Fact(("clinicalStatus",), "Active", coded)) == "aktiv"
    assert Telling("nb").told(Fact(("clinicalStatus",), "aktiv, men i bedring", coded)) == "aktiv, men i bedring"


@pytest.mark.parametrize(
    "text", ["2026", "2026-03", "2026-13-01", "2026-W01-1", "9999999999", "", "i fjor", "2026-01-01T99:00"]
)
def test_what_is_not_a_whole_date_is_told_as_it_came(text: str) -> None:
    assert dated(text, "nb") == text


def test_the_national_number_stands_with_who_she_is_and_in_no_other_line() -> None:
    number = "30876827200"
    page = html.fromstring(rendered(whole(1, number), "nb"))
    told = [" ".join(one.text_content().split()) for one in found(page, "//*[@class='flow']")]
    assert [one for one in told if re.search(r"308768 ?27200", one)] == told[:1]
    assert "nummer 308768 27200" in told[0]


def test_of_many_entries_the_first_are_seen_and_the_rest_are_folded_with_their_number() -> None:
    few, many = (html.fromstring(rendered(bundle_of(count), "nb")) for count in (SHOWN, SHOWN + 7))
    assert found(few, "//details[@class='rest']") == []
    assert len(found(many, "//article")) == SHOWN + 7
    (rest,) = found(many, "//details[@class='rest']")
    assert (found(rest, "./summary")[0].text, len(found(rest, ".//article")), rest.get("open")) == (
        "Vis 7 til",
        7,
        None,
    )


def test_a_document_of_many_sections_has_a_table_of_contents_with_counts() -> None:
    page = html.fromstring(rendered(whole(1), "nb"))
    links = found(page, "//nav//a/@href")
    assert len(links) > 6
    assert all(found(page, f"//*[@id='{one[1:]}']") for one in links)
    assert html.fromstring(rendered(bundle_of(2), "nb")).xpath("//nav") == []


@pytest.mark.parametrize("tells_choices", [True, False])
@pytest.mark.parametrize("became", ["withheld", "unavailable"])
@pytest.mark.parametrize("source", ["critical-information", "record", "results"])
@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_what_is_not_read_is_nowhere_told_as_nothing(
    language: str, source: str, became: Became, tells_choices: bool
) -> None:
    summary_ = summary(language=language, tells_choices=tells_choices, without={source: Drawn(became)})
    lacking = {one["title"] for one in _sections(summary_) if "extension" in one}
    assert lacking
    page = html.fromstring(rendered(document(summary_), language))
    mark = "withheld" if tells_choices and became == "withheld" else "unavailable"
    for one in found(page, "//nav//li"):
        title, told = one.findtext("a"), one.text_content().removeprefix(one.findtext("a")).strip()
        assert told == (say(language, f"page.mark-{mark}") if title in lacking else "0"), title
    for one in found(page, "//section[starts-with(@id, 'section-')]"):
        is_lacking = one.findtext("h2") in lacking
        assert (say(language, "page.empty") in one.text_content()) is not is_lacking
        assert (say(language, f"page.all-{mark}") in one.text_content()) is is_lacking
    notes = [one["text"] for one in laid_out(view(document(summary_)), language)["blocks"] if one["kind"] == "note"]
    told_ = f"{say(language, f'page.{mark}')} {say(language, f'page.all-{mark}')}"
    assert notes.count(told_) == len(lacking)


def _sections(summary_: Summary) -> list[Tree]:
    made: list[Tree] = document(summary_)["entry"][0]["resource"]["section"]
    return [one for one in made if "entry" not in one]


def test_a_section_that_lacks_something_beside_its_entries_says_that_there_may_be_more() -> None:
    bundle = bundle_of(1)
    lacking = {"url": "http://kjerne.example/fhir/StructureDefinition/incomplete-section", "valueCode": "withheld"}
    bundle["entry"][0]["resource"]["section"][0]["extension"] = [lacking]
    page = html.fromstring(rendered(bundle, "nb", "/unlock", "Åpne sperren"))
    (told,) = found(page, "//section/p[contains(@class, 'lacks')]")
    assert " ".join(told.text_content().split()) == "Sperret. Det kan være mer enn det som vises. Åpne sperren"
    assert found(told, "a/@href") == ["/unlock"]


def test_a_section_without_entries_says_what_that_means_once() -> None:
    reason = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "notasked"}]}
    section = {"title": "Vaksiner", "emptyReason": reason, "text": {"div": "<div>Ingen har spurt om dette.</div>"}}
    page = rendered({"entry": [{"resource": {"resourceType": "Composition", "section": [section]}}]}, "nb")
    assert page.count("Ingen har spurt om dette.") == 1
    assert "list-empty-reason notasked" in page


@ips_packages.needed
def test_every_value_of_every_example_stands_in_the_details_of_its_entry() -> None:
    for bundle in [*examples(), whole(1), whole(2)]:
        page = html.fromstring(rendered(bundle, "nb"))
        for entry in view(bundle).entries():
            (details,) = found(page, f"//article[@id='entry-{entry.place}']/details")
            assert len(found(details, ".//dl/div")) == len(entry.facts)
            assert details.get("open") is None


@ips_packages.needed
def test_no_line_of_an_example_has_an_address_or_a_raw_moment() -> None:
    assert len(set(MATTERS)) == len(MATTERS)
    told = [one.said for bundle in examples() for entry in view(bundle).entries() for one in flow(entry, "nb")]
    assert len(told) > 300
    assert not [one for one in told if re.search(r"https?://|urn:|T\d\d:\d\d", one)]
