"""Text in the encodings in which it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.reading.charset import decoded
from kjerne.reading.view import Unreadable

SAID = "Blåbær – 5 µg\nČáhci"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_by_its_mark_or_by_its_bytes(encoding: str) -> None:
    assert decoded(SAID.encode(encoding)) == (SAID, ())


def test_a_code_page_is_read_as_declared_and_else_as_windows_with_a_word_of_it() -> None:
    assert decoded("Blåbær".encode("cp865"), "text/plain; charset=cp865") == ("Blåbær", ())
    text, notes = decoded("Blåbær – 5".encode("cp1252"), "text/plain; charset=nonsense")
    assert text == "Blåbær – 5"
    assert [one.key for one in notes] == ["note.guessed-encoding"]


def test_letters_that_cannot_be_read_are_told() -> None:
    text, notes = decoded(b"\xff\xfea\0\xd8")
    assert text.endswith("\ufffd")
    assert [one.key for one in notes] == ["note.lost-letters"]


def test_line_ends_of_all_machines_are_line_ends() -> None:
    assert decoded(b"a\r\nb\rc\n").text == "a\nb\nc\n"


def test_what_is_full_of_controls_is_no_text() -> None:
    with pytest.raises(Unreadable):
        decoded(bytes(range(1, 32)) * 4)


@given(st.binary(max_size=200), st.sampled_from(["", "text/plain; charset=utf-16", "charset=cp850", "charset=\u00e6"]))
def test_any_bytes_are_text_or_are_refused(raw: bytes, declared: str) -> None:
    try:
        text = decoded(raw, declared).text
    except Unreadable:
        return
    assert not any(sign < " " and sign not in "\t\n\x1b" for sign in text)
