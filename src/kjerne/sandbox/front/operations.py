"""What can be called: each operation of the platform's OpenAPI document, as a form asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from kjerne.errors import Refusal
from kjerne.sandbox.front.addresses import METHODS, needed
from kjerne.wire.http import FORM

_PART: Final = re.compile(r"{(\w+)}")
_ONE_TYPE: Final = "Observation"
FIRST: Final = (
    "post_pps_v2_by_type_search", "get_fhir_R4_by_type", "get_fhir_R4_Patient_op_summary",
    "get_api_critical_information_v1_by_type", "post_fhir_R4_by_type_op_validate", "get_fhir_R4_AuditEvent",
    "post_v1_helseindikator_status", "get_fhir_R4_metadata",
)  # fmt: skip
"""Operations to begin with."""


class Part(NamedTuple):
    """A part of an address: what it may be, where it is one of a list."""

    name: str
    options: tuple[str, ...]


class Header(NamedTuple):
    """A header that the operation heeds."""

    name: str
    needed: bool
    says: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the route table, as the document tells it."""

    id: str
    method: str
    path: str
    tag: str
    says: str
    parts: tuple[Part, ...]
    query: tuple[str, ...]
    headers: tuple[Header, ...]
    media: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def public(self) -> bool:
        """Whether it asks for no token."""
        return not self.scopes

    @property
    def has_body(self) -> bool:
        """Whether a body goes along."""
        return bool(self.media)

    def address(self, parts: Mapping[str, str]) -> str:
        """The path with its parts put in. `Refusal` 400 where one is missing."""

        def put(found: re.Match[str]) -> str:
            value = parts.get(found[1], "").strip()
            if not value:
                raise Refusal(400, f"the part {found[1]} of the address is missing", where=f"p_{found[1]}")
            return quote(value, safe="")

        return _PART.sub(put, self.path)


def operations(document: Mapping[str, Any]) -> Mapping[str, Operation]:
    """All of them by their id, those of one interface beside each other."""
    schemas = document["components"]["schemas"]
    found = [
        _operation(path, method, line[method], schemas)
        for path, line in document["paths"].items()
        for method in METHODS
        if method in line
    ]
    return {one.id: one for one in sorted(found, key=lambda one: (one.tag, one.path, one.method))}


def by_tag(found: Mapping[str, Operation]) -> Mapping[str, Sequence[Operation]]:
    """The operations of each interface."""
    tags = dict.fromkeys(one.tag for one in found.values())
    return {tag: [one for one in found.values() if one.tag == tag] for tag in tags}


def _operation(path: str, method: str, told: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    given = told.get("parameters", ())
    media = tuple(told.get("requestBody", {}).get("content", ()))
    return Operation(
        told["operationId"], method.upper(), path, told["tags"][0], told.get("summary", ""),
        tuple(Part(one["name"], _options(one["schema"], schemas)) for one in given if one["in"] == "path"),
        tuple(one["name"] for one in given if one["in"] == "query"),
        tuple(Header(one["name"], one["required"], one.get("description", "")) for one in given if one["in"] == "header"),
        tuple(sorted(media, key=lambda one: (one != FORM, one))), tuple(needed(told)),
    )  # fmt: skip


def _options(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, ...]:
    """What a part may be; what most calls are about first."""
    name = schema.get("$ref", "").rpartition("/")[2]
    known = tuple(schemas.get(name, schema).get("enum", ()))
    return tuple(sorted(known, key=lambda one: (one != _ONE_TYPE, one)))
