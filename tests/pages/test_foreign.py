"""The page on which a clinician reads a document that she has at hand."""

from __future__ import annotations

import base64
import json
import re

import httpx
import pytest

from kjerne.reading.opening import LIMIT_BYTES
from pages.browser import Browser, text, token
from pages.documents import in_xml, whole
from pages.fake import FakeHouse
from pages.fake_summary import HERS
from reading.cda_papers import cda, section
from reading.papers import PDF, picture, rtf

AT = "/clinician/document"
NUMBER = "15887099918"


async def upload(
    browser: Browser,
    raw: bytes,
    page: httpx.Response | None = None,
    name: str = "ips.json",
    made: str = "page",
    **headers: str,
) -> httpx.Response:
    form = page or await browser.get(AT)
    return await browser.client.post(
        AT, data={"token": token(form), "as": made}, files={"document": (name, raw)},
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
        (b"<Other xmlns='urn:hl7-org:v3'/>", 422, "ikke et dokument som kan vises"),
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


HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("a.txt", f"Brev {HOSTILE}".encode(), f"Brev {HOSTILE}"),
        ("a.rtf", rtf(f"Brev {HOSTILE} {{\\b fet}}"), f"Brev {HOSTILE} fet"),
        ("a.pdf", PDF, "PDF-dokument"),
        ("a.tif", picture("TIFF"), "Skannet bilde"),
        ("a.jpg", picture("JPEG"), "Bilde"),
    ],
)
async def test_any_kind_of_file_is_shown_in_our_letters_with_its_original(
    desk: Browser, name: str, raw: bytes, says: str
) -> None:
    shown = await upload(desk, raw, name=name)
    assert (shown.status_code, says in text(shown), HOSTILE in shown.text) == (200, True, False)
    assert "Avsenderen kaller dette" not in text(shown)
    kept = base64.b64encode(raw).decode()
    assert f'href="data:application/octet-stream;base64,{kept}" download="dokument.{name[2:]}"' in shown.text


async def test_a_frame_is_let_in_for_a_pdf_alone(desk: Browser) -> None:
    for raw, frames in ((PDF, True), (picture("PNG"), False)):
        shown = await upload(desk, raw)
        policy = shown.headers["content-security-policy"]
        assert ("<iframe" in shown.text, "frame-src data:" in policy, "unsafe" in policy) == (frames, frames, False)


async def test_a_file_under_a_false_name_is_shown_as_what_it_is_and_told(desk: Browser) -> None:
    assert "Avsenderen kaller dette PDF, men det er TXT" in text(await upload(desk, b"Hei", name="a.pdf"))


async def test_what_is_broken_is_told_with_what_is_wrong(desk: Browser) -> None:
    answer = await upload(desk, picture("PNG")[:50])
    assert (answer.status_code, "Bildet er ødelagt eller ikke fullstendig." in text(answer)) == (422, True)


async def test_only_a_summary_is_made_a_pdf(desk: Browser) -> None:
    answer = await upload(desk, b"Hei", made="pdf")
    assert (answer.status_code, "Bare et pasientsammendrag kan lages som PDF" in text(answer)) == (422, True)


async def test_a_cda_document_is_shown_and_whom_it_names_is_asked_for_in_the_log(
    desk: Browser, house: FakeHouse
) -> None:
    told = '<linkHtml href="javascript:alert(1)">les</linkHtml><content onclick="x()">Feber</content>'
    shown = await upload(desk, cda(section(told), number=NUMBER), name="a.xml")
    assert (shown.status_code, house.read_about) == (200, [NUMBER])
    assert "Poliklinisk notat" in text(shown) and "les (javascript:alert(1))" in text(shown)
    assert not re.search(r"onclick|<[^>]*javascript:", shown.text)


async def test_a_document_is_held_against_the_patient_who_is_open(desk: Browser) -> None:
    hers, others = cda(section("a"), number=HERS), cda(section("a"), number="15887099829")
    assert 'id="whose"' not in (await upload(desk, hers)).text
    await desk.open("Kari Nordvik")
    for sent, says in (
        (hers, "nevner nummeret til pasienten"),
        (json.dumps(whole(number=HERS)).encode(), "nevner nummeret til pasienten"),
        (others, "et annet nummer enn det til pasienten"),
        (b"Hei", "sier ikke med et nummer hvem"),
    ):
        shown = await upload(desk, sent)
        assert says in text(shown) and "Åpen pasient: Kari Nordvik" in text(shown)
