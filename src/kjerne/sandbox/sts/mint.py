"""Tokens with the claims that HelseID puts in (specs of NHN's security profile), signed with the sandbox's own key."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kjerne.clock import Clock
from kjerne.sandbox.sts.clients import Client, Persona
from kjerne.wire import jws
from kjerne.wire.jws import SigningKey

ACCESS_SECONDS: Final = 600
IDENTITY_SECONDS: Final = 300
_LEVELS: Final = {"4": "high", "3": "substantial", "2": "low", "1": "low"}


@dataclass(frozen=True, slots=True)
class Login:
    """A person at the provider: who, how strongly, when (unix seconds)."""

    persona: Persona
    level: str
    at: int
    session: str = field(default_factory=lambda: secrets.token_urlsafe(12))


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes access and ID tokens of one issuer."""

    issuer: str
    key: SigningKey
    clock: Clock

    def access_token(
        self,
        client: Client,
        scopes: Sequence[str],
        audience: str,
        thumbprint: str,
        login: Login | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        *,
        acting: bool = False,
    ) -> str:
        """A token bound to the key with `thumbprint` (RFC 9068; RFC 9449 section 6); a machine's without `login`.

        `acting` puts the client in as the one who acts for the person (RFC 8693 section 4.1), its organisation with it.
        """
        now = self._now()
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "client_id": client.id,
            "sub": self.subject(login.persona) if login else client.id,
            "scope": list(scopes),
            "cnf": {"jkt": thumbprint},
            "helseid://claims/client/client_name": client.name,
            "helseid://claims/client/amr": "private_key_jwt",
            **_organisation(client, None if acting else login),
        }
        if login:
            said |= _person(login)
        if acting:
            said["act"] = {"sub": client.id}
        if details:
            said["authorization_details"] = list(details)
        return jws.sign(self.key, {"typ": "at+jwt", "kid": self.key.thumbprint}, said)

    def identity_token(self, client: Client, nonce: str, login: Login) -> str:
        """The ID token of a login (OpenID Connect Core 2)."""
        now = self._now()
        said = {
            "iss": self.issuer,
            "aud": client.id,
            "iat": now,
            "exp": now + IDENTITY_SECONDS,
            "nonce": nonce,
            "sub": self.subject(login.persona),
            **_organisation(client, login),
            **_person(login),
        }
        return jws.sign(self.key, {"typ": "JWT", "kid": self.key.thumbprint}, said)

    def subject(self, persona: Persona) -> str:
        """A name for the person that says nothing: a person number is enumerable, so it is hashed under a key."""
        secret = self.key.private_jwk()["d"].encode()
        return jws.encoded(hmac.digest(secret, b"sub " + (persona.nin or persona.name).encode(), "sha256")[:16])

    def key_set(self) -> bytes:
        """The JWKS with which anybody verifies these tokens."""
        public = self.key.public_jwk() | {"use": "sig", "alg": "ES256", "kid": self.key.thumbprint}
        return json.dumps({"keys": [public]}).encode()

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def _organisation(client: Client, login: Login | None) -> dict[str, str]:
    owner = login.persona if login else client
    said = {
        "helseid://claims/client/claims/orgnr_parent": owner.organisation,
        "helseid://claims/client/claims/orgnr_child": owner.point_of_care,
    }
    return {name: number for name, number in said.items() if number}


def _person(login: Login) -> dict[str, Any]:
    persona = login.persona
    said: dict[str, Any] = {
        "name": persona.person_name,
        "sid": login.session,
        "auth_time": login.at,
        "idp": "kjerne-sandbox",
        "amr": ["sandbox"],
        "helseid://claims/identity/pid": persona.nin,
        "helseid://claims/identity/security_level": login.level,
        "helseid://claims/identity/assurance_level": _LEVELS[login.level],
    }
    if persona.hpr:
        said["helseid://claims/hpr/hpr_number"] = persona.hpr
    return said
