"""The words of a summary: the same keys and the same places for values in every language."""

from __future__ import annotations

import re

from kjerne.catalogues import catalogue
from kjerne.registries import summary_words
from kjerne.registries.summary_words import LANGUAGES, said, say
from kjerne.services.summary.model import KINDS


def test_every_language_says_the_same_things_with_the_same_values() -> None:
    first, *others = (catalogue(summary_words.__name__, one) for one in LANGUAGES)
    for other in others:
        assert first.keys() == other.keys()
        for key, text in first.items():
            assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", other[key]), key


def test_every_section_has_a_name() -> None:
    assert all(say(language, f"section.{kind.key}") for language in LANGUAGES for kind in KINDS)


def test_a_code_without_a_word_is_told_as_what_it_was_given_with() -> None:
    assert (said("nb", "code.high", "x"), said("nb", "code.of-nobody", "x")) == ("høy", "x")
