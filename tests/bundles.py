"""Bundles of requests for the tests, and their answers taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from platform_fixture import Answered, Standing, Tree

FHIR: Final = "application/fhir+json"
NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"


def entry(method: str, url: str, resource: Tree | None = None, full_url: str = "", **conditions: str) -> Tree:
    """One entry; `conditions` are ifMatch and its like."""
    found: Tree = {"request": {"method": method, "url": url, **conditions}}
    if resource is not None:
        found["resource"] = resource
    return ({"fullUrl": full_url} if full_url else {}) | found


def bundle(kind: str, *entries: Tree) -> Tree:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def send(
    platform: Standing, tree: Tree | bytes, *, as_: str = "lab", about: str = "", headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Answered:  # fmt: skip
    """The Bundle, to the base of the server, with `about` (a persona or a number) in the header."""
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    patient = about if not about or about.isdigit() else platform.nin(about)
    sent = {"content-type": FHIR} | dict(headers or {})
    return Answered(platform.client.call("POST", "/fhir/R4", as_=as_, patient=patient, body=body, headers=sent, **more))


def statuses(answer: Answered) -> list[int]:
    """The status of each entry of a Bundle of answers."""
    return [int(one["response"]["status"].split()[0]) for one in answer.tree["entry"]]


def places(answer: Answered) -> list[str]:
    """`Type/id` of what each entry made or met; empty where it says none."""
    found = (str(one["response"].get("location", "")) for one in answer.tree["entry"])
    return ["/".join(one.split("/")[-4:-2]) for one in found]


def told(answer: Answered, place: int) -> Tree:
    """The first issue of an entry that was refused."""
    issue: Tree = answer.tree["entry"][place]["response"]["outcome"]["issue"][0]
    return issue


def about(number: str, **more: Any) -> Tree:
    """What names its patient in the body."""
    return {"subject": {"type": "Patient", "identifier": {"system": NUMBER, "value": number}}, **more}
