"""The code systems, value sets and concept maps of R4 itself, as HL7's package has them.

The table is made by `tools/build_terminology.py` from HL7's CC0 package and never committed; it is read at the first question.
SNOMED CT, LOINC and others are named in it and not listed: who has a licence loads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

PATH: Final = Path(__file__).parents[1] / "data" / "terminology.msgpack.zst"
UNPACKED_LIMIT_BYTES: Final = 64_000_000
TYPES: Final = ("CodeSystem", "ValueSet", "ConceptMap")


class Table(msgspec.Struct, frozen=True, array_like=True):
    """`resources`: of each type the JSON of each, by its address, without narrative and publisher."""

    source_sha256: str
    resources: dict[str, dict[str, bytes]]


@cache
def _table() -> Table:
    try:
        packed = PATH.read_bytes()
    except FileNotFoundError:
        raise RuntimeError("R4's terminology is missing: run `make setup` (tools/build_terminology.py).") from None
    unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=UNPACKED_LIMIT_BYTES)
    return msgspec.msgpack.decode(unpacked, type=Table)


@cache
def concept_maps() -> tuple[Mapping[str, Any], ...]:
    """Every map of HL7's package: some eighty, of 120 kB together."""
    return tuple(json.loads(raw) for raw in _table().resources["ConceptMap"].values())


@cache
def code_systems() -> tuple[tuple[str, str], ...]:
    """Address and version of every code system that HL7's package has with all its codes. Some tables of HL7 v2 stand there
    under an address with a version in it, by which `find` finds nothing."""
    every = ((one, json.loads(raw)) for one, raw in _table().resources["CodeSystem"].items() if "|" not in one)
    return tuple((address, str(one.get("version", ""))) for address, one in every if one.get("content") == "complete")


@lru_cache(maxsize=256)
def find(type_: str, canonical: str) -> Mapping[str, Any] | None:
    """The resource of an address, with or without the version that HL7's package has."""
    address, _, version = canonical.partition("|")
    raw = _table().resources.get(type_, {}).get(address)
    found: Mapping[str, Any] | None = json.loads(raw) if raw is not None else None
    return found if found is not None and version in ("", found.get("version")) else None
