"""Make src/kjerne/fhir/data/profiles.msgpack.zst: R4's own profiles and extensions, what is judged of them alone.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, Final

from fhir_package import make, resources
from kjerne.fhir.core_profiles import PATH, Table

KEPT: Final = frozenset(("id", "path", "sliceName", "slicing", "min", "max", "type"))
OF_A_CONSTRAINT: Final = ("key", "severity", "human", "expression", "source")


def main() -> None:
    sources = Path(__file__), PATH.parents[1] / "core_profiles.py"
    make(PATH, Table, sources, build, _told)


def _told(table: Table) -> str:
    return f"{sum(map(len, table.profiles.values()))} profiles, {len(table.definitions)} with extensions"


def build(archive: bytes, stamp: str) -> Table:
    """The table from the package's bytes."""
    definitions: dict[str, bytes] = {}
    profiles: dict[str, list[str]] = {}
    for one in resources(archive, ("StructureDefinition",)):
        # Two examples in the package tell their differences alone: nothing can be held against them.
        if one.get("derivation") != "constraint" or "snapshot" not in one:
            continue
        raw = json.dumps(_slim(one), ensure_ascii=False, separators=(",", ":")).encode()
        definitions[one["url"]] = zlib.compress(raw, 9)
        if one["type"] != "Extension":
            profiles.setdefault(one["type"], []).append(one["url"])
    sorted_profiles = {type_: tuple(sorted(urls)) for type_, urls in sorted(profiles.items())}
    return Table(stamp, dict(sorted(definitions.items())), sorted_profiles)


def _slim(definition: dict[str, Any]) -> dict[str, Any]:
    head = {name: definition[name] for name in ("resourceType", "url", "version", "kind", "type", "derivation")}
    return head | {"snapshot": {"element": [_row(row) for row in definition["snapshot"]["element"]]}}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name in KEPT or name.startswith(("fixed", "pattern"))}
    if "binding" in row:
        kept["binding"] = {name: row["binding"][name] for name in ("strength", "valueSet") if name in row["binding"]}
    if "constraint" in row:
        kept["constraint"] = [{name: one[name] for name in OF_A_CONSTRAINT if name in one} for one in row["constraint"]]
    return kept


if __name__ == "__main__":
    main()
