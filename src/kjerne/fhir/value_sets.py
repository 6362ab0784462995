"""Which codes a value set of a package has, where its definition lists them: by code, by whole system, by other value sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kjerne.fhir import concepts, definitions
from kjerne.fhir.packages import Definitions
from kjerne.fhir.rulebook import rules

DEPTH_LIMIT: Final = 10

Codes = dict[str, frozenset[str]]
"""By code system."""


Has = Callable[[str, str], bool | None]
"""Whether a value set has a code: asked by its system (empty: any) and the code. None where that cannot be told."""


class Terminology(Protocol):
    """Where profiles find the codes of a value set: the definitions at hand, or a store of terminology."""

    def codes(self, canonical: str) -> Codes | None:
        """The codes; None where they cannot be listed."""

    def asking(self, canonical: str) -> Has | None:
        """How it is asked of one code, where the codes cannot be listed; None where nobody is judged by them then."""


@dataclass(frozen=True)
class Listed:
    """What R4's own package and loaded packages list by code."""

    library: Definitions

    def codes(self, canonical: str) -> Codes | None:
        """As `Terminology.codes`."""
        return codes(self.library, canonical)

    def asking(self, _: str) -> Has | None:
        """Nothing lies behind the lists."""
        return None


@dataclass(frozen=True)
class OutOfReach(Listed):
    """As `Listed` in a process that reaches no store: a code that it would be asked of is told as not held against its set."""

    def asking(self, _: str) -> Has | None:
        return lambda _system, _code: None


def codes(library: Definitions, canonical: str, depth: int = 0) -> Codes | None:
    """The codes; None where the definition is not at hand or cannot be listed (filters, systems that are elsewhere)."""
    if depth > DEPTH_LIMIT:
        return None
    resource = library.find(canonical)
    if resource is None or resource.get("resourceType") != "ValueSet":
        return definitions.table().codes.get(canonical.partition("|")[0]) or concepts.codes(canonical)
    compose = resource.get("compose")
    if not isinstance(compose, dict) or not compose.get("include") or compose.get("exclude"):
        return None
    found: dict[str, set[str]] = {}
    for include in compose["include"]:
        part = _included(library, include, depth)
        if part is None:
            return None
        for system, listed in part.items():
            found.setdefault(system, set()).update(listed)
    return {system: frozenset(listed) for system, listed in found.items()}


def _included(library: Definitions, include: dict[str, Any], depth: int) -> Codes | None:
    if "filter" in include:
        return None
    system = include.get("system")
    if "valueSet" in include:
        parts = [codes(library, one, depth + 1) for one in include["valueSet"]]
        return parts[0] if len(parts) == 1 and system is None else None
    if not isinstance(system, str):
        return None
    if "concept" in include:
        return {system: frozenset(one["code"] for one in include["concept"] if "code" in one)}
    listed = _system(library, system)
    return None if listed is None else {system: listed}


def _system(library: Definitions, address: str) -> frozenset[str] | None:
    known = rules().systems.get(address)
    resource = library.find(address)
    if known is not None or resource is None or resource.get("content") != "complete":
        return known
    return frozenset(_all(resource.get("concept", [])))


def _all(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _all(concept.get("concept", []))
