"""The provider as an ASGI application, and the one place where its refusals become answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.sandbox.sts import chooser
from kjerne.sandbox.sts.assertion import AssertionMint
from kjerne.sandbox.sts.clients import Client, Persona
from kjerne.sandbox.sts.mint import Mint
from kjerne.sandbox.sts.provider import Provider, Somebody, nobody
from kjerne.wire.dpop import Nonces
from kjerne.wire.jws import SigningKey

PATH = "/sts"


def issuer_of(public_url: str) -> str:
    """The provider's name, which is also its address."""
    return public_url.rstrip("/") + PATH


def minted(public_url: str, key: SigningKey, clock: Clock) -> Mint:
    """What signs the provider's tokens; its `key_set` is what a verifier needs."""
    return Mint(issuer_of(public_url), key, clock)


def asserted(public_url: str, key: SigningKey, clock: Clock) -> AssertionMint:
    """What signs the provider's SAML assertions; its `metadata` are what a verifier needs."""
    return AssertionMint.of(issuer_of(public_url), key, clock)


def sts_app(
    personas: Sequence[Persona],
    clock: Clock,
    key: SigningKey,
    public_url: str,
    clients: Sequence[Client],
    assertions: AssertionMint | None = None,
    somebody: Somebody = nobody,
) -> Starlette:
    """The provider at `public_url` + `/sts`. Its paths begin with `/sts`, so it is mounted without cutting them."""
    mint = minted(public_url, key, clock)
    nonces = Nonces(sha256(b"nonce" + key.private_jwk()["d"].encode()).digest(), clock)
    provider = Provider(
        personas, clients, mint, assertions or asserted(public_url, key, clock), clock, nonces, somebody
    )
    base = urlsplit(mint.issuer).path
    both = ["GET", "POST"]
    routes = [
        Route(f"{base}/.well-known/openid-configuration", provider.discovery),
        Route(f"{base}/.well-known/openid-configuration/jwks", provider.key_set),
        Route(f"{base}/saml/metadata", provider.metadata),
        Route(f"{base}/connect/par", provider.push, methods=["POST"]),
        Route(f"{base}/connect/authorize", provider.authorize, methods=both),
        Route(f"{base}/connect/token", provider.token, methods=["POST"]),
        Route(f"{base}/connect/userinfo", provider.userinfo, methods=both),
        Route(f"{base}/connect/endsession", provider.end_session, methods=both),
        Route(f"{base}/static/sts.css", _style),
    ]
    return Starlette(routes=routes, exception_handlers={Refusal: _refused})


async def _style(_: Request) -> Response:
    return Response(chooser.STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})


async def _refused(request: Request, error: Exception) -> Response:
    refusal = cast("Refusal", error)
    if request.url.path.endswith("/authorize"):
        language = chooser.language_of("", request.headers.get("accept-language", ""))
        base = request.url.path.partition("/connect/")[0]
        return chooser.message(language, base, refusal.says, status=refusal.status)
    content = {"error": refusal.code, "error_description": refusal.says}
    return JSONResponse(content, refusal.status, {"cache-control": "no-store"} | dict(refusal.headers))
