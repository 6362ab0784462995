"""The sandbox's OpenID provider: the login dance as a client and as a person at a browser, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette

from kjerne.client import Known, attestation
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.openid import REDIRECT, Held, Login
from kjerne.pages.login import Client as PagesClient
from kjerne.pages.login import CodeFlow
from kjerne.policy.claims import Claims
from kjerne.sandbox.personas import Persona
from kjerne.sandbox.sts.app import issuer_of, minted, sts_app
from kjerne.sandbox.sts.clients import (
    AUDIENCES,
    CITIZEN_CLIENT,
    OPERATOR_CLIENT,
    PAGES_CLIENT,
    STAFF_CLIENT,
    client_ids,
    kept_keys,
    published,
    sandbox_clients,
)
from kjerne.sandbox.sts.requests import Pushed
from kjerne.sandbox.sts.state import Shelf
from kjerne.wire import jws
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.jws import SigningKey
from kjerne.wire.oauth import Verifier

HOME = "http://testserver"
STS = HOME + "/sts"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DOCTOR, CITIZEN = "01815012345", "02825054321"
STAFF = "openid profile nhn:pps/provesvar-read"
VISITS = "openid profile kjerne:citizen"


@dataclass(frozen=True)
class Someone:
    name: str
    title: str
    kind: Literal["practitioner", "citizen", "system"]
    role: str = ""
    nin: str = ""
    hpr: str = ""
    organisation: str = ""
    point_of_care: str = ""
    authorization: str = ""
    person_name: str = ""


PEOPLE = (
    Someone("gp", "Fastlege", "practitioner", "LE", DOCTOR, "9001", "999999901", "999999902", "LE", "Kari <Prøve>"),
    Someone("citizen", "Innbygger", "citizen", "citizen", nin=CITIZEN, person_name="Ola Prøve"),
    Someone("lab", "Laboratorium", "system", "laboratory", organisation="999999903", point_of_care="999999904"),
    Someone("portal", "Portal", "system", "citizen-portal", organisation="999999905", point_of_care="999999905"),
    Someone("shop", "Nettbutikk", "system", "citizen-portal", organisation="999999906", point_of_care="999999906"),
)
ADMINISTRATOR = Someone("administrator", "Drift", "practitioner", "operations", nin=CITIZEN)
KEYS = {name: SigningKey.generate() for name in client_ids(PEOPLE)}
SIGNER = SigningKey.generate()
CLIENTS = sandbox_clients(PEOPLE, KEYS, HOME)


class InProcess(httpx.BaseTransport):
    """Sends a plain client's requests straight to an application, each on a loop of its own."""

    def __init__(self, app: Starlette) -> None:
        self._app = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._answered(request)).result()

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        answer = await self._app.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@dataclass
class House:
    """A provider, a browser at it, and its clock."""

    clock: FixedClock
    http: httpx.Client

    def login(self, client: str = STAFF_CLIENT, key: SigningKey | None = None, issuer: str = STS) -> Login:
        return Login(issuer, client, key or KEYS[client], self.http, self.clock)

    def doctor(self, **more: str) -> Held:
        return self.login().person({"scope": STAFF, "test_pid": DOCTOR} | more)

    def verifier(self) -> Verifier:
        async def always(_: bytes, __: int) -> bool:
            return True

        keys = FixedKeys(minted(HOME, SIGNER, self.clock).key_set())
        return Verifier(issuer_of(HOME), AUDIENCES, keys, self.clock, always)

    async def claims(self, held: Held) -> Claims:
        headers = held.headers("GET", HOME + "/x", self.clock.now().timestamp())
        return await self.verifier().verify("GET", HOME + "/x", [(k.encode(), v.encode()) for k, v in headers.items()])


@pytest.fixture
def house() -> House:
    clock = FixedClock(NOW)
    app = sts_app(PEOPLE, clock, SIGNER, HOME, CLIENTS)
    return House(clock, httpx.Client(transport=InProcess(app), base_url=HOME))


async def test_a_doctor_logs_in_and_her_token_passes_the_verifier(house: House) -> None:
    claims = await house.claims(house.doctor())
    assert (claims.pid, claims.hpr, claims.level) == (DOCTOR, "9001", 4)
    assert (claims.client, claims.organisation, claims.suborganisation) == (STAFF_CLIENT, "999999901", "999999902")
    assert "nhn:pps/provesvar-read" in claims.scopes


async def test_the_attestation_gets_the_identity_of_the_login(house: House) -> None:
    known = Known("gp", "practitioner", STAFF_CLIENT, organisation="999999901", authorization="LE")
    said = attestation(known, CITIZEN, "TREAT", at=int(NOW.timestamp()))
    claims = await house.claims(house.doctor(authorization_details=json.dumps([said])))
    attested = claims.attestations[0]
    assert attested.practitioner.identifier.id == DOCTOR
    assert attested.practitioner.hpr_nr.id == "9001"
    assert [patient.identifier.id for patient in attested.patients] == [CITIZEN]
    assert attested.toa == int(NOW.timestamp())


async def test_a_system_gets_a_token_of_its_own(house: House) -> None:
    claims = await house.claims(house.login("lab").machine({"scope": "nhn:pps/provesvar-write"}))
    assert (claims.pid, claims.client, claims.organisation) == ("", "lab", "999999903")


async def test_a_lower_level_can_be_asked_for_to_see_it_refused(house: House) -> None:
    assert (await house.claims(house.doctor(test_security_level="3"))).level == 3


async def test_the_id_token_is_one_that_others_can_read(house: House) -> None:
    held = house.doctor()
    keys = KeySet.import_key_set(house.http.get("/sts/.well-known/openid-configuration/jwks").json())
    said = jwt.decode(str(held.answer["id_token"]), keys).claims
    assert (said["aud"], said["helseid://claims/identity/pid"]) == (STAFF_CLIENT, DOCTOR)
    assert DOCTOR not in said["sub"]


async def test_userinfo_tells_who_the_token_is_about(house: House) -> None:
    held = house.doctor()
    headers = held.headers("GET", STS + "/connect/userinfo", NOW.timestamp())
    assert house.http.get("/sts/connect/userinfo", headers=headers).json()["name"] == "Kari <Prøve>"
    assert house.http.get("/sts/connect/userinfo", headers=headers).status_code == 401


def test_discovery_names_what_a_client_needs(house: House) -> None:
    said = house.http.get("/sts/.well-known/openid-configuration").json()
    assert said["issuer"] == STS
    assert said["require_pushed_authorization_requests"] is True
    assert "ES256" in said["dpop_signing_alg_values_supported"]
    assert "none" not in said["request_object_signing_alg_values_supported"]


def push(house: House, client: str = STAFF_CLIENT, **changes: str) -> httpx.Response:
    """One pushed request, sent by hand."""
    form = {
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": STAFF,
        "state": "s",
        "nonce": "n",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
        "client_id": client,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": house.login(client)._assertion(),
    } | changes
    return house.http.post("/sts/connect/par", data={name: value for name, value in form.items() if value != "-"})


def at_the_page(house: House, **changes: str) -> dict[str, str]:
    """The parameters of the login page's address."""
    client = changes.get("client", STAFF_CLIENT)
    return {"client_id": client, "request_uri": push(house, **changes).json()["request_uri"]}


def test_the_login_page_works_without_script_and_says_who_one_can_be(house: House) -> None:
    page = house.http.get("/sts/connect/authorize", params=at_the_page(house))
    assert page.status_code == 200
    assert '<html lang="nb">' in page.text
    assert "<h1>Logg inn i sandkassen</h1>" in page.text
    assert "<script" not in page.text
    assert 'value="gp"' in page.text
    assert 'value="citizen"' not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"


def test_names_are_escaped_and_numbers_not_shown(house: House) -> None:
    page = house.http.get("/sts/connect/authorize", params=at_the_page(house)).text
    assert "Kari &lt;Prøve&gt;" in page
    assert DOCTOR not in page


@pytest.mark.parametrize(("asked", "accepted"), [("en", ""), ("", "en-GB,en;q=0.9")])
def test_the_login_page_speaks_english_when_asked(house: House, asked: str, accepted: str) -> None:
    params = at_the_page(house, ui_locales=asked or "-")
    page = house.http.get("/sts/connect/authorize", params=params, headers={"accept-language": accepted or "nb"})
    assert "<title>Log in to the sandbox – kjerne</title>" in page.text


def test_a_choice_on_the_page_leads_back_with_a_code_once(house: House) -> None:
    form = at_the_page(house) | {"persona": "gp"}
    answer = house.http.post("/sts/connect/authorize", data=form)
    assert answer.status_code == 303
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(REDIRECT + "?")
    assert (back["state"], back["iss"], "code" in back) == (["s"], [STS], True)
    assert house.http.post("/sts/connect/authorize", data=form).status_code == 400


@pytest.mark.parametrize("persona", ["", "citizen", "lab", "nobody"])
def test_nobody_who_does_not_fit_can_be_chosen(house: House, persona: str) -> None:
    answer = house.http.post("/sts/connect/authorize", data=at_the_page(house) | {"persona": persona})
    assert "error=access_denied" in answer.headers["location"]


@pytest.mark.parametrize(("client", "scope", "fitting"), [
    (OPERATOR_CLIENT, "openid kjerne:operations", {"administrator"}),
    (STAFF_CLIENT, STAFF, {"gp"}),
    (CITIZEN_CLIENT, "openid kjerne:citizen", {"gp", "citizen", "administrator"}),
    (PAGES_CLIENT, "openid kjerne:operations", {"administrator"}),
    (PAGES_CLIENT, "openid kjerne:operations nhn:pps/provesvar-read", set()),
])  # fmt: skip
def test_the_operators_scope_is_the_operators_alone(client: str, scope: str, fitting: set[str]) -> None:
    known = next(one for one in CLIENTS if one.id == client)
    request = Pushed(known, "", tuple(scope.split()), "kjerne", "", "", "", ())
    assert {one.name for one in (*PEOPLE, ADMINISTRATOR) if request.fits(one)} == fitting


def test_a_doctor_may_log_in_as_the_citizen_she_also_is(house: House) -> None:
    page = house.http.get(
        "/sts/connect/authorize", params=at_the_page(house, client=CITIZEN_CLIENT, scope="openid kjerne:citizen")
    )
    assert 'value="gp"' in page.text
    assert 'value="citizen"' in page.text


def test_a_login_that_was_not_pushed_gets_a_page_that_says_so(house: House) -> None:
    page = house.http.get("/sts/connect/authorize", params={"client_id": STAFF_CLIENT, "response_type": "code"})
    assert page.status_code == 400
    assert "not pushed" in page.text
    assert page.headers["content-type"].startswith("text/html")


def test_a_pushed_request_is_its_own_clients_and_dies_after_ten_minutes(house: House) -> None:
    params = at_the_page(house)
    other = house.http.get("/sts/connect/authorize", params=params | {"client_id": CITIZEN_CLIENT})
    assert other.status_code == 400
    house.clock.move(timedelta(minutes=10))
    assert house.http.get("/sts/connect/authorize", params=params).status_code == 400


PUSHED: dict[str, tuple[dict[str, str], str]] = {
    "no PKCE": ({"code_challenge": "-"}, "invalid_request"),
    "plain PKCE": ({"code_challenge_method": "plain"}, "invalid_request"),
    "unregistered address": ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
    "another path": ({"redirect_uri": REDIRECT + "/x"}, "invalid_request"),
    "a user in the address": ({"redirect_uri": "http://127.0.0.1@evil.example/callback"}, "invalid_request"),
    "implicit flow": ({"response_type": "token"}, "unsupported_response_type"),
    "a request within": ({"request_uri": "urn:x"}, "invalid_request"),
    "no scope": ({"scope": "-"}, "invalid_scope"),
    "a scope of others": ({"scope": "openid nhn:pps/provesvar-write"}, "invalid_scope"),
    "another audience": ({"resource": "nhn:other"}, "invalid_target"),
    "details of another type": ({"authorization_details": '[{"type":"x"}]'}, "invalid_authorization_details"),
    "details that are no JSON": ({"authorization_details": "{"}, "invalid_authorization_details"),
    "two sets of details": (
        {"authorization_details": '[{"type":"nhn:tillitsrammeverk:parameters"},{"type":"x"}]'},
        "invalid_authorization_details",
    ),
    "details of the wrong kind": (
        {"authorization_details": '[{"type":"nhn:tillitsrammeverk:parameters","patients":7}]'},
        "invalid_authorization_details",
    ),
    "nested without end": ({"authorization_details": "[" * 20_000}, "invalid_authorization_details"),
    "a level that is none": ({"test_security_level": "9"}, "invalid_request"),
    "another client's id": ({"client_id": CITIZEN_CLIENT}, "invalid_client"),
    "no proof of the client": ({"client_assertion": "-"}, "invalid_client"),
    "a secret instead": ({"client_assertion_type": "-", "client_secret": "x"}, "invalid_client"),
}


@pytest.mark.parametrize("name", PUSHED)
def test_a_wrong_request_is_refused_before_anybody_logs_in(house: House, name: str) -> None:
    changes, error = PUSHED[name]
    answer = push(house, **changes)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == error


def test_a_parameter_given_twice_is_refused(house: House) -> None:
    answer = house.http.post("/sts/connect/par", content="scope=a&scope=b")
    assert answer.json()["error_description"] == "A parameter is given twice."


def test_a_form_that_is_too_long_or_no_text_is_refused(house: House) -> None:
    assert house.http.post("/sts/connect/par", content=b"a=" + b"x" * 70_000).status_code == 413
    assert house.http.post("/sts/connect/par", content=b"a=%ff").status_code == 400


def assertion(**changes: Any) -> str:
    now = int(NOW.timestamp())
    said = {"iss": STAFF_CLIENT, "sub": STAFF_CLIENT, "aud": STS, "exp": now + 60, "iat": now, "jti": "j"}
    header = {"typ": changes.pop("typ", "client-authentication+jwt")}
    return jws.sign(changes.pop("key", KEYS[STAFF_CLIENT]), header, {k: v for k, v in (said | changes).items() if v})


ASSERTIONS: dict[str, Callable[[], str]] = {
    "another's key": lambda: assertion(key=KEYS[CITIZEN_CLIENT]),
    "an access token's type": lambda: assertion(typ="at+jwt"),
    "a proof's type": lambda: assertion(typ="dpop+jwt"),
    "another audience": lambda: assertion(aud="https://other.example"),
    "too long a life": lambda: assertion(exp=int(NOW.timestamp()) + 66),
    "expired": lambda: assertion(exp=int(NOW.timestamp()) - 5),
    "from the future": lambda: assertion(iat=int(NOW.timestamp()) + 6),
    "another subject": lambda: assertion(sub=CITIZEN_CLIENT),
    "unknown client": lambda: assertion(iss="nobody", sub="nobody"),
    "no jti": lambda: assertion(jti=""),
    "no token": lambda: "abc",
    "not text": lambda: "ææ.øø.åå",
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_a_forged_client_assertion_is_refused(house: House, name: str) -> None:
    answer = push(house, client_assertion=ASSERTIONS[name](), client_id="-")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_assertion_is_taken_once(house: House) -> None:
    once = assertion()
    assert push(house, client_assertion=once).status_code == 201
    assert push(house, client_assertion=once).status_code == 401


def test_a_signed_request_object_stands_instead_of_the_form(house: House) -> None:
    now = int(NOW.timestamp())
    said = {"iss": STAFF_CLIENT, "aud": STS, "exp": now + 60, "jti": "r", "response_type": "code", "scope": STAFF}
    said |= {"redirect_uri": REDIRECT, "code_challenge": "A" * 43, "code_challenge_method": "S256"}
    said["authorization_details"] = [{"type": "nhn:tillitsrammeverk:parameters"}]
    signed = jws.sign(KEYS[STAFF_CLIENT], {"typ": "oauth-authz-req+jwt"}, said)
    assert push(house, request=signed, redirect_uri="https://evil.example").status_code == 201
    forged = jws.sign(KEYS[CITIZEN_CLIENT], {"typ": "oauth-authz-req+jwt"}, said | {"jti": "r2"})
    assert push(house, request=forged).json()["error"] == "invalid_request_object"


def test_the_first_proof_is_answered_with_a_nonce(house: House) -> None:
    login = house.login("lab")
    form = {"grant_type": "client_credentials", "scope": "nhn:pps/provesvar-write"}
    sent: list[httpx.Response] = []
    house.http.event_hooks = {"response": [sent.append]}
    login.machine({"scope": form["scope"]})
    tokens = [answer for answer in sent if answer.request.url.path.endswith("/token")]
    assert [answer.status_code for answer in tokens] == [400, 200]
    assert tokens[0].headers["dpop-nonce"]


def test_a_code_is_bound_to_its_key_its_verifier_and_its_client(house: House) -> None:
    def redeemed(**changes: str) -> str:
        login = house.login(changes.pop("client", STAFF_CLIENT))
        code = parse_qs(
            urlsplit(
                house.http.post("/sts/connect/authorize", data=at_the_page(house) | {"persona": "gp"}).headers[
                    "location"
                ]
            ).query
        )["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": "wrong"}
        with pytest.raises(Refusal) as caught:
            login._held(form | changes, SigningKey.generate())
        return caught.value.says

    assert "code_verifier" in redeemed()
    assert "redirect_uri" in redeemed(redirect_uri=REDIRECT + "x")
    assert "another client" in redeemed(client=CITIZEN_CLIENT)
    assert "unknown" in redeemed(code="made-up")


def test_the_code_of_a_login_pushed_under_one_key_is_worthless_under_another(house: House) -> None:
    login = house.login()
    original = login._held
    with pytest.raises(Refusal, match="bound to another key"):
        login._held = lambda form, key: original(form, SigningKey.generate())  # type: ignore[method-assign]
        login.person({"scope": STAFF, "test_pid": DOCTOR})


def test_an_attestation_for_another_practitioner_is_not_vouched_for(house: House) -> None:
    details = {"type": "nhn:tillitsrammeverk:parameters", "practitioner": {"identifier": {"id": CITIZEN}}}
    with pytest.raises(Refusal, match="another practitioner"):
        house.doctor(authorization_details=json.dumps([details]))


def test_a_person_needs_the_code_flow_and_a_machine_has_no_login(house: House) -> None:
    with pytest.raises(Refusal, match="grant"):
        house.login().machine({"scope": "nhn:pps/provesvar-read"})
    with pytest.raises(Refusal, match="no login"):
        house.login("lab").person({"scope": "nhn:pps/provesvar-write"})


def test_logout_returns_only_to_a_registered_address(house: House) -> None:
    hint = minted(HOME, SIGNER, house.clock).identity_token(
        next(client for client in CLIENTS if client.id == PAGES_CLIENT), "n", _login_of(house)
    )
    back = {"id_token_hint": hint, "post_logout_redirect_uri": HOME + "/logout/done", "state": "s"}
    told = house.http.get("/sts/connect/endsession", params=back)
    assert told.headers["location"] == HOME + "/logout/done?state=s"
    assert house.http.post("/sts/connect/endsession", data=back).headers["location"] == told.headers["location"]
    elsewhere = back | {"post_logout_redirect_uri": "https://evil.example/"}
    assert house.http.get("/sts/connect/endsession", params=elsewhere).status_code == 200
    assert house.http.get("/sts/connect/endsession", params=back | {"id_token_hint": hint[:-4]}).status_code == 200


def _login_of(house: House) -> Any:
    from kjerne.sandbox.sts.mint import Login as Session

    return Session(PEOPLE[0], "4", int(house.clock.now().timestamp()))


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("http://127.0.0.1/callback", True),
        ("http://127.0.0.1:51234/callback", True),
        ("http://localhost:3000/callback", True),
        ("https://127.0.0.1/callback", False),
        ("http://127.0.0.1:51234/other", False),
        ("http://127.0.0.1.evil.example/callback", False),
        ("http://a@127.0.0.1/callback", False),
        ("http://testserver/login/return", False),
        ("", False),
    ],
)
def test_a_native_client_may_come_back_on_any_port_of_the_loopback(address: str, fits: bool) -> None:
    client = next(client for client in CLIENTS if client.id == STAFF_CLIENT)
    assert client.may_return_to(address) is fits


async def test_our_own_pages_log_in_here_as_at_any_issuer(house: House) -> None:
    app = sts_app(PEOPLE, house.clock, SIGNER, HOME, CLIENTS)
    own = PagesClient(
        PAGES_CLIENT, ECKey.import_key(KEYS[PAGES_CLIENT].private_jwk()), HOME + "/login/return", {"clinician": STAFF}
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        flow = CodeFlow(STS, own, http, house.clock)
        address, pending = await flow.start("clinician")
        form = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        chosen = await http.post(STS + "/connect/authorize", data=form | {"persona": "gp"})
        policy = (await http.get((await flow.start("clinician"))[0])).headers["content-security-policy"]
        assert f"form-action 'self' {HOME};" in policy
        back = {name: values[0] for name, values in parse_qs(urlsplit(chosen.headers["location"]).query).items()}
        tokens = await flow.finish(pending, back)
    assert tokens.claims["helseid://claims/identity/pid"] == DOCTOR
    assert (await house.verifier().access_token(tokens.access_token.encode())).client == PAGES_CLIENT


FIELDS = ["response_type", "redirect_uri", "scope", "code_challenge", "authorization_details", "request", "resource"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*FIELDS, "client_assertion", "dpop_jkt", "test_pid", "ui_locales"]), value=st.text())
def test_no_text_in_a_request_breaks_the_provider(house: House, name: str, value: str) -> None:
    assert push(house, **{name: value}).status_code < 500


def test_keys_are_made_once_and_kept_closed(tmp_path: Path) -> None:
    path = tmp_path / "sandbox-keys.json"
    first = kept_keys(path, ["a", "b"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = kept_keys(path, ["a", "b", "c"])
    assert {name: key.thumbprint for name, key in first.items()} == {
        name: second[name].thumbprint for name in ("a", "b")
    }
    assert str(first["a"]) == f"SigningKey({first['a'].thumbprint})"


def test_the_published_document_leaves_out_the_pages_own_key() -> None:
    document = published(PEOPLE, CLIENTS, STS)
    said = json.loads(document)
    systems = ["lab", "portal", "shop"]
    assert {client["id"] for client in said["clients"]} == {STAFF_CLIENT, CITIZEN_CLIENT, OPERATOR_CLIENT, *systems}
    assert KEYS[PAGES_CLIENT].private_jwk()["d"].encode() not in document
    assert [persona["client"] for persona in said["personas"]] == [STAFF_CLIENT, CITIZEN_CLIENT, *systems]


def test_a_shelf_refuses_when_full_and_forgets_by_the_clock() -> None:
    clock = FixedClock(NOW)
    shelf: Shelf[int] = Shelf(clock, 10, limit=2)
    shelf.put("a", 1)
    shelf.put("b", 2)
    with pytest.raises(Refusal):
        shelf.put("c", 3)
    clock.move(timedelta(seconds=10))
    shelf.put("c", 3)
    assert (shelf.see("a"), shelf.take("c"), shelf.take("c")) == (None, 3, None)


def test_a_d_number_is_attested_as_one(house: House) -> None:
    from kjerne.sandbox.sts.requests import vouched

    newcomer = replace(PEOPLE[0], nin="41815012345")
    details = vouched([{"type": "nhn:tillitsrammeverk:parameters"}], newcomer, 0)
    assert re.fullmatch(r"urn:oid:2\.16\.578\.1\.12\.4\.1\.4\.2", details[0]["practitioner"]["identifier"]["system"])


async def registered(number: str) -> Persona | None:
    """A register with one person in it who is no persona."""
    return (
        Persona("somebody", "", "citizen", "somebody", nin=number, person_name="En Annen") if number == OTHER else None
    )


OTHER = "13717404089"


async def test_anybody_in_the_register_logs_in_by_her_number_and_nobody_else_does() -> None:
    clock = FixedClock(NOW)
    app = sts_app(PEOPLE, clock, SIGNER, HOME, CLIENTS, somebody=registered)
    house = House(clock, httpx.Client(transport=InProcess(app), base_url=HOME))
    held = house.login(CITIZEN_CLIENT).person({"scope": VISITS, "test_pid": OTHER})
    claims = await house.claims(held)
    assert (claims.pid, claims.name, claims.hpr) == (OTHER, "En Annen", "")
    with pytest.raises(Refusal):
        house.login(CITIZEN_CLIENT).person({"scope": VISITS, "test_pid": "30876827200"})
    with pytest.raises(Refusal):  # who is no health worker is no health worker
        house.doctor(test_pid=OTHER)


async def test_a_number_is_typed_on_the_login_page_of_a_citizen_alone() -> None:
    clock = FixedClock(NOW)
    app = sts_app(PEOPLE, clock, SIGNER, HOME, CLIENTS, somebody=registered)
    own = PagesClient(
        PAGES_CLIENT, ECKey.import_key(KEYS[PAGES_CLIENT].private_jwk()), HOME + "/login/return",
        {"clinician": STAFF, "me": VISITS},
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        flow = CodeFlow(STS, own, http, clock)
        assert 'name="number"' not in (await http.get((await flow.start("clinician"))[0])).text
        address, pending = await flow.start("me")
        page = (await http.get(address)).text
        assert 'name="number"' in page
        form = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        unknown = await http.post(STS + "/connect/authorize", data=form | {"number": "30876827200"})
        assert (unknown.status_code, "30876827200" in unknown.text, 'role="alert"' in unknown.text) == (
            404,
            False,
            True,
        )
        chosen = await http.post(STS + "/connect/authorize", data=form | {"number": f" {OTHER[:6]} {OTHER[6:]}"})
        assert OTHER not in chosen.headers["location"]
        back = {name: values[0] for name, values in parse_qs(urlsplit(chosen.headers["location"]).query).items()}
        tokens = await flow.finish(pending, back)
    assert tokens.claims["helseid://claims/identity/pid"] == OTHER
