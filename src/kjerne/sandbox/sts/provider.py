"""The provider's endpoints: one function each, from a Starlette request to its answer.

Paths are those of HelseID's own server (`/connect/par`, `/connect/authorize`, `/connect/token` ...), under `/sts`.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.sandbox.sts import chooser
from kjerne.sandbox.sts.assertion import ASSERTION_SECONDS, METADATA_TYPE, AssertionMint
from kjerne.sandbox.sts.clients import AUDIENCES, EXCHANGE, IDENTITY_SCOPES, Client, Persona
from kjerne.sandbox.sts.credentials import Credentials
from kjerne.sandbox.sts.exchange import ACCESS_TYPE, SAML_TYPE, errand_of, login_of, token_of
from kjerne.sandbox.sts.forms import form_of
from kjerne.sandbox.sts.mint import ACCESS_SECONDS, Login, Mint
from kjerne.sandbox.sts.requests import Pushed, audience_of, pushed, scopes_of, vouched
from kjerne.sandbox.sts.state import Shelf
from kjerne.wire import attestation, jws
from kjerne.wire.dpop import Nonces, NonceWanted, Proof, Proofs
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.jws import NotGenuine
from kjerne.wire.oauth import Verifier

LOGIN_SECONDS: Final = 600
CODE_SECONDS: Final = 60
OTHERS_REMEMBERED: Final = 1_000
PROOF_SECONDS: Final = 10
REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"
_HINT = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class _Granted:
    """A login that ended well, until its code is redeemed."""

    request: Pushed
    login: Login
    details: tuple[dict[str, Any], ...] = field(repr=False)


Somebody = Callable[[str], Awaitable[Persona | None]]
"""Who of the register has a number and may log in, beside the personas."""


async def nobody(_: str) -> Persona | None:
    """Where there is no register beside the personas."""
    return None


class Provider:
    """The provider over its personas and clients; holds logins under way, codes, and what was used once."""

    def __init__(
        self,
        personas: Sequence[Persona],
        clients: Sequence[Client],
        mint: Mint,
        assertions: AssertionMint,
        clock: Clock,
        nonces: Nonces,
        somebody: Somebody = nobody,
    ) -> None:
        self.issuer = mint.issuer
        self._base = urlsplit(mint.issuer).path
        self._personas = personas
        self._clients = {client.id: client for client in clients}
        self._mint = mint
        self._assertions = assertions
        self._clock = clock
        self._nonces = nonces
        self._somebody = somebody
        self._others: dict[str, Persona] = {}
        self._proofs = Proofs(clock, PROOF_SECONDS, nonces)
        self._credentials = Credentials(self._clients, mint.issuer, clock)
        self._pushed: Shelf[Pushed] = Shelf(clock, LOGIN_SECONDS)
        self._codes: Shelf[_Granted] = Shelf(clock, CODE_SECONDS)
        self._used: Shelf[bool] = Shelf(clock, 2 * PROOF_SECONDS, limit=100_000)
        self._own = jws.public_key(mint.key.public_jwk())
        self._verifier = Verifier(mint.issuer, AUDIENCES, FixedKeys(mint.key_set()), clock, self._first_use)

    async def discovery(self, _: Request) -> Response:
        """OpenID Connect Discovery and RFC 8414."""
        at = self.issuer + "/connect/"
        algorithms = list(jws.ALGORITHMS)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "jwks_uri": self.issuer + "/.well-known/openid-configuration/jwks",
                "pushed_authorization_request_endpoint": at + "par",
                "require_pushed_authorization_requests": True,
                "authorization_endpoint": at + "authorize",
                "authorization_response_iss_parameter_supported": True,
                "token_endpoint": at + "token",
                "userinfo_endpoint": at + "userinfo",
                "end_session_endpoint": at + "endsession",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "client_credentials", EXCHANGE],
                "scopes_supported": sorted({scope for one in self._clients.values() for scope in one.scopes}),
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": algorithms,
                "request_parameter_supported": True,
                "request_object_signing_alg_values_supported": algorithms,
                "dpop_signing_alg_values_supported": algorithms,
                "authorization_details_types_supported": [attestation.TYPE, attestation.REPRESENTATION],
                "ui_locales_supported": ["nb", "en"],
            }
        )

    async def key_set(self, _: Request) -> Response:
        """The JWKS."""
        return Response(self._mint.key_set(), media_type="application/json")

    async def push(self, request: Request) -> Response:
        """RFC 9126: the request is sent by the client itself, checked, and gets a name for one use."""
        form = await form_of(request)
        client = self._credentials.client(form)
        if "request" in form:
            form = self._credentials.request_object(client, form["request"])
        proof = self._proof(request) if "dpop" in request.headers else None
        held = pushed(client, form, proof.key.thumbprint if proof else "")
        name = REQUEST_URI + secrets.token_urlsafe(24)
        self._pushed.put(name, held)
        return self._json({"request_uri": name, "expires_in": LOGIN_SECONDS}, 201)

    async def authorize(self, request: Request) -> Response:
        """The login page, or, after a choice on it, the way back to the client with a code."""
        asked = await form_of(request) if request.method == "POST" else dict(request.query_params)
        name = asked.get("request_uri", "")
        held = self._pushed.see(name)
        if held is None or held.client.id != asked.get("client_id"):
            raise Refusal(400, "The request was not pushed (PAR), is too old, or is another client's.")
        if held.person_number:
            return self._back(name, held, await self._numbered(held.person_number))
        language = chooser.language_of(asked.get("lang", held.language), request.headers.get("accept-language", ""))
        if request.method == "POST" and "number" in asked:
            chosen = await self._numbered(asked["number"])
            if chosen is None:
                return chooser.chooser(held, name, self._personas, language, self._base, unknown=True)
            return self._back(name, held, chosen)
        if request.method == "POST":
            slug = asked.get("persona", "")
            return self._back(name, held, next((one for one in self._personas if one.name == slug), None))
        return chooser.chooser(held, name, self._personas, language, self._base)

    async def _numbered(self, number: str) -> Persona | None:
        """Whoever has a number: a persona, or somebody else of the sandbox's register, who is a citizen then."""
        number = "".join(number.split())
        known = (*self._personas, *self._others.values())
        if (persona := next((one for one in known if one.nin == number), None)) is not None:
            return persona
        found = await self._somebody(number)
        if found is not None:
            if len(self._others) >= OTHERS_REMEMBERED:
                self._others.pop(next(iter(self._others)))
            self._others[number] = found
        return found

    def _back(self, name: str, held: Pushed, persona: Persona | None) -> Response:
        """To the client with a code for this persona; with `access_denied` where nobody or a wrong one was chosen."""
        self._pushed.take(name)
        now = int(self._clock.now().timestamp())
        answer = {"iss": self.issuer} | ({"state": held.state} if held.state else {})
        try:
            if persona is None or not held.fits(persona):
                raise Refusal(
                    400, "Nobody was chosen, or somebody whom the request does not fit.", code="access_denied"
                )
            details = vouched(held.details, persona, now)
        except Refusal as refusal:
            answer |= {"error": refusal.code, "error_description": refusal.says}
        else:
            code = secrets.token_urlsafe(32)
            self._codes.put(code, _Granted(held, Login(persona, held.level, now), details))
            answer["code"] = code
        joint = "&" if "?" in held.redirect else "?"
        return RedirectResponse(held.redirect + joint + urlencode(answer), 303, {"cache-control": "no-store"})

    async def token(self, request: Request) -> Response:
        """A token for a code or for the client itself, bound to the key of the DPoP proof."""
        form = await form_of(request)
        client = self._credentials.client(form)
        proof = self._proof(request)
        grant = form.get("grant_type", "")
        if grant not in client.grants:
            raise Refusal(400, "The client may not use this grant.", code="unauthorized_client")
        answers = {"authorization_code": self._redeemed, "client_credentials": self._machine, EXCHANGE: self._exchanged}
        answer = answers[grant](client, form, proof)
        return self._json({"token_type": "DPoP", "expires_in": ACCESS_SECONDS, **answer})

    def _redeemed(self, client: Client, form: Mapping[str, str], proof: Proof) -> dict[str, Any]:
        granted = self._codes.take(form.get("code", ""))
        if granted is None or granted.request.client.id != client.id:
            raise Refusal(400, "The code is unknown, used, too old or another client's.", code="invalid_grant")
        asked = granted.request
        if form.get("redirect_uri", asked.redirect) != asked.redirect:
            raise Refusal(400, "redirect_uri is not the one of the request.", code="invalid_grant")
        if jws.encoded(sha256(form.get("code_verifier", "").encode()).digest()) != asked.challenge:
            raise Refusal(400, "code_verifier does not answer the challenge.", code="invalid_grant")
        if asked.thumbprint not in ("", proof.key.thumbprint):
            raise Refusal(400, "The code is bound to another key.", code="invalid_grant")
        answer: dict[str, Any] = {
            "access_token": self._mint.access_token(
                client, asked.scopes, asked.audience, proof.key.thumbprint, granted.login, granted.details
            ),
            "scope": " ".join(asked.scopes),
        }
        if granted.details:
            answer["authorization_details"] = granted.details
        if "openid" in asked.scopes:
            answer["id_token"] = self._mint.identity_token(client, asked.nonce, granted.login)
        return answer

    def _machine(self, client: Client, form: Mapping[str, str], proof: Proof) -> dict[str, Any]:
        scopes = scopes_of(client.scopes, form.get("scope", ""))
        if set(scopes) & set(IDENTITY_SCOPES):
            raise Refusal(400, "A machine has no identity scopes.", code="invalid_scope")
        audience = audience_of(scopes, form.get("resource", ""))
        token = self._mint.access_token(client, scopes, audience, proof.key.thumbprint)
        return {"access_token": token, "scope": " ".join(scopes)}

    def _exchanged(self, client: Client, form: Mapping[str, str], proof: Proof) -> dict[str, Any]:
        """RFC 8693: the citizen's token, for one errand of hers at the portal that is the client; or a token in SAML."""
        wanted = form.get("requested_token_type", ACCESS_TYPE)
        if wanted == SAML_TYPE and form.get("subject_token_type") == ACCESS_TYPE:
            return self._in_saml(client, form, proof)
        if wanted != ACCESS_TYPE:
            raise Refusal(400, f"requested_token_type must be {ACCESS_TYPE}.", code="invalid_request")
        if not client.exchanged:
            raise Refusal(400, "The client is no citizen portal.", code="unauthorized_client")
        known = (*self._personas, *self._others.values())
        login = login_of(form, client, self.issuer, self._own, known, self._clock.now().timestamp())
        scopes = scopes_of(client.exchanged, form.get("scope", ""))
        audience = audience_of(scopes, form.get("resource", ""))
        details = errand_of(form.get("authorization_details", ""))
        token = self._mint.access_token(
            client, scopes, audience, proof.key.thumbprint, login, details, acting=True
        )  # fmt: skip
        return {"access_token": token, "issued_token_type": ACCESS_TYPE, "scope": " ".join(scopes)}

    def _in_saml(self, client: Client, form: Mapping[str, str], proof: Proof) -> dict[str, Any]:
        """RFC 8693 with SAML out: IHE IUA's SAML token, for one request."""
        said = token_of(form, client, self._own, proof.key.thumbprint, self._clock.now().timestamp())
        text = jws.encoded(self._assertions.assertion(said))
        return {
            "access_token": text,
            "issued_token_type": SAML_TYPE,
            "token_type": "N_A",
            "expires_in": ASSERTION_SECONDS,
        }

    async def metadata(self, _: Request) -> Response:
        """SAML metadata: with which certificate assertions of this provider are signed."""
        return Response(self._assertions.metadata(), media_type=METADATA_TYPE)

    async def userinfo(self, request: Request) -> Response:
        """OpenID Connect Core 5.3: who the token's person is, to a client that asked for `openid`."""
        url = self.issuer + "/connect/userinfo"
        claims = await self._verifier.verify(request.method, url, request.headers.raw)
        if "openid" not in claims.scopes:
            raise Refusal(403, "The token lacks the scope openid.", code="insufficient_scope")
        return self._json(_about(claims))

    async def end_session(self, request: Request) -> Response:
        """RP-initiated logout: back to the client, if the hint is our token and the address is registered."""
        asked = await form_of(request) if request.method == "POST" else dict(request.query_params)
        address = asked.get("post_logout_redirect_uri", "")
        client = self._hinted(asked.get("id_token_hint", ""))
        if client and address in client.logouts:
            state = urlencode({"state": asked["state"]}) if "state" in asked else ""
            return RedirectResponse(address + ("?" + state if state else ""), 303, {"cache-control": "no-store"})
        language = chooser.language_of("", request.headers.get("accept-language", ""))
        return chooser.message(language, self._base, status=200)

    def _hinted(self, token: str) -> Client | None:
        """The client an ID token of ours was made for; it may have expired long ago."""
        try:
            head, body, seal = jws.split(token.encode())
            jws.verify(self._own, "ES256", head + b"." + body, jws.decoded(seal))
            return self._clients.get(jws.read(_HINT, body).get("aud", ""))
        except NotGenuine:
            return None

    def _proof(self, request: Request) -> Proof:
        proofs = request.headers.getlist("dpop")
        if len(proofs) != 1:
            raise self._improper("Send exactly one DPoP proof.")
        try:
            proof = self._proofs.check(proofs[0].encode(), request.method, self._address(request))
        except NonceWanted:
            raise self._improper("Sign again with the nonce in DPoP-Nonce.", "use_dpop_nonce") from None
        except NotGenuine as finding:
            raise self._improper(f"The DPoP proof does not hold: {finding}.") from None
        if not self._note(proof.digest):
            raise self._improper("The DPoP proof was used before.")
        return proof

    def _improper(self, says: str, code: str = "invalid_dpop_proof") -> Refusal:
        return Refusal(400, says, code=code, headers=(("dpop-nonce", self._nonces.current()),))

    def _note(self, digest: bytes) -> bool:
        name = digest.hex()
        if self._used.see(name):
            return False
        self._used.put(name, value=True)
        return True

    async def _first_use(self, digest: bytes, _: int) -> bool:
        return self._note(digest)

    def _address(self, request: Request) -> str:
        path: str = request.scope["path"]
        return self.issuer + path.removeprefix(self._base)

    def _json(self, content: Mapping[str, Any], status: int = 200) -> Response:
        headers = {"cache-control": "no-store", "dpop-nonce": self._nonces.current()}
        return JSONResponse(dict(content), status, headers)


def _about(claims: Claims) -> dict[str, Any]:
    said = {
        "sub": claims.subject,
        "name": claims.name,
        "helseid://claims/identity/pid": claims.pid,
        "helseid://claims/identity/security_level": str(claims.level),
        "helseid://claims/hpr/hpr_number": claims.hpr,
    }
    return {name: value for name, value in said.items() if value}
