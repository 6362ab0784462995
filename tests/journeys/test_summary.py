"""Patient summaries in a real browser: made now for clinician and citizen, one from elsewhere, on paper and as a file."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, tab
from journeys.test_clinician import choose, start
from pages.documents import in_xml, whole

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_clinician_reads_the_summary_and_takes_it_along(
    opened: Browser, where: Site, width: int, *, script: bool
) -> None:
    where.house.lacking = True
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.get_by_role("link", name="Pasientsammendrag").click()
        expect(it.page.get_by_role("heading", level=1)).to_have_text("Internasjonalt pasientsammendrag")
        expect(it.page.get_by_role("status")).to_contain_text("Sammendraget er ikke fullstendig")
        if script:
            for summary in it.page.locator("summary").all():
                summary.click()
            it.holds()
        with it.page.expect_download() as taken:
            it.page.get_by_role("link", name="Last ned som PDF").click()
        assert re.fullmatch(r"summary-[\d-]+\.pdf", taken.value.suggested_filename)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_citizen_finds_it_from_her_first_page_and_prints_it(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        it.goto("/login?to=me")
        it.page.get_by_role("link", name="Logg inn som innbygger").click()
        it.page.get_by_role("link", name="Se pasientsammendraget").click()
        expect(it.page.get_by_role("heading", level=1)).to_have_text("Internasjonalt pasientsammendrag")
        it.holds()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_role("link", name="Last ned som PDF")).not_to_be_visible()
        expect(it.page.get_by_role("heading", level=2).first).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_summary_from_elsewhere_is_read_by_keyboard_and_said_to_be_from_elsewhere(
    opened: Browser, where: Site, width: int, *, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        start(it)
        it.page.get_by_role("link", name="Vis et dokument fra et annet sted").click()
        holds()
        document = {"name": "ips.json", "mimeType": "application/json"}
        field = it.page.get_by_label("Fil med dokumentet")
        field.set_input_files([document | {"buffer": b"<Other xmlns='urn:hl7-org:v3'/>"}])  # type: ignore[list-item]
        it.page.get_by_role("button", name="Vis", exact=True).press("Enter")
        expect(it.page.get_by_role("alert")).to_contain_text("Filen er ikke et dokument som kan vises her")
        holds()
        for sent, title in ((json.dumps(whole()).encode(), "Internasjonalt"), (in_xml(), "Patientensammendrag")):
            it.goto("/clinician/document")
            field.set_input_files([document | {"buffer": sent}])  # type: ignore[list-item]
            it.page.get_by_role("button", name="Vis", exact=True).press("Enter")
            expect(it.page.get_by_role("heading", level=1)).to_contain_text(title)
            expect(it.page.get_by_role("note")).to_contain_text("Dette er ikke fra den nasjonale journalen")
            holds()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_role("note")).to_be_visible()
        it.page.emulate_media(media="screen")
        it.goto("/clinician/document")
        field.set_input_files([document | {"buffer": in_xml()}])  # type: ignore[list-item]
        with it.page.expect_download() as taken:
            it.page.get_by_role("button", name="Last ned som PDF").click()
        assert taken.value.suggested_filename.endswith(".pdf")
