"""Make src/kjerne/fhir/data/profiles.msgpack.zst: R4's own profiles and extensions, what is judged of them alone; bindings.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, Final

from build_definitions import CodeLists
from build_rules import SHAPED
from fhir_package import is_type, make, resources
from kjerne.fhir.core_profiles import PATH, Binding, Table

KEPT: Final = frozenset(("id", "path", "sliceName", "slicing", "min", "max", "type"))
OF_A_CONSTRAINT: Final = ("key", "severity", "human", "expression", "source")


def main() -> None:
    tools = (Path(__file__).with_name(f"build_{name}.py") for name in ("profiles", "definitions", "rules"))
    sources = *tools, PATH.parents[1] / "core_profiles.py"
    make(PATH, Table, sources, build, _told)


def _told(table: Table) -> str:
    return f"{sum(map(len, table.profiles.values()))} profiles, {len(table.definitions)} with extensions"


def build(archive: bytes, stamp: str) -> Table:
    """The table from the package's bytes."""
    definitions: dict[str, bytes] = {}
    profiles: dict[str, list[str]] = {}
    bindings: dict[str, dict[str, Binding]] = {}
    found = list(resources(archive, ("StructureDefinition", "ValueSet", "CodeSystem")))
    of_type = {kind: [one for one in found if one["resourceType"] == kind] for kind in ("ValueSet", "CodeSystem")}
    lists = CodeLists(of_type["ValueSet"], of_type["CodeSystem"])
    for one in (one for one in found if one["resourceType"] == "StructureDefinition"):
        if is_type(one):
            _bind(one, lists, bindings)
        # Two examples in the package tell their differences alone: nothing can be held against them.
        if one.get("derivation") != "constraint" or "snapshot" not in one:
            continue
        raw = json.dumps(_slim(one), ensure_ascii=False, separators=(",", ":")).encode()
        definitions[one["url"]] = zlib.compress(raw, 9)
        if one["type"] != "Extension":
            profiles.setdefault(one["type"], []).append(one["url"])
    sorted_profiles = {type_: tuple(sorted(urls)) for type_, urls in sorted(profiles.items())}
    return Table(stamp, dict(sorted(definitions.items())), sorted_profiles, bindings)


def _bind(structure: dict[str, Any], lists: CodeLists, bindings: dict[str, dict[str, Binding]]) -> None:
    """The bindings of a type that R4's required lists do not hold, under the type or nested structure that has the element."""
    for row in structure["snapshot"]["element"]:
        binding = row.get("binding", {})
        strength, canonical = binding.get("strength"), str(binding.get("valueSet", ""))
        address = canonical.partition("|")[0]
        coded = any(one["code"] == "code" for one in row.get("type", ()))
        held = strength == "required" and ((coded and address in SHAPED) or lists.value_set(address))
        if not canonical or strength not in ("required", "extensible") or held:
            continue
        parent, _, name = row["path"].rpartition(".")
        place = (parent, name.removesuffix("[x]")) if parent else (row["path"], "")
        bindings.setdefault(place[0], {})[place[1]] = Binding(canonical, strength == "required")


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
