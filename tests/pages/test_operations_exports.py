"""Exports on the operator's pages: who asked on which ground, approved or refused for a reason, and nothing of what they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kjerne.fhir.definitions import type_number
from kjerne.registries.homes import SERVICE_BY_TYPE
from pages.browser import Browser, later, text
from pages.fake import FakeHouse

WHY = "Vedtaket er lest og dekker uttrekket"


async def test_those_that_wait_are_listed_and_the_others_by_their_state(browser: Browser) -> None:
    home = await browser.operator()
    assert 'href="/operations/exports"' in home.text
    page = await browser.get("/operations/exports")
    for number, there in ((4001, True), (4002, True), (4003, False), (4004, False)):
        assert (f"/operations/exports/{number}" in page.text) is there
    assert "Helseregisterloven § 19 e" in text(page)
    assert "1 av 2" in text(page)
    assert "avslått" in text(await browser.get("/operations/exports?state=refused"))
    assert "after=50" in (await browser.get("/operations/exports?state=")).text
    assert (await browser.get("/operations/exports?state=nonsense")).status_code == 400


async def test_the_first_approval_waits_for_another_and_the_second_opens(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    page = await browser.get("/operations/exports/4001")
    for said in ("Alle som er registrert her (1204 personer)", "Svar, resultater", "én godkjenning til"):
        assert said in text(page)
    page = await browser.post(page, "/operations/exports/4001", verdict="approve", reason=WHY)
    assert "Eksporten er godkjent av deg." in text(page)
    assert "Den venter på en annen." in text(page)
    assert 'value="approve"' not in page.text
    page = await browser.get("/operations/exports/4002")
    assert "straks, i 7 dager" in text(page)
    page = await browser.post(page, "/operations/exports/4002", verdict="approve", reason=WHY)
    assert [one.state for one in house.asked_for[:2]] == ["waiting", "open"]
    assert "gis ingen filer mer" in text(page)


async def test_a_refusal_stands_with_name_and_reason_and_is_the_end_of_it(browser: Browser) -> None:
    await browser.operator()
    page = await browser.get("/operations/exports/4002")
    page = await browser.post(page, "/operations/exports/4002", verdict="refuse", reason="Gjelder et annet register")
    assert "Eksporten er avslått." in text(page)
    assert "Gjelder et annet register" in text(page)
    assert '<form class="panel' not in page.text


@pytest.mark.parametrize("reason", ["", "nei", "Bedt om av 45920040881"])
async def test_without_a_reason_nothing_is_decided(browser: Browser, house: FakeHouse, reason: str) -> None:
    await browser.operator()
    page = await browser.get("/operations/exports/4001")
    page = await browser.post(page, "/operations/exports/4001", verdict="approve", reason=reason)
    assert (page.status_code, "Skriv hvorfor" in text(page)) == (400, True)
    assert house.asked_for[0].approvals == ()


async def test_who_asked_is_offered_no_form_and_an_old_page_decides_nothing(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    page = await browser.get("/operations/exports/4001")
    later(house, 11)
    assert (await browser.post(page, "/operations/exports/4001", verdict="refuse", reason=WHY)).status_code == 409
    assert house.asked_for[0].state == "waiting"
    house.why_not = "own"
    page = await browser.get("/operations/exports/4001")
    assert "Du ba om den selv" in text(page)
    assert 'name="verdict"' not in page.text
    answer = await browser.post(page, "/operations/exports/4001", verdict="approve", reason=WHY)
    assert (answer.status_code, "Dette kan ikke gjøres med eksporten nå" in text(answer)) == (409, True)


@pytest.mark.parametrize("path", ["/operations/exports/1", "/operations/exports/x", "/operations/exports/²"])
async def test_what_is_no_export_is_no_page(browser: Browser, path: str) -> None:
    await browser.operator()
    assert (await browser.get(path)).status_code == 404


async def test_who_approves_sees_which_records_of_a_type_it_is_of(browser: Browser, house: FakeHouse) -> None:
    await browser.operator()
    assert "<code>" not in (await browser.get("/operations/exports/4001")).text
    house.asked_for[0] = replace(house.asked_for[0], filters=("Observation?code=a&status=final",))
    page = await browser.get("/operations/exports/4001")
    assert "svarer på ett av disse søkene" in text(page)
    assert "<code>Observation?code=a&amp;status=final</code>" in page.text


async def test_every_type_is_told_in_words(browser: Browser, house: FakeHouse) -> None:
    types = tuple(type_number(name) for name in ("AdverseEvent", *sorted(SERVICE_BY_TYPE)))
    house.asked_for[0] = replace(house.asked_for[0], types=types)
    await browser.operator()
    page = text(await browser.get("/operations/exports/4001"))
    assert "Uønskede hendelser, kontoer for oppgjør, uønskede hendelser, allergier" in page
    assert [name for name in SERVICE_BY_TYPE if name in page] == []
