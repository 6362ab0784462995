"""The page that opens a SMART Health Link in a browser. What opens it stands behind the address's `#` and never comes here."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.responses import Response

from kjerne import catalogues
from kjerne.pages import words
from kjerne.pages.copied import LANGUAGES
from kjerne.pages.desk import LANGUAGE_COOKIE, Page
from kjerne.services.health_links.payload import PATH

__all__ = ["PATH", "show"]

SAID: Final = "viewer_say."
"""What the page's script says, in the catalogue."""


async def show(page: Page) -> Response:
    """The same page for every link; its script does the rest. Whose browser asks for no language that is here reads English."""
    header, chosen = page.request.headers.get("accept-language", ""), page.request.cookies.get(LANGUAGE_COOKIE, "")
    known = chosen if chosen in words.LANGUAGES else catalogues.accepted(header, words.LANGUAGES, "en")
    page = replace(page, language=known)
    said = {
        language: {
            key.removeprefix(SAID): words.say(language, key) for key in words.catalogue("nb") if key.startswith(SAID)
        }
        for language in LANGUAGES
    }
    return page.render("viewer.html", title=page.say("viewer.title"), said=said)
