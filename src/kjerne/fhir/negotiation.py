"""Which representation a request sends and takes back (R4 http.html#mime-type): JSON, and no other."""

from __future__ import annotations

from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import Call

JSON: Final = frozenset({"application/fhir+json", "application/json"})
_TAKEN: Final = JSON | {"*/*", "application/*"}


def check_accepted(call: Call) -> None:
    """`Refusal` 406 where the caller takes no JSON. A parameter `_format` counts before the header, and is read elsewhere."""
    accept = call.headers.get("accept", "")
    if accept in ("", "*/*", "application/fhir+json") or any(map(_is_taken, accept.lower().split(","))):
        return
    if not any(name == "_format" for name, _ in (*call.query, *call.form)):
        raise Refusal(406, "answers are application/fhir+json", where="accept", code="not-supported")


def check_sent(call: Call) -> None:
    """`Refusal` 415 where a body says that it is something else than JSON."""
    if media_type(call.headers.get("content-type", "")) not in ("", *JSON):
        says = "a resource is sent as application/fhir+json"
        raise Refusal(415, says, where="content-type", code="not-supported")


def _is_taken(part: str) -> bool:
    weights = (one.strip() for one in part.split(";")[1:])
    return media_type(part) in _TAKEN and not any(one.startswith("q=") and not one[2:].strip("0.") for one in weights)


def media_type(text: str) -> str:
    """The type of a header without its parameters."""
    return text.partition(";")[0].strip().lower()
