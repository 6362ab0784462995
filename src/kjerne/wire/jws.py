"""Signed tokens in the compact form (RFC 7515), asymmetric algorithms only (RFC 7518).

Written straight on `cryptography` because a DPoP proof is verified in every request and a JOSE library costs as much
again as the signature itself. The tests hold each function against joserfc.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

T = TypeVar("T")

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
RSA_BITS: Final = (2048, 4096)
"""Under 2048 bits a key is weak; over 4096 one signature check costs an attacker nothing and us milliseconds."""

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_HASH: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, int, str]]] = {
    "P-256": (ec.SECP256R1(), 32, "ES256"),
    "P-384": (ec.SECP384R1(), 48, "ES384"),
    "P-521": (ec.SECP521R1(), 66, "ES512"),
}
_COORDINATE_BYTES: Final = {algorithm: length for _, length, algorithm in _CURVES.values()}
_ECDSA: Final = {f"ES{size}": ec.ECDSA(digest) for size, digest in _HASH.items()}
# What is signed is hashed here, and the library told so: given it whole, it asks twice whether the algorithm is one of hashing.
_HASHED: Final = {
    f"ES{size}": (getattr(hashlib, f"sha{size}"), ec.ECDSA(Prehashed(digest))) for size, digest in _HASH.items()
}
_RSA_ALGORITHMS: Final = frozenset(f"{family}{size}" for family in ("RS", "PS") for size in _HASH)
ALGORITHMS: Final = tuple(sorted(_RSA_ALGORITHMS | _ECDSA.keys()))
"""What may sign a token or a proof. Not `none` nor the HMAC family: a public key must never serve as a secret."""


class NotGenuine(Exception):
    """A token, key or signature does not hold. The text never repeats content of the token."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies. `thumbprint` is RFC 7638 with SHA-256; `algorithms` are those this key may be used with."""

    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    thumbprint: str
    algorithms: frozenset[str]
    kid: str = ""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key of our own: the sandbox provider's, or a client's. Its repr shows no private part."""

    key: ec.EllipticCurvePrivateKey
    thumbprint: str

    def __repr__(self) -> str:
        return f"SigningKey({self.thumbprint})"

    @classmethod
    def generate(cls) -> SigningKey:
        return cls._of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> SigningKey:
        """From a private P-256 JWK; `NotGenuine` where it is none."""
        public = public_key({name: value for name, value in jwk.items() if name != "d"})
        if not isinstance(public.key, ec.EllipticCurvePublicKey) or "ES256" not in public.algorithms:
            raise NotGenuine("a signing key is an EC key on P-256")
        try:
            numbers = ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), public.key.public_numbers())
            return cls._of(numbers.private_key())
        except ValueError as error:
            raise NotGenuine("the private and the public part are not one key") from error

    @classmethod
    def _of(cls, key: ec.EllipticCurvePrivateKey) -> SigningKey:
        return cls(key, thumbprint(_public_members(key)))

    def public_jwk(self) -> dict[str, str]:
        """The public half, fit for a JWKS or a proof's header."""
        return _public_members(self.key)

    def private_jwk(self) -> dict[str, str]:
        """Both halves, for a file of mode 0600 or a sandbox client."""
        secret = self.key.private_numbers().private_value
        return _public_members(self.key) | {"d": encoded(secret.to_bytes(32, "big"))}


def encoded(raw: bytes) -> str:
    """base64url without padding (RFC 7515 section 2)."""
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL).decode()


def decoded(text: bytes) -> bytes:
    """The bytes behind base64url, in its one canonical spelling: a changed spare bit is a changed token."""
    try:
        raw = binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise NotGenuine("a part is not base64url") from error
    if binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL) != text:
        raise NotGenuine("a part is not base64url in its canonical form")
    return raw


def split(token: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature, still encoded."""
    parts = token.split(b".")
    if len(parts) != 3 or not all(parts):
        raise NotGenuine("it is not a signed token of three parts")
    return parts[0], parts[1], parts[2]


def read(decoder: msgspec.json.Decoder[T], part: bytes) -> T:
    """A header or payload as a typed value; `NotGenuine` where it is not JSON with the members it must have."""
    try:
        return decoder.decode(decoded(part))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotGenuine("a member is missing or of the wrong kind") from error


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """A key from a public JWK (RFC 7517); a private or symmetric one is refused, as is a point off its curve."""
    if PRIVATE_MEMBERS & jwk.keys():
        raise NotGenuine("the key holds a private part")
    if jwk.get("use", "sig") != "sig":
        raise NotGenuine("the key is not for signatures")
    try:
        key, algorithms = _elliptic(jwk) if jwk.get("kty") == "EC" else _rsa(jwk)
    except ValueError as error:
        raise NotGenuine("the key is not a valid public key") from error
    if "alg" in jwk:
        algorithms &= {str(jwk["alg"])}
    return PublicKey(key, thumbprint(jwk), algorithms, str(jwk.get("kid", "")))


def _elliptic(jwk: Mapping[str, Any]) -> tuple[ec.EllipticCurvePublicKey, frozenset[str]]:
    curve, length, algorithm = _CURVES.get(str(jwk.get("crv")), (None, 0, ""))
    if curve is None:
        raise NotGenuine("the key's curve is not P-256, P-384 or P-521")
    if any(len(decoded(str(jwk.get(name, "")).encode())) != length for name in ("x", "y")):
        raise NotGenuine("the key's coordinates have the wrong length")
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve)
    return numbers.public_key(), frozenset({algorithm})


def _rsa(jwk: Mapping[str, Any]) -> tuple[rsa.RSAPublicKey, frozenset[str]]:
    if jwk.get("kty") != "RSA":
        raise NotGenuine("the key is neither EC nor RSA")
    modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
    if not RSA_BITS[0] <= modulus.bit_length() <= RSA_BITS[1] or not 65537 <= exponent < 2**32:
        raise NotGenuine("an RSA key has 2048 to 4096 bits and an exponent of at least 65537")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key(), _RSA_ALGORITHMS


def _number(jwk: Mapping[str, Any], member: str) -> int:
    return int.from_bytes(decoded(str(jwk.get(member, "")).encode()), "big")


def _public_members(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (point.x, point.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638: the required members in alphabetical order, without blanks, hashed."""
    members = ("crv", "kty", "x", "y") if jwk.get("kty") == "EC" else ("e", "kty", "n")
    canonical = json.dumps({name: jwk.get(name) for name in members}, separators=(",", ":"), sort_keys=True)
    return encoded(sha256(canonical.encode()).digest())


def verify(key: PublicKey, algorithm: str, signed: bytes, signature: bytes) -> None:
    """`NotGenuine` unless `signature` is `key`'s over `signed` with `algorithm`, which must be one of the key's own."""
    if algorithm not in key.algorithms:
        raise NotGenuine("the algorithm is not allowed for this key")
    # A key's own algorithms are of its kind, so they tell which it is; to ask the abstract class takes 12 us of a read.
    try:
        if (length := _COORDINATE_BYTES.get(algorithm)) is None:
            digest = _HASH[algorithm[2:]]
            fill = padding.PKCS1v15() if algorithm[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
            cast("rsa.RSAPublicKey", key.key).verify(signature, signed, fill, digest)
        else:
            hashed, ecdsa = _HASHED[algorithm]
            cast("ec.EllipticCurvePublicKey", key.key).verify(_der(signature, length), hashed(signed).digest(), ecdsa)
    except InvalidSignature as error:
        raise NotGenuine("the signature does not hold") from error


def _der(signature: bytes, length: int) -> bytes:
    if len(signature) != 2 * length:
        raise NotGenuine("the signature has the wrong length")
    return encode_dss_signature(int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big"))


def sign(key: SigningKey, header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """A compact token signed with ES256; `alg` is put in here."""
    parts = ({"alg": "ES256", **header}, payload)
    signed = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    r, s = decode_dss_signature(key.key.sign(signed.encode(), _ECDSA["ES256"]))
    return f"{signed}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
