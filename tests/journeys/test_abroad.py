"""A summary from abroad in a real browser: brought from a file, settled beside the record, read by the citizen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from journeys.test_clinician import choose, start
from services.critical.foreign import ABSENT, ATC, allergy, document, problem
from services.critical.records import SNOMED

pytestmark = pytest.mark.browser
KARI: dict[str, Any] = {"resourceType": "Patient", "id": "kari", "name": [{"family": "Nordvik", "given": ["Kari"]}]}


def a_file(born: str) -> FilePayload:
    """The same as is registered, less severe than it, new, in words alone, a problem, wrong, and that there is nothing."""
    tree = document(
        KARI | {"birthDate": born},
        allergy("J01CE02", ATC, "Fenoximetylpenicillin"),
        allergy("762952008", SNOMED, "Peanut", category=["food"], criticality="low"),
        allergy("J01FA01", ATC, "Erytromycin"),
        allergy(code={"text": "Jordgubbar, <b>mycket</b> allvarligt " + "x" * 120}, category=["food"]),
        problem(),
        allergy(criticality="very"),
        allergy("no-known-allergies", ABSENT, "No known allergies"),
    )
    return {"name": "ips.json", "mimeType": "application/json", "buffer": json.dumps(tree).encode()}


def bring(it: Tab) -> None:
    start(it)
    choose(it, "Kari Nordvik")
    it.page.goto(f"{it.page.url}/critical")
    it.page.get_by_role("link", name="Sammendrag fra utlandet").click()
    it.holds()
    it.page.get_by_label("Fil med sammendraget").set_input_files(a_file("1901-01-01"))
    it.page.get_by_role("button", name="Hent inn").click()
    expect(it.page.get_by_role("alert")).to_contain_text("sier ikke det samme om hvem det gjelder")
    it.holds()
    it.page.get_by_label("Fil med sammendraget").set_input_files(a_file("1979-07-15"))
    it.page.get_by_role("button", name="Hent inn").click()
    expect(it.page.get_by_role("status").first).to_contain_text("Dokumentet er tatt vare på.")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_document_is_brought_and_its_entries_settled(
    opened: Browser, where: Site, width: int, *, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        if not script:
            it.holds = lambda: None  # type: ignore[method-assign]
        bring(it)
        for summary in it.page.locator("summary").all():
            summary.click()
        it.holds()
        expect(it.page.get_by_role("listitem").filter(has_text="Sier at det ikke er noe").first).to_be_visible()
        it.page.get_by_role("button", name="Noter som det samme").first.click()
        expect(it.page.get_by_role("status").first).to_contain_text("notert at den er den samme")
        wordless = it.page.locator("#n-6")
        wordless.locator("summary").click()
        wordless.get_by_label("Begrunnelse").fill("Fortalt av pasienten selv")
        wordless.get_by_role("button", name="Ikke ta inn").click()
        expect(it.page.locator("#n-6")).to_contain_text("Fortalt av pasienten selv")
        it.page.locator("#n-5").get_by_role("link", name="Ta inn").click()
        it.holds()
        it.page.get_by_role("radio", name="Utslett").check()
        it.page.get_by_role("radio", name="Observert").check()
        where.house.terms = False
        where.house.moved += 1
        it.page.get_by_role("button", name="Registrer").click()
        expect(it.page.get_by_role("alert").first).to_be_visible()
        it.holds()
        it.page.get_by_role("link", name="Tilbake til opplysningene").click()
        it.page.locator("#n-7").get_by_role("link", name="Ta inn").click()
        it.holds()
        it.page.get_by_role("link", name="Smitte").click()
        it.page.get_by_role("button", name="Registrer").click()
        expect(it.page.get_by_role("status").first).to_contain_text("Opplysningen er tatt inn.")
        it.holds()
        it.page.get_by_role("link", name="Hele dokumentet").click()
        expect(it.page.get_by_text("Erytromycin").first).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_citizen_reads_what_is_kept_and_how_it_was_settled(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        bring(it)
    with tab(opened, where, width) as it:
        it.goto("/login?to=me")
        it.page.get_by_role("link", name="Logg inn som innbygger").click()
        it.goto("/me/critical")
        it.page.get_by_role("link", name="Sammendrag fra utlandet").click()
        it.holds()
        it.page.get_by_role("link", name="Patientöversikt").click()
        expect(it.page.get_by_text("Ingen har tatt stilling til dette ennå.").first).to_be_visible()
        it.holds()
