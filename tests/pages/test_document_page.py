"""Every text of the public samples of documents is on the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kjerne.pages import document_page
from kjerne.reading.opening import read
from kjerne.reading.view import MARKS, Attached, File, Key, Paragraph, Span, View
from kjerne.wire import xml
from reading.kith_papers import message

DATA = Path(__file__).parents[3] / "shared" / "data"
KITH = sorted(DATA.glob("kith/*.xml"))
CDA = [*sorted(DATA.glob("cda/*/*.xml")), *sorted(DATA.glob("xca/CDA*.xml"))]
WRAPPED = "eu-TransactionDemo.xml"
"""A log of a transaction with a document in it."""
PASSED = ("templateId", "typeId", "realmCode")
FILE_CHARACTERS = 10_000
"""A longer text is a file in base64."""


def bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def shown(view: View) -> str:
    page = document_page.rendered(view, "nb", document_page.at_hand)
    return bare(html.unescape(re.sub(r"<[^>]*>", "", re.sub(r'data:[^"]*', "", page))))


def texts(raw: bytes) -> Iterator[str]:
    """Of every element its text, and of a value what it is called and its number."""
    for one in xml.parse(raw).iter():
        said = [one.text, one.tail]
        if one.tag.rpartition("}")[2] not in PASSED:
            said += [one.get("displayName"), one.get("extension"), one.get("DN"), one.get("OT"), one.get("U")]
        yield from (text for text in said if text and len(text) < FILE_CHARACTERS)


@pytest.mark.skipif(not CDA, reason="needs the samples in ../shared")
@pytest.mark.parametrize("path", [one for one in CDA if one.name != WRAPPED], ids=lambda one: one.stem)
def test_every_text_of_a_cda_document_is_on_the_page(path: Path) -> None:
    raw = path.read_bytes()
    page = shown(read(raw, xml.parse))
    assert [text for text in texts(raw) if bare(text) not in page] == []


@pytest.mark.skipif(not KITH, reason="needs the samples in ../shared")
@pytest.mark.parametrize("path", KITH, ids=lambda one: one.stem)
def test_every_text_of_a_message_by_kith_is_on_the_page(path: Path) -> None:
    raw = path.read_bytes()
    page = shown(read(raw, xml.parse))
    assert [text for text in texts(raw) if bare(text) not in page] == []


def test_every_mark_of_letters_has_its_tag() -> None:
    for mark in MARKS:
        view = View("text/plain", File(b"a", "text/plain"), (Paragraph((Span("a", frozenset({mark})),)),))
        assert re.search(r"<p><(\w+)>a</\1></p>", document_page.rendered(view, "nb", document_page.at_hand))


def test_frames_of_one_page_are_told_apart() -> None:
    file = File(b"%PDF-1.7", "application/pdf")
    shown_twice = (Attached(file.hash, "Brev", framed=True),) * 2
    view = View("cda", file, shown_twice, files={file.hash: file})
    page = document_page.rendered(view, "en", document_page.at_hand)
    assert re.findall(r'title="(Brev[^"]*)"', page) == ["Brev", "Brev 2"]


def test_a_file_without_a_name_is_called_an_attachment_in_the_words_of_the_page() -> None:
    file = File(b"<svg/>", "application/octet-stream")
    original = File(b"", "application/xml")
    view = View("cda", original, (Attached(file.hash, Key("page.attachment")),), files={file.hash: file})
    page = document_page.rendered(view, "nb", document_page.at_hand)
    assert "Last ned: Vedlegg" in page and "page.attachment" not in page


def test_a_mark_that_turns_text_around_is_left_out() -> None:
    view = View("text/plain", File(b"a", "text/plain"), (Paragraph((Span("1\u202e23"),)),))
    assert "<p>123</p>" in document_page.rendered(view, "nb", document_page.at_hand)


def test_a_norwegian_message_says_so_on_an_english_page_and_an_element_without_a_word_its_own_name() -> None:
    view = read(message(told="<UkjentTing>a</UkjentTing>").encode(), xml.parse)
    pages = {language: document_page.rendered(view, language, document_page.at_hand) for language in ("nb", "en")}
    assert ('lang="no"' in pages["nb"], 'lang="no"' in pages["en"]) == (False, True)
    assert "<dt>Ukjent ting</dt>" in pages["en"]
