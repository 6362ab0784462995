"""The proxy lets a client in that knows neither tokens nor proofs, as a persona, and leads its links back to itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from kjerne.client import Client
from kjerne.commands.asking import Attested
from kjerne.commands.proxying import Proxy
from platform_fixture import Standing
from services.test_standards import create, observation

OWN = "http://127.0.0.1:8100"


def asked(proxy: Proxy, method: str, path: str, base: str = OWN, **more: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=proxy), base_url=base) as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


@pytest.fixture
def gp(platform: Standing) -> Proxy:
    about = Attested(patient=platform.nin("renumbered"), decision="proxy-test")
    return Proxy(platform.client, platform.url, "gp", about, own=OWN)


def test_a_search_without_a_token_is_answered_as_the_persona_and_its_links_lead_back(
    gp: Proxy, platform: Standing
) -> None:
    for _ in range(2):
        assert create(platform, observation()).status == 201
    page = asked(gp, "GET", "/fhir/R4/Observation?_count=1", headers={"authorization": "Basic eDp5"})
    links = {one["relation"]: one["url"] for one in page.json()["link"]}
    assert (page.status_code, all(url.startswith(OWN) for url in links.values())) == (200, True)
    following = asked(gp, "GET", links["next"].removeprefix(OWN))
    assert (following.status_code, len(following.json()["entry"])) == (200, 1)


def test_what_a_system_creates_has_its_address_at_the_proxy(platform: Standing) -> None:
    proxy = Proxy(platform.client, platform.url, "lab", Attested(), own=OWN)
    sent = {"content-type": "application/fhir+json", "person-id": platform.nin("renumbered")}
    made = asked(proxy, "POST", "/fhir/R4/Observation", content=json.dumps(observation()), headers=sent)
    assert (made.status_code, made.headers["location"].startswith(f"{OWN}/fhir/R4/Observation/")) == (201, True)


def test_the_header_names_another_patient_than_the_one_it_was_started_with(gp: Proxy, platform: Standing) -> None:
    other = asked(gp, "GET", "/fhir/R4/Observation", headers={"person-id": platform.nin("citizen")})
    blocked = asked(gp, "GET", "/fhir/R4/Observation", headers={"person-id": "nobody"})
    assert (other.status_code, blocked.status_code) == (200, 404)
    assert blocked.json()["resourceType"] == "OperationOutcome"


def test_a_refusal_of_the_platform_comes_back_as_it_is(platform: Standing) -> None:
    about = Attested(patient=platform.nin("renumbered"))
    proxy = Proxy(platform.client, platform.url, "blocked-doctor", about, own=OWN)
    refused = asked(proxy, "GET", "/fhir/R4/Observation")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")


def test_a_page_of_another_site_does_not_come_by_this_door(gp: Proxy) -> None:
    assert asked(gp, "GET", "/fhir/R4/Observation", base="http://elsewhere.example").status_code == 421


def test_a_platform_that_is_gone_is_told_and_nothing_falls(platform: Standing) -> None:
    gone = Client("http://127.0.0.1:1")
    answer = asked(Proxy(gone, "http://127.0.0.1:1", "gp", Attested(), own=OWN), "GET", "/fhir/R4/Observation")
    assert (answer.status_code, "did not answer" in answer.text) == (502, True)
