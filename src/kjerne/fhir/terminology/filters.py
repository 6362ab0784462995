"""The filters of a value set (R4 valueset-filter-operator): whether a code of a system is meant by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.terminology.concept import Codes, Concept

OPERATORS: Final = ("=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "generalizes", "exists")
"""R4's, without `regex`: an expression of the author's would be run over every code, as long as it likes."""
_ON_CODES: Final = frozenset({"concept", "code"})
Filter = Mapping[str, Any]


async def narrowed(codes: Codes, filters: list[Filter]) -> frozenset[str] | None:
    """The codes that the filters leave, where the levels of the system say it; None where every code must be looked at."""
    found: frozenset[str] | None = None
    for one in filters:
        some = await _by_levels(codes, one)
        if some is not None:
            found = some if found is None else found & some
    return found


async def _by_levels(codes: Codes, one: Filter) -> frozenset[str] | None:
    operator, value = _understood(one)
    if operator == "is-a":
        return await codes.under(value) | {value}
    if operator == "descendent-of":
        return await codes.under(value)
    if operator == "generalizes":
        return await codes.over(value) | {value}
    if operator == "=" and one["property"] == "parent":
        return await codes.under(value, next_only=True)
    if operator in ("=", "in") and one["property"] in _ON_CODES:
        return frozenset(text.strip() for text in value.split(",")) if operator == "in" else frozenset({value})
    return None


async def meets(codes: Codes, concept: Concept, one: Filter) -> bool:
    """Whether a code is among those that a filter leaves."""
    operator, value = _understood(one)
    name = str(one["property"])
    if operator in ("is-a", "descendent-of", "is-not-a"):
        below = value in await codes.over(concept.code)
        is_it = concept.code == value
        return {"is-a": below or is_it, "descendent-of": below, "is-not-a": not (below or is_it)}[operator]
    if operator == "generalizes":
        return concept.code == value or concept.code in await codes.over(value)
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
