"""Make src/kjerne/fhir/data/definitions.msgpack.zst: FHIR R4's types, code lists and search parameters as one compact table.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_package import is_type, make, resources
from kjerne.fhir.definitions import PATH, TYPES, Component, Element, Parameter, Table

FHIR = "http://hl7.org/fhir/"
TYPE_EXTENSION = FHIR + "StructureDefinition/structuredefinition-fhir-type"


def main() -> None:
    make(PATH, Table, (Path(__file__), PATH.parents[1] / "definitions.py"), build, _told)


def _told(table: Table) -> str:
    return f"{len(table.elements)} types, {len(table.codes)} code lists, {len(table.parameters)} parameters"


def build(archive: bytes, stamp: str) -> Table:
    """The table from the package's bytes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in resources(archive):
        found.setdefault(resource["resourceType"], []).append(resource)
    structures = [one for one in found["StructureDefinition"] if is_type(one)]
    codes = CodeLists(found["ValueSet"], found["CodeSystem"])
    elements: dict[str, tuple[Element, ...]] = {}
    for structure in structures:
        elements |= _elements(structure, codes)
    kinds = {structure["type"]: structure["kind"] for structure in structures}
    concrete = sorted(one["type"] for one in structures if one["kind"] == "resource" and not one["abstract"])
    if tuple(concrete) != TYPES:
        raise SystemExit("the package's resource types are not those of kjerne.fhir.definitions.TYPES")
    parameters = tuple(sorted(_parameters(found["SearchParameter"]), key=lambda one: (one.code, one.url)))
    return Table(stamp, elements, kinds, codes.used, parameters)


def _elements(structure: dict[str, Any], codes: CodeLists) -> dict[str, tuple[Element, ...]]:
    """A type and the nested structures in it, each under its path."""
    rows = structure["snapshot"]["element"]
    paths = {row["path"] for row in rows}
    parents = {path.rpartition(".")[0] for path in paths}
    made: dict[str, list[Element]] = {structure["type"]: []}
    for row in rows[1:]:
        parent, _, name = row["path"].rpartition(".")
        if row["max"] == "0":
            continue
        types = (row["path"],) if row["path"] in parents else _types(row)
        if row["path"] in parents:
            made[row["path"]] = []
        binding = row.get("binding", {})
        address = binding.get("valueSet", "").split("|")[0] if binding.get("strength") == "required" else ""
        codes_name, system = codes.use(address)
        made[parent].append(
            Element(
                name=name.removesuffix("[x]"),
                types=types,
                required=row["min"] > 0,
                many=row["max"] != "1" if "base" not in row else row["base"]["max"] != "1",
                choice=name.endswith("[x]"),
                targets=_targets(row),
                codes=codes_name,
                system=system,
                summary=row.get("isSummary", False),
            )
        )
    return {name: tuple(members) for name, members in made.items()}


def _types(row: dict[str, Any]) -> tuple[str, ...]:
    if "contentReference" in row:
        return (row["contentReference"].removeprefix("#"),)
    # The package says that Resource.id is a string; the specification's pages say id.
    if row.get("base", {}).get("path") == "Resource.id" or row["path"] == "Resource.id":
        return ("id",)
    types = []
    for one in row["type"]:
        named = [ext["valueUrl"] for ext in one.get("extension", ()) if ext["url"] == TYPE_EXTENSION]
        types.append(named[0] if named else one["code"].removeprefix("http://hl7.org/fhirpath/System."))
    return tuple("string" if name == "String" else name for name in types)


def _targets(row: dict[str, Any]) -> tuple[str, ...]:
    profiles = [profile for one in row.get("type", ()) for profile in one.get("targetProfile", ())]
    names = {profile.rpartition("/")[2] for profile in profiles}
    return () if "Resource" in names else tuple(sorted(names))


class CodeLists:
    """Required value sets as lists of codes; one that cannot be listed (MIME types, languages) is left out."""

    def __init__(self, value_sets: list[dict[str, Any]], code_systems: list[dict[str, Any]]) -> None:
        self._value_sets = {one["url"]: one for one in value_sets}
        self._code_systems = {one["url"]: one for one in code_systems}
        self.used: dict[str, dict[str, frozenset[str]]] = {}

    def use(self, address: str) -> tuple[str, str]:
        """The list's name in the table (empty when it cannot be listed) and its only code system (or empty)."""
        if address and address not in self.used:
            listed = self.value_set(address)
            if listed:
                self.used[address] = {system: frozenset(codes) for system, codes in sorted(listed.items())}
        systems = self.used.get(address, {})
        return (address if systems else ""), (next(iter(systems)) if len(systems) == 1 else "")

    def value_set(self, address: str) -> dict[str, set[str]] | None:
        """The codes of a value set by system; None where the package alone cannot list them."""
        compose = self._value_sets.get(address, {}).get("compose", {})
        if not compose.get("include") or compose.get("exclude"):
            return None
        listed: dict[str, set[str]] = {}
        for include in compose["include"]:
            part = self._include(include)
            if part is None:
                return None
            for system, codes in part.items():
                listed.setdefault(system, set()).update(codes)
        return listed

    def _include(self, include: dict[str, Any]) -> dict[str, set[str]] | None:
        if "filter" in include or ("valueSet" in include and "system" in include):
            return None
        if "valueSet" in include:
            parts = [self.value_set(address.split("|")[0]) for address in include["valueSet"]]
            return parts[0] if len(parts) == 1 else None
        if "concept" in include:
            return {include["system"]: {concept["code"] for concept in include["concept"]}}
        system = self._code_systems.get(include["system"])
        if system is None or system.get("content") != "complete" or "concept" not in system:
            return None
        return {include["system"]: set(_all_codes(system["concept"]))}


def _all_codes(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _all_codes(concept.get("concept", []))


def _parameters(resources: list[dict[str, Any]]) -> Iterator[Parameter]:
    codes = {one["url"]: one["code"] for one in resources}
    for one in resources:
        if one.get("base") and one.get("expression"):
            yield Parameter(
                code=one["code"],
                kind=one["type"],
                bases=tuple(sorted(one["base"])),
                expression=one["expression"],
                targets=tuple(sorted(one.get("target", ()))),
                components=tuple(
                    Component(codes[part["definition"]], part["expression"]) for part in one.get("component", ())
                ),
                url=one["url"],
            )


if __name__ == "__main__":
    main()
