"""Random damage to good credentials: not one changed request may pass, and each is refused, never a fault of ours.

`KJERNE_STORM` sets the number of requests (`make storm` runs 10,000), `KJERNE_STORM_SEED` replays a failure.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.wire import dpop, jws
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.jws import SigningKey
from kjerne.wire.oauth import Verifier

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AT: Final = int(NOW.timestamp())
URL: Final = "https://kjerne.example/pps/v2/Observation/_search"
ISSUER, CLIENT, THIEF = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
ALPHABET: Final = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00\xff{"'

Credentials = tuple[bytes, bytes]


def good(number: int, key: SigningKey = CLIENT) -> Credentials:
    """A token and a proof that hold."""
    said = {
        "iss": "https://sts.example",
        "aud": "kjerne",
        "exp": AT + 600,
        "jti": f"token-{number % 7}",
        "client_id": "epj",
        "cnf": {"jkt": key.thumbprint},
    }
    token = jws.sign(ISSUER, {"typ": "at+jwt", "kid": "one"}, said)
    return token.encode(), dpop.proof(key, "POST", URL, jti=f"proof-{number}", at=AT, token=token).encode()


def flip(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << chance.randrange(8))]) + text[at + 1 :]


def cut(text: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(text) + 1), k=2))
    return text[:start] + text[end:]


def put_in(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text) + 1)
    return text[:at] + bytes(chance.choices(ALPHABET, k=chance.randint(1, 4))) + text[at:]


def swap_parts(text: bytes, chance: random.Random) -> bytes:
    parts = text.split(b".")
    chance.shuffle(parts)
    return b".".join(parts)


DAMAGE: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (flip, cut, put_in, swap_parts)


def damaged(number: int, chance: random.Random) -> Credentials:
    """Credentials that must not pass: changed in one place or several, or mixed from two requests."""
    original = good(number)
    changed = original
    while changed == original:
        changed = once_damaged(*original, number, chance)
    return changed


def once_damaged(token: bytes, proof: bytes, number: int, chance: random.Random) -> Credentials:
    kind = chance.randrange(10)
    if kind == 0:
        return token, good(number, THIEF)[1]
    if kind == 1:
        return good(number + 1)[0], proof
    for _ in range(chance.randint(1, 3)):
        damage = chance.choice(DAMAGE)
        if chance.random() < 0.5:
            token = damage(token, chance)
        else:
            proof = damage(proof, chance)
    return token, proof


async def test_no_damaged_credentials_pass() -> None:
    seed = int(os.environ.get("KJERNE_STORM_SEED", random.randrange(2**32)))
    print(f"KJERNE_STORM_SEED={seed}")
    chance = random.Random(seed)

    async def fresh(_: bytes, __: int) -> bool:
        return True

    keys = FixedKeys(json.dumps({"keys": [ISSUER.public_jwk() | {"kid": "one"}]}).encode())
    verifier = Verifier("https://sts.example", "kjerne", keys, FixedClock(NOW), fresh)
    passed = 0
    for number in range(int(os.environ.get("KJERNE_STORM", "2000"))):
        token, proof = damaged(number, chance)
        try:
            await verifier.verify("POST", URL, [(b"authorization", b"DPoP " + token), (b"dpop", proof)])
        except Refusal as refusal:
            assert refusal.status in (400, 401)
        else:
            passed += 1
    assert passed == 0
