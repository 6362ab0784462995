"""An issuer's public keys, found by their key id (RFC 7517): from a file, or fetched and kept.

Nothing in a token decides where a key comes from: `jku`, `x5u` and `jwk` in a token's header are never followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import structlog

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.wire.jws import NotGenuine, PublicKey, public_key

Keys = Callable[[str], Awaitable[PublicKey | None]]
Fetch = Callable[[], Awaitable[bytes]]

KEEP_SECONDS: Final = 3600
"""How long fetched keys stand before they are asked for again, so that a withdrawn key leaves."""
RETRY_SECONDS: Final = 60
"""How long between two fetches, however many tokens name unknown keys."""
JWKS_LIMIT_BYTES: Final = 1_000_000

log = structlog.get_logger(__name__)


def key_set(jwks: bytes) -> dict[str, PublicKey]:
    """The keys of a JWKS that verify signatures, by `kid`; keys for encryption or of other families are passed by."""
    keys: dict[str, PublicKey] = {}
    for jwk in json.loads(jwks)["keys"]:
        if isinstance(jwk, dict):
            with contextlib.suppress(NotGenuine):
                key = public_key(jwk)
                keys[key.kid] = key
    return keys


class FixedKeys:
    """Keys from a file or from our own provider."""

    def __init__(self, jwks: bytes) -> None:
        self._keys = key_set(jwks)

    async def __call__(self, kid: str) -> PublicKey | None:
        return self._keys.get(kid)


class FetchedKeys:
    """Keys from the issuer's address, asked for again each hour and when a token names one that is not there.

    While the issuer does not answer the old keys stand: an emergency must not wait for a web server. Without any keys
    the answer is 503.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, kid: str) -> PublicKey | None:
        if self._due(kid):
            async with self._one_at_a_time:
                if self._due(kid):
                    await self._renew()
        if not self._keys:
            raise Refusal(503, "The identity provider's keys cannot be fetched.", todo="Try again in a minute.")
        return self._keys.get(kid)

    def _due(self, kid: str) -> bool:
        now = self._clock.now().timestamp()
        wanted = kid not in self._keys or now - self._fetched_at >= KEEP_SECONDS
        return wanted and now - self._tried_at >= RETRY_SECONDS

    async def _renew(self) -> None:
        try:
            self._keys = key_set(await self._fetch())
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("issuer keys not fetched", reason=type(error).__name__)
        else:
            self._fetched_at = self._clock.now().timestamp()
        finally:
            self._tried_at = self._clock.now().timestamp()


def from_issuer(issuer: str, http: httpx.AsyncClient) -> Fetch:
    """Asks the issuer's discovery document for its keys' address, then for the keys; follows no redirect."""

    async def fetch() -> bytes:
        document = await discovered(issuer, http)
        answer = await http.get(document["jwks_uri"], follow_redirects=False)
        answer.raise_for_status()
        if len(answer.content) > JWKS_LIMIT_BYTES:
            raise ValueError("the key set is too large")
        return answer.content

    return fetch


async def discovered(issuer: str, http: httpx.AsyncClient) -> dict[str, Any]:
    """The issuer's discovery document (OpenID Connect Discovery 1.0 section 4); ValueError for another issuer's."""
    found = await http.get(issuer.rstrip("/") + "/.well-known/openid-configuration", follow_redirects=False)
    found.raise_for_status()
    document = found.json()
    if document["issuer"] != issuer:
        raise ValueError("the discovery document is another issuer's")
    return dict(document)


class Provider:
    """The issuer's discovery document for whoever asks us where tokens come from, kept for an hour."""

    def __init__(self, issuer: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._document: dict[str, Any] = {}
        self._tried_at = float("-inf")

    async def __call__(self) -> dict[str, Any]:
        """`Refusal` 503 while the issuer has not answered."""
        now = self._clock.now().timestamp()
        if now - self._tried_at >= (KEEP_SECONDS if self._document else RETRY_SECONDS):
            self._tried_at = now
            try:
                self._document = await discovered(self._issuer, self._http)
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                log.warning("issuer not discovered", reason=type(error).__name__)
        if not self._document:
            raise Refusal(503, "The identity provider does not answer.", todo="Try again in a minute.")
        return self._document
