"""Make src/kjerne/fhir/data/rules.msgpack.zst: R4's invariants, extensions and code systems, from the same CC0 package.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_package import is_type, make, resources
from kjerne.fhir.rulebook import PATH, Constraint, Extension, Part, Rules

FHIR = "http://hl7.org/fhir/"
SHAPED = frozenset(FHIR + f"ValueSet/{name}" for name in ("mimetypes", "currencies", "ucum-units"))
OF_QUANTITIES = frozenset(FHIR + f"StructureDefinition/{name}" for name in ("SimpleQuantity", "MoneyQuantity"))
"""Profiles that R4 gives the quantities of its own types: what they ask stands on each element that is of one."""
GENERAL = ("Element", "DomainResource", "Extension")
"""What stands on each of these stands on every element, resource or extension: kept once, under the general type."""


def main() -> None:
    sources = Path(__file__), PATH.parents[1] / "rulebook.py"
    make(PATH, Rules, sources, build, _told)


def _told(rules: Rules) -> str:
    return (
        f"{sum(map(len, rules.constraints.values()))} invariants, {len(rules.extensions)} extensions, "
        f"{len(rules.systems)} code systems"
    )


def build(archive: bytes, stamp: str) -> Rules:
    """The table from the package's bytes."""
    constraints: dict[str, tuple[Constraint, ...]] = {}
    extensions: dict[str, Extension] = {}
    systems: dict[str, frozenset[str]] = {}
    value_sets: set[str] = set()
    shaped: dict[str, dict[str, str]] = {}
    found = list(resources(archive))
    narrowed = {one["url"]: _constraints(one).get("Quantity", ()) for one in found if one.get("url") in OF_QUANTITIES}
    for resource in found:
        kind = resource["resourceType"]
        if kind == "StructureDefinition" and is_type(resource):
            constraints |= _narrowed(resource, narrowed, _constraints(resource))
            for path, address in _shaped(resource):
                shaped.setdefault(path.rpartition(".")[0], {})[path.rpartition(".")[2]] = address
        elif kind == "StructureDefinition" and resource["type"] == "Extension":
            extensions[resource["url"]] = _extension(resource)
        elif kind == "CodeSystem" and resource.get("content") == "complete" and resource.get("concept"):
            systems[resource["url"]] = frozenset(_codes(resource["concept"]))
        elif kind == "ValueSet":
            value_sets.add(resource["url"])
    return Rules(stamp, constraints, extensions, dict(sorted(systems.items())), frozenset(value_sets), shaped)


def _constraints(structure: dict[str, Any]) -> dict[str, tuple[Constraint, ...]]:
    """By the type or nested structure that an invariant stands on; a choice's stands on the choice's name.

    An invariant that an element has from its type (source) is the type's own.
    """
    name, found = structure["type"], dict[str, list[Constraint]]()
    for row in structure["snapshot"]["element"]:
        for one in row.get("constraint", ()):
            source = one.get("source", name).rpartition("/")[2]
            inherited = source != name
            if "expression" not in one or (inherited and (source in GENERAL or row["path"] != name)):
                continue
            made = Constraint(one["key"], one["human"], one["expression"], one["severity"] == "warning")
            found.setdefault(row["path"], []).append(made)
    return {path: tuple(rows) for path, rows in found.items()}


def _narrowed(
    structure: dict[str, Any], narrowed: dict[str, tuple[Constraint, ...]], own: dict[str, tuple[Constraint, ...]]
) -> dict[str, tuple[Constraint, ...]]:
    """A type's invariants with those of the quantities that it narrows by a profile of R4's."""
    found = dict(own)
    for row in structure["snapshot"]["element"]:
        profiles = {one for of in row.get("type", ()) for one in of.get("profile", ())}
        for address in sorted(profiles & narrowed.keys()):
            # Of a choice too: what these ask is true of every other type, which has no comparator.
            kept = tuple(one for one in narrowed[address] if one.key not in ("ele-1", "qty-3"))
            found[row["path"]] = (*found.get(row["path"], ()), *kept)
    return found


def _shaped(structure: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for row in structure["snapshot"]["element"]:
        binding = row.get("binding", {})
        address = binding.get("valueSet", "").split("|")[0]
        if binding.get("strength") == "required" and address in SHAPED:
            yield row["path"], address


def _extension(structure: dict[str, Any]) -> Extension:
    rows = structure["snapshot"]["element"]
    values = [row for row in rows if row["path"] == "Extension.value[x]"]
    parts: dict[str, Part] = {}
    for row in rows:
        if row["path"] != "Extension.extension" or "sliceName" not in row:
            continue
        under = [one for one in rows if one["id"].startswith(row["id"] + ".")]
        address = next((one["fixedUri"] for one in under if one["path"].endswith(".url") and "fixedUri" in one), "")
        value = next((one for one in under if one["path"].endswith(".extension.value[x]")), None)
        if address:
            most = 0 if row["max"] == "*" else int(row["max"])
            parts[address] = Part(row["min"], most, _value_types(value))
    return Extension(
        contexts=tuple(one["expression"] for one in structure.get("context", ())),
        types=_value_types(values[0] if values else None),
        parts=parts,
        modifier=any(row["path"] == "Extension" and row.get("isModifier") for row in rows),
    )


def _value_types(row: dict[str, Any] | None) -> tuple[str, ...]:
    return () if row is None or row["max"] == "0" else tuple(sorted({one["code"] for one in row.get("type", ())}))


def _codes(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", []))


if __name__ == "__main__":
    main()
