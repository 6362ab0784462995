"""Words in a resource: `_text` in its narrative, `_content` in every text that it holds (FHIR R4 search.html#text).

Words are compared whole, case and accents aside. What stands side by side must all be there; `or`, parentheses and a phrase
in quotation marks as in R4's example `(bone OR liver) and metastases`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from kjerne.fhir.criteria import Either, Every, Phrase, Words
from kjerne.fhir.effort import spend
from kjerne.fhir.match import fold

NESTING_LIMIT: Final = 10
_PIECE: Final = re.compile(r'\s*(?:([()])|"([^"]*)"|([^\s()"]+))')
_WORD: Final = re.compile(r"\w+")
_TAG: Final = re.compile(r"<[^>]*>")
_CHARACTERS_IN_A_STEP: Final = 6
_STEPS_OF_A_TEXT: Final = 4
"""What it takes to spell a text, however short it is."""
_NO_WORDS: Final = frozenset(("data", "div", "reference", "id", "url", "system"))
"""What holds bytes, addresses and ids, and the narrative, whose tags are taken away first."""


def understood(text: str) -> Phrase | Every | Either:
    """What is asked for. Raises `ValueError` where it cannot be read or has no word."""
    pieces = [(match[1] or "", match[2], match[3] or "") for match in _PIECE.finditer(text)]
    if sum(len(match[0]) for match in _PIECE.finditer(text)) != len(text.rstrip()):
        raise ValueError("it cannot be read")
    found, rest = _either(pieces, 0)
    if rest:
        raise ValueError("a parenthesis is not opened")
    return found


Piece = tuple[str, str | None, str]
"""A parenthesis, a phrase in quotation marks, or a word."""


def _either(pieces: list[Piece], depth: int) -> tuple[Phrase | Every | Either, list[Piece]]:
    if depth > NESTING_LIMIT:
        raise ValueError(f"parentheses stand {NESTING_LIMIT} deep at most")
    found, rest = _every(pieces, depth)
    parts = [found]
    while rest and rest[0][2].casefold() == "or":
        found, rest = _every(rest[1:], depth)
        parts.append(found)
    return (parts[0] if len(parts) == 1 else Either(tuple(parts))), rest


def _every(pieces: list[Piece], depth: int) -> tuple[Phrase | Every | Either, list[Piece]]:
    parts: list[Phrase | Every | Either] = []
    rest, joined = pieces, False
    while rest and rest[0][0] != ")" and rest[0][2].casefold() != "or":
        if parts and not joined and rest[0][2].casefold() == "and":
            rest, joined = rest[1:], True
            continue
        found, rest = _one(rest, depth)
        parts.append(found)
        joined = False
    if not parts or joined:
        raise ValueError("a word is missing")
    return (parts[0] if len(parts) == 1 else Every(tuple(parts))), rest


def _one(pieces: list[Piece], depth: int) -> tuple[Phrase | Every | Either, list[Piece]]:
    if pieces[0][0] == "(":
        found, rest = _either(pieces[1:], depth + 1)
        if not rest or rest[0][0] != ")":
            raise ValueError("a parenthesis is not closed")
        return found, rest[1:]
    spelled = _spelled(pieces[0][1] if pieces[0][1] is not None else pieces[0][2])
    if not spelled.strip():
        raise ValueError("a word is missing")
    return Phrase(spelled), pieces[1:]


def test(asked: Words) -> Callable[[dict[str, Any]], bool]:
    """Whether a resource has the words."""
    of = _narrative if asked.narrative else _content
    return lambda tree: _has(asked.wanted, of(tree))


def _has(wanted: Phrase | Every | Either, text: str) -> bool:
    if isinstance(wanted, Phrase):
        spend(1 + len(text) // 1_000)
        return wanted.spelled in text
    return (all if isinstance(wanted, Every) else any)(_has(one, text) for one in wanted.parts)


def _spelled(text: str) -> str:
    """The words of a text with one space before, between and after them; a bar parts texts, and is no word."""
    spend(_STEPS_OF_A_TEXT + len(text) // _CHARACTERS_IN_A_STEP)
    # Not through `fold`'s memory, which is for short texts that come again.
    return f" {' '.join(_WORD.findall(fold.__wrapped__(text)))} "


def _narrative(tree: dict[str, Any]) -> str:
    spend(2)
    text = tree.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return _spelled(_shown(div)) if isinstance(div, str) else ""


def _shown(div: str) -> str:
    return html.unescape(_TAG.sub(" ", div))


def _content(tree: dict[str, Any]) -> str:
    return "|".join([_narrative(tree), *(_spelled(text) for text in _texts(tree))])


def _texts(tree: dict[str, Any]) -> Iterator[str]:
    """Every text of a resource but its narrative; iterative, since depth is the sender's."""
    rest: list[tuple[str, Any]] = list(tree.items())
    looked = 0
    while rest:
        name, value = rest.pop()
        looked += 1
        if isinstance(value, dict):
            rest += value.items()
        elif isinstance(value, list):
            rest += [(name, one) for one in value]
        elif isinstance(value, str) and name not in _NO_WORDS:
            yield value
    spend(looked // 2)
