"""A code system whose resource lists its codes (R4 codesystem.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import Any, Final, Self

from kjerne.fhir.effort import spend, work
from kjerne.fhir.terminology.concept import Concept, Designation

_PARENTS: Final = ("parent", "subsumedBy")
_RETIRED: Final = frozenset({"retired", "deprecated"})
_MAKING_STEPS: Final = 5
_ROWS_AT_ONCE: Final = 100


class Listed:
    """Made by `of`, which counts its steps: a resource may be large."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.url = str(resource.get("url", ""))
        self.version = str(resource.get("version", ""))
        self.name = str(resource.get("title") or resource.get("name") or "")
        self.complete = resource.get("content") == "complete"
        self._folds = resource.get("caseSensitive") is False
        self._concepts: dict[str, Concept] = {}
        self._children: dict[str, list[str]] = {}

    @classmethod
    async def of(cls, resource: Mapping[str, Any], supplements: Collection[Mapping[str, Any]] = ()) -> Self:
        """From a CodeSystem as it is; `supplements` add designations and properties to its codes."""
        made = cls(resource)
        for concept, above in _levels(resource.get("concept", ()), ()):
            await made._add(_concept(concept, above))
        for one in supplements:
            await made._supplement(one)
        for one_code in made._concepts.values():
            await work(1 + len(one_code.parents))
            for parent in one_code.parents:
                made._children.setdefault(parent, []).append(one_code.code)
        return made

    async def _add(self, made: Concept) -> None:
        # A code that stands in two places is one code with two parents.
        there = self._concepts.get(self._key(made.code))
        await work(_MAKING_STEPS + len(made.designations) + len(made.properties) + (len(there.parents) if there else 0))
        parents = tuple(dict.fromkeys((*(there.parents if there else ()), *made.parents)))
        self._concepts[self._key(made.code)] = made._replace(parents=parents)

    @property
    def size(self) -> int:
        return len(self._concepts)

    def _key(self, code: str) -> str:
        return code.casefold() if self._folds else code

    async def _supplement(self, resource: Mapping[str, Any]) -> None:
        for concept, above in _levels(resource.get("concept", ()), ()):
            there = self._concepts.get(self._key(concept["code"]))
            await work(_MAKING_STEPS + (len(there.designations) + len(there.properties) if there else 0))
            if there is not None:
                more = _concept(concept, above)
                self._concepts[self._key(there.code)] = there._replace(
                    designations=(*there.designations, *more.designations),
                    properties=(*there.properties, *more.properties),
                )

    async def concept(self, code: str) -> Concept | None:
        return self._concepts.get(self._key(code))

    async def concepts(self, codes: Collection[str] | None = None) -> AsyncIterator[Concept]:
        for place, one in enumerate(self._concepts.values()):
            if place % _ROWS_AT_ONCE == 0:
                await work(_ROWS_AT_ONCE)
            if codes is None or one.code in codes:
                yield one

    async def members(self, _: str) -> frozenset[str]:
        """A resource has no sets of its own but value sets."""
        return frozenset()

    async def over(self, code: str) -> frozenset[str]:
        return await _reached(
            code, lambda one: self._concepts[self._key(one)].parents if self._key(one) in self._concepts else ()
        )

    async def under(self, code: str, *, next_only: bool = False) -> frozenset[str]:
        if next_only:
            spend(1 + len(self._children.get(code, ())))
            return frozenset(self._children.get(code, ()))
        return await _reached(code, lambda one: self._children.get(one, ()))


def concepts_of(resource: Mapping[str, Any]) -> Iterator[Concept]:
    """The codes of a CodeSystem in their order; one in two places comes twice, with what is over it there."""
    for concept, above in _levels(resource.get("concept", ()), ()):
        yield _concept(concept, above)


async def _reached(code: str, step: Callable[[str], Collection[str]]) -> frozenset[str]:
    found, rest = set[str](), list(step(code))
    await work(1 + len(rest))
    while rest:
        one = rest.pop()
        if one not in found:
            found.add(one)
            more = step(one)
            await work(1 + len(more))
            rest += more
    return frozenset(found)


def _levels(
    concepts: Collection[Mapping[str, Any]], above: tuple[str, ...]
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Every concept with the code that it stands in. Iterative: depth is the author's."""
    waiting = [(one, above) for one in reversed(list(concepts))]
    while waiting:
        concept, over = waiting.pop()
        yield concept, over
        waiting += [(one, (concept["code"],)) for one in reversed(list(concept.get("concept", ())))]


def _concept(concept: Mapping[str, Any], above: tuple[str, ...]) -> Concept:
    found = [_property(one) for one in concept.get("property", ())]
    told = tuple(str(value) for name, _, value in found if name in _PARENTS)
    properties = tuple(one for one in found if one[0] not in _PARENTS)
    return Concept(
        concept["code"],
        str(concept.get("display", "")),
        str(concept.get("definition", "")),
        not any(
            (name == "inactive" and value is True) or (name == "status" and value in _RETIRED)
            for name, _, value in found
        ),
        any(name == "notSelectable" and value is True for name, _, value in found),
        tuple(
            Designation(str(one.get("language", "")), one.get("use", {}), str(one.get("value", "")))
            for one in concept.get("designation", ())
        ),
        properties,
        (*above, *told),
    )


def _property(one: Mapping[str, Any]) -> tuple[str, str, Any]:
    element = next((name for name in one if name.startswith("value")), "")
    return one["code"], element, one.get(element)
