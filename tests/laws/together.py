"""A report and what it shows, filed in one transaction with the report first."""

from __future__ import annotations

from typing import Any, Final

from bundles import bundle, entry
from kjerne.fhir.encode import decode

from .straight import Straight

REPORT, RESULT, FILE = (f"urn:uuid:00000000-0000-4000-8000-00000000000{place}" for place in range(3))
LOCATION: Final = slice(-4, -2)
"""Where type and id stand in an address of a version."""
Tree = dict[str, Any]


def showing(report: Tree, result: str, file: str) -> Tree:
    shown = [{"contentType": "image/png", "title": "Bilde", "url": file}]
    return report | {"result": [{"reference": result}], "presentedForm": shown}


async def together(http: Straight, number: str, report: Tree, result: Tree, file: Tree) -> dict[str, str]:
    """The id of each by its type."""
    every = ((showing(report, RESULT, FILE), REPORT), (result, RESULT), (file, FILE))
    asked = bundle("transaction", *(entry("POST", tree["resourceType"], tree, own) for tree, own in every))
    answer = await http.post("/fhir/R4", json=asked, headers={"person-id": number})
    assert answer.status_code == 200, answer.text
    places = (one["response"]["location"].split("/")[LOCATION] for one in decode(answer.content)["entry"])
    return dict(places)
