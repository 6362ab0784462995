"""The notification profile over the real platform: chosen by whom the law lets choose, and in the log."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from kjerne.pages.live_notify import NotifyPages
from pages.test_live import tab, text
from pages.test_live_inquiries import proxied  # noqa: F401
from platform_fixture import Standing
from services.results.test_intake_api import key_of


@pytest.fixture(autouse=True)
def reachable(platform: Standing) -> Iterator[None]:
    """While the operator has a way to send both."""
    mounts = platform.application._edge._mounts
    house = next(
        cell.cell_contents.house
        for route in mounts["/me"].routes
        if getattr(route, "path", "") == "/me/notify"
        for cell in route.endpoint.__closure__
        if hasattr(cell.cell_contents, "house")
    )
    assert isinstance(house, NotifyPages)
    before, house.channels = house.channels, ("email", "sms")
    yield
    house.channels = before
    platform.rows("DELETE FROM notify_profile RETURNING 1")


CHOSEN = {"how": "at-once", "channel": "sms", "address": "+47 98 76 54 32"}


def test_a_citizen_chooses_and_the_log_says_so(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        page = it.post(it.get("/me/notify"), "/me/notify/save", **CHOSEN)
        assert "SMS til •••••••••32" in text(page)
        english = it.get("/language?to=en&back=/me/notify")
        assert "SMS to •••••••••32" in text(english)
    (row,) = platform.rows(
        "SELECT owner, how, language FROM notify_profile WHERE patient = $1", key_of(platform, platform.nin("citizen"))
    )
    assert (row["owner"], row["how"], row["language"]) == (key_of(platform, platform.nin("citizen")), "at-once", "nb")
    (last,) = platform.rows(
        "SELECT rule FROM audit WHERE patient = $1 AND action = 'choose' ORDER BY at DESC LIMIT 1",
        key_of(platform, platform.nin("citizen")),
    )
    assert last["rule"] == "own-choices"


def test_a_way_that_is_not_there_is_refused(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        page = it.get("/me/notify")
        assert it.post(page, "/me/notify/save", **(CHOSEN | {"channel": "letter"})).status_code == 400
        assert it.post(page, "/me/notify/save", **(CHOSEN | {"how": "never"})).status_code == 400


@pytest.mark.usefixtures("proxied")
def test_a_proxy_may_not_choose_to_be_told(platform: Standing) -> None:
    with tab(platform, "parent", "me") as it:
        others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
        (citizen,) = [handle for handle, name in others if platform.persona("citizen").person_name in name]
        it.post(it.home, "/me/person", person=citizen)
        assert it.get("/me/notify").status_code == 403
        assert it.post(it.get("/me/more"), "/me/notify/save", **CHOSEN).status_code == 403
    assert platform.rows("SELECT 1 FROM notify_profile") == []
