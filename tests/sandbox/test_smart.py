"""The sandbox's own system launches a standard SMART app: its patient, its clinician, nothing but what the scopes leave."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from kjerne.sandbox.smart import BASE, CODE_SECONDS
from platform_fixture import Standing

REDIRECT = "http://127.0.0.1:9/callback"
SCOPES = "launch openid fhirUser patient/Patient.rs patient/Observation.rs"


def begun(platform: Standing, http: httpx.Client, persona: str = "gp", patient: str = "citizen", **more: str) -> Any:
    return http.post(f"{platform.url}/smart/launch", data={"persona": persona, "patient": patient} | more)


def authorized(http: httpx.Client, begun_: dict[str, str], verifier: str, **more: str) -> dict[str, str]:
    told = http.get(f"{begun_['iss']}/.well-known/smart-configuration").json()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": "growth-chart", "redirect_uri": REDIRECT, "scope": SCOPES, "state": "s",
        "aud": begun_["iss"], "launch": begun_["launch"], "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    answer = http.get(told["authorization_endpoint"], params=asked | more)
    assert answer.status_code == 303, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == REDIRECT
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def redeemed(platform: Standing, http: httpx.Client, code: str, verifier: str, **more: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": "growth-chart",
        "code_verifier": verifier,
    }  # fmt: skip
    return http.post(f"{platform.url}/smart/token", data=form | more)


def held(platform: Standing, http: httpx.Client, scope: str = SCOPES, **who: str) -> dict[str, Any]:
    verifier = secrets.token_urlsafe(32)
    back = authorized(http, begun(platform, http, **who).json(), verifier, scope=scope)
    answer = redeemed(platform, http, back["code"], verifier)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_app_is_told_who_is_open_and_reads_her_as_the_clinician(platform: Standing) -> None:
    with httpx.Client(trust_env=False) as http:
        token = held(platform, http)
        assert (token["token_type"], token["need_patient_banner"], token["scope"]) == ("Bearer", True, SCOPES)
        said = json.loads(base64.urlsafe_b64decode(token["id_token"].split(".")[1] + "=="))
        assert said["aud"] == "growth-chart"
        assert said["helseid://claims/hpr/hpr_number"] == platform.persona("gp").hpr
        bearer = {"authorization": f"Bearer {token['access_token']}"}
        at = f"{platform.url}{BASE}"
        patient = http.get(f"{at}/Patient/{token['patient']}", headers=bearer)
        assert patient.status_code == 200, patient.text
        assert platform.nin("citizen") in [one["value"] for one in patient.json()["identifier"]]
        assert patient.headers["access-control-allow-origin"] == "*"
        found = http.get(f"{at}/Observation", params={"patient": token["patient"], "_count": "1"}, headers=bearer)
        assert found.status_code == 200, found.text
        ids = [one["resource"]["id"] for one in found.json()["entry"]]
        (row,) = [one for one in platform.audited(found) if one["outcome"] == 0]
        assert [str(one) for one in row["ids"]] == ids
        assert (row["caller_hpr"], row["purpose"]) == (platform.persona("gp").hpr, "TREAT")
        onward = [one["url"] for one in found.json()["link"] if one["relation"] == "next"]
        assert onward and onward[0].startswith(at)
        assert http.get(onward[0], headers=bearer).status_code == 200


def test_what_the_scopes_do_not_leave_and_another_patient_are_refused(platform: Standing) -> None:
    with httpx.Client(trust_env=False) as http:
        token = held(platform, http)
        other = held(platform, http, patient="parent")
        bearer = {"authorization": f"Bearer {token['access_token']}"}
        at = f"{platform.url}{BASE}"
        assert (
            http.get(f"{at}/DiagnosticReport", params={"patient": token["patient"]}, headers=bearer).status_code == 403
        )
        assert (
            http.get(f"{at}/AllergyIntolerance", params={"patient": token["patient"]}, headers=bearer).status_code
            == 403
        )
        assert http.get(f"{at}/Patient/{other['patient']}", headers=bearer).status_code in (403, 404)
        assert http.get(f"{at}/Observation", headers={"authorization": "Bearer another"}).status_code == 401
        assert http.get(f"{platform.url}/fhir/R4/Observation", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"), ({"launch": "another"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"), ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "patient/Observation.rs"}, "invalid_scope"), ({"scope": "launch nhn:pps/provesvar-read"}, "invalid_scope"),
        ({"scope": "launch patient/Nothing.rs"}, "invalid_scope"), ({"response_type": "token"}, "unsupported_response_type"),
    ],
)  # fmt: skip
def test_a_request_that_does_not_hold_comes_back_with_its_error(
    platform: Standing, more: dict[str, str], error: str
) -> None:
    with httpx.Client(trust_env=False) as http:
        back = authorized(http, begun(platform, http).json(), "v" * 43, **more)
        assert (back["error"], back["state"], "code" in back) == (error, "s", False)


def test_a_launch_and_a_code_are_good_once(platform: Standing) -> None:
    with httpx.Client(trust_env=False) as http:
        launch = begun(platform, http).json()
        back = authorized(http, launch, "v" * 43)
        assert authorized(http, launch, "v" * 43)["error"] == "invalid_request"
        assert redeemed(platform, http, back["code"], "w" * 43).json()["error"] == "invalid_grant"
        assert redeemed(platform, http, back["code"], "v" * 43).json()["error"] == "invalid_grant"
        back = authorized(http, begun(platform, http).json(), "v" * 43)
        assert redeemed(platform, http, back["code"], "v" * 43, client_id="another").json()["error"] == "invalid_grant"
    assert CODE_SECONDS <= 60


def test_a_launch_sends_the_browser_to_an_app_of_this_machine_alone(platform: Standing) -> None:
    with httpx.Client(trust_env=False) as http:
        sent = begun(platform, http, app="http://localhost:3000/launch.html")
        back = parse_qs(urlsplit(sent.headers["location"]).query)
        assert sent.status_code == 303 and back["iss"] == [f"{platform.url}{BASE}"] and back["launch"]
        assert platform.nin("citizen") not in sent.headers["location"]
        for spoiled in (
            {"app": "https://evil.example/"},
            {"patient": "12345"},
            {"persona": "citizen"},
            {"persona": "nobody"},
        ):
            assert begun(platform, http, **spoiled).status_code == 400
        elsewhere = http.get(
            f"{platform.url}/smart/authorize", params={"redirect_uri": "https://evil.example", "client_id": "a"}
        )
        assert elsewhere.status_code == 400
        assert http.request("OPTIONS", f"{platform.url}/smart/token").headers["access-control-allow-origin"] == "*"
