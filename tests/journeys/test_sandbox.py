"""An integrator's first five minutes, in a real browser: a patient, a token, a call, and the same call refused, with why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

import pytest
from playwright.sync_api import Browser, expect

import words
from journeys.chromium import WIDTHS, Site, Tab, tab
from kjerne.fhir.patient import RESPONSIBLE, ROLES
from kjerne.registries.identifiers import numbers_in
from pages.fake import FakeHouse
from platform_fixture import Standing
from sandbox.front.test_finder import newcomer

pytestmark = pytest.mark.browser


def holds(it: Tab) -> None:
    """At a desk and on a phone, and with no person number in the address."""
    assert not numbers_in(it.page.url)
    for width in WIDTHS:
        it.page.set_viewport_size({"width": width, "height": 800})
        it.holds()
    it.page.set_viewport_size({"width": 1280, "height": 800})


def test_a_patient_is_found_a_token_built_a_call_made_and_refused_for_another_purpose(
    opened: Browser, platform: Standing
) -> None:
    with tab(opened, Site(platform.url, cast("FakeHouse", None))) as it:
        page = it.page
        it.goto("/sandbox")
        holds(it)
        page.get_by_role("link", name="Finn en pasient").click()
        page.get_by_label("Har", exact=True).select_option("hba1c")
        page.get_by_role("button", name="Finn", exact=True).click()
        found = page.get_by_role("listitem").filter(has_text=platform.nin("citizen"))
        expect(found).to_contain_text("kjerne call")
        holds(it)
        found.get_by_role("link", name="Et token om").click()
        holds(it)
        page.get_by_role("button", name="Hent tokenet").click()
        expect(page.get_by_role("row", name="scope")).to_contain_text("nhn:pps/provesvar-read")
        page.get_by_text("Hva som ble sendt").nth(1).click()
        expect(page.get_by_role("listitem").filter(has_text="RFC 9126")).to_contain_text("client-authentication+jwt")
        holds(it)
        page.get_by_role("link", name="Bruk det i konsollen").click()
        page.get_by_role("link", name="POST /pps/v2/{type}/_search").click()
        page.get_by_label("Innhold", exact=True).fill("code=NPU27300\n_count=1")
        holds(it)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("main")).to_contain_text("200 OK")
        expect(page.get_by_role("main")).to_contain_text("opplysninger ut: 1")
        holds(it)
        page.get_by_role("link", name="Endre og send på nytt").click()
        expect(page.get_by_label("Innhold", exact=True)).to_have_value("code=NPU27300\n_count=1")
        page.get_by_label("Med hvilket token").select_option("")
        page.get_by_label("Formål").select_option("COC")
        page.get_by_role("button", name="Send").click()
        why = page.get_by_role("region", name="Hvorfor")
        expect(why).to_contain_text("case-handling-reason")
        expect(why).to_contain_text("Tillitsrammeverket ATT-40, ATT-46")
        page.get_by_text("Python", exact=True).click()
        expect(page.locator("details[open] pre").last).to_contain_text("authorization_details")
        holds(it)
        page.get_by_role("link", name="Kall", exact=True).first.click()
        expect(page.get_by_role("main").get_by_role("listitem").filter(has_text="403")).to_have_count(1)
        holds(it)


def test_who_was_registered_is_found_and_logs_in_as_a_citizen_by_her_number(
    opened: Browser, platform: Standing
) -> None:
    word = f"W{words.fresh()}"
    made = newcomer(platform, word)
    number = made["identifier"][0]["value"]
    with tab(opened, Site(platform.url, cast("FakeHouse", None))) as it:
        page = it.page
        it.goto("/sandbox/patients?trait=registered&place=Vard%C3%B8")
        found = page.get_by_role("listitem").filter(has_text=number)
        expect(found).to_contain_text("registrert eller lastet inn")
        holds(it)
        found.get_by_role("link", name="Et token om").click()
        holds(it)
        it.goto("/me")
        page.get_by_role("link", name="Logg inn som innbygger").click()
        expect(page.get_by_label("Fødselsnummer eller D-nummer")).to_be_visible()
        holds(it)
        page.get_by_label("Fødselsnummer eller D-nummer").fill("30876827200")
        page.get_by_role("button", name="Logg inn", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Ingen som lever")
        holds(it)
        page.get_by_label("Fødselsnummer eller D-nummer").fill(number)
        page.get_by_role("button", name="Logg inn", exact=True).click()
        expect(page.get_by_role("banner")).to_contain_text(word)
        holds(it)


def test_a_parent_who_was_registered_opens_her_childs_pages(opened: Browser, platform: Standing) -> None:
    word = f"W{words.fresh()}"
    mother = newcomer(platform, word, birthDate="1988-03-04", born=date(1988, 3, 4))
    number = mother["identifier"][0]["value"]
    contact = {
        "extension": [{"url": RESPONSIBLE, "valueIdentifier": mother["identifier"][0]}],
        "relationship": [{"coding": [{"system": ROLES, "code": "MTH"}]}], "name": {"text": f"Ny {word}"},
    }  # fmt: skip
    born = platform.clock.now().date().replace(day=1) - timedelta(days=6 * 365)
    newcomer(platform, f"{word}barn", birthDate=born.isoformat(), born=born, contact=[contact])
    with tab(opened, Site(platform.url, cast("FakeHouse", None))) as it:
        page = it.page
        it.goto("/me")
        page.get_by_role("link", name="Logg inn som innbygger").click()
        page.get_by_label("Fødselsnummer eller D-nummer").fill(number)
        page.get_by_role("button", name="Logg inn", exact=True).click()
        expect(page.get_by_role("banner")).to_contain_text(word)
        holds(it)
        page.get_by_role("button", name=f"{word}barn").click()
        expect(page.get_by_role("main")).to_contain_text(f"{word}barn")
        holds(it)
