"""The citizen says that something is wrong, and the operator answers: what is told before anything is sent, and faults."""

from __future__ import annotations

import re

import pytest

from kjerne.store.inquiries import Behind
from pages.browser import Browser, later, text
from pages.fake import FakeHouse

MISUSE = {"look": "3.c", "why": "acquaintance", "text": "Hun er naboen min."}
WROTE = {"reach": "phone", "contact": "98765432"}


async def test_nothing_is_sent_before_it_was_shown(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    assert "Siri Vik" in text(page)
    page = await browser.post(page, "/me/inquiries/misuse/reach", **MISUSE)
    assert house.sent == []
    assert "Hun er naboen min." in text(page)
    page = await browser.post(page, "/me/inquiries/misuse/send", **MISUSE, **WROTE)
    assert "Henvendelsen er sendt. Referansen er 0000-00A0." in text(page)
    assert [(one.told.about, one.told.contact) for one in house.sent] == [
        ("14.11.2026 10:12, Siri Vik, Bergen legevakt", "98765432")
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"text": "kort"}, "Skriv mellom 10 og 2000 tegn"),
        ({"text": "Naboen min, 459200 40881, så den."}, "uten fødselsnummer"),
        ({"why": ""}, "Velg hvorfor du melder fra."),
    ],
)
async def test_a_fault_is_told_on_the_form_and_keeps_what_was_written(
    browser: Browser, fields: dict[str, str], told: str
) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    page = await browser.post(page, "/me/inquiries/misuse/reach", **(MISUSE | fields))
    assert (page.status_code, told in text(page)) == (400, True)
    assert (MISUSE | fields)["text"] in page.text


@pytest.mark.parametrize(("reach", "contact"), [("email", "98765432"), ("phone", "45920040881")])
async def test_an_address_that_is_none_is_told_in_the_second_step(
    browser: Browser, house: FakeHouse, reach: str, contact: str
) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    page = await browser.post(page, "/me/inquiries/misuse/send", **MISUSE, reach=reach, contact=contact)
    assert page.status_code == 400
    assert "Skriv et telefonnummer eller en e-postadresse" in text(page)
    assert house.sent == []


async def test_an_old_page_sends_nothing(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    later(house, 11)
    assert (await browser.post(page, "/me/inquiries/misuse/send", **MISUSE, **WROTE)).status_code == 409
    assert house.sent == []


async def test_one_result_of_a_report_is_named_as_she_saw_it(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/correction/rep-blood-4")
    parts = re.findall(r'<option value="([^"]+)">', page.text)
    assert "Hele svaret" in text(page)
    fields = {"report": "rep-blood-4", "part": parts[0], "why": "wrong-value", "text": "Verdien er en annens."}
    page = await browser.post(page, "/me/inquiries/correction/reach", **fields)
    page = await browser.post(page, "/me/inquiries/correction/send", **fields, reach="here")
    assert "er sendt" in text(page)
    assert house.sent[0].told.about.endswith("(Observation)")
    other = fields | {"part": "hb-old"}
    assert (await browser.post(page, "/me/inquiries/correction/reach", **other)).status_code == 404, "of another report"


async def test_the_operator_opens_for_a_reason_and_answers(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    for _ in range(3):
        await browser.post(page, "/me/inquiries/misuse/send", **MISUSE, **WROTE)
    await browser.operator()
    page = await browser.get("/operations/inquiries")
    assert "Kari" not in text(page)
    assert "Vis flere" in text(page)
    onward = f"/operations/inquiries?kind=&status=&after={Behind.of(house.sent[1].inquiry)}"
    assert onward in page.text.replace("&amp;", "&").replace("%3A", ":")
    rest = await browser.get(onward)
    assert (rest.text.count(house.sent[2].inquiry.reference), rest.text.count(house.sent[0].inquiry.reference)) == (
        1,
        0,
    )
    where = f"/operations/inquiries/{house.sent[0].inquiry.number}"
    page = await browser.get(where)
    assert "naboen" not in text(page)
    assert (await browser.post(page, where, reason="kort")).status_code == 400
    opened = await browser.post(page, where, reason="Undersøker meldingen")
    assert "Hun er naboen min." in text(opened)
    fields = {"step": "1", "reason": "Undersøker meldingen"}
    page = await browser.post(opened, f"{where}/answer", status="answered", answer="kort", **fields)
    assert (page.status_code, "Skriv et svar på mellom 10 og 2000 tegn" in text(page)) == (400, True)
    page = await browser.post(opened, f"{where}/answer", status="under-way", answer="", **fields)
    assert "Henvendelsen er satt under arbeid." in text(page)
    page = await browser.post(opened, f"{where}/answer", status="answered", answer="Vi har tatt det opp.", **fields)
    assert "Svaret er sendt." in text(page)
    assert house.opened_for == ["Undersøker meldingen"] * 2


@pytest.mark.parametrize("path", ["/operations/inquiries?kind=x", "/operations/inquiries?status=x"])
async def test_an_unknown_filter_is_refused(browser: Browser, path: str) -> None:
    await browser.operator()
    assert (await browser.get(path)).status_code == 400


async def test_a_reason_that_no_form_offers_is_told_in_the_first_step(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/inquiries/misuse/3.c")
    page = await browser.post(page, "/me/inquiries/misuse/send", **(MISUSE | {"why": "zzz"}), **WROTE)
    assert (page.status_code, "Velg hvorfor du melder fra." in text(page)) == (400, True)
    assert 'action="/me/inquiries/misuse/reach"' in page.text and house.sent == []
