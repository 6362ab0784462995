"""Whether a resource about terminology has the shape that answers are read from.

What comes from a file was checked by nobody, and R4 takes an element that is an extension alone, also where its value says what
the rest is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kjerne.errors import Refusal


def is_sound(resource: Mapping[str, Any]) -> bool:
    """Of a CodeSystem, ValueSet or ConceptMap; others have no shape here."""
    try:
        return all(_looks(resource))
    except (AttributeError, TypeError, KeyError):
        return False


def check_sound(resource: Mapping[str, Any]) -> None:
    """`Refusal` 422 for one that is not."""
    if not is_sound(resource):
        raise Refusal(
            422, "a concept, member, filter or property has no code or value of its own, or stands beside no system",
            where=str(resource.get("resourceType", "")), code="business-rule",
            todo="Leave out what has an extension in its place.",
        )  # fmt: skip


def _looks(resource: Mapping[str, Any]) -> Iterator[bool]:
    yield all(isinstance(resource.get(name, ""), str) for name in ("url", "version", "name", "title", "content"))
    compose = resource.get("compose", {})
    yield all(_is_include(one) for kind in ("include", "exclude") for one in _list(compose, kind))
    expansion = resource.get("expansion", {})
    yield all(isinstance(one.get("code", ""), str) for one in _nested(expansion, "contains"))
    yield all(_is_concept(one) for one in _nested(resource, "concept"))
    for group in _list(resource, "group"):
        for element in _list(group, "element"):
            yield all(isinstance(one, dict) for one in (*_list(element, "target"), group.get("unmapped", {})))


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    found = of.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TypeError
    return found


def _nested(of: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    waiting = _list(of, name)[:]
    while waiting:
        one = waiting.pop()
        waiting += _list(one, name)
        yield one


def _is_include(one: dict[str, Any]) -> bool:
    sets, system = one.get("valueSet", []), one.get("system", "")
    filters = [each[name] for each in _list(one, "filter") for name in ("property", "op", "value")]
    codes = [each["code"] for each in _list(one, "concept")]
    texts = [*sets, system, one.get("version", ""), *filters, *codes]
    placed = bool(system) or not (codes or filters)
    return placed and isinstance(sets, list) and all(isinstance(each, str) for each in texts)


def _is_concept(one: dict[str, Any]) -> bool:
    named = [each["code"] for each in _list(one, "property")]
    _list(one, "designation")
    return all(isinstance(each, str) for each in (one["code"], *named))
