"""In a real browser: a citizen chooses to be told, sees what it means, and stops it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import Site, tab

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_citizen_chooses_to_be_told_and_stops_it(opened: Browser, where: Site, width: int, script: bool) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        it.goto("/login/start?to=me")
        it.page.get_by_role("link", name="Mer", exact=True).click()
        it.page.get_by_role("link", name="Varsling").click()
        expect(it.page.get_by_text("aldri hvem, hvor eller hva")).to_be_visible()
        holds()
        it.page.get_by_label("Én gang om dagen").check()
        it.page.get_by_label("E-postadresse eller mobilnummer").fill("ingen adresse")
        it.page.get_by_role("button", name="Lagre valget").click()
        expect(it.page.get_by_role("alert")).to_be_visible()
        holds()
        it.page.get_by_label("E-postadresse eller mobilnummer").fill("kari@example.test")
        it.page.get_by_role("button", name="Lagre valget").click()
        expect(it.page.get_by_text("Valget er lagret.")).to_be_visible()
        holds()
        it.page.get_by_label("Ikke gi meg beskjed").check()
        it.page.get_by_role("button", name="Lagre valget").click()
        expect(it.page.get_by_text("Varslingen er slått av")).to_be_visible()
        holds()
