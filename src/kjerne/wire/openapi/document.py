"""The document put together from the routes of an installation, and the address where it is told (OpenAPI 3.1)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from kjerne import __version__
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.fhir.capability import searched_by
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.encode import encode
from kjerne.fhir.negotiation import JSON_TYPE, XML_TYPE, speaks_xml
from kjerne.services.critical.kinds import PLURAL
from kjerne.services.critical.kinds import TYPES as CRITICAL
from kjerne.wire.http import FORM
from kjerne.wire.openapi import pieces
from kjerne.wire.openapi.operations import JSON, MESSAGE, Given, Operation, operation_of, refusals
from kjerne.wire.openapi.pieces import Tree

PATH: Final = "/openapi.json"
_SAYS: Final = (
    "Made from the route table of this installation. Pages and, in a sandbox, the provider of tokens (/sts) are not in it. "
    "A request that is not public brings `Authorization: DPoP` with an access token and `DPoP` with a proof made for this one "
    "request (RFC 9449), or `Authorization: SAML` with an XUA assertion. The scopes of an operation are alternatives; where "
    "it is about a type, `x-needs` tells which scopes open which types; by what each type is searched stands under `x-criteria`. "
    "HEAD is answered wherever GET is. 500 is a fault of ours and is told in the shape of any refusal."
)
_TAGS: Final = (
    ("/fhir/R4", "FHIR R4"),
    ("/pps", "Results"),
    ("/api/critical-information", "Critical information"),
    ("/phr", "Documents"),
    ("/cds-services", "CDS Hooks"),
    ("/v1/helseindikator", "Health indicator"),
    ("/api/session", "Portal sessions"),
    ("/participation", "Participation"),
    ("/persons", "Persons"),
    ("/exports", "Exports"),
    ("/imports", "Imports"),
)
_TYPES: Final = (("/pps", "ResultsType"), ("/api/critical-information", "CriticalType"))
"""What the types in an address may be, where that is no address of `/fhir/R4`."""


@dataclass(frozen=True)
class Described:
    """The address where the document is told. `types` are served under `/fhir/R4`, `of_results` at the national
    interface of results."""

    types: Sequence[str]
    of_results: Sequence[str]
    _kept: list[bytes] = field(default_factory=list)

    def routes(self, routes: Sequence[Route]) -> list[Route]:
        """The route, for an installation that has `routes` and this one."""
        table = list(routes)
        table.append(Route("GET", PATH, partial(self.tell, table), PUBLIC, "json"))
        return table[-1:]

    async def tell(self, routes: Sequence[Route], call: Call) -> Answer:
        """This document."""
        del call
        if not self._kept:
            self._kept.append(encode(document(routes, tuple(self.types), tuple(self.of_results))))
        return Answer(200, self._kept[0], JSON)


def document(routes: Iterable[Route], types: tuple[str, ...], of_results: tuple[str, ...]) -> Tree:
    """The OpenAPI document of `routes`."""
    paths: Tree = {}
    used: set[tuple[int, str]] = set()
    for route in routes:
        shape = _shape(route)
        used |= {(status, shape) for status in _refused(route)}
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shape)
    return {
        "openapi": "3.1.0",
        "info": {"title": "kjerne", "version": __version__, "description": _SAYS},
        "servers": [{"url": "/"}],
        "x-criteria": {name: pieces.named("schemas", _criteria(name)) for name in sorted({*types, *of_results})},
        "paths": paths,
        "components": {
            "schemas": {
                **pieces.SCHEMAS,
                **_criteria_schemas(types, of_results),
                "ServedType": {"enum": sorted(types)},
                "ResultsType": {"enum": sorted(of_results)},
                "CriticalType": {"enum": sorted((*CRITICAL, *PLURAL))},
                "AnyType": {"enum": sorted(TYPES)},
            },
            "headers": pieces.every_header(),
            "responses": {f"{shape}{status}": pieces.refused(status, shape) for status, shape in sorted(used)},
            "securitySchemes": _schemes(),
        },
    }


def _schemes() -> Tree:
    return {
        "token": {
            "type": "http", "scheme": "DPoP",
            "description": "an access token bound to the caller's key, with an attestation where personnel ask about a patient",
        },
        "proof": {"type": "apiKey", "in": "header", "name": "DPoP", "description": "a proof of possession, good for one request"},
        "assertion": {"type": "http", "scheme": "SAML", "description": "an XUA assertion in base64url, good for one request"},
    }  # fmt: skip


def _operation(route: Route, shape: str) -> Tree:
    told = operation_of(route)
    said = list(_said(route.handler))
    types = next((named for beginning, named in _TYPES if route.path.startswith(beginning)), "ServedType")
    if route.path.endswith("/$validate"):
        types = "AnyType"
    parts = [pieces.in_path(name, types) for name in re.findall(r"{(\w+)}", route.path)]
    criteria = partial(pieces.in_query, criteria=_criteria_of(route))
    parameters = [*parts, *map(criteria, told.query), *map(pieces.in_header, told.headers)]
    operation: Tree = {
        "operationId": _name(route),
        "tags": [next((tag for beginning, tag in _TAGS if route.path.startswith(beginning)), "Operations")],
        **({"summary": said[0], "description": "\n\n".join(said)} if said else {}),
        **({"parameters": parameters} if parameters else {}),
    }
    if body := _body(told, _criteria_of(route)):
        operation["requestBody"] = body
    good = {str(status): _given(route, given) for status, given in told.gives.items()}
    bad = {str(status): pieces.named("responses", f"{shape}{status}") for status in _refused(route)}
    operation["responses"] = dict(sorted((good | bad).items()))
    return operation | _security(route)


def _criteria_of(route: Route) -> str:
    """The schema of what an address may be searched by: its own type's, or that of any type that it may name."""
    name = route.path.removeprefix("/fhir/R4/").partition("/")[0]
    return _criteria(name) if name in TYPES else _criteria("")


def _criteria_schemas(types: Sequence[str], of_results: Sequence[str]) -> Tree:
    """What each type is searched by; what every type has is a parameter of its own. An address of any type refers to no one of
    them: a choice among so many is more than programs take that read this."""
    own = {
        name: {one.code: one.kind for one in searched_by(name) if not one.code.startswith("_")}
        for name in sorted({*types, *of_results, "AuditEvent"})
    }

    return {"Criteria": pieces.criteria({})} | {
        _criteria(name): pieces.criteria(parameters) for name, parameters in own.items()
    }


def _criteria(name: str) -> str:
    return f"{name}Criteria"


def _refused(route: Route) -> list[int]:
    told = operation_of(route)
    return sorted({*told.refuses, *refusals(route)} - told.gives.keys())


def _shape(route: Route) -> str:
    if route.errors == "fhir":
        return "fhir" if speaks_xml(route.path) else "outcome"
    return "receipt" if any(given.schema == "Receipt" for given in operation_of(route).gives.values()) else "json"


def _body(told: Operation, criteria: str) -> Tree:
    found = {media: {"schema": pieces.named("schemas", schema)} for media, schema in told.body}
    if told.form:
        found[FORM] = {"schema": pieces.of_form(told.form, criteria)}
    return {"content": found, "required": not told.form} if found else {}


def _given(route: Route, given: Given) -> Tree:
    answer: Tree = {
        "description": given.schema or "without a body", "headers": pieces.headers(given.always, given.maybe)
    }  # fmt: skip
    if given.schema:
        media = given.media or ((JSON_TYPE, XML_TYPE) if speaks_xml(route.path) else (JSON_TYPE,))
        answer["content"] = pieces.content(
            {one: "Xml" if one in (XML_TYPE, MESSAGE) else given.schema for one in media}
        )
    return answer


def _security(route: Route) -> Tree:
    if route.needs == PUBLIC:
        return {"security": []}
    scopes = dict.fromkeys(one for each in (route.needs, *route.by_type.values()) for one in each.split())
    ways: list[Tree] = [{"token": [scope], "proof": []} for scope in scopes] + [
        {"assertion": [scope]} for scope in scopes
    ]
    needs: dict[str, list[str]] = {}
    for name, each in sorted(route.by_type.items()):
        needs.setdefault(each, []).append(name)
    return {"security": ways} | ({"x-needs": needs} if needs else {})


def _name(route: Route) -> str:
    """A name for the operation, which no other has."""
    path = re.sub(r"{(\w+)}", r"by_\1", route.path.replace("$", "op_"))
    return route.method.lower() + re.sub(r"[^A-Za-z0-9]+", "_", path)


def _said(handler: Callable[..., Any]) -> Iterator[str]:
    """What the docstrings of a handler say first; of one that chooses among others, what each of those says."""
    if isinstance(handler, partial):
        within = [one for each in handler.args if callable(each) for one in _said(each)]
        yield from within or _said(handler.func)
    elif text := inspect.getdoc(handler):
        yield " ".join(text.partition("\n\n")[0].split())
