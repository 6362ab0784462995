"""SMART scopes a second time, from the guide (SMART App Launch 2.2), over resources as JSON; imports nothing of the product.

A record is left when one scope of the caller's own kind names its type, has the letter, and finds the codes it demands.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Resource = dict[str, Any]

FIRST_VERSION = {"read": "rs", "write": "cud", "*": "cruds"}


def leaves(scopes: tuple[str, ...], machine: bool, resource: Resource, letter: str) -> bool:
    """Whether one of the scopes leaves this letter of this very resource."""
    return any(
        letter in letters and type_ in ("*", resource["resourceType"]) and all(_found(resource, *one) for one in codes)
        for context, type_, letters, codes in map(_taken_apart, scopes)
        if (context == "system") == machine
    )


def leaves_any(scopes: tuple[str, ...], machine: bool, type_: str, letter: str) -> bool:
    """Whether there may be a resource of this type of which they leave the letter."""
    return any(
        letter in letters and named in ("*", type_)
        for context, named, letters, _ in map(_taken_apart, scopes)
        if (context == "system") == machine
    )


def _taken_apart(scope: str) -> tuple[str, str, str, list[tuple[str, list[str]]]]:
    """(context, type, letters, [(parameter, codes)])."""
    said, _, query = scope.partition("?")
    context, _, rest = said.partition("/")
    type_, _, letters = rest.partition(".")
    pairs = [one.split("=", 1) for one in query.split("&") if one]
    return (
        context,
        type_,
        FIRST_VERSION.get(letters, letters),
        [(name, unquote(text).split(",")) for name, text in pairs],
    )


def _found(resource: Resource, name: str, wanted: list[str]) -> bool:
    there = _codes(resource.get(name))
    return any(
        code == text if "|" not in text else (system, code) == tuple(text.split("|"))
        for text in wanted
        for system, code in there
    )


def _codes(value: Any) -> list[tuple[str, str]]:
    """(system, code) of a code, a CodeableConcept or a list of them."""
    if isinstance(value, str):
        return [("", value)]
    concepts = value if isinstance(value, list) else [value or {}]
    return [(one.get("system", ""), one["code"]) for concept in concepts for one in concept.get("coding", ())]
