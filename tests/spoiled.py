"""JSON with something in it that should not be there: what reads it says so, or has an answer, and never breaks."""

from __future__ import annotations

import copy
import random
from decimal import Decimal
from typing import Any, Final

ODD: Final = (
    None, [], {}, "", "text", 7, -1, 10**30, True, [None], [None, "x"], {"text": 1}, [[{"code": "A"}]], Decimal(1), "2024-13-01",
    "$this", "name", "%",
)  # fmt: skip


def spoiled(tree: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The tree with one place in it changed, emptied, or given a `_name` beside it."""
    tree = copy.deepcopy(tree)
    inside: Any = tree
    while True:
        name = draw.choice(list(inside)) if type(inside) is dict else draw.randrange(len(inside))
        deeper = inside[name]
        if type(deeper) in (dict, list) and deeper and draw.random() < 0.7:
            inside = deeper
            continue
        if type(inside) is dict and draw.random() < 0.3:
            inside[f"_{name}"] = draw.choice([{"extension": [{"url": "urn:x"}]}, {"id": "a"}, None])
        inside[name] = draw.choice(ODD)
        return tree
