"""What a valid resource says that nobody here could act on: it is refused on write, since it would be filed and misread.

An element in `modifierExtension` may turn the meaning of what is around it ("this is not", "of another"), and whoever does
not know it must not process that (R4 extensibility.html#modifierExtension). None is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kjerne.errors import Fault

_IN_DOUBT: Final = re.compile(rb"modifierExtension|\\u")
"""Bytes that may name such an element; a name may be spelled by its code points."""


def not_understood(raw: bytes, tree: Mapping[str, Any]) -> list[Fault]:
    """The faults of a valid resource, `raw` parsed as `tree`, that keep it from being filed."""
    if not _IN_DOUBT.search(raw):
        return []
    says = "The element changes the meaning of what it stands in, by an extension that is not known here."
    return [Fault(says, where, "extension", "modifier-extension") for where in _modifiers(tree)]


def _modifiers(tree: Mapping[str, Any]) -> Iterator[str]:
    """The path of every modifier extension. Iterative: depth is the sender's."""
    waiting: list[tuple[str, Any]] = [(str(tree["resourceType"]), tree)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{where}[{place}]", one) for place, one in enumerate(value)]
        elif isinstance(value, dict):
            yield from (
                f"{where}.modifierExtension[{place}]" for place, _ in enumerate(value.get("modifierExtension", ()))
            )
            waiting += [(f"{where}.{name}", one) for name, one in value.items() if isinstance(one, (dict, list))]
