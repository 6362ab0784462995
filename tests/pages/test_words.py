"""The catalogues: complete in three languages, the same places to fill, and no word that nobody uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kjerne.pages import words
from kjerne.policy.services import SERVICES
from kjerne.registries.homes import SERVICE_BY_TYPE
from kjerne.services.results import panels

PAGES = Path(words.__file__).parents[1]


@pytest.mark.parametrize("language", words.COMPLETE)
def test_a_language_that_is_called_complete_has_every_word(language: words.Language) -> None:
    assert set(words.catalogue(language)) == set(words.catalogue("nb"))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_each_text_fills_in_the_same_values(language: words.Language) -> None:
    for key, text in words.catalogue(language).items():
        holes = re.findall(r"\{(\w+)\}", text)
        assert sorted(holes) == sorted(re.findall(r"\{(\w+)\}", words.catalogue("nb")[key])), key


def test_northern_sami_reads_bokmal_until_it_has_the_word() -> None:
    assert words.say("se", "value.high") == words.say("nb", "value.high")
    assert words.reads_as("se") == "nb"


def test_every_literal_key_in_a_template_has_a_text() -> None:
    missing = {
        (path.name, key)
        for path in PAGES.joinpath("templates").rglob("*.html")
        for key in re.findall(r"""\b(?:t|many)\((?:"|')([\w.-]+)(?:"|')\s*[,)]""", path.read_text(encoding="utf-8"))
        if not words.knows(key)
    }
    assert missing == set()


def test_every_service_of_the_law_has_a_name_for_a_choice_may_be_of_one_that_is_not_in_use() -> None:
    assert [name for name in SERVICES if not words.knows(f"service.{name}")] == []


def test_every_group_and_topic_of_an_analysis_has_its_words() -> None:
    places = [panels.place(needle) for _, _, needles in panels._WORDS for needle in needles]
    keys = {f"group.{p.group}" for p in places} | {f"plain_group.{group}" for group in panels.GROUPS}
    keys |= {f"topic.{p.topic}{ending}" for p in places if p.topic for ending in ("", "_short")}
    assert {key for key in keys if not words.knows(key)} == set()


@pytest.mark.parametrize(
    ("cookie", "accept", "expected"),
    [
        ("nn", "en-GB", "nn"),
        ("", "no,en;q=0.8", "nb"),
        ("", "sv,en-US;q=0.7", "en"),
        ("xx", "", "nb"),
        ("", "se-NO", "se"),
    ],
)
def test_the_readers_own_choice_goes_before_the_browsers(cookie: str, accept: str, expected: str) -> None:
    assert words.choose(cookie, accept) == expected


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("nb", "Det vises ikke", "De vises ikke"),
        ("nn", "Det blir ikkje vist", "Dei blir ikkje viste"),
        ("en", "It is not shown", "They are not shown"),
    ],
)
def test_one_is_told_of_as_one(language: words.Language, one: str, two: str) -> None:
    assert words.many(language, "lock.count_text", 1).startswith(one)
    assert words.many(language, "lock.count_text", 2).startswith(two)
    assert words.many(language, "lock.count", 1) != words.many(language, "lock.count", 2)


def test_one_of_many_keeps_what_else_the_text_fills_in() -> None:
    assert words.many("en", "results.flagged_text", 1, n=0, all=1).startswith("Showing 0 of 1 analysis")
    assert words.many("nb", "patient.days", 1) == "1 dag"
    assert words.many("nb", "done.again", 1, days=1, date="i dag").startswith("Gjentak innen én dag ")
    assert [words.many("nb", "seals.seconds", n) for n in (1, 2)] == ["1 sekund", "2 sekunder"]
    assert words.many("nb", "me.new_more", 1) == "Se 1 til", "where there is no other text for one"


def test_every_kind_of_record_that_is_kept_has_a_word_where_looks_are_counted() -> None:
    assert {f"seen.{name}" for name in (*SERVICE_BY_TYPE, "Patient")} <= set(words.catalogue("nb"))
