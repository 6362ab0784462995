"""R4's own profiles and extensions (`vitalsigns`, `lipidprofile`, `SimpleQuantity`, ...), and the bindings of its elements.

The table is made by `tools/build_profiles.py` from HL7's CC0 package and never committed; it is read at the first question.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from kjerne.fhir.packages import Definitions

PATH: Final = Path(__file__).parent / "data" / "profiles.msgpack.zst"
UNPACKED_LIMIT_BYTES: Final = 64_000_000
VERSION: Final = "4.0.1"


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """The value set of an element, by its address, that R4's own required lists do not hold."""

    value_set: str
    required: bool


class Table(msgspec.Struct, frozen=True, array_like=True):
    """`definitions`: the JSON of each by its address, packed, what is judged of it alone. `profiles`: by type the addresses
    of its profiles, without extensions. `bindings`: by type or nested structure those of its elements; of a type itself by ''."""

    source_sha256: str
    definitions: dict[str, bytes]
    profiles: dict[str, tuple[str, ...]]
    bindings: dict[str, dict[str, Binding]]


@cache
def _table() -> Table:
    try:
        packed = PATH.read_bytes()
    except FileNotFoundError:
        raise RuntimeError("R4's profiles are missing: run `make setup` (tools/build_profiles.py).") from None
    unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=UNPACKED_LIMIT_BYTES)
    return msgspec.msgpack.decode(unpacked, type=Table)


def find(canonical: str) -> dict[str, Any] | None:
    """The definition of an address, with or without R4's version; None where R4 has none."""
    address, _, version = canonical.partition("|")
    raw = _table().definitions.get(address) if version in ("", VERSION) else None
    found: dict[str, Any] | None = json.loads(zlib.decompress(raw)) if raw is not None else None
    return found


def of_types() -> Mapping[str, tuple[str, ...]]:
    """By type the addresses of R4's profiles of it."""
    return _table().profiles


def bindings() -> Mapping[str, Mapping[str, Binding]]:
    """By type or nested structure (`Observation.component`) and element: what is extensible, or required and not listed."""
    return _table().bindings


@dataclass(frozen=True)
class BesideCore:
    """What packages define, and behind it what R4 does: a package may have a definition of R4's in another version."""

    library: Definitions

    def find(self, canonical: str) -> dict[str, Any] | None:
        """As `Definitions.find`."""
        return self.library.find(canonical) or find(canonical)
