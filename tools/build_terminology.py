"""Make src/kjerne/fhir/data/terminology.msgpack.zst: R4's own code systems, value sets and concept maps, as they are asked.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from fhir_package import make, resources
from kjerne.fhir.terminology.core import PATH, TYPES, Table

LEFT_OUT: Final = frozenset(
    ("text", "meta", "extension", "contact", "publisher", "jurisdiction", "useContext", "copyright")
)
"""Of a resource, what no operation reads."""


def main() -> None:
    sources = Path(__file__), PATH.parents[1] / "terminology" / "core.py"
    make(PATH, Table, sources, build, _told)


def _told(table: Table) -> str:
    return ", ".join(f"{len(some)} {type_}" for type_, some in table.resources.items())


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
