"""The one verifier of access tokens: RFC 9068 tokens, bound to a key by RFC 9449 (DPoP), as HelseID issues them.

One request carries exactly one `Authorization: DPoP` and exactly one `DPoP` header. A bearer token is refused, bound
or not, and so is a token in the address (FAPI 2.0 section 5.3.4). A token that held is remembered by its hash until
it expires, so a request costs one signature check: the proof's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.wire import attestation, jws
from kjerne.wire.dpop import SKEW_SECONDS, Nonces, NonceWanted, Proof, Proofs, token_hash
from kjerne.wire.jwks import Keys
from kjerne.wire.jws import NotGenuine

Replay = Callable[[bytes, int], Awaitable[bool]]
"""Notes a proof (digest, signed at); false where it was used before, `Refusal` 503 where that is not known."""

TOKEN_LIMIT_BYTES: Final = 16_384
REMEMBERED_TOKENS: Final = 10_000

_HELSEID: Final = {
    "pid": "helseid://claims/identity/pid",
    "security_level": "helseid://claims/identity/security_level",
    "assurance_level": "helseid://claims/identity/assurance_level",
    "hpr": "helseid://claims/hpr/hpr_number",
    "organisation": "helseid://claims/client/claims/orgnr_parent",
    "suborganisation": "helseid://claims/client/claims/orgnr_child",
}

_ASSURANCE: Final = {"low": 2, "substantial": 3, "high": 4}


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str = ""
    crit: Any = msgspec.UNSET


class _Confirmation(msgspec.Struct, frozen=True):
    jkt: str = ""


class _Actor(msgspec.Struct, frozen=True):
    """RFC 8693 section 4.1. `act` in it would be somebody before: a chain, which nobody here is to be at the end of."""

    sub: str = ""
    act: Any = msgspec.UNSET


class _Token(msgspec.Struct, rename=_HELSEID):
    iss: str
    aud: str | list[str]
    exp: float
    sub: str = ""
    nbf: float = 0
    iat: float = 0
    jti: str = ""
    client_id: str = ""
    scope: str | list[str] = ""
    cnf: _Confirmation = _Confirmation()
    nonce: str = ""
    name: str = ""
    pid: str = ""
    security_level: str | int = 0
    assurance_level: str = ""
    hpr: str = ""
    organisation: str = ""
    suborganisation: str = ""
    authorization_details: list[dict[str, Any]] = []
    act: _Actor = _Actor()


_HEADER = msgspec.json.Decoder(_Header)
_TOKEN = msgspec.json.Decoder(_Token)


class Verifier:
    """Verifies what a request's headers claim. A token is from `issuer` and for exactly one audience, which is ours.

    `keys` finds the issuer's key by id, `replay` is the table that all workers share. `seconds` is the oldest proof
    taken. With `nonces` each proof must also hold a nonce of ours.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        keys: Keys,
        clock: Clock,
        replay: Replay,
        *,
        seconds: int = 10,
        nonces: Nonces | None = None,
    ) -> None:
        self._issuer = issuer
        self._audiences = frozenset({audience} if isinstance(audience, str) else audience)
        self._keys = keys
        self._clock = clock
        self._replay = replay
        self._nonces = nonces
        self._proofs = Proofs(clock, seconds, nonces)
        self._remembered: dict[str, Claims] = {}

    async def verify(self, method: str, url: str, headers: Sequence[tuple[bytes, bytes]]) -> Claims:
        """The claims of the request's token, all checks done; `Refusal` 401 (400 where headers are doubled) otherwise.

        `url` is the address as the client wrote it, from settings and never from an unchecked Host header.
        """
        claims, proof = await self.check(method, url, headers)
        if not await self._replay(proof.digest, proof.signed_at):
            raise self.used_before()
        return claims

    def used_before(self) -> Refusal:
        """What a proof that was used before is answered with."""
        return self._refused("invalid_dpop_proof", "The DPoP proof was used before.", "Sign one per request.")

    async def check(self, method: str, url: str, headers: Sequence[tuple[bytes, bytes]]) -> tuple[Claims, Proof]:
        """All but the replay table, for a caller that notes the proof in the statement that reads the data."""
        token, proof = self._presented(url, headers)
        hashed = token_hash(token)
        claims = await self._claims(token, hashed)
        try:
            proven = self._proofs.check(proof, method, url, hashed)
        except NonceWanted:
            raise self._refused("use_dpop_nonce", "The proof needs the nonce in DPoP-Nonce.", "Sign again.") from None
        except NotGenuine as finding:
            raise self._refused("invalid_dpop_proof", f"The DPoP proof does not hold: {finding}.") from None
        if proven.key.thumbprint != claims.thumbprint:
            raise self._refused("invalid_token", "The access token belongs to another key than the DPoP proof's.")
        return claims, proven

    async def access_token(self, token: bytes) -> Claims:
        """An access token alone, as a page gets it straight from the issuer; it still must be bound to a key."""
        return await self._claims(token, token_hash(token))

    async def identity_token(self, token: bytes, client: str, nonce: str) -> Claims:
        """An ID token made for `client` in the login that sent `nonce` (OpenID Connect Core 3.1.3.7)."""
        said, typ = await self._signed(token)
        if typ.lower() not in ("", "jwt"):
            raise self._refused("invalid_token", "The token is not an ID token.")
        if _audiences(said) != [client] or not nonce or said.nonce != nonce or not said.sub:
            raise self._refused("invalid_token", "The ID token belongs to another client or another login.")
        return self._typed(said)

    def _presented(self, url: str, headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
        if "access_token" in url and "access_token" in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)):
            raise self._refused("invalid_request", "A token in the address is refused.", "Send it as a header.", 400)
        tokens = [value for name, value in headers if name == b"authorization"]
        proofs = [value for name, value in headers if name == b"dpop"]
        if not tokens:
            raise self._refused("", "The request has no access token.", "Send Authorization: DPoP and a DPoP proof.")
        if len(tokens) > 1 or len(proofs) > 1:
            raise self._refused("invalid_request", "Send exactly one Authorization and one DPoP header.", "", 400)
        scheme, _, token = tokens[0].partition(b" ")
        if scheme.lower() != b"dpop":
            raise self._refused("invalid_token", "Only the DPoP scheme is taken; a bearer token can be stolen.")
        if not proofs:
            raise self._refused("invalid_dpop_proof", "The request has no DPoP proof.", "Send one signed for it.")
        return token, proofs[0]

    async def _claims(self, token: bytes, hashed: str) -> Claims:
        claims = self._remembered.get(hashed)
        if claims is None:
            claims = await self._access(token)
            self._remember(hashed, claims)
        elif claims.expires_at <= self._clock.now().timestamp() - SKEW_SECONDS:
            raise self._expired()
        return claims

    def _remember(self, hashed: str, claims: Claims) -> None:
        while len(self._remembered) >= REMEMBERED_TOKENS:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[hashed] = claims

    async def _access(self, token: bytes) -> Claims:
        said, typ = await self._signed(token)
        if typ.lower().removeprefix("application/") != "at+jwt":
            raise self._refused("invalid_token", "The token is not an access token (typ at+jwt).")
        audiences = _audiences(said)
        if len(audiences) != 1 or audiences[0] not in self._audiences:
            raise self._refused("invalid_token", "The access token is for another audience, or for several.")
        if not said.jti or not said.client_id:
            raise self._refused("invalid_token", "The access token must name itself and its client (jti, client_id).")
        if not said.cnf.jkt:
            raise self._refused("invalid_token", "The access token is not bound to a key (cnf.jkt).")
        return self._typed(said)

    async def _signed(self, token: bytes) -> tuple[_Token, str]:
        try:
            said, typ = await self._genuine(token)
        except NotGenuine as finding:
            raise self._refused("invalid_token", f"The token does not hold: {finding}.") from None
        self._in_time(said)
        return said, typ

    async def _genuine(self, token: bytes) -> tuple[_Token, str]:
        if len(token) > TOKEN_LIMIT_BYTES:
            raise NotGenuine("it is too long")
        head, body, seal = jws.split(token)
        header = jws.read(_HEADER, head)
        if header.alg not in jws.ALGORITHMS or header.crit is not msgspec.UNSET:
            raise NotGenuine("its algorithm is not allowed, or crit names unknown extensions")
        key = await self._keys(header.kid)
        if key is None:
            raise NotGenuine("its key is not one of the issuer's")
        jws.verify(key, header.alg, token[: len(head) + 1 + len(body)], jws.decoded(seal))
        return jws.read(_TOKEN, body), header.typ

    def _in_time(self, said: _Token) -> None:
        if said.iss != self._issuer:
            raise self._refused("invalid_token", "The token is another issuer's.")
        now = self._clock.now().timestamp()
        if said.exp <= now - SKEW_SECONDS:
            raise self._expired()
        if max(said.nbf, said.iat) > now + SKEW_SECONDS:
            raise self._refused("invalid_token", "The token is not valid yet.", "Check the clock.")

    def _typed(self, said: _Token) -> Claims:
        if said.act.act is not msgspec.UNSET:
            raise self._refused("invalid_token", "The token names a chain of actors; one acts for a person.")
        try:
            attestations = attestation.read(said.authorization_details)
            errands = attestation.errands(said.authorization_details)
        except msgspec.ValidationError as error:
            raise self._refused("invalid_token", "A member of the details is malformed.", str(error)) from None
        return Claims(
            subject=said.sub,
            client=said.client_id,
            scopes=frozenset(said.scope.split() if isinstance(said.scope, str) else said.scope),
            jti=said.jti,
            expires_at=int(min(said.exp, 2**53)),
            thumbprint=said.cnf.jkt,
            pid=said.pid,
            name=said.name,
            hpr=said.hpr,
            level=_level(said),
            organisation=said.organisation,
            suborganisation=said.suborganisation,
            attestations=attestations,
            errands=errands,
            actor=said.act.sub,
        )

    def _expired(self) -> Refusal:
        return self._refused("invalid_token", "The access token has expired.", "Fetch a new one.")

    def _refused(self, error: str, says: str, todo: str = "", status: int = 401) -> Refusal:
        """The refusal with the challenge of RFC 9449 section 7.1; a request without any token gets no error code."""
        told = f'error="{error}", error_description="{says}", ' if error else ""
        headers = [("www-authenticate", f'DPoP {told}algs="{" ".join(jws.ALGORITHMS)}"')]
        if self._nonces:
            headers.append(("dpop-nonce", self._nonces.current()))
        return Refusal(status, says, where="Authorization", todo=todo, code="login", rule=error, headers=tuple(headers))


def _audiences(said: _Token) -> list[str]:
    return [said.aud] if isinstance(said.aud, str) else said.aud


def _level(said: _Token) -> int:
    """The security level, 0 where none is said; where both claims are there the weaker one counts."""
    text = str(said.security_level)
    levels = [int(text)] if text in ("1", "2", "3", "4") else []
    if said.assurance_level:
        levels.append(_ASSURANCE.get(said.assurance_level, 1))
    return min(levels, default=0)
