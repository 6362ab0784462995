"""The codes that R4's own value sets list, and what stands over and under a code in its code systems.

The table is made by `tools/build_concepts.py` from HL7's CC0 package and never committed. It is read once, by the first
search with `:in`, `:not-in`, `:above` or `:below`. What cannot be listed from the package alone (filters, systems that are
kept elsewhere, SNOMED CT and LOINC among them) is not in it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from kjerne.fhir.rulebook import rules

PATH: Final = Path(__file__).parent / "data" / "concepts.msgpack.zst"
UNPACKED_LIMIT_BYTES: Final = 64_000_000

Codes = dict[str, frozenset[str]]
"""By code system."""


class Concepts(msgspec.Struct, frozen=True, array_like=True):
    """`value_sets`: the codes of each by its address. `parents`: of each code system with levels, the codes over a code."""

    source_sha256: str
    value_sets: dict[str, Codes]
    parents: dict[str, dict[str, tuple[str, ...]]]


@cache
def table() -> Concepts:
    """The whole table, read once (some 20 ms)."""
    try:
        packed = PATH.read_bytes()
    except FileNotFoundError:
        raise RuntimeError("The FHIR concepts are missing: run `make setup` (tools/build_concepts.py).") from None
    unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=UNPACKED_LIMIT_BYTES)
    return msgspec.msgpack.decode(unpacked, type=Concepts)


def codes(value_set: str) -> Codes | None:
    """The codes of a value set, by its address with or without a version; None where they are not at hand."""
    address, _, version = value_set.partition("|")
    return table().value_sets.get(address) if version in ("", "4.0.1") else None


def related(system: str, code: str, *, above: bool) -> Codes | None:
    """A code with all that stands over it (else under it) in its system; None where system or code is not at hand."""
    if code not in rules().systems.get(system, ()):
        return None
    steps = table().parents.get(system, {}) if above else _children(system)
    found, rest = {code}, [code]
    while rest:
        new = set(steps.get(rest.pop(), ())) - found
        found |= new
        rest += new
    return {system: frozenset(found)}


@cache
def _children(system: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for code, parents in table().parents.get(system, {}).items():
        for parent in parents:
            found[parent] = (*found.get(parent, ()), code)
    return found
