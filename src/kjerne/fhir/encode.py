"""A resource tree as JSON bytes, decimals with the digits they came with (R4 datatypes.html#decimal)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def encode(tree: Any) -> bytes:
    """Compact UTF-8 JSON of dicts, lists, strings, ints, bools and `Decimal`; `1.10` is written as 1.10."""
    return _ENCODER.encode(tree)


def decode(raw: bytes) -> dict[str, Any]:
    """The tree of a resource we kept, decimals with their digits. For bytes from outside there is `wire.json.parse`."""
    tree: dict[str, Any] = json.loads(raw, parse_float=Decimal)
    return tree
