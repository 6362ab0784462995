"""Who reads one of the citizen's pages, and about whom."""

from __future__ import annotations

from dataclasses import replace

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import Represented, RuleLanguage


async def person_of(page: Page) -> Represented:
    """The person whose record is open, as this login stands in for her."""
    people = await page.house.represented(page.who)
    found = next((one for one in people if one.key == page.visit.patient), None)
    if found is None:
        raise Refusal(403, "This login no longer represents the person.", where="represented")
    if found.tie in ("self", "parent"):
        return found
    # What a proxy or guardian may set is told by areas and scopes, which the tie alone does not say.
    return replace(found, chooses=bool(await page.house.may_choose(page.who, page.visit)))


def rule_language(page: Page) -> RuleLanguage:
    """The language of the law's words: bokmål for a reader of Northern Sámi."""
    return "nb" if page.language == "se" else page.language
