"""A document of somebody else's making, read as strictly as a body of our own: JSON or FHIR's XML, by its media type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.from_xml import read
from kjerne.fhir.negotiation import XML, media_type
from kjerne.wire import json, xml

DEPTH_BEHIND: Final = 3
"""Levels by which a Bundle is deeper than the resources in it."""


def reader(json_depth: int, xml_depth: int, limit_bytes: int) -> Callable[[bytes, str], dict[str, Any]]:
    """What reads bytes of a media type. `Refusal` 400, 413 or 422 with line and column or element, never with content."""

    def parse(raw: bytes, media: str) -> dict[str, Any]:
        if media_type(media) not in XML:
            return json.parse(raw, depth=json_depth + DEPTH_BEHIND, limit_bytes=limit_bytes)
        if not raw.strip():
            raise Refusal(400, "the body is empty", where="body", code="structure")
        return read(xml.parse(raw, depth=xml_depth + 2 * DEPTH_BEHIND, limit_bytes=limit_bytes)).tree

    return parse
