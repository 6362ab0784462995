"""What an operation on terminology is asked: in an address, or in a Parameters resource (R4 operations.html)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from kjerne.errors import Refusal

CODINGS_LIMIT: Final = 20
"""Codings of one codeableConcept."""
Values = Mapping[str, list[Any]]


def understood(
    pairs: Collection[tuple[str, str]], parameters: Mapping[str, Any] | None, takes: Collection[str]
) -> Values:
    """The values of each parameter: texts, and the parts that a Parameters resource holds. `Refusal` 400 for any other name."""
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    for one in (parameters or {}).get("parameter", ()):
        found.setdefault(str(one.get("name", "")), []).append(_value(one))
    for name in found:
        if name not in takes and name not in ("_format", "_pretty"):
            raise Refusal(
                400, f"the operation takes {', '.join(sorted(takes))} and nothing else", where=name[:64],
                code="not-supported",
            )  # fmt: skip
    return found


def _value(one: Mapping[str, Any]) -> Any:
    if "resource" in one:
        return one["resource"]
    value = next((value for name, value in one.items() if name.startswith("value")), None)
    if value is None:
        raise Refusal(400, "a parameter has no value", where=f"Parameters.parameter ({one['name']})"[:80])
    return (
        ("true" if value else "false")
        if isinstance(value, bool)
        else str(value)
        if not isinstance(value, dict)
        else value
    )


def text(asked: Values, name: str, default: str = "") -> str:
    """The one text of a parameter; `Refusal` 400 where there are several, or it is something else."""
    found = asked.get(name, [default])
    if len(found) != 1 or not isinstance(found[0], str):
        raise Refusal(400, f"{name} is one text", where=name)
    return found[0]


def number(asked: Values, name: str, default: int) -> int:
    found = text(asked, name, str(default))
    if not (found.isascii() and found.isdecimal()) or len(found) > 9:
        raise Refusal(400, f"{name} is a whole number", where=name)
    return int(found)


def truth(asked: Values, name: str) -> bool:
    found = text(asked, name, "false")
    if found not in ("true", "false"):
        raise Refusal(400, f"{name} is true or false", where=name)
    return found == "true"


def codings(asked: Values, system: str = "system") -> list[dict[str, Any]]:
    """What is asked about: `code` with its system, `coding`, or all in `codeableConcept`."""
    ways = [name for name in ("code", "coding", "codeableConcept") if name in asked]
    if len(ways) != 1:
        raise Refusal(
            400, "one of code, coding and codeableConcept says what is asked about", where="code", code="required"
        )
    if ways == ["code"]:
        found = [{"code": text(asked, "code"), "system": text(asked, system), "version": text(asked, "version")}]
        return [found[0] | {"display": text(asked, "display")}]
    (given,) = asked[ways[0]] if len(asked[ways[0]]) == 1 else [None]
    if not isinstance(given, dict):
        raise Refusal(400, f"{ways[0]} is sent in Parameters, once", where=ways[0])
    every = given.get("coding", []) if ways == ["codeableConcept"] else [given]
    found = [one for one in every if isinstance(one, dict) and isinstance(one.get("code"), str)]
    if not found:
        raise Refusal(400, "what is asked about has no code", where=ways[0], code="required")
    if len(found) > CODINGS_LIMIT:
        raise Refusal(422, f"more than {CODINGS_LIMIT} codings are asked about", where=ways[0], code="too-costly")
    return found
