"""The list of documents on the pages of the made-up house: what a patient has shut is told in the words of documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kjerne.exchange import Denied
from pages.browser import Browser
from pages.fake import FakeHouse, _denial
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
