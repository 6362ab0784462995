"""The page on which a clinician reads a document that she has at hand."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from kjerne.pages.foreign_document import LIMIT_BYTES
from pages.browser import Browser, text, token
from pages.documents import in_xml, whole
from pages.fake import FakeHouse

AT = "/clinician/document"
NUMBER = "15887099918"


async def upload(browser: Browser, raw: bytes, page: httpx.Response | None = None, **headers: str) -> httpx.Response:
    form = page or await browser.get(AT)
    return await browser.client.post(
        AT, data={"token": token(form)}, files={"document": ("ips.json", raw)},
        headers={"origin": "http://kjerne.test", "sec-fetch-site": "same-origin"} | headers,
    )  # fmt: skip


@pytest.fixture
async def desk(browser: Browser) -> Browser:
    await browser.clinician()
    return browser


async def test_the_way_there_stands_where_patients_are_chosen(desk: Browser) -> None:
    assert f'href="{AT}"' in (await desk.get("/clinician")).text


async def test_a_document_is_shown_with_its_codes_and_said_to_be_nobodys_word_here(desk: Browser) -> None:
    shown = await upload(desk, json.dumps(whole()).encode())
    said = text(shown)
    assert shown.status_code == 200
    assert said.index("Dette er ikke fra den nasjonale journalen") < said.index("Internasjonalt pasientsammendrag")
    assert len(re.findall(r"<h1", shown.text)) == 1
    assert "unsafe" not in shown.headers["content-security-policy"]


async def test_xml_is_shown_and_nothing_of_its_markup_acts(desk: Browser) -> None:
    shown = await upload(desk, in_xml())
    assert "SNOMED CT 91936005" in text(shown) and "Patientensammendrag" in text(shown)
    assert "onclick" not in shown.text


async def test_whom_it_names_by_number_is_asked_for_in_the_log_before_it_is_shown(
    desk: Browser, house: FakeHouse
) -> None:
    await upload(desk, json.dumps(whole(number=NUMBER)).encode())
    assert house.read_about == [NUMBER]


@pytest.mark.parametrize(
    ("raw", "status", "says"),
    [
        (b"", 400, "Velg en fil"),
        (b"x" * (LIMIT_BYTES + 1), 413, "Filen er for stor"),
        (b"[]", 422, "kunne ikke leses"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", 422, "ikke et FHIR-dokument"),
    ],
)
async def test_what_is_no_document_is_told_beside_the_form(
    desk: Browser, house: FakeHouse, raw: bytes, status: int, says: str
) -> None:
    answer = await upload(desk, raw)
    assert (answer.status_code, says in text(answer), 'type="file"' in answer.text) == (status, True, True)
    assert house.read_about == []


async def test_a_form_far_over_the_limit_is_not_read_to_its_end(desk: Browser) -> None:
    assert (await upload(desk, b"x" * (LIMIT_BYTES + 40_000))).status_code == 413


async def test_a_form_of_another_site_or_login_shows_nothing(desk: Browser, house: FakeHouse) -> None:
    raw = json.dumps(whole(number=NUMBER)).encode()
    page = await desk.get(AT)
    assert (await upload(desk, raw, page, origin="http://elsewhere.example")).status_code == 403
    desk.client.cookies.clear()
    await desk.clinician()
    assert (await upload(desk, raw, page)).status_code == 403
    assert house.read_about == []


async def test_a_file_is_taken_on_no_other_page(desk: Browser) -> None:
    form = await desk.get("/clinician")
    answer = await desk.client.post(
        "/clinician/open", data={"token": token(form)}, files={"document": ("a", b"{}")},
        headers={"origin": "http://kjerne.test", "sec-fetch-site": "same-origin"},
    )  # fmt: skip
    assert answer.status_code == 415


async def test_a_citizen_has_no_such_page(browser: Browser) -> None:
    await browser.citizen()
    assert "/login" in str((await browser.get(AT)).url)
