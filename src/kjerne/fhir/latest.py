"""The last of each kind of Observation (FHIR R4, operation `$lastn`): which are of one kind, and which of them are the last.

Observations are of one kind where their codes share a coding, also by a third that shares one with each; where a code has no
coding, by its text. Of each kind those of the newest times are chosen, and all that tie with the last of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final, TypeVar

from kjerne.errors import Refusal
from kjerne.fhir.criteria import Criterion
from kjerne.fhir.match import fold
from kjerne.fhir.search import Search
from kjerne.fhir.systems import canonical

MOST_OF_A_KIND: Final = 100
BY_CODE: Final = ("category", "code", "combo-code", "component-code")
"""How the parameters begin of which `$lastn` wants one."""

Row = TypeVar("Row")
Kinds = tuple[tuple[str, str], ...]
"""The codings of a code, each (system, code); or its text alone, as ("", text)."""


def kinds(tree: dict[str, Any]) -> Kinds:
    """What an Observation's code says that it is."""
    code = tree.get("code")
    if not isinstance(code, dict):
        return (("", ""),)
    codings = [one for one in code.get("coding", ()) if isinstance(one, dict) and isinstance(one.get("code"), str)]
    found = tuple((canonical(str(one.get("system", ""))), one["code"]) for one in codings)
    return found or (("text", fold(str(code.get("text", "")))),)


def latest(rows: Sequence[tuple[Hashable | None, Kinds, Row]], most: int) -> list[Row]:
    """At most so many of each kind, and those that tie with the last of them: kind by kind, each newest first.

    `rows` are (time, kinds, row), newest first and those without a time behind. Without a time nothing ties.
    """
    first_of = _Joined()
    for _, own, _ in rows:
        for one in own:
            first_of.join(own[0], one)
    groups: dict[tuple[str, str], list[tuple[Hashable | None, Row]]] = {}
    for time, own, row in rows:
        group = groups.setdefault(first_of.of(own[0]), [])
        if len(group) < most or (time is not None and group[-1][0] == time):
            group.append((time, row))
    return [row for group in groups.values() for _, row in group]


class _Joined:
    """Which codings are one kind, each named by one of its own."""

    def __init__(self) -> None:
        self._towards: dict[tuple[str, str], tuple[str, str]] = {}

    def of(self, coding: tuple[str, str]) -> tuple[str, str]:
        path = [coding]
        while (onward := self._towards.get(path[-1], path[-1])) != path[-1]:
            path.append(onward)
        for one in path:
            self._towards[one] = path[-1]
        return path[-1]

    def join(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        self._towards[self.of(other)] = self.of(one)


def most_of_a_kind(texts: Sequence[str]) -> int:
    """The number that `max` says, 1 where it is not said; `Refusal` 400 for any other."""
    text = texts[0] if len(texts) == 1 else "" if texts else "1"
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= MOST_OF_A_KIND:
        raise Refusal(400, f"max is one number from 1 to {MOST_OF_A_KIND}", where="max")
    return int(text)


def check_last(search: Search, asked: Sequence[tuple[str, str]]) -> None:
    """`Refusal` 400 for what `$lastn` does not take: R4 demands a category or a code, and what orders, pages or counts has no
    meaning here."""
    for name in ("_sort", "_count", "_total"):
        if any(key == name for key, _ in asked):
            raise Refusal(400, f"$lastn takes no {name}", where=name, code="not-supported")
    if search.summary == "count":
        raise Refusal(400, "$lastn has no count", where="_summary", code="not-supported")
    codes = {one.code for one in search.criteria if isinstance(one, Criterion)}
    if not any(code.startswith(BY_CODE) for code in codes):
        raise Refusal(400, "$lastn wants a category or a code", where="category", code="required")
