"""An attachment's size and hash are those of the data beside them (R4 datatypes.html#Attachment)."""

from __future__ import annotations

import binascii
import hashlib
from typing import Any

from kjerne.errors import Fault
from kjerne.fhir.faults import Faults, fault


def attachment(value: Any) -> Faults:
    """Where the data is within: its size in bytes, and its SHA-1."""
    data = value.get("data")
    if type(data) is not str or ("size" not in value and "hash" not in value):
        return None
    try:
        raw = binascii.a2b_base64("".join(data.split()), strict_mode=True)
    except ValueError:
        return None
    found: list[Fault] = []
    if type(value.get("size")) is int and value["size"] != len(raw):
        found += fault("must be the number of bytes of the data", ".size", "value", "attachment-size")
    digest = binascii.b2a_base64(hashlib.sha1(raw, usedforsecurity=False).digest(), newline=False).decode()
    if type(value.get("hash")) is str and value["hash"] != digest:
        found += fault("must be the SHA-1 of the data", ".hash", "value", "attachment-hash")
    return found
