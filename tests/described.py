"""An answer held against what the OpenAPI document says of its line of the route table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

SAID: Final = frozenset(
    (
        "accept-ranges",
        "content-location",
        "content-range",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
    )
)
"""Headers by which a client goes on: where an answer has one, the document says so."""


def undescribed(document: Mapping[str, Any], method: str, path: str, answer: httpx.Response) -> str:
    """What of an answer the document does not have; empty where it has all of it."""
    operation = document["paths"][path][method.lower()]
    known = operation["responses"].get(str(answer.status_code))
    if known is None:
        return f"status {answer.status_code}"
    known = resolved(document, known)
    wanting = [
        name
        for name, header in known["headers"].items()
        if resolved(document, header)["required"] and name not in answer.headers
    ]
    if wanting:
        return f"headers {wanting}"
    if unsaid := SAID & set(answer.headers) - set(known["headers"]):
        return f"headers {sorted(unsaid)} that it does not tell of"
    media = answer.headers["content-type"].partition(";")[0]
    if bool(answer.content) != ("content" in known) and not _may_be_empty(known, answer):
        return "a body" if answer.content else "no body"
    return media if answer.content and media not in known["content"] else ""


def resolved(document: Mapping[str, Any], piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """The piece of the document that a reference leads to, or the piece itself."""
    for part in piece.get("$ref", "").split("/")[1:]:
        document = document[part]
    return document if "$ref" in piece else piece


def _may_be_empty(known: Mapping[str, Any], answer: httpx.Response) -> bool:
    # Prefer: return=minimal has a write answered without a body.
    return not answer.content and "location" in known["headers"]
