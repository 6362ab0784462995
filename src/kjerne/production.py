"""The house behind a real issuer, as production runs it. `kjerne up` has its own (`kjerne.sandbox.platform`)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from kjerne.app import AUDIENCES, assertions_of, edge, opened, pages, proofs
from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.lifespan import Lifespan
from kjerne.settings import Settings
from kjerne.store.keys import Keys
from kjerne.store.pool import reached
from kjerne.wire.edge import Edge
from kjerne.wire.jwks import FetchedKeys, FixedKeys, Provider, from_issuer
from kjerne.wire.oauth import Verifier
from kjerne.wire.saml_trust import trusted

T = TypeVar("T")


def build(settings: Settings, patience_seconds: float = 0.0) -> Lifespan:
    """The application; `patience_seconds` is how long a start waits for a database that does not answer."""
    known = _key_file(settings.jwks_file, "KJERNE_JWKS_FILE", FixedKeys) if settings.jwks_file else None
    issuers = _key_file(settings.saml_metadata, "KJERNE_SAML_METADATA", trusted) if settings.saml_metadata else None
    key = _key_file(settings.pages_key_file, "KJERNE_PAGES_KEY_FILE", _page_key) if settings.pages_client else None

    @contextlib.asynccontextmanager
    async def production() -> AsyncIterator[Edge]:
        clock = SystemClock()
        keys = Keys.parse(settings.keys.get_secret_value())
        await reached(settings.dsn, patience_seconds)
        async with opened(settings, keys, clock) as house, httpx.AsyncClient(timeout=10) as client:
            table = proofs(house)
            await table.remember()
            house.provider = Provider(settings.issuer, client, clock)
            issuer_keys = known or FetchedKeys(from_issuer(settings.issuer, client), clock)
            verifier = Verifier(settings.issuer, AUDIENCES, issuer_keys, clock, table, seconds=settings.dpop_seconds)
            mounts = pages(house, verifier, settings.issuer, settings.pages_client, key, client) if key else ()
            yield edge(house, verifier, mounts, assertions_of(house, issuers) if issuers else None)

    return Lifespan(production)


def _key_file(path: str, setting: str, read: Callable[[bytes], T]) -> T:
    try:
        return read(Path(path).read_bytes())
    except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
        raise Refusal(422, f"the keys in the file cannot be read: {type(error).__name__}", where=setting) from error


def _page_key(raw: bytes) -> ECKey:
    return ECKey.import_key(json.loads(raw))
