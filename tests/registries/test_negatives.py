"""Codes that say that there is nothing, and those that only look like it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from kjerne.registries.negatives import (
    ABSENT_UNKNOWN,
    SNOMED,
    called,
    contradicts_itself,
    is_negative,
    meant_by,
    negative_in,
    negative_of,
)


@pytest.mark.parametrize(
    ("codes", "negative"),
    [
        ([(SNOMED, "716186003")], True),
        ([(SNOMED, "409137002")], True),
        ([(ABSENT_UNKNOWN, "no-known-allergies")], True),
        ([(ABSENT_UNKNOWN, "no-allergy-info")], True),
        ([("http://www.whocc.no/atc", "J01CA04"), (SNOMED, "716186003")], True),
        ([("https://abroad.example/codes", "716186003")], False),
        ([(SNOMED, "372687004")], False),
        ([], False),
    ],
)
def test_a_negative_is_known_by_its_system_and_code(codes: list[tuple[str, str]], negative: bool) -> None:
    assert is_negative(codes) is negative


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        ([(SNOMED, "716186003")], "whole"),
        ([("urn:oid:2.16.840.1.113883.6.96", "716186003")], "whole"),
        ([(SNOMED, "716186003"), (ABSENT_UNKNOWN, "no-known-allergies")], "whole"),
        ([(SNOMED, "716186003"), (SNOMED, "428197003")], "part"),
        ([(SNOMED, "716186003"), (ABSENT_UNKNOWN, "no-allergy-info")], "no-info"),
        ([("http://www.whocc.no/atc", "J01CA04"), (SNOMED, "716186003")], ""),
        ([(SNOMED, "716186003"), ("https://abroad.example/codes", "x")], ""),
        ([], ""),
    ],
)
def test_several_codes_say_that_there_is_nothing_only_where_each_does(codes: list[tuple[str, str]], says: str) -> None:
    assert negative_in(codes) == negative_in(reversed(codes)) == says


NOTHING = {"system": SNOMED, "code": "716186003", "display": "No known allergy"}
AMOXICILLIN = {"system": "http://www.whocc.no/atc", "code": "J01CA04", "display": "Amoxicillin"}
REACTED = {"reaction": [{"substance": {"coding": [AMOXICILLIN]}, "manifestation": [{"text": "sjokk"}]}]}


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "No known allergy", "no  KNOWN allergy", "716186003", "Ingen kjente allergier", "Ikke kjent allergi", "NKA",
        "Ingen kjende allergiar", "Inga kända allergier", "Keine bekannten Allergien",
    ],
)  # fmt: skip
def test_words_that_are_the_codes_own_name_or_say_it_in_another_language_leave_it_a_negative(text: str) -> None:
    concept = {"coding": [NOTHING], "text": text}
    assert (negative_of({}, concept), contradicts_itself({}, concept), called({}, concept)) == ("whole", False, "")
    assert meant_by({}, concept) == [concept]


def test_words_on_a_reaction_are_never_silent_either_and_what_it_was_seen_to_do_is_none() -> None:
    concept = {"coding": [NOTHING]}
    seen = {"manifestation": [{"text": "Anafylaktisk reaksjon"}]}
    for told in ({"description": "Sjokk av penicillin"}, {"note": [{"text": "x"}, {"text": "Sjokk av penicillin"}]}):
        for reaction in permutations((told, seen, {"description": "Ingen kjente allergier"})):
            tree = {"reaction": list(reaction)}
            assert (negative_of(tree, concept), contradicts_itself(tree, concept)) == ("", True)
            assert {"text": "Sjokk av penicillin"} in meant_by(tree, concept)
            assert called(tree, concept) in ("x", "Sjokk av penicillin")
    for reaction in (seen, {"description": " "}, {"description": "No known allergy"}, {"note": 7, "description": 7}):
        assert negative_of({"reaction": [reaction]}, concept) == "whole"
    words = {"description": "Sjokk"}
    assert meant_by({"reaction": [words]}, {"coding": [AMOXICILLIN]}) == [{"coding": [AMOXICILLIN]}]
    assert called({"reaction": [words | REACTED["reaction"][0]]}, concept) == "Amoxicillin"


@pytest.mark.parametrize(
    "text", ["Anafylaksi av penicillin", "Ingen kjente allergier, men ikke gi penicillin", "Allergi", "Kjent allergi",
             "Ingen kjente matallergier"]
)  # fmt: skip
def test_other_words_beside_it_are_never_silent(text: str) -> None:
    for concept in (
        {"coding": [NOTHING], "text": text}, {"coding": [NOTHING, {"display": text}]}, {"coding": [{"display": text}, NOTHING]},
    ):  # fmt: skip
        assert (negative_of({}, concept), contradicts_itself({}, concept), called({}, concept)) == ("", True, text)


def test_words_are_held_against_what_the_code_is_about() -> None:
    of_food = {"coding": [{"system": SNOMED, "code": "429625007"}], "text": "Ingen kjente matallergier"}
    of_problems = {"coding": [{"system": SNOMED, "code": "160245001"}], "text": "Ingen kjente problemer"}
    assert (negative_of({}, of_food), negative_of({}, of_problems)) == ("part", "whole")
    assert negative_of({}, of_problems | {"text": "Ingen kjente allergier"}) == ""


@pytest.mark.parametrize("coding", list(permutations([NOTHING, AMOXICILLIN])))
@pytest.mark.parametrize("text", ["", "No known allergy"])
def test_a_substance_beside_it_is_what_the_record_is_called_by(coding: tuple[Any, ...], text: str) -> None:
    for tree, concept in (({}, {"coding": list(coding), "text": text}), (REACTED, {"coding": [NOTHING], "text": text})):
        assert (negative_of(tree, concept), contradicts_itself(tree, concept)) == ("", True)
        assert called(tree, concept) == "Amoxicillin"
        assert [one["coding"] for one in meant_by(tree, concept)] == [[AMOXICILLIN]]


def test_one_that_says_something_alone_contradicts_nothing() -> None:
    assert not contradicts_itself(REACTED, {"coding": [AMOXICILLIN], "text": "Anafylaksi"})
    assert called(REACTED, {"coding": [AMOXICILLIN]}) == ""


@pytest.mark.parametrize("text", ["-", "Ukjent", "Ingen", "n/a", "Ikke aktuelt", "No known allergies"])
def test_words_that_only_fill_a_place_say_nothing_against_it(text: str) -> None:
    for reaction in ({"description": text}, {"note": [{"text": text}]}):
        assert negative_of({"reaction": [reaction]}, {"coding": [NOTHING]}) == "whole"


@pytest.mark.parametrize(
    "text",
    ["Har allergi, ikke registrert", "Allergi kjent, ikke registrert", "Har allergi ikke kjent", "Kjente allergier"],
)
def test_that_there_is_something_which_nobody_registered_is_not_that_there_is_nothing(text: str) -> None:
    assert called({}, {"coding": [NOTHING], "text": text}) == text


@pytest.mark.parametrize(
    "text",
    ["Allergies: none known", "Known allergies: none", "Pasienten har ingen kjente allergier", "Allergier er ikke registrert",
     "Adverse reactions: not recorded", "There are no known allergies.", "Ingen kjente allergier, ikke intoleranse"],
)  # fmt: skip
def test_a_sentence_or_a_heading_that_says_that_there_is_nothing_leaves_it_a_negative(text: str) -> None:
    assert negative_of({}, {"coding": [NOTHING], "text": text}) == "whole"
