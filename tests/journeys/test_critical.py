"""Critical information in a real browser: read first, registered, changed under somebody's hands, read by the citizen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from journeys.test_clinician import choose, start

pytestmark = pytest.mark.browser


def into(it: Tab, path: str = "") -> None:
    it.page.goto(f"{it.page.url.partition('/critical')[0]}/critical{path}")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_the_first_thing_that_is_seen_of_a_patient(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        box = it.page.get_by_role("region", name=re.compile("Kritisk informasjon"))
        expect(box.get_by_role("listitem").first).to_contain_text("Alvorlig og bekreftet")
        expect(box.get_by_role("listitem").first).to_be_in_viewport()
        results = it.page.get_by_role("region", name=re.compile("Venter på kvittering"))
        assert box.bounding_box()["y"] < results.bounding_box()["y"]  # type: ignore[index]
        for summary in box.locator("summary").all():
            summary.click()
        it.holds()
        it.page.goto(f"{it.page.url}/print")
        it.holds()
        it.goto("/clinician")
        it.holds()


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_an_allergy_is_registered_with_and_without_script(
    opened: Browser, where: Site, width: int, *, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        holds = it.holds if script else lambda: None
        start(it)
        choose(it, "Kari Nordvik")
        it.page.get_by_role("link", name="Registrer ny").click()
        holds()
        it.page.get_by_role("link", name=re.compile("Legemiddelreaksjon")).click()
        it.page.get_by_role("button", name="Registrer").click()
        expect(it.page.get_by_role("alert")).to_contain_text("Ingenting er lagret ennå")
        holds()
        it.page.get_by_label("Merknad").fill("Skrevet før søket")
        it.page.get_by_label("Søk med navn eller kode").fill("penicillin")
        it.page.get_by_role("button", name="Søk").click()
        expect(it.page.get_by_label("Merknad")).to_have_value("Skrevet før søket")
        it.page.get_by_role("radio", name=re.compile("Fenoksymetylpenicillin")).check()
        it.page.get_by_role("radio", name="Lite alvorlig").check()
        it.page.get_by_role("radio", name="Utslett").check()
        it.page.get_by_role("radio", name="Observert").check()
        holds()
        it.page.get_by_role("button", name="Registrer").click()
        expect(it.page.get_by_role("heading", name="Pasienten har en opplysning som ligner")).to_be_visible()
        holds()
        it.page.get_by_role("checkbox", name=re.compile("Dette er noe annet")).check()
        it.page.get_by_role("button", name="Registrer").click()
        expect(it.page.get_by_role("status")).to_contain_text("Opplysningen er registrert.")
        holds()
        assert [one.about.name for one in where.house.registered] == ["Fenoksymetylpenicillin"]


@pytest.mark.parametrize("width", WIDTHS)
def test_two_clinicians_change_one_entry_and_neither_loses_what_she_wrote(
    opened: Browser, where: Site, width: int
) -> None:
    with tab(opened, where, width) as it, tab(opened, where, width) as other:
        for one in (it, other):
            start(one)
            choose(one, "Kari Nordvik")
            into(one, "/AllergyIntolerance/a-2")
            one.holds()
        it.page.get_by_role("link", name="Endre", exact=True).click()
        it.page.get_by_label("Merknad").fill("Det jeg vet om det")
        other.page.locator("summary", has_text="Bekreft").click()
        other.page.get_by_role("button", name="Ja, jeg bekrefter det").click()
        expect(other.page.get_by_role("status")).to_contain_text("Opplysningen er bekreftet.")
        it.page.get_by_role("button", name="Lagre endringen").click()
        expect(it.page.get_by_role("region", name=re.compile("Slik er det nå"))).to_contain_text("annerledes nå")
        expect(it.page.get_by_label("Merknad")).to_have_value("Det jeg vet om det")
        it.holds()
        it.page.get_by_role("button", name="Lagre det som står her").click()
        expect(it.page.get_by_role("status")).to_contain_text("Endringen er lagret.")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_entry_is_taken_back_with_a_reason(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Kari Nordvik")
        into(it, "/Condition/c-1")
        it.page.get_by_text("Trekk tilbake som feilregistrert", exact=True).first.click()
        it.page.get_by_label("Begrunnelse").last.fill("Gjaldt en annen pasient")
        it.holds()
        it.page.get_by_role("button", name="Trekk tilbake som feilregistrert").click()
        expect(it.page.get_by_role("status")).to_contain_text("Opplysningen er trukket tilbake som feil.")
        it.holds()
        into(it)
        expect(it.page.get_by_role("deletion").filter(has_text="MRSA").first).not_to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_texts_for_no_answer_and_for_shut_hold_too(opened: Browser, where: Site, width: int) -> None:
    where.house.failing.add(2)
    with tab(opened, where, width) as it:
        start(it)
        choose(it, "Per Aasen")
        expect(it.page.get_by_role("status")).to_contain_text("Kilden svarte ikke.")
        it.holds()
        choose(it, "Liv Moen")
        it.page.get_by_role("link", name=re.compile("Kritisk informasjon er et eget register")).click()
        expect(it.page.get_by_text("Pasienten har sperret kritisk informasjon")).to_be_visible()
        it.holds()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_citizen_reads_what_it_means(opened: Browser, where: Site, width: int) -> None:
    with tab(opened, where, width) as it:
        it.goto("/login?to=me")
        it.page.get_by_role("link", name="Logg inn som innbygger").click()
        it.page.get_by_role("link", name="Se hva det betyr, og hvem som har skrevet det").click()
        expect(it.page.get_by_text("Helsepersonell skal unngå å gi det.").first).to_be_visible()
        for summary in it.page.locator("summary").all():
            summary.click()
        it.holds()
        it.page.emulate_media(media="print")
        expect(it.page.get_by_role("navigation").first).not_to_be_visible()
        expect(it.page.get_by_text("Pacemaker")).to_be_visible()
