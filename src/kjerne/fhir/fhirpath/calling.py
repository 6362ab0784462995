"""What one evaluation is given, and what a function is called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath.navigating import known_type
from kjerne.fhir.fhirpath.reading import Term, is_fixed
from kjerne.fhir.fhirpath.values import Items, Node


@dataclass(slots=True)
class Environment:
    """What an evaluation may look at beside its element. `resource` holds the element, `root` holds that resource."""

    resource: Node
    root: Node
    context: Items = field(default_factory=list)
    index: int = 0
    total: Items = field(default_factory=list)
    variables: dict[str, Items] = field(default_factory=dict)
    now: datetime | None = None
    resolve: Callable[[str], Node | None] = lambda _: None
    kept: dict[Any, Any] = field(default_factory=dict)


Expression = Callable[[Items, Environment], Items]
Invocation = Callable[[Items, Items, Environment], Items]
"""focus, this, environment -> items"""


@dataclass(frozen=True)
class Arguments:
    """What a function was called with: `expression(0)` a criterion or a value, `type_name(0)` a type."""

    name: str
    terms: tuple[Term, ...]
    compile: Callable[[Term], Expression]

    def __len__(self) -> int:
        return len(self.terms)

    def between(self, least: int, most: int) -> None:
        """`ValueError` where there are too few or too many."""
        if not least <= len(self.terms) <= most:
            raise ValueError(f"{self.name} takes {least} to {most} arguments")

    def expression(self, place: int) -> Expression:
        """The closure of one argument."""
        return self.compile(self.terms[place])

    def is_fixed(self, place: int) -> bool:
        """Whether one argument is the same throughout an evaluation."""
        return is_fixed(self.terms[place])

    def type_name(self, place: int) -> str:
        """The type that one argument names."""
        term, words = self.terms[place], list[str]()
        while term.kind == "dot":
            words.insert(0, term.parts[1].value)
            term = term.parts[0]
        name = ".".join([str(term.value), *words])
        if term.kind != "name" or not known_type(name):
            raise ValueError(f"no type {name}")
        return name


Found = TypeVar("Found")


def once(inner: Callable[[Items, Environment], Found]) -> Callable[[Items, Environment], Found]:
    """What is the same throughout an evaluation, computed at first use: elsewhere it would be for each item of a list."""

    def kept(this: Items, env: Environment) -> Found:
        if inner not in env.kept:
            env.kept[inner] = inner(this, env)
        found: Found = env.kept[inner]
        return found

    return kept


def each(inner: Expression, focus: Items, env: Environment) -> list[tuple[Any, Items]]:
    """A criterion on each item of the focus; `$index` says which."""
    outer, found = env.index, []
    spend(len(focus))
    for place, one in enumerate(focus):
        env.index = place
        found.append((one, inner([one], env)))
    env.index = outer
    return found
