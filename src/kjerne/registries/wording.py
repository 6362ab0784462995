"""A reason in words, fit to stand in a log that the person it is about reads."""

from __future__ import annotations

from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL
from kjerne.registries.identifiers import numbers_in

REASON_CHARACTERS: Final = (8, 500)
"""Fewest and most: a word is no reason, and a reason is no report."""


LEAST_SIGNS: Final = 3
"""Letters or figures without which a text is no word (docs/law.md, K78)."""
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by their class that are drawn as nothing (Unicode's Default_Ignorable_Code_Point among `Lo`)."""


def says_something(text: str) -> bool:
    """Whether there are words in it: letters or figures that a reader sees, and not spaces, dots or signs without width."""
    return sum(sign.isalnum() and sign not in _FILLERS for sign in text) >= LEAST_SIGNS


def reason(text: str, todo: str = "", *, where: str = "reason") -> str:
    """The reason without what surrounds it; `Refusal` 400 where it is none, or names somebody by number."""
    said = text.strip()
    fewest, most = REASON_CHARACTERS
    if not (fewest <= len(said) <= most and says_something(said)):
        raise Refusal(
            400, f"this is done for a written {where} of {fewest} to {most} characters", where=where, todo=todo
        )
    if numbers_in(said) or CONTROL.search(said):
        raise Refusal(400, f"a {where} is one line of plain text and names nobody by number", where=where)
    return said
