"""The FHIRPath that R4's search parameters are written in, read into steps (R4 search.html#expression).

A small language: dotted names, unions, casts (`as`, `ofType`), `where` with one equality or `resolve() is T`,
`extension('url')`, `[0]`. Anything else is left out with a `ValueError`: of 1,384 base parameters two
(`deceased`, which is a condition and no place, and `item-subject`), and parts of two composites.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

_TOKENS: Final = re.compile(r"\s*([A-Za-z_]\w*|'[^']*'|\d+|!=|[().|=\[\]%])")
_CASTS: Final = frozenset(("as", "ofType"))


@dataclass(frozen=True)
class Where:
    """Which values at a step count: `equals` name=value, `resolves` to type `value`, `extension` of that address."""

    kind: Literal["equals", "resolves", "extension", "first"]
    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class Step:
    """One name in a path; `cast` narrows a choice of types."""

    name: str
    cast: str = ""
    test: Where | None = None


Path = tuple[Step, ...]


def parse(expression: str) -> tuple[Path, ...]:
    """The union's paths. Raises `ValueError` for FHIRPath outside the subset."""
    reader = _Reader(expression)
    paths = reader.union()
    if reader.peek():
        raise ValueError("not in the subset")
    return tuple(dict.fromkeys(paths))


class _Reader:
    def __init__(self, expression: str) -> None:
        self._tokens: list[str] = []
        at = 0
        while expression[at:].strip():
            token = _TOKENS.match(expression, at)
            if token is None:
                raise ValueError("not in the subset")
            self._tokens.append(token[1])
            at = token.end()
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError("not in the subset")
        self._at += 1
        return token

    def union(self) -> list[Path]:
        paths = self._path()
        while self.peek() == "|":
            self.take()
            paths += self._path()
        return paths

    def _path(self) -> list[Path]:
        if self.peek() == "(":
            self.take()
            paths = self.union()
            self.take(")")
        else:
            paths = [(Step(self._name()),)]
        while True:
            if self.peek() == ".":
                self.take()
                paths = self._member(paths)
            elif self.peek() == "[":
                self.take()
                self.take("0")
                self.take("]")
                paths = [_tested(path, Where("first")) for path in paths]
            elif self.peek() == "as":
                self.take()
                cast = self._name()
                paths = [(*path[:-1], replace(path[-1], cast=cast)) for path in paths]
            else:
                return paths

    def _name(self) -> str:
        token = self.take()
        if not (token[0].isalpha() or token[0] == "_"):
            raise ValueError("not in the subset")
        return token

    def _member(self, paths: list[Path]) -> list[Path]:
        name = self._name()
        if self.peek() != "(":
            return [(*path, Step(name)) for path in paths]
        self.take("(")
        if name in _CASTS:
            cast = self._name()
            paths = [(*path[:-1], replace(path[-1], cast=cast)) for path in paths]
        elif name == "extension":
            test = Where("extension", value=self._literal())
            paths = [(*path, Step("extension", test=test)) for path in paths]
        elif name == "where":
            test = self._condition()
            paths = [_tested(path, test) for path in paths]
        elif name != "exists":
            raise ValueError("not in the subset")
        self.take(")")
        return paths

    def _condition(self) -> Where:
        name = self._name()
        if name == "resolve":
            for token in ("(", ")", "is"):
                self.take(token)
            return Where("resolves", value=self._name())
        self.take("=")
        return Where("equals", name=name, value=self._literal())

    def _literal(self) -> str:
        token = self.take()
        if token[0] != "'":
            raise ValueError("not in the subset")
        return token[1:-1]


def _tested(path: Path, test: Where) -> Path:
    if path[-1].test is not None:
        raise ValueError("not in the subset")
    return (*path[:-1], replace(path[-1], test=test))
