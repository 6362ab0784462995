"""What a SMART Health Link is made of: its address and key, the payload that carries them, and files that the key opens.

Source: HL7 SMART Health Cards and Links 1.0.0 (STU 1), "Health Links Specification". Pure, but for the randomness that is passed
in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL
from kjerne.registries.identifiers import holds_a_number

FHIR_JSON: Final = "application/fhir+json"
VIEWS: Final = "application/vnd.kjerne.views+json"
"""Of the rendering that our own page shows (`pages/copied.py`); told to no other receiver."""
SECRET_BYTES: Final = 32
"""Of the id in an address, of a key: 256 bits, as the specification wants."""
SECRET_CHARACTERS: Final = 43
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
URL_MOST: Final = 128
LABEL_MOST: Final = 80
PASSCODE_LEAST: Final = 6
PASSCODE_MOST: Final = 64
PASSCODE_MADE_DIGITS: Final = 8
HOURS: Final = (1, 8, 24, 3 * 24, 7 * 24, 14 * 24, 30 * 24)
"""How long a link may live."""
PATH: Final = "/shl"
"""Where links are, and the page that opens them."""
Random = Callable[[int], bytes]
_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is handed out, once. `secret` is the id in its address; nobody keeps it or the `key`."""

    secret: str
    key: bytes
    url: str
    uri: str

    def __repr__(self) -> str:
        return "Link(...)"


@dataclass(frozen=True, slots=True)
class Wish:
    """A link as it was asked for, checked: the passcode, `made` where it was made here, and the copy's language. `without` are
    the sections of which she was told that they are not complete, and wants the copy all the same."""

    label: str
    life: timedelta
    passcode: str
    made: bool
    language: str
    without: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return "Wish(...)"


@dataclass(frozen=True, slots=True)
class Lacking:
    """No link was made: the copy would lack something of these sections, and she has not been told that."""

    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Handed:
    """A link that was made, as its maker sees it once. `viewer` opens it in a browser; it is what the QR code holds. `lacking`
    are the sections of the copy that are not complete."""

    uri: str
    viewer: str
    label: str
    until: datetime
    wish: Wish
    lacking: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Handed(...)"


def text_of(raw: bytes) -> str:
    """Bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def new_secret(random: Random) -> str:
    """An id that nobody guesses, as it stands in an address."""
    return text_of(random(SECRET_BYTES))


def is_secret(text: str) -> bool:
    """Whether a text has the form of one."""
    return len(text) == SECRET_CHARACTERS and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def link(base_url: str, label: str, until: datetime, random: Random) -> Link:
    """A new link with a passcode, to a manifest under `base_url`. `ValueError` where that makes too long an address."""
    secret, key = new_secret(random), random(SECRET_BYTES)
    url = f"{base_url}{PATH}/{secret}"
    if len(url) > URL_MOST:
        raise ValueError(f"the address of a link is longer than {URL_MOST} characters")
    payload: dict[str, Any] = {"url": url, "flag": "P", "key": text_of(key), "exp": int(until.timestamp()), "v": 1}
    if label:
        payload["label"] = label
    return Link(secret, key, url, f"shlink:/{text_of(_json(payload))}")


def encrypted(plain: bytes, key: bytes, random: Random, media_type: str = FHIR_JSON) -> str:
    """A file as compact JWE: `dir`, `A256GCM`, packed by raw DEFLATE (RFC 1951) before that."""
    header = text_of(_json({"alg": "dir", "enc": "A256GCM", "cty": media_type, "zip": "DEF"}))
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(plain) + packer.flush()
    nonce = random(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, packed, header.encode())
    return f"{header}..{text_of(nonce)}.{text_of(sealed[:-TAG_BYTES])}.{text_of(sealed[-TAG_BYTES:])}"


def passcode(text: str, random: Random) -> str:
    """The passcode that was chosen, or one of digits where none was; `Refusal` 400 where it is too easily guessed.

    Ten wrong tries end a link, so it need not be long; it must not be what everybody tries first, and nobody's number.
    """
    if not text.strip():
        number = int.from_bytes(random(SECRET_BYTES), "big") % 10**PASSCODE_MADE_DIGITS
        digits = f"{number:0{PASSCODE_MADE_DIGITS}}"
        return f"{digits[:4]} {digits[4:]}"
    plain = plainly(text)
    if not PASSCODE_LEAST <= len(plain) <= PASSCODE_MOST or CONTROL.search(plain):
        raise Refusal(
            400, f"A passcode has {PASSCODE_LEAST} to {PASSCODE_MOST} characters.", where="passcode",
            todo="Choose another, or leave it out to get one.",
        )  # fmt: skip
    if _is_easy(plain) or holds_a_number(plain):
        raise Refusal(400, "The passcode is too easy to guess.", where="easy", todo="Choose another.")
    return text.strip()


def plainly(text: str) -> str:
    """A passcode as it is compared: without blanks, which people put in to read it by, in one form of Unicode."""
    return "".join(unicodedata.normalize("NFC", text).split())


def _is_easy(plain: str) -> bool:
    steps = {ord(later) - ord(earlier) for earlier, later in pairwise(plain)}
    return len(set(plain.casefold())) < 3 or steps in ({1}, {-1})


def passcode_digest(key: bytes, secret: str, text: str) -> bytes:
    """What is kept of a passcode: keyed, since there are few to try, and of one link alone."""
    return hmac.new(key, f"{secret}\n{plainly(text)}".encode(), hashlib.sha256).digest()


def label(text: str) -> str:
    """What a link is called, which stands readable in it; `Refusal` 400 where it is too long or holds a person number."""
    plain = " ".join(text.split())
    if len(plain) > LABEL_MOST or CONTROL.search(plain):
        raise Refusal(400, f"A name has at most {LABEL_MOST} characters.", where="label", todo="Choose a shorter one.")
    if holds_a_number(plain):
        raise Refusal(
            400, "A person number must not stand in the name.", where="number", todo="Choose a name without numbers."
        )
    return plain


def lifetime(hours: str) -> timedelta:
    """How long it is to live, from a form; `Refusal` 400 for what is not offered."""
    found = next((one for one in HOURS if str(one) == hours), None)
    if found is None:
        raise Refusal(400, "A link lives for one of the times that are offered.", where="hours")
    return timedelta(hours=found)
