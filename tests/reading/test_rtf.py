"""RTF is read for its text, its tables and a few marks, and nothing in it acts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.reading.rtf import DEPTH, Read, read
from kjerne.reading.view import Block, Cell, Footnote, Note, Paragraph, Span, Table, Unreadable
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
        (r"Hb {\upr{? 8}{\*\ud{\u8804? 8}}}{\info{\upr{a}{\*\ud{b}}}}", ["Hb ≤ 8"]),
        (r"a{\bin4 }}}}b", ["ab"]),
        (r"{\*\shppict{\pict\pngblip zz}}a{\shp{\*\shpinst{\sp{\sn x}{\sv y}}{\shptxt boks\par}}}", ["aboks"]),
    ],
)
def test_what_is_written_is_said(body: str, says: list[str]) -> None:
    assert said(body) == says


def test_the_fonts_are_gone_through_once_and_not_for_each_field(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[None]()
    monkeypatch.setattr("kjerne.reading.rtf._Font.called", property(lambda one: asked.append(None) or one.name[:-1]))
    fonts = "".join(rf"{{\f{place}\fcharset2 Font{place};}}" for place in range(300))
    field = r'{\field{\*\fldinst SYMBOL 252 \\f "Font7"}}'
    blocks = read(rtf(rf"{{\fonttbl{fonts}}}" + field * 300)).blocks
    assert list(lines(blocks)) == ["\ufffd" * 300]
    assert len(asked) < 300 * 10


SYMBOLS = (
    r"{\fonttbl{\f0\fswiss Arial;}{\f5\froman\fcharset2{\*\panose 05}Symbol{\*\falt Arial};}{\f6\fcharset2 Wingdings;}"
)
SYMBOLS += r"{\f7\fcharset2 Snefnugg;}{\f8\ftech Symbol;}{\f9\fcharset77 Monaco;}{\f10\fcharset99 Ukjent;}}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (r"Levaxin 50 {\f5 m}g, GFR {\f5\'b3} 60, Hb {\f5\'a3} 8, {\f8 D}T", "Levaxin 50 µg, GFR ≥ 60, Hb ≤ 8, ΔT"),
        (r"5 {\f5\u-3987\'6d}g {\f5\u109?}g {\f5\u956?}g", "5 µg µg μg"),
        (r"{\f6\'fe} ja {\f6 o} nei {\f6\u-3844?}", "☑ ja ☐ nei ✓"),
        (r"{\pntext\f5\'b7\tab}{\f5 m\plain m}", "•\tµm"),
        (r"{\field{\*\fldinst SYMBOL 163 \\f Symbol \\s 10}{\fldrslt\f5 }}5", "≤5"),
        (r'{\field{\*\fldinst {SYMBOL }{109 \\f "Symbol"}}}g{\field{\*\fldinst SYMBOL 229}{\fldrslt}}', "µgå"),
        (r"{\field{\*\fldinst SYMBOL 163 \\f Symbol}{\fldrslt \u8804?}}5", "≤5"),
        (r"{\field{\*\fldinst EQ \\F(1;2)}{\fldrslt}} tablett{\field{\*\fldinst PAGE}}", "1/2 tablett"),
        (r"{\field{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres1{\*\ffname A}}}}{\fldrslt}} ja", "☒ ja"),
        (r"{\field{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres25\ffdefres0}}}{\fldrslt}} nei", "☐ nei"),
        (r"{\f9\'8a}{\*\do\dptxbx{\dptxbxtext boks}}", "äboks"),
    ],
)
def test_a_sign_of_a_font_of_drawings_is_what_its_author_saw(body: str, says: str) -> None:
    found = read(rtf(SYMBOLS + body))
    assert (list(lines(found.blocks)), found.notes) == ([says], ())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (r"a{\f7 m}{\f6 A}{\f5\'ff}", "a\ufffd\ufffd\ufffd"),
        (r"{\f0\u-3987?}g", "\ufffdg"),
        (r"{\f10\'e5}", "\ufffd"),
        (r"{\field{\*\fldinst EQ \\B(1;2)}{\fldrslt}}", "\ufffd"),
        (r"{\field{\*\fldinst SYMBOL 77 \\f Snefnugg}{\fldrslt}}", "\ufffd"),
        (r"{\field{\*\fldinst FORMDROPDOWN {\*\formfield{\ffres1{\*\ffl A}{\*\ffl B}}}}{\fldrslt }}", "\ufffd"),
        (r"{\field{\*\fldinst FORMCHECKBOX}{\fldrslt}}{\field{\*\fldinst MERGEFIELD Dose}}", "\ufffd\ufffd"),
        (r"{\mmath{\*\moMathPara{\*\moMath{\mr 1/2}}}}a", "\ufffda"),
        (r"\u-10179?a", "\ufffda"),
    ],
)
def test_a_sign_that_cannot_be_told_is_shown_as_lost_and_with_a_note(body: str, says: str) -> None:
    found = read(rtf(SYMBOLS + body))
    assert (list(lines(found.blocks)), found.notes) == ([says], (Note("note.lost-letters"),))


def test_no_letter_of_a_font_of_drawings_stands_as_the_letter_whose_place_it_has() -> None:
    places = [*range(0xA0, 0x100), *(ord(one) for one in "ABCDmnopLSW")]
    for place in places:
        (block,) = read(rtf(SYMBOLS + rf"{{\f5 x\'{place:02x}}}")).blocks
        assert isinstance(block, Paragraph)
        sign = block.spans[0].text[1]
        assert sign != bytes([place]).decode("cp1252") or sign in "°±®¬©", hex(place)


def test_raised_letters_are_a_power() -> None:
    (block,) = read(rtf(r"10{\up6 9}/L {\dn4 2}{\up6 a\up0 b}")).blocks
    sup, sub = frozenset({"sup"}), frozenset({"sub"})
    assert block == Paragraph((
        Span("10"), Span("9", sup), Span("/L "), Span("2", sub), Span("a", sup), Span("b")
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (rb"{\rtf1\deff0{\fonttbl{\f0\fcharset238 Arial CE;}}\'b9\'e6}", "ąć"),
        (rb"{\rtf1\deff0{\fonttbl{\f0 A;}{\f1\fcharset204 C;}}\f1\'c0\plain\'e6}", "Аæ"),
        (rb"{\rtf1{\fonttbl\f0\fcharset204 C;\f1\fcharset2 Symbol;}\'e6{\f0\'c0}{\f1 m}}", "æАµ"),
        (rb"{\rtf1{\fonttbl{\f0\cpg1251 C;}{\f1\cpg42 Symbol;}}{\f0\'c0}{\f1 m}}", "Аµ"),
    ],
)
def test_text_is_in_the_page_of_its_font_and_before_any_in_that_of_the_default_one(raw: bytes, says: str) -> None:
    assert list(lines(read(raw).blocks)) == [says]


def test_a_picture_of_a_shape_is_shown_and_what_is_told_of_one_is_no_part_of_it() -> None:
    png = picture("PNG")
    told = r"{\*\picprop{\sp{\sn shapeType}{\sv 75}}}\pngblip{\*\blipuid 0102}" + png.hex()
    shape = r"{\shp{\*\shpinst{\sp{\sn pib}{\sv {\pict" + told + "}}}}}"
    assert read(rtf(r"{\pict" + told + "}" + shape)) == ((), (), (png, png))
    assert [one.key for one in read(rtf(r"{\sp{\sv{\pict\wmetafile8 01}}}")).notes] == ["note.picture-unshown"]


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
    "\\uc9_ \\ \\v_ 00 \\ansicpg0_ \\fonttbl_ \\fcharset128_ \\fcharset2_ "
    "\\field_ \\fldinst_ \\fldrslt_ \\deff1_ \\up_ \\sp_ \\ffres1_ FORMCHECKBOX Symbol;"
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
