"""Findings as cards: short enough, in every language, the most urgent first."""

from __future__ import annotations

from uuid import UUID

import pytest

from kjerne.fhir.cds_hooks import SUMMARY_CHARACTERS
from kjerne.registries.card_words import LANGUAGES, catalogue
from kjerne.services.warnings.cards import LISTED, Cards, Made
from kjerne.services.warnings.matching import RULES, Finding, Rule
from kjerne.services.warnings.reading import Allergy, Code, Medicine, Part

LONG = "ord " * 60


def finding(rule: Rule, name: str = "Noe", medicine: str = "Legemiddel", place: str = "M/1") -> Finding:
    allergy = Allergy("1", name, frozenset({Part(frozenset({Code("urn:x", "c")}))}))
    return Finding(rule, allergy, Medicine(place, medicine, has_id=True), "warning", "G")


def made(language: str = "nb") -> Cards:
    ids = Made(lambda _rule, _indicator: UUID(int=1), lambda _card: UUID(int=2))
    return Cards(language, "order-sign", ids, lambda group: f"Gruppe {group}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_words_and_a_summary_that_is_short_enough(language: str, rule: Rule) -> None:
    for name in ("Noe", LONG):
        (card,) = made(language).of([finding(rule, name, LONG)])
        assert len(card.summary) < SUMMARY_CHARACTERS
        assert card.topic == catalogue(language)[f"topic.{rule}"]
        assert "{" not in card.summary + card.detail


def test_the_languages_have_the_same_keys_and_the_same_values_to_put_in() -> None:
    every = [catalogue(one) for one in LANGUAGES]
    assert all(one.keys() == every[0].keys() for one in every)
    for key, text in every[0].items():
        holes = {part.partition("}")[0] for part in text.split("{")[1:]}
        assert all({part.partition("}")[0] for part in one[key].split("{")[1:]} == holes for one in every), key


def test_what_could_not_be_checked_is_one_card_however_much_it_is() -> None:
    some = [
        finding("not-checked", f"Noe {number}", f"Legemiddel {number}", f"M/{number}") for number in range(LISTED + 3)
    ]
    (card,) = made().of(some)
    assert card.suggestion is None
    assert "Noe 0" in card.detail
    assert "\\+3" in card.detail
    assert f"+{LISTED + 2}" in card.summary


def test_what_has_no_name_is_called_by_its_code_and_else_said_to_have_none() -> None:
    (card,) = made().of([finding("excipient", "", "")])
    assert card.summary.startswith("legemiddel uten navn")
    assert "(c)" in card.summary
    bare = finding("excipient")._replace(allergy=Allergy("1", "", frozenset()))
    assert "uten navn" in next(made().of([bare])).summary


def of_one(number: int, rule: Rule = "same-substance", place: str = "M/1") -> Finding:
    one = finding(rule, f"Noe {number:02}", place=place)
    return one._replace(allergy=one.allergy._replace(id=f"{number:02}"))


def test_one_medicine_has_one_card_of_a_rule_and_urgency_however_many_entries_it_is_about() -> None:
    some = [of_one(number) for number in range(LISTED + 5)]
    worst = of_one(99)._replace(indicator="critical")
    first, second = made().of([*some, worst])
    assert (first.indicator, first.detail.count("Registrert: Noe")) == ("critical", 1)
    assert (second.indicator, second.detail.count("Registrert: Noe")) == ("warning", LISTED)
    assert f"Noe 00 +{LISTED + 4}" in second.summary
    assert "+5" in second.detail


def test_each_rule_and_each_medicine_has_a_card_of_its_own() -> None:
    some = [of_one(1), of_one(2), of_one(1, "excipient"), of_one(1, place="M/2")]
    assert [(one.rule, one.detail.count("Registrert:")) for one in made().of(some)] == [
        ("same-substance", 2),
        ("same-substance", 1),
        ("excipient", 1),
    ]


def test_a_medicine_of_several_drafts_is_taken_away_whole() -> None:
    one = of_one(1)
    (card,) = made().of([one], {one.medicine: ("M/1", "M/2")})
    assert card.suggestion is not None
    assert card.suggestion.places == ("M/1", "M/2")
    (card,) = made().of([one], {one.medicine: ()})
    assert card.suggestion is None


def test_what_was_not_compared_is_told_with_its_types_and_the_entries() -> None:
    for language in LANGUAGES:
        card = made(language).told("not-compared", ["Peanøtt"], ["NutritionOrder", "CarePlan"])
        assert all(one in card.detail for one in ("Peanøtt", "NutritionOrder", "CarePlan"))
        assert (card.indicator, card.uuid) == ("warning", None)
        assert "(2)" in card.summary
