"""Documents of other institutions, put together: who is asked, in whose name, and the routes of the national service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.gateway.federation import Federation
from kjerne.registries.document_sources import DocumentSource, DocumentSources
from kjerne.services.documents.api import DocumentsApi
from kjerne.services.documents.asking import Asking
from kjerne.services.documents.registering import Registering
from kjerne.services.documents.room import Documents
from kjerne.settings import Settings
from kjerne.sharing import public_url
from kjerne.store.house import Store
from kjerne.store.keys import Sealer
from kjerne.store.private_files import made_once
from kjerne.wire.xua_signing import METADATA_TYPE, Signer, self_signed

METADATA: Final = "/phr/saml-metadata"
SANDBOX_ORGANISATION: Final = "100000059"
"""Who speaks for a citizen on our own pages where no operator has said who runs the platform: nobody, in the sandbox."""


@dataclass(frozen=True)
class Gathered:
    """The room of documents of one house, and whose name its questions are signed in."""

    room: Documents
    signer: Callable[[], Signer]
    close: Callable[[], Awaitable[None]]
    """Gives up the connections to sources."""
    sources: Callable[[], Sequence[DocumentSource]]

    def routes(self, asking: Asking) -> list[Route]:
        """The documented addresses, and the metadata that a source is given so that it believes our assertions."""
        registering = Registering(self.room.pool, self.sources, self.room.key, asking.identify)
        metadata = Route("GET", METADATA, self.metadata, PUBLIC, "json")
        return [*DocumentsApi(self.room, asking).routes(), *registering.routes(), metadata]

    async def metadata(self, _: Call) -> Answer:
        """SAML 2.0 metadata: our name as an issuer, and the certificate that assertions are signed with."""
        return Answer(200, self.signer().metadata(), METADATA_TYPE)


def documents_of(store: Store, clock: Clock, settings: Settings) -> Gathered:
    """The room over the sources of the settings' file."""
    sandbox = settings.mode == "sandbox"
    signer = cache(partial(signer_of, settings, clock))
    sources = DocumentSources(settings.document_sources_file, sandbox=sandbox)
    key = store.keys.derived("document-number")
    gateway = Federation(store.pool, sources, signer, clock, key=key)
    organisation = settings.organisation_number or (SANDBOX_ORGANISATION if sandbox else "")
    numbers = Sealer(store.keys.derived("number"))
    room = Documents(store.pool, store.wrap, gateway, numbers, key, settings.tells_choices, organisation)
    return Gathered(room, signer, gateway.connections.close, sources.all)


def signer_of(settings: Settings, clock: Clock) -> Signer:
    """Whose key it is that assertions to sources are signed with; `Refusal` 422 where the file cannot be used.

    The sandbox makes one the first time. So does production where no file is named, for its own process alone: no source knows
    that key, and none is asked before an operator has named one beside the file of sources (`commands.production`).
    """
    issuer = f"{public_url(settings)}/phr"
    if not settings.gateway_key_file and settings.mode != "sandbox":
        key = ec.generate_private_key(ec.SECP256R1())
        return Signer(issuer, key, self_signed("kjerne", key), clock)
    path = settings.gateway_key
    if not path.exists() and not settings.gateway_key_file:
        _make(path)
    try:
        raw = path.read_bytes()
        found, certificate = serialization.load_pem_private_key(raw, None), x509.load_pem_x509_certificate(raw)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(f"cannot be read: {type(error).__name__}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.public_key() != certificate.public_key():
        raise _unusable("holds no EC key with its own certificate")
    return Signer(issuer, found, certificate, clock)


def _make(path: Path) -> None:
    """A key with its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + self_signed("kjerne sandbox", key).public_bytes(serialization.Encoding.PEM)
    made_once(path, pem)


def _unusable(says: str) -> Refusal:
    return Refusal(422, f"the key of the gateway {says}", where="KJERNE_GATEWAY_KEY_FILE")
