"""A record too long to be drawn: what is here is told as a part, and what is not here is called neither empty nor text."""

from __future__ import annotations

from dataclasses import replace
from re import findall

import pytest

from kjerne.pages import reading
from kjerne.pages.house import Chart, Identity, Visit
from pages.browser import Browser, text
from pages.fake import FakeHouse


@pytest.fixture
async def cut(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> int:
    """The made-up house has fifty older results that are not drawn, and with them all of one report."""
    drawn = house.chart

    async def chart(who: Identity, visit: Visit) -> Chart:
        found = await drawn(who, visit)
        gone = {
            ref["reference"].rpartition("/")[2]
            for report in found.reports
            if report["id"] == "rep-blood-1"
            for ref in report["result"]
        }
        kept = tuple(one for one in found.observations if one["id"] not in gone)
        return replace(found, observations=kept, whole=len(kept) + 50)

    monkeypatch.setattr(house, "chart", chart)
    return 50


@pytest.mark.parametrize("where", ["/me", "/me/results", "/me/report/rep-blood-4", "", "/print", "/report/rep-blood-4"])
async def test_every_page_of_results_says_how_many_of_them_are_here(
    browser: Browser, house: FakeHouse, cut: int, where: str
) -> None:
    if where.startswith("/me"):
        await browser.citizen()
        page = await browser.get(where)
    else:
        await browser.clinician()
        page = await browser.get(f"{(await browser.open('Kari Nordvik')).url.path}{where}")
    (told,) = findall(r"Bare de (\d+) nyeste av (\d+) resultater er med på disse sidene\.", text(page))
    assert int(told[1]) - int(told[0]) == cut


async def test_a_trend_calls_its_values_those_that_are_here(browser: Browser, cut: int) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    (key,) = findall(r'/trend/([0-9a-f]+)"[^>]*>B-HbA1c<', page.text)[:1]
    clinicians = text(await browser.get(f"{page.url.path}/trend/{key}"))
    await browser.citizen()
    for said in (clinicians, text(await browser.get(f"/me/trend/{key}"))):
        assert "Verdier som er med her" in said
        assert "Alle verdier" not in said
        assert "nyeste av" in said


async def test_a_report_whose_results_are_older_is_no_text_without_words(browser: Browser, cut: int) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    texts = page.text[page.text.index('id="texts"') :].partition("</section>")[0]
    assert "rep-blood-1" not in texts
    said = text(await browser.get(f"{page.url.path}/report/rep-blood-1"))
    assert "De kan være eldre enn dem som er med på disse sidene" in said
    assert "Svaret har ingen tekst" not in said


async def test_a_whole_record_is_told_as_whole(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    assert "er med på disse sidene" not in text(page)
    shown = reading.read(await house.chart(house.identities["clinician"], Visit("v", 1, "TREAT", house.clock.now())))
    assert shown.chart.whole == 0
    assert "rep-concluded" in {one.id for one in shown.texts}
