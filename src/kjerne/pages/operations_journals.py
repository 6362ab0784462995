"""Journals that are asked for their critical information, as an operator sees them: how each stands, and what was given up."""

from __future__ import annotations

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages.desk import Page


async def listed(page: Page) -> Response:
    """All of them; nothing of whom a record is about."""
    found = await page.house.journals(page.who)
    return page.render(
        "operations/journals.html",
        title=page.say("journals.title"),
        states=found.states,
        dead=found.dead,
        registered=found.registered,
        fault=found.fault,
        saved=page.request.query_params.get("saved") == "again",
    )


async def again(page: Page) -> Response:
    """Has something that was given up fetched anew."""
    page.checked(fresh=True)
    text = page.request.path_params["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Refusal(404, "No such page.", where="page")
    await page.house.fetch_again(page.who, int(text))
    return page.go("/operations/journals?saved=again")
