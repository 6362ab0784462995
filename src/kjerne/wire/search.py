"""Search parameters in, typed: what is not understood is refused, for a criterion passed over finds what nobody asked.

FHIR R4 search.html. A refusal names the parameter and never its value, which may hold a person number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked
from kjerne.fhir.definitions import TYPES, elements, type_number
from kjerne.fhir.search import NOT_ANSWERED, SORTABLE_KINDS, Include, Search, Sort
from kjerne.fhir.searchparams import COLUMN_CODES, parameters
from kjerne.wire.criteria import Scope, refuse

PARAMETERS_LIMIT: Final = 64
"""Parameters in one search; a person needs a handful, and each costs work per row."""

VALUE_CHARACTERS_LIMIT: Final = 2_000

_FORMATS: Final = frozenset(("json", "application/json", "application/fhir+json"))


@dataclass
class _Draft:
    """A search while its parameters are read."""

    type: str
    lenient: bool
    count_limit: int
    scope: Scope
    criteria: list[Asked] = field(default_factory=list)
    sort: tuple[Sort, ...] = ()
    count: int = 0
    total: Literal["none", "estimate", "accurate"] | None = None
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    elements: tuple[str, ...] = ()
    summary: Literal["", "true", "text", "data", "count", "false"] = ""
    ignored: list[str] = field(default_factory=list)


def parse(
    type: str,
    pairs: Iterable[tuple[str, str]],
    *,
    lenient: bool = False,
    page_size: int,
    page_size_limit: int,
    reachable: Collection[str] = TYPES,
) -> Search:
    """A typed search from decoded name-value pairs. Raises `Refusal` (400) naming the parameter.

    `lenient` (`Prefer: handling=lenient`) passes over names that R4 does not have, and lists them in `ignored`; a wrong
    value or modifier is refused all the same. `reachable` are the types that a chain may lead to.
    """
    type_number(type)
    draft = _Draft(type, lenient, page_size_limit, Scope(frozenset(reachable)), count=page_size)
    seen: set[str] = set()
    for number, (name, value) in enumerate(pairs):
        if number >= PARAMETERS_LIMIT:
            raise Refusal(400, f"A search has at most {PARAMETERS_LIMIT} parameters.", code="too-costly")
        if len(value) > VALUE_CHARACTERS_LIMIT and name != "_id":
            raise refuse(name, f"a value has at most {VALUE_CHARACTERS_LIMIT} characters", code="too-long")
        if "\x00" in value:
            raise refuse(name, "a value holds a character that no text has")
        if name in _RESULTS:
            if name in seen and name not in ("_include", "_revinclude"):
                raise refuse(name, "it may stand only once")
            seen.add(name)
            _RESULTS[name](draft, name, value)
        else:
            _criterion(draft, name, value)
    return Search(
        type=type,
        criteria=tuple(draft.criteria),
        sort=draft.sort,
        count=draft.count,
        total=draft.total,
        includes=tuple(draft.includes),
        revincludes=tuple(draft.revincludes),
        elements=draft.elements,
        summary=draft.summary,
        ignored=tuple(draft.ignored),
    )


def _criterion(draft: _Draft, name: str, value: str) -> None:
    code = name.partition(":")[0]
    if code in NOT_ANSWERED:
        raise refuse(name, "this kind of search is not supported", code="not-supported")
    if draft.lenient and code != "_has" and code.partition(".")[0] not in parameters(draft.type):
        draft.ignored.append(name)
        return
    draft.criteria.append(draft.scope.asked(draft.type, name, value))


def _count(draft: _Draft, name: str, value: str) -> None:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise refuse(name, "it is a whole number")
    draft.count = min(int(value), draft.count_limit)


def _total(draft: _Draft, name: str, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise refuse(name, "it is none, estimate or accurate")
    draft.total = value  # type: ignore[assignment]


def _summary(draft: _Draft, name: str, value: str) -> None:
    if value not in ("true", "text", "data", "count", "false"):
        raise refuse(name, "it is true, text, data, count or false")
    draft.summary = value  # type: ignore[assignment]


def _elements(draft: _Draft, name: str, value: str) -> None:
    names = tuple(one.strip() for one in value.split(","))
    known = elements(draft.type)
    for one in names:
        top = one.removeprefix(draft.type + ".").partition(".")[0].removesuffix("[x]")
        if top not in known:
            raise refuse(name, f"{draft.type} has no such element")
    draft.elements = tuple(one.removeprefix(draft.type + ".").partition(".")[0].removesuffix("[x]") for one in names)


def _sort(draft: _Draft, name: str, value: str) -> None:
    keys = []
    for text in value.split(","):
        code = text.removeprefix("-")
        known = parameters(draft.type).get(code)
        if known is None or not (known.kind in SORTABLE_KINDS or code in COLUMN_CODES):
            raise refuse(name, f"{draft.type} cannot be sorted by one of these")
        keys.append(Sort(code, text.startswith("-")))
    draft.sort = tuple(keys)


def _include(draft: _Draft, name: str, value: str) -> None:
    draft.includes.append(_included(name, value))


def _revinclude(draft: _Draft, name: str, value: str) -> None:
    found = _included(name, value)
    if found.target and found.target != draft.type:
        raise refuse(name, f"it must point at {draft.type}")
    draft.revincludes.append(found)


def _included(name: str, value: str) -> Include:
    parts = value.split(":")
    if len(parts) not in (2, 3) or parts[0] not in TYPES or (len(parts) == 3 and parts[2] not in TYPES):
        raise refuse(name, "it is Type:parameter or Type:parameter:Type")
    known = parameters(parts[0]).get(parts[1])
    if known is None or known.kind != "reference":
        raise refuse(name, f"{parts[0]} has no such reference parameter")
    return Include(parts[0], parts[1], parts[2] if len(parts) == 3 else "", iterate=":" in name)


def _format(_: _Draft, name: str, value: str) -> None:
    if value not in _FORMATS:
        raise refuse(name, "answers are application/fhir+json", status=406, code="not-supported")


def _pretty(_: _Draft, name: str, value: str) -> None:
    if value not in ("true", "false"):
        raise refuse(name, "it is true or false")


_RESULTS: Final[dict[str, Callable[[_Draft, str, str], None]]] = {
    "_count": _count,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_sort": _sort,
    "_include": _include,
    "_include:iterate": _include,
    "_revinclude": _revinclude,
    "_revinclude:iterate": _revinclude,
    "_format": _format,
    "_pretty": _pretty,
}
