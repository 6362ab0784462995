"""Which representation a request sends and takes back (R4 http.html#mime-type). The handlers know JSON alone; where XML is
spoken too, `wire.representation` does it."""

from __future__ import annotations

from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import Call

JSON_TYPE: Final = "application/fhir+json"
XML_TYPE: Final = "application/fhir+xml"
JSON: Final = frozenset({JSON_TYPE, "application/json"})
XML: Final = frozenset({XML_TYPE, "application/xml", "text/xml"})
XML_BASE: Final = "/fhir/R4"
"""What speaks XML beside JSON. The national interfaces speak JSON alone, as they are documented."""
VERSIONS: Final = frozenset({"4.0", "4.0.0", "4.0.1"})
"""What R4 is called by the parameter `fhirVersion`."""
_TAKEN: Final = JSON | {"*/*", "application/*"}


def check_accepted(call: Call) -> None:
    """`Refusal` 406 where the caller takes no JSON. A parameter `_format` counts before the header, and is read elsewhere."""
    accept = call.headers.get("accept", "")
    if accept in ("", "*/*", JSON_TYPE) or any(map(_is_taken, accept.lower().split(","))):
        return
    if not any(name == "_format" for name, _ in (*call.query, *call.form)):
        raise Refusal(406, f"answers are {_spoken(call)}", where="accept", code="not-supported")


def check_sent(call: Call) -> None:
    """`Refusal` 415 where a body says that it is something else than JSON."""
    sent = call.headers.get("content-type", "")
    if is_of_another_version(sent):
        raise Refusal(415, "a resource is sent in FHIR 4.0", where="content-type", code="not-supported")
    if media_type(sent) not in ("", *JSON):
        raise Refusal(415, f"a resource is sent as {_spoken(call)}", where="content-type", code="not-supported")
    if _parameter(sent, "charset") not in (None, "utf-8", "utf8"):
        raise Refusal(415, "JSON is sent in UTF-8 (RFC 8259)", where="content-type", code="not-supported")


def speaks_xml(path: str) -> bool:
    """Whether what lies at a path of a route is spoken in XML too."""
    return path.startswith(XML_BASE)


def _spoken(call: Call) -> str:
    return f"{JSON_TYPE} or {XML_TYPE}" if speaks_xml(call.path) else JSON_TYPE


def _is_taken(part: str) -> bool:
    weights = (one.strip() for one in part.split(";")[1:])
    refused = any(one.startswith("q=") and not one[2:].strip("0.") for one in weights)
    return media_type(part) in _TAKEN and not refused and not is_of_another_version(part)


def is_of_another_version(text: str) -> bool:
    """Whether a media type names another version of FHIR than R4 (R4 http.html#version-parameter)."""
    return _parameter(text, "fhirversion") not in (None, *VERSIONS)


def _parameter(text: str, name: str) -> str | None:
    """A parameter of a media type, in small letters."""
    named = (one.strip().lower().partition("=") for one in text.split(";")[1:])
    return next((value.strip().strip('"') for key, _, value in named if key.strip() == name), None)


def media_type(text: str) -> str:
    """The type of a header without its parameters."""
    return text.partition(";")[0].strip().lower()
