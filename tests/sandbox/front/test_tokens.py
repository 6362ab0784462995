"""A token step by step: got over the wire, read claim by claim, kept for one browser."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from kjerne import catalogues
from kjerne.registries.identifiers import numbers_in
from kjerne.sandbox.front import tokens
from kjerne.sandbox.front.visits import COOKIE
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.personas import personas
from platform_fixture import Standing

WORDS = catalogues.catalogue("kjerne.sandbox.front.words", "nb")


@pytest.fixture
def browser(platform: Standing) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, trust_env=False, headers={"accept-language": "en"}) as http:
        yield http


def built(platform: Standing, as_: str, patient: str = "", **more: str) -> tokens.Built:
    number = platform.nin(patient) if patient else ""
    asked = tokens.Asked.of({"as": as_, **more}, number)
    return tokens.build(Wire(platform.url, platform.clock), asked, personas(platform.population))


def test_the_steps_are_those_of_a_client_and_no_address_holds_a_number(platform: Standing) -> None:
    found = built(platform, "gp", "citizen")
    shown = [tokens.shown(step) for step in found.steps]
    assert [one.key for one in shown] == ["personas", "discovery", "nonce", "par", "authorize", "token"]
    assert not [one for one in found.steps if numbers_in(one.url)]
    sent = dict(shown[3].sent)
    assert '"typ": "client-authentication+jwt"' in sent["client_assertion"]
    assert platform.nin("citizen") in sent["authorization_details"]
    assert '"typ": "dpop+jwt"' in sent["DPoP"]


@pytest.mark.parametrize(
    ("as_", "patient", "more"),
    [
        ("gp", "citizen", {}),
        (
            "hospital-doctor",
            "citizen",
            {"purpose": "BTG", "reason": "Bevisstløs i akuttmottaket", "self_selected": "yes"},
        ),
        ("gp", "citizen", {"service": "critical-information", "narrower": "patient/AllergyIntolerance.rs"}),
        ("citizen", "", {}),
        ("parent", "child", {"purpose": "FAMRQT"}),
        ("guardian", "ward", {"purpose": "PWATRNY.3"}),
        ("lab", "", {}),
        ("all-patients", "", {}),
    ],
)
def test_every_claim_and_every_part_of_an_attestation_is_told(
    platform: Standing, as_: str, patient: str, more: dict[str, str]
) -> None:
    found = built(platform, as_, patient, **more)
    assert found.held is not None, found.refusal
    header, said = tokens.claims(found.held.token)
    assert header["typ"] == "at+jwt"
    for claim in said:
        assert f"claim.{claim.name}" in WORDS or claim.name == "authorization_details", claim.name
        assert f"source.{claim.source}" in WORDS
    parts = tokens.details(found.held.token)
    assert bool(parts) == bool(patient)
    for path, _ in parts:
        assert f"attest.{path}" in WORDS, path


def test_a_citizen_without_a_purpose_of_hers_asks_for_herself_or_as_a_parent(platform: Standing) -> None:
    assert built(platform, "citizen", "citizen").asked.purpose == "PATRQT"
    assert built(platform, "parent", "child").asked.purpose == "FAMRQT"


def test_a_token_is_made_by_a_form_and_shown_to_this_browser_alone(platform: Standing, browser: httpx.Client) -> None:
    form = {"as": "gp", "patient": "citizen", "purpose": "TREAT", "service": "results"}
    answer = browser.post("/sandbox/token", data=form)
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert not numbers_in(answer.headers["location"])
    page = browser.get(answer.headers["location"])
    assert "care_relationship.purpose_of_use" in page.text
    assert platform.nin("citizen") in page.text
    with httpx.Client(base_url=platform.url, trust_env=False) as other:
        assert other.get(answer.headers["location"]).status_code == 404


def test_what_the_provider_refuses_is_shown_with_its_steps(browser: httpx.Client) -> None:
    form = {"as": "gp", "patient": "citizen", "narrower": "patient/Nonsense.zz"}
    page = browser.get(browser.post("/sandbox/token", data=form).headers["location"]).text
    assert "invalid_scope" in page
    assert "RFC 9126" in page


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ({"as": "gp", "patient": "nobody"}, "patient"),
        ({"as": "gp", "patient": "12345678901"}, "patient"),
        ({"as": "nobody"}, "as"),
        ({"as": "gp", "purpose": "FUN"}, "purpose"),
    ],
)
def test_a_form_that_cannot_be_is_shown_again(browser: httpx.Client, form: dict[str, str], where: str) -> None:
    answer = browser.post("/sandbox/token", data=form)
    assert 400 <= answer.status_code < 500
    assert f'id="{where}"' in answer.text
    assert 'role="alert"' in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_a_form_from_another_site_makes_nothing(platform: Standing, browser: httpx.Client) -> None:
    for headers in ({"origin": "http://elsewhere.example"}, {"sec-fetch-site": "cross-site"}):
        answer = browser.post("/sandbox/token", data={"as": "gp"}, headers=headers)
        assert answer.status_code == 403
    own = {"origin": f"http://{urlsplit(platform.url).netloc}", "sec-fetch-site": "same-origin"}
    assert browser.post("/sandbox/token", data={"as": "lab"}, headers=own).status_code == 303
