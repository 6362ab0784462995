"""In a real browser: a citizen reports a look and asks for a correction, the operator answers, and she reads the answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import Site, Tab, tab

pytestmark = pytest.mark.browser
WIDTHS_AND_SCRIPT = [(1280, True), (390, True), (390, False)]


def report(it: Tab, *, script: bool) -> None:
    """The citizen's two steps."""
    holds = it.holds if script else lambda: None
    it.goto("/login/start?to=me")
    it.page.get_by_role("link", name="Hvem har sett").click()
    it.page.get_by_role("link", name="Meld fra om dette: Siri Vik").click()
    holds()
    it.page.get_by_label("Det er noen jeg kjenner").check()
    it.page.get_by_label("Fortell hva som har skjedd").fill("Hun er naboen min.")
    it.page.get_by_role("button", name="Gå videre").click()
    expect(it.page.get_by_text("Hver gang noen åpner meldingen din")).to_be_visible()
    holds()
    it.page.get_by_label("Her og på telefon").check()
    it.page.get_by_label("Telefonnummer").fill("98765432")
    it.page.get_by_role("button", name="Send").click()
    expect(it.page.get_by_text("Henvendelsen er sendt.")).to_be_visible()
    holds()


@pytest.mark.parametrize(("width", "script"), WIDTHS_AND_SCRIPT)
def test_reported_misuse_is_answered(opened: Browser, where: Site, width: int, script: bool) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        report(it, script=script)
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        it.goto("/login/start?to=operations")
        it.page.get_by_role("link", name="Henvendelser").click()
        expect(it.page.get_by_text("Kari")).to_have_count(0)
        holds()
        it.page.get_by_role("link", name="0000-00A0").click()
        holds()
        it.page.get_by_label("Hvorfor åpner du den?").fill("Undersøker meldingen")
        it.page.get_by_role("button", name="Åpne").click()
        expect(it.page.get_by_text("Hun er naboen min.")).to_be_visible()
        holds()
        it.page.get_by_label("Svar til innbyggeren").fill("Oppslaget var ikke tillatt.")
        it.page.get_by_role("button", name="Send svaret").click()
        expect(it.page.get_by_text("Svaret er sendt.")).to_be_visible()
        holds()
    with tab(opened, where, width, java_script_enabled=script) as it:
        it.goto("/login/start?to=me")
        it.page.get_by_role("link", name="Mer", exact=True).click()
        it.page.get_by_role("link", name="Mine henvendelser").click()
        expect(it.page.get_by_text("Oppslaget var ikke tillatt.")).to_be_visible()
        if script:
            it.holds()


@pytest.mark.parametrize(("width", "script"), WIDTHS_AND_SCRIPT)
def test_a_correction_is_asked_for_from_the_result(opened: Browser, where: Site, width: int, script: bool) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        it.goto("/login/start?to=me")
        it.goto("/me/report/rep-blood-4")
        it.page.get_by_role("link", name="Be om retting").click()
        expect(it.page.get_by_text("som eier det og kan rette det")).to_be_visible()
        holds()
        it.page.get_by_label("Hva er feil?").select_option(index=1)
        it.page.get_by_label("En verdi eller en dato").check()
        it.page.get_by_label("Hva er feil, og").fill("Verdien er en annens.")
        it.page.get_by_role("button", name="Gå videre").click()
        holds()
        it.page.get_by_role("button", name="Send").click()
        expect(it.page.get_by_role("heading", name="Ønske om retting")).to_be_visible()
        holds()
