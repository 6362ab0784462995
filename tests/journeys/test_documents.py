"""Documents of other institutions in a real browser: the list with its sources, its orders and pages, and one that is read."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, tab
from journeys.test_clinician import choose, start
from journeys.test_me import start as start_as_citizen

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_is_read_sorted_turned_over_and_a_document_opened(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.get_by_role("link", name="Journaldokumenter").click()
        sources = it.page.get_by_role("region", name="Kilder")
        expect(sources).to_contain_text("Nordvik legekontor: svarte ikke i tide, vist per 27.11.2026 08:10")
        expect(sources).to_contain_text("Vestre sykehus: kunne ikke nås, ingenting av det vises. 2 til kan ikke vises")
        expect(sources).to_contain_text("2 dokumenter er sperret av pasienten og vises ikke.")
        expect(it.page.get_by_text("Åpnet av deg før")).to_have_count(1)
        it.holds()
        first = it.page.locator("tbody tr").first
        expect(first).to_contain_text("Tillegg til: Epikrise nummer 18")
        first.get_by_text("1 tidligere versjon").click()
        it.holds()
        it.page.get_by_role("link", name="Dato").click()
        expect(it.page).to_have_url(re.compile("sort=date"))
        expect(it.page.locator("tbody tr").first).to_contain_text("Epikrise nummer 1")
        it.page.get_by_role("link", name="Neste side").click()
        expect(it.page.locator("tbody tr")).to_have_count(4)
        it.page.get_by_role("link", name="Epikrise nummer 19").first.click()
        expect(it.page.get_by_text("Henvises for vurdering.")).to_be_visible()
        it.holds()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_citizen_reads_one_of_hers_from_the_second_page_of_the_list(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        start_as_citizen(it)
        it.page.get_by_role("link", name="Dokumentene dine").click()
        expect(it.page.get_by_text("Nordvik legekontor svarte ikke i tide.")).to_be_visible()
        expect(it.page.get_by_text("19 dokumenter · Side 1 av 2")).to_be_visible()
        it.page.get_by_text("Velg hva som vises").click()
        it.page.get_by_text("1 tidligere versjon").click()
        holds()
        it.page.get_by_role("link", name="Epikrise nummer 18 b").click()
        expect(it.page.get_by_text("Dette er en tidligere versjon.")).to_be_visible()
        it.page.get_by_role("link", name="Journaldokumenter").click()
        it.page.get_by_role("link", name="Neste side").click()
        expect(it.page.get_by_role("region", name="2026").get_by_role("listitem")).to_have_count(4)
        it.page.get_by_role("link", name="Epikrise nummer 4").click()
        expect(it.page.get_by_role("heading", name="Epikrise nummer 4")).to_be_visible()
        expect(it.page.get_by_text("Henvises for vurdering.")).to_be_visible()
        holds()
