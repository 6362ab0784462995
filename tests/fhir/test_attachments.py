"""An attachment's size and hash are its data's."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from kjerne.fhir.attachments import attachment

DATA = base64.b64encode(b"hello").decode()
HASH = base64.b64encode(hashlib.sha1(b"hello").digest()).decode()


def wrong(**members: Any) -> list[str]:
    return [fault.rule for fault in attachment({"contentType": "text/plain", **members}) or ()]


def test_what_agrees_is_right() -> None:
    assert wrong(data=DATA, size=5, hash=HASH) == []


def test_what_does_not_agree_is_named() -> None:
    assert wrong(data=DATA, size=6) == ["attachment-size"]
    assert wrong(data=DATA, hash=HASH[::-1]) == ["attachment-hash"]


def test_without_data_nothing_is_judged() -> None:
    assert wrong(url="urn:x", size=5, hash="x") == []
    assert wrong(data="?", size=5) == []
