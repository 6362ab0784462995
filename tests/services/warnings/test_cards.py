"""Findings as cards: short enough, in every language, the most urgent first."""

from __future__ import annotations

from uuid import UUID

import pytest

from kjerne.fhir.cds_hooks import SUMMARY_CHARACTERS
from kjerne.registries.card_words import LANGUAGES, catalogue
from kjerne.services.warnings.cards import LISTED, Cards, Made
from kjerne.services.warnings.matching import RULES, Finding, Rule
from kjerne.services.warnings.reading import Allergy, Code, Medicine

LONG = "ord " * 60


def finding(rule: Rule, name: str = "Noe", medicine: str = "Legemiddel", place: str = "M/1") -> Finding:
    allergy = Allergy("1", name, frozenset({Code("urn:x", "c")}))
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
    assert "uten navn" in made().of([bare])[0].summary
