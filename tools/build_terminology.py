"""Make src/kjerne/fhir/data/terminology.msgpack.zst: R4's own code systems, value sets and concept maps, as they are asked.

Beside `tools/build_definitions.py`, which finds the package and pins its digest. Does nothing when the table stands already.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from build_definitions import SHA256, archive_bytes, resources
from kjerne.fhir.terminology.core import PATH, TYPES, UNPACKED_LIMIT_BYTES, Table

LEFT_OUT: Final = frozenset(
    ("text", "meta", "extension", "contact", "publisher", "jurisdiction", "useContext", "copyright")
)
"""Of a resource, what no operation reads."""


def main() -> None:
    stamp = _stamp()
    if PATH.exists() and _built_from(PATH) == stamp:
        print(f"{PATH.name} stands")
        return
    found = build(archive_bytes(), stamp)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    part = PATH.with_suffix(".part")
    part.write_bytes(zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(found)))
    part.replace(PATH)
    print(f"{PATH.name}: " + ", ".join(f"{len(some)} {type_}" for type_, some in found.resources.items()))


def _stamp() -> str:
    """Changes with the source, these programs and the table's shape, so that an old table is made anew."""
    digest = hashlib.sha256(SHA256.encode())
    own = Path(__file__), Path(__file__).with_name("build_definitions.py"), PATH.parents[1] / "terminology" / "core.py"
    for source in own:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _built_from(path: Path) -> str:
    try:
        unpacked = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=UNPACKED_LIMIT_BYTES)
        return msgspec.msgpack.decode(unpacked, type=Table).source_sha256
    except (zstandard.ZstdError, msgspec.MsgspecError):
        return ""


def build(archive: bytes, stamp: str) -> Table:
    """The table from the package's bytes."""
    found: dict[str, dict[str, bytes]] = {type_: {} for type_ in TYPES}
    for resource in resources(archive, TYPES):
        if "url" in resource:
            found[resource["resourceType"]][resource["url"]] = _slim(resource)
    return Table(stamp, {type_: dict(sorted(some.items())) for type_, some in found.items()})


def _slim(resource: dict[str, Any]) -> bytes:
    kept = {name: value for name, value in resource.items() if name not in LEFT_OUT}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
