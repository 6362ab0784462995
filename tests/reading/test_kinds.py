"""What bytes are, whatever they are called."""

from __future__ import annotations

import pytest

from kjerne.reading import kinds
from kjerne.reading.content import Shelf, blocks_of, told_of
from kjerne.reading.kinds import contradicts, kind_of
from reading.papers import PDF, picture, rtf


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (PDF, kinds.PDF),
        (picture("PNG"), kinds.PNG),
        (picture("JPEG"), kinds.JPEG),
        (picture("GIF"), kinds.GIF),
        (picture("TIFF"), kinds.TIFF),
        (rtf("a"), kinds.RTF),
        ("<a/>".encode("utf-16"), kinds.XML),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><a/>", kinds.XML),
        (b"<!-- a --><a/>", kinds.XML),
        (b'  {"a": 1}', kinds.JSON),
        (b"< 5 mg/L", kinds.TEXT),
        ("Blåbær".encode("utf-16"), kinds.TEXT),
        (b"PK\x03\x04 a word file", kinds.UNKNOWN),
        (b"MZ\x90\0 program", kinds.UNKNOWN),
        (b"BM\x1a\0\0\0\0\0\0\0 bitmap", kinds.UNKNOWN),
        (b"RIFF\x24\0\0\0WAVEfmt sound", kinds.UNKNOWN),
        (b"<a b='1'>", kinds.XML),
        (b"<a:b>text</a:b>", kinds.XML),
        (b"<?xml", kinds.XML),
        (b"<a", kinds.XML),
        (b'[{"a": 1}]', kinds.JSON),
        (b"a\0b", kinds.UNKNOWN),
    ],
)
def test_a_file_is_what_its_first_bytes_say(raw: bytes, kind: str) -> None:
    assert kind_of(raw) == kind


@pytest.mark.parametrize(
    "text",
    [
        "BMI 31,2. Skrevet ut.", "MZ-tvillinger, monozygote.", "RIFFeltoft", "[Epikrise] Skrevet ut.", "{svar} neg", "[1] kilde",
        "[ ] ja [x] nei", "[] ja",
        "<Hb 8,2> og CRP 5", "<CRP> 5", "<!> viktig", "<?> uklart", "<-- se over", "<3", "Rar! sa hun",
    ],
)  # fmt: skip
def test_a_text_is_a_text_however_it_begins(text: str) -> None:
    for raw in (text.encode(), b"\xef\xbb\xbf" + text.encode(), f"\n {text}".encode()):
        assert kind_of(raw) == kinds.TEXT
        assert blocks_of(raw, "text/plain", Shelf())


@pytest.mark.parametrize(
    ("declared", "found", "wrong"),
    [
        ("", kinds.PDF, False),
        ("application/octet-stream", kinds.PDF, False),
        ("application/x-pdf", kinds.PDF, False),
        ("text/xml; charset=utf-8", kinds.XML, False),
        ("application/hl7-cda+xml", kinds.XML, False),
        ("text/csv", kinds.TEXT, False),
        ("image/png", kinds.JPEG, True),
        ("text/plain", kinds.PDF, True),
        ("application/pdf", kinds.TEXT, True),
    ],
)
def test_a_sender_who_calls_it_something_else_is_noticed(declared: str, found: str, *, wrong: bool) -> None:
    assert contradicts(declared, found) is wrong


def test_the_reader_hears_what_it_was_called_and_what_it_is() -> None:
    (note,) = told_of(PDF, "image/jpeg")
    assert (note.key, dict(note.values)) == ("note.other-kind", {"declared": "JPEG", "found": "PDF"})
