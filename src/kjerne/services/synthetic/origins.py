"""Of whom a model was learned, and of which model people were made: what decides whether either may leave the closed zone.

People of a model of real people tell of real people what that model does. So whatever is learned from them says so, and
leaves as that model does: with a name. The manifest beside made people says which model made them, of whom that was learned,
and who had approved it; where that is lost, ids of the people say at least of whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

REAL: Final = "real people"
GENERATED: Final = "generated people"
SECOND_HAND: Final = "people made by a model of real people"
"""What a card says of whom a model was learned (`learned_from`)."""
MARK: Final = "w"
"""Ids of whoever is of a model of real people begin with this letter, which no other id has."""
NOT_REAL: Final = "Not learned from real data: what it makes says nothing about any population."
OF_REAL: Final = (
    "Learned from people whom a model of real people made: what that model tells of real people, this one may tell too."
)


@dataclass(frozen=True)
class MadeBy:
    """The model that made people: its hash, of whom it was learned, and who had approved it when they were made. What is not
    known is empty."""

    model: str
    learned_from: str
    approved: str

    def told(self) -> dict[str, str]:
        return {"model": self.model, "approved": self.approved}


UNKNOWN: Final = MadeBy("", REAL, "")
"""A model of real people of which nothing else is known."""


def learned_from(*, generated: bool, made_by: MadeBy | None) -> str:
    """What a card says of people who are real or were made, and by whom."""
    if not generated:
        return REAL
    return GENERATED if made_by is None or made_by.learned_from == GENERATED else SECOND_HAND


def said_of(origin: str, made_by: MadeBy | None) -> dict[str, Any]:
    """What a card says besides of people who are not real."""
    if origin == GENERATED:
        return {"not_real": NOT_REAL}
    return {"second_hand": OF_REAL, "made_by": (made_by or UNKNOWN).told()} if origin == SECOND_HAND else {}


def is_generated(card: Mapping[str, Any]) -> bool:
    """Whether a model was learned from people whom nobody real stands behind. A card that does not say so was not."""
    return bool(card.get("learned_from") == GENERATED)


def prefix(card: Mapping[str, Any]) -> str:
    """What ids of a model's people begin with."""
    return "" if is_generated(card) else MARK


def are_marked(names: Iterable[str]) -> bool:
    """Whether any of the generator's names for people is of a model of real people."""
    return any(one.startswith(MARK) for one in names)
