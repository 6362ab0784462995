"""What is opened on the reader's own word alone: confirmed first, and for an hour."""

from __future__ import annotations

import pytest

from kjerne.pages import session
from pages.browser import Browser, hidden, later, text, token
from pages.fake import FakeHouse
from pages.test_app import NUMBER


@pytest.mark.parametrize(
    ("fields", "heading"),
    [
        ({"purpose": "BTG"}, "Bekreft blålysoppslag"), ({"basis": "AKUTT"}, "Bekreft akutt situasjon"),
        ({"basis": "SAMTYKKE"}, "Bekreft samtykke"), ({"purpose": "BTG", "basis": "AKUTT"}, "Bekreft blålysoppslag"),
    ],
)  # fmt: skip
async def test_what_is_opened_on_her_own_word_is_told_and_confirmed_first(
    browser: Browser, house: FakeHouse, fields: dict[str, str], heading: str
) -> None:
    page = await browser.clinician()
    filled = {
        "purpose": "TREAT",
        "basis": "",
        "patient": "",
        "number": NUMBER,
        "reason": "Bevisstløs ved ankomst",
    } | fields
    asked = await browser.post(page, "/clinician/open", **filled)
    assert (asked.status_code, str(asked.url.path)) == (200, "/clinician/open")
    for told in (heading, "Pasienten får se at du åpnet", "åpent i 60 minutter", "Bevisstløs ved ankomst"):
        assert told in text(asked)
    assert ("Også det pasienten har sperret" in text(asked)) == ("basis" in fields)
    sealed = hidden(asked, "asked")
    opened = await browser.post(asked, "/clinician/confirm", asked=sealed)
    assert opened.url.path.startswith("/clinician/v/")
    for forged in ("", sealed[:-4] + "AAAA", token(asked)):
        assert (await browser.post(opened, "/clinician/confirm", asked=forged)).status_code == 403
    later(house, session.STALE_MINUTES + 1)
    assert (await browser.post(asked, "/clinician/confirm", asked=sealed)).status_code == 409, "read too long ago"
    fresh = await browser.get("/clinician")
    assert (await browser.post(fresh, "/clinician/confirm", asked=sealed)).status_code == 409, "declared too long ago"


@pytest.mark.parametrize("on", ["break-glass", "a declared need", "treatment"])
async def test_what_is_opened_on_her_own_word_ends_after_an_hour_however_busy_she_is(
    browser: Browser, house: FakeHouse, on: str
) -> None:
    await browser.clinician()
    purpose = "BTG" if on == "break-glass" else "TREAT"
    opened = await browser.open("Kari Nordvik", purpose=purpose, reason="Bevisstløs ved ankomst")
    if on == "a declared need":
        later(house, 5)
        opened = await browser.post(opened, f"{opened.url.path}/declare", reason="Vakt på tilkallingslisten")
    for _ in range(4):
        later(house, 14)
        assert (await browser.get(opened.url.path)).status_code == 200
    later(house, 4)
    over = await browser.get(opened.url.path)
    assert over.status_code == (200 if on == "treatment" else 409)
    assert ("Oppslaget er over" in text(over)) == (on != "treatment")
    assert (await browser.open("Kari Nordvik")).status_code == 200


async def test_what_is_confirmed_again_ends_an_hour_after_it_was_declared(browser: Browser, house: FakeHouse) -> None:
    page = await browser.clinician()
    filled = {"purpose": "BTG", "basis": "", "patient": "", "number": NUMBER, "reason": "Bevisstløs ved ankomst"}
    asked = await browser.post(page, "/clinician/open", **filled)
    for minutes in (0, 8):
        later(house, minutes)
        opened = await browser.post(await browser.get("/clinician"), "/clinician/confirm", asked=hidden(asked, "asked"))
        assert opened.url.path.startswith("/clinician/v/")
    for _ in range(3):
        later(house, 17)
        again = await browser.get(opened.url.path)
    assert again.status_code == 200
    later(house, 2)
    assert (await browser.get(opened.url.path)).status_code == 409
