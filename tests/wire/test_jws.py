"""Our signatures against joserfc's: what one signs the other takes, and each finds the same thumbprint."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from kjerne.wire import jws
from kjerne.wire.jws import NotGenuine, SigningKey

P256 = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)


def test_a_token_of_ours_is_read_by_joserfc() -> None:
    key = SigningKey.generate()
    token = jws.sign(key, {"typ": "JWT"}, {"sub": "æøå", "n": 1})
    said = jwt.decode(token, ECKey.import_key(key.public_jwk()))
    assert (said.header, said.claims) == ({"alg": "ES256", "typ": "JWT"}, {"sub": "æøå", "n": 1})


@pytest.mark.parametrize("key", [P256, ECKey.generate_key("P-384"), ECKey.generate_key("P-521"), RSA])
def test_thumbprints_are_joserfcs(key: ECKey | RSAKey) -> None:
    assert jws.public_key(key.as_dict(private=False)).thumbprint == key.thumbprint()


def test_a_signing_key_survives_being_written_down() -> None:
    key = SigningKey.generate()
    again = SigningKey.from_jwk(key.private_jwk())
    assert again.thumbprint == key.thumbprint
    jws.verify(jws.public_key(key.public_jwk()), "ES256", b"a", _signature(again, b"a"))


def _signature(key: SigningKey, signed: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    r, s = utils.decode_dss_signature(key.key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


PUBLIC = P256.as_dict(private=False)
BAD_KEYS: dict[str, dict[str, Any]] = {
    "private": dict(P256.as_dict(private=True)),
    "symmetric": {"kty": "oct", "k": "AAAA"},
    "Edwards": dict(OKPKey.generate_key("Ed25519").as_dict(private=False)),
    "another curve": {**PUBLIC, "crv": "secp256k1"},
    "no curve": {"kty": "EC"},
    "no kind": {},
    "curve as list": {**PUBLIC, "crv": ["P-256"]},
    "coordinate as number": {**PUBLIC, "x": 7},
    "point at zero": {**PUBLIC, "x": "A" * 43, "y": "A" * 43},
    "for encryption": {**PUBLIC, "use": "enc"},
    "RSA without number": {"kty": "RSA"},
    "RSA with exponent 1": {**RSA.as_dict(private=False), "e": "AQ"},
    "RSA with an even exponent": {
        **RSA.as_dict(private=False),
        "e": base64.urlsafe_b64encode(b"\1\0\0\0").decode()[:6],
    },
    "RSA too long": {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 513).decode()},
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_is_no_public_signature_key_is_refused(name: str) -> None:
    with pytest.raises(NotGenuine):
        jws.public_key(BAD_KEYS[name])


def test_a_key_that_names_its_algorithm_serves_no_other() -> None:
    assert jws.public_key({**RSA.as_dict(private=False), "alg": "PS256"}).algorithms == {"PS256"}
    assert jws.public_key({**PUBLIC, "alg": "HS256"}).algorithms == frozenset()


def test_halves_of_two_keys_are_no_key() -> None:
    mixed = {**SigningKey.generate().private_jwk(), "d": SigningKey.generate().private_jwk()["d"]}
    with pytest.raises(NotGenuine):
        SigningKey.from_jwk(mixed)
    with pytest.raises(NotGenuine):
        SigningKey.from_jwk(RSA.as_dict(private=False))


@pytest.mark.parametrize("text", [b"AA==", b"A", b"AB", b"A+", b"A/", b"A A", b"AA\n", b"\xff\xff", b"AAA\xc3\xa6"])
def test_base64url_has_one_spelling(text: bytes) -> None:
    with pytest.raises(NotGenuine):
        jws.decoded(text)


@given(st.binary(max_size=100))
def test_base64url_goes_both_ways(raw: bytes) -> None:
    assert jws.decoded(jws.encoded(raw).encode()) == raw


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_no_bytes_break_the_reading_of_a_token(raw: bytes) -> None:
    try:
        jws.decoded(jws.split(raw)[0])
    except NotGenuine:
        return
