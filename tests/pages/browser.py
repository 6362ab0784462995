"""A browser without a screen, for the pages over HTTP."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx

from kjerne.clock import FixedClock
from pages.fake import FakeHouse


class Browser:
    """A client that keeps cookies, reads tokens out of pages and posts forms as a browser does."""

    def __init__(self, app: Any) -> None:
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://kjerne.test", follow_redirects=True)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
        headers = {"origin": "http://kjerne.test", "sec-fetch-site": "same-origin"}
        return await self.client.post(path, data={"token": token(page)} | fields, headers=headers)

    async def clinician(self) -> httpx.Response:
        return await self.get("/login/start?to=clinician")

    async def citizen(self) -> httpx.Response:
        return await self.get("/login/start?to=me")

    async def operator(self) -> httpx.Response:
        return await self.get("/login/start?to=operations")

    async def open(self, name: str, **fields: str) -> httpx.Response:
        page = await self.get("/clinician")
        own = re.search(
            rf'name="patient" value="([^"]+)"><span class="row-main"><strong>{name}<',
            page.text[page.text.index('id="own"') :],
        )
        assert own, name
        return await self.choose(page, **({"purpose": "TREAT", "basis": "", "patient": own[1]} | fields))

    async def choose(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Opens a patient, past the second step where there is one."""
        asked = await self.post(page, "/clinician/open", **fields)
        if 'action="/clinician/confirm"' not in asked.text:
            return asked
        return await self.post(asked, "/clinician/confirm", asked=hidden(asked, "asked"))


def token(page: httpx.Response) -> str:
    return hidden(page, "token")


def hidden(page: httpx.Response, name: str) -> str:
    """The first hidden field of a name."""
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, page.text[:400]
    return found[1]


def as_shown(page: httpx.Response, report: str) -> str:
    """What the form beside an unread report says was shown of it."""
    found = re.search(rf'/report/{report}">.*?name="report" value="([^"]+)"', page.text, re.DOTALL)
    assert found, report
    return found[1]


def text(page: httpx.Response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def later(house: FakeHouse, minutes: float) -> None:
    assert isinstance(house.clock, FixedClock)
    house.clock.move(timedelta(minutes=minutes))
