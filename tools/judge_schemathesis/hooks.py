"""Read by schemathesis in its own environment: requests that get beyond the first refusal.

What schemathesis makes up has ids that nobody has and resources that are none. Here some requests are given what is there. The
header that names the patient is the proxy's, and a decision of its own: it is left out.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import right
import schemathesis
from spoiling import spoiled

KNOWN: dict[str, list[dict[str, Any]]] = json.loads(Path(os.environ["JUDGE_KNOWN"]).read_text())
CHANCE = random.Random(int(os.environ["JUDGE_SEED"]))  # noqa: S311 - the same requests for the same seed
OF_THE_PROXY = ("person-id", "dpop", "authorization", "host")


@schemathesis.serializer("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """Lines of an import: what was made up, or resources that could be."""
    del context
    if CHANCE.random() < 0.5 and (resources := KNOWN.get("Observation")):
        return b"\n".join(json.dumps(spoiled(one, CHANCE)).encode() for one in resources)
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """One request before it goes out."""
    del context, kwargs
    for name in [name for name in case.headers or {} if name.lower() in OF_THE_PROXY]:
        del case.headers[name]
    of_type = [name for name, resources in KNOWN.items() if resources]
    parts = case.path_parameters or {}
    if "type" in parts and of_type and CHANCE.random() < 0.6:
        parts["type"] = CHANCE.choice(of_type)
        if "id" in parts:
            parts["id"] = CHANCE.choice(KNOWN[parts["type"]])["id"]
        if "version" in parts:
            parts["version"] = "1"
    case.query, case.headers = dict(case.query or {}), dict(case.headers or {})
    if CHANCE.random() < 0.5:
        case.query = {}
    known = right.of(case.method, case.operation.path, parts, KNOWN)
    if known is not None and CHANCE.random() < 0.6:
        case.query, body = dict(known.query), known.body
        case.headers |= known.headers
        if body is not None:
            case.body, case.media_type = (
                (spoiled(body, CHANCE) if isinstance(body, (dict, list)) else body),
                known.media,
            )
    else:
        _body(case, parts)


def _body(case: Any, parts: dict[str, Any]) -> None:
    if case.media_type == "application/fhir+json" and case.method in ("POST", "PUT") and CHANCE.random() < 0.6:
        resources = [
            one for each in KNOWN.values() for one in each if parts.get("type", "") in ("", one["resourceType"])
        ]
        if resources:
            case.body = spoiled(CHANCE.choice(resources), CHANCE)
