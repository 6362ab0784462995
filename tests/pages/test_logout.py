"""How a login to the pages ends: by the reader, by another login, by itself; and what opens afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kjerne.errors import Refusal
from kjerne.pages import session
from pages.browser import Browser, later, text
from pages.fake import NOW, FakeDoor, FakeHouse


async def test_logging_out_ends_the_login(browser: Browser) -> None:
    page = await browser.clinician()
    assert "Du er logget ut" in text(await browser.post(page, "/logout"))
    assert (await browser.get("/clinician")).url.path == "/login"


async def test_a_cookie_that_was_kept_opens_nothing_after_its_login_was_logged_out(
    browser: Browser, house: FakeHouse
) -> None:
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    kept = browser.client.cookies["kjerne_session"]
    assert "Du er logget ut" in text(await browser.post(opened, "/logout"))
    browser.client.cookies.set("kjerne_session", kept, domain="kjerne.test", path="/")
    for path in ("/clinician", opened.url.path):
        assert (await browser.get(path)).url.path == "/login"
    assert list(house.ended.values()) == [NOW + timedelta(hours=session.DAY_HOURS)]


async def test_a_new_login_in_the_same_browser_ends_the_one_before_it(browser: Browser) -> None:
    await browser.clinician()
    kept = browser.client.cookies["kjerne_session"]
    await browser.citizen()
    browser.client.cookies.set("kjerne_session", kept, domain="kjerne.test", path="/")
    assert (await browser.get("/clinician")).url.path == "/login"


async def test_logging_out_hands_the_browser_on_to_end_the_providers_login_too(
    house_and_browser: tuple[FakeHouse, Browser, FakeDoor],
) -> None:
    _, browser, door = house_and_browser
    door.ends_at = "https://sts.test/endsession"
    page = await browser.clinician()
    out = await browser.post(page, "/logout")
    assert "Logg ut av innloggingstjenesten også" in text(out)
    assert '<form class="actions" method="post" action="https://sts.test/endsession" data-onward>' in out.text
    assert 'name="id_token_hint" value="id-token"' in out.text
    assert "form-action 'self' https://sts.test;" in out.headers["content-security-policy"]
    assert (await browser.get("/clinician")).url.path == "/login"
    again = await browser.client.post("/logout", data={"token": ""})
    assert "data-onward" not in again.text, "the hint is gone with the login"


async def test_a_hint_of_another_login_is_not_sent(house_and_browser: tuple[FakeHouse, Browser, FakeDoor]) -> None:
    _, browser, door = house_and_browser
    await browser.clinician()
    kept = browser.client.cookies.get("kjerne_logout", path="/logout")
    page = await browser.citizen()
    assert kept
    browser.client.cookies.set("kjerne_logout", kept, path="/logout", domain="kjerne.test")
    await browser.post(page, "/logout")
    assert door.hints == [""]


async def test_the_way_back_from_the_provider_ends_on_a_page_that_says_so(browser: Browser) -> None:
    assert "Du er logget ut" in text(await browser.get("/logout/done"))


async def test_a_login_ends_by_itself_and_says_so(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    later(house, session.IDLE_MINUTES + 1)
    page = await browser.get("/clinician")
    assert page.url.path == "/login"
    assert "Du er logget ut." in text(page)


async def test_a_first_visit_is_told_of_no_login_that_ended(browser: Browser) -> None:
    page = await browser.get("/clinician")
    assert page.url.query == b"to=clinician"
    assert 'role="status"' not in page.text


async def test_who_is_logged_in_as_another_is_told_that_the_page_needs_another_login(browser: Browser) -> None:
    await browser.clinician()
    page = await browser.get("/operations")
    assert "Siden krever en annen innlogging." in text(page)
    assert "Du er logget ut" not in text(page)
    assert (await browser.get("/clinician")).url.path == "/clinician", "she is still logged in"


async def test_a_house_that_does_not_know_her_lets_nobody_in(
    house_and_browser: tuple[FakeHouse, Browser, FakeDoor],
) -> None:
    _, browser, door = house_and_browser
    door.next_subject = "stranger"
    assert (await browser.clinician()).status_code == 403
    with pytest.raises(Refusal):
        await house_and_browser[0].sign_in({"sub": "stranger"}, "")
