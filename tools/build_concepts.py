"""Make src/kjerne/fhir/data/concepts.msgpack.zst: the codes of R4's value sets and the levels of its code systems.

From the package that `tools/fhir_package.py` finds. Does nothing when the table stands already.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from build_definitions import CodeLists
from fhir_package import make, resources
from kjerne.fhir.concepts import PATH, Concepts


def main() -> None:
    sources = Path(__file__), Path(__file__).with_name("build_definitions.py"), PATH.parents[1] / "concepts.py"
    make(PATH, Concepts, sources, build, _told)


def _told(concepts: Concepts) -> str:
    return f"{len(concepts.value_sets)} value sets, {len(concepts.parents)} code systems with levels"


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
