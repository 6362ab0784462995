"""The whole line on the real platform: a report goes in, the clinician reads it, the citizen sees it and who has looked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from pages.fake import FakeHouse
from platform_fixture import Standing

pytestmark = pytest.mark.browser


@pytest.fixture
def where(platform: Standing) -> Site:
    return Site(platform.url, FakeHouse)  # type: ignore[arg-type]


def log_in(it: Tab, to: str, persona: str) -> None:
    it.goto(f"/login/start?to={to}")
    it.page.get_by_role("button", name=re.compile(persona)).click()
    it.page.wait_for_url(re.compile(r"/(clinician|me)$"))


def open_patient(it: Tab, name: str) -> None:
    it.page.get_by_role("region", name="Mine pasienter").get_by_role("button", name=re.compile(name)).click()
    it.page.wait_for_url("**/clinician/v/*")


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_laboratory_sends_is_read_by_the_doctor_and_seen_by_the_citizen_with_who_looked(
    opened: Browser, where: Site, platform: Standing, width: int
) -> None:
    # Somebody whose pages no other test fills.
    doctor, citizen = platform.persona("gp"), platform.persona("pregnant")
    with tab(opened, where, width) as it:
        log_in(it, "clinician", doctor.person_name)
        it.holds()
        open_patient(it, citizen.person_name)
        it.holds()
        expect(it.page.get_by_role("main")).to_contain_text("HbA1c")
        expect(it.page.get_by_role("region", name="Pasient", exact=True)).to_contain_text("Syntetisk")
    with tab(opened, where, width) as it:
        log_in(it, "me", citizen.person_name)
        it.holds()
        it.goto("/me/results")
        it.holds()
        expect(it.page.get_by_role("main")).to_contain_text("Langtidsblodsukker")
        it.goto("/me/log")
        it.holds()
        expect(it.page.get_by_role("main")).to_contain_text(doctor.person_name)
        which = it.page.locator("details.which").first
        named = which.locator("li").first  # which result it is hangs on what other tests have sent for her
        expect(named).to_have_text(re.compile(r"\d\d\.\d\d\.\d{4}\s+\S"))
        expect(named).to_be_hidden()
        it.page.emulate_media(media="print")
        expect(named).to_be_visible()  # paper has nothing to press
        it.page.emulate_media(media="screen")
        which.locator("summary").click()
        expect(named).to_be_visible()
        it.holds()
        assert citizen.nin not in it.page.content()
        assert doctor.nin not in it.page.content()


def test_a_block_holds_on_the_doctors_next_click(opened: Browser, where: Site, platform: Standing) -> None:
    doctor, citizen = platform.persona("hospital-doctor"), platform.persona("citizen")
    with tab(opened, where) as at_work, tab(opened, where) as at_home:
        log_in(at_work, "clinician", doctor.person_name)
        open_patient(at_work, citizen.person_name)
        expect(at_work.page.get_by_role("main")).to_contain_text("HbA1c")
        log_in(at_home, "me", citizen.person_name)
        at_home.goto("/me/privacy")
        choice = at_home.page.locator("option").filter(has_text=doctor.person_name).get_attribute("value")
        at_home.page.get_by_label("Hvem", exact=True).select_option(choice)
        at_home.page.get_by_role("button", name="Se hva det betyr: Blokker en person").click()
        at_home.page.get_by_role("button", name=re.compile("Lagre|Blokker")).click()
        at_home.page.wait_for_url("**/me/privacy*")
        blocked = at_home.page.get_by_role("listitem").filter(has_text=doctor.person_name)
        expect(blocked).to_be_visible()
        at_work.page.reload()
        expect(at_work.page.get_by_role("main")).not_to_contain_text("HbA1c")
        at_home.goto("/me/privacy")
        blocked.get_by_role("button").click()
        expect(blocked).to_have_count(0)
        at_work.page.reload()
        expect(at_work.page.get_by_role("main")).to_contain_text("HbA1c")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_logging_out_ends_the_providers_login_too(
    opened: Browser, where: Site, platform: Standing, script: bool
) -> None:
    with tab(opened, where, 390, java_script_enabled=script) as it:
        log_in(it, "me", platform.persona("citizen").person_name)
        it.page.get_by_role("button", name="Logg ut").click()
        if not script:
            it.page.get_by_role("button", name="Logg ut av innloggingstjenesten også").click()
        it.page.wait_for_url("**/logout/done")
        expect(it.page.get_by_role("heading", name="Du er logget ut")).to_be_visible()
        assert it.complaints == []
        it.goto("/me")
        expect(it.page.get_by_role("link", name="Logg inn som innbygger")).to_be_visible()
