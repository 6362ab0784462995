"""Token exchange (RFC 8693), two kinds of it.

A portal gives the citizen's login and gets a token that is hers, with itself as the actor. The login is the ID token that
this provider made for this very client; another client's, an access token or one that has expired is refused. Whether the
citizen may do the errand is not asked here: whoever takes the token asks the registers.

Whoever holds an access token of this provider, about an attestation or an errand, gets it said as a SAML assertion: she
proves with the token's own key that it is hers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kjerne.errors import Refusal
from kjerne.sandbox.sts.clients import Client, Persona
from kjerne.sandbox.sts.mint import Login
from kjerne.wire import attestation, jws
from kjerne.wire.jws import NotGenuine, PublicKey

IDENTITY_TYPE: Final = "urn:ietf:params:oauth:token-type:id_token"
ACCESS_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
SAML_TYPE: Final = "urn:ietf:params:oauth:token-type:saml2"
_DETAILS: Final = msgspec.json.Decoder(list[dict[str, Any]])


class _Header(msgspec.Struct):
    typ: str
    alg: str


class _LoggedIn(msgspec.Struct, rename={"pid": "helseid://claims/identity/pid",
                                        "level": "helseid://claims/identity/security_level"}):  # fmt: skip
    iss: str
    aud: str
    exp: int
    auth_time: int
    sid: str
    pid: str
    level: str


class _Bound(msgspec.Struct):
    jkt: str


class _Access(msgspec.Struct):
    """Of an access token, what is looked at before it is said in SAML; the rest goes with it as it stands."""

    iss: str
    client_id: str
    exp: int
    cnf: _Bound
    authorization_details: list[dict[str, Any]] = []


_HEADER: Final = msgspec.json.Decoder(_Header)
_LOGGED_IN: Final = msgspec.json.Decoder(_LoggedIn)
_ACCESS: Final = msgspec.json.Decoder(_Access)
_SAID: Final = msgspec.json.Decoder(dict[str, Any])


def login_of(
    form: Mapping[str, str], client: Client, issuer: str, key: PublicKey, personas: Sequence[Persona], now: float
) -> Login:
    """The login behind `subject_token`, or `Refusal` 400 with OAuth's error code."""
    if form.get("subject_token_type") != IDENTITY_TYPE:
        raise Refusal(400, f"subject_token_type must be {IDENTITY_TYPE}.", code="invalid_request")
    if "actor_token" in form:
        raise Refusal(400, "The client itself is the actor; an actor_token is not taken.", code="invalid_request")
    try:
        said = jws.read(_LOGGED_IN, _signed(form.get("subject_token", "").encode(), key, "JWT"))
    except NotGenuine as finding:
        raise Refusal(400, f"The subject token does not hold: {finding}.", code="invalid_grant") from None
    if said.iss != issuer or said.aud != client.id or said.exp <= now:
        raise Refusal(400, "The subject token is another client's, or has expired.", code="invalid_grant")
    persona = next((one for one in personas if one.nin == said.pid), None)
    if persona is None:
        raise Refusal(400, "The subject token is about nobody who is known here.", code="invalid_grant")
    return Login(persona, said.level, said.auth_time, said.sid)


def token_of(form: Mapping[str, str], client: Client, key: PublicKey, thumbprint: str, now: float) -> dict[str, Any]:
    """What the access token in `subject_token` says, or `Refusal` 400; `thumbprint` is that of the request's proof."""
    try:
        body = _signed(form.get("subject_token", "").encode(), key, "at+jwt")
        said = jws.read(_ACCESS, body)
        told = jws.read(_SAID, body)
    except NotGenuine as finding:
        raise Refusal(400, f"The subject token does not hold: {finding}.", code="invalid_grant") from None
    if said.client_id != client.id or said.cnf.jkt != thumbprint or said.exp <= now:
        raise Refusal(
            400, "The subject token is another client's or another key's, or has expired.", code="invalid_grant"
        )
    if len(said.authorization_details) != 1:
        raise Refusal(400, "Only a token with one attestation or errand is said in SAML.", code="invalid_request")
    return told


def _signed(token: bytes, key: PublicKey, typ: str) -> bytes:
    head, body, seal = jws.split(token)
    if jws.read(_HEADER, head).typ != typ:
        raise NotGenuine("it is a token of another type")
    jws.verify(key, "ES256", head + b"." + body, jws.decoded(seal))
    return body


def errand_of(text: str) -> tuple[dict[str, Any], ...]:
    """The one errand in `authorization_details`; `Refusal` 400 where it is none, or more."""
    try:
        details = _DETAILS.decode(text)
        errands = attestation.errands(details)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refusal(400, "The details cannot be read.", code="invalid_authorization_details") from None
    if len(details) != 1 or len(errands) != 1:
        says = f"Send one entry of type {attestation.REPRESENTATION}."
        raise Refusal(400, says, code="invalid_authorization_details")
    return tuple(details)
