"""The page that opens a SMART Health Link in a browser. What opens it stands behind the address's `#` and never comes here."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from kjerne.pages import words
from kjerne.pages.desk import Page
from kjerne.services.health_links.payload import PATH

__all__ = ["PATH", "show"]

SAID: Final = "viewer_say."
"""What the page's script says, in the catalogue."""


async def show(page: Page) -> Response:
    """The same page for every link; its script does the rest."""
    said = {key.removeprefix(SAID): page.say(key) for key in words.catalogue("nb") if key.startswith(SAID)}
    return page.render("viewer.html", title=page.say("viewer.title"), said=said)
