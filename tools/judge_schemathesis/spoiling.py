"""What is right, spoiled in a place or two: for the hooks to send."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, "", " ", 0, -1, 1e308, True, [], {}, [None], "\u202e", "\x00", "x" * 5_000, "2026-02-30", "\xe9",
)  # fmt: skip


def spoiled(resource: Any, chance: random.Random) -> Any:
    """A resource, form or patch as it is, or with something in it left out, made odd, doubled or added."""
    found = json.loads(json.dumps(resource))
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        place: Any = found
        while isinstance(place, (dict, list)) and place:
            name = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
            if not isinstance(place[name], (dict, list)) or chance.random() < 0.4:
                way = chance.random()
                if way < 0.3:
                    del place[name]
                elif way < 0.8:
                    # A list of its own: what is put in is spoiled too by the next, and else it would end up within itself.
                    place[name] = copy.deepcopy(chance.choice(ODD))
                else:
                    place[name] = [place[name], place[name]]
                break
            place = place[name]
    return found
