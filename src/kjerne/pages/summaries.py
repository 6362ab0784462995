"""The patient summary that is made now, for the clinician who has the patient open and for the citizen: as a page and as PDF."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kjerne.fhir.cds_hooks import objects
from kjerne.pages import summary_pdf
from kjerne.pages.desk import Page
from kjerne.pages.reader import person_of
from kjerne.pages.summary_page import rendered
from kjerne.services.summary.document import INCOMPLETE


async def whole(page: Page) -> Response:
    """Under the law of the visit; what one source does not give, the summary says itself."""
    made = await page.house.summary(page.who, page.visit, page.reads_as)
    unlock = f"/clinician/v/{page.visit.id}/unlock" if "General" in made.shut else ""
    return page.render(
        "clinician/summary.html", title=page.say("summary.title"), patient=made.patient,
        body=await _body(page, made.document, unlock), unlock=unlock, incomplete=is_incomplete(made.document),
    )  # fmt: skip


async def mine(page: Page) -> Response:
    """The citizen's own, or of whom she stands in for."""
    person = await person_of(page)
    made = await page.house.summary(page.who, page.visit, page.reads_as)
    return page.render(
        "me/summary.html", title=page.say("summary.title"), person=person, body=await _body(page, made.document),
        incomplete=is_incomplete(made.document),
    )  # fmt: skip


async def whole_pdf(page: Page) -> Response:
    """The same made anew, tagged for whoever does not see it."""
    made = await page.house.summary(page.who, page.visit, page.reads_as)
    return await summary_pdf.answer(page, made.document)


async def mine_pdf(page: Page) -> Response:
    """As a file for whoever may take a copy (law, K36 and K144); a no is refused before anything is read."""
    await page.house.may_copy(page.who, page.visit)
    return await whole_pdf(page)


def is_incomplete(document: Mapping[str, Any]) -> bool:
    """Whether it says itself that something of it could not be had."""
    return any(
        one.get("code") == INCOMPLETE["code"]
        for meta in objects(document.get("meta"))
        for one in objects(meta.get("tag"))
    )


async def _body(page: Page, document: Mapping[str, Any], unlock: str = "") -> str:
    async with page.desk.laying_out:
        return await asyncio.to_thread(rendered, document, page.reads_as, unlock, page.say("unlock.go"))
