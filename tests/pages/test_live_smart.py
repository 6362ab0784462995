"""The clinician's pages as a SMART app: an EHR that is registered launches them at its patient, and her own login reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.pages.smart_app import Open, Pending, SmartApp
from kjerne.registries.health_systems import HealthSystems
from kjerne.sandbox.smart import BASE
from pages.test_live import logged_in, tab, text
from platform_fixture import Standing

NUMBER = "urn:oid:2.16.578.1.12.4.1.4.1"


@contextmanager
def registered(platform: Standing) -> Iterator[None]:
    file = platform.application._edge.settings.ehrs_file
    file.write_text(f'[[ehr]]\nclient = "sandbox-smart"\nfhir = "{platform.url}{BASE}"\napp = "kjerne"\n')
    try:
        yield
    finally:
        file.unlink()


def launched(platform: Standing, http: httpx.Client, persona: str = "gp", patient: str = "citizen") -> httpx.Response:
    """What comes of a press in the sandbox's own system."""
    form = {"persona": persona, "patient": patient, "app": f"{platform.url}/clinician/smart"}
    return http.post(f"{platform.url}/smart/launch", data=form)


def test_the_pages_open_at_the_ehrs_patient_and_no_address_names_her(platform: Standing) -> None:
    with registered(platform), tab(platform, "gp") as it:
        page = launched(platform, it.http)
        assert page.status_code == 200 and page.url.path.startswith("/clinician/v/"), text(page)[:300]
        assert platform.persona("citizen").person_name in text(page)
        way = [str(one.url) for one in page.history] + [str(page.url)]
        assert not any(platform.nin("citizen") in one for one in way)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(way[2]).query).items()}
        assert asked["aud"] == f"{platform.url}{BASE}" and asked["code_challenge_method"] == "S256"


def test_who_is_not_logged_in_logs_in_and_is_at_the_patient(platform: Standing) -> None:
    with registered(platform), httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as http:
        assert launched(platform, http).url.path == "/login"
        page = logged_in(platform, http, "gp", "clinician")
        assert page.url.path.startswith("/clinician/v/"), text(page)[:300]


def test_another_than_who_is_at_work_in_the_ehr_opens_nothing(platform: Standing) -> None:
    with registered(platform), tab(platform, "hospital-doctor") as it:
        refused = launched(platform, it.http, persona="gp")
        assert (refused.status_code, "Siden ble åpnet for en annen" in text(refused)) == (403, True)
        assert platform.persona("citizen").person_name not in text(refused)


def test_the_law_is_asked_of_her_own_login_and_gives_no_more_than_without_the_ehr(platform: Standing) -> None:
    with registered(platform), tab(platform, "outsider") as it:
        refused = launched(platform, it.http, persona="outsider")
        assert refused.status_code == 403 and platform.persona("citizen").person_name not in text(refused)


def test_an_ehr_that_is_not_registered_and_an_answer_to_nothing_open_nothing(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        refused = launched(platform, it.http)
        assert (refused.status_code, "Journalsystemet er ikke registrert her" in text(refused)) == (403, True)
        with registered(platform):
            for path in ("/clinician/smart", "/clinician/smart/return?code=x&state=y"):
                assert it.get(path).status_code == 403
            begun = it.http.get(
                f"{platform.url}/clinician/smart", params={"iss": f"{platform.url}{BASE}", "launch": "x"}
            )
            assert (begun.status_code, "Journalsystemet åpnet ikke siden" in text(begun)) == (403, True)


# What an EHR may answer, by a stub of one.


def jwt_of(**said: str) -> str:
    body = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return f"e30.{body}.sig"


def app(tmp_path: Any, answer: Callable[[httpx.Request], httpx.Response]) -> SmartApp:
    file = tmp_path / "ehrs.toml"
    file.write_text('[[ehr]]\nclient = "a"\nfhir = "https://ehr.example/fhir"\napp = "kjerne"\n')
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    key = ECKey.generate_key("P-256")
    return SmartApp(HealthSystems(file), key, "https://kjerne.example/clinician/smart/return", http, SystemClock())


def told(**more: Any) -> dict[str, Any]:
    at = "https://login.ehr.example/"
    return {"authorization_endpoint": at + "authorize?tenant=1", "token_endpoint": at + "token"} | more


def answering(
    seen: list[httpx.Request], patient: Any, *, token: dict[str, Any] | None = None, **more: Any
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path.endswith("smart-configuration"):
            return httpx.Response(200, json=told(**more))
        if request.url.path == "/token":
            given = {
                "access_token": "t",
                "patient": "p1",
                "id_token": jwt_of(**{"helseid://claims/hpr/hpr_number": "9"}),
            }
            return httpx.Response(200, json=given if token is None else token)
        return patient if isinstance(patient, httpx.Response) else httpx.Response(200, json=patient)

    return answer


def person(*identifiers: dict[str, str]) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "identifier": list(identifiers)}


KARI = person(
    {"system": "https://ehr.example/id", "value": "10000000000"}, {"system": NUMBER, "use": "old", "value": "41857900000"},
    {"system": NUMBER, "value": "01857900000"},
)  # fmt: skip


async def test_a_standard_ehr_is_asked_with_pkce_and_its_patients_national_number_is_taken(tmp_path: Any) -> None:
    seen: list[httpx.Request] = []
    it = app(tmp_path, answering(seen, KARI))
    address, pending = await it.begin("https://ehr.example/fhir", "xyz")
    assert (
        address.startswith("https://login.ehr.example/authorize?tenant=1&response_type=code") and not pending.asserted
    )
    found = await it.finish(pending, {"code": "c", "state": pending.state})
    assert found == Open("01857900000", "9")
    assert (
        str(seen[-1].url) == "https://ehr.example/fhir/Patient/p1" and seen[-1].headers["authorization"] == "Bearer t"
    )
    assert b"client_assertion" not in seen[1].content


async def test_an_ehr_that_asks_for_an_assertion_gets_one_of_our_key(tmp_path: Any) -> None:
    seen: list[httpx.Request] = []
    it = app(tmp_path, answering(seen, KARI, token_endpoint_auth_methods_supported=["private_key_jwt"]))
    _, pending = await it.begin("https://ehr.example/fhir/", "xyz")
    await it.finish(pending, {"code": "c", "state": pending.state})
    sent = parse_qs(seen[1].content.decode())
    said = json.loads(base64.urlsafe_b64decode(sent["client_assertion"][0].split(".")[1] + "=="))
    assert (said["iss"], said["aud"]) == ("kjerne", "https://login.ehr.example/token")


@pytest.mark.parametrize(
    ("patient", "token", "status"),
    [
        (person(), None, 403), (person({"system": NUMBER, "value": "1"}), None, 403), ({"resourceType": "Person"}, None, 403),
        (KARI, {"access_token": "t"}, 403), (KARI, {"access_token": "t", "patient": "../x"}, 403), (KARI, {"patient": "p1"}, 403),
        (httpx.Response(302, headers={"location": "https://evil.example"}), None, 403),
        (httpx.Response(200, content=b"<html>"), None, 503), (httpx.Response(500), None, 403),
        (httpx.Response(200, content=b"[]"), None, 403),
    ],
)  # fmt: skip
async def test_an_ehr_that_does_not_say_who_is_open_opens_nobody(
    tmp_path: Any, patient: Any, token: dict[str, Any] | None, status: int
) -> None:
    it = app(tmp_path, answering([], patient, token=token))
    _, pending = await it.begin("https://ehr.example/fhir", "xyz")
    with pytest.raises(Refusal) as caught:
        await it.finish(pending, {"code": "c", "state": pending.state})
    assert caught.value.status == status and "01857900000" not in str(caught.value)


async def test_an_answer_to_another_launch_and_an_address_without_tls_are_refused(tmp_path: Any) -> None:
    it = app(tmp_path, answering([], KARI, token_endpoint="http://login.ehr.example/token"))
    with pytest.raises(Refusal):
        await it.begin("https://ehr.example/fhir", "xyz")
    with pytest.raises(Refusal):
        await it.begin("https://other.example/fhir", "xyz")
    pending = Pending("s", "v", "https://ehr.example/fhir", "https://login.ehr.example/token", False, datetime.now(UTC))
    for query in ({"code": "c", "state": "t"}, {"state": "s"}, {"error": "access_denied", "state": "s"}):
        with pytest.raises(Refusal) as caught:
            await it.finish(pending, query)
        assert caught.value.status == 403
