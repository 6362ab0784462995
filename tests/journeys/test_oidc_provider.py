"""Judged from outside: our verifier and client against npm `oidc-provider`, our provider by npm `openid-client`.

Both are made by others and keep to the same standards; what they and we agree on is not a mistake we made twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import uvicorn

from kjerne.client import Known, attestation
from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.openid import REDIRECT, Held, Login
from kjerne.policy.claims import Claims
from kjerne.sandbox.sts.app import issuer_of, sts_app
from kjerne.sandbox.sts.clients import STAFF_CLIENT, client_ids, sandbox_clients
from kjerne.wire.jwks import FetchedKeys, from_issuer
from kjerne.wire.jws import SigningKey
from kjerne.wire.oauth import Verifier
from ports import free_port

HERE = Path(__file__).parent / "oidc"
CACHE = Path(__file__).parents[2] / ".cache" / "oidc"
AUDIENCE = "urn:kjerne"
API = "https://kjerne.example/pps/v2/Observation/_search"
SCOPE = "openid profile nhn:pps/provesvar-read"
DOCTOR, PATIENT = "01815012345", "02825054321"
CLOCK = SystemClock()
KNOWN = Known("gp", "practitioner", "epj", organisation="999999901", authorization="LE")


@pytest.fixture(scope="module")
def judges() -> Path:
    """The folder with the judges' programs, installed once from the lock file."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("the outside judges need Node 20 and npm (Debian: apt-get install nodejs npm)")
    lock = (HERE / "package-lock.json").read_bytes()
    done = CACHE / "installed.json"
    if not done.exists() or done.read_bytes() != lock:
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, CACHE / name)
        installed = subprocess.run(
            ["npm", "ci", "--ignore-scripts"], cwd=CACHE, capture_output=True, timeout=300, check=False
        )
        if installed.returncode:
            pytest.skip("the outside judges could not be installed: npm ci failed (is a registry reachable?)")
        done.write_bytes(lock)
    for name in ("provider.mjs", "judge.mjs"):
        shutil.copy(HERE / name, CACHE / name)
    return CACHE


@dataclass(frozen=True)
class Outside:
    """A running oidc-provider, and our client at it."""

    issuer: str
    login: Login
    http: httpx.Client


@pytest.fixture(scope="module")
def outside(judges: Path) -> Iterator[Outside]:
    key, port = SigningKey.generate(), free_port()
    given = {
        "port": port,
        "audience": AUDIENCE,
        "signing": SigningKey.generate().private_jwk() | {"kid": "theirs", "alg": "ES256", "use": "sig"},
        "client": {"id": "epj", "key": key.public_jwk() | {"kid": key.thumbprint}, "redirect": REDIRECT},
        "claims": {"helseid://claims/identity/pid": DOCTOR, "helseid://claims/identity/security_level": "4"},
    }
    with (judges / "provider.log").open("wb") as log:
        running = subprocess.Popen(
            ["node", "provider.mjs"], cwd=judges, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    assert running.stdin
    assert running.stdout
    with running, httpx.Client(trust_env=False) as http:
        running.stdin.write(json.dumps(given).encode())
        running.stdin.close()
        try:
            assert running.stdout.readline() == b"ready\n", (judges / "provider.log").read_text()
            issuer = f"http://127.0.0.1:{port}"
            yield Outside(issuer, Login(issuer, "epj", key, http, CLOCK), http)
        finally:
            running.terminate()


async def verified(outside: Outside, held: Held, **changes: Any) -> Claims:
    """What our verifier says of a request signed with the token, its keys fetched from the outside provider."""
    seen: set[bytes] = set()

    async def first(digest: bytes, _: int) -> bool:
        return digest not in seen and not seen.add(digest)

    async with httpx.AsyncClient(trust_env=False) as http:
        keys = FetchedKeys(from_issuer(outside.issuer, http), CLOCK)
        parts: dict[str, Any] = {"issuer": outside.issuer, "audience": AUDIENCE, "keys": keys} | changes
        verifier = Verifier(clock=CLOCK, replay=first, **parts)
        said = held.headers("POST", API, CLOCK.now().timestamp())
        headers = [(name.encode(), value.encode()) for name, value in said.items()]
        claims = await verifier.verify("POST", API, headers)
        with pytest.raises(Refusal, match="used before"):
            await verifier.verify("POST", API, headers)
        return claims


def logged_in(outside: Outside) -> Held:
    said = attestation(KNOWN, PATIENT, "TREAT", at=int(CLOCK.now().timestamp()))
    return outside.login.person({"scope": SCOPE, "authorization_details": json.dumps([said])})


async def test_a_login_at_another_provider_passes_our_verifier(outside: Outside) -> None:
    held = await asyncio.to_thread(logged_in, outside)
    assert held.answer["token_type"] == "DPoP"
    claims = await verified(outside, held)
    assert (claims.client, claims.pid, claims.level) == ("epj", DOCTOR, 4)
    assert claims.thumbprint == held.key.thumbprint
    assert "nhn:pps/provesvar-read" in claims.scopes
    assert [patient.identifier.id for patient in claims.attestations[0].patients] == [PATIENT]


async def test_a_machines_token_of_another_provider_passes_too(outside: Outside) -> None:
    held = await asyncio.to_thread(outside.login.machine, {"scope": "nhn:pps/provesvar-read"})
    assert (await verified(outside, held)).client == "epj"


async def test_its_token_for_another_audience_or_issuer_is_refused(outside: Outside) -> None:
    held = await asyncio.to_thread(outside.login.machine, {"scope": "nhn:pps/provesvar-read"})
    with pytest.raises(Refusal, match="audience"):
        await verified(outside, held, audience="nhn:other")
    with pytest.raises(Refusal, match="another issuer"):
        await verified(outside, held, issuer="https://sts.example")


async def test_its_token_with_anothers_proof_is_refused(outside: Outside) -> None:
    held = await asyncio.to_thread(outside.login.machine, {"scope": "nhn:pps/provesvar-read"})
    with pytest.raises(Refusal, match="another key"):
        await verified(outside, Held(held.token, SigningKey.generate(), held.expires_at))


def test_both_providers_refuse_a_login_that_was_not_pushed(outside: Outside) -> None:
    answer = outside.http.get(
        outside.issuer + "/auth",
        params={"client_id": "epj", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid"},
    )
    assert "code=" not in answer.headers.get("location", "")


@dataclass(frozen=True)
class Someone:
    name: str = "gp"
    title: str = "Fastlege"
    kind: Literal["practitioner", "citizen", "system"] = "practitioner"
    role: str = "LE"
    nin: str = DOCTOR
    hpr: str = "9001"
    organisation: str = "999999901"
    point_of_care: str = "999999902"
    authorization: str = "LE"
    person_name: str = "Kari Prøve"


@pytest.fixture(scope="module")
def ours() -> Iterator[tuple[str, SigningKey]]:
    """Our provider on a port of its own; its address, and the key of its client for staff."""
    people = (Someone(),)
    keys = {name: SigningKey.generate() for name in client_ids(people)}
    home = f"http://127.0.0.1:{free_port()}"
    app = sts_app(people, CLOCK, SigningKey.generate(), home, sandbox_clients(people, keys, home))
    port = int(home.rpartition(":")[2])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    running = threading.Thread(target=server.run)
    running.start()
    while not server.started:
        threading.Event().wait(0.02)
    yield issuer_of(home), keys[STAFF_CLIENT]
    server.should_exit = True
    running.join()


def test_a_client_made_by_others_logs_in_at_our_provider(judges: Path, ours: tuple[str, SigningKey]) -> None:
    issuer, key = ours
    given = {
        "issuer": issuer,
        "client": STAFF_CLIENT,
        "key": key.private_jwk(),
        "scope": SCOPE,
        "person": DOCTOR,
        "details": attestation(KNOWN, PATIENT, "TREAT", at=int(CLOCK.now().timestamp())),
    }
    judged = subprocess.run(
        ["node", "judge.mjs"],
        cwd=judges,
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert judged.returncode == 0, judged.stderr.decode()
    said = json.loads(judged.stdout)
    assert said["type"].lower() == "dpop"
    assert (said["about"]["name"], said["id"]["sub"]) == ("Kari Prøve", said["about"]["sub"])
    assert said["details"][0]["practitioner"]["identifier"]["id"] == DOCTOR
