"""What an API can do, told from its own route table (R4 capabilitystatement.html), so that it cannot promise more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kjerne.exchange import PUBLIC, SESSION, Route
from kjerne.fhir import json_patch, xml_patch
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.negotiation import JSON_TYPE, XML_TYPE, speaks_xml
from kjerne.fhir.search import NOT_ANSWERED, modifiers
from kjerne.fhir.searchparams import COLUMN_CODES, SUBJECT_CODES, SearchParameter, ends, parameters
from kjerne.fhir.subscribing import SOCKET, socket_url

# (method, path behind the base; T stands for the type, I for the id) -> interaction.
_INTERACTIONS: Final = {
    ("GET", "T/I"): "read",
    ("GET", "T/I/_history/I"): "vread",
    ("GET", "T/I/_history"): "history-instance",
    ("GET", "T/_history"): "history-type",
    ("GET", "T"): "search-type",
    ("POST", "T/_search"): "search-type",
    ("POST", "T"): "create",
    ("PUT", "T/I"): "update",
    ("PATCH", "T/I"): "patch",
    ("DELETE", "T/I"): "delete",
}
# The same of the whole system; the path ends the base.
_OF_THE_WHOLE: Final = {("POST", ""): ("transaction", "batch"), ("GET", "/_history"): ("history-system",)}
# (method, path) -> what the CapabilityStatement says of an interaction that depends on what is there.
_CONDITIONAL: Final = {
    ("GET", "T/I"): ("conditionalRead", "full-support"),
    ("POST", "T"): ("conditionalCreate", True),
    ("PUT", "T"): ("conditionalUpdate", True),
    ("DELETE", "T"): ("conditionalDelete", "single"),
}
_BY_HEADER: Final = frozenset({"conditionalRead", "conditionalCreate"})
"""These have no address of their own: the route says that its handler heeds the header."""
SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_BULK: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
R4_OPERATIONS: Final = {
    ("Observation", "lastn"): "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    ("", "validate"): "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    ("Patient", "everything"): "http://hl7.org/fhir/OperationDefinition/Patient-everything",
    ("Patient", "summary"): "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
    ("", "process-message"): "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
    **{
        (type, "export"): f"{_BULK}{name}export"
        for type, name in (("", ""), ("Patient", "patient-"), ("Group", "group-"))
    },
    ("Subscription", "get-ws-binding-token"): "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
    "backport-subscription-get-ws-binding-token",
    ("", "meta"): "http://hl7.org/fhir/OperationDefinition/Resource-meta",
}
WEBSOCKET: Final = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
OPERATIONS: Final = "http://kjerne.example/fhir/OperationDefinition/"
SEARCH_PARAMETERS: Final = "http://hl7.org/fhir/SearchParameter/"
OF_EVERY_TYPE: Final = (
    ("_content", "Resource-content", "string"),
    ("_filter", "filter", "special"),
    ("_text", "DomainResource-text", "string"),
)
"""Search parameters that have no path: name, R4's definition, type."""
PERSON: Final = "Patient"
"""The type of whom a search is about: where it is served, her address names her, and an include brings her."""
ONLY: Final = {
    "Consent": frozenset({"status"}),
    "Subscription": frozenset({"status", "type", "url", "criteria", "payload"}),
}
"""Types that are not looked through by every parameter of theirs, and what they are looked through by."""
PATCH_FORMATS: Final = (json_patch.MEDIA_TYPE, xml_patch.MEDIA_TYPE, "application/fhir+json")
_ORDER: Final = tuple(dict.fromkeys(_INTERACTIONS.values()))

_DOCUMENTATION: Final = (
    "A search is about one patient, whom the header person-id names, or her address where Patient is served "
    "(patient=Patient/id), or about none where the type is about none; so is a history of a type or of the system, and what is "
    "followed ($changes), by the header alone. Chains and _has go over the references of the types "
    "that are served here. A modifier that its parameter does not name is refused."
)


def statement(
    routes: Iterable[Route],
    base: str,
    *,
    types: Mapping[str, str],
    url: str,
    software_version: str,
    made_at: datetime,
    supported: Mapping[str, Sequence[str]] | None = None,
    narrower: Mapping[str, frozenset[str]] | None = None,
    second: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The CapabilityStatement of the routes under `base` (a path such as `/pps/v2`).

    A route whose path has a part like `{type}` in the type's place counts for all `types`. Parameters that the program
    knows but cannot answer are left out. `supported` are the profiles of each type that are asked here. `types` say of each type
    which service keeps it: a search may bring along what types of the same service refer to, and are referred to by. `narrower`
    are the interactions of types that have fewer than the others at their addresses. `second` are types that another service
    keeps too.
    """
    told = list(routes)
    found, conditions, operations_of = _of_types(told, base, tuple(types), narrower or {})
    rest: dict[str, Any] = {
        "mode": "server",
        "documentation": _DOCUMENTATION,
        "resource": [
            _resource(type, interactions, types, conditions.get(type, {}), second or {})
            | _of_type(type, operations_of.get(type, set()), (supported or {}).get(type, ()))
            for type, interactions in sorted({**{name: set[str]() for name in operations_of}, **found}.items())
        ],
    }
    if "Subscription" in operations_of and any(one.path == SOCKET for one in told):
        rest["extension"] = [{"url": WEBSOCKET, "valueUri": socket_url(url.removesuffix(base))}]
    if any("search-type" in one for one in found.values()):
        rest["searchParam"] = _of_every_type()
    if needs := _needs(told, base):
        rest["security"] = _security(needs)
    if codes := [code for way, each in _OF_THE_WHOLE.items() if _has(told, base, way) for code in each]:
        rest["interaction"] = [{"code": code} for code in codes]
    if operations := _operations(told, base):
        rest["operation"] = [{"name": name, "definition": _defined("", name)} for name in operations]
    told_of_patches = {"patchFormat": list(PATCH_FORMATS)} if any("patch" in one for one in found.values()) else {}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": made_at.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "kjerne", "version": software_version},
        "implementation": {"description": "kjerne", "url": url},
        "fhirVersion": "4.0.1",
        "format": [JSON_TYPE, "json", *((XML_TYPE, "xml") if speaks_xml(base) else ())],
        **told_of_patches,
        "rest": [rest],
    }


def _of_types(
    routes: Iterable[Route], base: str, types: Sequence[str], narrower: Mapping[str, frozenset[str]]
) -> tuple[dict[str, set[str]], dict[str, dict[str, Any]], dict[str, set[str]]]:
    """By type: its interactions, its conditional ones as the statement says them, and its operations."""
    found: dict[str, set[str]] = {}
    conditions: dict[str, dict[str, Any]] = {}
    operations: dict[str, set[str]] = {}
    for route in routes:
        own, shape = _place(route, base, types)
        for type in own:
            interaction = _INTERACTIONS.get((route.method, shape))
            # An address that names its type is of that type, whatever it has fewer of.
            if "{type}" in route.path and type in narrower and (interaction or shape) not in narrower[type]:
                continue
            if interaction:
                found.setdefault(type, set()).add(interaction)
            if "/$" in shape:
                operations.setdefault(type, set()).add(shape.rpartition("$")[2])
            name, value = _CONDITIONAL.get((route.method, shape), ("", None))
            if name and (route.conditional or name not in _BY_HEADER):
                conditions.setdefault(type, {})[name] = value
    return found, conditions, operations


def _has(routes: Iterable[Route], base: str, way: tuple[str, str]) -> bool:
    return any((one.method, one.path) == (way[0], base + way[1]) for one in routes)


def _place(route: Route, base: str, types: Sequence[str]) -> tuple[Sequence[str], str]:
    """The types that a route is about, and the shape of its path."""
    prefix = base.rstrip("/") + "/"
    if not route.path.startswith(prefix):
        return (), ""
    parts = route.path.removeprefix(prefix).split("/")
    own = types if parts[0].startswith("{") else [parts[0]] if parts[0] in TYPES else []
    return own, "/".join(["T", *("I" if part.startswith("{") else part for part in parts[1:])])


def _needs(routes: Iterable[Route], base: str) -> list[str]:
    prefix = base.rstrip("/") + "/"
    needs = {one.needs for one in routes if one.path.startswith(prefix)} - {PUBLIC, SESSION}
    return sorted({scope for each in needs for scope in each.split()})


def _security(needs: Sequence[str]) -> dict[str, Any]:
    """R4 capabilitystatement.html: which scheme, and in words what the codes of R4 do not have."""
    return {
        "cors": False,
        "service": [{"coding": [{"system": SECURITY_SERVICE, "code": code}]} for code in ("OAuth", "SMART-on-FHIR")],
        "description": "OAuth 2.0: an access token bound to the caller's key, with a DPoP proof on each request (RFC 9449), "
        f"in the scope {' or '.join(needs)}. SMART scopes beside it narrow what the token opens and never widen it "
        "(.well-known/smart-configuration).",
    }


def _operations(routes: Iterable[Route], base: str) -> list[str]:
    """Names of the operations on the whole system."""
    prefix = base.rstrip("/") + "/$"
    return sorted({route.path.removeprefix(prefix) for route in routes if route.path.startswith(prefix)})


def _of_every_type() -> list[dict[str, str]]:
    return [
        {"name": name, "definition": SEARCH_PARAMETERS + definition, "type": kind}
        for name, definition, kind in OF_EVERY_TYPE
    ]


def _defined(type: str, name: str) -> str:
    """The definition of an operation: R4's own, of the type or of every type, or ours."""
    return R4_OPERATIONS.get((type, name)) or R4_OPERATIONS.get(("", name)) or OPERATIONS + name


def _of_type(type: str, names: set[str], profiles: Sequence[str]) -> dict[str, Any]:
    """Its operations, and the profiles that are asked of it."""
    told = [{"name": name, "definition": _defined(type, name)} for name in sorted(names)]
    supported: dict[str, Any] = {"supportedProfile": list(profiles)} if profiles else {}
    return supported | ({"operation": told} if told else {})


def _resource(
    type: str, interactions: set[str], types: Mapping[str, str], conditions: dict[str, Any], second: Mapping[str, str]
) -> dict[str, Any]:
    own = {types.get(type), second.get(type)} - {None}
    beside = [name for name, service in types.items() if not own.isdisjoint({service, second.get(name)})]
    resource: dict[str, Any] = {"type": type}
    # A type that is not served may have an operation all the same (Patient/$everything).
    if interactions:
        resource["interaction"] = [{"code": code} for code in _ORDER if code in interactions]
    if "vread" in interactions:
        # Every update here must name the version it changes.
        resource["versioning"] = "versioned-update" if "update" in interactions else "versioned"
    if "update" in interactions and types.get(type) == "":
        # A record about no patient may be put under an id that its sender chooses; a patient's has one that is made here.
        resource["updateCreate"] = True
    resource |= conditions
    if "search-type" in interactions:
        of_a_patient = PERSON in types and types.get(type, "") not in ("", PERSON)
        named = [one for one in parameters(type).values() if one.code in SUBJECT_CODES] if of_a_patient else []
        searched = {one.code for one in searched_by(type)}
        # A patient's record brings what is about nobody too, where that is served; never the other way round.
        reached = {*beside, *(name for name, service in types.items() if service == "")}
        brought = [f"{type}:{one.code}" for one in _references(type) if ends(one, reached)]
        brought += [f"{type}:{one.code}" for one in named]
        bringing = [f"{source}:{one.code}" for source in beside for one in _references(source) if ends(one, [type])]
        # What is made from the log lies beside the records: neither brings the other along.
        if type == PERSON:
            brought, bringing = [], []
        if type in types and brought:
            resource["searchInclude"] = sorted(brought)
        if type in types and bringing:
            resource["searchRevInclude"] = sorted(bringing)
        if type in types:
            refused = sorted(one.code for one in parameters(type).values() if not answered(one) and one not in named)
            resource["documentation"] = (
                f"Refused by name: the search parameters {', '.join((*refused, *NOT_ANSWERED))}."
            )
        resource["searchParam"] = [
            _parameter(one) for one in parameters(type).values() if one in named or one.code in searched
        ]
    return resource


def _references(type: str) -> list[SearchParameter]:
    return [one for one in parameters(type).values() if one.kind == "reference" and answered(one)]


def searched_by(type: str) -> list[SearchParameter]:
    """The parameters that a search of a type is answered by; whom it is about is named by none of them."""
    only = ONLY.get(type)
    return [one for one in parameters(type).values() if answered(one) and (only is None or one.code in only)]


def answered(parameter: SearchParameter) -> bool:
    """Whether a search can be answered by this parameter. The patient is named by the request, never by one of them."""
    return bool(parameter.leaves or parameter.composite or parameter.code in COLUMN_CODES) and (
        parameter.code not in SUBJECT_CODES
    )


def _parameter(one: SearchParameter) -> dict[str, str]:
    told = {"name": one.code, "definition": one.url, "type": one.kind}
    if taken := sorted(modifiers(one)):
        told["documentation"] = f"Modifiers: {', '.join(taken)}."
    return told
