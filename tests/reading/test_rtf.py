"""RTF is read for its text, its tables and a few marks, and nothing in it acts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.reading.rtf import DEPTH, Read, read
from kjerne.reading.view import Block, Cell, Footnote, Paragraph, Span, Table, Unreadable
from reading.papers import picture, rtf


def lines(blocks: tuple[Block, ...]) -> Iterator[str]:
    for one in blocks:
        if isinstance(one, Paragraph):
            yield "".join(span.text for span in one.spans)
        elif isinstance(one, Table):
            for row in one.rows:
                yield "|".join(" ".join(lines(cell.blocks)) for cell in row)
        elif isinstance(one, Footnote):
            yield from lines(one.blocks)


def said(body: str) -> list[str]:
    return list(lines(read(rtf(body)).blocks))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (r"Bl\'e5b\'e6r\par Neste\line linje", ["Blåbær", "Neste\nlinje"]),
        (r"\u8364? 5 og \u-10179?\u-8704? smil", ["€ 5 og \U0001f600 smil"]),
        (r"{\uc2\u268??a}", ["Čáhci"[:1] + "a"]),
        (r"{\f1 \'9c}\f0  \'9c", ["ś œ"]),
        (r"a\~b\_c\-d \{\}\\ \emdash\bullet", ["a\xa0b\u2011cd {}\\ \u2014\u2022"]),
        (r"\trowd A\cell B\cell\row\trowd\intbl C\cell D\cell\row\pard etter", ["A|B", "C|D", "etter"]),
        (r"{\header Sykehus}Brev{\footnote \chftn lite}", ["Brev1", "Sykehus", "lite"]),
        (r'{\field{\*\fldinst HYPERLINK "javascript:alert(1)"}{\fldrslt lenke}}', ["lenke"]),
        (r"{\*\generator Word}{\info{\author Kari}}{\*\ukjent skjult}vist", ["vist"]),
        (r"{\object\objemb{\*\objdata 0105}{\result bildet av den}}", ["bildet av den"]),
        (r"{\listtext 1.\tab}punkt\par", ["1.\tpunkt"]),
        (r"a{\bin4 }}}}b", ["ab"]),
        (r"{\*\shppict{\pict\pngblip zz}}a{\shp{\*\shpinst{\sp{\sn x}{\sv y}}{\shptxt boks\par}}}", ["aboks"]),
    ],
)
def test_what_is_written_is_said(body: str, says: list[str]) -> None:
    assert said(body) == says


def test_marks_of_letters_hold_until_their_group_ends() -> None:
    (block,) = read(rtf(r"en {\b fet \i skr\'e5\i0 } og \ul strek\ulnone{\super 2}")).blocks
    assert block == Paragraph((
        Span("en "), Span("fet ", frozenset({"strong"})), Span("skrå", frozenset({"strong", "emphasis"})), Span(" og "),
        Span("strek", frozenset({"under"})), Span("2", frozenset({"sup"})),
    ))  # fmt: skip


def test_what_is_left_out_is_told() -> None:
    def keys(found: Read) -> set[str]:
        return {one.key for one in found.notes}

    assert keys(read(rtf(r"{\object{\*\objdata 01}}{\v skjult}{\pict\wmetafile8 0102}"))) == {
        "note.object", "note.hidden", "note.picture-unshown",
    }  # fmt: skip
    assert keys(read(rtf("hel"))) == set()
    assert keys(read(rtf("hel")[:-1])) == keys(read(rtf("hel") + b"mer")) == {"note.broken-off"}


def test_a_picture_is_its_bytes() -> None:
    png = picture("PNG")
    assert read(rtf(r"{\pict\pngblip " + png.hex("\n", 20) + "}")).pictures == (png,)


def test_a_row_that_is_never_ended_is_shown() -> None:
    assert read(rtf(r"\trowd\intbl A\cell B")).blocks == (
        Table("", ((Cell((Paragraph((Span("A"),)),)), Cell((Paragraph((Span("B"),)),))),)),
    )


def test_groups_that_lie_too_deep_are_refused() -> None:
    with pytest.raises(Unreadable):
        read(b"{\\rtf1" + b"{" * DEPTH)


WORDS = (
    "{ } \\par_ \\cell_ \\row_ \\intbl_ \\pard_ \\b_ \\* \\pict \\pngblip_ \\u-9_ \\'e5 \\bin9_ \\footnote_ \\header_ a \\f1_ "
    "\\uc9_ \\ \\v_ 00 \\ansicpg0_ \\fonttbl_ \\fcharset128_"
)


@given(st.lists(st.sampled_from([one.replace("_", " ") for one in WORDS.split()])))
def test_any_words_in_any_order_are_read_or_refused(words: list[str]) -> None:
    try:
        found = read(b"{\\rtf1" + "".join(words).encode())
    except Unreadable:
        return
    assert all(isinstance(one, str) for one in lines(found.blocks))


def test_a_file_of_endless_words_is_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kjerne.reading.rtf.WORDS_LIMIT", 9)
    found = read(rtf("a" + r"\b\b0" * 9 + "b"))
    assert (list(lines(found.blocks)), [one.key for one in found.notes]) == (["a"], ["note.cut"])
