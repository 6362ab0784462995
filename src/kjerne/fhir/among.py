"""References among lines that come together and get new ids: which lead to the id that another of them had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

_REFERENCE: Final = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+\\?/[A-Za-z0-9.-]{1,64})[/"]')
"""A relative one, in the bytes of a line: the names of members hold no escapes where a resource was understood."""
_PERSON: Final = "Patient/"


TOLD: Final = 100


class Lost(NamedTuple):
    """A reference of line `number` to what line `there` was called."""

    number: int
    reference: str
    there: int


class Named(NamedTuple):
    """What some lines called themselves (`Type/id`), and what they refer to, each with the number of its line."""

    ids: list[tuple[int, str]]
    links: list[tuple[int, str]]


def look(named: Named, number: int, raw: bytes, tree: Mapping[str, Any]) -> None:
    """Adds what line `number` calls itself and refers to. A Patient is meant by her address here, which stays."""
    id_ = tree.get("id")
    if isinstance(id_, str):
        named.ids.append((number, f"{tree['resourceType']}/{id_}"))
    for found in _REFERENCE.findall(raw):
        text = found.decode().replace("\\", "")
        if not text.startswith(_PERSON):
            named.links.append((number, text))


def lost(parts: Iterable[Named]) -> list[Lost]:
    """All of them, in the order of the lines, each once."""
    parts = list(parts)
    had = {text: number for part in parts for number, text in reversed(part.ids)}
    every = (link for part in parts for link in part.links) if had else ()
    return list(dict.fromkeys(Lost(number, text, had[text]) for number, text in every if text in had))


def told(found: Sequence[Lost]) -> dict[str, Any]:
    """An OperationOutcome that warns of the first of them. That they were taken is right: a record that lies here may have this
    id, as where what was exported comes back."""
    says = "{} is what line {} here was called before: it has another id now, and the reference does not lead to it"
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "warning",
                "code": "incomplete",
                "diagnostics": says.format(one.reference, one.there),
                "location": [f"line {one.number}"],
            }
            for one in found[:TOLD]
        ],
    }
