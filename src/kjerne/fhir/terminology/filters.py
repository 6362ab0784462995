"""The filters of a value set (R4 valueset-filter-operator): whether a code of a system is meant by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.effort import work
from kjerne.fhir.terminology.concept import Codes, Concept
from kjerne.fhir.terminology.parts import SNOMED

OPERATORS: Final = ("=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "generalizes", "exists")
"""R4's, without `regex`: an expression of the author's would be run over every code, as long as it likes."""
_ON_CODES: Final = frozenset({"concept", "code"})
Filter = Mapping[str, Any]
FILTERS_LIMIT: Final = 50
"""Filters of one include or exclude."""
_MEETING_STEPS: Final = 6
_CHARACTERS_OF_A_STEP: Final = 20


class Narrowed(NamedTuple):
    """What the levels of a system say of filters: `only` these codes (None: all) but `without` those; `rest` is to be met."""

    only: frozenset[str] | None
    without: frozenset[str]
    rest: list[Filter]


def of(include: Mapping[str, Any]) -> list[Filter]:
    """The filters of an include or exclude; `Refusal` 422 where they are too many."""
    found = list(include.get("filter", ()))
    if len(found) > FILTERS_LIMIT:
        raise Refusal(
            422, f"an include has more than {FILTERS_LIMIT} filters", where="ValueSet.compose.include.filter",
            code="too-costly",
        )  # fmt: skip
    return found


async def narrowed(codes: Codes, filters: list[Filter]) -> Narrowed:
    """Asks the levels once for each filter, so that they are not asked for each code."""
    only: frozenset[str] | None = None
    without, rest = frozenset[str](), list[Filter]()
    for one in filters:
        operator, value = _understood(one)
        if operator == "is-not-a":
            some = await codes.under(value) | {value}
            without |= some
        elif (levels := await _by_levels(codes, one)) is not None:
            some = levels
            only = some if only is None else only & some
        else:
            rest.append(one)
            continue
        await work(len(some) + len(without))
    return Narrowed(only, without, rest)


async def _by_levels(codes: Codes, one: Filter) -> frozenset[str] | None:
    operator, value = _understood(one)
    if operator in ("is-a", "descendent-of"):
        below = await codes.under(value)
        return below | {value} if operator == "is-a" else below
    if operator == "generalizes":
        return await codes.over(value) | {value}
    if operator == "=" and one["property"] == "parent":
        return await codes.under(value, next_only=True)
    if operator == "=" and one["property"] in _ON_CODES:
        return frozenset({value})
    if operator == "in" and one["property"] in _ON_CODES:
        return await _among(codes, value)
    return None


async def _among(codes: Codes, value: str) -> frozenset[str]:
    """The codes of a set of the system's own, or those that are listed. In SNOMED CT `in` speaks of a reference set alone."""
    if members := await codes.members(value):
        return members
    if codes.url == SNOMED:
        raise Refusal(
            422, "SNOMED CT has no such reference set as it is loaded", where="ValueSet.compose.include.filter",
            code="not-found",
        )  # fmt: skip
    return frozenset(text.strip() for text in value.split(","))


async def meets(codes: Codes, concept: Concept, one: Filter) -> bool:
    """Whether a code is among those that a filter leaves."""
    operator, value = _understood(one)
    name = str(one["property"])
    await work(_MEETING_STEPS + len(value) // _CHARACTERS_OF_A_STEP + len(concept.properties))
    if operator in ("is-a", "descendent-of", "is-not-a"):
        below = value in await codes.over(concept.code)
        is_it = concept.code == value
        return {"is-a": below or is_it, "descendent-of": below, "is-not-a": not (below or is_it)}[operator]
    if operator == "generalizes":
        return concept.code == value or concept.code in await codes.over(value)
    if operator in ("in", "not-in") and name in _ON_CODES:
        return (concept.code in await _among(codes, value)) == (operator == "in")
    values = await _values(codes, concept, name)
    if operator == "exists":
        return bool(values) == (value == "true")
    wanted = {text.strip() for text in value.split(",")} if operator in ("in", "not-in") else {value}
    return values.isdisjoint(wanted) == (operator == "not-in")


async def _values(codes: Codes, concept: Concept, name: str) -> set[str]:
    if name in _ON_CODES:
        return {concept.code}
    if name == "display":
        return {concept.display}
    if name == "parent":
        return set(concept.parents)
    if name == "child":
        return set(await codes.under(concept.code, next_only=True))
    if name == "inactive":
        return {"false" if concept.active else "true"}
    return {_text(value) for own, _, value in concept.properties if own == name}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _understood(one: Filter) -> tuple[str, str]:
    operator, value = str(one.get("op", "")), str(one.get("value", ""))
    if operator not in OPERATORS:
        raise Refusal(
            422, f"filters are answered with {', '.join(OPERATORS)} alone", where="ValueSet.compose.include.filter.op",
            code="not-supported",
        )  # fmt: skip
    if one.get("property") == "constraint":
        raise Refusal(
            422, "expressions of SNOMED's constraint language are not answered", where="ValueSet.compose.include.filter",
            code="not-supported", todo="Say it with is-a and descendent-of.",
        )  # fmt: skip
    return operator, value
