"""A document beside the list of documents in a real browser: what is fetched and when, keys, links, paper, and without script."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import Site, Tab, tab
from journeys.test_clinician import choose, start
from pages.fake import _denial
from pages.fake_documents import LARGE_BYTES, listed

pytestmark = pytest.mark.browser
WIDE, NARROW = 1280, 390
RULE = "restricted-but-for-weighty-reasons"


def listing(it: Tab) -> None:
    start(it)
    choose(it, "Kari Nordvik")
    it.page.get_by_role("link", name="Journaldokumenter").click()
    expect(it.page.get_by_role("heading", name="Journaldokumenter")).to_be_visible()
    it.page.wait_for_load_state("load")  # before its style has come each line has both its links


def opened_of(where: Site) -> list[str]:
    """The titles of what was opened, in the order of the log."""
    titles = {one.number: one.entry.title for one in where.house.listing}
    return [titles[number] for number in where.house.openings]


def test_a_chosen_document_stands_beside_a_list_that_stays_where_it_was(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE) as it:
        listing(it)
        assert where.house.openings == [], "nothing is fetched before it is chosen"
        line = it.page.get_by_role("row").filter(has_text="Epikrise nummer 8")
        link = line.get_by_role("link", name="Epikrise nummer 8")
        line.scroll_into_view_if_needed()
        before = line.bounding_box()
        link.click()
        pane = it.page.get_by_role("region", name="Valgt dokument")
        expect(pane).to_contain_text("Henvises for vurdering.")
        expect(pane).to_contain_text("12 av 15 på siden")
        expect(link).to_have_attribute("aria-current", "true")
        after = line.bounding_box()
        assert before and after and abs(before["y"] - after["y"]) < 2
        expect(line).to_contain_text("Åpnet av deg før")
        expect(it.page).to_have_url(re.compile("document="))
        it.holds()
        pane.get_by_role("link", name="Neste dokument").click()
        expect(pane).to_contain_text("13 av 15 på siden")
        expect(pane).to_contain_text("Epikrise nummer 7")
        pane.get_by_role("link", name="Forrige dokument").click()
        expect(pane).to_contain_text("12 av 15 på siden")
        expect(pane).to_contain_text("Henvises for vurdering.")
        assert opened_of(where) == ["Epikrise nummer 8", "Epikrise nummer 7", "Epikrise nummer 8"]
        pane.get_by_role("link", name="Lukk").click()
        expect(pane).to_be_hidden()
        expect(link).to_be_focused()
        it.holds()


def test_the_way_through_the_list_goes_by_keys(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE) as it:
        listing(it)
        keys = it.page.keyboard
        it.page.get_by_role("link", name="Epikrise nummer 17", exact=True).focus()
        keys.press("ArrowDown")
        keys.press("ArrowDown")
        keys.press("ArrowUp")
        expect(it.page.get_by_role("link", name="Epikrise nummer 16", exact=True)).to_be_focused()
        assert where.house.openings == [], "to go from line to line opens nothing"
        keys.press("Enter")
        pane = it.page.get_by_role("region", name="Valgt dokument")
        expect(pane).to_contain_text("Henvises for vurdering.")
        expect(pane).to_be_focused()
        keys.press("Tab")
        keys.press("ArrowRight")
        expect(pane).to_contain_text("5 av 15 på siden")
        expect(pane).to_contain_text("Henvises for vurdering.")
        keys.press("ArrowLeft")
        expect(pane).to_contain_text("4 av 15 på siden")
        expect(pane).to_contain_text("Henvises for vurdering.")
        keys.press("Escape")
        expect(pane).to_be_hidden()
        expect(it.page.get_by_role("link", name="Epikrise nummer 16", exact=True)).to_be_focused()
        assert opened_of(where) == ["Epikrise nummer 16", "Epikrise nummer 15", "Epikrise nummer 16"]


def test_the_way_on_goes_over_to_the_next_page_of_the_list(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE) as it:
        listing(it)
        it.page.get_by_role("link", name="Epikrise nummer 6").click()
        pane = it.page.get_by_role("region", name="Valgt dokument")
        expect(pane).to_contain_text("14 av 15 på siden")
        pane.get_by_role("link", name="Neste dokument").click()
        expect(pane).to_contain_text("15 av 15 på siden")
        expect(pane).to_contain_text("Henvises for vurdering.")
        pane.get_by_role("link", name="Neste dokument").click()
        expect(pane).to_contain_text("1 av 4 på siden")
        expect(pane).to_contain_text("Henvises for vurdering.")
        it.holds()
        assert opened_of(where) == ["Epikrise nummer 6", "Epikrise nummer 5", "Epikrise nummer 4"]


def test_without_script_the_server_sets_the_document_beside_the_list(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE, java_script_enabled=False) as it:
        listing(it)
        it.page.get_by_role("link", name="Epikrise nummer 8").click()
        pane = it.page.get_by_role("region", name="Valgt dokument")
        expect(pane).to_contain_text("Henvises for vurdering.")
        expect(it.page.get_by_role("link", name="Epikrise nummer 8")).to_have_attribute("aria-current", "true")
        pane.get_by_role("link", name="Neste dokument").click()
        expect(pane).to_contain_text("13 av 15 på siden")
        pane.get_by_role("link", name="Lukk").click()
        expect(pane).to_be_hidden()
        assert opened_of(where) == ["Epikrise nummer 8", "Epikrise nummer 7"]


@pytest.mark.parametrize("script", [True, False])
def test_on_a_phone_a_document_has_a_page_of_its_own(opened: Browser, where: Site, script: bool) -> None:
    with tab(opened, where, NARROW, java_script_enabled=script) as it:
        listing(it)
        it.page.get_by_role("link", name="Epikrise nummer 8").click()
        expect(it.page).to_have_url(re.compile(r"/documents/[0-9a-f-]{36}$"))
        expect(it.page.get_by_text("Henvises for vurdering.")).to_be_visible()
        assert opened_of(where) == ["Epikrise nummer 8"]


def test_on_paper_the_chosen_document_stands_alone(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE) as it:
        listing(it)
        it.page.get_by_role("link", name="Epikrise nummer 8").click()
        expect(it.page.get_by_text("Henvises for vurdering.")).to_be_visible()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_text("Henvises for vurdering.")).to_be_visible()
        expect(it.page.get_by_role("link", name="Epikrise nummer 8")).to_be_hidden()
        expect(it.page.get_by_role("link", name="Lukk")).to_be_hidden()


def test_one_that_is_too_large_says_so_beside_the_list_and_its_original_streams(opened: Browser, where: Site) -> None:
    where.house.listing[7] = listed(8, size_bytes=LARGE_BYTES)
    with tab(opened, where, WIDE) as it:
        listing(it)
        it.page.get_by_role("link", name="Epikrise nummer 8").click()
        pane = it.page.get_by_role("region", name="Valgt dokument")
        expect(pane).to_contain_text("større enn de 10 MB som siden kan vise")
        assert opened_of(where) == []
        it.holds()
        with it.page.expect_download() as found:
            pane.get_by_role("link", name="Last ned originalen").click()
        assert found.value.suggested_filename == "dokument.txt"
        assert found.value.path().read_bytes() == 2 * where.house.content
        assert opened_of(where) == ["Epikrise nummer 8"]


def test_a_no_that_is_said_to_all_of_her_takes_the_list_away(opened: Browser, where: Site) -> None:
    with tab(opened, where, WIDE) as it:
        listing(it)
        where.house.shut = replace(_denial("General", where.house.clock.now(), RULE), service="documents")
        it.page.get_by_role("link", name="Epikrise nummer 8").click()
        expect(it.page.get_by_role("heading", name="Opplysningene er sperret")).to_be_visible()
        expect(it.page.get_by_role("table")).to_have_count(0)
        expect(it.page.get_by_role("link", name="Åpne sperren")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_filter_is_kept_taken_with_another_patient_renamed_and_deleted(
    opened: Browser, where: Site, width: int
) -> None:
    with tab(opened, where, width) as it:
        page = it.page
        listing(it)
        page.get_by_label("Fritekst").fill("NUMMER 1 betaniën")
        page.get_by_role("button", name="Vis", exact=True).click()
        expect(page.get_by_text("11 av 19 passer")).to_be_visible()
        assert "betani" not in page.url.casefold()
        page.get_by_text("Lagrede filtre").click()
        page.get_by_label("Navn på filteret").fill("Fra Betanien")
        page.get_by_role("button", name="Lagre det som er valgt").click()
        expect(page.get_by_text("Filteret er lagret.")).to_be_visible()
        it.holds()
        choose(it, "Per Aasen")
        page.get_by_role("link", name="Journaldokumenter").click()
        page.get_by_text("Lagrede filtre").click()
        page.get_by_role("link", name="Fra Betanien", exact=True).click()
        expect(page.get_by_text("11 av 19 passer")).to_be_visible()
        expect(page.get_by_label("Fritekst")).to_have_value("NUMMER 1 betaniën")
        page.get_by_text("Lagrede filtre").click()
        page.get_by_text("Endre").click()
        it.holds()
        page.get_by_label("Navn på filteret").first.fill("Betanien")
        page.get_by_role("button", name="Gi nytt navn").click()
        expect(page.get_by_role("link", name="Betanien", exact=True)).to_have_attribute("aria-current", "true")
        page.get_by_text("Endre").click()
        page.get_by_role("button", name="Slett filteret").click()
        expect(page.get_by_text("Filteret er slettet.")).to_be_visible()
        assert where.house.kept_filters == []


def test_a_long_word_is_whole_in_the_list_and_on_a_phone(opened: Browser, where: Site) -> None:
    where.house.listing[-1] = listed(19, title="Sykepleiesammenfatning", type_="Sykepleiesammenfatning")
    lines = """(word) => [...document.querySelectorAll('a, td, span')].filter(
        (one) => one.checkVisibility() && one.textContent.trim() === word).map((one) => {
            const range = document.createRange();
            range.selectNodeContents(one);
            return new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size; })"""
    with tab(opened, where, WIDE) as it:
        listing(it)
        assert set(it.page.evaluate(lines, "Sykepleiesammenfatning")) == {1}
    with tab(opened, where, NARROW) as it:
        it.goto("/login/start?to=me")
        it.goto("/me/documents")
        expect(it.page.get_by_role("link", name="Sykepleiesammenfatning").first).to_be_visible()
        assert set(it.page.evaluate(lines, "Sykepleiesammenfatning")) == {1}
        it.holds()
