"""The clinician's day in a real browser: choose, read, follow a trend, acknowledge, open a lock, print."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from kjerne.pages import paging

pytestmark = pytest.mark.browser
A4_PIXELS = 703
"""Width of an A4 sheet inside the style sheet's margins (186 mm), in CSS pixels."""


def start(it: Tab) -> None:
    it.goto("/login?to=clinician")
    it.page.get_by_role("link", name="Logg inn som helsepersonell").click()


def choose(it: Tab, name: str) -> None:
    it.goto("/clinician")
    it.page.get_by_role("region", name="Mine pasienter").get_by_role("button", name=re.compile(name)).click()
    it.page.wait_for_url("**/clinician/v/*")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_clinician_reads_results_and_acknowledges(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        it.goto("/")
        it.holds()
        start(it)
        it.holds()
        choose(it, "Kari Nordvik")
        it.holds()
        bar = it.page.get_by_role("region", name="Pasient", exact=True)
        expect(bar).to_contain_text("kvinne, 47 år")
        expect(bar).to_contain_text("Syntetisk")
        it.page.mouse.move(4, 400)
        it.page.mouse.wheel(0, 3000)
        it.page.wait_for_function("() => scrollY > 50")
        assert bar.bounding_box()["y"] == 0, "the identity bar never scrolls away"  # type: ignore[index]
        it.page.get_by_role("button", name=re.compile("Kvitter som lest: U-Bakterier")).click()
        expect(it.page.get_by_role("region", name="Venter på kvittering")).not_to_contain_text("U-Bakterier")
        assert where.house.done == [("acknowledged", "rep-urine")]
        it.holds()


def test_the_dates_stay_over_their_columns_while_the_numbers_scroll(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        frame = it.page.get_by_role("region", name="Målte verdier")
        frame.hover()
        it.page.mouse.wheel(0, 200)
        it.page.wait_for_function("() => document.querySelector('.dates > .scroll').scrollTop > 50")
        head, box = frame.get_by_role("columnheader", name="Analyse").bounding_box(), frame.bounding_box()
        assert head
        assert box
        assert abs(head["y"] - box["y"]) <= 2


def test_a_table_higher_than_its_frame_says_so_until_its_end_is_seen(opened: Browser, where: Site) -> None:
    with tab(opened, where, java_script_enabled=False) as it:
        start(it)
        choose(it, "Kari Nordvik")
        more = it.page.get_by_role("link", name=re.compile("Rull nedover i den for resten"))
        it.page.get_by_role("region", name="Målte verdier").scroll_into_view_if_needed()
        expect(more).to_be_in_viewport()
        more.click()
        expect(more).to_be_hidden()
        expect(it.page.get_by_role("region", name="Målte verdier").get_by_role("row").last).to_be_in_viewport()
        it.page.set_viewport_size({"width": 1280, "height": 3000})
        expect(more).to_be_hidden()


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_outside_stands_alone_at_one_press(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.get_by_role("link", name=re.compile("Utenfor referanse")).click()
        names = it.page.locator("a:visible", has_text=re.compile("^[BPU]t?-"))
        for name in ("B-Hemoglobin", "P-CRP", "P-Ferritin"):
            expect(names.filter(has_text=re.compile(f"^{name}$")).first).to_be_visible()
        expect(names.filter(has_text=re.compile("^P-Natrium$"))).to_have_count(0)
        it.holds()


def test_a_phone_shows_earlier_values_under_the_newest(opened: Browser, where: Site) -> None:
    with tab(opened, where, 390) as it:
        start(it)
        choose(it, "Kari Nordvik")
        row = it.page.get_by_role("listitem").filter(has=it.page.get_by_role("link", name="B-HbA1c", exact=True))
        for part in ("47", "mmol/mol", "Tidligere svar:", "02.09.2026", "høy", "49", "11.03.2026", "44", "04.12.2025"):
            expect(row).to_contain_text(part)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_trend_is_a_picture_and_a_table(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.locator("a:visible", has_text="B-Hemoglobin").first.click()
        expect(it.page.locator("figure canvas")).to_be_visible()
        expect(it.page.locator("figure svg.trend")).to_have_attribute("role", "img")
        expect(it.page.get_by_role("table", name="Verdier for B-Hemoglobin")).to_contain_text("11,1")
        expect(it.page.get_by_role("region", name="Holdt utenfor kurven")).to_contain_text("mmol/L")
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_is_read_in_full(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        patient = it.page.url
        reports = {
            "rep-urine": "Mecillinam",
            "rep-ct": "Tidligere tekst",
            "rep-hist": "nevus",
            "rep-blood-4": "Hemoglobin",
            "rep-cancelled": "Svaret er trukket tilbake",
            "rep-concluded": "Denne filtypen kan ikke vises her",
        }
        for report, words in reports.items():
            it.page.goto(f"{patient}/report/{report}")
            expect(it.page.get_by_role("article")).to_contain_text(words)
            it.holds()


def test_the_range_of_a_result_is_told_once_at_any_width(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.goto(f"{it.page.url}/report/rep-blood-4")
        row = it.page.get_by_role("row", name=re.compile("B-Hemoglobin"))
        for width in WIDTHS:
            it.page.set_viewport_size({"width": width, "height": 800})
            assert row.inner_text().count("11,7–15,3") == 1, width


def test_a_picture_opens_beside_the_report_and_a_web_page_is_only_saved(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.goto(f"{it.page.url}/report/rep-concluded")
        with it.page.expect_popup() as beside:
            it.page.get_by_role("link", name="Åpne i ny fane: Nøkkelbilder").click()
        expect(beside.value.locator("img")).to_be_visible()
        assert beside.value.evaluate("document.images[0].naturalWidth") == 8
        with it.page.expect_download() as saved:
            it.page.get_by_role("link", name="Last ned: Skjema fra avdelingen").click()
        assert saved.value.suggested_filename == "vedlegg.bin"
        assert it.complaints == []


def test_resistance_stands_as_letter_and_word(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.goto(f"{it.page.url}/report/rep-urine")
        row = it.page.get_by_role("row", name=re.compile("Trimetoprim"))
        expect(row).to_contain_text("R")
        expect(row).to_contain_text("Resistent")
        expect(row).to_contain_text("32")


def test_the_look_up_box_answers_in_its_place(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        address = it.page.url
        it.page.get_by_label("Analyse eller undersøkelse").fill("B-HbA1c")
        it.page.get_by_role("button", name="Sjekk").click()
        expect(it.page.get_by_role("region", name="Allerede tatt?")).to_contain_text("er tatt og kan brukes")
        assert it.page.url == address, "the rest of the page stayed where it was"
        it.holds()
        it.page.get_by_role("button", name="Bruk svaret som finnes").click()
        expect(it.page.get_by_text("Registrert: du bruker svaret som finnes.")).to_be_visible()
        assert where.house.done == [("followed", "")]


NOES = {
    "Per Aasen": "Ingen prøvesvar er registrert",
    "Liv Moen": "Opplysningene er sperret",
    "Nils Dahl": "Pasienten har blokkert deg",
    "Ada Lien": "Pasienten har reservert seg",
    "Eva Strand": "Har du tjenstlig behov likevel?",
    "Jon Berge": "Kilden svarte ikke",
}


@pytest.mark.parametrize("width", WIDTHS)
def test_each_no_is_a_page_of_its_own(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        for name, says in NOES.items():
            if name == "Eva Strand":
                it.goto("/clinician")
                it.page.get_by_label("Fødselsnummer eller D-nummer").fill("21858800000")
                it.page.get_by_role("button", name="Åpne", exact=True).click()
                expect(it.page.get_by_role("region", name="Pasient", exact=True)).not_to_contain_text(name)
            else:
                choose(it, name)
            expect(it.page.get_by_role("heading", name=says)).to_be_visible()
            it.holds()


def test_a_lock_is_opened_in_two_steps_with_the_keyboard_alone(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Liv Moen")
        it.page.get_by_role("link", name="Åpne sperren").focus()
        it.page.keyboard.press("Enter")
        expect(it.page.get_by_role("heading", name="Åpne pasientens sperre")).to_be_visible()
        it.holds()
        it.page.get_by_role("radio", name=re.compile("Samtykke")).focus()
        it.page.keyboard.press("Space")
        it.page.keyboard.press("Tab")
        it.page.keyboard.type("Avklart med pasienten i dag")
        it.page.keyboard.press("Tab")
        it.page.keyboard.press("Enter")
        expect(it.page.get_by_role("region", name="Pasient", exact=True)).to_contain_text(
            "Samtykke fra pasienten til kl."
        )


def test_the_keyboard_reaches_everything_and_focus_is_seen(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.keyboard.press("Tab")
        expect(it.page.get_by_role("link", name="Hopp til innholdet")).to_be_focused()
        wanted = it.page.evaluate(
            "document.querySelectorAll('a:not([hidden]), button, input:not([type=hidden])').length"
        )
        reached = set()
        for _ in range(wanted + 20):
            it.page.keyboard.press("Tab")
            seen = it.page.evaluate(
                "() => { const e = document.activeElement, s = getComputedStyle(e);"
                " return [e.tagName, e.textContent.trim(), s.outlineStyle, parseFloat(s.outlineWidth)]; }"
            )
            if seen[0] != "BODY":
                assert seen[2] != "none", seen
                assert seen[3] >= 2, seen
            reached.add((seen[0], seen[1]))
        for part in (("A", "B-Hemoglobin"), ("BUTTON", "Kvitter"), ("A", "CT thorax"), ("BUTTON", "Sjekk")):
            assert any(tag == part[0] and part[1] in said for tag, said in reached), part


def test_a_tab_left_on_another_patient_can_change_nothing(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        other = it.page.context.new_page()
        second = Tab(other, where)
        choose(second, "Per Aasen")
        it.page.get_by_role("button", name=re.compile("Kvitter som lest: U-Bakterier")).click()
        expect(it.page.get_by_role("heading", name="En annen pasient er åpen")).to_be_visible()
        assert where.house.done == []
        it.holds()


def test_a_page_grows_stale_visibly_by_its_style_alone(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        it.page.route("**/kjerne.js*", lambda route: route.abort())
        start(it)
        choose(it, "Kari Nordvik")
        note = it.page.locator("#stale")
        expect(note).to_be_hidden()
        it.page.evaluate("document.getAnimations().forEach((one) => one.finish())")
        expect(note).to_be_visible()
        expect(note).to_contain_text("kan være utdatert")
        it.complaints.clear()  # the script that was kept away
        it.holds()


def test_everything_works_without_script(opened: Browser, where: Site) -> None:
    with tab(opened, where, java_script_enabled=False) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.get_by_label("Analyse eller undersøkelse").fill("B-HbA1c")
        it.page.get_by_role("button", name="Sjekk").click()
        expect(it.page.get_by_text("er tatt og kan brukes")).to_be_visible()
        it.page.locator("a:visible", has_text="P-CRP").first.click()
        expect(it.page.locator("figure svg.trend")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_printed_sheet_holds_the_patient_and_not_the_page_around_it(
    opened: Browser, where: Site, width: int
) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.goto(f"{it.page.url}/print")
        it.holds()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_text("Skrevet ut av Ola Hagen")).to_be_visible()
        expect(it.page.locator(".strip")).to_be_hidden()
        it.page.set_viewport_size({"width": A4_PIXELS, "height": 900})
        assert it.page.evaluate("document.documentElement.scrollWidth") <= A4_PIXELS, "no column is cut off on paper"
        assert len(it.page.pdf()) > 10_000


def test_a_printed_trend_is_drawn_by_the_server(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.locator("a:visible", has_text="B-Hemoglobin").first.click()
        expect(it.page.locator("figure canvas")).to_be_visible()
        it.page.emulate_media(media="print")
        expect(it.page.locator("figure canvas")).to_be_hidden()
        assert it.page.locator("figure svg.trend").bounding_box()["height"] > 100  # type: ignore[index]


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_long_list_of_patients_is_walked_with_the_keyboard(
    opened: Browser, where: Site, monkeypatch: pytest.MonkeyPatch, width: int, script: bool
) -> None:
    monkeypatch.setattr(paging, "PEOPLE", 2)
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        holds = it.holds if script else lambda: None
        own = it.page.get_by_role("region", name="Mine pasienter")
        expect(own.get_by_role("listitem")).to_have_count(2 + 1)
        holds()
        own.get_by_role("link", name="Neste").focus()
        it.page.keyboard.press("Enter")
        it.page.wait_for_url("**/clinician?waiting=1&own=*#own")
        expect(own.get_by_role("link", name="Fra begynnelsen")).to_be_visible()
        holds()
        own.get_by_role("button").first.focus()
        it.page.keyboard.press("Enter")
        it.page.wait_for_url("**/clinician/v/*")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_that_breaks_says_what_to_do_and_gives_its_number(
    opened: Browser, where: Site, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError

    with tab(opened, where, width) as it:
        start(it)
        it.page.wait_for_url("**/clinician")
        it.goto("/clinician/nothing")
        expect(it.page.get_by_role("heading", name="Siden finnes ikke")).to_be_visible()
        it.holds()
        monkeypatch.setattr(where.house, "own_patients", broken)
        it.goto("/clinician")
        expect(it.page.get_by_text("Nummer til brukerstøtten")).to_be_visible()
        it.holds()
        monkeypatch.undo()
        it.page.get_by_role("link", name="Prøv igjen").click()
        expect(it.page.get_by_role("heading", name="Velg pasient")).to_be_visible()
