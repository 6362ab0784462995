"""Any patient summary that a clinician has at hand: read from a file, shown, and kept nowhere.

It is no part of the national record, opens nothing of it and says so. Whom it names by a number that is registered here has a
row in her log; the reader hears nothing of that (law, K145).
"""

from __future__ import annotations

import asyncio
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import foreign_document, summary_pdf
from kjerne.pages.desk import Page, outside
from kjerne.pages.foreign_document import Tree
from kjerne.pages.summary_page import rendered

FAULTS: Final = "document"


async def form(page: Page) -> Response:
    """Where the file is chosen."""
    why = await page.house.absence(page.who)
    return outside(page, why) if why else _form(page)


def _form(page: Page, fault: Refusal | None = None) -> Response:
    said = page.say(f"document.fault_{fault.where.partition('_')[2] or 'none'}") if fault else ""
    return page.render(
        "clinician/document.html", status=fault.status if fault else 200, title=page.say("document.title"), fault=said,
        detail=fault.says if fault and fault.where == "document_unread" else "",
        limit=foreign_document.LIMIT_BYTES // 1_000_000,
    )  # fmt: skip


async def show(page: Page) -> Response:
    """What the file says. A fault of the file is told beside the form."""
    page.checked()
    why = await page.house.absence(page.who)
    if why:
        return outside(page, why)
    as_pdf = page.form.get("as") == "pdf"
    try:
        async with page.desk.laying_out:
            document, numbers, body = await asyncio.to_thread(_read, page.file, "" if as_pdf else page.reads_as)
    except Refusal as fault:
        if fault.where.partition("_")[0] != FAULTS:
            raise
        return _form(page, fault)
    await page.house.brought(page.who, numbers)
    if as_pdf:
        return await summary_pdf.answer(
            page, document, (page.say("document.not_ours"), page.say("document.not_ours_text"))
        )
    return page.render("clinician/document_shown.html", title=page.say("document.shown"), body=body)


def _read(raw: bytes, language: str) -> tuple[Tree, tuple[str, ...], Markup]:
    """The document, whom it names, and the page's body of it in a language if one is given."""
    document = foreign_document.read(raw)
    body = rendered(document, language) if language else Markup()
    return document, foreign_document.numbers_of(document), body
