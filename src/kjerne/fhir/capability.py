"""What an API can do, told from its own route table (R4 capabilitystatement.html), so that it cannot promise more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from kjerne.exchange import Route
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.searchparams import COLUMN_CODES, SearchParameter, parameters

# (method, path behind the base; T stands for the type, I for the id) -> interaction.
_INTERACTIONS: Final = {
    ("GET", "T/I"): "read",
    ("GET", "T/I/_history/I"): "vread",
    ("GET", "T/I/_history"): "history-instance",
    ("GET", "T"): "search-type",
    ("POST", "T/_search"): "search-type",
    ("POST", "T"): "create",
    ("PUT", "T/I"): "update",
    ("PATCH", "T/I"): "patch",
    ("DELETE", "T/I"): "delete",
}
_ORDER: Final = tuple(dict.fromkeys(_INTERACTIONS.values()))


def statement(
    routes: Iterable[Route],
    base: str,
    *,
    types: Sequence[str],
    url: str,
    software_version: str,
    made_at: datetime,
    includes: dict[str, Sequence[str]] | None = None,
    reverse_includes: dict[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The CapabilityStatement of the routes under `base` (a path such as `/pps/v2`).

    A route whose path has a part like `{type}` in the type's place counts for all `types`. Parameters that the program
    knows but cannot answer are left out; `includes` and `reverse_includes` say what a type may be asked to bring.
    """
    found: dict[str, set[str]] = {}
    for route in routes:
        for type, interaction in _interactions(route, base, types):
            found.setdefault(type, set()).add(interaction)
    resources = [
        _resource(type, interactions, (includes or {}).get(type, ()), (reverse_includes or {}).get(type, ()))
        for type, interactions in sorted(found.items())
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": made_at.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "kjerne", "version": software_version},
        "implementation": {"description": "kjerne", "url": url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "resource": resources}],
    }


def _interactions(route: Route, base: str, types: Sequence[str]) -> list[tuple[str, str]]:
    prefix = base.rstrip("/") + "/"
    if not route.path.startswith(prefix):
        return []
    parts = route.path.removeprefix(prefix).split("/")
    own = types if parts[0].startswith("{") else [parts[0]] if parts[0] in TYPES else []
    shape = "/".join(["T", *("I" if part.startswith("{") else part for part in parts[1:])])
    interaction = _INTERACTIONS.get((route.method, shape))
    return [(type, interaction) for type in own] if interaction else []


def _resource(
    type: str, interactions: set[str], includes: Sequence[str], reverse_includes: Sequence[str]
) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": type,
        "interaction": [{"code": code} for code in _ORDER if code in interactions],
    }
    if includes:
        resource["searchInclude"] = list(includes)
    if reverse_includes:
        resource["searchRevInclude"] = list(reverse_includes)
    if "search-type" in interactions:
        resource["searchParam"] = [_parameter(one) for one in parameters(type).values() if answered(one)]
    return resource


def answered(parameter: SearchParameter) -> bool:
    """Whether `wire.search` takes this parameter."""
    return bool(parameter.leaves or parameter.composite) or parameter.code in COLUMN_CODES


def _parameter(one: SearchParameter) -> dict[str, str]:
    return {"name": one.code, "definition": one.url, "type": one.kind}
