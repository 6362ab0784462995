"""The code flow against a small provider that demands what HelseID demands: PAR, PKCE, assertion, DPoP with nonce."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.pages.login import Client, CodeFlow, Pending
from pages.fake import NOW

ISSUER = "https://sts.test"


@dataclass
class Provider:
    """Answers as an issuer would; `spoil` changes one thing in the ID token."""

    client: ECKey
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k"}))
    pushed: dict[str, str] = field(default_factory=dict)
    spoil: dict[str, Any] = field(default_factory=dict)
    ends: str = ""
    signed_by: ECKey | None = None
    proofs: list[str] = field(default_factory=list)
    assertions: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self._discovery())
        if path == "/jwks":
            return httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if nonce := self._checked(request, form):
            return nonce
        if path == "/par":
            self.pushed = form
            return httpx.Response(201, json={"request_uri": "urn:x", "expires_in": 60})
        return self._token(form)

    def _discovery(self) -> dict[str, str]:
        offered = {"end_session_endpoint": self.ends} if self.ends else {}
        return offered | {
            "issuer": ISSUER,
            "pushed_authorization_request_endpoint": f"{ISSUER}/par",
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
        }

    def _checked(self, request: httpx.Request, form: dict[str, str]) -> httpx.Response | None:
        assertion = jwt.decode(form["client_assertion"], self.client, algorithms=["ES256"])
        assert assertion.claims["aud"] == ISSUER
        assert assertion.header["typ"] == "client-authentication+jwt"
        assert assertion.claims["exp"] - assertion.claims["iat"] <= 60
        self.assertions.append(assertion.claims["jti"])
        proof = request.headers["DPoP"]
        header = jwt.decode(proof, ECKey.import_key(_jwk(proof)), algorithms=["ES256"])
        assert "d" not in header.header["jwk"]
        assert header.claims["htu"] == str(request.url)
        self.proofs.append(header.claims["jti"])
        if header.claims.get("nonce") != "n1":
            return httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": "n1"})
        return None

    def _token(self, form: dict[str, str]) -> httpx.Response:
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        assert challenge == self.pushed["code_challenge"]
        now = int(NOW.timestamp())
        claims = {"iss": ISSUER, "aud": "pages", "sub": "s", "nonce": self.pushed["nonce"], "iat": now, "exp": now + 60}
        token = jwt.encode({"alg": "ES256", "kid": "k"}, claims | self.spoil, self.signed_by or self.key)
        return httpx.Response(200, json={"id_token": token, "access_token": "at", "token_type": "DPoP"})


def _jwk(proof: str) -> dict[str, Any]:
    import json

    head = proof.split(".", 1)[0]
    return dict(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["jwk"])


@pytest.fixture
async def provider_and_flow() -> AsyncIterator[tuple[Provider, CodeFlow]]:
    key = ECKey.generate_key("P-256")
    provider = Provider(key)
    scopes = {"clinician": "openid", "me": "openid"}
    client = Client("pages", key, "http://kjerne.test/login/return", scopes, "http://kjerne.test/logout/done")  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.MockTransport(provider)) as http:
        yield provider, CodeFlow(ISSUER, client, http, FixedClock(NOW))


async def test_a_login_pushes_its_request_and_comes_back_verified(provider_and_flow: tuple[Provider, CodeFlow]) -> None:
    provider, flow = provider_and_flow
    address, pending = await flow.start("clinician")
    asked = parse_qs(urlsplit(address).query)
    assert asked == {"client_id": ["pages"], "request_uri": ["urn:x"]}, (
        "nothing of the request goes through the browser"
    )
    tokens = await flow.finish(pending, {"code": "c", "state": pending.state, "iss": ISSUER})
    assert tokens.claims["sub"] == "s"
    assert len(set(provider.proofs)) == len(provider.proofs) == 4, "each proof once, again with its nonce"
    assert len(set(provider.assertions)) == 4


@pytest.mark.parametrize(
    "spoil",
    [{"nonce": "other"}, {"aud": "other"}, {"iss": "https://other.test"}, {"exp": int(NOW.timestamp())}],
    ids=["nonce", "audience", "issuer", "expired"],
)
async def test_an_identity_for_another_login_is_refused(
    provider_and_flow: tuple[Provider, CodeFlow], spoil: dict[str, Any]
) -> None:
    provider, flow = provider_and_flow
    _, pending = await flow.start("me")
    provider.spoil = spoil
    await _refused(flow, pending, {"code": "c", "state": pending.state})


async def test_an_identity_signed_by_another_key_is_refused(provider_and_flow: tuple[Provider, CodeFlow]) -> None:
    provider, flow = provider_and_flow
    _, pending = await flow.start("me")
    provider.signed_by = ECKey.generate_key("P-256", {"kid": "k"})
    await _refused(flow, pending, {"code": "c", "state": pending.state})


@pytest.mark.parametrize(
    "query",
    [
        {"code": "c", "state": "other"},
        {"code": "c"},
        {"error": "access_denied"},
        {"code": "c", "iss": "https://mix.test"},
    ],
)
async def test_an_answer_that_is_not_to_this_login_is_refused(
    provider_and_flow: tuple[Provider, CodeFlow], query: dict[str, str]
) -> None:
    _, flow = provider_and_flow
    _, pending = await flow.start("me")
    await _refused(flow, pending, {"state": pending.state} | query if "iss" in query else query)


async def _refused(flow: CodeFlow, pending: Pending, query: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        await flow.finish(pending, query)
    assert refused.value.status == 403


async def test_the_providers_session_is_ended_where_it_offers_a_way(
    provider_and_flow: tuple[Provider, CodeFlow],
) -> None:
    provider, flow = provider_and_flow
    provider.ends = f"{ISSUER}/end"
    ending = await flow.end("an id token")
    assert ending
    assert ending.address == f"{ISSUER}/end"
    assert ending.fields == {
        "client_id": "pages",
        "post_logout_redirect_uri": "http://kjerne.test/logout/done",
        "id_token_hint": "an id token",
    }
    assert "an id token" not in repr(ending)


async def test_logging_out_stays_here_where_the_provider_offers_no_way(
    provider_and_flow: tuple[Provider, CodeFlow],
) -> None:
    assert await provider_and_flow[1].end("an id token") is None


async def test_a_silent_provider_keeps_nobody_logged_in() -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    client = Client("pages", ECKey.generate_key("P-256"), "http://x", {"clinician": "openid", "me": "openid"})
    async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as http:
        assert await CodeFlow(ISSUER, client, http, FixedClock(NOW)).end("") is None


async def test_a_provider_that_is_silent_is_not_a_wrong_password() -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    client = Client("pages", ECKey.generate_key("P-256"), "http://x", {"clinician": "openid", "me": "openid"})
    async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as http:
        with pytest.raises(Refusal) as refused:
            await CodeFlow(ISSUER, client, http, FixedClock(NOW)).start("me")
    assert refused.value.status == 503
