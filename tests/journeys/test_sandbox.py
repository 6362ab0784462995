"""An integrator's first five minutes, in a real browser: a patient, a token, a call, and the same call refused, with why."""

from __future__ import annotations

from typing import cast

import pytest
from playwright.sync_api import Browser

from journeys.chromium import WIDTHS, Site, Tab, tab
from kjerne.registries.identifiers import numbers_in
from pages.fake import FakeHouse
from platform_fixture import Standing

pytestmark = pytest.mark.browser


def holds(it: Tab) -> None:
    """At a desk and on a phone, and with no person number in the address."""
    assert not numbers_in(it.page.url)
    for width in WIDTHS:
        it.page.set_viewport_size({"width": width, "height": 800})
        it.holds()
    it.page.set_viewport_size({"width": 1280, "height": 800})


def test_a_patient_is_found_a_token_built_a_call_made_and_refused_for_another_purpose(
    opened: Browser, platform: Standing
) -> None:
    with tab(opened, Site(platform.url, cast("FakeHouse", None))) as it:
        page = it.page
        it.goto("/sandbox")
        holds(it)
        page.get_by_role("link", name="Finn en pasient").click()
        page.get_by_label("Har", exact=True).select_option("hba1c")
        page.get_by_role("button", name="Finn", exact=True).click()
        found = page.get_by_role("listitem").filter(has_text=platform.nin("citizen"))
        assert "kjerne call" in found.inner_text()
        holds(it)
        found.get_by_role("link", name="Et token om").click()
        holds(it)
        page.get_by_role("button", name="Hent tokenet").click()
        assert "nhn:pps/provesvar-read" in page.get_by_role("row", name="scope").inner_text()
        page.get_by_text("Hva som ble sendt").nth(1).click()
        assert "client-authentication+jwt" in page.get_by_role("listitem").filter(has_text="RFC 9126").inner_text()
        holds(it)
        page.get_by_role("link", name="Bruk det i konsollen").click()
        page.get_by_role("link", name="POST /pps/v2/{type}/_search").click()
        page.get_by_label("Innhold", exact=True).fill("code=NPU27300\n_count=1")
        holds(it)
        page.get_by_role("button", name="Send").click()
        assert "200 OK" in page.get_by_role("main").inner_text()
        assert "opplysninger ut: 1" in page.get_by_role("main").inner_text()
        holds(it)
        page.get_by_role("link", name="Endre og send på nytt").click()
        assert page.get_by_label("Innhold", exact=True).input_value() == "code=NPU27300\n_count=1"
        page.get_by_label("Med hvilket token").select_option("")
        page.get_by_label("Formål").select_option("COC")
        page.get_by_role("button", name="Send").click()
        why = page.get_by_role("region", name="Hvorfor").inner_text()
        assert "case-handling-reason" in why
        assert "Tillitsrammeverket ATT-40, ATT-46" in why
        page.get_by_text("Python", exact=True).click()
        assert "authorization_details" in page.locator("details[open] pre").last.inner_text()
        holds(it)
        page.get_by_role("link", name="Kall", exact=True).first.click()
        assert page.get_by_role("main").get_by_role("listitem").filter(has_text="403").count() == 1
        holds(it)
