"""The citizen chooses whether to be told when somebody has looked, how often, and where."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import words
from kjerne.pages.desk import Page
from kjerne.pages.reader import person_of
from kjerne.services.notification import HOWS


async def profile(page: Page) -> Response:
    """What is chosen, and what each choice means."""
    return await _shown(page, {}, None)


async def _shown(page: Page, typed: Mapping[str, str], refusal: Refusal | None) -> Response:
    return page.render(
        "me/notify.html",
        status=refusal.status if refusal else 200,
        title=page.say("notify.title"),
        person=await person_of(page),
        told=await page.house.telling(page.who, page.visit),
        hows=("", *HOWS),
        typed=typed,
        saved=page.request.query_params.get("saved", "") if refusal is None else "",
        wrong=refusal.where if refusal else "",
        fault=page.say(f"notify.fault_{refusal.where}") if refusal else "",
    )


async def save(page: Page) -> Response:
    """Put the choice in force, or stop being told."""
    form = page.checked(fresh=True)
    how = form.get("how", "")
    try:
        await page.house.tell_me(
            page.who, page.visit, how, form.get("channel", ""), form.get("address", ""), page.reads_as
        )  # fmt: skip
    except Refusal as refusal:
        if not words.knows(f"notify.fault_{refusal.where}"):
            raise
        return await _shown(page, form, refusal)
    return page.go(f"/me/notify?saved={'on' if how else 'off'}")
