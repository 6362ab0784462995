"""A document at hand is read as leniently as it can be shown, and whom it is about is found in it."""

from __future__ import annotations

import json

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.document_view import view
from kjerne.pages import foreign_document
from kjerne.pages.foreign_document import LIMIT_BYTES, numbers_of, read
from kjerne.reading.about import NUMBERS_LIMIT
from pages.documents import in_xml, whole

NUMBER = "15887099918"


def sent(tree: object) -> bytes:
    return json.dumps(tree).encode()


def test_json_with_a_mark_and_xml_are_read() -> None:
    assert read(b"\xef\xbb\xbf" + sent(whole()))["resourceType"] == "Bundle"
    assert [one.type for one in view(read(in_xml())).entries()] == ["AllergyIntolerance"]


def test_xml_with_what_r4_does_not_know_is_shown_all_the_same() -> None:
    tree = read(
        in_xml('<severity><coding><code value="24484000"/></coding></severity><own value="1"/><own value="2"/>')
    )
    shown = view(tree)
    codes = {code.code for one in shown.entries() for fact in one.facts for code in fact.codes}
    assert codes == {"91936005", "24484000"}
    assert [(one.title, one.prose) for one in shown.sections] == [("Allergien", "Penicillin")]
    assert [fact.text for one in shown.entries() for fact in one.facts if fact.path == ("own",)] == ["1", "2"]


def test_a_resource_by_itself_is_shown_as_a_document_of_one() -> None:
    shown = view(read(b'{"resourceType": "Flag", "code": {"text": "Fallfare"}}'))
    assert [one.heading for one in shown.rest] == ["Fallfare"]


@pytest.mark.parametrize(
    ("raw", "status", "where"),
    [
        (b" \n", 400, "document"),
        (b"x" * (LIMIT_BYTES + 1), 413, "document_size"),
        (b"%PDF-1.7", 422, "document_unread"),
        (b'{"resourceType": "Bundle", "resourceType": "Bundle"}', 422, "document_unread"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", 422, "document_unread"),
        (b'{"type": "document"}', 422, "document_other"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 422, "document_unread"),
        (b"<Bundle xmlns='http://hl7.org/fhir'><entry>", 422, "document_unread"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", 422, "document_other"),
    ],
)
def test_what_is_no_document_is_refused_with_what_it_is(raw: bytes, status: int, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(raw)
    assert (refused.value.status, refused.value.where) == (status, where)


def test_a_refusal_repeats_nothing_of_the_document() -> None:
    with pytest.raises(Refusal) as refused:
        read(b'{"name": "Kari", "name": "15887099918"}')
    assert "Kari" not in refused.value.says and "15887099918" not in refused.value.says


def test_numbers_are_those_of_the_patient_and_of_whoever_is_the_subject_alone() -> None:
    tree = whole(number=NUMBER)
    tree["entry"][0]["resource"]["subject"] |= {"identifier": {"value": "158870 99827"}}
    tree["entry"].append(
        {
            "resource": {
                "resourceType": "Practitioner",
                "identifier": [{"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "01810199999"}],
            }
        }
    )
    foreign = {
        "resourceType": "Patient",
        "identifier": [{"system": "http://elsewhere.example/id", "value": "15887099829"}],
    }
    tree["entry"].append({"resource": {"resourceType": "Flag", "contained": [foreign]}})
    assert set(numbers_of(tree)) == {NUMBER, "15887099827"}


def test_whom_any_reference_to_a_patient_names_is_found() -> None:
    named = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "158870-99918"}}
    for resource in ({"resourceType": "Coverage", "beneficiary": named},
                     {"resourceType": "Task", "for": named},
                     {"resourceType": "Condition", "asserter": named | {"type": "Patient"}}):  # fmt: skip
        assert numbers_of({"entry": [{"resource": resource}]}) == (NUMBER,)


def test_a_document_about_too_many_is_none_of_one() -> None:
    people = [
        {"resource": {"resourceType": "Patient", "identifier": [{"value": f"{15887000000 + n}"}]}}
        for n in range(NUMBERS_LIMIT + 1)
    ]
    with pytest.raises(Refusal) as refused:
        numbers_of({"entry": people})
    assert refused.value.where == "document_people"


def test_it_takes_no_more_than_the_page_says() -> None:
    assert foreign_document.LIMIT_BYTES % 1_000_000 == 0
