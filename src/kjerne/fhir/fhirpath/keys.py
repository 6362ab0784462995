"""The two functions that SQL on FHIR adds to FHIRPath: what rows of a view are joined by (`ViewDefinition`, required functions).

A key is the resource's id. A reference has one where it names a type and an id of the same server (`Patient/123`); what is
contained, a whole address, a `urn:uuid:` and a logical reference have none: whose id it would be cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath.calling import Arguments, Environment, Invocation
from kjerne.fhir.fhirpath.values import Items, Node

_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")


def reference_key(value: Any, wanted: str = "") -> str | None:
    """The key of a Reference as JSON has it; None where it has none, or leads to another type than is wanted."""
    text = value.get("reference") if type(value) is dict else None
    named = _RELATIVE.fullmatch(text) if type(text) is str else None
    return named[2] if named is not None and wanted in ("", named[1]) else None


def _resource_key(arguments: Arguments) -> Invocation:
    arguments.between(0, 0)

    def keys(focus: Items, this: Items, env: Environment) -> Items:
        return [one.value["id"] for one in focus if type(one) is Node and type(one.value) is dict and "id" in one.value]

    return keys


def _reference_key(arguments: Arguments) -> Invocation:
    arguments.between(0, 1)
    wanted = arguments.type_name(0) if len(arguments) else ""

    def keys(focus: Items, this: Items, env: Environment) -> Items:
        spend(len(focus))
        found: Items = []
        for one in focus:
            named = reference_key(one.value, wanted) if type(one) is Node else None
            if named is not None:
                found.append(named)
        return found

    return keys


KEYS: Final[dict[str, Callable[[Arguments], Invocation]]] = {
    "getResourceKey": _resource_key,
    "getReferenceKey": _reference_key,
}
