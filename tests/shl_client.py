"""A receiver of SMART Health Links, written from the specification alone (HL7 SMART Health Cards and Links 1.0.0): it knows
nothing of the program that it is asked of."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def unpadded(text: str) -> bytes:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text), "base64url without padding"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True)
class Link:
    """What a link says. `rest` is all of its payload."""

    url: str
    key: bytes
    flag: str
    rest: dict[str, Any]


def read(text: str) -> Link:
    """A link as it is scanned, with or without a viewer before it."""
    scanned = text.rpartition("#")[2]
    assert scanned.startswith("shlink:/"), scanned[:20]
    payload = json.loads(unpadded(scanned.removeprefix("shlink:/")))
    key, flag = unpadded(payload["key"]), payload.get("flag", "")
    assert len(key) == 32
    assert len(payload["url"]) <= 128
    assert list(flag) == sorted(flag)
    assert not {"P", "U"} <= set(flag)
    assert len(payload.get("label", "")) <= 80
    assert payload.get("v", 1) == 1
    assert any(len(unpadded(part)) >= 32 for part in payload["url"].split("/") if re.fullmatch(r"[\w-]{43,}", part))
    return Link(payload["url"], key, flag, payload)


def manifest(http: httpx.Client, link: Link, passcode: str | None = None, **more: Any) -> httpx.Response:
    """The manifest request."""
    asked = {"recipient": "Dr. Example, Lisboa", **({} if passcode is None else {"passcode": passcode}), **more}
    return http.post(link.url, json=asked)


def opened(jwe: str, key: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the plain text of a file."""
    head, wrapped, nonce, sealed, tag = jwe.split(".")
    header = json.loads(unpadded(head))
    assert (header["alg"], header["enc"], wrapped) == ("dir", "A256GCM", "")
    plain = AESGCM(key).decrypt(unpadded(nonce), unpadded(sealed) + unpadded(tag), head.encode())
    return header, zlib.decompress(plain, wbits=-15) if header.get("zip") == "DEF" else plain


def files(http: httpx.Client, link: Link, answer: httpx.Response) -> list[Any]:
    """All files of a manifest, each from where it says that it lies."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    found = []
    for one in answer.json()["files"]:
        assert one["contentType"] in {
            "application/smart-health-card", "application/smart-api-access", "application/fhir+json",
        }  # fmt: skip
        jwe = one.get("embedded")
        if jwe is None:
            fetched = http.get(one["location"])
            assert fetched.status_code == 200, fetched.text
            assert fetched.headers["content-type"].partition(";")[0] == "application/jose"
            jwe = fetched.text
        header, plain = opened(jwe, link.key)
        assert header["cty"] == one["contentType"]
        found.append(json.loads(plain))
    return found
