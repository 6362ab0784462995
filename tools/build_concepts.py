"""Make src/kjerne/fhir/data/concepts.msgpack.zst: the codes of R4's value sets and the levels of its code systems.

Beside `tools/build_definitions.py`, which finds the package and pins its digest. Does nothing when the table stands already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from build_definitions import SHA256, CodeLists, archive_bytes, resources
from kjerne.fhir.concepts import PATH, UNPACKED_LIMIT_BYTES, Concepts


def main() -> None:
    stamp = _stamp()
    if PATH.exists() and _built_from(PATH) == stamp:
        print(f"{PATH.name} stands")
        return
    concepts = build(archive_bytes(), stamp)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    part = PATH.with_suffix(".part")
    part.write_bytes(zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(concepts)))
    part.replace(PATH)
    print(f"{PATH.name}: {len(concepts.value_sets)} value sets, {len(concepts.parents)} code systems with levels")


def _stamp() -> str:
    """Changes with the source, these programs and the table's shape, so that an old table is made anew."""
    digest = hashlib.sha256(SHA256.encode())
    for source in (Path(__file__), Path(__file__).with_name("build_definitions.py"), PATH.parents[1] / "concepts.py"):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _built_from(path: Path) -> str:
    try:
        unpacked = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=UNPACKED_LIMIT_BYTES)
        return msgspec.msgpack.decode(unpacked, type=Concepts).source_sha256
    except (zstandard.ZstdError, msgspec.MsgspecError):
        return ""


def build(archive: bytes, stamp: str) -> Concepts:
    """The table from the package's bytes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in resources(archive):
        found.setdefault(resource["resourceType"], []).append(resource)
    lists = CodeLists(found["ValueSet"], found["CodeSystem"])
    value_sets = {}
    for one in sorted(found["ValueSet"], key=lambda each: str(each["url"])):
        listed = lists.value_set(one["url"])
        if listed:
            value_sets[one["url"]] = {system: frozenset(codes) for system, codes in sorted(listed.items())}
    parents = {one["url"]: _parents(one) for one in found["CodeSystem"] if one.get("content") == "complete"}
    return Concepts(stamp, value_sets, {system: levels for system, levels in sorted(parents.items()) if levels})


def _parents(system: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The codes over each code: the one that it stands in, and those that its property says it is under."""
    found: dict[str, set[str]] = {}
    for code, above in _levels(system.get("concept", []), ()):
        found.setdefault(code, set()).update(above)
    return {code: tuple(sorted(above)) for code, above in sorted(found.items()) if above}


def _levels(concepts: list[dict[str, Any]], above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for concept in concepts:
        told = tuple(
            str(one["valueCode"]) for one in concept.get("property", ())
            if one["code"] in ("subsumedBy", "parent") and "valueCode" in one
        )  # fmt: skip
        yield concept["code"], (*above, *told)
        yield from _levels(concept.get("concept", []), (concept["code"],))


if __name__ == "__main__":
    main()
