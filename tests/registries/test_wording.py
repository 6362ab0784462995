"""A reason in words: enough to be one, on one line, and naming nobody by number."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.registries import wording


def test_a_reason_is_kept_without_what_surrounds_it() -> None:
    assert wording.reason("  Vurderer et oppslag ") == "Vurderer et oppslag"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kort",
        " " * 20,
        "x" * 501,
        "Gjelder 45920040881 fra i går",
        "To\nlinjer med ord",
        "Snudd \u202e tekst her",
        ". . . . . . . .",
        "\u200b" * 9,
        "\u2800\u3164" * 5,
    ],
)
def test_what_is_no_reason_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        wording.reason(text, "The patient reads it.")
    assert (refused.value.status, refused.value.where) == (400, "reason")


@pytest.mark.parametrize("text", ["CT i dag", "Akutt", "急救室", "K 17"])
def test_words_are_letters_or_figures_that_are_seen(text: str) -> None:
    assert wording.says_something(text)


@pytest.mark.parametrize("text", ["", ".", "  ok", "\u2060" * 20, "\u3164" * 20, "\u2800\u00ad!?"])
def test_what_shows_no_word_says_nothing(text: str) -> None:
    assert not wording.says_something(text)
