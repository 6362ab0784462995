"""The sandbox around the house: its own OpenID provider, its published personas, and the pages logged in through it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import msgspec
from joserfc.jwk import ECKey

from kjerne import app
from kjerne.app import House, OfTests
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.lifespan import Lifespan
from kjerne.registries import identifiers
from kjerne.sandbox.everybody import Everybody
from kjerne.sandbox.following import following
from kjerne.sandbox.front import trail
from kjerne.sandbox.front.app import Front, Sandbox
from kjerne.sandbox.front.look import PATH as SANDBOX
from kjerne.sandbox.newcomers import Newcomers, TestClient
from kjerne.sandbox.personas import personas
from kjerne.sandbox.seeding import Made
from kjerne.sandbox.smart import PATH as SMART
from kjerne.sandbox.smart import SmartSystem
from kjerne.sandbox.sts import app as sts
from kjerne.sandbox.sts import clients as sts_clients
from kjerne.settings import Settings
from kjerne.store import patient_ids
from kjerne.store.keys import Keys, whole
from kjerne.wire import json as strict_json
from kjerne.wire.edge import Edge, Mount
from kjerne.wire.jwks import FixedKeys, Provider
from kjerne.wire.oauth import Verifier
from kjerne.wire.saml_trust import trusted

MADE: Final = "people.json"


def made(data: Path) -> Made | None:
    """What the people in a data directory were made from; None until all are in."""
    path = data / MADE
    if not path.exists():
        return None
    with whole(path):
        return msgspec.json.decode(path.read_bytes(), type=Made)


def build(settings: Settings, clock: Clock | None = None) -> Lifespan:
    """The whole platform over a peopled database, as one ASGI application."""

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Edge]:
        known = made(settings.data)
        if known is None:
            raise Refusal(409, "the database has no people yet", todo="Start it with kjerne up.")
        async with (
            app.opened(settings, Keys.in_folder(settings.data), clock) as house,
            httpx.AsyncClient(trust_env=False, timeout=10) as http,
        ):
            yield await _edge(house, known, http)

    return Lifespan(opened)


def of_tests(house: House) -> OfTests:
    """What the test client may do in a sandbox."""
    parse_json = partial(strict_json.parse, depth=house.settings.json_depth)
    everybody = Everybody(house.store, house.patients, house.cursors, house.parse_search, house.identify)
    return OfTests(
        TestClient(everybody, Newcomers(everybody, parse_json, house.guides)), everybody.records, following(house)
    )


async def _edge(house: House, known: Made, http: httpx.AsyncClient) -> Edge:
    settings, clock = house.settings, house.clock
    house.of_tests = of_tests
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    people = personas(known.population())
    names = ("provider", *sts_clients.client_ids(people))
    keys = sts_clients.kept_keys(settings.data / "clients.json", names)
    clients = sts_clients.sandbox_clients(people, keys, public_url)
    asserted = sts.asserted(public_url, keys["provider"], clock)
    document = sts_clients.published(people, clients, sts.issuer_of(public_url))
    front = Front(
        Sandbox(public_url, people, known.population(), document, clock, partial(trail.of, house.store.pool), clients)
    )
    provider = sts.sts_app(people, clock, keys["provider"], public_url, clients, asserted, front.somebody)
    issuer = sts.issuer_of(public_url)
    house.provider = Provider(issuer, http, clock)
    mint = sts.minted(public_url, keys["provider"], clock)
    proofs = app.proofs(house)
    await proofs.remember()
    jwks = FixedKeys(mint.key_set())
    verifier = Verifier(issuer, sts_clients.AUDIENCES, jwks, clock, proofs, seconds=settings.dpop_seconds)
    pages_key = ECKey.import_key(dict(keys[sts_clients.PAGES_CLIENT].private_jwk()))
    system = SmartSystem(people, mint, _staff(clients), clock, public_url, partial(_address, house))
    mounts = [
        Mount("/sts", provider),
        Mount(SMART, system.app()),
        Mount(SANDBOX, front.app()),
        *app.pages(house, verifier, issuer, sts_clients.PAGES_CLIENT, pages_key, http),
    ]
    platform = app.edge(house, verifier, mounts, app.assertions_of(house, trusted(asserted.metadata())))
    system.platform = platform
    return platform


def _staff(clients: Sequence[sts_clients.Client]) -> sts_clients.Client:
    return next(one for one in clients if one.id == sts_clients.STAFF_CLIENT)


async def _address(house: House, number: str) -> str | None:
    """The id of a patient's Patient, by her number."""
    try:
        digest = house.digest(identifiers.parse(number, strict=False).value)
    except Refusal:
        return None
    async with house.store.pool.acquire() as conn:
        key = await house.store.people.key_of(conn, digest)
    return str(patient_ids.id_of(house.store.ids, key)) if key else None
