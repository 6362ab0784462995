"""The patient summary on the pages of the made-up house: where it is found, how it is told to be incomplete, and as a file."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from kjerne.pages import summary_pdf
from pages.browser import Browser, text
from pages.fake import FakeHouse


async def opened(browser: Browser, name: str = "Kari Nordvik") -> str:
    await browser.clinician()
    return (await browser.open(name)).url.path


async def test_the_chart_and_the_citizens_pages_lead_to_it(browser: Browser) -> None:
    root = await opened(browser)
    assert f'href="{root}/summary"' in (await browser.get(root)).text
    await browser.citizen()
    for path in ("/me", "/me/more"):
        assert 'href="/me/summary"' in (await browser.get(path)).text


async def test_it_is_shown_under_the_identity_bar_in_the_language_of_the_page(
    browser: Browser, house: FakeHouse
) -> None:
    root = await opened(browser)
    page = await browser.get(f"{root}/summary")
    said = text(page)
    assert said.index("Kari Nordvik") < said.index("Internasjonalt pasientsammendrag")
    assert 'aria-current="page">Pasientsammendrag' in page.text
    assert f'href="{root}/summary.pdf"' in page.text
    assert len(re.findall("<h1", page.text)) == 1
    await browser.get("/language?to=en&back=%2Fclinician")
    assert "Download as PDF" in text(await browser.get(f"{root}/summary"))
    assert house.summaries == ["nb", "en"]


@pytest.mark.parametrize("lacking", [True, False])
async def test_that_it_is_incomplete_stands_first_and_only_then(
    browser: Browser, house: FakeHouse, lacking: bool
) -> None:
    house.lacking = lacking
    root = await opened(browser)
    said = text(await browser.get(f"{root}/summary"))
    assert ("Sammendraget er ikke fullstendig" in said) is lacking
    await browser.citizen()
    assert ("Sammendraget er ikke fullstendig" in text(await browser.get("/me/summary"))) is lacking


async def test_what_the_law_says_no_to_is_the_page_of_the_refusal(browser: Browser, house: FakeHouse) -> None:
    root = await opened(browser)
    house.rules[1] = "no-relation"
    page = await browser.get(f"{root}/summary")
    assert page.status_code == 403
    assert "Internasjonalt" not in text(page)
    assert (await browser.get(f"{root}/summary.pdf")).status_code == 403


async def test_as_pdf_it_is_a_file_without_a_name_of_hers(browser: Browser) -> None:
    root = await opened(browser)
    made = await browser.get(f"{root}/summary.pdf")
    assert made.headers["content-type"] == "application/pdf"
    assert re.fullmatch(r'attachment; filename="summary-\d{4}-\d\d-\d\d\.pdf"', made.headers["content-disposition"])
    assert made.headers["cache-control"] == "no-store"
    assert made.content.startswith(b"%PDF")


async def test_who_may_take_no_copy_is_offered_no_file_and_gets_none(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    assert 'href="/me/summary.pdf"' in (await browser.get("/me/summary")).text
    house.copies = False
    refused = await browser.get("/me/summary.pdf")
    assert (refused.status_code, house.summaries) == (403, ["nb"])


async def test_pages_do_not_wait_for_a_pdf_that_takes_long_and_of_two_such_neither_waits_for_ever(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time; time.sleep(600)", encoding="utf-8")
    monkeypatch.setattr(summary_pdf, "PROGRAM", program)
    monkeypatch.setattr(summary_pdf, "SECONDS", 3.0)
    root = await opened(browser)
    waiting = [asyncio.create_task(browser.get(f"{root}/summary.pdf")) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await browser.get(f"{root}/summary")).status_code == 200
    assert not any(one.done() for one in waiting)
    answers = await asyncio.gather(*waiting)
    assert [one.status_code for one in answers] == [503, 503]
    assert "Skriv ut siden i stedet" in text(answers[0])
