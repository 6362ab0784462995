"""The pages' own login: OpenID Connect code flow as HelseID demands it (PAR, PKCE S256, private_key_jwt, DPoP with nonce).

The provider may be the sandbox's own or a real one; only settings differ. What comes back is the verified ID token.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from kjerne.clock import Clock
from kjerne.errors import Refusal

To = Literal["clinician", "me", "operations"]
ASSERTION_SECONDS: Final = 30
"""HelseID takes a client assertion that lives at most 60 s."""
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS: Final = ["ES256", "ES384", "PS256", "PS384", "RS256"]
_AGAIN: Final = "Log in again."


@dataclass(frozen=True, slots=True)
class Pending:
    """A login under way, sealed in a cookie of its own until the provider sends the browser back.

    `key` is the private half (`d`, `x`, `y`) of the key that the pushed request was proven with: the provider binds the
    code to it (RFC 9449 section 10), so the token must be asked for with the same.
    """

    state: str
    nonce: str
    verifier: str
    to: To
    started_at: datetime
    key: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a finished login gives: verified ID-token claims, and the access token for the house."""

    claims: Mapping[str, Any]
    access_token: str
    id_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the provider's own session is ended, and what the browser posts there.

    Posted and not linked to: the hint is an ID token with a person number in it, and an address is kept in many places.
    """

    address: str
    fields: Mapping[str, str] = field(repr=False)


class LoginDoor(Protocol):
    """The provider, seen from the pages."""

    async def start(self, to: To) -> tuple[str, Pending]:
        """The address the browser goes to, and what must be remembered until it is back."""
        ...

    async def finish(self, pending: Pending, query: Mapping[str, str]) -> Tokens:
        """Turn the provider's answer into verified claims. `Refusal` 403 where anything does not fit."""
        ...

    async def end(self, id_token: str) -> Ending | None:
        """How the provider's session is ended (OpenID Connect RP-Initiated Logout 1.0); None where it offers no way."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """This program as the provider knows it. `scopes` by who logs in; `after_logout` is registered with it too."""

    id: str
    key: ECKey
    redirect_uri: str
    scopes: Mapping[To, str]
    after_logout: str = ""


class CodeFlow:
    """The code flow against one issuer. Holds the provider's addresses once they are read; nothing of any login."""

    def __init__(self, issuer: str, client: Client, http: httpx.AsyncClient, clock: Clock) -> None:
        self._issuer = issuer.rstrip("/")
        self._client = client
        self._http = http
        self._clock = clock
        self._found: Mapping[str, Any] = {}

    async def start(self, to: To) -> tuple[str, Pending]:
        provider = await self._provider()
        key = ECKey.generate_key("P-256")
        pending = Pending(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            to,
            self._clock.now(),
            {name: str(value) for name, value in key.as_dict(private=True).items()},
        )
        challenge = hashlib.sha256(pending.verifier.encode()).digest()
        pushed = {
            "response_type": "code",
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scopes[to],
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        answer = await self._post(provider["pushed_authorization_request_endpoint"], pushed, key)
        query = urlencode({"client_id": self._client.id, "request_uri": str(answer.get("request_uri", ""))})
        return f"{provider['authorization_endpoint']}?{query}", pending

    async def finish(self, pending: Pending, query: Mapping[str, str]) -> Tokens:
        if query.get("error"):
            raise Refusal(403, "The login was not completed.", todo=_AGAIN)
        if not secrets.compare_digest(query.get("state", ""), pending.state) or not query.get("code"):
            raise Refusal(403, "The answer belongs to another login.", todo=_AGAIN)
        # RFC 9207: an answer from another issuer (mix-up) is refused where the issuer names itself.
        if query.get("iss", self._issuer).rstrip("/") != self._issuer:
            raise Refusal(403, "The answer comes from another issuer.", todo=_AGAIN)
        provider = await self._provider()
        form = {
            "grant_type": "authorization_code",
            "code": query["code"],
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": pending.verifier,
        }
        answer = await self._post(provider["token_endpoint"], form, ECKey.import_key(dict(pending.key)))
        claims = await self._verified(str(answer.get("id_token", "")), pending.nonce)
        return Tokens(claims, str(answer.get("access_token", "")), str(answer.get("id_token", "")))

    async def end(self, id_token: str) -> Ending | None:
        try:
            address = str((await self._provider()).get("end_session_endpoint", ""))
        except Refusal:
            # Logged out here all the same: nobody is kept in because the provider is silent.
            return None
        fields = {"client_id": self._client.id, "post_logout_redirect_uri": self._client.after_logout}
        if id_token:
            fields["id_token_hint"] = id_token
        return Ending(address, fields) if address else None

    async def _provider(self) -> Mapping[str, Any]:
        if not self._found:
            answer = await self._get(f"{self._issuer}/.well-known/openid-configuration")
            if str(answer.get("issuer", "")).rstrip("/") != self._issuer:
                raise Refusal(503, "The login provider names another issuer than the one that is trusted.")
            self._found = answer
        return self._found

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._http.get(url)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as cause:
            raise Refusal(503, "The login provider did not answer.", todo="Try again in a little while.") from cause
        return dict(found)

    async def _post(self, url: str, form: Mapping[str, str], proof_key: ECKey) -> dict[str, Any]:
        nonce = ""
        for _ in range(2):
            body = dict(form) | {
                "client_id": self._client.id,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._assertion(),
            }
            try:
                answer = await self._http.post(url, data=body, headers={"DPoP": self._proof(url, proof_key, nonce)})
                found = dict(answer.json())
            except (httpx.HTTPError, ValueError) as cause:
                raise Refusal(503, "The login provider did not answer.", todo="Try again in a little while.") from cause
            if answer.is_success:
                return found
            # RFC 9449 section 8: the first proof is answered with the nonce that the second must carry.
            if found.get("error") != "use_dpop_nonce" or nonce:
                break
            nonce = answer.headers.get("DPoP-Nonce", "")
        raise Refusal(403, "The login provider did not accept the login.", todo=_AGAIN)

    def _assertion(self) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._client.id,
            "sub": self._client.id,
            "aud": self._issuer,
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + ASSERTION_SECONDS,
        }
        header = {"alg": "ES256", "typ": "client-authentication+jwt", "kid": self._client.key.thumbprint()}
        return jwt.encode(header, claims, self._client.key)

    def _proof(self, url: str, key: ECKey, nonce: str) -> str:
        claims: dict[str, Any] = {
            "jti": str(uuid4()),
            "htm": "POST",
            "htu": url,
            "iat": int(self._clock.now().timestamp()),
        }
        if nonce:
            claims["nonce"] = nonce
        return jwt.encode({"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}, claims, key)

    async def _verified(self, id_token: str, nonce: str) -> Mapping[str, Any]:
        provider = await self._provider()
        keys = await self._get(str(provider["jwks_uri"]))
        try:
            token = jwt.decode(id_token, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=_ALGORITHMS)
        except (JoseError, ValueError, KeyError) as cause:
            raise Refusal(403, "The identity from the login provider could not be verified.", todo=_AGAIN) from cause
        claims = dict(token.claims)
        audience = claims.get("aud")
        fits = (
            str(claims.get("iss", "")).rstrip("/") == self._issuer
            and self._client.id in (audience if isinstance(audience, list) else [audience])
            and claims.get("nonce") == nonce
            and float(claims.get("exp", 0)) > self._clock.now().timestamp()
        )
        if not fits:
            raise Refusal(403, "The identity from the login provider is for another login.", todo=_AGAIN)
        return claims
