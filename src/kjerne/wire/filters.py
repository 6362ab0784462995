"""`_filter` in, typed (FHIR R4 search_filter.html): comparisons of a type's parameters joined by `and`, `or` and `not`.

`and` and `or` bind alike, from left to right, as R4 says; parentheses tell what belongs together. A comparison means what the
parameter alone would mean, so what is joined by `and` alone is narrowed in the database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from kjerne.errors import Refusal
from kjerne.fhir.answering import EQUALS, UNEQUAL
from kjerne.fhir.criteria import Asked, Combined, Criterion, DateValue
from kjerne.fhir.searchparams import SearchParameter
from kjerne.wire.criteria import Scope, refuse, typed

NESTING_LIMIT: Final = 10
COMPARISONS_LIMIT: Final = 50
NAME: Final = "_filter"

_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*(?:\.[A-Za-z_][A-Za-z0-9_\-]*)*")
_OPERATOR: Final = re.compile(r"\s+([a-z]{2})\s+")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE: Final = re.compile(r"[^\s\])]+")
_JOIN: Final = re.compile(r"\s+(and|or)(?=[\s(])\s*")
_NOT: Final = re.compile(r"not\s*(?=\()")

_MODIFIER: Final = {
    ("token", "eq"): "", ("token", "in"): "in", ("token", "ni"): "not-in", ("token", "ss"): "below", ("token", "sb"): "above",
    ("string", "eq"): EQUALS, ("string", "sw"): "", ("string", "co"): "contains", ("string", "ew"): "ends",
    ("reference", "eq"): "", ("reference", "re"): "", ("uri", "eq"): "",
}  # fmt: skip
"""What compares by a modifier, R4's or of the filter alone."""
_OF_THE_FILTER: Final = frozenset((EQUALS, UNEQUAL, "ends"))
_ORDERED: Final = frozenset(("date", "number", "quantity"))
_PREFIXES: Final = frozenset(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))


def understood(scope: Scope, type: str, text: str) -> Asked:
    """What must hold. `Refusal` 400 with the place of what cannot be read."""
    return _Reader(scope, type, text.rstrip()).whole()


class _Reader:
    def __init__(self, scope: Scope, type: str, text: str) -> None:
        self._scope = scope
        self._type = type
        self._text = text
        self._at = 0
        self._comparisons = 0

    def whole(self) -> Asked:
        found = self._joined(0)
        if self._at != len(self._text):
            raise self._unread()
        return found

    def _joined(self, depth: int) -> Asked:
        if depth > NESTING_LIMIT:
            raise refuse(NAME, f"it is nested {NESTING_LIMIT} deep at most", code="too-costly")
        found = self._one(depth)
        while join := self._take(_JOIN):
            sign = join[1]
            right = self._one(depth)
            own = found.parts if isinstance(found, Combined) and found.sign == sign else (found,)
            found = Combined(sign, (*own, right))  # type: ignore[arg-type]
        return found

    def _one(self, depth: int) -> Asked:
        self._space()
        negated = self._take(_NOT) is not None
        if self._text.startswith("(", self._at):
            self._at += 1
            found = self._joined(depth + 1)
            self._space()
            if not self._text.startswith(")", self._at):
                raise self._unread()
            self._at += 1
            return Combined("not", (found,)) if negated else found
        return self._comparison()

    def _comparison(self) -> Asked:
        self._comparisons += 1
        if self._comparisons > COMPARISONS_LIMIT:
            raise refuse(NAME, f"it has at most {COMPARISONS_LIMIT} comparisons", code="too-costly")
        path = self._take(_PATH)
        if path and self._text.startswith("[", self._at):
            raise refuse(NAME, "a filter inside a path is not supported", code="not-supported")
        sign = self._take(_OPERATOR) if path else None
        value = (self._take(_QUOTED) or self._take(_BARE)) if sign else None
        if path is None or sign is None or value is None:
            raise self._unread()
        return self._scope.asked(self._type, path[0], self._plain(value[0]), read=_compared(sign[1]))

    def _plain(self, text: str) -> str:
        if not text.startswith('"'):
            return text
        try:
            return str(json.loads(text))
        except ValueError:
            raise self._unread() from None

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _space(self) -> None:
        while self._text.startswith(" ", self._at):
            self._at += 1

    def _unread(self) -> Refusal:
        return refuse(NAME, f"it cannot be read from character {self._at + 1} on")


def _compared(sign: str) -> Callable[[SearchParameter, str, str, str], Asked]:
    """How a comparison by this operator is read."""

    def read(known: SearchParameter, name: str, _: str, value: str) -> Asked:
        text = re.sub(r"([\\,$])", r"\\\1", value)
        if sign == "pr" and known.kind != "composite":
            return typed(known, name, "missing", {"true": "false", "false": "true"}.get(value, ""))
        if known.kind in _ORDERED and sign in _PREFIXES:
            return typed(known, name, "", sign + text)
        if known.kind == "date" and sign == "po":
            return _overlapping(known, name, text)
        if known.code == "_id" and sign == "ne":
            return Combined("not", (typed(known, name, "", text),))
        modifier = UNEQUAL if sign == "ne" and (known.kind, "eq") in _MODIFIER else _MODIFIER.get((known.kind, sign))
        if modifier is None or (known.code == "_id" and sign != "eq"):
            raise refuse(name, "a filter does not compare it so", code="not-supported")
        if modifier in _OF_THE_FILTER:
            return replace(_plainly(known, name, text), modifier=modifier)
        return typed(known, name, modifier, text)

    return read


def _plainly(known: SearchParameter, name: str, text: str) -> Criterion:
    found = typed(known, name, "", text)
    assert isinstance(found, Criterion), "only a modifier asks for codes of the store"
    return found


def _overlapping(known: SearchParameter, name: str, text: str) -> Criterion:
    # With its own `eq`, a value that has a prefix is no date.
    asked = _plainly(known, name, "eq" + text)
    return replace(asked, values=tuple(replace(one, prefix="po") for one in asked.values if isinstance(one, DateValue)))
