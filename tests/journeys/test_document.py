"""Documents of other kinds in a real browser: read by whoever has them at hand, and nothing in them acts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from journeys.test_clinician import choose, start
from pages.fake_summary import HERS
from reading.cda_papers import cda, section
from reading.kith_papers import ITEM, message
from reading.papers import PDF, picture, rtf

pytestmark = pytest.mark.browser

NARRATIVE = (
    "<table><caption>Målinger</caption><thead><tr><th>Hva</th><th>Verdi</th></tr></thead>"
    "<tbody><tr><th>Puls</th><td>72</td></tr></tbody></table>"
    '<list><item>Hvile<footnote ID="f">Til fredag</footnote></item></list>'
    '<linkHtml href="javascript:document.title=1">mer</linkHtml>'
)
ENTRY = (
    '<entry><observation negationInd="true"><code code="1" codeSystem="1.2" displayName="Astma"/></observation></entry>'
)


def show(it: Tab, name: str, raw: bytes) -> None:
    it.goto("/clinician/document")
    it.page.get_by_label("Fil med dokumentet").set_input_files([{"name": name, "mimeType": "", "buffer": raw}])
    it.page.get_by_role("button", name="Vis", exact=True).press("Enter")
    expect(it.page.get_by_role("heading", level=1)).not_to_have_text("Vis et dokument fra et annet sted")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_clinician_reads_documents_of_every_kind(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        show(it, "notat.xml", cda(section(NARRATIVE, ENTRY), number=HERS))
        expect(it.page.get_by_role("status")).to_contain_text("nevner nummeret til pasienten som er åpen")
        expect(it.page.get_by_role("cell", name="72")).to_be_visible()
        it.page.get_by_text("Kodede opplysninger").click()
        expect(it.page.get_by_text("Avkreftet eller ikke utført")).to_be_visible()
        it.holds()
        show(it, "svar.xml", message(told=ITEM, type_="Svarrapport").encode())
        expect(it.page.get_by_role("cell", name="Mindre enn 5 mg/L")).to_be_visible()
        it.holds()
        show(it, "brev.rtf", rtf(r"{\b Epikrise}\par Feber{\pict\pngblip " + picture("PNG").hex() + "}"))
        expect(it.page.get_by_role("img", name="Bilde fra dokumentet")).to_be_visible()
        it.holds()
        show(it, "brev.pdf", PDF)
        expect(it.page.locator("iframe")).to_have_attribute("title", "PDF-dokumentet, i nettleserens egen leser")
        it.holds()
        with it.page.expect_download() as taken:
            it.page.get_by_role("link", name="Last ned originalen").click()
        assert taken.value.suggested_filename == "dokument.pdf"
        assert taken.value.path().read_bytes() == PDF
