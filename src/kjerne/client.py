"""The integrator's console: everything a client does before a national API answers it, in one call.

It asks the sandbox whom it can be, logs in there with an attestation about the patient (`kjerne.openid`), and signs
each request with the token's key. Nothing is kept on disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx
import msgspec

from kjerne.access import ALL_PATIENTS
from kjerne.clock import Clock, SystemClock
from kjerne.errors import Refusal
from kjerne.openid import Held, Login
from kjerne.registries import identifiers
from kjerne.registries.homes import SERVICE_BY_TYPE
from kjerne.wire.jws import SigningKey

EARLY_SECONDS: Final = 30
"""A token this close to its end is fetched anew, so that it does not expire on the way."""
IDENTITY: Final = ("openid", "profile", "helseid://scopes/identity/pid", "helseid://scopes/identity/security_level")
AUDIENCE_BY_PATH: Final[Mapping[str, str]] = {
    "pps": "nhn:pps",
    "v2": "nhn:pps",
    "fhir": "nhn:pps",
    "imports": "nhn:pps",
    "pmd": "nhn:pmd",
    "phr": "nhn:phr",
}
AUDIENCE_BY_SERVICE: Final[Mapping[str, str]] = {
    "critical-information": "nhn:critical-information",
    "record": "kjerne",
    "settlement": "kjerne",
}
"""Of the services whose types lie under `/fhir/R4` beside those of results."""
CRITICAL: Final = "/api/critical-information/"
"""The national interface of critical information, which has headers of its own."""
OF_THE_RECORD: Final = ("/v1/helseindikator/", "/api/session/")
"""What a clinician's system uses beside a patient's name, with a token of critical information."""
PORTAL_ROLE: Final = "citizen-portal"
POLICY_BY_PURPOSE: Final[Mapping[str, str]] = {"PATRQT": "0", "FAMRQT": "1", "PWATRNY": "2"}
"""The national access policy (ACP) that a citizen's purpose goes with, where she names none."""
_TRUST_FRAMEWORK: Final = "nhn:tillitsrammeverk:parameters"
_REPRESENTATION: Final = "kjerne:representation"


class Known(msgspec.Struct, frozen=True):
    """Somebody the sandbox lets one be (`/sandbox/personas.json`)."""

    name: str
    kind: str
    client: str
    title: str = ""
    role: str = ""
    nin: str = ""
    hpr: str = ""
    organisation: str = ""
    point_of_care: str = ""
    authorization: str = ""
    person_name: str = ""

    def __repr__(self) -> str:
        return f"Known({self.name})"


@dataclass(frozen=True, slots=True)
class _Need:
    """What a token is for: `patient` is a person number, `decision` names the decision of access."""

    patient: str = field(repr=False)
    purpose: str
    reason: str
    self_selected: bool
    decision: str
    portal: bool = False
    policy: str = ""


class _KnownClient(msgspec.Struct, frozen=True):
    id: str
    scopes: tuple[str, ...]
    key: dict[str, str]

    def __repr__(self) -> str:
        return f"_KnownClient({self.id})"


class _Sandbox(msgspec.Struct, frozen=True):
    issuer: str
    personas: tuple[Known, ...]
    clients: tuple[_KnownClient, ...]


class Client:
    """A sandbox platform at `url`, called as any of its personas about any of its patients."""

    def __init__(self, url: str, *, http: httpx.Client | None = None, clock: Clock | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = http or httpx.Client(trust_env=False, timeout=30)
        self._clock = clock or SystemClock()
        self._sandbox: _Sandbox | None = None
        self._logins: dict[str, Login] = {}
        self._tokens: dict[tuple[str, _Need, str], Held] = {}

    def personas(self) -> tuple[Known, ...]:
        """Everybody one can be."""
        return self._document().personas

    def openapi(self) -> dict[str, Any]:
        """What the platform says of its own addresses, in OpenAPI; open to everybody."""
        told: dict[str, Any] = self._http.get(self._url + "/openapi.json").raise_for_status().json()
        return told

    def token(
        self,
        as_: str,
        *,
        patient: str = "",
        purpose: str = "TREAT",
        reason: str = "",
        self_selected: bool = False,
        decision: str = "",
        path: str = "/pps",
        scope: str = "",
        portal: bool = False,
        policy: str = "",
        service: str = "",
        narrower: str = "",
    ) -> Held:
        """A token as the persona `as_`, for a practitioner with an attestation about `patient` (a person number).

        `self_selected` says that she gave herself the access, `reason` why; `decision` is the id of the decision in her
        own system, a new one where none is given. The scopes are the client's for the API at `path`, or for `service`, unless
        `scope` names others. A token is used again while it lives; another patient needs another. `portal` is for a citizen: the
        sandbox's citizen portal exchanges her login for a token about `patient`, herself unless it is somebody else. `policy` is
        the last number of the access policy (ACP) that the portal then signs: 3 as a guardian, else read off the purpose.
        `narrower` are SMART scopes beside the others.
        """
        need = _Need(patient, purpose, reason, self_selected, decision, portal, policy)
        own = scope or self._scopes(self._portal().name if portal else as_, path, service)
        wanted = (as_, need, f"{own} {narrower}".strip())
        held = self._tokens.get(wanted)
        if held is None or held.expires_at - EARLY_SECONDS < self._clock.now().timestamp():
            held = self._tokens[wanted] = self._fetched(self._persona(as_), *wanted[1:])
        return held

    def call(
        self,
        method: str,
        path: str,
        *,
        as_: str,
        patient: str = "",
        purpose: str = "TREAT",
        reason: str = "",
        self_selected: bool = False,
        decision: str = "",
        basis: str = "",
        form: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        portal: bool = False,
        policy: str = "",
        narrower: str = "",
        saml: bool = False,
        service: str = "",
    ) -> httpx.Response:
        """One request to the API, with all that it demands; the answer as it came.

        `service` is whose token goes along, where two services keep the type in the address. `narrower` are SMART scopes to be
        put beside the client's own. With `saml` the token is said as a SAML assertion, a
        new one for each request, and no proof goes with it.
        """
        held = self.token(
            as_,
            patient=patient,
            purpose=purpose,
            reason=reason,
            self_selected=self_selected,
            decision=decision,
            path=path,
            scope=f"{self._scopes(as_, path, service)} {narrower}" if narrower else "",
            portal=portal,
            policy=policy,
            service=service,
        )
        sent = {**self._asked(self._persona(as_), path, patient, basis), **(headers or {})}
        if form:
            body = str(httpx.QueryParams(list(form))).encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        # The proof names the address as it is sent: percent-encoded.
        url, nonce = str(httpx.URL(self._url + path)), ""
        if saml:
            asserted = self._login(self._portal() if portal else self._persona(as_)).in_saml(held)
            return self._http.request(method, url, content=body, headers=sent | {"authorization": f"SAML {asserted}"})
        for _ in range(2):
            proof = held.headers(method, url, self._clock.now().timestamp(), nonce)
            answer = self._http.request(method, url, content=body, headers=sent | proof)
            nonce = answer.headers.get("dpop-nonce", "")
            if "use_dpop_nonce" not in answer.headers.get("www-authenticate", ""):
                break
        return answer

    def _fetched(self, persona: Known, need: _Need, scope: str) -> Held:
        if need.portal:
            return self._through_portal(persona, need, scope)
        login = self._login(persona)
        if persona.kind == "system":
            return login.machine({"scope": scope})
        asked = {"scope": " ".join((*IDENTITY, scope)), "test_pid": persona.nin}
        if persona.kind == "practitioner" and need.patient:
            said = attestation(
                persona,
                need.patient,
                need.purpose,
                need.reason,
                self_selected=need.self_selected,
                decision=need.decision,
                at=int(self._clock.now().timestamp()),
            )
            asked["authorization_details"] = msgspec.json.encode([said]).decode()
        return login.person(asked)

    def _through_portal(self, persona: Known, need: _Need, scope: str) -> Held:
        """The portal logs the citizen in, and exchanges that login for her token."""
        login = self._login(self._portal())
        held = login.person({"scope": " ".join(IDENTITY), "test_pid": persona.nin})
        about = errand(need.patient or persona.nin, persona.nin, need.purpose, need.policy)
        said = msgspec.json.encode([about]).decode()
        return login.exchanged(str(held.answer["id_token"]), {"scope": scope, "authorization_details": said})

    def _portal(self) -> Known:
        return next(one for one in self.personas() if one.role == PORTAL_ROLE)

    def _asked(self, persona: Known, path: str, patient: str, basis: str) -> dict[str, str]:
        said = {"person-id": patient, "access-basis": basis, "requester-hpr-role": persona.authorization}
        if path.startswith("/phr/"):
            said = {"nhn-patient-nin": patient, "nhn-access-basis": basis}
        if path.startswith(CRITICAL):
            role = {"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": persona.authorization}
            said = {
                "nhn-patient-nin": patient,
                "nhn-access-basis": basis,
                "nhn-user-role": quote(msgspec.json.encode(role)) if persona.authorization else "",
                "nhn-source-system": "kjerne",
                "nhn-event-id": secrets.token_hex(16),
            }
        return {name: value for name, value in said.items() if value}

    def _scopes(self, as_: str, path: str, service: str) -> str:
        audience = AUDIENCE_BY_SERVICE.get(service) or audience_of(path)
        persona = self._persona(as_)
        own = [scope for scope in self._client(persona.client).scopes if "://" not in scope and ":" in scope]
        if ALL_PATIENTS in own:
            return " ".join(own)
        # A token is for one audience; where none of the client's is the address's own, it is asked with what opens results.
        for one in (audience, "nhn:pps"):
            if fitting := [scope for scope in own if scope.startswith((one + "/", one + ":"))]:
                return " ".join(fitting)
        return " ".join(own)

    def _login(self, persona: Known) -> Login:
        if persona.client not in self._logins:
            key = SigningKey.from_jwk(self._client(persona.client).key)
            issuer = self._document().issuer
            self._logins[persona.client] = Login(issuer, persona.client, key, self._http, self._clock)
        return self._logins[persona.client]

    def _persona(self, name: str) -> Known:
        for persona in self.personas():
            if persona.name == name:
                return persona
        known = ", ".join(persona.name for persona in self.personas())
        raise Refusal(404, "No persona has this name.", where="--as", todo=f"Choose one of: {known}.")

    def _client(self, name: str) -> _KnownClient:
        return next(client for client in self._document().clients if client.id == name)

    def _document(self) -> _Sandbox:
        if self._sandbox is None:
            answer = self._http.get(self._url + "/sandbox/personas.json").raise_for_status()
            self._sandbox = msgspec.json.decode(answer.content, type=_Sandbox)
        return self._sandbox


def audience_of(path: str) -> str:
    """Whose token an address asks for: under `/fhir/R4` that of the service which keeps the type, of a card its own."""
    first, *rest = path.partition("?")[0].strip("/").split("/")
    service = SERVICE_BY_TYPE.get(rest[1], "") if first == "fhir" and len(rest) > 1 else ""
    if path.startswith((CRITICAL, *OF_THE_RECORD)):
        service = "critical-information"
    if first == "cds-services" and rest:
        return AUDIENCE_BY_SERVICE.get(rest[0], "nhn:pps")
    return AUDIENCE_BY_SERVICE.get(service) or AUDIENCE_BY_PATH.get(first, "kjerne")


def errand(patient: str, citizen: str, purpose: str, policy: str = "") -> dict[str, Any]:
    """What the citizen came to the portal for. A purpose that is no citizen's is read off whom it is about.

    Herself: PATRQT. Somebody else: FAMRQT, as a parent, unless PWATRNY is asked for. `policy` is the last number of the access
    policy where another is meant than goes with the purpose.
    """
    if purpose not in POLICY_BY_PURPOSE:
        purpose = "PATRQT" if patient == citizen else "FAMRQT"
    person = identifiers.parse(patient, strict=False)
    return {
        "type": _REPRESENTATION,
        "patient": {"id": person.value, "system": person.system or identifiers.OID_PERSON + "1"},
        "purpose_of_use": {"code": purpose, "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
        "access_policy": f"urn:oid:2.16.578.1.12.4.1.7.2.1.{policy or POLICY_BY_PURPOSE[purpose]}",
    }


class Attesting(Protocol):
    """What an attestation is made of, of who is attested."""

    @property
    def authorization(self) -> str: ...
    @property
    def organisation(self) -> str: ...
    @property
    def point_of_care(self) -> str: ...


def attestation(
    persona: Attesting,
    patient: str,
    purpose: str,
    reason: str = "",
    *,
    self_selected: bool = False,
    decision: str = "",
    at: int,
) -> dict[str, Any]:
    """What the practitioner's organisation vouches for about one patient (Tillitsrammeverket v1.1), made at `at`."""
    organisation = identifiers.OID_PERSON + "101"
    person = identifiers.parse(patient, strict=False)
    return {
        "type": _TRUST_FRAMEWORK,
        "practitioner": {
            "authorization": {"code": persona.authorization, "system": "urn:oid:2.16.578.1.12.4.1.1.9060"},
            "legal_entity": {"id": persona.organisation, "system": organisation},
            "point_of_care": {"id": persona.point_of_care or persona.organisation, "system": organisation},
        },
        "care_relationship": {
            "purpose_of_use": {"code": purpose, "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
            "purpose_of_use_details": {
                "code": "BEHANDLER",
                "system": "urn:AuditEventHL7Norway/CodeSystem/carerelation",
            },
            "decision_ref": {
                "id": decision or secrets.token_hex(8),
                "description": reason,
                "user_selected": self_selected,
            },
        },
        "patients": [{"identifier": {"id": person.value, "system": person.system or identifiers.OID_PERSON + "1"}}],
        "toa": at,
    }
