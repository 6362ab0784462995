"""How a client proves who it is, as HelseID demands: `private_key_jwt` (RFC 7523), signed requests (RFC 9101)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.sandbox.sts.clients import Client
from kjerne.sandbox.sts.state import Shelf
from kjerne.wire import jws
from kjerne.wire.jws import NotGenuine

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_SECONDS: Final = 60
"""The longest a client assertion may live (HelseID, sikkerhetsprofil)."""
SKEW_SECONDS: Final = 5
_ASSERTION_TYPES: Final = ("", "JWT", "client-authentication+jwt")
_REQUEST_TYPES: Final = ("", "JWT", "oauth-authz-req+jwt")


class _Header(msgspec.Struct):
    alg: str
    typ: str = ""
    crit: Any = msgspec.UNSET


class _Assertion(msgspec.Struct):
    iss: str
    aud: str | list[str]
    exp: float
    jti: str
    sub: str = ""
    nbf: float = 0
    iat: float = 0


_HEADER = msgspec.json.Decoder(_Header)
_ASSERTION = msgspec.json.Decoder(_Assertion)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Credentials:
    """Knows the clients, and which assertions were used."""

    def __init__(self, clients: Mapping[str, Client], issuer: str, clock: Clock) -> None:
        self._clients = clients
        self._issuer = issuer
        self._clock = clock
        self._used: Shelf[bool] = Shelf(clock, LIFE_SECONDS + 2 * SKEW_SECONDS)

    def client(self, form: Mapping[str, str]) -> Client:
        """The client that sent the form; `Refusal` 401 `invalid_client`."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _stranger("The client must prove itself with private_key_jwt.")
        token = form.get("client_assertion", "")
        try:
            # Who signed is read before the signature is checked: it only chooses the key to check with.
            client = self._clients.get(jws.read(_ASSERTION, jws.split(token.encode())[1]).iss)
            if client is None or form.get("client_id", client.id) != client.id:
                raise _stranger("The client is not registered, or client_id is another's.")
            said = jws.read(_ASSERTION, self._signed(client, token, _ASSERTION_TYPES))
        except NotGenuine as finding:
            raise _stranger(f"The client assertion does not hold: {finding}.") from None
        if said.sub != client.id:
            raise _stranger("The client assertion must have the client as iss and sub.")
        self._once(client, said)
        return client

    def request_object(self, client: Client, token: str) -> dict[str, str]:
        """The parameters in a signed request object, as text; they stand instead of those beside it (RFC 9101 6.3)."""
        try:
            body = self._signed(client, token, _REQUEST_TYPES)
            said = jws.read(_ASSERTION, body)
            parameters = jws.read(_OBJECT, body)
        except NotGenuine as finding:
            raise Refusal(400, f"The request object does not hold: {finding}.", code="invalid_request_object") from None
        if said.iss != client.id:
            raise Refusal(400, "The request object is another client's.", code="invalid_request_object")
        self._once(client, said)
        registered = {"iss", "aud", "exp", "jti", "sub", "nbf", "iat"}
        return {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in parameters.items()
            if name not in registered
        }

    def _signed(self, client: Client, token: str, types: tuple[str, ...]) -> bytes:
        head, body, seal = jws.split(token.encode())
        header = jws.read(_HEADER, head)
        if header.typ not in types or header.crit is not msgspec.UNSET:
            raise NotGenuine("typ or crit is not one that is understood here")
        key = jws.public_key(client.key.public_jwk())
        jws.verify(key, header.alg, head + b"." + body, jws.decoded(seal))
        return body

    def _once(self, client: Client, said: _Assertion) -> None:
        now = self._clock.now().timestamp()
        if self._issuer not in ([said.aud] if isinstance(said.aud, str) else said.aud):
            raise _stranger("The audience must be the issuer.")
        if not now - SKEW_SECONDS < said.exp <= now + LIFE_SECONDS + SKEW_SECONDS:
            raise _stranger(f"It must expire within {LIFE_SECONDS} seconds.")
        if max(said.nbf, said.iat) > now + SKEW_SECONDS:
            raise _stranger("It is not valid yet.")
        name = f"{client.id} {said.jti}"
        if not said.jti or self._used.see(name):
            raise _stranger("jti is missing or was used before.")
        self._used.put(name, value=True)


def _stranger(says: str) -> Refusal:
    return Refusal(401, says, code="invalid_client")
