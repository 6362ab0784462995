"""What a client asks for: the pushed authorization request (RFC 9126), checked whole before anybody logs in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kjerne.access import ALL_PATIENTS
from kjerne.errors import Refusal
from kjerne.fhir import smart
from kjerne.registries import identifiers
from kjerne.sandbox.sts.clients import (
    AUDIENCES,
    CITIZEN_SCOPES,
    IDENTITY_SCOPES,
    OPERATOR_ROLE,
    OPERATOR_SCOPES,
    PORTAL_SCOPES,
    Client,
    Persona,
)
from kjerne.wire import attestation

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_DETAILS = msgspec.json.Decoder(list[dict[str, Any]])
_FREE_TEXT_LIMIT_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class Pushed:
    """A request that holds. `thumbprint` binds the code to the key that pushed (RFC 9449 section 10.1).

    `person_number` and `level` are the test parameters with which a program skips the login page.
    """

    client: Client
    redirect: str
    scopes: tuple[str, ...]
    audience: str
    state: str
    nonce: str
    challenge: str
    details: tuple[dict[str, Any], ...] = field(repr=False)
    thumbprint: str = ""
    person_number: str = field(default="", repr=False)
    level: str = "4"
    language: str = ""

    def fits(self, persona: Persona) -> bool:
        """Whether this persona can be the answer: staff for staff's scopes, the operator for hers, anybody for a
        citizen's."""
        if persona.kind == "system":
            return False
        ours = {scope for scope in self.scopes if scope not in IDENTITY_SCOPES and not smart.is_smart(scope)}
        if ours and ours <= set(OPERATOR_SCOPES):
            return persona.role == OPERATOR_ROLE
        if not self.details and ours <= set(CITIZEN_SCOPES):
            return True
        return persona.kind == "practitioner" and persona.role != OPERATOR_ROLE and not ours & set(OPERATOR_SCOPES)


def pushed(client: Client, form: Mapping[str, str], thumbprint: str) -> Pushed:
    """The request in `form`, or `Refusal` 400 with OAuth's error code."""
    if "authorization_code" not in client.grants:
        raise Refusal(400, "The client has no login.", code="unauthorized_client")
    _demand(form.get("response_type") == "code", "response_type must be code.", "unsupported_response_type")
    _demand("request_uri" not in form, "request_uri cannot be pushed.")
    _demand(client.may_return_to(form.get("redirect_uri", "")), "redirect_uri is not registered.")
    _demand(form.get("code_challenge_method") == "S256", "PKCE with S256 is mandatory.")
    _demand(bool(_CHALLENGE.fullmatch(form.get("code_challenge", ""))), "code_challenge must be 43 characters.")
    _demand(not thumbprint or form.get("dpop_jkt", thumbprint) == thumbprint, "dpop_jkt is another key's.")
    _demand(form.get("test_security_level", "4") in ("2", "3", "4"), "test_security_level must be 2, 3 or 4.")
    for name in ("state", "nonce"):
        _demand(len(form.get(name, "")) <= _FREE_TEXT_LIMIT_CHARACTERS, f"{name} is too long.")
    scopes = scopes_of(client.scopes, form.get("scope", ""))
    return Pushed(
        client=client,
        redirect=form["redirect_uri"],
        scopes=scopes,
        audience=audience_of(scopes, form.get("resource", "")),
        state=form.get("state", ""),
        nonce=form.get("nonce", ""),
        challenge=form["code_challenge"],
        details=details_of(form.get("authorization_details", "")),
        thumbprint=thumbprint or form.get("dpop_jkt", ""),
        person_number=form.get("test_pid", ""),
        level=form.get("test_security_level", "4"),
        language=form.get("ui_locales", "").partition(" ")[0],
    )


def _demand(holds: bool, says: str, code: str = "invalid_request") -> None:
    if not holds:
        raise Refusal(400, says, code=code)


def scopes_of(registered: frozenset[str], asked: str) -> tuple[str, ...]:
    """The scopes asked for, in their order; one that the client is not `registered` with refuses the request.

    SMART scopes narrow the others, so every client may ask for them.
    """
    scopes = tuple(dict.fromkeys(asked.split()))
    _demand(bool(scopes), "scope is missing.", "invalid_scope")
    narrowing = [scope for scope in scopes if smart.is_smart(scope)]
    own = [scope for scope in scopes if scope not in narrowing]
    _demand(registered.issuperset(own), "The client is not registered with one of the scopes.", "invalid_scope")
    _demand(all(map(_is_understood, narrowing)), "A SMART scope is not understood.", "invalid_scope")
    as_citizen = [scope in PORTAL_SCOPES for scope in own if scope not in IDENTITY_SCOPES]
    _demand(len(set(as_citizen)) < 2, "Ask for a citizen's scopes or for staff's, not both.", "invalid_scope")
    return scopes


def _is_understood(scope: str) -> bool:
    try:
        smart.understood(scope)
    except Refusal:
        return False
    return True


def audience_of(scopes: Sequence[str], resource: str) -> str:
    """The one audience of the token: HelseID issues a token for one API at a time. The test client's is kjerne's, for all."""
    apis = [scope for scope in scopes if scope not in IDENTITY_SCOPES and not smart.is_smart(scope)]
    found = {_audience(scope) for scope in apis} or {"kjerne"}
    if ALL_PATIENTS in apis:
        found = {"kjerne"}
    if resource:
        found &= {resource}
    _demand(len(found) == 1 and found <= set(AUDIENCES), "Ask for the scopes of one audience.", "invalid_target")
    return found.pop()


def _audience(scope: str) -> str:
    return scope.partition("/")[0] if "/" in scope else scope.partition(":")[0]


def details_of(text: str) -> tuple[dict[str, Any], ...]:
    """`authorization_details`, of the trust framework's type only (RFC 9396 section 5)."""
    if not text:
        return ()
    try:
        details = _DETAILS.decode(text)
        attestation.read(details)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refusal(400, f"The details cannot be read: {error}.", code="invalid_authorization_details") from None
    known = len(details) == 1 and details[0].get("type") == attestation.TYPE
    _demand(known, f"Send one entry of type {attestation.TYPE}.", "invalid_authorization_details")
    return tuple(details)


def vouched(details: Sequence[dict[str, Any]], persona: Persona, at: int) -> tuple[dict[str, Any], ...]:
    """The details with the practitioner's identity from the login (ATT-11) and, if absent, the time of the attestation.

    `Refusal` 400 where the client names somebody else than who logged in.
    """
    return tuple(_with_identity(entry, persona, at) for entry in details)


def _with_identity(entry: dict[str, Any], persona: Persona, at: int) -> dict[str, Any]:
    # Attestations are read on the wire in two spellings; whoever is named in either must be the one who logged in.
    named = attestation.read([entry])[0].practitioner
    same = named.identifier.id in ("", persona.nin) and named.hpr_nr.id in ("", persona.hpr)
    _demand(same, "The attestation names another practitioner than the one who logged in.", "access_denied")
    practitioner = dict(entry.get("practitioner") or {})
    practitioner["identifier"] = {
        "id": persona.nin,
        "name": persona.person_name,
        "system": identifiers.parse(persona.nin, strict=False).system,
        "authority": "https://www.skatteetaten.no",
    }
    practitioner.pop("hpr-nr", None)
    practitioner.pop("hpr_nr", None)
    if persona.hpr:
        practitioner["hpr_nr"] = {
            "id": persona.hpr,
            "system": identifiers.OID_PERSON + "4",
            "authority": "https://www.helsedirektoratet.no",
        }
    return entry | {"practitioner": practitioner, "toa": entry.get("toa") or at}
