"""The citizen hands out a copy of her summary: a link with a passcode and a QR code, and a list of those that are out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from secrets import token_bytes
from typing import Final

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import qr, words
from kjerne.pages.desk import Page
from kjerne.pages.reader import person_of
from kjerne.registries.summary_words import say
from kjerne.services.health_links import payload
from kjerne.services.health_links.payload import Lacking, Wish

LANGUAGES: Final = ("en", "nb", "nn")
DAY: Final = "24"


async def listed(page: Page) -> Response:
    """What is out, until when, and who has opened it."""
    return page.render(
        "me/links.html",
        title=page.say("links.title"),
        person=await person_of(page),
        links=await page.house.health_links(page.who, page.visit),
        section_names=lambda sections: ", ".join(_named(page, sections)),
        ended=page.request.query_params.get("ended") == "1",
    )


async def form(page: Page) -> Response:
    """What the copy holds, how long and by which passcode it opens; who may make none is refused already here (K150)."""
    await page.house.may_copy(page.who, page.visit)
    return await _form(page, {}, None)


async def make(page: Page) -> Response:
    """Make it, and show it this once."""
    typed = page.checked(fresh=True)
    try:
        handed = await page.house.make_link(page.who, page.visit, _wish(typed))
    except Refusal as refusal:
        if not words.knows(f"links.fault_{refusal.where}"):
            raise
        return await _form(page, typed, refusal)
    if isinstance(handed, Lacking):
        return await _form(page, typed, None, handed.sections)
    return page.render(
        "me/link_made.html",
        title=page.say("links.made"),
        person=await person_of(page),
        handed=handed,
        picture=qr.svg(handed.viewer),
        lacking=_named(page, handed.lacking),
    )


async def end(page: Page) -> Response:
    """End one at once."""
    page.checked()
    await page.house.revoke_link(page.who, page.visit, page.request.path_params["number"])
    return page.go("/me/links?ended=1")


def _named(page: Page, sections: Sequence[str]) -> list[str]:
    return [say(page.reads_as, f"section.{one}") for one in sections]


async def _form(page: Page, typed: Mapping[str, str], refusal: Refusal | None, lacking: Sequence[str] = ()) -> Response:
    """The form as it was typed, with its fault, or with what a copy would lack now, which she is asked about."""
    wrong = refusal.where if refusal else ""
    return page.render(
        "me/link_new.html",
        status=refusal.status if refusal else 409 if lacking else 200,
        title=page.say("links.new"),
        person=await person_of(page),
        typed={"hours": DAY, "language": "en"} | dict(typed),
        hours=payload.HOURS,
        tongues=LANGUAGES,
        least=payload.PASSCODE_LEAST,
        most=payload.LABEL_MOST,
        wrong=wrong,
        fault=page.say(f"links.fault_{wrong}") if refusal else "",
        lacking=_named(page, lacking),
        without=",".join(lacking),
    )


def _wish(typed: Mapping[str, str]) -> Wish:
    language = typed.get("language", "")
    if language not in LANGUAGES:
        raise Refusal(400, "There is no such language.", where="tongue")
    chosen = typed.get("passcode", "")
    return Wish(
        payload.label(typed.get("label", "")),
        payload.lifetime(typed.get("hours", "")),
        payload.passcode(chosen, token_bytes),
        not chosen.strip(),
        language,
        frozenset(typed.get("without", "").split(",")) if typed.get("despite") == "yes" else frozenset(),
    )
