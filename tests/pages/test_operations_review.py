"""The review of the log: filters that stay, a reason before anything is opened, and a verdict that belongs to its page."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pytest

from kjerne.services.oversight.review import Chosen
from kjerne.services.results.values import OSLO
from pages.browser import Browser, later, text
from pages.fake import FakeHouse
from pages.fake_oversight import DAY, DECLARED, GLASS, PATIENT

REASON = "Vurderer et blålysoppslag"
DAYS = "from=2026-11-22&to=2026-11-23"


def hidden(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(from|to|step)" value="([^"]*)"', page.text))


async def test_the_list_is_of_yesterday_and_today_and_of_what_nobody_has_judged(
    browser: Browser, house: FakeHouse
) -> None:
    home = await browser.operator()
    assert 'href="/operations/readings"' in home.text
    page = await browser.get("/operations/readings")
    period, chosen = house.reviewed[-1]
    assert (period.since, period.until) == (datetime(2026, 11, 22, tzinfo=OSLO), datetime(2026, 11, 24, tzinfo=OSLO))
    assert chosen == Chosen("", "", "none")
    told = text(page)
    for said in ("Siri Vik , sykepleier", "Blålysoppslag", "Familie", "Bergen legevakt", "214 vanlig: 18"):
        assert said in told
    assert PATIENT not in told


async def test_filters_are_kept_and_lead_on(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    page = await browser.get(f"/operations/readings?{DAYS}&organisation=983658725&kind=self-declared&state=")
    assert house.reviewed[-1][1] == Chosen("983658725", "self-declared", "")
    assert 'value="2026-11-22"' in page.text
    assert '<option value="self-declared" selected>' in page.text
    assert str(DECLARED) in page.text
    assert str(GLASS) not in page.text
    assert f"/operations/readings/{DECLARED}?{DAYS.replace('&', '&amp;')}" in page.text


@pytest.mark.parametrize("query", ["kind=nonsense", "state=nonsense", "organisation=x", "after=-1"])
async def test_a_choice_that_is_none_is_refused(browser: Browser, query: str) -> None:
    await browser.operator()
    assert (await browser.get(f"/operations/readings?{query}")).status_code in (400, 404)


async def test_a_line_is_opened_with_a_reason_and_judged(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    address = f"/operations/readings/{GLASS}"
    page = await browser.get(f"{address}?{DAYS}")
    assert PATIENT not in text(page)
    page = await browser.post(page, address, reason="nei", **hidden(page))
    assert (page.status_code, "Skriv hvorfor" in text(page)) == (400, True)
    page = await browser.post(page, address, reason=REASON, **hidden(page))
    assert house.reasons == [REASON]
    for said in (PATIENT, "15. juli 1979", "2 svar, 10 resultater", "står nå i loggen til pasienten"):
        assert said in text(page)
    page = await browser.post(page, f"{address}/verdict", verdict="reported", **hidden(page))
    assert "Notert: meldt til virksomheten." in text(page)
    assert [one.verdict for one in house.judged[GLASS]] == ["reported"]


async def test_a_verdict_from_an_old_page_or_after_somebody_elses_is_not_noted(
    browser: Browser, house: FakeHouse
) -> None:
    await browser.operator()
    page = await browser.get(f"/operations/readings/{GLASS}?{DAYS}")
    fields = hidden(page) | {"verdict": "in-order"}
    later(house, 11)
    assert (await browser.post(page, f"/operations/readings/{GLASS}/verdict", **fields)).status_code == 409
    assert house.judged == {}
    page = await browser.get(f"/operations/readings/{GLASS}?{DAYS}")
    await browser.post(page, f"/operations/readings/{GLASS}/verdict", **fields)
    assert (await browser.post(page, f"/operations/readings/{GLASS}/verdict", **fields)).status_code == 409


async def test_a_day_of_many_patients_is_judged_and_never_opened(browser: Browser) -> None:
    await browser.operator()
    page = await browser.get(f"/operations/readings/{DAY}?{DAYS}")
    assert 'name="reason"' not in page.text
    assert "Antallet er mange ganger det vanlige." in text(page)
    page = await browser.post(page, f"/operations/readings/{DAY}/verdict", verdict="in-order", **hidden(page))
    assert "Notert: i orden." in text(page)


@pytest.mark.parametrize("address", [f"{GLASS}", f"{GLASS}?from=2026-11-22", "1?from=2026-11-22&to=2026-11-23"])
async def test_a_line_without_its_days_is_no_page(browser: Browser, address: str) -> None:
    await browser.operator()
    assert (await browser.get(f"/operations/readings/{address}")).status_code == 404


@pytest.mark.parametrize(("language", "says"), [("nn", "Gjennomgang av loggen"), ("en", "Review of the log")])
async def test_the_pages_are_in_the_readers_language(browser: Browser, language: str, says: str) -> None:
    await browser.operator()
    await browser.get(f"/language?to={language}&back=/operations")
    assert says in text(await browser.get("/operations/readings"))
    page = await browser.get(f"/operations/readings/{GLASS}?{DAYS}")
    page = await browser.post(page, f"/operations/readings/{GLASS}", reason=REASON, **hidden(page))
    assert ("såg kven" if language == "nn" else "saw whom") in text(page)
