"""Search parameters in, typed: what is not understood is refused, for a criterion passed over finds what nobody asked.

FHIR R4 search.html. A refusal names the parameter and never its value, which may hold a person number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from kjerne.errors import Refusal
from kjerne.fhir import words
from kjerne.fhir.criteria import Asked, Words
from kjerne.fhir.definitions import TYPES, elements, type_number
from kjerne.fhir.search import NOT_ANSWERED, Include, Search, Sort, is_sortable
from kjerne.fhir.searchparams import SUBJECT_CODES, ends, parameters
from kjerne.wire import filters
from kjerne.wire.criteria import Scope, refuse

PARAMETERS_LIMIT: Final = 64
"""Parameters in one search; a person needs a handful, and each costs work per row."""

VALUE_CHARACTERS_LIMIT: Final = 2_000

EVERY_TYPE: Final = frozenset(TYPES)
PERSON: Final = "Patient"
"""To whom an include leads by what names whose record it is."""

_FORMATS: Final = frozenset(("json", "application/json", "application/fhir+json"))


@dataclass
class _Draft:
    """A search while its parameters are read."""

    type: str
    lenient: bool
    count_limit: int
    scope: Scope
    beside: frozenset[str]
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
    reachable: frozenset[str] = EVERY_TYPE,
    beside: frozenset[str] = frozenset(),
) -> Search:
    """A typed search from decoded name-value pairs. Raises `Refusal` (400) naming the parameter.

    `lenient` (`Prefer: handling=lenient`) passes over names that R4 does not have, and lists them in `ignored`; a wrong
    value or modifier is refused all the same. `reachable` are the types that a chain or an include may lead to, `beside`
    those that an include alone may bring.
    """
    type_number(type)
    draft = _Draft(type, lenient, page_size_limit, Scope(reachable), beside, count=page_size)
    seen: set[str] = set()
    for number, (name, value) in enumerate(pairs):
        if number >= PARAMETERS_LIMIT:
            raise Refusal(400, f"A search has at most {PARAMETERS_LIMIT} parameters.", code="too-costly")
        if len(value) > VALUE_CHARACTERS_LIMIT and name != "_id":
            raise refuse(name, f"a value has at most {VALUE_CHARACTERS_LIMIT} characters", code="too-long")
        if "\x00" in value:
            raise refuse(name, "a value holds a character that no text has")
        if name in _RESULTS:
            if name in seen and name.partition(":")[0] not in ("_include", "_revinclude"):
                raise refuse(name, "it may stand only once")
            seen.add(name)
            _RESULTS[name](draft, name, value)
        else:
            _criterion(draft, name, value)
    if draft.summary == "text" and (draft.includes or draft.revincludes):
        # R4 search.html#summary.
        raise refuse("_summary", "text does not go together with _include or _revinclude")
    return Search(
        type=type,
        criteria=tuple(draft.criteria),
        sort=draft.sort,
        count=draft.count,
        total=draft.total,
        includes=tuple(dict.fromkeys(draft.includes)),
        revincludes=tuple(dict.fromkeys(draft.revincludes)),
        elements=draft.elements,
        summary=draft.summary,
        ignored=tuple(draft.ignored),
    )


def _criterion(draft: _Draft, name: str, value: str) -> None:
    if name in parameters(draft.type):
        draft.criteria.append(draft.scope.asked(draft.type, name, value))
        return
    if name == filters.NAME:
        draft.criteria.append(filters.understood(draft.scope, draft.type, value))
        return
    if name in ("_text", "_content"):
        draft.criteria.append(_words(name, value))
        return
    code = name.partition(":")[0]
    if code in NOT_ANSWERED:
        raise refuse(name, "this kind of search is not supported", code="not-supported")
    if draft.lenient and code != "_has" and code.partition(".")[0] not in parameters(draft.type):
        draft.ignored.append(name)
        return
    draft.criteria.append(draft.scope.asked(draft.type, name, value))


def _words(name: str, value: str) -> Words:
    try:
        return Words(name == "_text", words.understood(value))
    except ValueError as error:
        raise refuse(name, str(error)) from None


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
        if known is None or not is_sortable(known):
            raise refuse(name, f"{draft.type} cannot be sorted by one of these")
        keys.append(Sort(code, text.startswith("-")))
    draft.sort = tuple(keys)


def _include(draft: _Draft, name: str, value: str) -> None:
    iterate = name.endswith(":iterate")
    # Forwards from the matches alone, unless it goes on from what they bring.
    sources = draft.scope.reachable | draft.beside - {PERSON} if iterate else frozenset((draft.type,))
    if value == "*":
        draft.includes += [one for source in sorted(sources) for one in _all(draft, source, "", iterate=iterate)]
        return
    source, code, target = _named(name, value)
    if source not in sources:
        says = f"it goes out from {source}, and the search finds no such record"
        if iterate:
            raise refuse(name, says, code="not-supported")
        raise refuse(name, says, code="not-supported", todo="_include:iterate goes on from what is brought along.")
    found = _all(draft, source, target, iterate=iterate)
    draft.includes += _one(name, found, code, f"it leads to no type that is kept together with {source}")


def _revinclude(draft: _Draft, name: str, value: str) -> None:
    iterate = name.endswith(":iterate")
    if value == "*":
        target = "" if iterate else draft.type
        draft.revincludes += [
            one for source in sorted(draft.scope.reachable) for one in _back(draft, source, target, iterate)
        ]
        return
    source, code, target = _named(name, value)
    if source not in draft.scope.reachable:
        raise refuse(name, f"{source} is not kept together with {draft.type}", code="not-supported")
    if not iterate and target not in ("", draft.type):
        raise refuse(name, f"it must point at {draft.type}")
    to = "no type that is kept together with it" if iterate else f"no {draft.type}"
    draft.revincludes += _one(name, _back(draft, source, target, iterate), code, f"it leads to {to}")


def _named(name: str, value: str) -> tuple[str, str, str]:
    """Type, parameter (or `*`) and target (empty: any) of an include."""
    source, *rest = value.split(":")
    if len(rest) not in (1, 2) or source not in TYPES or (len(rest) == 2 and rest[1] not in TYPES):
        raise refuse(name, "it is Type:parameter, Type:parameter:Type, Type:* or *")
    code = rest[0]
    known = parameters(source).get(code)
    if code != "*" and (known is None or known.kind != "reference"):
        raise refuse(name, f"{source} has no such reference parameter")
    return source, code, rest[1] if len(rest) == 2 else ""


def _one(name: str, found: list[Include], code: str, says: str) -> list[Include]:
    """What was asked for of what can be followed; `Refusal` where that is nothing, or it would be passed over in silence."""
    wanted = [one for one in found if code in ("*", one.code)]
    if not wanted:
        raise refuse(name, says, code="not-supported")
    return wanted


def _all(draft: _Draft, source: str, target: str, *, iterate: bool) -> list[Include]:
    """Every include that goes out from a type to `target` (empty: to anything) and can be followed. To the patient leads what
    names whose record it is, and nothing else does."""
    others = draft.scope.reachable | draft.beside - {PERSON}
    return [
        Include(source, one.code, target, iterate)
        for one in parameters(source).values()
        if one.kind == "reference"
        and (
            target in ("", *draft.beside & {PERSON}) and PERSON in draft.beside and source in draft.scope.reachable
            if one.code in SUBJECT_CODES
            else ends(one, [target] if target in others else [] if target else others)
        )
    ]


def _back(draft: _Draft, source: str, target: str, iterate: bool) -> list[Include]:
    """Every include that points back from a type at what was found."""
    at = draft.scope.reachable if iterate else frozenset((draft.type,))
    return [
        Include(source, one.code, target, iterate)
        for one in parameters(source).values()
        if one.code not in SUBJECT_CODES and ends(one, [one for one in at if target in ("", one)])
    ]


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
