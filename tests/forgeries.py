"""Named forgeries of access tokens and DPoP proofs: each a good request, spoiled in one place.

A request is signed with joserfc, not with the product's own code. The verifier's tests try every forgery on it with a clock
that stands; the storms try them over HTTP on two workers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

ISSUER_KEY = ECKey.generate_key("P-256", {"kid": "one"})
ISSUER_RSA = RSAKey.generate_key(2048, {"kid": "two"})
CLIENT_KEY = ECKey.generate_key("P-256")
CLIENT_RSA = RSAKey.generate_key(2048)
OTHER_KEY = ECKey.generate_key("P-256", {"kid": "one"})
ISSUER_JWKS = json.dumps({"keys": [ISSUER_KEY.as_dict(private=False), ISSUER_RSA.as_dict(private=False)]}).encode()

Key = ECKey | RSAKey | bytes
Headers = list[tuple[bytes, bytes]]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sealed(header: dict[str, Any], payload: dict[str, Any], key: Key | None) -> str:
    """A compact token with whatever header; bytes are a shared secret, and without a key the signature is empty."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    if key is None:
        return signed + "."
    if isinstance(key, bytes):
        return f"{signed}.{b64(hmac.digest(key, signed.encode(), 'sha256'))}"
    return f"{signed}.{b64(JWSRegistry.algorithms[header['alg']].sign(signed.encode(), key))}"


@dataclass
class Sent:
    """A request about to be sent. A forgery changes parts before they are signed, or headers after.

    `slack` moves what lies ahead of the clock further ahead, where the clock does not stand still.
    """

    url: str = "https://kjerne.example/pps/v2/Observation/_search"
    method: str = "POST"
    issuer: str = "https://sts.example"
    audience: str = "kjerne"
    at: int = SECONDS
    slack: int = 0
    jti: str = "proof-1"
    token_header: dict[str, Any] = field(default_factory=lambda: {"alg": "ES256", "typ": "at+jwt", "kid": "one"})
    token: dict[str, Any] = field(default_factory=dict)
    token_key: Key | None = field(default_factory=lambda: ISSUER_KEY)
    proof_header: dict[str, Any] = field(
        default_factory=lambda: {"alg": "ES256", "typ": "dpop+jwt", "jwk": CLIENT_KEY.as_dict(private=False)}
    )
    proof: dict[str, Any] = field(default_factory=dict)
    proof_key: Key | None = field(default_factory=lambda: CLIENT_KEY)
    ath: bool = True
    after: Callable[[Headers], Headers] = list

    def __post_init__(self) -> None:
        self.token = {
            "iss": self.issuer,
            "aud": self.audience,
            "exp": self.at + 600,
            "nbf": self.at,
            "iat": self.at,
            "jti": "token-1",
            "client_id": "epj",
            "sub": "someone",
            "scope": ["openid", "nhn:pps/provesvar-read"],
            "cnf": {"jkt": CLIENT_KEY.thumbprint()},
            "helseid://claims/identity/security_level": "4",
            "helseid://claims/client/claims/orgnr_parent": "999999999",
        } | self.token
        self.proof = {"jti": self.jti, "htm": self.method, "htu": self.url, "iat": self.at} | self.proof

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def headers(self) -> Headers:
        token = sealed(self.token_header, self.token, self.token_key)
        if self.ath:
            self.proof.setdefault("ath", b64(hashlib.sha256(token.encode()).digest()))
        proof = sealed(self.proof_header, self.proof, self.proof_key)
        plain = [
            (b"host", self.host.encode()),
            (b"authorization", b"DPoP " + token.encode()),
            (b"dpop", proof.encode()),
        ]
        return self.after(plain)


def hs_confusion(sent: Sent) -> None:
    """The issuer's public key used as a shared secret."""
    sent.token_header["alg"] = "HS256"
    sent.token_key = ISSUER_RSA.as_pem(private=False)


def cut_signature(sent: Sent) -> None:
    sent.after = lambda headers: [
        (name, value.rpartition(b".")[0] + b"." if name == b"authorization" else value) for name, value in headers
    ]


def spare_bit(sent: Sent) -> None:
    """Changes bits of the last character that base64 does not use: another text for the same signature."""

    def changed(value: bytes) -> bytes:
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return value[:-1] + bytes([alphabet[alphabet.index(value[-1]) ^ 1]])

    sent.after = lambda headers: [(name, changed(v) if name == b"authorization" else v) for name, v in headers]


TOKEN: dict[str, Callable[[Sent], Any]] = {
    "alg none": lambda s: (s.token_header.update(alg="none"), setattr(s, "token_key", None)),
    "alg None in capitals": lambda s: (s.token_header.update(alg="NONE"), setattr(s, "token_key", None)),
    "no signature": cut_signature,
    "spare bit of the signature": spare_bit,
    "HS256 with the public key": hs_confusion,
    "signed by another key": lambda s: setattr(s, "token_key", OTHER_KEY),
    "own key in the header": lambda s: (
        setattr(s, "token_key", OTHER_KEY),
        s.token_header.update(jwk=OTHER_KEY.as_dict(private=False)),
    ),
    "key address in the header": lambda s: (
        setattr(s, "token_key", OTHER_KEY),
        s.token_header.update(jku="https://evil.example/jwks"),
    ),
    "unknown kid": lambda s: s.token_header.update(kid="three"),
    "kid of a key of another kind": lambda s: s.token_header.update(kid="two"),
    "no kid": lambda s: s.token_header.pop("kid"),
    "kid a path": lambda s: s.token_header.update(kid="../../dev/null"),
    "crit extension": lambda s: s.token_header.update(crit=["exp"]),
    "an ID token": lambda s: s.token_header.update(typ="JWT"),
    "no typ": lambda s: s.token_header.pop("typ"),
    "a proof as token": lambda s: s.token_header.update(typ="dpop+jwt"),
    "another audience": lambda s: s.token.update(aud="nhn:kjernejournal"),
    "audience by prefix": lambda s: s.token.update(aud=s.audience + "-test"),
    "several audiences": lambda s: s.token.update(aud=[s.audience, "nhn:other"]),
    "no audience": lambda s: s.token.pop("aud"),
    "empty audience": lambda s: s.token.update(aud=[]),
    "another issuer": lambda s: s.token.update(iss="https://evil.example"),
    "issuer with a slash": lambda s: s.token.update(iss=s.issuer + "/"),
    "no issuer": lambda s: s.token.pop("iss"),
    "expired": lambda s: s.token.update(exp=s.at - 5),
    "no expiry": lambda s: s.token.pop("exp"),
    "expiry as text": lambda s: s.token.update(exp="9999999999"),
    "not valid yet": lambda s: s.token.update(nbf=s.at + 6 + s.slack),
    "issued in the future": lambda s: s.token.update(iat=s.at + 6 + s.slack),
    "no cnf": lambda s: s.token.pop("cnf"),
    "cnf without jkt": lambda s: s.token.update(cnf={"x5t#S256": "abc"}),
    "cnf of another key": lambda s: s.token.update(cnf={"jkt": OTHER_KEY.thumbprint()}),
    "no jti": lambda s: s.token.pop("jti"),
    "no client": lambda s: s.token.pop("client_id"),
    "attestation of the wrong kind": lambda s: s.token.update(
        authorization_details=[{"type": "nhn:tillitsrammeverk:parameters", "patients": "all"}]
    ),
    "longer than any token": lambda s: s.token.update(name="x" * 20_000),
}


def private_key_shown(sent: Sent) -> None:
    sent.proof_header["jwk"] = CLIENT_KEY.as_dict(private=True)


def proof_of(key: ECKey | RSAKey) -> Callable[[Sent], None]:
    def change(sent: Sent) -> None:
        sent.proof_key = key
        sent.proof_header["jwk"] = key.as_dict(private=False)

    return change


def weak_rsa(sent: Sent) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    pem = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with warnings.catch_warnings(action="ignore"):
        proof_of(RSAKey.import_key(pem))(sent)
    sent.proof_header["alg"] = "RS256"


def off_the_curve(sent: Sent) -> None:
    sent.proof_header["jwk"] = CLIENT_KEY.as_dict(private=False) | {"y": b64(b"\x01" * 32)}


def short_coordinate(sent: Sent) -> None:
    sent.proof_header["jwk"] = CLIENT_KEY.as_dict(private=False) | {"y": b64(b"\x01" * 31)}


def shared_secret(sent: Sent) -> None:
    sent.proof_key = b"k" * 32
    sent.proof_header |= {"alg": "HS256", "jwk": {"kty": "oct", "k": b64(sent.proof_key)}}


def other_scheme(url: str) -> str:
    scheme, _, rest = url.partition(":")
    return f"{'http' if scheme == 'https' else 'https'}:{rest}"


PROOF: dict[str, Callable[[Sent], Any]] = {
    "typ JWT": lambda s: s.proof_header.update(typ="JWT"),
    "no typ": lambda s: s.proof_header.pop("typ"),
    "alg none": lambda s: (s.proof_header.update(alg="none"), setattr(s, "proof_key", None)),
    "a shared secret": shared_secret,
    "alg of another family": lambda s: s.proof_header.update(alg="ES256", jwk=CLIENT_RSA.as_dict(private=False)),
    "private key in the header": private_key_shown,
    "no key": lambda s: s.proof_header.pop("jwk"),
    "key as text": lambda s: s.proof_header.update(jwk="key"),
    "key for encryption": lambda s: s.proof_header["jwk"].update(use="enc"),
    "a key too weak": weak_rsa,
    "a point off the curve": off_the_curve,
    "a short coordinate": short_coordinate,
    "signed by another key than it shows": lambda s: setattr(s, "proof_key", OTHER_KEY),
    "crit extension": lambda s: s.proof_header.update(crit=["htu"]),
    "another method": lambda s: s.proof.update(htm="GET"),
    "method in small letters": lambda s: s.proof.update(htm=s.method.lower()),
    "no method": lambda s: s.proof.pop("htm"),
    "another path": lambda s: s.proof.update(htu=s.url.replace("Observation", "Specimen")),
    "another host": lambda s: s.proof.update(htu=s.url.replace(s.host, "evil.example")),
    "another scheme": lambda s: s.proof.update(htu=other_scheme(s.url)),
    "another port": lambda s: s.proof.update(htu=s.url.replace(s.host, s.host.partition(":")[0] + ":8443")),
    "a user before the host": lambda s: s.proof.update(htu=s.url.replace("://", "://a@")),
    "a longer path": lambda s: s.proof.update(htu=s.url + "/"),
    "an encoded slash": lambda s: s.proof.update(htu=s.url.replace("/v2/", "%2Fv2/")),
    "no address": lambda s: s.proof.pop("htu"),
    "no address at all": lambda s: s.proof.update(htu=""),
    "a port that is no number": lambda s: s.proof.update(htu="https://kjerne.example:x/"),
    "hash of another token": lambda s: s.proof.update(ath=b64(hashlib.sha256(b"another").digest())),
    "no hash": lambda s: setattr(s, "ath", False),
    "empty hash": lambda s: s.proof.update(ath=""),
    "too old": lambda s: s.proof.update(iat=s.at - 11 - 2 * s.slack),
    "from the future": lambda s: s.proof.update(iat=s.at + 6 + s.slack),
    "no time": lambda s: s.proof.pop("iat"),
    "time as text": lambda s: s.proof.update(iat=str(s.at)),
    "time as a truth value": lambda s: s.proof.update(iat=True),
    "time without end": lambda s: s.proof.update(iat=10**400),
    "no jti": lambda s: s.proof.pop("jti"),
    "empty jti": lambda s: s.proof.update(jti=""),
    "endless jti": lambda s: s.proof.update(jti="x" * 257),
    "longer than any proof": lambda s: s.proof.update(extra="x" * 5000),
    "two proofs in one header": lambda s: setattr(
        s, "after", lambda h: [(n, v + b", " + v if n == b"dpop" else v) for n, v in h]
    ),
    "the token as proof": lambda s: setattr(s, "after", lambda h: [h[1], (b"dpop", h[1][1].removeprefix(b"DPoP "))]),
    "no proof": lambda s: setattr(s, "after", lambda h: h[:2]),
    "empty proof": lambda s: setattr(s, "after", lambda h: [*h[:2], (b"dpop", b"")]),
    "nested without end": lambda s: setattr(
        s, "after", lambda h: [*h[:2], (b"dpop", (b64(b"[" * 2000) + ".e30.AAAA").encode())]
    ),
}
