"""Where a SMART app gets its token, as it is told by the API itself."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.fhir.smart import understood
from kjerne.policy.bounds import RESULT_TYPES
from kjerne.registries.homes import SERVICE_BY_TYPE, types_of
from kjerne.services.results.intake_api import FILED
from kjerne.services.smart_configuration import no_provider
from kjerne.wire.jwks import RETRY_SECONDS, Provider
from platform_fixture import Standing
from wire.test_jwks import NOW


@pytest.mark.parametrize("base", ["/fhir/R4", "/pps/v2"])
def test_the_configuration_names_the_providers_addresses_and_scopes_we_understand(
    platform: Standing, base: str
) -> None:
    answer = platform.http.get(f"{platform.url}{base}/.well-known/smart-configuration")
    told = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert told["token_endpoint"] == f"{platform.url}/sts/connect/token"
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "permission-v2" in told["capabilities"]
    assert {understood(scope).type for scope in told["scopes_supported"]} == set(SERVICE_BY_TYPE)
    # Results are sent in, critical information is registered by personnel, the record is both.
    of_each = {
        "user/Specimen.rs",
        "user/Flag.cruds",
        "user/Encounter.cruds",
        "system/Specimen.cu",
        "system/Encounter.cu",
    }
    assert of_each <= set(told["scopes_supported"])
    assert not {"user/Specimen.cruds", "system/Flag.cu"} & set(told["scopes_supported"])


def test_the_capability_statement_names_smart(platform: Standing) -> None:
    told = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()
    services = told["rest"][0]["security"]["service"]
    assert [one["coding"][0]["code"] for one in services] == ["OAuth", "SMART-on-FHIR"]


def test_law_service_and_intake_speak_of_the_same_types() -> None:
    assert set(RESULT_TYPES) == set(types_of("results")) == set(FILED)


async def test_a_house_without_a_provider_says_so() -> None:
    with pytest.raises(Refusal, match="no identity provider"):
        await no_provider()


async def test_a_provider_that_is_silent_is_asked_again_after_a_while_and_its_answer_is_kept() -> None:
    answers = [httpx.Response(500), httpx.Response(200, json={"issuer": "https://other"}),
               httpx.Response(200, json={"issuer": "https://sts", "token_endpoint": "https://sts/token"})]  # fmt: skip
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answers[len(asked) - 1]

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        clock = FixedClock(NOW)
        provider = Provider("https://sts", http, clock)
        for seconds in (0, 1, RETRY_SECONDS):
            clock.move(timedelta(seconds=seconds))
            with pytest.raises(Refusal, match="does not answer"):
                await provider()
        clock.move(timedelta(seconds=RETRY_SECONDS))
        assert (await provider())["token_endpoint"] == "https://sts/token"
        assert (await provider())["issuer"] == "https://sts"
    assert len(asked) == 3
