"""What nobody meant becomes a page too: in the reader's words, with the number under which the log has it."""

from __future__ import annotations

from collections.abc import MutableMapping
from re import search
from typing import Any

import pytest

from kjerne.pages import desk
from kjerne.pages.house import Chart, Identity, Visit
from pages.browser import Browser, text
from pages.fake import FakeHouse

NUMBER = "15877912345"
Lines = list[MutableMapping[str, Any]]


def broken(house: FakeHouse, error: Exception) -> None:
    """From now on her results cannot be read."""

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        raise error

    house.chart = chart  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("language", "says"), [("nb", "Noe gikk galt hos oss"), ("nn", "Noko gjekk gale hos oss"), ("en", "Something went")]
)
async def test_a_fault_is_told_in_the_readers_language_with_the_number_of_its_line_in_the_log(
    browser: Browser, house: FakeHouse, logged: Lines, language: str, says: str
) -> None:
    await browser.clinician()
    opened = await browser.open("Kari Nordvik")
    broken(house, ValueError(f"nothing is known of {NUMBER}"))
    browser.client.cookies.set("kjerne_language", language)
    logged.clear()
    answer = await browser.get(opened.url.path)
    assert answer.status_code == 500
    assert says in text(answer)
    assert 'class="wordmark"' in answer.text
    correlation = answer.headers["x-correlation-id"]
    assert correlation in text(answer)
    route = {"correlation": correlation, "route": "/clinician/v/{visit}"}
    fault, line = logged
    assert fault.items() >= {"event": "fault", **route}.items()
    assert "nothing is known of" in fault["exception"]
    assert line.items() >= {"event": "answered", "status": 500, **route}.items()
    assert NUMBER not in str(logged) and NUMBER not in answer.text


async def test_every_answer_has_its_line_with_the_route_and_no_address(browser: Browser, logged: Lines) -> None:
    await browser.clinician()
    logged.clear()
    opened = await browser.open("Kari Nordvik")
    closed = await browser.get("/clinician/v/another")
    assert [(line["route"], line["status"]) for line in logged] == [
        ("/clinician", 200),
        ("/clinician/open", 303),
        ("/clinician/v/{visit}", 200),
        ("/clinician/v/{visit}", 409),
    ]
    assert opened.url.path not in str(logged)
    assert logged[-1]["correlation"] == closed.headers["x-correlation-id"]
    assert closed.headers["x-correlation-id"] in text(closed)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ConnectionResetError("the server at 10.0.0.1 is gone"), 503, "Tjenesten svarer ikke akkurat nå"),
        (TimeoutError(), 504, "Det tok for lang tid"),
    ],
)
async def test_a_database_that_is_gone_or_slow_is_told_in_a_page_with_a_way_to_try_again(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, says: str
) -> None:
    await browser.clinician()

    async def has_ended(login: str) -> bool:
        raise error

    monkeypatch.setattr(house, "has_ended", has_ended)
    answer = await browser.get("/clinician")
    assert answer.status_code == status
    assert says in text(answer)
    assert "ikke at det ikke finnes opplysninger" in text(answer)
    assert search(r'href="/clinician">Prøv igjen<', answer.text)
    assert answer.headers["x-correlation-id"] in text(answer)
    assert "10.0.0.1" not in answer.text
    monkeypatch.undo()
    assert (await browser.get("/clinician")).url.path == "/clinician", "she is logged in still"


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), ValueError()])
async def test_after_a_form_it_is_not_known_whether_it_was_saved(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await browser.clinician()
    page = await browser.get("/clinician")

    async def see_notice(who: Identity, number: str) -> None:
        raise error

    monkeypatch.setattr(house, "see_notice", see_notice)
    answer = await browser.post(page, "/clinician/notice", number="n1")
    assert "Vi vet ikke om det du gjorde, ble lagret" in text(answer)
    assert "Prøv igjen<" not in answer.text


async def test_where_the_identity_bar_cannot_be_read_either_the_refusal_is_told_without_it(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.clinician()
    opened = await browser.open("Jon Berge")
    assert opened.status_code == 503

    async def patient(who: Identity, visit: Visit, *, refused: bool) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(house, "patient", patient)
    answer = await browser.get(opened.url.path)
    assert (answer.status_code, "Jon Berge" in answer.text) == (503, False)
    assert "Tjenesten svarer ikke akkurat nå" in text(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/clinician", "GET, HEAD"),
        ("GET", "/clinician/open", "POST"),
        ("DELETE", "/clinician/v/x/unlock", "GET, HEAD, POST"),
        ("POST", "/static/kjerne.css", "GET, HEAD"),
    ],
)
async def test_a_page_asked_for_in_another_way_says_so_in_a_page(
    browser: Browser, method: str, path: str, allowed: str
) -> None:
    answer = await browser.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert "Siden kan ikke brukes slik" in text(answer)
    assert answer.headers["x-correlation-id"] in text(answer)
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("sign", ["\u202e", "\u202d", "\u2067", "\u2069"])
def test_a_sign_that_turns_text_around_shows_no_value_backwards(sign: str) -> None:
    made = desk.environment().from_string("{{ value }} {{ unit }}").render(value=f"{sign}14,2", unit=f"g{sign}/dL")
    assert made == "14,2 g/dL"
