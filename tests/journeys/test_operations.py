"""The operator in a real browser: who takes part, a pilot opened and closed with its effect shown, what was rejected."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from kjerne.policy.taking_part import Absence

pytestmark = pytest.mark.browser


def start(it: Tab) -> None:
    it.goto("/login?to=operations")
    it.page.get_by_role("link", name="Logg inn som driftsansvarlig").click()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_an_operator_opens_and_closes_a_pilot_knowing_what_it_does(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        holds = it.holds if script else lambda: None
        holds()
        it.page.get_by_role("link", name="Ta inn en virksomhet").click()
        holds()
        it.page.get_by_label("Organisasjonsnummer").fill("100000016")
        it.page.get_by_label("Deltar som").select_option(label="Kilde")
        it.page.get_by_label("Kommuner og fylker").fill("5001")
        it.page.get_by_label("Grunnlag").fill("Avtale om utprøving")
        it.page.get_by_role("button", name="Se hva det betyr").click()
        expect(it.page.get_by_text("Virksomheten kan sende inn prøvesvar")).to_be_visible()
        assert len(where.house.register.rows) == 5, "nothing is saved before the effect was shown"
        holds()
        it.page.get_by_role("button", name="Ta inn virksomheten").click()
        expect(it.page.get_by_text("Virksomheten er tatt inn.")).to_be_visible()
        holds()
        it.page.get_by_role("link", name="Utvid").click()
        holds()
        it.page.get_by_role("link", name="Avbryt").click()
        it.page.get_by_role("link", name="Avslutt").click()
        it.page.get_by_label("Hvorfor").fill("Avtalen er sagt opp")
        holds()
        it.page.get_by_role("button", name="Se hva det betyr").click()
        expect(it.page.get_by_text("blir avvist og venter i køen")).to_be_visible()
        holds()
        it.page.get_by_role("button", name="Avslutt deltakelsen").click()
        expect(it.page.get_by_text("Avsluttet (rad 6)")).to_be_visible()
        holds()


def test_the_whole_change_is_made_from_the_keyboard(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        it.goto("/operations/participation/3/close")
        it.page.get_by_label("Hvorfor").focus()
        it.page.keyboard.type("Avtalen er sagt opp")
        it.page.keyboard.press("Tab")
        it.page.keyboard.press("Enter")
        button = it.page.get_by_role("button", name="Avslutt deltakelsen")
        for _ in range(30):
            if button.evaluate("one => one === document.activeElement"):
                break
            it.page.keyboard.press("Tab")
        it.page.keyboard.press("Enter")
        expect(it.page.get_by_text("Deltakelsen er avsluttet.")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_operator_finds_rows_and_rejected_messages(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        it.page.get_by_label("Fase").select_option(label="Utprøving")
        it.page.get_by_role("button", name="Vis").click()
        expect(it.page.get_by_role("link", name="Sundvika sykehus, Bildediagnostikk")).to_be_visible()
        it.holds()
        it.page.get_by_label("Status").select_option(label="Alle")
        it.page.get_by_label("Fase").select_option(label="Alle")
        it.page.get_by_role("button", name="Vis").click()
        it.holds()
        it.page.get_by_role("link", name="Avviste meldinger").click()
        fault = it.page.get_by_role("listitem").filter(has_text="Message/ServReport/Patient/OffId").first
        expect(fault).to_contain_text("linje 4")
        expect(fault.get_by_text("control digits")).to_be_hidden()
        fault.get_by_text("Teknisk").click()
        expect(fault.get_by_text("control digits")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_fault_on_the_form_is_told_where_it_is(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        it.goto("/operations/participation/open")
        it.page.get_by_label("Organisasjonsnummer").fill("12")
        it.page.get_by_label("Grunnlag").fill("Avtale om utprøving")
        it.page.get_by_role("button", name="Se hva det betyr").click()
        expect(it.page.get_by_role("alert")).to_contain_text("ni sifre")
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_clinician_outside_meets_a_page_that_says_so(opened: Browser, where: Site, width: int) -> None:
    where.house.outside = Absence("never")
    with tab(opened, where, width) as it:
        it.goto("/login?to=clinician")
        it.page.get_by_role("link", name="Logg inn som helsepersonell").click()
        expect(it.page.get_by_role("heading", name="Virksomheten din deltar ikke")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_sources_are_behind_one_line(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        it.goto("/login?to=me")
        it.page.get_by_role("link", name="Logg inn som innbygger").click()
        line = it.page.get_by_text("2 kilder deltar i prøvesvar, 1 i utprøving")
        expect(it.page.get_by_text("Sundvika sykehus, Bildediagnostikk")).to_be_hidden()
        line.click()
        expect(it.page.get_by_text("Sundvika sykehus, Bildediagnostikk")).to_be_visible()
        it.holds()
