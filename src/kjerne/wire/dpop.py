"""Proof of possession (RFC 9449): whoever sends a token also signs this very request with the token's key.

The checks and their order follow HelseID's own sample (DPoPProofValidator): type, algorithm, public key, signature,
address, method, age, token hash, nonce. Whether the proof was used before is asked last, by the caller, in the
database.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from kjerne.clock import Clock
from kjerne.wire import jws
from kjerne.wire.jws import NotGenuine, PublicKey

SKEW_SECONDS: Final = 5
"""How far ahead of ours a client's clock may run (HelseID: 5 s)."""
PROOF_LIMIT_BYTES: Final = 4096
JTI_LIMIT_CHARACTERS: Final = 256
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class NonceWanted(NotGenuine):
    """The proof holds, but without the server's current nonce (RFC 9449 section 8)."""


class Proof(msgspec.Struct, frozen=True):
    """A proof that holds for this request. `digest` and `signed_at` (unix seconds) name it in the replay table."""

    key: PublicKey
    digest: bytes
    signed_at: int


class _Header(msgspec.Struct):
    typ: str
    alg: str
    jwk: dict[str, Any]
    crit: Any = msgspec.UNSET


class _Payload(msgspec.Struct):
    jti: str
    htm: str
    htu: str
    iat: float
    ath: str = ""
    nonce: str = ""


_HEADER = msgspec.json.Decoder(_Header)
_PAYLOAD = msgspec.json.Decoder(_Payload)


@dataclass(frozen=True)
class Nonces:
    """Server nonces without a store: a keyed digest of the time window, so that every worker with the key agrees."""

    key: bytes = field(repr=False)
    clock: Clock
    seconds: int = 60

    def current(self) -> str:
        return self._at(0)

    def holds(self, nonce: str) -> bool:
        """This window's or the one before it."""
        return any(hmac.compare_digest(nonce.encode(), self._at(back).encode()) for back in (0, 1))

    def _at(self, back: int) -> str:
        window = int(self.clock.now().timestamp()) // self.seconds - back
        return jws.encoded(hmac.digest(self.key, b"dpop-nonce %d" % window, "sha256")[:16])


@dataclass(frozen=True)
class Proofs:
    """Checks proofs. `seconds` is the oldest one taken, clock skew included; with `nonces` each must hold a nonce."""

    clock: Clock
    seconds: int = 10
    nonces: Nonces | None = None

    def check(self, proof: bytes, method: str, url: str, token_hash: str = "") -> Proof:
        """The proof for `method`, `url` and the access token behind `token_hash`, if given; else `NotGenuine`."""
        if len(proof) > PROOF_LIMIT_BYTES:
            raise NotGenuine("the proof is too long")
        head, body, seal = jws.split(proof)
        algorithm, key = _signer(head)
        jws.verify(key, algorithm, proof[: len(head) + 1 + len(body)], jws.decoded(seal))
        said = jws.read(_PAYLOAD, body)
        self._compare(said, method, url, token_hash)
        return Proof(key, sha256(f"{key.thumbprint}.{said.jti}".encode()).digest()[:16], int(said.iat))

    def _compare(self, said: _Payload, method: str, url: str, token_hash: str) -> None:
        if said.htm != method:
            raise NotGenuine("htm is another method")
        if said.htu != url and not same_address(said.htu, url):
            raise NotGenuine("htu is another address")
        if not -SKEW_SECONDS <= self.clock.now().timestamp() - said.iat <= self.seconds:
            raise NotGenuine("iat is too old or ahead of the clock")
        if token_hash and said.ath != token_hash:
            raise NotGenuine("ath is not the hash of the access token")
        if not 0 < len(said.jti) <= JTI_LIMIT_CHARACTERS:
            raise NotGenuine("jti is empty or too long")
        if self.nonces and not self.nonces.holds(said.nonce):
            raise NonceWanted("the nonce is missing or old")


@lru_cache(maxsize=4096)
def _signer(head: bytes) -> tuple[str, PublicKey]:
    """Algorithm and key of a proof's header. A client's header is the same in every request, so it is read once."""
    header = jws.read(_HEADER, head)
    if header.typ != "dpop+jwt":
        raise NotGenuine("typ is not dpop+jwt")
    if header.crit is not msgspec.UNSET:
        raise NotGenuine("crit names extensions that are not understood")
    if header.alg not in jws.ALGORITHMS:
        raise NotGenuine("the algorithm is not an allowed asymmetric one")
    return header.alg, jws.public_key(header.jwk)


def same_address(one: str, other: str) -> bool:
    """Whether two http addresses are one, query and fragment left out (RFC 9449 section 4.3, RFC 3986 section 6.2)."""
    try:
        return _address(one) == _address(other)
    except ValueError:
        return False


def _address(url: str) -> tuple[str, str, int, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("not an http address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port, _path(parts.path)


def _path(path: str) -> str:
    """Percent-encoding in one spelling: unreserved characters decoded, the others in upper case."""
    first, *rest = path.split("%")
    spelled = [first]
    for part in rest:
        code = "%" + part[:2].upper()
        plain = unquote(code)
        spelled.append((plain if plain in _UNRESERVED else code) + part[2:])
    return "".join(spelled) or "/"


def proof(key: jws.SigningKey, method: str, url: str, *, jti: str, at: int, token: str = "", nonce: str = "") -> str:
    """A client's proof for one request, signed at `at` (unix seconds)."""
    said: dict[str, Any] = {"jti": jti, "htm": method, "htu": url.partition("?")[0].partition("#")[0], "iat": at}
    if token:
        said["ath"] = token_hash(token.encode())
    if nonce:
        said["nonce"] = nonce
    return jws.sign(key, {"typ": "dpop+jwt", "jwk": key.public_jwk()}, said)


@lru_cache(maxsize=1024)
def token_hash(token: bytes) -> str:
    """`ath`: the access token's SHA-256 in base64url. A client sends the same token in every request, so it is hashed once."""
    return jws.encoded(sha256(token).digest())
