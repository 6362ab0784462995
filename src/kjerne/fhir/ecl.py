"""Is this an expression of SNOMED's Expression Constraint Language? Its shape alone: concepts, operators, refinements."""

from __future__ import annotations

import re
from typing import Final

LENGTH_LIMIT: Final = 10_000
DEPTH_LIMIT: Final = 30

_TOKEN: Final = re.compile(
    r"""\s+|/\*.*?\*/
    |(?P<concept>\d{6,18}(?:\s*\|[^|]*\|)?)
    |(?P<compare>!=|=|<=|>=)
    |(?P<operator><<!|>>!|<<|>>|<!|>!|<|>|!!>|!!<|\^)
    |(?P<join>,|\b(?:AND|OR|MINUS)\b)
    |(?P<reverse>\bR\b)
    |(?P<range>\[[\d.*]+\])
    |(?P<value>\#-?\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*+"|\btrue\b|\bfalse\b)
    |(?P<sign>[*:.(){}])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def is_expression(text: str) -> bool:
    """Whether a text can be read as one; filters and history supplements (`{{ }}`) are not judged."""
    if len(text) > LENGTH_LIMIT:
        return False
    if "{{" in text:
        return True
    tokens, at = list[tuple[str, str]](), 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return False
        if found.lastgroup:
            tokens.append((found.lastgroup, found[0]))
        at = found.end()
    reader = _Reader(tokens)
    try:
        reader.expression()
    except ValueError:
        return False
    return reader.kind == ""


class _Reader:
    """The tokens, and where we are in them; `ValueError` where the grammar has nothing like it."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("", "")]
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    def _is(self, kind: str, text: str = "") -> bool:
        return self._tokens[self._at][0] == kind and (not text or self._tokens[self._at][1] == text)

    def _take(self, kind: str, text: str = "") -> None:
        if not self._is(kind, text):
            raise ValueError("not an expression")
        self._at += 1

    def expression(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise ValueError("too deep")
        self._part()
        while self._is("join") or self._is("sign", "."):
            self._at += 1
            self._part()
        if self._is("sign", ":"):
            self._at += 1
            self._refinement()
        self._depth -= 1

    def _part(self) -> None:
        while self._is("operator"):
            self._at += 1
        if self._is("sign", "("):
            self._at += 1
            self.expression()
            self._take("sign", ")")
        elif self._is("sign", "*"):
            self._at += 1
        else:
            self._take("concept")

    def _refinement(self) -> None:
        self._attribute()
        while self._is("join"):
            self._at += 1
            self._attribute()

    def _attribute(self) -> None:
        if self._is("range"):
            self._at += 1
        if self._is("sign", "{"):
            self._at += 1
            self._depth += 1
            if self._depth > DEPTH_LIMIT:
                raise ValueError("too deep")
            self._refinement()
            self._depth -= 1
            self._take("sign", "}")
            return
        if self._is("reverse"):
            self._at += 1
        self._part()
        if self._is("operator"):
            self._at += 1
        else:
            self._take("compare")
        if self._is("value"):
            self._at += 1
        else:
            self._part()
