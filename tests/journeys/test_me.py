"""The citizen in a real browser: what is new, what it means, who looked, and what she chooses."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab

pytestmark = pytest.mark.browser


def start(it: Tab) -> None:
    it.goto("/login?to=me")
    it.page.get_by_role("link", name="Logg inn som innbygger").click()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_citizen_finds_what_is_new_and_what_it_means(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        it.goto("/login?to=me")
        it.holds()
        start(it)
        expect(it.page.get_by_role("heading", name="Hei, Kari")).to_be_visible()
        expect(it.page.get_by_role("region", name="Svar som kommer")).to_contain_text("Vises 2. desember 2026")
        it.holds()
        it.page.get_by_role("link", name="Prøvesvar", exact=True).click()
        it.holds()
        it.page.get_by_role("link", name=re.compile("Hemoglobin")).first.click()
        expect(it.page.get_by_text("Lavere enn det vanlige")).to_be_visible()
        expect(it.page.get_by_text("betyr ikke at du er syk")).to_be_visible()
        expect(it.page.locator("figure canvas")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_citizen_sees_who_looked_and_why(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        it.page.get_by_role("link", name="Hvem har sett").click()
        row = it.page.get_by_role("listitem").filter(has_text="Siri Vik")
        expect(row).to_contain_text("sykepleier")
        expect(row).to_contain_text("Akutt behandling")
        it.holds()
        it.page.get_by_role("link", name="Fikk nei").click()
        expect(it.page.get_by_text("Prøvde å se:")).to_have_count(1)
        it.holds()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_citizen_narrows_the_log_and_reads_it_to_its_end(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        where.house.log_page = 1
        holds = it.holds if script else lambda: None
        start(it)
        it.page.get_by_role("link", name="Hvem har sett").click()
        expect(it.page.get_by_text("Viser hendelse 1–1 av 3")).to_be_visible()
        holds()
        it.page.get_by_role("link", name="Eldre").click()
        expect(it.page.get_by_text("Viser hendelse 2–2 av 3")).to_be_visible()
        it.page.get_by_text("Velg periode og virksomhet").click()
        holds()
        it.page.get_by_label("Fra og med").fill("2026-11-01")
        it.page.get_by_label("Virksomhet", exact=True).select_option(label="Bergen legevakt")
        it.page.get_by_role("button", name="Vis utvalget").click()
        expect(it.page.get_by_text("Én hendelse · utvalg av loggen")).to_be_visible()
        expect(it.page.get_by_text("Siri Vik")).to_be_visible()
        holds()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_text("Dette var på skjermen, for Kari Nordvik.")).to_be_visible()
        expect(it.page.get_by_role("button", name="Vis utvalget")).to_be_hidden()
        it.page.emulate_media(media="screen")
        it.page.get_by_role("link", name="Vis hele loggen").click()
        it.page.get_by_text("Velg periode og virksomhet").click()
        it.page.get_by_label("Fra og med").fill("2026-11-30")
        it.page.get_by_label("Til og med").fill("2026-11-01")
        it.page.get_by_role("button", name="Vis utvalget").click()
        expect(it.page.get_by_role("alert")).to_have_text("Perioden slutter før den begynner.")
        holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_citizen_blocks_a_person_knowing_what_it_does(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        it.page.get_by_role("link", name="Mine valg").click()
        it.holds()
        it.page.get_by_label("Hvem", exact=True).select_option(label="Siri Vik")
        it.page.get_by_role("button", name="Se hva det betyr: Blokker en person").click()
        expect(it.page.get_by_text("heller ikke i en akutt situasjon")).to_be_visible()
        assert where.house.made == [], "nothing is saved before the effect was shown"
        it.holds()
        it.page.get_by_role("button", name="Blokker personen").click()
        expect(it.page.get_by_text("Valget er lagret og gjelder fra nå.")).to_be_visible()
        assert [choice.kind for choice in where.house.made] == ["block"]
        it.page.get_by_role("button", name="Opphev: Blokkert Siri Vik").click()
        expect(it.page.get_by_text("Valget er opphevet")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_citizen_restricts_a_part_and_opts_out_and_regrets(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        it.goto("/me/privacy")
        it.page.get_by_label("Hva", exact=True).select_option("radiology")
        it.page.get_by_label("For hvem").select_option("nurses")
        it.page.get_by_role("button", name="Se hva det betyr: Sperr prøvesvar").click()
        looked_at(it, script)
        it.page.get_by_role("button", name="Sperr prøvesvarene").click()
        it.page.get_by_role("button", name="Se hva det betyr: Reserver").click()
        expect(it.page.get_by_text("Etter det kan ingen hente dem tilbake")).to_be_visible()
        looked_at(it, script)
        it.page.get_by_role("button", name="Reserver meg").click()
        looked_at(it, script)
        it.page.get_by_role("button", name="Angre reservasjonen").click()
        assert [(one.kind, one.part) for one in where.house.made] == [("restriction", "radiology")]


def looked_at(it: Tab, script: bool) -> None:
    """axe runs as a script of the page, where that may run any."""
    if script:
        it.holds()


def test_a_parent_changes_to_the_childs_record_and_sees_whose_it_is(opened: Browser, where: Site) -> None:
    with tab(opened, where, 390) as it:
        start(it)
        it.page.get_by_role("button", name="Emil Nordvik").click()
        expect(it.page.get_by_text("Du ser opplysningene til Emil Nordvik.")).to_be_visible()
        it.holds()


@pytest.mark.parametrize(
    ("page", "headings"),
    [
        ("privacy", {"Nynorsk": "Vala mine", "English": "My choices", "Sámegiella": "Mine valg"}),
        ("representation", {"Nynorsk": "Fullmakter", "English": "Acting for others", "Sámegiella": "Fullmakter"}),
        ("youth", {"Nynorsk": "Ungdomstilgang", "English": "Youth access", "Sámegiella": "Ungdomstilgang"}),
    ],
)
def test_the_language_changes_where_the_reader_is(
    opened: Browser, where: Site, page: str, headings: dict[str, str]
) -> None:
    with tab(opened, where, 390) as it:
        start(it)
        it.goto(f"/me/{page}")
        for language, heading in headings.items():
            it.page.get_by_role("link", name=language).click()
            expect(it.page.get_by_role("heading", level=1)).to_have_text(heading)
            assert it.page.url.endswith(f"/me/{page}")
            it.holds()
