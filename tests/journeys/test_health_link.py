"""A citizen who travels makes a link, a doctor abroad opens it in another browser, and the citizen ends it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Request, expect

from handing import forget
from journeys.chromium import WIDTHS, Site, Tab, tab
from journeys.test_whole_story import log_in
from kjerne.pages import qr
from pages.fake import FakeHouse
from platform_fixture import Standing
from services.test_standards_registered import allergy, registered

pytestmark = pytest.mark.browser
NOTHING_OPENS = re.compile(r"^[^#]*$")
"""An address without what opens the link, as the page's script leaves it."""


@pytest.fixture
def where(platform: Standing) -> Iterator[Site]:
    forget(platform)
    yield Site(platform.url, FakeHouse)  # type: ignore[arg-type]
    forget(platform)


def made(it: Tab, platform: Standing, *, passcode: str = "") -> tuple[str, str]:
    """A link by its form: what its QR code holds, and the passcode."""
    log_in(it, "me", platform.persona("citizen").person_name)
    it.goto("/me/more")
    it.page.get_by_role("link", name=re.compile("Lenker til sammendraget")).click()
    it.holds()
    it.page.get_by_role("link", name="Lag en lenke").click()
    it.page.get_by_label("Navn på lenken").fill("Sommer i Hellas")
    it.page.get_by_label("Passord", exact=False).fill(passcode)
    it.holds()
    it.page.get_by_role("button", name="Lag lenken").click()
    expect(it.page.get_by_role("heading", name="Lenken er laget")).to_be_visible()
    held = str(it.page.get_by_role("link", name="Les et pasientsammendrag").get_attribute("href"))
    drawn = it.page.locator(".qr path").nth(1).get_attribute("d")
    assert drawn and drawn in qr.svg(held)
    told = it.page.locator("#the-passcode")
    return held, passcode or str(told.text_content())


def on_paper_without_passcode(it: Tab, passcode: str) -> None:
    it.page.emulate_media(media="print")
    expect(it.page.get_by_role("img", name="QR-kode som åpner sammendraget")).to_be_visible()
    expect(it.page.get_by_text(passcode)).not_to_be_visible()
    it.page.emulate_media(media="screen")


def unlock(it: Tab, passcode: str, who: str = "Dr. Maria Papadaki, Iraklio") -> None:
    it.page.get_by_label("Hvem du er").fill(who)
    it.page.get_by_label("Passord fra pasienten").fill(passcode)
    it.page.get_by_role("button", name="Vis sammendraget").click()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_link_is_made_opened_elsewhere_with_its_passcode_and_ended(
    opened: Browser, where: Site, platform: Standing, width: int
) -> None:
    registered(platform, allergy(platform))
    sent: list[str] = []

    def note(one: Request) -> None:
        sent.append(f"{one.url} {one.post_data or ''}")

    with tab(opened, where, width) as at_home, tab(opened, where, width) as abroad:
        held, passcode = made(at_home, platform)
        at_home.holds()
        on_paper_without_passcode(at_home, passcode)

        abroad.page.on("request", note)
        abroad.page.goto(held)
        expect(abroad.page.get_by_text("Lenken heter: Sommer i Hellas")).to_be_visible()
        expect(abroad.page).to_have_url(NOTHING_OPENS)
        expect(abroad.page.get_by_label("Lim inn en lenke")).not_to_be_visible()
        abroad.holds()
        unlock(abroad, "feil passord")
        expect(abroad.page.get_by_role("status")).to_contain_text("Passordet er feil. Det er 9 forsøk igjen")
        abroad.holds()
        unlock(abroad, passcode)
        expect(abroad.page.get_by_role("heading", level=1)).to_have_text("Internasjonalt pasientsammendrag")
        expect(abroad.page.get_by_role("article").filter(has_text="Amoksicillin").first).to_contain_text("J01CA04")
        abroad.holds()
        key = re.search(r"shlink:/(\S+)", held)
        assert key
        assert sent
        assert all(key[1] not in one for one in sent), "the key was sent to nobody"
        abroad.page.emulate_media(media="print")
        expect(abroad.page.get_by_role("button", name="Skriv ut")).not_to_be_visible()

        at_home.page.get_by_role("link", name="Til lenkene").click()
        mine = at_home.page.get_by_role("article", name="Sommer i Hellas")
        expect(mine).to_contain_text("Åpnet én gang")
        mine.get_by_text("Hvem som har åpnet den").click()
        expect(mine.get_by_text("Dr. Maria Papadaki, Iraklio").first).to_be_visible()
        at_home.holds()
        mine.get_by_role("button", name=re.compile("Steng lenken")).click()
        expect(at_home.page.get_by_role("status")).to_contain_text("Lenken er stengt.")
        at_home.holds()
        abroad.page.emulate_media(media="screen")
        abroad.page.goto("about:blank")
        abroad.page.goto(held)
        unlock(abroad, passcode)
        expect(abroad.page.get_by_role("status")).to_contain_text("Lenken åpner ingenting.")
        abroad.holds()

        the_log_tells_it(at_home)


def the_log_tells_it(it: Tab) -> None:
    it.goto("/me/log")
    expect(it.page.get_by_text("Noen åpnet kopien av sammendraget med lenken og passordet.").first).to_be_visible()
    expect(it.page.get_by_text("Kaller seg, uten at det er kontrollert:").first).to_be_visible()
    it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_chosen_passcode_is_not_shown_and_faults_are_told_beside_what_was_typed(
    opened: Browser, where: Site, platform: Standing, width: int
) -> None:
    with tab(opened, where, width) as it:
        held, _ = made(it, platform, passcode="ni brune hester")
        expect(it.page.get_by_text("Det vises ikke her.", exact=False)).to_be_visible()
        assert "ni brune hester" not in it.page.content()
        it.goto("/me/links/new")
        it.page.get_by_label("Navn på lenken").fill("Til legen")
        it.page.get_by_label("Passord", exact=False).fill("123456")
        it.page.get_by_role("button", name="Lag lenken").click()
        expect(it.page.get_by_role("alert")).to_have_text("Passordet er for lett å gjette.")
        expect(it.page.get_by_label("Navn på lenken")).to_have_value("Til legen")
        it.holds()
        it.page.goto(held)
        unlock(it, "ni brune hester")
        expect(it.page.get_by_role("heading", level=1)).to_have_text("Internasjonalt pasientsammendrag")


def test_without_script_the_page_says_what_it_takes(opened: Browser, where: Site, platform: Standing) -> None:
    with tab(opened, where, java_script_enabled=False) as it:
        it.goto("/shl")
        expect(it.page.get_by_text("Det trenger JavaScript.", exact=False)).to_be_visible()


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ("", "Det mangler en lenke."),
        ("shlink:/###", "Dette er ingen SMART Health Link"),
        ("shlink:/e30", "Dette er ingen SMART Health Link"),
        ("https://evil.example/x", "Dette er ingen SMART Health Link"),
    ],
)
def test_what_is_no_link_is_told_of_and_another_can_be_pasted(
    opened: Browser, where: Site, platform: Standing, fragment: str, told: str
) -> None:
    with tab(opened, where) as it:
        it.goto(f"/shl#{fragment}")
        expect(it.page.get_by_role("status")).to_contain_text(told)
        expect(it.page.get_by_label("Lim inn en lenke")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_whoever_opens_it_reads_it_in_her_browsers_language_or_english_and_in_another_without_a_new_code(
    opened: Browser, where: Site, platform: Standing, width: int
) -> None:
    registered(platform, allergy(platform))
    with tab(opened, where, width) as at_home, tab(opened, where, width, locale="es-ES") as abroad:
        held, passcode = made(at_home, platform)
        heading = abroad.page.get_by_role("heading", level=1)
        abroad.page.goto(held)
        expect(heading).to_have_text("Read a patient summary")
        abroad.page.get_by_role("link", name="Nynorsk").click()
        expect(heading).to_have_text("Les eit pasientsamandrag")
        abroad.page.reload()
        abroad.page.get_by_role("link", name="English").click()
        expect(heading).to_have_text("Read a patient summary")
        expect(abroad.page).to_have_url(NOTHING_OPENS)
        abroad.page.get_by_label("Who you are").fill("Dr. Marta Garcia, Sevilla")
        abroad.page.get_by_label("Passcode from the patient").fill(passcode)
        abroad.page.get_by_role("button", name="Show the summary").click()
        expect(heading).to_have_text("International Patient Summary")
        expect(abroad.page.get_by_text("Nobody has signed it.")).to_be_visible()
        grave = abroad.page.get_by_role("article").filter(has_text="Amoksicillin").first
        expect(grave).to_contain_text("unconfirmed")
        code = grave.get_by_text("allergyintolerance-clinical active", exact=False).first
        expect(code).not_to_be_visible()
        grave.get_by_text("All information and codes").click()
        expect(code).to_be_visible()
        abroad.holds()
        abroad.page.get_by_role("link", name=re.compile("^Allergies and intolerances")).click()
        expect(heading).to_have_text("International Patient Summary")
        expect(abroad.page.get_by_role("heading", name="Allergies and intolerances")).to_be_in_viewport()
        abroad.page.get_by_role("link", name="Bokmål").click()
        expect(heading).to_have_text("Internasjonalt pasientsammendrag")
        expect(abroad.page.get_by_role("heading", name="Allergier og overfølsomhet")).to_be_visible()
        abroad.holds()
        abroad.page.reload()
        expect(heading).to_have_text("Les et pasientsammendrag")
        unlock(abroad, passcode)
        expect(heading).to_have_text("Internasjonalt pasientsammendrag")
