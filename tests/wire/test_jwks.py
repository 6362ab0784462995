"""The issuer's keys: fetched when needed, never more often than once a minute, never from where a token says."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.wire.jwks import FetchedKeys, FixedKeys, from_issuer, key_set
from kjerne.wire.jws import SigningKey

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ONE, TWO = SigningKey.generate(), SigningKey.generate()


def jwks(**keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.public_jwk() | {"kid": kid} for kid, key in keys.items()]}).encode()


class Issuer:
    """Answers with its present keys, counts, and can fall silent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked = 0
        self.silent = False

    async def __call__(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.silent:
            raise httpx.ConnectError("silent")
        return self.answer


async def test_keys_are_fetched_once_for_many_requests() -> None:
    issuer = Issuer(jwks(one=ONE))
    keys = FetchedKeys(issuer, FixedClock(NOW))
    found = await asyncio.gather(*(keys("one") for _ in range(20)))
    assert {key.thumbprint for key in found if key} == {ONE.thumbprint}
    assert issuer.asked == 1


async def test_a_new_key_is_found_and_made_up_ones_ask_no_oftener_than_each_minute() -> None:
    clock, issuer = FixedClock(NOW), Issuer(jwks(one=ONE))
    keys = FetchedKeys(issuer, clock)
    assert await keys("one")
    issuer.answer = jwks(two=TWO)
    for number in range(50):
        assert await keys(f"made-up-{number}") is None
    assert issuer.asked == 1
    clock.move(timedelta(seconds=60))
    assert await keys("two")
    assert await keys("one") is None


async def test_a_withdrawn_key_leaves_within_the_hour() -> None:
    clock, issuer = FixedClock(NOW), Issuer(jwks(one=ONE))
    keys = FetchedKeys(issuer, clock)
    assert await keys("one")
    issuer.answer = jwks(two=TWO)
    clock.move(timedelta(hours=1))
    assert await keys("one") is None


async def test_while_the_issuer_is_silent_the_old_keys_stand() -> None:
    clock, issuer = FixedClock(NOW), Issuer(jwks(one=ONE))
    keys = FetchedKeys(issuer, clock)
    assert await keys("one")
    issuer.silent = True
    clock.move(timedelta(hours=2))
    assert await keys("one")


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": []}', b'{"keys": [7]}', b"\xff"])
async def test_without_any_key_the_answer_is_503(answer: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        await FetchedKeys(Issuer(answer), FixedClock(NOW))("one")
    assert caught.value.status == 503


async def test_keys_of_other_kinds_are_passed_by() -> None:
    odd: list[Any] = [{"kty": "oct", "k": "AAAA", "kid": "s"}, {"kty": "EC", "crv": "P-256"}]
    mixed = json.dumps({"keys": [*odd, ONE.public_jwk() | {"kid": "one"}]}).encode()
    assert list(key_set(mixed)) == ["one"]
    assert await FixedKeys(mixed)("s") is None


async def test_the_discovery_document_must_be_the_issuers_own() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("openid-configuration"):
            return httpx.Response(200, json={"issuer": "https://sts.example", "jwks_uri": "https://sts.example/jwks"})
        return httpx.Response(200, content=jwks(one=ONE))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert key_set(await from_issuer("https://sts.example", http)())
        with pytest.raises(ValueError, match="another issuer"):
            await from_issuer("https://evil.example", http)()


async def test_a_redirect_is_not_followed() -> None:
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": "https://evil.example/"}))
    ) as http:
        with pytest.raises(httpx.HTTPStatusError):
            await from_issuer("https://sts.example", http)()
