"""Any document that a clinician has at hand, a patient summary or another: read from a file, shown, and kept nowhere.

It is no part of the national record, opens nothing of it and says so. Whom it names by a number that is registered here has a
row in her log; the reader hears nothing of that (law, K145).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import apart, document_page, foreign_document, summary_page, summary_pdf
from kjerne.pages.desk import Page, outside, patiently
from kjerne.pages.foreign_document import Tree
from kjerne.pages.summary_house import Held
from kjerne.pages.words import Language
from kjerne.reading import content, kinds, opening
from kjerne.reading.words import said
from kjerne.wire import xml

FAULTS: Final = "document"
_LIGHT: Final = content.PICTURES | {kinds.PDF}
"""Kinds that are passed on as they came: however large, there is next to nothing to read, and to begin a process takes longer."""


async def form(page: Page) -> Response:
    """Where the file is chosen."""
    why = await page.house.absence(page.who)
    return outside(page, why) if why else _form(page)


def _form(page: Page, fault: Refusal | None = None) -> Response:
    told, detail = "", ""
    if fault:
        told = page.say(f"document.fault_{fault.where.partition('_')[2] or 'none'}")
        told = " ".join(filter(None, (told, said(page.reads_as, f"broken.{fault.says}", ""))))
        detail = fault.says if fault.where == "document_unread" else ""
    return page.render(
        "clinician/document.html", status=fault.status if fault else 200, title=page.say("document.title"), fault=told,
        detail=detail, limit=opening.LIMIT_BYTES // 1_000_000,
    )  # fmt: skip


async def show(page: Page) -> Response:
    """What the file says. A fault of the file is told beside the form."""
    page.checked()
    why = await page.house.absence(page.who)
    if why:
        return outside(page, why)
    as_pdf = page.form.get("as") == "pdf"
    try:
        shown = await laid_out(page, page.file, page.file_type, as_pdf=as_pdf)
    except Refusal as fault:
        if fault.where.partition("_")[0] != FAULTS:
            raise
        return _form(page, fault)
    await page.house.brought(page.who, shown.numbers)
    if as_pdf:
        return await summary_pdf.answer(
            page, shown.document, (page.say("document.not_ours"), page.say("document.not_ours_text"))
        )
    whose = await _whose(page, shown.numbers)
    answer = page.render(
        "clinician/document_shown.html", title=page.say("document.shown"), body=shown.body, whose=whose
    )
    answer.headers.update(shown.headers)
    return answer


async def laid_out(page: Page, raw: bytes, declared: str, *, as_pdf: bool = False, title: str = "") -> Shown:
    """What the reader makes of a document, in a thread or apart. `Refusal` with `document` in its place for a fault of it.
    `title` is what it is called where it has no title of its own."""
    async with page.desk.reading(raw):
        work = asyncio.to_thread if kinds.kind_of(raw) in _LIGHT else apart.work
        return await work(_read, raw, declared, page.reads_as, as_pdf, title)


async def _whose(page: Page, numbers: tuple[str, ...]) -> Held | None:
    """Whether it is about the patient who is open in this login; None where none is, or the reader may not know.

    Her own system vouches for a patient whom it opened on that patient's pages alone, so such a one is not looked up here.
    """
    visit = page.session.visit if page.session else None
    if visit is None or visit.launched is not None or (visit.until is not None and page.now >= visit.until):
        return None
    return await patiently(page.house.held_against(page.who, visit, numbers))


class Shown(NamedTuple):
    """Whom a document names, the page's body of it, what its answer carries, and the document where a PDF can be made of it."""

    numbers: tuple[str, ...]
    body: Markup
    headers: Mapping[str, str]
    document: Tree


def _read(raw: bytes, declared: str, language: Language, as_pdf: bool, title: str) -> Shown:
    """A patient summary by FHIR's own view, any other document by `kjerne.reading`."""
    if foreign_document.is_fhir(raw):
        document = foreign_document.read(raw)
        body = Markup() if as_pdf else summary_page.rendered(document, language)
        return Shown(foreign_document.numbers_of(document), body, {}, document)
    view = opening.read(raw, xml.parse, declared)
    view = replace(view, title=view.title or title)
    if as_pdf:
        raise Refusal(422, "A PDF is made of a patient summary alone.", where="document_nopdf")
    body = document_page.rendered(view, language, document_page.at_hand)
    return Shown(view.numbers, body, document_page.headers(view), {})
