"""Any file is opened as what it is, or refused with what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.catalogues import catalogue
from kjerne.errors import Refusal
from kjerne.reading import content, kinds, opening
from kjerne.reading.opening import LIMIT_BYTES
from kjerne.reading.view import Attached, Note, Paragraph, Picture, Span, View
from kjerne.reading.words import LANGUAGES, said
from kjerne.wire import xml
from reading.papers import PDF, picture, rtf


def read(raw: bytes, declared: str = "") -> View:
    return opening.read(raw, xml.parse, declared)


def test_a_pdf_is_a_file_in_a_frame() -> None:
    view = read(PDF, "application/pdf")
    assert (view.kind, view.blocks, view.notes) == (kinds.PDF, (Attached(view.original.hash, "", framed=True),), ())
    assert view.files == {view.original.hash: view.original}


def test_a_pdf_that_is_locked_or_may_act_is_told_of() -> None:
    raw = PDF.replace(b"/Catalog", b"/Catalog/OpenAction<</S/JavaScript>>").replace(
        b"trailer<<", b"trailer<</Encrypt 2 0 R"
    )
    assert [one for one in read(raw).blocks if isinstance(one, Note)] == [Note("note.locked"), Note("note.acts")]


@pytest.mark.parametrize("name", [b"JavaScript", b"J#61vaScript", b"#4aavaScript", b"L#61unch", b"X#46#41"])
def test_a_name_that_is_written_by_numbers_is_the_same_name(name: bytes) -> None:
    assert Note("note.acts") in read(PDF.replace(b"/Catalog", b"/Catalog/A<</S/" + name + b">>")).blocks


@pytest.mark.parametrize("name", [b"JavaScriptless", b"JSON", b"#4A", b"J#62vaScript", b"XFA#41"])
def test_another_name_is_none_that_acts(name: bytes) -> None:
    assert Note("note.acts") not in read(PDF.replace(b"/Catalog", b"/Catalog/A<</S/" + name + b">>")).blocks


def test_a_tiff_that_is_shown_lighter_than_it_is_says_so() -> None:
    assert [type(one).__name__ for one in read(picture("TIFF", mode="I;16", pages=2)).blocks] == [
        "Note", "Picture", "Picture",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF"])
def test_a_picture_is_shown_as_one_that_a_browser_knows(form: str) -> None:
    view = read(picture(form))
    (shown,) = view.blocks
    assert isinstance(shown, Picture)
    assert view.files[shown.hash].type in content.PICTURES


def test_pages_that_are_not_shown_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kjerne.reading.images.PAGES_LIMIT", 2)
    note, *shown = read(picture("TIFF", pages=3)).blocks
    assert (note, len(shown)) == (Note("note.pages", (("shown", "2"), ("count", "3"))), 2)


def test_a_text_is_shown_as_it_was_typed() -> None:
    assert read(b"<5 mg\r\n  ja\r\n\r\nslutt\r\n").blocks == (
        Paragraph((Span("<5 mg\n  ja"),), typed=True), Paragraph((Span("slutt"),), typed=True),
    )  # fmt: skip


def test_pictures_of_rtf_are_looked_at_like_any_other() -> None:
    good, bad = picture("PNG").hex(), picture("PNG")[:40].hex()
    view = read(rtf(rf"brev{{\pict\pngblip {good}}}{{\pict\pngblip {bad}}}"))
    assert [type(one).__name__ for one in view.blocks] == ["Note", "Paragraph", "Picture"]


def test_what_it_is_called_is_told_where_it_is_something_else() -> None:
    assert [one.key for one in read(PDF, "text/plain").notes] == ["note.other-kind"]


@pytest.mark.parametrize(
    ("raw", "status", "where", "says"),
    [
        (b" \n", 400, "document", ""),
        (b"x" * (LIMIT_BYTES + 1), 413, "document_size", ""),
        (b"PK\x03\x04", 422, "document_other", "kind"),
        (b"%PDF-1.7 and no more", 422, "document_broken", "pdf"),
        (picture("PNG")[:50], 422, "document_broken", "image"),
        (bytes(range(1, 30)) * 9, 422, "document_broken", "text"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_why(raw: bytes, status: int, where: str, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(raw)
    assert (refused.value.status, refused.value.where) == (status, where)
    if says:
        assert refused.value.says == says and said("nb", f"broken.{says}", "")


def test_words_are_the_same_in_every_language() -> None:
    keys = [set(catalogue("kjerne.reading.words", one)) for one in LANGUAGES]
    assert keys[0] == keys[1] == keys[2]


@given(
    st.sampled_from([b"", b"%PDF-1.", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"{\\rtf"]),
    st.binary(max_size=120),
)
def test_any_bytes_are_shown_or_refused(beginning: bytes, raw: bytes) -> None:
    try:
        view = read(beginning + raw)
    except Refusal:
        return
    assert view.original.data == beginning + raw
