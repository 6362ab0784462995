"""Free text over the list of documents: every word, in any of what the list tells, without case and accents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents_at_hand import code, entry
from kjerne.services.documents.free_text import tells, words_of


@pytest.mark.parametrize(
    "text",
    [
        "Henvisning",
        "korrespondanse",
        "brev",
        "ØYE^NESE",
        "betanien",
        "Grønn VITS",
        "vits brev betanien",
        "épikRÍSE",
        "",
    ],
)
def test_what_the_list_tells_is_found(text: str) -> None:
    one = entry(
        title="Henvisning, epikrise vedlagt", class_code=code("9602", "G00-1", "Korrespondanse"),
        type_code=code("9602", "G01-2", "Brev"),
    )  # fmt: skip
    assert tells(one, words_of(text))


@pytest.mark.parametrize("text", ["lunge", "henvisning lunge", "9144900", "2.16.578", "text/plain"])
def test_what_the_list_does_not_tell_is_not_looked_in(text: str) -> None:
    assert not tells(entry(title="Henvisning"), words_of(text))


def test_a_word_does_not_reach_from_one_column_into_the_next() -> None:
    one = entry(title="Notat", class_code=code("9602", "A", "Uke"))
    assert not tells(one, words_of("notatuke"))


@given(title=st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=40))
def test_a_title_is_found_by_each_of_its_own_words_in_any_case(title: str) -> None:
    one = entry(title=title)
    assert all(tells(one, words_of(word)) for word in (title, title.upper(), title.lower(), *title.split()))


@given(asked=st.lists(st.sampled_from(["epikrise", "svar", "lunge", "betanien"]), max_size=4))
def test_more_words_never_find_more(asked: list[str]) -> None:
    one = entry(title="Epikrise og svar")
    if tells(one, words_of(" ".join(asked))):
        assert all(tells(one, words_of(" ".join(asked[:n]))) for n in range(len(asked)))
