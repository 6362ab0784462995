"""Any patient summary as PDF/UA: tagged, with title, language, headings and tables, set by typst from data.

The document's texts are data for the template (`summary.typ`) and never markup. It is set in a process of its own
(`typesetting.py`), one at a time in each worker, within a time and a size: a summary that does not fit is refused, and the page
shows it all the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.fhir.document_view import Entry, Fact, Section, View, view
from kjerne.pages.desk import Page
from kjerne.pages.summary_page import became, coded, label, told
from kjerne.registries.summary_words import say
from kjerne.services.summary.choosing import name_beside

PROGRAM: Final = Path(__file__).with_name("typesetting.py")
SECONDS: Final = 20.0
SENT_LIMIT_BYTES: Final = 4_000_000
"""Of what is set: some hundred pages."""
MADE_LIMIT_BYTES: Final = 20_000_000
DEEPEST: Final = 6
"""Headings of PDF/UA go as deep as those of a page."""
_RANGES: Final = (
    "20-7e a0-ac ae-377 37a-37f 384-38a 38c 38e-3a1 3a3-4ff 510-513 51a-51d 531-556 559-58a 591-5c7 5d0-5ea 5ef-5f4 621-63a "
    "640-655 660-66d 674 679-67b 67e-680 686-687 691 698 6a4 6a9 6af 6be 6cc 6f0-6f9 10d0-10ff 1d00-1f15 1f18-1f1d 1f20-1f45 "
    "1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fc4 1fc6-1fd3 1fd6-1fdb 1fdd-1fef 1ff2-1ff4 1ff6-1ffe "
    "2000-200a 2010-2029 202f-2040 2042 2044-2052 2054-205f 2070-2071 2074-208e 2090-209c 20a0-20c0 2100-211e 2120 2122 2124 "
    "2126-2151 2153-2184 2190-23ff 2460-262f"
)
"""The letters that typst brings with it (Libertinus Serif, New Computer Modern, DejaVu Sans Mono of 0.15): Latin, Greek,
Cyrillic, Armenian, Georgian, Hebrew, Arabic, and signs. PDF/UA allows no sign without its letter."""
_PAIRS: Final = [tuple(int(end, 16) for end in (one.split("-") * 2)[:2]) for one in _RANGES.split()]
_STARTS: Final = [first for first, _ in _PAIRS]
_SAFE: Final = 0x250
"""Where a text of another script cannot be set after all, only Latin letters stand as themselves."""

Block = dict[str, Any]
log = structlog.get_logger("kjerne")


async def answer(page: Page, document: Mapping[str, Any], notice: Sequence[str] = ()) -> Response:
    """The PDF as a file. `notice` stands first, and its beginning at the foot of each page. Raises as `made_of`."""
    try:
        async with asyncio.timeout(SECONDS):
            await page.desk.setting.acquire()
    except TimeoutError:
        raise _not_set() from None
    try:
        made = await made_of(document, page.reads_as, page.now, notice)
    finally:
        page.desk.setting.release()
    name = f"summary-{page.now.date().isoformat()}.pdf"
    return Response(
        made, media_type="application/pdf", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


async def made_of(document: Mapping[str, Any], language: str, at: datetime, notice: Sequence[str] = ()) -> bytes:
    """The bytes of the PDF of any document. `Refusal` 413 where it is too long for one, 503 where it could not be set."""
    for highest in (sys.maxunicode, _SAFE):
        sent = await asyncio.to_thread(_sent, document, language, at, notice, highest)
        if len(sent) > SENT_LIMIT_BYTES:
            raise Refusal(413, "The summary is too long for a PDF.", where="summary_pdf")
        if made := await _set(sent):
            return made
    raise _not_set()


async def _set(sent: bytes) -> bytes:
    """What the program makes of it; nothing where it cannot, or makes too much of it. `Refusal` 503 where it takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env={},
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            made, _ = await process.communicate(sent)
    except TimeoutError:
        raise _not_set() from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0 and made.startswith(b"%PDF") and len(made) <= MADE_LIMIT_BYTES:
        return made
    log.warning("a summary was not set as PDF", code=process.returncode, made_bytes=len(made))
    return b""


def _not_set() -> Refusal:
    return Refusal(503, "The summary could not be made a PDF.", where="summary_pdf")


def _sent(document: Mapping[str, Any], language: str, at: datetime, notice: Sequence[str], highest: int) -> bytes:
    data = laid_out(view(document, name_beside), language, notice) | {"at": int(at.timestamp())}
    return json.dumps(_lettered(data, highest)).encode()


def laid_out(shown: View, language: str, notice: Sequence[str] = ()) -> Block:
    """What the template sets: title, language, and blocks in the order of the page (headings, texts, tables of facts)."""
    title = shown.title or say(language, "document.title")
    return {
        "title": title,
        "lang": language,
        "foot": notice[0] if notice else title,
        "columns": [say(language, f"column.{one}") for one in ("what", "details", "code")],
        "blocks": [*(_block("note", one) for one in notice), *_Laying(language).blocks(shown)],
    }


class _Laying:
    def __init__(self, language: str) -> None:
        self._language = language

    def blocks(self, shown: View) -> Iterator[Block]:
        if shown.date:
            yield _block("text", shown.date)
        if not shown.has_composition:
            yield self._note("no-composition")
        if not shown.is_whole:
            yield self._note("cut")
        if shown.is_shortened:
            yield self._note("shortened")
        yield from _lines(shown.prose)
        if shown.patient:
            yield from self._entry(shown.patient, 1)
        for one in shown.sections:
            yield from self._section(one, 1)
        if shown.rest:
            yield _heading(1, say(self._language, "page.rest"))
            for entry in shown.rest:
                yield from self._entry(entry, 2)
        if shown.facts:
            yield _heading(1, say(self._language, "page.about"))
            yield self._table(shown.facts)

    def _section(self, one: Section, level: int) -> Iterator[Block]:
        code = f" ({_called(one.code.display, one.title, coded(one.code))})" if one.code else ""
        yield _heading(level, (one.title or say(self._language, "page.untitled")) + code)
        facts = (*((one.empty,) if one.empty else ()), *one.facts)
        if lacks := became(one):
            yield self._note(lacks, say(self._language, f"page.{'rest' if one.entries else 'all'}-{lacks}"))
        elif one.empty:
            yield self._note("empty", one.empty.text)
        if facts:
            yield self._table(facts)
        for entry in one.entries:
            yield from self._entry(entry, level + 1)
        if one.again:
            yield self._table(one.again)
        for missing in one.missing:
            yield self._note("missing", missing)
        if not (one.entries or one.empty or one.missing or one.again or one.sections or one.prose):
            yield self._note("nothing")
        if one.prose:
            yield _block("text", say(self._language, "page.prose") + ":")
            yield from _lines(one.prose)
        for inner in one.sections:
            yield from self._section(inner, level + 1)

    def _entry(self, one: Entry, level: int) -> Iterator[Block]:
        yield _heading(level, one.heading or one.type or "–")
        yield _block("text", one.type)
        if one.facts:
            yield self._table(one.facts)
        if one.is_cut:
            yield self._note("cut")

    def _table(self, facts: Iterable[Fact]) -> Block:
        return {"kind": "table", "rows": [self._row(one) for one in facts]}

    def _row(self, fact: Fact) -> tuple[str, str, str]:
        said = fact.text if fact.link >= 0 else told(fact, self._language)
        codes = "\n".join(_called(one.display, fact.text, coded(one)) for one in fact.codes)
        return label(fact, self._language), said or "–", codes or "–"

    def _note(self, key: str, more: str = "") -> Block:
        return _block("note", f"{say(self._language, f'page.{key}')} {more}".strip())


def _called(display: str, shown: str, code: str) -> str:
    return f"{display} · {code}" if display and display != shown else code


def _heading(level: int, text: str) -> Block:
    return {"kind": "heading", "level": min(level, DEEPEST), "text": text}


def _block(kind: str, text: str) -> Block:
    return {"kind": kind, "text": text or "–"}


def _lines(prose: str) -> Iterator[Block]:
    return (_block("text", line) for line in prose.split("\n") if line)


def _lettered(value: Any, highest: int) -> Any:
    """With each sign that there is no letter for as its number: it is told, and not lost. What has signs alone that are not read
    is a dash: PDF/UA has no empty heading."""
    if isinstance(value, str):
        return lettered(value, highest) or ("–" if value else "")
    if isinstance(value, Mapping):
        return {key: _lettered(one, highest) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lettered(one, highest) for one in value]
    return value


def lettered(text: str, highest: int = sys.maxunicode) -> str:
    """A text as the PDF's letters can say it.

    >>> lettered("Blåbær 漢")
    'Blåbær [U+6F22]'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_letter(one, highest) for one in unicodedata.normalize("NFC", text))


def _letter(sign: str, highest: int) -> str:
    if sign == "\n":
        return sign
    kind = unicodedata.category(sign)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind == "Cf":
        # What turns, joins or hides: nothing that is read.
        return ""
    number = ord(sign)
    place = bisect_right(_STARTS, number) - 1
    if number < highest and place >= 0 and number <= _PAIRS[place][1]:
        return sign
    return f"[U+{number:04X}]"
