"""Which codes a value set means: one by one (`contains`), or all of them (`expand`). R4 valueset.html#composition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.effort import left, work
from kjerne.fhir.terminology import filters
from kjerne.fhir.terminology.concept import Codes, Concept
from kjerne.fhir.terminology.filters import meets, narrowed

DEPTH_LIMIT: Final = 10
CODES_LIMIT: Final = 200_000
"""Codes that one expansion looks at."""
INCLUDES_LIMIT: Final = 200
"""Includes of one value set, and excludes."""
_STEPS: Final = 2
_LEAST_STEPS: Final = 5
"""What each code of a system takes, whatever is asked of it."""
_ASKING_STEPS: Final = 4
_HANDING_STEPS: Final = 8
"""What a code takes that one value set hands on to another."""
Resource = Mapping[str, Any]


class Member(NamedTuple):
    """A code that a value set means, with its system's version, and the name that the value set itself gives it."""

    system: str
    version: str
    concept: Concept


@dataclass
class Composed:
    """Answers for one request. `find` gives a ValueSet by its address, `system` a code system; None where it is not at hand.

    `used` are the code systems that were asked, as `url|version`.
    """

    find: Callable[[str], Awaitable[Resource | None]]
    system: Callable[[str, str], Awaitable[Codes | None]]
    used: set[str] = field(default_factory=set)
    _looked_at: int = 0

    async def contains(
        self, value_set: Resource, system: str, code: str, depth: int = 0, version: str = ""
    ) -> Concept | None:
        """The code, where the value set means it. `system` empty: in whichever of its systems; `version` so of that."""
        _check(depth)
        compose = value_set.get("compose")
        if not isinstance(compose, Mapping):
            return await _in_expansion(value_set, system, code, version)
        includes, excludes = _parts(compose)
        for include in includes:
            concept = await self._meant(include, system, code, depth, version)
            if concept is None or (compose.get("inactive") is False and not concept.active):
                continue
            of = str(include.get("system", system))
            if not await self._any_means(excludes, of, code, depth, version):
                return concept
        return None

    async def _any_means(
        self, excludes: list[Mapping[str, Any]], system: str, code: str, depth: int, version: str = ""
    ) -> bool:
        for one in excludes:
            if await self._meant(one, system, code, depth, version) is not None:
                return True
        return False

    async def _meant(
        self, include: Mapping[str, Any], system: str, code: str, depth: int, version: str
    ) -> Concept | None:
        await work(_ASKING_STEPS)
        own = include.get("system")
        if own is not None and ((system and own != system) or (version and include.get("version", version) != version)):
            return None
        found: Concept | None = None
        for address in include.get("valueSet", ()):
            found = await self.contains(await self._named(address), str(own or system), code, depth + 1, version)
            if found is None:
                return None
        if own is None:
            return found
        as_of = {"version": version} if version else {}
        listed = include.get("concept")
        if listed is not None:
            await work(len(listed))
            given = next((one for one in listed if one["code"] == code), None)
            return await self._given({**include, **as_of}, given) if given else None
        codes = await self._codes({**include, **as_of})
        concept = await codes.concept(code)
        if concept is None or not await _meets_all(codes, concept, filters.of(include)):
            return None
        return concept

    async def expand(self, value_set: Resource, depth: int = 0) -> AsyncIterator[Member]:
        """Every code that is meant, once each, in the order in which the value set says them."""
        _check(depth)
        compose = value_set.get("compose")
        if not isinstance(compose, Mapping):
            for one in await _all_in_expansion(value_set):
                yield one
            return
        seen = set[tuple[str, str]]()
        includes, excludes = _parts(compose)
        for include in includes:
            async for member in self._included(include, depth):
                await work(_HANDING_STEPS if depth else _STEPS)
                place = (member.system, member.concept.code)
                if place in seen or (compose.get("inactive") is False and not member.concept.active):
                    continue
                seen.add(place)
                if not await self._any_means(excludes, *place, depth):
                    yield member

    async def _included(self, include: Mapping[str, Any], depth: int) -> AsyncIterator[Member]:
        others = [await self._named(address) for address in include.get("valueSet", ())]
        if "system" in include:
            found = self._of_system(include)
        elif others:
            found = self.expand(others.pop(0), depth + 1)
        else:
            return
        async for member in found:
            if all([await self.contains(one, member.system, member.concept.code, depth + 1) for one in others]):
                yield member

    async def _of_system(self, include: Mapping[str, Any]) -> AsyncIterator[Member]:
        url = str(include["system"])
        if "concept" in include:
            for one in include["concept"]:
                await self._look()
                yield Member(url, str(include.get("version", "")), await self._given(include, one))
            return
        codes = await self._codes(include)
        chosen = await narrowed(codes, filters.of(include))
        if (codes.size if chosen.only is None else len(chosen.only)) * _LEAST_STEPS > left() > 0:
            # It would end so after seconds of work.
            raise _too_many()
        async for concept in codes.concepts(chosen.only):
            await self._look()
            if concept.code not in chosen.without and await _meets_all(codes, concept, chosen.rest):
                yield Member(url, codes.version, concept)

    async def _given(self, include: Mapping[str, Any], one: Mapping[str, Any]) -> Concept:
        """A code that a value set lists: what its system says of it, under the value set's name where it gives one."""
        await work(_ASKING_STEPS)
        codes = await self.system(str(include["system"]), str(include.get("version", "")))
        if codes is not None:
            self.used.add(f"{codes.url}|{codes.version}" if codes.version else codes.url)
        known = await codes.concept(one["code"]) if codes is not None else None
        concept = known or Concept(one["code"])
        return concept._replace(display=str(one.get("display") or concept.display))

    async def _codes(self, include: Mapping[str, Any]) -> Codes:
        url, version = str(include["system"]), str(include.get("version", ""))
        codes = await self.system(url, version)
        if codes is None or not codes.complete:
            told = f"{url}|{version}" if version else url
            raise Refusal(
                422, f"the code system {told} is not at hand with all its codes", where="ValueSet.compose.include.system",
                code="not-found", todo="Send the CodeSystem with all its codes.",
            )  # fmt: skip
        self.used.add(f"{codes.url}|{codes.version}" if codes.version else codes.url)
        return codes

    async def _named(self, address: str) -> Resource:
        await work(_STEPS)
        found = await self.find(address)
        if found is None:
            raise Refusal(
                422,
                f"the value set {address} is not at hand",
                where="ValueSet.compose.include.valueSet",
                code="not-found",
            )
        return found

    async def _look(self) -> None:
        self._looked_at += 1
        await work(1)
        if self._looked_at > CODES_LIMIT:
            raise _too_many()


def _too_many() -> Refusal:
    return Refusal(
        422, f"the expansion would look at more than {CODES_LIMIT} codes", code="too-costly",
        todo="Ask of one code ($validate-code), or for a smaller value set.",
    )  # fmt: skip


def _check(depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise Refusal(422, f"value sets lead to each other over more than {DEPTH_LIMIT} steps", code="too-costly")


def _parts(compose: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """What is included and excluded."""
    found = list(compose.get("include", ())), list(compose.get("exclude", ()))
    if max(map(len, found)) > INCLUDES_LIMIT:
        raise Refusal(
            422, f"a value set has more than {INCLUDES_LIMIT} includes or excludes", where="ValueSet.compose",
            code="too-costly",
        )  # fmt: skip
    return found


async def _meets_all(codes: Codes, concept: Concept, wanted: list[filters.Filter]) -> bool:
    return all([await meets(codes, concept, one) for one in wanted])


async def _in_expansion(value_set: Resource, system: str, code: str, version: str) -> Concept | None:
    for one in await _all_in_expansion(value_set):
        if one.concept.code == code and system in ("", one.system) and (not version or one.version in ("", version)):
            return one.concept
    return None


async def _all_in_expansion(value_set: Resource) -> list[Member]:
    """What a value set without a definition lists itself."""
    waiting, found = list(reversed(value_set.get("expansion", {}).get("contains", ()))), list[Member]()
    while waiting:
        one = waiting.pop()
        waiting += reversed(one.get("contains", ()))
        await work(_STEPS)
        if "code" in one:
            concept = Concept(one["code"], str(one.get("display", "")), active=not one.get("inactive", False))
            found.append(Member(str(one.get("system", "")), str(one.get("version", "")), concept))
    return found
