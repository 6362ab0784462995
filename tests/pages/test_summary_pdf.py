"""Any summary as PDF/UA: its structure as a checker reads it, every code in it, and nothing of the document acting."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest

import ips_packages
import pdfs
from fhir.test_document_view import codes_in, examples
from kjerne.errors import Refusal
from kjerne.fhir.document_view import view
from kjerne.fhir.system_labels import label_of
from kjerne.pages import summary_pdf
from kjerne.pages.summary_pdf import DEEPEST, PROGRAM, laid_out, lettered, made_of
from kjerne.registries.summary_words import LANGUAGES
from pages.documents import whole

Tree = dict[str, Any]
AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
OF_NOTHING: Tree = {"resourceType": "Bundle", "entry": []}


class Pdf:
    """A PDF as a program that reads aloud sees it."""

    def __init__(self, raw: bytes) -> None:
        self.file = pikepdf.open(io.BytesIO(raw))
        self.root = self.file.Root
        self.elements = list(_elements(self.root.StructTreeRoot.K))
        self.tags = Counter(str(one.S).lstrip("/") for one in self.elements)

    def of(self, tag: str) -> list[Any]:
        return [one for one in self.elements if str(one.S) == f"/{tag}"]


def _elements(node: Any) -> Iterator[Any]:
    if isinstance(node, pikepdf.Array):
        for one in node:
            yield from _elements(one)
    elif isinstance(node, pikepdf.Dictionary):
        if "/S" in node:
            yield node
        if "/K" in node:
            yield from _elements(node.K)


def text_of(raw: bytes) -> str:
    """All that it says."""
    return " ".join(pdfs.text(raw).split())


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_says_of_itself_that_it_is_pdf_ua_with_title_and_language(language: str) -> None:
    pdf = Pdf(await made_of(whole(), language, AT))
    with pdf.file.open_metadata() as about:
        assert about["pdfuaid:part"] == "1"
        assert about["dc:title"] == laid_out(view(whole()), language)["title"]
    assert str(pdf.root.Lang).partition("-")[0] == language
    assert bool(pdf.root.MarkInfo.Marked) and bool(pdf.root.ViewerPreferences.DisplayDocTitle)
    assert pdf.root.StructTreeRoot.ParentTree is not None


async def test_every_table_has_its_headers_and_every_row_its_cells() -> None:
    pdf = Pdf(await made_of(whole(), "nb", AT))
    assert pdf.tags["Table"] == pdf.tags["THead"] > 10
    assert pdf.tags["TH"] == 3 * pdf.tags["Table"]
    assert pdf.tags["TD"] == 3 * (pdf.tags["TR"] - pdf.tags["Table"])
    for header in pdf.of("TH"):
        told = header.A if isinstance(header.A, pikepdf.Array) else [header.A]
        assert "/Column" in [str(one.get("/Scope", "")) for one in told]


async def test_headings_go_down_one_level_at_a_time() -> None:
    pdf = Pdf(await made_of(whole(), "nb", AT))
    levels = [int(str(one.S)[2:]) for one in pdf.elements if str(one.S)[1:2] == "H" and str(one.S)[2:].isdigit()]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


async def test_every_letter_is_in_the_file_and_says_which_it_is() -> None:
    pdf = Pdf(await made_of(whole(), "nb", AT))
    fonts = {font.objgen: font for page in pdf.file.pages for font in page.Resources.Font.values()}
    assert fonts
    for font in fonts.values():
        assert "/ToUnicode" in font
        descriptor = font.DescendantFonts[0].FontDescriptor
        assert "/FontFile2" in descriptor or "/FontFile3" in descriptor


@ips_packages.needed
@pytest.mark.parametrize("place", range(7))
async def test_every_code_of_every_example_can_be_read_in_it(place: int) -> None:
    bundle = examples()[place]
    seen = text_of(await made_of(bundle, "en", AT)).replace(" ", "")
    for system, code in set(codes_in([one["resource"] for one in bundle["entry"]])):
        assert f"{label_of(system)}{lettered(code)}".replace(" ", "") in seen, (bundle["id"], system, code)


async def test_every_code_of_our_own_can_be_read_in_it() -> None:
    seen = text_of(await made_of(whole(3), "nb", AT)).replace(" ", "")
    wanted = set(codes_in([one["resource"] for one in whole(3)["entry"]]))
    assert len(wanted) > 30
    for system, code in wanted:
        assert f"{label_of(system)}{code}".replace(" ", "") in seen, (system, code)


NASTY = '#panic("x") #read("/etc/passwd") $x$ *b* `r` <a> @ref \\ ] ) } " #[ #{ = H\n- l\n// c /* '


async def test_markup_in_a_document_is_text_in_the_file() -> None:
    document = {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "Composition", "title": NASTY,
                    "section": [{"title": NASTY, "text": {"div": f"<div>{NASTY}</div>"}, "entry": [{"reference": NASTY}]}],
                }
            },
            {"resource": {"resourceType": NASTY, NASTY: NASTY, "code": {"coding": [{"system": NASTY, "code": NASTY}]}}},
        ],
    }  # fmt: skip
    raw = await made_of(document, "nb", AT, (NASTY,))
    seen = text_of(raw).replace(" ", "")
    assert seen.count("#panic") >= 5
    assert '#read("/etc/passwd")' in seen
    assert "root:" not in seen
    pdf = Pdf(raw)
    assert not any(name in pdf.root for name in ("/OpenAction", "/AA", "/AcroForm", "/Names"))
    assert not any("/Annots" in page for page in pdf.file.pages)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Blåbær, ŽŠ Ελλάς Киев", "Blåbær, ŽŠ Ελλάς Киев"),
        ("漢", "[U+6F22]"),
        ("A\u202eB\u0000C\u200bD", "AB CD"),
        ("A\u030a", "Å"),
        ("🦠\ue000", "[U+1F9A0][U+E000]"),
        ("\ud800", "[U+D800]"),
        ("\u202e", ""),
    ],
)
async def test_a_sign_without_a_letter_stands_as_its_number_and_is_not_lost(said: str, shown: str) -> None:
    assert lettered(said) == shown
    for code in ({"text": said}, {"coding": [{"system": "http://snomed.info/sct", "code": "1", "display": said}]}):
        document = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Flag", "code": code}}]}
        assert (await made_of(document, "nb", AT)).startswith(b"%PDF")


async def test_every_letter_that_is_said_to_be_there_is() -> None:
    letters = [chr(one) for first, last in summary_pdf._PAIRS for one in range(first, last + 1)]
    document = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Flag", "code": {"text": " ".join(letters[place : place + 64])}}}
            for place in range(0, len(letters), 64)
        ],
    }
    sent = summary_pdf._sent(document, "nb", AT, (), sys.maxunicode)
    assert await summary_pdf._set(sent)


@pytest.mark.parametrize(
    "document",
    [
        OF_NOTHING,
        {},
        {
            "entry": [
                {"resource": {}},
                {"resource": 1},
                2,
                {"resource": {"resourceType": "Composition", "section": [{}, 1]}},
            ]
        },
    ],
)
async def test_of_nothing_there_is_a_pdf_that_says_so(document: Tree) -> None:
    pdf = Pdf(await made_of(document, "en", AT))
    assert pdf.tags["Title"] == 1


async def test_sections_within_sections_go_no_deeper_than_headings_can() -> None:
    section: Tree = {"title": "innermost"}
    for _ in range(20):
        section = {"title": "outer", "section": [section]}
    document = {"entry": [{"resource": {"resourceType": "Composition", "section": [section]}}]}
    levels = [one["level"] for one in laid_out(view(document), "nb")["blocks"] if one["kind"] == "heading"]
    assert (max(levels), len(levels)) == (DEEPEST, 21)
    assert (await made_of(document, "nb", AT)).startswith(b"%PDF")


async def test_what_is_too_long_for_a_pdf_is_refused_before_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_pdf, "SENT_LIMIT_BYTES", 1_000)
    with pytest.raises(Refusal) as refused:
        await made_of(whole(), "nb", AT)
    assert (refused.value.status, refused.value.where) == (413, "summary_pdf")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "program.py"
    monkeypatch.setattr(summary_pdf, "PROGRAM", own)
    return own


@pytest.mark.parametrize("source", ["import sys; sys.exit('no')", "print('no PDF')", "import os; os.abort()"])
async def test_where_it_cannot_be_set_that_is_told(program: Path, source: str) -> None:
    program.write_text(source, encoding="utf-8")
    with pytest.raises(Refusal) as refused:
        await made_of(whole(), "nb", AT)
    assert refused.value.status == 503


async def test_one_that_does_not_end_is_ended_and_others_are_served_meanwhile(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = tmp_path / "number"
    program.write_text(
        f"import os, time; open({str(number)!r}, 'w').write(str(os.getpid())); time.sleep(600)", encoding="utf-8"
    )
    monkeypatch.setattr(summary_pdf, "SECONDS", 2.0)
    waits = asyncio.create_task(made_of(whole(), "nb", AT))
    turns = 0
    while not waits.done():
        await asyncio.sleep(0.01)
        turns += 1
    with pytest.raises(Refusal):
        await waits
    assert turns > 20
    assert not Path(f"/proc/{number.read_text()}").exists()


def test_the_program_repeats_nothing_of_what_it_was_given_where_it_fails() -> None:
    sent = b'{"at": 1, "title": "Hemmelig", "lang": "nb", "foot": "", "columns": [], "blocks": [{"kind": "heading"}]}'
    done = subprocess.run([sys.executable, "-I", str(PROGRAM)], input=sent, capture_output=True, env={}, check=False)
    assert (done.returncode, done.stdout, b"Hemmelig" in done.stderr) == (1, b"", False)
