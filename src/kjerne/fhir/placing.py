"""Where the extensions of packages may stand (R4 extensibility.html, 2.4.0.3: StructureDefinition.context): on which elements,
and whether as `modifierExtension`. R4's own are looked at with R4 itself (`fhir.extending`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kjerne.errors import Fault
from kjerne.fhir import definitions
from kjerne.fhir.extending import out_of_context
from kjerne.fhir.faults import Pending, fault
from kjerne.fhir.rulebook import rules


def misplaced(definition: Mapping[str, Any]) -> tuple[Pending, ...]:
    """What is wrong with an extension by the element that it stands on, once the path to it is known; nothing of one that may
    stand anywhere."""
    contexts = contexts_of(definition) if _is_packages(definition) else ()
    if not contexts or "Element" in contexts:
        return ()
    says = f"The element must stand on {' or '.join(contexts)}."
    return (Pending(says, "", "extension", "extension-context", broken=out_of_context(contexts)),)


def misnamed(definition: Mapping[str, Any]) -> Mapping[str, list[Fault]]:
    """What is wrong with an extension by the name that it stands under."""
    if not _is_packages(definition):
        return {}
    if definition["snapshot"]["element"][0].get("isModifier") is True:
        return {"extension": fault("must stand in modifierExtension", "", "extension", "extension-modifier")}
    return {"modifierExtension": fault("must not stand in modifierExtension", "", "extension", "extension-modifier")}


def _is_packages(definition: Mapping[str, Any]) -> bool:
    return definition.get("type") == "Extension" and definition.get("url") not in rules().extensions


def contexts_of(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The elements on which an extension may stand; none where it says that by an expression, by another extension or by what
    R4 does not have, which is not judged."""
    told = definition.get("context", ())
    names = tuple(str(one.get("expression", "")) for one in told if one.get("type") == "element")
    known = definitions.table().kinds
    return names if len(names) == len(told) and all(name.partition(".")[0] in known for name in names) else ()


def without_places(faults: Iterable[Fault]) -> list[Fault]:
    """Faults of a part by itself: where it stands is not known there."""
    return [one for one in faults if not isinstance(one, Pending)]
