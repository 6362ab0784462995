"""The citizen's pages of somebody else whom she acts for: whose they are is said, and no form goes to another's."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from kjerne.pages.house import Chart, Identity, Shows, Visit
from pages.browser import Browser, text
from pages.fake import FakeHouse


def handle(page: httpx.Response, name: str) -> str:
    """What a form on the page calls a person."""
    found = re.search(rf'name="person" value="([0-9a-f]{{24}})"[^>]*>{name}', page.text)
    assert found
    return found[1]


async def test_a_child_whose_page_is_shut_leaves_a_way_back(browser: Browser, house: FakeHouse) -> None:
    page = await browser.citizen()
    house.rules[8] = "parent-of-16-to-18"
    child = await browser.post(page, "/me/person", person=handle(page, "Emil Nordvik"))
    assert child.status_code == 403
    assert "Fra 16 år bestemmer ungdommen selv" in text(child) and "helsehjelp" not in text(child)
    own = await browser.post(child, "/me/person", person=handle(child, "Kari Nordvik"))
    assert "Hei, Kari" in text(own)


async def test_a_choice_made_on_the_childs_page_cannot_be_saved_for_oneself(browser: Browser, house: FakeHouse) -> None:
    page = await browser.citizen()
    child = await browser.post(page, "/me/person", person=handle(page, "Emil Nordvik"))
    assert "Emil Nordvik" in text(child)
    answer = await browser.post(page, "/me/privacy/save", kind="opt-out", hpr="")
    assert (answer.status_code, house.made) == (409, [])


async def test_nobody_else_than_the_represented_can_be_opened(browser: Browser) -> None:
    page = await browser.citizen()
    for wanted in ("2", "8", handle(page, "Emil Nordvik")[::-1], ""):
        assert (await browser.post(page, "/me/person", person=wanted)).status_code == 403


@pytest.mark.parametrize(
    ("language", "own", "told"),
    [
        ("nb", r"\b(du|deg|din|ditt|dine|mine)\b", "betyr ikke at Emil Nordvik er syk"),
        ("nn", r"\b(du|deg|din|ditt|dine|mine)\b", "betyr ikkje at Emil Nordvik er sjuk"),
        ("en", r"\b(you|your|my)\b", "does not mean that Emil Nordvik is ill"),
    ],
)
async def test_a_parent_reads_of_the_child_and_not_of_herself(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, language: str, own: str, told: str
) -> None:
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        return await drawn(who, replace(visit, patient=1), shows)

    monkeypatch.setattr(house, "chart", chart)
    home = await browser.citizen()
    child = await browser.post(home, "/me/person", person=handle(home, "Emil Nordvik"))
    browser.client.cookies.set("kjerne_language", language)
    results = await browser.get("/me/results?show=flagged")
    (trend, *_) = re.findall(r'href="(/me/trend/[^"]+)"', results.text)
    pages = [await browser.get("/me"), results, await browser.get(trend), await browser.get("/me/report/rep-blood-4")]
    # What the page asks her to do, and the tabs and the switch between persons, are to the reader herself.
    spoken = ("Du ser opplysningene til", "Du ser opplysningane til", "You are looking at", "(deg)", "(you)")
    for page in pages:
        main = page.text[page.text.index("<main") :]
        said = re.sub("|".join(map(re.escape, spoken)), "", re.sub(r"<[^>]+>", " ", main))
        if page.url.path.startswith("/me/report"):
            said = re.sub(r"(hvis|om) du lurer|if you wonder", "", said)
        assert not re.findall(own, said, re.IGNORECASE), (page.url.path, re.findall(rf".{{40}}{own}.{{20}}", said))
    assert told in text(results)
    assert "Emil Nordvik" in text(child)


async def test_a_form_from_a_tab_of_another_person_is_refused_in_the_citizens_words(browser: Browser) -> None:
    home = await browser.citizen()
    child = await browser.post(home, "/me/person", person=handle(home, "Emil Nordvik"))
    stale = await browser.post(home, "/me/privacy/preview", kind="restriction")
    said = text(stale)
    assert (child.status_code, stale.status_code) == (200, 409)
    assert "En annen person er valgt" in said
    assert "pasient" not in said.lower()
