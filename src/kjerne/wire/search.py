"""Search parameters in, typed: what is not understood is refused, for a criterion passed over finds what nobody asked.

FHIR R4 search.html. A refusal names the parameter and never its value, which may hold a person number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, get_args

from kjerne.errors import Refusal
from kjerne.fhir.criteria import (
    CompositeValue,
    Criterion,
    DateValue,
    NumberValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    Single,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from kjerne.fhir.dates import interval
from kjerne.fhir.definitions import TYPES, elements, type_number
from kjerne.fhir.search import SORTABLE_KINDS, Include, Search, Sort
from kjerne.fhir.searchparams import COLUMN_CODES, SUBJECT_CODES, SearchParameter, parameters

PARAMETERS_LIMIT: Final = 64
"""Parameters in one search; a person needs a handful, and each costs work per row."""

ALTERNATIVES_LIMIT: Final = 500
"""Values of one parameter: enough for a page of ids, too few for a query of death."""

VALUE_CHARACTERS_LIMIT: Final = 2_000

_NOT_YET: Final = frozenset(
    ("_text", "_content", "_list", "_has", "_type", "_query", "_filter", "_contained", "_containedType", "_score")
)
_PREFIXES: Final = frozenset(get_args(Prefix))
_MODIFIERS: Final = {
    "token": frozenset(("missing", "not", "text")),
    "string": frozenset(("missing", "exact", "contains")),
    "reference": frozenset(("missing", "identifier")),
    "uri": frozenset(("missing",)),
    "date": frozenset(("missing",)),
    "number": frozenset(("missing",)),
    "quantity": frozenset(("missing",)),
}
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_:.\-]{0,63}")
_FORMATS: Final = frozenset(("json", "application/json", "application/fhir+json"))


@dataclass
class _Draft:
    """A search while its parameters are read."""

    type: str
    lenient: bool
    count_limit: int
    criteria: list[Criterion] = field(default_factory=list)
    sort: tuple[Sort, ...] = ()
    count: int = 0
    total: Literal["none", "estimate", "accurate"] | None = None
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    elements: tuple[str, ...] = ()
    summary: Literal["", "true", "text", "data", "count", "false"] = ""
    ignored: list[str] = field(default_factory=list)


def parse(
    type: str, pairs: Iterable[tuple[str, str]], *, lenient: bool = False, page_size: int, page_size_limit: int
) -> Search:
    """A typed search from decoded name-value pairs. Raises `Refusal` (400) naming the parameter.

    `lenient` (`Prefer: handling=lenient`) passes over names that R4 does not have, and lists them in `ignored`; a wrong
    value or modifier is refused all the same.
    """
    type_number(type)
    draft = _Draft(type, lenient, page_size_limit, count=page_size)
    seen: set[str] = set()
    for number, (name, value) in enumerate(pairs):
        if number >= PARAMETERS_LIMIT:
            raise Refusal(400, f"A search has at most {PARAMETERS_LIMIT} parameters.", code="too-costly")
        if len(value) > VALUE_CHARACTERS_LIMIT and name != "_id":
            raise _refuse(name, f"a value has at most {VALUE_CHARACTERS_LIMIT} characters", code="too-long")
        if "\x00" in value:
            raise _refuse(name, "a value holds a character that no text has")
        if name in _RESULTS:
            if name in seen and name not in ("_include", "_revinclude"):
                raise _refuse(name, "it may stand only once")
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


def _refuse(name: str, says: str, *, code: str = "value", todo: str = "", status: int = 400) -> Refusal:
    """Names the parameter where it looks like one; a name made of anything else may be somebody's number."""
    shown = name if _NAME.fullmatch(name) else ""
    return Refusal(
        status, f"Search parameter {shown or '(name not shown)'}: {says}.", where=shown, todo=todo, code=code
    )


def _criterion(draft: _Draft, name: str, value: str) -> None:
    code, colon, modifier = name.partition(":")
    if code in _NOT_YET or code.startswith("_has"):
        raise _refuse(name, "this kind of search is not supported", code="not-supported")
    known = parameters(draft.type).get(code)
    if known is None and "." in code and code.partition(".")[0] in parameters(draft.type):
        raise _refuse(name, "chained search is not supported", code="not-supported")
    if known is None:
        if not draft.lenient:
            todo = "Leave it out, or send Prefer: handling=lenient."
            raise _refuse(name, f"{draft.type} has no such parameter", code="not-supported", todo=todo)
        draft.ignored.append(name)
        return
    if "." in modifier:
        raise _refuse(name, "chained search is not supported", code="not-supported")
    if colon and not modifier:
        raise _refuse(name, "the modifier is empty")
    draft.criteria.append(_typed(known, name, modifier, value))


def _typed(known: SearchParameter, name: str, modifier: str, value: str) -> Criterion:
    if not known.leaves and known.composite is None and known.code not in COLUMN_CODES:
        raise _refuse(name, "this parameter is not supported", code="not-supported")
    type = ""
    if known.kind == "reference" and modifier in TYPES:
        modifier, type = "", modifier
    if modifier and modifier not in _modifiers(known):
        raise _refuse(name, "this modifier is not supported here", code="not-supported")
    if modifier == "missing":
        if value not in ("true", "false"):
            raise _refuse(name, "it is true or false")
        return Criterion(known.code, known.kind, "missing", (), missing=value == "true")
    texts = _split(value, ",")
    if len(texts) > ALTERNATIVES_LIMIT:
        raise _refuse(name, f"at most {ALTERNATIVES_LIMIT} values", code="too-costly")
    values = tuple(_value(known, name, modifier, type, text) for text in texts)
    return Criterion(known.code, known.kind, modifier, values)


def _modifiers(known: SearchParameter) -> frozenset[str]:
    if known.code in COLUMN_CODES:
        return frozenset()
    return _MODIFIERS.get(known.kind, frozenset()) - ({"missing"} if known.code in SUBJECT_CODES else set())


def _value(known: SearchParameter, name: str, modifier: str, target: str, text: str) -> Value:
    if known.kind != "composite":
        return _single(known.kind, name, modifier, target, text)
    assert known.composite is not None
    parts = _split(text, "$")
    if len(parts) != len(known.composite[1]):
        raise _refuse(name, f"a value has {len(known.composite[1])} parts with $ between")
    pairs = zip(known.composite[1], parts, strict=True)
    return CompositeValue(tuple(_single(component.kind, name, "", "", part) for component, part in pairs))


def _single(kind: str, name: str, modifier: str, target: str, text: str) -> Single:
    if not text:
        raise _refuse(name, "a value is empty")
    if modifier == "text":
        return StringValue(_plain(text))
    if modifier == "identifier":
        found = _token(name, text)
        if not found.code:
            raise _refuse(name, "a value is value, system|value or |value")
        return found
    if name == "_id":
        return _id(name, text)
    if kind == "reference":
        return _reference(name, target, _plain(text))
    return _SINGLES[kind](name, text)


def _split(text: str, by: str) -> list[str]:
    r"""Split at a separator that no backslash stands before; escapes stay in the parts (R4: `\,` `\$` `\|` `\\`)."""
    if "\\" not in text:
        return text.split(by)
    parts, at, start = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == by:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


_ESCAPED: Final = re.compile(r"\\([\\,$|])")


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _token(name: str, text: str) -> TokenValue:
    parts = [_plain(part) for part in _split(text, "|")]
    if len(parts) == 1:
        return TokenValue(None, parts[0])
    if len(parts) > 2 or not (parts[0] or parts[1]):
        raise _refuse(name, "a value is code, system|code, |code or system|")
    return TokenValue(parts[0], parts[1])


def _id(name: str, text: str) -> TokenValue:
    if not _ID.fullmatch(text):
        raise _refuse(name, "a value is no FHIR id")
    return TokenValue(None, text)


def _reference(name: str, target: str, text: str) -> ReferenceValue:
    if _ID.fullmatch(text):
        return ReferenceValue(target, text)
    type, _, id = text.partition("/")
    if type in TYPES and _ID.fullmatch(id):
        if target and type != target:
            raise _refuse(name, "the modifier and the value name different types")
        return ReferenceValue(type, id)
    if ":" not in text or any(letter.isspace() for letter in text):
        raise _refuse(name, "a value is id, Type/id or an address")
    return ReferenceValue("", "", text)


def _prefixed(text: str) -> tuple[Prefix, str]:
    if text[:2] in _PREFIXES:
        return text[:2], text[2:]  # type: ignore[return-value]
    return "eq", text


def _date(name: str, text: str) -> DateValue:
    prefix, rest = _prefixed(text)
    try:
        # In a form body that was not encoded, the plus of a zone arrives as a space.
        start, end = interval(rest.replace(" ", "+"))
    except ValueError:
        raise _refuse(name, "a value is a date like ge2024-03-14 or 2024-03-14T10:00:00+01:00") from None
    return DateValue(prefix, start, end)


def _decimal(name: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise _refuse(name, "a value is a number like 5.4, lt5.4 or 5.40e-3")
    return Decimal(text)


def _number(name: str, text: str) -> NumberValue:
    prefix, rest = _prefixed(text)
    return NumberValue(prefix, _decimal(name, rest))


def _quantity(name: str, text: str) -> QuantityValue:
    parts = [_plain(part) for part in _split(text, "|")]
    prefix, rest = _prefixed(parts[0])
    if len(parts) not in (1, 3):
        raise _refuse(name, "a value is number, number|system|code or number||code")
    number = _decimal(name, rest)
    system, code = parts[1:] if len(parts) == 3 else ("", "")
    if system and not code:
        raise _refuse(name, "a unit's system stands without its code")
    return QuantityValue(prefix, number, system or None, code)


_SINGLES: Final[dict[str, Callable[[str, str], Single]]] = {
    "token": _token,
    "string": lambda _, text: StringValue(_plain(text)),
    "uri": lambda _, text: UriValue(_plain(text)),
    "date": _date,
    "number": _number,
    "quantity": _quantity,
}


def _count(draft: _Draft, name: str, value: str) -> None:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise _refuse(name, "it is a whole number")
    draft.count = min(int(value), draft.count_limit)


def _total(draft: _Draft, name: str, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise _refuse(name, "it is none, estimate or accurate")
    draft.total = value  # type: ignore[assignment]


def _summary(draft: _Draft, name: str, value: str) -> None:
    if value not in ("true", "text", "data", "count", "false"):
        raise _refuse(name, "it is true, text, data, count or false")
    draft.summary = value  # type: ignore[assignment]


def _elements(draft: _Draft, name: str, value: str) -> None:
    names = tuple(one.strip() for one in value.split(","))
    known = elements(draft.type)
    for one in names:
        top = one.removeprefix(draft.type + ".").partition(".")[0].removesuffix("[x]")
        if top not in known:
            raise _refuse(name, f"{draft.type} has no such element")
    draft.elements = tuple(one.removeprefix(draft.type + ".").partition(".")[0].removesuffix("[x]") for one in names)


def _sort(draft: _Draft, name: str, value: str) -> None:
    keys = []
    for text in value.split(","):
        code = text.removeprefix("-")
        known = parameters(draft.type).get(code)
        if known is None or not (known.kind in SORTABLE_KINDS or code in COLUMN_CODES):
            raise _refuse(name, f"{draft.type} cannot be sorted by one of these")
        keys.append(Sort(code, text.startswith("-")))
    draft.sort = tuple(keys)


def _include(draft: _Draft, name: str, value: str) -> None:
    draft.includes.append(_included(name, value))


def _revinclude(draft: _Draft, name: str, value: str) -> None:
    found = _included(name, value)
    if found.target and found.target != draft.type:
        raise _refuse(name, f"it must point at {draft.type}")
    draft.revincludes.append(found)


def _included(name: str, value: str) -> Include:
    parts = value.split(":")
    if len(parts) not in (2, 3) or parts[0] not in TYPES or (len(parts) == 3 and parts[2] not in TYPES):
        raise _refuse(name, "it is Type:parameter or Type:parameter:Type")
    known = parameters(parts[0]).get(parts[1])
    if known is None or known.kind != "reference":
        raise _refuse(name, f"{parts[0]} has no such reference parameter")
    return Include(parts[0], parts[1], parts[2] if len(parts) == 3 else "", iterate=":" in name)


def _format(_: _Draft, name: str, value: str) -> None:
    if value not in _FORMATS:
        raise _refuse(name, "answers are application/fhir+json", status=406, code="not-supported")


def _pretty(_: _Draft, name: str, value: str) -> None:
    if value not in ("true", "false"):
        raise _refuse(name, "it is true or false")


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
