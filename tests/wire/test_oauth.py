"""The verifier of tokens and proofs: what a HelseID client sends is taken, nothing forged, stolen or replayed is.

Tokens and proofs are signed here with joserfc, not with the product's own code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from forgeries import (
    CLIENT_KEY,
    CLIENT_RSA,
    ISSUER_JWKS,
    ISSUER_KEY,
    ISSUER_RSA,
    NOW,
    OTHER_KEY,
    PROOF,
    SECONDS,
    TOKEN,
    Sent,
    b64,
    proof_of,
    sealed,
)
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.wire.dpop import Nonces
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.oauth import Verifier

ISSUER = "https://sts.example"
AUDIENCE = "kjerne"
METHOD = "POST"
URL = "https://kjerne.example/pps/v2/Observation/_search"
EVERY = [f"{family}{size}" for family in ("ES", "PS", "RS") for size in (256, 384, 512)]


class Memory:
    """A replay table in memory."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    async def __call__(self, digest: bytes, signed_at: int) -> bool:
        fresh = digest not in self.seen
        self.seen.add(digest)
        return fresh


def verifier(**changes: Any) -> Verifier:
    parts: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "keys": FixedKeys(ISSUER_JWKS),
        "clock": FixedClock(NOW),
        "replay": Memory(),
    }
    return Verifier(**(parts | changes))


async def refused(sent: Sent, url: str = URL, **changes: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await verifier(**changes).verify(METHOD, url, sent.headers())
    return caught.value


def challenge(refusal: Refusal) -> str:
    return dict(refusal.headers)["www-authenticate"]


async def test_a_good_request_gives_the_claims() -> None:
    claims = await verifier().verify(METHOD, URL, Sent().headers())
    assert claims.client == "epj"
    assert claims.scopes == {"openid", "nhn:pps/provesvar-read"}
    assert claims.level == 4
    assert claims.organisation == "999999999"
    assert claims.thumbprint == CLIENT_KEY.thumbprint()


async def test_scope_may_be_one_string_and_audience_a_list_of_one() -> None:
    sent = Sent()
    sent.token |= {"scope": "a b", "aud": [AUDIENCE]}
    assert (await verifier().verify(METHOD, URL, sent.headers())).scopes == {"a", "b"}


def at_a_portal(**changes: Any) -> Sent:
    errand = {
        "type": "kjerne:representation",
        "patient": {"id": "02825054321", "system": "urn:oid:2.16.578.1.12.4.1.4.1", "name": None},
        "purpose_of_use": {"code": "PATRQT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
    }
    return Sent(token={"act": {"sub": "epj"}, "authorization_details": [errand]} | changes)


async def test_a_portals_token_tells_who_acts_and_on_which_errand() -> None:
    claims = await verifier().verify(METHOD, URL, at_a_portal().headers())
    assert (claims.actor, claims.attestations) == ("epj", ())
    (errand,) = claims.errands
    assert (errand.patient.id, errand.purpose_of_use.code, errand.access_policy) == ("02825054321", "PATRQT", "")


@pytest.mark.parametrize(
    "act", [{"sub": "epj", "act": {"sub": "x"}}, {"sub": "epj", "act": None}, {"sub": 7}, "epj", None]
)
async def test_an_actor_is_one_by_name(act: Any) -> None:
    refusal = await refused(at_a_portal(act=act))
    assert (refusal.status, refusal.rule) == (401, "invalid_token")


@pytest.mark.parametrize("algorithm", EVERY)
async def test_every_allowed_algorithm_works_for_token_and_proof(algorithm: str) -> None:
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}.get(algorithm)
    issuer = ECKey.generate_key(curve, {"kid": "one"}) if curve else ISSUER_RSA
    client = ECKey.generate_key(curve) if curve else CLIENT_RSA
    sent = Sent(token_key=issuer, proof_key=client)
    sent.token_header |= {"alg": algorithm, "kid": issuer.kid}
    sent.token["cnf"] = {"jkt": client.thumbprint()}
    sent.proof_header |= {"alg": algorithm, "jwk": client.as_dict(private=False)}
    keys = FixedKeys(json.dumps({"keys": [issuer.as_dict(private=False)]}).encode())
    assert (await verifier(keys=keys).verify(METHOD, URL, sent.headers())).client == "epj"


@pytest.mark.parametrize(
    ("htu", "url"),
    [
        (URL, URL + "?page=2"),
        ("HTTPS://KJERNE.example:443/pps/v2/Observation/_search", URL),
        ("https://kjerne.example/pps/v2/%4fbservation/_search", URL),
        ("https://kjerne.example", "https://kjerne.example/"),
        ("https://kjerne.example/a%2fb", "https://kjerne.example/a%2Fb"),
    ],
)
async def test_an_address_may_be_spelled_in_equal_ways(htu: str, url: str) -> None:
    sent = Sent()
    sent.proof["htu"] = htu
    assert await verifier().verify(METHOD, url, sent.headers())


@pytest.mark.parametrize(("age", "taken"), [(-6, False), (-5, True), (0, True), (10, True), (11, False)])
async def test_a_proof_lives_ten_seconds_and_may_be_five_ahead(age: int, taken: bool) -> None:
    sent = Sent()
    sent.proof["iat"] = SECONDS - age
    if taken:
        await verifier().verify(METHOD, URL, sent.headers())
    else:
        assert "iat" in (await refused(sent)).says


async def test_a_remembered_token_still_expires() -> None:
    clock = FixedClock(NOW)
    used = verifier(clock=clock)
    sent = Sent()
    await used.verify(METHOD, URL, sent.headers())
    clock.move(timedelta(seconds=605))
    sent = Sent()
    sent.proof |= {"iat": SECONDS + 605, "jti": "proof-2"}
    with pytest.raises(Refusal, match="expired"):
        await used.verify(METHOD, URL, sent.headers())


@pytest.mark.parametrize("name", TOKEN)
async def test_a_forged_token_is_refused(name: str) -> None:
    sent = Sent()
    TOKEN[name](sent)
    refusal = await refused(sent)
    assert refusal.status == 401
    assert 'error="invalid_token"' in challenge(refusal)


async def test_a_changed_attestation_breaks_the_signature() -> None:
    sent = Sent()
    sent.token["authorization_details"] = [{"type": "nhn:tillitsrammeverk:parameters", "toa": SECONDS}]
    head, body, seal = sealed(sent.token_header, sent.token, ISSUER_KEY).split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed["authorization_details"][0]["patients"] = [{"identifier": {"id": "another"}}]
    token = ".".join((head, b64(json.dumps(changed).encode()), seal)).encode()
    sent.proof["ath"] = b64(hashlib.sha256(token).digest())
    sent.after = lambda headers: [(n, b"DPoP " + token if n == b"authorization" else v) for n, v in headers]
    assert "signature" in (await refused(sent)).says


@pytest.mark.parametrize("name", PROOF)
async def test_a_forged_proof_is_refused(name: str) -> None:
    sent = Sent()
    PROOF[name](sent)
    refusal = await refused(sent)
    assert refusal.status == 401
    assert 'error="invalid_dpop_proof"' in challenge(refusal)


async def test_a_stolen_token_with_the_thiefs_own_proof_is_refused() -> None:
    sent = Sent()
    proof_of(OTHER_KEY)(sent)
    assert "another key" in (await refused(sent)).says


async def test_a_proof_is_taken_once() -> None:
    once = verifier()
    headers = Sent().headers()
    await once.verify(METHOD, URL, headers)
    with pytest.raises(Refusal, match="used before"):
        await once.verify(METHOD, URL, headers)


async def test_a_replayed_jti_under_a_new_signature_is_refused() -> None:
    once = verifier()
    await once.verify(METHOD, URL, Sent().headers())
    with pytest.raises(Refusal, match="used before"):
        await once.verify(METHOD, URL, Sent().headers())


async def test_one_client_cannot_use_up_anothers_jti() -> None:
    once = verifier()
    await once.verify(METHOD, URL, Sent().headers())
    other = Sent()
    proof_of(OTHER_KEY)(other)
    other.token["cnf"] = {"jkt": OTHER_KEY.thumbprint()}
    assert await once.verify(METHOD, URL, other.headers())


async def test_a_proof_that_fails_is_not_noted() -> None:
    memory = Memory()
    sent = Sent()
    sent.proof["htm"] = "GET"
    await refused(sent, replay=memory)
    assert not memory.seen


@pytest.mark.parametrize(
    "after",
    [
        lambda h: [*h, h[1]],
        lambda h: [*h, h[2]],
        lambda h: [*h, (b"authorization", b"Basic abc")],
        lambda h: [*h, (b"dpop", b"")],
    ],
    ids=["two tokens", "two proofs", "two schemes", "a second, empty proof"],
)
async def test_doubled_headers_are_a_bad_request(after: Callable[[list[Any]], list[Any]]) -> None:
    refusal = await refused(Sent(after=after))
    assert refusal.status == 400
    assert 'error="invalid_request"' in challenge(refusal)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"Basic ", b"", b"DPoP\t", b"DPoP  "])
async def test_only_the_dpop_scheme_is_taken(scheme: bytes) -> None:
    sent = Sent()
    sent.after = lambda h: [(n, scheme + v.removeprefix(b"DPoP ") if n == b"authorization" else v) for n, v in h]
    refusal = await refused(sent)
    assert refusal.status == 401


async def test_a_bearer_token_bound_to_a_key_is_refused_without_proof() -> None:
    refusal = await refused(Sent(after=lambda h: [(b"authorization", h[1][1].replace(b"DPoP", b"Bearer"))]))
    assert "bearer" in refusal.says


async def test_a_token_in_the_address_is_refused() -> None:
    refusal = await refused(Sent(), url=URL + "?_count=1&access_token=abc")
    assert (refusal.status, refusal.says) == (400, "A token in the address is refused.")


async def test_no_token_gets_a_challenge_without_error_code() -> None:
    refusal = await refused(Sent(after=lambda h: h[:1]))
    assert refusal.status == 401
    assert challenge(refusal).startswith('DPoP algs="ES256')


async def test_a_wanted_nonce_is_told_and_then_taken() -> None:
    clock = FixedClock(NOW)
    nonces = Nonces(b"k" * 32, clock)
    refusal = await refused(Sent(), nonces=nonces)
    assert 'error="use_dpop_nonce"' in challenge(refusal)
    sent = Sent()
    sent.proof["nonce"] = dict(refusal.headers)["dpop-nonce"]
    assert await verifier(nonces=nonces).verify(METHOD, URL, sent.headers())


@pytest.mark.parametrize("nonce", ["", "made-up", "æøå"])
async def test_a_wrong_nonce_is_refused(nonce: str) -> None:
    sent = Sent()
    sent.proof["nonce"] = nonce
    refusal = await refused(sent, nonces=Nonces(b"k" * 32, FixedClock(NOW)))
    assert 'error="use_dpop_nonce"' in challenge(refusal)


async def test_a_nonce_lives_two_windows_and_is_the_same_for_all_workers() -> None:
    clock = FixedClock(NOW)
    one, other = Nonces(b"k" * 32, clock), Nonces(b"k" * 32, clock)
    given_out = one.current()
    clock.move(timedelta(seconds=60))
    assert other.holds(given_out)
    clock.move(timedelta(seconds=60))
    assert not other.holds(given_out)
    assert not Nonces(b"j" * 32, clock).holds(one.current())


def login(**changes: Any) -> bytes:
    said = {"iss": ISSUER, "aud": "page", "exp": SECONDS + 60, "iat": SECONDS, "sub": "someone", "nonce": "n-1"}
    return sealed({"alg": "ES256", "kid": "one"}, said | changes, ISSUER_KEY).encode()


async def test_an_id_token_is_for_its_client_and_its_login() -> None:
    claims = await verifier().identity_token(login(), "page", "n-1")
    assert claims.subject == "someone"


@pytest.mark.parametrize(
    "changes", [{"aud": "other"}, {"aud": ["page", "other"]}, {"nonce": "n-2"}, {"sub": ""}, {"exp": SECONDS - 5}]
)
async def test_another_clients_or_logins_id_token_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        await verifier().identity_token(login(**changes), "page", "n-1")


async def test_an_access_token_is_no_id_token() -> None:
    sent = Sent()
    sent.token |= {"aud": "page", "nonce": "n-1"}
    token = sealed(sent.token_header, sent.token, ISSUER_KEY).encode()
    with pytest.raises(Refusal, match="not an ID token"):
        await verifier().identity_token(token, "page", "n-1")


@pytest.mark.parametrize(
    ("level", "assurance", "read"),
    [("4", "", 4), (4, "", 4), ("3", "", 3), ("", "high", 4), ("4", "low", 2), ("3", "high", 3), ("9", "", 0)],
)
async def test_the_weaker_of_two_levels_counts(level: str | int, assurance: str, read: int) -> None:
    sent = Sent()
    sent.token["helseid://claims/identity/security_level"] = level
    sent.token["helseid://claims/identity/assurance_level"] = assurance
    assert (await verifier().verify(METHOD, URL, sent.headers())).level == read


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.sampled_from([b"authorization", b"dpop"]), place=st.integers(0, 10_000), byte=st.integers(0, 255))
async def test_no_change_of_a_byte_is_taken(which: bytes, place: int, byte: int) -> None:
    def change(value: bytes) -> bytes:
        start = 5 if which == b"authorization" else 0
        at = start + place % (len(value) - start)
        return value[:at] + bytes([byte]) + value[at + 1 :]

    original = Sent().headers()
    mutated = [(name, change(value) if name == which else value) for name, value in original]
    if mutated == original:
        return
    with pytest.raises(Refusal) as caught:
        await verifier().verify(METHOD, URL, mutated)
    assert caught.value.status in (400, 401)
