"""The clinician's pages as a SMART app: an EHR launches them, and tells who is open in it (SMART App Launch 2.2, EHR launch).

Only who the patient is is taken from the EHR. Who reads, and by which right, is her own login's and the law's, as on every page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.registries.health_systems import HealthSystem, HealthSystems
from kjerne.registries.naming import is_national

Http = httpx.AsyncClient
"""What calls out from here: to EHRs that an operator has registered, and to where their own configuration has their log-in."""
SCOPES: Final = "launch openid fhirUser patient/Patient.rs"
ASSERTION_SECONDS: Final = 30
ANSWER_LIMIT_BYTES: Final = 1_000_000
_HPR: Final = "helseid://claims/hpr/hpr_number"
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ELEVEN: Final = re.compile(r"[0-9]{11}")
_LAUNCH_LONGEST: Final = 2_000
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Pending:
    """A launch under way, sealed in a cookie of its own until the EHR sends the browser back."""

    state: str
    verifier: str = field(repr=False)
    fhir: str
    token_endpoint: str
    asserted: bool
    at: datetime


class Open(NamedTuple):
    """Who is open in the EHR, by her number, and who has opened her there, where it says so by an HPR number."""

    number: str
    hpr: str


class Launcher(Protocol):
    """The EHRs that launch the pages, seen from them."""

    async def begin(self, fhir: str, launch: str) -> tuple[str, Pending]:
        """The address the browser goes to, and what is remembered until it is back. `Refusal` 403 for an EHR that is not
        registered."""
        ...

    async def finish(self, pending: Pending, query: Mapping[str, str]) -> Open:
        """Who is open there. `Refusal` 403 where the answer does not fit, 503 where the EHR does not answer."""
        ...


@dataclass(frozen=True)
class SmartApp:
    """Speaks to registered EHRs, with `key` where one asks for more than PKCE. Follows no redirect."""

    systems: HealthSystems
    key: ECKey
    redirect_uri: str
    http: Http
    clock: Clock

    async def begin(self, fhir: str, launch: str) -> tuple[str, Pending]:
        system = self._registered(fhir)
        if not 0 < len(launch) <= _LAUNCH_LONGEST:
            raise Refusal(403, "The launch is missing.", where="smart_failed")
        told = await self._told("GET", f"{system.fhir.rstrip('/')}/.well-known/smart-configuration")
        authorize, token = (self._address(told, f"{name}_endpoint") for name in ("authorization", "token"))
        asserted = "private_key_jwt" in told.get("token_endpoint_auth_methods_supported", ())
        pending = Pending(
            secrets.token_urlsafe(24), secrets.token_urlsafe(48), system.fhir, token, asserted, self.clock.now()
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "client_id": system.app, "redirect_uri": self.redirect_uri, "scope": SCOPES,
            "state": pending.state, "aud": fhir, "launch": launch, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{authorize}{'&' if '?' in authorize else '?'}{urlencode(asked)}", pending

    async def finish(self, pending: Pending, query: Mapping[str, str]) -> Open:
        system = self._registered(pending.fhir)
        if not secrets.compare_digest(query.get("state", ""), pending.state) or not query.get("code"):
            raise Refusal(403, "The answer belongs to another launch, or the EHR refused it.", where="smart_failed")
        form = {
            "grant_type": "authorization_code", "code": query["code"], "redirect_uri": self.redirect_uri,
            "client_id": system.app, "code_verifier": pending.verifier,
        }  # fmt: skip
        if pending.asserted:
            form |= {
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._assertion(system, pending.token_endpoint),
            }
        told = await self._told("POST", pending.token_endpoint, data=form)
        patient, token = str(told.get("patient", "")), str(told.get("access_token", ""))
        if not _ID.fullmatch(patient) or not token:
            raise Refusal(403, "The EHR has told of no patient.", where="smart_patient")
        at = f"{system.fhir.rstrip('/')}/Patient/{patient}"
        accept = {"authorization": f"Bearer {token}", "accept": "application/fhir+json"}
        number = _number(await self._told("GET", at, headers=accept))
        if not number:
            raise Refusal(403, "The EHR has told of a patient without a national number.", where="smart_patient")
        return Open(number, _hpr(str(told.get("id_token", ""))))

    def _registered(self, fhir: str) -> HealthSystem:
        system = self.systems.launching(fhir)
        if system is None:
            raise Refusal(403, "No EHR is registered at this address.", where="smart")
        return system

    def _address(self, told: Mapping[str, Any], name: str) -> str:
        address = str(told.get(name, ""))
        parts = urlsplit(address)
        here = self.systems.sandbox and parts.hostname in ("127.0.0.1", "localhost")
        if not parts.hostname or "@" in parts.netloc or (parts.scheme != "https" and not here):
            raise Refusal(503, "The EHR tells of an address that is none.", where="smart_failed")
        return address

    async def _told(self, method: str, url: str, **what: Any) -> dict[str, Any]:
        try:
            answer = await self.http.request(method, url, **what)
            found = answer.json() if answer.is_success and len(answer.content) <= ANSWER_LIMIT_BYTES else None
        except (httpx.HTTPError, ValueError) as cause:
            raise Refusal(503, "The EHR did not answer.", where="smart_failed") from cause
        if not isinstance(found, dict):
            raise Refusal(403, "The EHR did not accept the launch.", where="smart_failed")
        return found

    def _assertion(self, system: HealthSystem, audience: str) -> str:
        now = int(self.clock.now().timestamp())
        said = {"iss": system.app, "sub": system.app, "aud": audience, "jti": str(uuid4()), "iat": now}
        header = {"alg": "ES256", "typ": "JWT", "kid": self.key.thumbprint()}
        return jwt.encode(header, said | {"exp": now + ASSERTION_SECONDS}, self.key)


def _number(patient: Mapping[str, Any]) -> str:
    """Her national number, one in use before one of old."""
    identifiers = [one for one in patient.get("identifier", ()) if isinstance(one, dict) and one.get("system")]
    found = [one for one in identifiers if is_national(one["system"]) and _ELEVEN.fullmatch(str(one.get("value", "")))]
    ordered = sorted(found, key=lambda one: one.get("use") == "old")
    return str(ordered[0]["value"]) if ordered and patient.get("resourceType") == "Patient" else ""


def _hpr(id_token: str) -> str:
    """Who is logged in there. It comes from the EHR itself over TLS (OpenID Connect Core 3.1.3.7); it can only narrow."""
    try:
        body = id_token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(said.get(_HPR, ""))
    except (IndexError, ValueError, AttributeError):
        return ""
