"""The integrator's console against the sandbox's own provider and an API that verifies what it is sent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
import pytest

from kjerne.client import Client
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.sandbox.sts.app import issuer_of, minted, sts_app
from kjerne.sandbox.sts.clients import AUDIENCES, client_ids, published, sandbox_clients
from kjerne.wire.dpop import Nonces
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.jws import SigningKey
from kjerne.wire.oauth import Verifier

HOME = "http://127.0.0.1:8000"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DOCTOR, CITIZEN, OTHER = "01815012345", "02825054321", "03835098765"


@dataclass(frozen=True)
class Someone:
    name: str
    kind: Literal["practitioner", "citizen", "system"]
    role: str = ""
    nin: str = ""
    hpr: str = ""
    organisation: str = ""
    point_of_care: str = ""
    authorization: str = ""
    person_name: str = "Prøve"
    title: str = ""


PEOPLE = (
    Someone("gp", "practitioner", "LE", DOCTOR, "9001", "999999901", "999999902", "LE"),
    Someone("citizen", "citizen", nin=CITIZEN),
    Someone("lab", "system", "laboratory", organisation="999999903"),
    Someone("portal", "system", "citizen-portal", organisation="999999905"),
)
KEYS = {name: SigningKey.generate() for name in client_ids(PEOPLE)}
SIGNER = SigningKey.generate()


@dataclass
class Platform(httpx.BaseTransport):
    """The sandbox in one process: personas, provider, and an API that verifies each request and keeps its claims."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    wants_nonce: bool = False
    claims: list[Claims] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    logins: int = 0

    def __post_init__(self) -> None:
        clients = sandbox_clients(PEOPLE, KEYS, HOME)
        self._document = published(PEOPLE, clients, issuer_of(HOME))
        self._sts = httpx.ASGITransport(sts_app(PEOPLE, self.clock, SIGNER, HOME, clients))
        keys = FixedKeys(minted(HOME, SIGNER, self.clock).key_set())
        nonces = Nonces(b"n" * 32, self.clock) if self.wants_nonce else None
        self._verifier = Verifier(issuer_of(HOME), AUDIENCES, keys, self.clock, self._fresh, nonces=nonces)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._answered(request)).result()

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/sandbox/personas.json":
            return httpx.Response(200, content=self._document)
        if request.url.path.startswith("/sts/"):
            self.logins += request.url.path.endswith("/token")
            answer = await self._sts.handle_async_request(request)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())
        self.asked.append(request)
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        try:
            self.claims.append(await self._verifier.verify(request.method, str(request.url), headers))
        except Refusal as refusal:
            return httpx.Response(refusal.status, headers=list(refusal.headers))
        return httpx.Response(200, json={})

    async def _fresh(self, _: bytes, __: int) -> bool:
        return True


@pytest.fixture
def platform() -> Platform:
    return Platform()


def client(platform: Platform) -> Client:
    return Client(HOME, http=httpx.Client(transport=platform), clock=platform.clock)


def test_a_call_as_a_doctor_carries_everything_the_api_demands(platform: Platform) -> None:
    answer = client(platform).call(
        "POST", "/pps/v2/Observation/_search", as_="gp", patient=CITIZEN, basis="SAMTYKKE", form=[("code", "NPU1,2")]
    )
    assert answer.status_code == 200
    claims, request = platform.claims[0], platform.asked[0]
    assert claims.attestations[0].patients[0].identifier.id == CITIZEN
    assert claims.attestations[0].practitioner.legal_entity.id == "999999901"
    sent = {name: request.headers[name] for name in ("person-id", "access-basis", "requester-hpr-role")}
    assert sent == {"person-id": CITIZEN, "access-basis": "SAMTYKKE", "requester-hpr-role": "LE"}
    assert request.content == b"code=NPU1%2C2"
    assert CITIZEN not in str(request.url)


def test_a_token_serves_one_patient_and_is_used_again_for_her(platform: Platform) -> None:
    caller = client(platform)
    for patient in (CITIZEN, CITIZEN, OTHER):
        caller.call("GET", "/pps/v2/metadata", as_="gp", patient=patient)
    assert len({claims.jti for claims in platform.claims}) == 2


def test_a_token_near_its_end_is_fetched_anew(platform: Platform) -> None:
    caller = client(platform)
    caller.call("GET", "/pps/x", as_="gp", patient=CITIZEN)
    platform.clock.move(timedelta(seconds=575))
    caller.call("GET", "/pps/x", as_="gp", patient=CITIZEN)
    assert platform.claims[0].jti != platform.claims[1].jti


def test_a_citizen_and_a_system_attest_nothing(platform: Platform) -> None:
    caller = client(platform)
    assert caller.call("GET", "/me/x", as_="citizen", patient=CITIZEN).status_code == 200
    assert caller.call("POST", "/pps/in", as_="lab", body=b"<a/>").status_code == 200
    citizen, lab = platform.claims
    assert (citizen.attestations, "kjerne:citizen" in citizen.scopes) == ((), True)
    assert (lab.pid, lab.scopes) == ("", {"nhn:pps/provesvar-write"})


def test_a_portal_exchanges_a_citizens_login_for_a_token_about_one_person(platform: Platform) -> None:
    console = client(platform)
    for about, purpose in (("", "TREAT"), (CITIZEN, "TREAT"), (OTHER, "TREAT"), (OTHER, "PWATRNY")):
        answer = console.call("GET", "/pps/x", as_="citizen", patient=about, purpose=purpose, portal=True)
        assert answer.status_code == 200
    assert {(one.pid, one.client, one.actor) for one in platform.claims} == {(CITIZEN, "portal", "portal")}
    told = [(one.errands[0].patient.id, one.errands[0].purpose_of_use.code) for one in platform.claims]
    assert told == [(CITIZEN, "PATRQT"), (CITIZEN, "PATRQT"), (OTHER, "FAMRQT"), (OTHER, "PWATRNY")]
    assert all(one.scopes == {"kjerne:citizen", "kjerne:insight", "kjerne:portal"} for one in platform.claims)


def test_a_declared_self_selection_and_its_reason_are_attested(platform: Platform) -> None:
    caller = client(platform)
    caller.call("GET", "/pps/x", as_="gp", patient=CITIZEN, purpose="BTG", reason="Bevisstløs", self_selected=True)
    care = platform.claims[0].attestations[0].care_relationship
    assert (care.purpose_of_use.code, care.decision_ref.description) == ("BTG", "Bevisstløs")
    assert care.decision_ref.user_selected is True


def test_a_nonce_that_the_api_wants_is_learnt() -> None:
    platform = Platform(wants_nonce=True)
    assert client(platform).call("GET", "/pps/x", as_="lab").status_code == 200
    assert len(platform.asked) == 2


def test_an_unknown_persona_is_told_who_there_is(platform: Platform) -> None:
    with pytest.raises(Refusal, match="gp, citizen, lab"):
        client(platform).call("GET", "/pps/x", as_="doctor")


def test_nothing_shows_a_token_or_a_number(platform: Platform) -> None:
    caller = client(platform)
    held = caller.token("gp", patient=CITIZEN)
    shown = repr((held, caller.personas()))
    assert not any(secret in shown for secret in (held.token, DOCTOR, CITIZEN))


def test_an_address_is_signed_as_it_is_sent(platform: Platform) -> None:
    assert client(platform).call("GET", "/fhir/R4/å b", as_="lab").status_code == 200
    assert platform.asked[0].url.raw_path == b"/fhir/R4/%C3%A5%20b"


def test_a_decision_is_named_by_the_caller_or_anew_for_each_token(platform: Platform) -> None:
    caller = client(platform)
    for patient, decision in ((CITIZEN, "d-1"), (OTHER, "d-1"), (CITIZEN, ""), (OTHER, "")):
        caller.call("GET", "/pps/x", as_="gp", patient=patient, decision=decision)
    named = [claims.attestations[0].care_relationship.decision_ref.id for claims in platform.claims]
    assert named[:2] == ["d-1", "d-1"]
    assert len(set(named)) == 3
