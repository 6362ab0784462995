"""A clinician's system in the sandbox that launches SMART apps, for clients that know nothing of Norway's tokens.

SMART App Launch 2.2, EHR launch: public clients, PKCE, bearer tokens, a patient in the token's answer. Behind this door each
request goes on to the platform as the clinician's whose system it is: with a HelseID-shaped token, proof and attestation about
that patient, as her system would make them. The platform itself takes no bearer token (FAPI 2.0); production has no such door.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from kjerne.client import attestation, audience_of
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.fhir import smart
from kjerne.sandbox.sts.clients import STAFF_SCOPES, Client, Persona
from kjerne.sandbox.sts.forms import form_of
from kjerne.sandbox.sts.mint import ACCESS_SECONDS, Login, Mint
from kjerne.sandbox.sts.requests import vouched
from kjerne.sandbox.sts.state import Shelf
from kjerne.wire import dpop, jws
from kjerne.wire.jws import SigningKey

PATH: Final = "/smart"
BASE: Final = f"{PATH}/fhir/R4"
_BEHIND: Final = "/fhir/R4"
LAUNCH_SECONDS: Final = 300
CODE_SECONDS: Final = 60
_CLIENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CONTEXT: Final = frozenset(
    {"launch", "launch/patient", "openid", "fhirUser", "profile", "online_access", "offline_access"}
)
_NOT_SENT_ON: Final = frozenset((b"authorization", b"dpop", b"person-id", b"accept-encoding", b"cookie"))
CAPABILITIES: Final = (
    "launch-ehr", "client-public", "context-ehr-patient", "context-banner", "sso-openid-connect", "permission-patient",
    "permission-user", "permission-v1", "permission-v2",
)  # fmt: skip
CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*",
    "access-control-allow-methods": "*",
}
"""A SMART app may live in a browser; nothing here is about anybody real, and no cookie is heeded."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who has whom open in the sandbox's system."""

    persona: Persona
    number: str = field(repr=False)
    patient: str


@dataclass(frozen=True, slots=True)
class _Granted:
    client: str
    redirect: str
    scopes: tuple[str, ...]
    challenge: str
    nonce: str
    context: Context


@dataclass(frozen=True, slots=True)
class _Held:
    context: Context
    limits: tuple[str, ...]
    decision: str


class SmartSystem:
    """The system. `address` gives the id of a patient's FHIR Patient by her number, None where nobody has it; `staff` is the
    client that its tokens are issued to."""

    def __init__(
        self, personas: Sequence[Persona], mint: Mint, staff: Client, clock: Clock, public_url: str,
        address: Callable[[str], Awaitable[str | None]],
    ) -> None:  # fmt: skip
        self.base = public_url.rstrip("/") + BASE
        self._at = public_url.rstrip("/") + PATH
        self._home = public_url.rstrip("/")
        self._personas = {one.name: one for one in personas}
        self._mint, self._staff, self._clock, self._address = mint, staff, clock, address
        self._key = SigningKey.generate()
        self._launches: Shelf[Context] = Shelf(clock, LAUNCH_SECONDS)
        self._codes: Shelf[_Granted] = Shelf(clock, CODE_SECONDS)
        self._tokens: Shelf[_Held] = Shelf(clock, ACCESS_SECONDS)
        self.platform: Any = None
        """The platform behind the door, once it stands."""

    def app(self) -> Any:
        """What answers under `/smart`."""
        routes = [
            Route(f"{PATH}/launch", self.launch, methods=["POST"]),
            Route(f"{PATH}/authorize", self.authorize),
            Route(f"{PATH}/token", self.token, methods=["POST"]),
            Route(f"{BASE}/.well-known/smart-configuration", self.configuration),
        ]
        own = Starlette(routes=routes, exception_handlers={Refusal: _refused})

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            path = scope["path"]
            if scope["type"] == "http" and scope["method"] == "OPTIONS":
                await Response(status_code=204, headers=CORS)(scope, receive, send)
            elif path.startswith(BASE) and not path.endswith("/.well-known/smart-configuration"):
                await self._passed(scope, receive, send)
            else:
                await own(scope, receive, send)

        return answer

    async def launch(self, request: Request) -> Response:
        """A clinician presses an app's button: `persona` has `patient` open (a persona's name or a number), and the browser goes
        to `app` with `iss` and `launch`. The number stands in the form, and in no address."""
        form = await form_of(request)
        persona = self._personas.get(form.get("persona", ""))
        if persona is None or persona.kind != "practitioner":
            raise Refusal(400, "persona is the name of a clinician of the sandbox.", code="invalid_request")
        named = self._personas.get(form.get("patient", ""))
        number = named.nin if named else form.get("patient", "")
        patient = await self._address(number)
        if patient is None:
            raise Refusal(400, "patient is the name of a persona, or the number of somebody.", code="invalid_request")
        launch = secrets.token_urlsafe(24)
        self._launches.put(launch, Context(persona, number, patient))
        given = {"iss": self.base, "launch": launch}
        if not (app := form.get("app", "")):
            return JSONResponse(given, headers={"cache-control": "no-store"})
        if not self._is_loopback(app):
            raise Refusal(400, "app is an address on this machine.", code="invalid_request")
        return RedirectResponse(f"{app}{'&' if '?' in app else '?'}{urlencode(given)}", 303)

    async def configuration(self, _: Request) -> Response:
        """SMART App Launch 2.2, conformance."""
        told = {
            "issuer": self._mint.issuer,
            "jwks_uri": f"{self._mint.issuer}/.well-known/openid-configuration/jwks",
            "authorization_endpoint": f"{self._at}/authorize",
            "token_endpoint": f"{self._at}/token",
            "grant_types_supported": ["authorization_code"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["launch", "openid", "fhirUser", "patient/*.rs", "user/*.cruds"],
            "capabilities": list(CAPABILITIES),
        }
        return JSONResponse(told, headers=CORS)

    async def authorize(self, request: Request) -> Response:
        """The clinician is logged in already, so the browser goes straight back with a code."""
        asked = dict(request.query_params)
        redirect, client = asked.get("redirect_uri", ""), asked.get("client_id", "")
        if not _CLIENT.fullmatch(client) or not self._is_loopback(redirect):
            raise Refusal(
                400, "client_id is a plain name, redirect_uri an address on this machine.", code="invalid_request"
            )
        try:
            granted = self._granted(asked, client, redirect)
            code = secrets.token_urlsafe(32)
            self._codes.put(code, granted)
            answer = {"code": code}
        except Refusal as refusal:
            answer = {"error": refusal.code, "error_description": refusal.says}
        answer |= {"state": asked["state"]} if "state" in asked else {}
        return RedirectResponse(f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(answer)}", 303)

    def _granted(self, asked: Mapping[str, str], client: str, redirect: str) -> _Granted:
        scopes = tuple(dict.fromkeys(asked.get("scope", "").split()))
        limits = [scope for scope in scopes if scope not in _CONTEXT]
        _demand(asked.get("response_type") == "code", "response_type must be code.", "unsupported_response_type")
        _demand(asked.get("aud", "").rstrip("/") == self.base, "aud must be the address that iss was.")
        _demand(asked.get("code_challenge_method") == "S256", "PKCE with S256 is mandatory.")
        _demand(bool(_CHALLENGE.fullmatch(asked.get("code_challenge", ""))), "code_challenge must be 43 characters.")
        _demand("launch" in scopes, "The scope launch is missing: only its own system launches here.", "invalid_scope")
        _demand(all(map(smart.is_smart, limits)), "A scope is not of SMART.", "invalid_scope")
        for scope in limits:
            try:
                smart.understood(scope)
            except Refusal as refusal:
                raise Refusal(400, refusal.says, code="invalid_scope") from None
        context = self._launches.take(asked.get("launch", ""))
        if context is None:
            raise Refusal(400, "The launch was used, is too old, or is none.", code="invalid_request")
        return _Granted(client, redirect, scopes, asked["code_challenge"], asked.get("nonce", ""), context)

    async def token(self, request: Request) -> Response:
        """A bearer token for this door, and who is open: `patient` is the id of her Patient under `iss`."""
        form = await form_of(request)
        granted = self._codes.take(form.get("code", ""))
        _demand(
            form.get("grant_type") == "authorization_code",
            "grant_type must be authorization_code.",
            "unsupported_grant_type",
        )
        if granted is None or form.get("client_id", granted.client) != granted.client:
            raise Refusal(400, "The code is unknown, used, too old or another client's.", code="invalid_grant")
        _demand(
            form.get("redirect_uri") == granted.redirect, "redirect_uri is not the one of the request.", "invalid_grant"
        )
        answered = jws.encoded(sha256(form.get("code_verifier", "").encode()).digest())
        _demand(answered == granted.challenge, "code_verifier does not answer the challenge.", "invalid_grant")
        token = secrets.token_urlsafe(32)
        limits = tuple(scope for scope in granted.scopes if scope not in _CONTEXT)
        self._tokens.put(token, _Held(granted.context, limits, secrets.token_hex(8)))
        answer: dict[str, Any] = {
            "access_token": token, "token_type": "Bearer", "expires_in": ACCESS_SECONDS, "scope": " ".join(granted.scopes),
            "patient": granted.context.patient, "need_patient_banner": True,
        }  # fmt: skip
        if "openid" in granted.scopes:
            app = Client(granted.client, granted.client, self._key, frozenset(), frozenset())
            answer["id_token"] = self._mint.identity_token(app, granted.nonce, self._login(granted.context.persona))
        return JSONResponse(answer, headers={"cache-control": "no-store"} | CORS)

    async def _passed(self, scope: Any, receive: Any, send: Any) -> None:
        """One request of an app, as the clinician's whose system it is."""
        sent = {name: value for name, value in scope["headers"] if name == b"authorization"}
        scheme, _, token = sent.get(b"authorization", b"").decode("latin-1").partition(" ")
        held = self._tokens.see(token) if scheme.lower() == "bearer" else None
        path = scope["path"].removeprefix(PATH)
        headers = [one for one in scope["headers"] if one[0] not in _NOT_SENT_ON]
        if held is not None:
            host = next(
                (value.decode("latin-1") for name, value in headers if name == b"host"), urlsplit(self._home).netloc
            )
            headers += self._proven(held, scope["method"], f"{urlsplit(self._home).scheme}://{host}{path}")
        raw = scope.get("raw_path")
        onward = {**scope, "path": path, "headers": headers} | (
            {"raw_path": raw.removeprefix(PATH.encode())} if raw else {}
        )
        await self.platform(onward, receive, _Renaming(send, self._home + _BEHIND, self.base))

    def _proven(self, held: _Held, method: str, url: str) -> list[tuple[bytes, bytes]]:
        now, persona = int(self._clock.now().timestamp()), held.context.persona
        audience = audience_of(urlsplit(url).path)
        own = [one for one in STAFF_SCOPES if one.startswith((f"{audience}/", f"{audience}:"))]
        said = attestation(persona, held.context.number, "TREAT", decision=held.decision, at=now)
        details = vouched([said], persona, now)
        token = self._mint.access_token(
            self._staff, [*own, *held.limits], audience, self._key.thumbprint, self._login(persona), details
        )
        proof = dpop.proof(self._key, method, url, jti=secrets.token_urlsafe(16), at=now, token=token)
        return [
            (b"authorization", f"DPoP {token}".encode()), (b"dpop", proof.encode()),
            (b"person-id", held.context.number.encode()),
        ]  # fmt: skip

    def _login(self, persona: Persona) -> Login:
        return Login(persona, "4", int(self._clock.now().timestamp()))

    def _is_loopback(self, address: str) -> bool:
        parts = urlsplit(address)
        own = urlsplit(self._home)
        here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
        return (here or (parts.scheme, parts.netloc) == (own.scheme, own.netloc)) and "@" not in parts.netloc


class _Renaming:
    """Sends an answer on with links that lead to this door, since what they are followed with is good here alone."""

    def __init__(self, send: Any, inner: str, outer: str) -> None:
        self._send, self._inner, self._outer = send, inner.encode(), outer.encode()
        self._start: dict[str, Any] = {}
        self._body = b""

    async def __call__(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = dict(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._body.replace(self._inner, self._outer)
        kept = [(name, value.replace(self._inner, self._outer)) for name, value in self._start["headers"]]
        lines = [one for one in kept if one[0] != b"content-length"]
        lines += [(b"content-length", b"%d" % len(body)), *((n.encode(), v.encode()) for n, v in CORS.items())]
        await self._send({**self._start, "headers": lines})
        await self._send({"type": "http.response.body", "body": body})


def _demand(holds: bool, says: str, code: str = "invalid_request") -> None:
    if not holds:
        raise Refusal(400, says, code=code)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    content = {"error": error.code, "error_description": error.says}
    return JSONResponse(content, error.status, {"cache-control": "no-store"} | CORS)
