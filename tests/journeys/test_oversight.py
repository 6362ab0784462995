"""Whoever answers for the log in a real browser: what stands out, opened for a reason and judged; exports; the log's state."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from pages.fake_oversight import the_lines

pytestmark = pytest.mark.browser


def start(it: Tab, to: str) -> None:
    it.goto("/login?to=operations")
    it.page.get_by_role("link", name="Logg inn som driftsansvarlig").click()
    it.page.get_by_role("navigation", name="Sider").get_by_role("link", name=to).click()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_reading_that_stands_out_is_opened_and_judged(opened: Browser, where: Site, width: int, script: bool) -> None:
    where.house.lines = the_lines(datetime.now(UTC))
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        start(it, "Gjennomgang")
        holds()
        it.page.get_by_label("Slag", exact=True).select_option(label="Familie")
        it.page.get_by_role("button", name="Vis").click()
        expect(it.page.get_by_text("Tor Eide")).to_have_count(0)
        it.page.locator(".register tbody a").click()
        holds()
        expect(it.page.get_by_text("Kari Nordvik")).to_have_count(0)
        it.page.get_by_label("Hvorfor åpner du den?").fill("Vurderer et blålysoppslag")
        it.page.get_by_role("button", name="Åpne").click()
        expect(it.page.get_by_text("Kari Nordvik")).to_be_visible()
        holds()
        it.page.get_by_label("meldt til virksomheten").check()
        it.page.get_by_role("button", name="Noter").click()
        expect(it.page.get_by_text("Notert: meldt til virksomheten.")).to_be_visible()
        expect(it.page.get_by_text("Siri Vik")).to_have_count(0)
        holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_faults_and_a_day_of_many_patients_hold_too(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it, "Gjennomgang")
        it.page.get_by_label("Fra og med").fill("2026-01-01")
        it.page.get_by_role("button", name="Vis").click()
        expect(it.page.get_by_role("alert")).to_contain_text("høyst 31 dager")
        it.holds()
        it.page.get_by_label("Slag", exact=True).select_option(label="Uvanlig mange pasienter")
        it.page.get_by_role("button", name="Vis").click()
        it.page.locator(".register tbody a").click()
        expect(it.page.get_by_label("Hvorfor åpner du den?")).to_have_count(0)
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_export_is_approved_by_one_and_refused_by_one(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it, "Eksporter")
        it.holds()
        it.page.locator(".register tbody a").first.click()
        it.holds()
        it.page.get_by_label("Hvorfor?").fill("Vedtaket er lest")
        it.page.get_by_role("button", name="Godkjenn").click()
        expect(it.page.get_by_text("Den venter på en annen.")).to_be_visible()
        it.holds()
        it.page.get_by_label("Hvorfor?").fill("Vedtaket gjelder noe annet")
        it.page.get_by_role("button", name="Avslå").click()
        expect(it.page.get_by_text("Eksporten er avslått.")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_state_of_the_log_is_read(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it, "Loggens tilstand")
        expect(it.page.get_by_text("Rader uten segl")).to_be_visible()
        it.holds()
