"""A reason in words, fit to stand in a log that the person it is about reads."""

from __future__ import annotations

from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL
from kjerne.registries.identifiers import numbers_in

REASON_CHARACTERS: Final = (8, 500)
"""Fewest and most: a word is no reason, and a reason is no report."""


def reason(text: str, todo: str = "") -> str:
    """The reason without what surrounds it; `Refusal` 400 where it is none, or names somebody by number."""
    said = text.strip()
    fewest, most = REASON_CHARACTERS
    if not fewest <= len(said) <= most:
        raise Refusal(
            400, f"this is done for a written reason of {fewest} to {most} characters", where="reason", todo=todo
        )
    if numbers_in(said) or CONTROL.search(said):
        raise Refusal(400, "a reason is one line of plain text and names nobody by number", where="reason")
    return said
