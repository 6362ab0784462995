"""What R4 asks beyond shape, as data from HL7's CC0 package: invariants, extensions, the codes of code systems.

The table is made by `tools/build_rules.py` and never committed. It is read once, when the first element needs it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import zstandard

PATH: Final = Path(__file__).parent / "data" / "rules.msgpack.zst"
UNPACKED_LIMIT_BYTES: Final = 64_000_000


class Constraint(msgspec.Struct, frozen=True, array_like=True):
    """One invariant of a type or nested structure: its key, what it says in words, and its FHIRPath."""

    key: str
    says: str
    expression: str
    warning: bool


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One extension inside a complex one, by its relative address. `most` is 0 where it has no upper end."""

    least: int
    most: int
    types: tuple[str, ...]


class Extension(msgspec.Struct, frozen=True, array_like=True):
    """An extension's definition. `contexts` are element paths or types; without `types` it has parts and no value."""

    contexts: tuple[str, ...]
    types: tuple[str, ...]
    parts: dict[str, Part]
    modifier: bool


class Rules(msgspec.Struct, frozen=True, array_like=True):
    """Everything from the package. `constraints` by type or path, `systems` each code system that is listed whole.

    `shaped` are required value sets that no list can hold (MIME types), by type and element.
    """

    source_sha256: str
    constraints: dict[str, tuple[Constraint, ...]]
    extensions: dict[str, Extension]
    systems: dict[str, frozenset[str]]
    value_sets: frozenset[str]
    shaped: dict[str, dict[str, str]]


@cache
def rules() -> Rules:
    """The whole table, read once (some 20 ms)."""
    try:
        packed = PATH.read_bytes()
    except FileNotFoundError:
        raise RuntimeError("The FHIR rules are missing: run `make setup` (tools/build_rules.py).") from None
    unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=UNPACKED_LIMIT_BYTES)
    return msgspec.msgpack.decode(unpacked, type=Rules)
