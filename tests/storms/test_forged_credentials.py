"""Random damage to good credentials: not one changed request may pass, and each is refused, never a fault of ours.

An attestation is damaged also before the issuer signs it, as a careless journal system would send it on: then it may be
taken, but opens nothing that it does not say in full. `KJERNE_STORM` sets the number of each, ten times over (a release
runs 100,000), `KJERNE_STORM_SEED` replays a failure.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

import seeds
from attested import DOCTOR, OTHER, OWN_UNITS, PATIENT, claims, details, digest, made
from clinic import errand
from kjerne.access import PORTAL, Grant, Subject
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.rules import decide
from kjerne.wire import attestation, dpop, jws
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.jws import SigningKey
from kjerne.wire.oauth import Verifier
from policy.cast import CONSUMER, COURSE, PARENT, patient

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AT: Final = int(NOW.timestamp())
URL: Final = "https://kjerne.example/pps/v2/Observation/_search"
ISSUER, CLIENT, THIEF = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
ALPHABET: Final = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00\xff{"'

NUMBER: Final = 10 * int(os.environ.get("KJERNE_STORM", "200"))

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


def seeded() -> random.Random:
    return random.Random(seeds.seed("KJERNE_STORM_SEED"))


async def test_no_damaged_credentials_pass() -> None:
    chance = seeded()

    async def fresh(_: bytes, __: int) -> bool:
        return True

    keys = FixedKeys(json.dumps({"keys": [ISSUER.public_jwk() | {"kid": "one"}]}).encode())
    verifier = Verifier("https://sts.example", "kjerne", keys, FixedClock(NOW), fresh)
    passed = 0
    for number in range(NUMBER):
        token, proof = damaged(number, chance)
        try:
            await verifier.verify("POST", URL, [(b"authorization", b"DPoP " + token), (b"dpop", proof)])
        except Refusal as refusal:
            assert refusal.status in (400, 401)
        else:
            passed += 1
    assert passed == 0


HER: Final[Subject] = patient(digests=frozenset({digest(PATIENT)}), ties=(replace(COURSE, organisation="999999902"),))
GOOD: Final = json.dumps(details()).encode()


def other_digits(text: bytes, chance: random.Random) -> bytes:
    """Digits changed where digits stand: numbers, systems and times that still look like what they are."""
    places = [place for place, byte in enumerate(text) if 48 <= byte < 58]
    changed = bytearray(text)
    for place in chance.sample(places, k=chance.randint(1, 3)):
        changed[place] = chance.randrange(48, 58)
    return bytes(changed)


def other_words(text: bytes, chance: random.Random) -> bytes:
    """One value put where another stood, as when two fields are mistaken for each other."""
    tree = json.loads(text)
    leaves = list(leaves_of(tree))
    (holder, key), (other, name) = chance.choice(leaves), chance.choice(leaves)
    holder[key] = other[name]
    return json.dumps(tree).encode()


def leaves_of(tree: Any) -> Any:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from leaves_of(value)
        else:
            yield tree, key


def says_all(said: dict[str, Any]) -> bool:
    """Whether an attestation, read here without the product, vouches for this doctor and this patient alone, now."""
    who, care = said["practitioner"], said.get("care_relationship") or said["care_relation"]
    unit, entity = who["point_of_care"]["id"], who["legal_entity"]["id"]
    return (
        [one["identifier"]["id"] for one in said["patients"]] == [PATIENT]
        and (who["identifier"]["id"], (who.get("hpr_nr") or who["hpr-nr"])["id"]) == (DOCTOR, "9001")
        and who["authorization"]["code"] == "LE"
        and entity == "999999901"
        and (unit == entity or (unit, entity) in OWN_UNITS)
        and care["purpose_of_use"]["code"] in ("TREAT", "ETREAT", "COC", "BTG")
        and bool(care["decision_ref"]["id"])
        and -5 <= AT - said["toa"] < 3600
    )


async def test_no_damaged_attestation_opens_what_it_does_not_vouch_for() -> None:
    chance = seeded()
    ways = (*DAMAGE[:3], other_digits, other_digits, other_words, other_words)
    opened = refused = 0
    for _ in range(NUMBER):
        raw = chance.choice(ways)(GOOD, chance)
        try:
            said = attestation.read([msgspec.json.decode(raw, type=dict[str, Any])])
            # Her organisation takes part: no refusal is for any other reason than what the attestation says.
            caller = replace(await made(claims(attestations=said)), parts=(CONSUMER,))
        except (msgspec.DecodeError, UnicodeDecodeError, Refusal):
            refused += 1
            continue
        if isinstance(decide(caller, HER, "results", "search", now=NOW), Grant):
            opened += 1
            assert says_all(json.loads(raw)), raw
        else:
            refused += 1
    assert opened and refused > NUMBER / 4


ERRAND: Final = json.dumps(errand(OTHER, "FAMRQT", "1")).encode()
CHILD: Final[Subject] = patient(
    age=8, caller_key=7, ties=(PARENT,), digests=frozenset({digest(OTHER)}), lives_with_parent=True
)


def says_the_errand(said: dict[str, Any]) -> bool:
    """Whether an errand, read here without the product, is a parent's about this child and nobody else."""
    return (
        said["type"] == "kjerne:representation"
        and said["patient"]["id"] == OTHER
        and said["purpose_of_use"]["code"] == "FAMRQT"
        and said["access_policy"].endswith(".7.2.1.1")
    )


async def test_no_damaged_errand_opens_what_it_does_not_say() -> None:
    chance = seeded()
    ways = (*DAMAGE[:3], other_digits, other_digits, other_words, other_words)
    opened = refused = 0
    for _ in range(NUMBER):
        raw = chance.choice(ways)(ERRAND, chance)
        try:
            said = attestation.errands([msgspec.json.decode(raw, type=dict[str, Any])])
            visit = claims(
                client="portal", actor="portal", scopes=frozenset({"kjerne:citizen", PORTAL}), pid=PATIENT, hpr="",
                attestations=(), errands=said,
            )  # fmt: skip
            answer = decide(await made(visit), CHILD, "results", "search", now=NOW)
        except (msgspec.DecodeError, UnicodeDecodeError, Refusal):
            refused += 1
            continue
        if isinstance(answer, Grant):
            opened += 1
            assert says_the_errand(json.loads(raw)), raw
        else:
            refused += 1
    assert refused > NUMBER / 4
    print(f"{NUMBER} errands, {opened} opened")
