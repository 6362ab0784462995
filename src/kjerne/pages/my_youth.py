"""The page where a parent consents that a youth of 13 to 15 sees her own, and takes the consent back.

What it does stands above the button. Nothing of the youth's record is on the page, nor can be reached from it.
"""

from __future__ import annotations

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.reader import rule_language


async def access(page: Page) -> Response:
    """For whom she may consent, and what is in force."""
    return await _shown(page)


async def _shown(page: Page, fault: str = "", status: int = 200) -> Response:
    return page.render(
        "me/youth.html",
        status=status,
        title=page.say("youth.title"),
        young=await page.house.youth_access(page.who, rule_language(page)),
        saved=page.request.query_params.get("saved", ""),
        fault=fault,
    )


async def save(page: Page) -> Response:
    """Give the consent, or take it back."""
    form = page.checked(fresh=True)
    answer = form.get("answer", "")
    if answer not in ("give", "withdraw"):
        raise Refusal(400, "There is no such answer.", where="answer")
    people = await page.house.represented(page.who)
    found = next((one for one in people if page.handle(one.key) == form.get("person", "")), None)
    if found is None:
        raise Refusal(403, "This login does not represent the person.", where="represented")
    try:
        await page.house.permit(page.who, found.key, given=answer == "give")
    except Refusal as refusal:
        if refusal.where != "consent":
            raise
        return await _shown(page, page.say("youth.fault_consent"), refusal.status)
    return page.go(f"/me/youth?saved={answer}")
