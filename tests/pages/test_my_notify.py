"""The citizen chooses whether to be told, and the address is masked, checked and taken away."""

from __future__ import annotations

import pytest

from pages.browser import Browser, text
from pages.fake import FakeHouse


async def test_a_choice_is_saved_shown_masked_and_stopped(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/notify")
    assert "Du får ikke beskjed." in text(page)
    for told in ("aldri hvem, hvor eller hva", "i en nødssituasjon"):
        assert told in text(page), "the effect is told before it is saved"
    page = await browser.post(page, "/me/notify/save", how="daily", channel="email", address="kari@example.test")
    assert "Valget er lagret." in text(page)
    assert "E-post til k•••@example.test" in text(page)
    assert "kari@example.test" not in page.text
    page = await browser.post(page, "/me/notify/save", how="", channel="email", address="")
    assert "Varslingen er slått av, og adressen er slettet." in text(page)
    assert house.told == ()


@pytest.mark.parametrize(("channel", "address"), [("email", "98765432"), ("sms", "kari@example.test"), ("sms", "")])
async def test_a_fault_is_told_beside_what_was_typed(
    browser: Browser, house: FakeHouse, channel: str, address: str
) -> None:
    await browser.citizen()
    page = await browser.get("/me/notify")
    page = await browser.post(page, "/me/notify/save", how="at-once", channel=channel, address=address)
    assert page.status_code == 400
    assert "Skriv en e-postadresse eller et mobilnummer" in text(page)
    assert f'value="{address}"' in page.text
    assert house.told == ()


async def test_where_there_is_no_mail_server_nothing_is_offered(browser: Browser, house: FakeHouse) -> None:
    house.channels = ()
    await browser.citizen()
    page = await browser.get("/me/notify")
    assert "Varsling er ikke satt opp her." in text(page)
    assert 'name="address"' not in page.text
