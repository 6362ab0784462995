"""References among lines that come together and get new ids: which lead to the id that another of them had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

_REFERENCE: Final = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+\\?/[A-Za-z0-9.-]{1,64})[/"]')
"""A relative one, in the bytes of a line: the names of members hold no escapes where a resource was understood."""
_PERSON: Final = "Patient/"


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


def lost(parts: Iterable[Named]) -> list[tuple[int, str, int]]:
    """The number of each line with such a reference, the reference, and the number of the line that had this id."""
    parts = list(parts)
    had = {text: number for part in parts for number, text in reversed(part.ids)}
    every = (link for part in parts for link in part.links) if had else ()
    return list(dict.fromkeys((number, text, had[text]) for number, text in every if text in had))
