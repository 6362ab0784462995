"""Whom a citizen may act for and who may act for her, in a real browser: by name, for what, how long, and why not."""

from __future__ import annotations

from datetime import date

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, tab
from journeys.test_me import looked_at, start
from kjerne.pages.house import Identity, Representation, Representations, RuleLanguage

pytestmark = pytest.mark.browser

SHUT = "Fullmakten omfatter ikke dette."


def told(where: Site, found: Representations) -> None:
    async def representations(who: Identity, language: RuleLanguage) -> Representations:
        return found

    where.house.representations = representations  # type: ignore[method-assign]


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_citizen_finds_whom_she_acts_for_and_who_acts_for_her(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    child = Representation("Emil Nordvik", "parent", (), None, opens=True)
    shut = Representation("Ada Lind", "proxy", ("oekonomiskeInteresser",), None, opens=False, why=SHUT)
    proxy = Representation("Siv Dahl", "proxy", ("innsyn", "noeNytt"), date(2027, 1, 31), opens=True)
    told(where, Representations((child, shut), (proxy,)))
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        it.page.get_by_role("link", name="Mer", exact=True).click()
        it.page.get_by_role("main").get_by_role("link", name="Fullmakter").click()
        mine = it.page.get_by_role("region", name="Dette kan du se for andre").get_by_role("listitem")
        expect(mine).to_have_count(2)
        expect(mine.filter(has_text="Emil Nordvik")).to_contain_text("Foreldreansvar")
        expect(mine.filter(has_text="Emil Nordvik")).to_contain_text("Kan se prøvesvar")
        for said in ("Fullmakt: økonomiske forhold", SHUT, "Kan ikke se prøvesvar"):
            expect(mine.filter(has_text="Ada Lind")).to_contain_text(said)
        theirs = it.page.get_by_role("region", name="Disse kan se for deg").get_by_role("listitem")
        expect(theirs).to_have_count(1)
        for said in ("Siv Dahl", "innsyn i opplysninger, noeNytt", "til og med 31. januar 2027"):
            expect(theirs).to_contain_text(said)
        looked_at(it, script)


@pytest.mark.parametrize("width", WIDTHS)
def test_she_for_whom_nobody_acts_reads_so_and_one_at_a_protected_address_why(
    opened: Browser, where: Site, width: int
) -> None:
    with tab(opened, where, width) as it:
        start(it)
        told(where, Representations((), ()))
        it.goto("/me/representation")
        expect(it.page.get_by_text("Ingen register sier at du kan handle for noen.")).to_be_visible()
        expect(it.page.get_by_text("Ingen register sier at noen kan handle for deg.")).to_be_visible()
        it.holds()
        told(where, Representations((), (), shielded=True))
        it.goto("/me/representation")
        expect(it.page.get_by_text("Du har beskyttet adresse.")).to_be_visible()
        expect(it.page.get_by_text("Ingen register")).to_have_count(0)
        it.holds()
