"""The list of documents on the pages of the made-up house: what a patient has shut is told in the words of documents."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import pytest

from documents_at_hand import code
from kjerne.exchange import Denied
from kjerne.pages.documents_house import SHOWN
from pages.browser import Browser
from pages.fake import FakeHouse, _denial
from pages.fake_documents import LARGE_BYTES, WITHHELD, listed
from pages.test_critical import opened
from pages.test_live import text


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("restricted-but-for-weighty-reasons", "Opplysningene er sperret. De åpnes bare når"),
        ("objected", "Pasienten har motsatt seg at opplysningene deles."),
    ],
)
async def test_documents_that_are_shut_are_not_told_of_as_results(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, rule: str, says: str
) -> None:
    shut = replace(_denial("General", house.clock.now(), rule), service="documents")

    async def documents(*_: Any) -> Any:
        raise Denied(shut)

    _, root = await opened(browser)
    monkeypatch.setattr(house, "documents", documents)
    page = await browser.get(f"{root}/documents")
    assert page.status_code == 403
    assert says in text(page) and "sperret prøvesvarene" not in text(page)


async def test_words_that_were_typed_go_along_sealed_to_other_orders_and_pages(browser: Browser) -> None:
    _, root = await opened(browser)
    page = await browser.get(f"{root}/documents")
    found = await browser.post(page, f"{root}/documents", do="choose", text="Epikrise  NUMMER", category="A00-1")
    assert "19 av 19 passer" in text(found) and 'value="Epikrise NUMMER"' in found.text
    addresses = [unescape(one) for one in re.findall(r'href="(\?[^"]+)"', found.text)]
    typed = {parse_qs(one[1:].partition("#")[0])["text"][0] for one in addresses if "text=" in one}
    assert typed == {parse_qs(found.url.query.decode())["text"][0]}, "it is sealed once"
    assert not [one for one in addresses if "epikrise" in one.casefold()]
    onward = next(one for one in addresses if "page=2" in one)
    second = await browser.get(f"{root}/documents{onward}")
    assert "Side 2 av 2" in text(second) and 'value="Epikrise NUMMER"' in second.text
    turned = await browser.get(f"{root}/documents{next(one for one in addresses if 'sort=name' in one)}")
    assert "19 av 19 passer" in text(turned) and 'aria-sort="ascending"' in turned.text


async def test_each_line_leads_to_its_own_page_and_to_one_beside_the_list(browser: Browser, house: FakeHouse) -> None:
    _, root = await opened(browser)
    page = await browser.get(f"{root}/documents")
    alone = re.findall(rf'class="at-narrow" href="{root}/documents/([0-9a-f-]{{36}})"', page.text)
    beside = re.findall(
        rf'class="at-wide" href="[^"]*document=([0-9a-f-]{{36}})#d-\1" data-document="{root}/documents/\1"', page.text
    )
    assert alone == beside and len(alone) > SHOWN, "those that hang together with others too"
    assert house.openings == []
    former = next(one for one in alone if f'<tr id="d-{one}"' not in page.text)
    shown = await browser.get(f"{root}/documents?document={former}")
    assert "Dette er en tidligere versjon." in text(shown) and '<details class="documents-former" open>' in shown.text
    assert len(re.findall(r'<tr id="[^"]+" class="chosen">', shown.text)) == 1


async def test_a_page_that_shows_a_document_marks_it_for_the_pane_and_a_no_to_all_of_it_has_no_such_part(
    browser: Browser, house: FakeHouse
) -> None:
    _, root = await opened(browser)
    number, large = house.listing[0].number, house.listing[1].number
    house.listing[1] = listed(2, size_bytes=LARGE_BYTES)
    assert "data-opened" in (await browser.get(f"{root}/documents/{number}")).text
    too_large = await browser.get(f"{root}/documents/{large}")
    assert too_large.status_code == 413 and 'data-opened="no"' in too_large.text
    house.shut = replace(_denial("General", house.clock.now(), ""), service="documents")
    shut = await browser.get(f"{root}/documents/{number}")
    assert shut.status_code == 403 and "data-opened" not in shut.text


async def test_the_way_on_from_the_last_line_of_a_page_leads_to_the_first_of_the_next_and_back(
    browser: Browser, house: FakeHouse
) -> None:
    _, root = await opened(browser)
    ordered = [one.number for one in sorted(house.listing, key=lambda one: one.entry.created, reverse=True)]
    last = await browser.get(f"{root}/documents?document={ordered[SHOWN - 1]}")
    (onward,) = re.findall(r'<a data-step="1" data-onward="[^"]*" href="([^"]+)"', last.text)
    assert "15 av 15 på siden" in text(last)
    first = await browser.get(f"{root}/documents{unescape(onward)}")
    assert "1 av 4 på siden" in text(first) and "Side 2 av 2" in text(first)
    (back,) = re.findall(r'<a data-step="-1" data-onward="[^"]*" href="([^"]+)"', first.text)
    assert "15 av 15 på siden" in text(await browser.get(f"{root}/documents{unescape(back)}"))
    assert house.openings == [ordered[SHOWN - 1], ordered[SHOWN], ordered[SHOWN - 1]]
    assert (await browser.get(f"{root}/documents?page=2&document={ordered[-1]}")).text.count(
        'data-step="1" hidden'
    ) == 1


async def test_what_the_patient_has_locked_herself_is_not_called_withheld_from_her(
    browser: Browser, house: FakeHouse
) -> None:
    """A health worker meets it in her own record: she must not be told that the patient may not see it."""
    one, word = house.listing[0], "Nektet pasienten"
    _, root = await opened(browser)
    for mark, is_said in (("NORS", False), ("NORN_FPB", True)):
        marks = (WITHHELD[0], code("9603", mark))
        house.listing[0] = replace(one, entry=replace(one.entry, confidentiality=marks))
        assert (word in text(await browser.get(f"{root}/documents/{one.number}"))) is is_said
        page = await browser.get(f"{root}/documents?sort=date")
        (row,) = re.findall(rf'<tr id="d-{one.number}".*?</tr>', page.text, re.DOTALL)
        assert (word in row) is is_said
