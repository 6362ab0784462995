"""The clients that the sandbox's provider knows: for staff, for citizens, for the operator, for each system persona.

Their private keys are published by the sandbox, since they open nothing but synthetic people. Our pages' own is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from kjerne.access import ALL_PATIENTS, SUBSCRIPTIONS, CallerKind
from kjerne.policy.services import IN_USE, SERVICES
from kjerne.store.keys import whole
from kjerne.wire.jws import SigningKey

IDENTITY_SCOPES: Final = (
    "openid",
    "profile",
    "helseid://scopes/identity/pid",
    "helseid://scopes/identity/security_level",
    "helseid://scopes/identity/assurance_level",
    "helseid://scopes/hpr/hpr_number",
    "helseid://scopes/client/info",
)
STAFF_SCOPES: Final = (
    "nhn:pps/provesvar-read", "nhn:critical-information/api", "nhn:phr/mhd/read-documentreferences", "kjerne:record-read",
    "kjerne:record-write",
)  # fmt: skip
CITIZEN_SCOPES: Final = ("kjerne:citizen", "kjerne:insight")
OPERATOR_SCOPES: Final = ("kjerne:operations",)
PORTAL_SCOPES: Final = (*CITIZEN_SCOPES, "kjerne:portal")
TESTING_SCOPES: Final = (
    ALL_PATIENTS,
    SUBSCRIPTIONS,
    "kjerne:registries",
    "kjerne:registries-write",
    *sorted({scope for name in IN_USE for scope in SERVICES[name].scopes | SERVICES[name].filing_scopes}),
)
"""Of the test client: what opens each service, beside what lets it ask about everybody."""
SYSTEM_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "laboratory": ("nhn:pps/provesvar-write", "kjerne:disclosures"),
    "journal": (
        "kjerne:record-write",
        "kjerne:settlement-write",
        "kjerne:disclosures",
        "kjerne:critical-information-transfer",
    ),
    "document-register": ("nhn:phr/mhd/create-documents-with-reference",),
    "device-gateway": ("nhn:pmd/write",),
    "ehr": ("kjerne:subscriptions",),
    "operations": OPERATOR_SCOPES,
    "audit-repository": ("kjerne:audit",),
    "registry": ("kjerne:registries", "kjerne:registries-write"),
    "test-client": TESTING_SCOPES,
}
OPERATOR_ROLE: Final = "operations"
PORTAL_ROLE: Final = "citizen-portal"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
"""RFC 8693: a citizen's login at the portal becomes a token that is hers, and a token becomes a SAML assertion."""
AUDIENCES: Final = ("nhn:pps", "nhn:pmd", "nhn:critical-information", "nhn:phr", "kjerne")
"""Whom the sandbox issues access tokens for; a scope's audience is its part before the slash, else before the colon."""

STAFF_CLIENT: Final = "sandbox-epj"
CITIZEN_CLIENT: Final = "sandbox-citizen"
OPERATOR_CLIENT: Final = "sandbox-operations"
PAGES_CLIENT: Final = "kjerne-pages"
LOOPBACK_REDIRECTS: Final = ("http://127.0.0.1/callback", "http://localhost/callback")


class Persona(Protocol):
    """What the provider reads of a persona (`kjerne.sandbox.personas`)."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> CallerKind: ...
    @property
    def role(self) -> str: ...
    @property
    def nin(self) -> str: ...
    @property
    def hpr(self) -> str: ...
    @property
    def organisation(self) -> str: ...
    @property
    def point_of_care(self) -> str: ...
    @property
    def authorization(self) -> str: ...
    @property
    def person_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. `organisation` and `point_of_care` are a system's own; a person's come with the persona.

    `exchanged` are the scopes that it gets in exchange for a login (RFC 8693), and no other way.
    """

    id: str
    name: str
    key: SigningKey
    scopes: frozenset[str]
    grants: frozenset[str]
    redirects: tuple[str, ...] = ()
    logouts: tuple[str, ...] = ()
    organisation: str = ""
    point_of_care: str = ""
    published: bool = True
    exchanged: frozenset[str] = frozenset()

    def may_return_to(self, address: str) -> bool:
        """Exactly a registered address; on the loopback any port, as a native program needs (RFC 8252 section 7.3)."""
        return address in self.redirects or _portless(address) in self.redirects


def _portless(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or "@" in parts.netloc:
        return ""
    return f"http://{parts.hostname}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def sandbox_clients(personas: Iterable[Persona], keys: Mapping[str, SigningKey], public_url: str) -> tuple[Client, ...]:
    """All clients of the sandbox. `keys` by client id (`kept_keys`); `public_url` is where our own pages are."""
    people = frozenset({"authorization_code"})
    journal = people | {EXCHANGE}
    staff = frozenset((*IDENTITY_SCOPES, *STAFF_SCOPES))
    citizen = frozenset((*IDENTITY_SCOPES, *CITIZEN_SCOPES))
    operator = frozenset((*IDENTITY_SCOPES, *OPERATOR_SCOPES))
    pages = Client(
        PAGES_CLIENT,
        "kjerne",
        keys[PAGES_CLIENT],
        staff | citizen | operator,
        people,
        (f"{public_url}/login/return",),
        (f"{public_url}/logout/done",),
        published=False,
    )
    return (
        Client(STAFF_CLIENT, "Sandkassens journalsystem", keys[STAFF_CLIENT], staff, journal, LOOPBACK_REDIRECTS),
        Client(CITIZEN_CLIENT, "Sandkassens innbyggerapp", keys[CITIZEN_CLIENT], citizen, people, LOOPBACK_REDIRECTS),
        Client(
            OPERATOR_CLIENT, "Sandkassens driftsverktøy", keys[OPERATOR_CLIENT], operator, people, LOOPBACK_REDIRECTS
        ),
        pages,
        *(_system(persona, keys[persona.name]) for persona in personas if persona.kind == "system"),
    )


def _system(persona: Persona, key: SigningKey) -> Client:
    if persona.role == PORTAL_ROLE:
        return _portal(persona, key)
    return Client(
        persona.name,
        persona.title,
        key,
        frozenset(SYSTEM_SCOPES.get(persona.role, ())),
        frozenset({"client_credentials"}),
        organisation=persona.organisation,
        point_of_care=persona.point_of_care,
    )


def _portal(persona: Persona, key: SigningKey) -> Client:
    """It logs citizens in, which tells it who they are, and exchanges that for a token to the services."""
    return Client(
        persona.name,
        persona.title,
        key,
        frozenset(IDENTITY_SCOPES),
        frozenset({"authorization_code", EXCHANGE}),
        LOOPBACK_REDIRECTS,
        organisation=persona.organisation,
        point_of_care=persona.point_of_care,
        exchanged=frozenset(PORTAL_SCOPES),
    )


def client_ids(personas: Iterable[Persona]) -> tuple[str, ...]:
    """The ids that need a key each."""
    return (
        STAFF_CLIENT,
        CITIZEN_CLIENT,
        OPERATOR_CLIENT,
        PAGES_CLIENT,
        *(one.name for one in personas if one.kind == "system"),
    )


def kept_keys(path: Path, names: Sequence[str]) -> dict[str, SigningKey]:
    """A key for each name, read from the file at `path` (mode 0600); the missing ones are made and written there."""
    kept: dict[str, dict[str, str]] = {}
    if path.exists():
        with whole(path):
            kept = dict(json.loads(path.read_bytes()))
    missing = [name for name in names if name not in kept]
    if missing:
        kept |= {name: SigningKey.generate().private_jwk() for name in missing}
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(kept, file)
        fresh.replace(path)
    with whole(path):
        return {name: SigningKey.from_jwk(kept[name]) for name in names}


def client_for(persona: Persona) -> str:
    """The id of the client that a program uses to act as this persona."""
    if persona.kind == "practitioner" and persona.role == OPERATOR_ROLE:
        return OPERATOR_CLIENT
    return {"practitioner": STAFF_CLIENT, "citizen": CITIZEN_CLIENT, "system": persona.name}[persona.kind]


def published(personas: Iterable[Persona], clients: Iterable[Client], issuer: str) -> bytes:
    """The document at `/sandbox/personas.json`: whom one can be, and with which client and key (`kjerne.client`)."""
    document = {
        "issuer": issuer,
        "clients": [
            {"id": one.id, "scopes": sorted(one.scopes | one.exchanged), "key": one.key.private_jwk()}
            for one in clients
            if one.published
        ],
        "personas": [
            {
                "name": one.name,
                "title": one.title,
                "kind": one.kind,
                "role": one.role,
                "nin": one.nin,
                "hpr": one.hpr,
                "organisation": one.organisation,
                "point_of_care": one.point_of_care,
                "authorization": one.authorization,
                "person_name": one.person_name,
                "client": client_for(one),
            }
            for one in personas
        ],
    }
    return json.dumps(document, ensure_ascii=False).encode()
