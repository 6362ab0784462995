"""A client at an OpenID provider that demands what HelseID does: private_key_jwt, PAR, PKCE and DPoP with nonce.

Works against any provider that keeps to the standards; the tests hold it against one made by others.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.wire import dpop, jws
from kjerne.wire.jws import SigningKey

REDIRECT: Final = "http://127.0.0.1/callback"
ASSERTION_SECONDS: Final = 30
REDIRECTS_LIMIT: Final = 10
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_IDENTITY_TYPE: Final = "urn:ietf:params:oauth:token-type:id_token"
_ACCESS_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
_SAML_TYPE: Final = "urn:ietf:params:oauth:token-type:saml2"
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Held:
    """An access token and the key it is bound to; `answer` is the token endpoint's whole answer."""

    token: str = field(repr=False)
    key: SigningKey
    expires_at: float
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def headers(self, method: str, url: str, at: float, nonce: str = "") -> dict[str, str]:
        """The two headers of one request, with a proof of its own."""
        jti = secrets.token_urlsafe(16)
        proof = dpop.proof(self.key, method, url, jti=jti, at=int(at), token=self.token, nonce=nonce)
        return {"authorization": f"DPoP {self.token}", "dpop": proof}


class Login:
    """One client at one OpenID provider: code flow with PAR and PKCE, client credentials, token exchange, all with DPoP."""

    def __init__(self, issuer: str, client: str, key: SigningKey, http: httpx.Client, clock: Clock) -> None:
        self._issuer = issuer
        self._client = client
        self._key = key
        self._http = http
        self._clock = clock
        self._found: dict[str, Any] = {}
        self._nonce = ""

    def person(self, parameters: Mapping[str, str], redirect: str = REDIRECT) -> Held:
        """A token for whoever the provider logs in; `parameters` are the request's own (scope, details ...)."""
        verifier, state, key = secrets.token_urlsafe(48), secrets.token_urlsafe(16), SigningKey.generate()
        pushed = {
            "response_type": "code",
            "redirect_uri": redirect,
            "state": state,
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": jws.encoded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **parameters,
        }
        answer = self._post(self._endpoint("pushed_authorization_request_endpoint"), pushed, key)
        query = {"client_id": self._client, "request_uri": answer["request_uri"]}
        back = self._followed(str(httpx.URL(self._endpoint("authorization_endpoint"), params=query)), redirect)
        if back.get("state") != state or back.get("iss", self._issuer) != self._issuer:
            raise Refusal(403, "The provider's answer belongs to another login.")
        if "code" not in back:
            raise _declined(back)
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": redirect}
        return self._held(form | {"code_verifier": verifier}, key)

    def machine(self, parameters: Mapping[str, str]) -> Held:
        """A token for the client itself."""
        return self._held({"grant_type": "client_credentials", **parameters}, SigningKey.generate())

    def exchanged(self, identity_token: str, parameters: Mapping[str, str]) -> Held:
        """A person's token in exchange for her login here, with the client as actor (RFC 8693)."""
        form = {"grant_type": EXCHANGE, "subject_token": identity_token, "subject_token_type": _IDENTITY_TYPE}
        return self._held({**form, **parameters}, SigningKey.generate())

    def in_saml(self, held: Held) -> str:
        """A token said as a SAML assertion, in base64url, good for one request (RFC 8693, IHE IUA)."""
        form = {"grant_type": EXCHANGE, "subject_token": held.token, "subject_token_type": _ACCESS_TYPE}
        return self._held(form | {"requested_token_type": _SAML_TYPE}, held.key).token

    def _held(self, form: Mapping[str, str], key: SigningKey) -> Held:
        answer = self._post(self._endpoint("token_endpoint"), form, key)
        return Held(answer["access_token"], key, self._now() + float(answer.get("expires_in", 0)), answer)

    def _endpoint(self, name: str) -> str:
        if not self._found:
            answer = self._http.get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            self._found = answer.raise_for_status().json()
        return str(self._found[name])

    def _post(self, url: str, form: Mapping[str, str], key: SigningKey) -> dict[str, Any]:
        """Sends the form with client assertion and proof; a nonce that the provider wants is learnt by one refusal."""
        for _ in range(2):
            proved = {
                **form,
                "client_id": self._client,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._assertion(),
            }
            jti = secrets.token_urlsafe(16)
            proof = dpop.proof(key, "POST", url, jti=jti, at=int(self._now()), nonce=self._nonce)
            answer = self._http.post(url, data=proved, headers={"dpop": proof})
            self._nonce = answer.headers.get("dpop-nonce", self._nonce)
            said: dict[str, Any] = answer.json()
            if said.get("error") != "use_dpop_nonce":
                break
        if answer.is_error:
            raise _declined(said)
        return said

    def _followed(self, url: str, redirect: str) -> dict[str, str]:
        """The parameters with which the provider sends the browser back to `redirect`."""
        for _ in range(REDIRECTS_LIMIT):
            answer = self._http.get(url, follow_redirects=False)
            if not answer.has_redirect_location:
                break
            url = str(answer.url.join(answer.headers["location"]))
            if url.partition("?")[0] == redirect:
                return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        raise Refusal(403, "The provider did not send the login back: it wants a person, or refused the request.")

    def _assertion(self) -> str:
        now = int(self._now())
        said = {
            "iss": self._client,
            "sub": self._client,
            "aud": self._issuer,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        header = {"typ": "client-authentication+jwt", "kid": self._key.thumbprint}
        return jws.sign(self._key, header, said | {"jti": secrets.token_urlsafe(16)})

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _declined(said: Mapping[str, Any]) -> Refusal:
    error = str(said.get("error", ""))
    return Refusal(403, str(said.get("error_description", error)), code=error)
