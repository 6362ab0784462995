"""Words in a narrative and in any text of a resource."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir import words
from kjerne.fhir.criteria import Words
from kjerne.fhir.effort import TooCostly, limited

TREE: dict[str, Any] = {
    "resourceType": "Observation",
    "text": {"status": "generated", "div":
        '<div xmlns="x"><p class="tall">Bl&#229;b&aelig;r</p>saft<br/>funnet i pr&oslash;ven</div>'},
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-2", "display": "Liver metastases"}], "text": "BIOPSI, lever"},
    "note": [{"text": "Påvist i ett av to glass"}, {"text": "ingen vekst"}],
    "specimen": {"reference": "Specimen/hemmelig", "display": "Serum"},
    "valueAttachment": {"data": "dmVrc3Q="},
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "in_narrative", "in_content"),
    [
        ("blåbær", True, True),
        ("BLABÆR", True, True),
        ("blå", False, False),
        ("blåbær saft", True, True),
        ('"blåbær saft"', True, True),
        ('"saft blåbær"', False, False),
        ("saft blåbær", True, True),
        ("tall", False, False),
        ("liver", False, True),
        ("(bone OR liver) and metastases", False, True),
        ("(bone OR liver) and nothing", False, False),
        ("bone or liver metastases", False, True),
        ("bone or (liver and metastases)", False, True),
        ("lever vekst", False, True),
        ('"lever påvist"', False, False),
        ('"glass ingen"', False, False),
        ("pavist", False, True),
        ("hemmelig", False, False),
        ("serum", False, True),
        ("loinc", False, False),
        ("dmVrc3Q", False, False),
        ("1-2", False, True),
        ("biopsi,", False, True),
    ],
)
def test_words_are_found_whole_case_and_accents_aside(asked: str, in_narrative: bool, in_content: bool) -> None:
    wanted = words.understood(asked)
    assert words.test(Words(True, wanted))(TREE) is in_narrative
    assert words.test(Words(False, wanted))(TREE) is in_content


def test_a_resource_without_a_narrative_has_no_words_in_it() -> None:
    test = words.test(Words(True, words.understood("x")))
    for tree in ({}, {"text": "x"}, {"text": {"div": 1}}):
        assert test(tree) is False


@pytest.mark.parametrize(
    "asked",
    ["", " ", "()", "(a", "a)", "a and", "or a", "a or", '"', '"."', "...", "(" * 12 + "a" + ")" * 12],
)
def test_what_has_no_word_or_cannot_be_read_is_refused(asked: str) -> None:
    with pytest.raises(ValueError):
        words.understood(asked)


def test_long_texts_count_as_work() -> None:
    test = words.test(Words(False, words.understood("x")))
    with pytest.raises(TooCostly), limited(1000):
        test({"note": [{"text": "a b " * 5_000}]})
