"""One criterion of a search in, typed: parameter, modifier and values (FHIR R4 search.html).

A refusal names the parameter and never its value, which may hold a person number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, get_args

from kjerne.errors import Refusal
from kjerne.fhir import concepts
from kjerne.fhir.criteria import (
    Asked,
    Chained,
    Coded,
    CompositeValue,
    Criterion,
    DateValue,
    NumberValue,
    Pointed,
    Prefix,
    QuantityValue,
    ReferenceValue,
    Single,
    Sought,
    StringValue,
    TokenValue,
    TypedValue,
    UriValue,
    Value,
)
from kjerne.fhir.dates import interval
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.search import modifiers
from kjerne.fhir.searchparams import COLUMN_CODES, SUBJECT_CODES, SearchParameter, parameters

ALTERNATIVES_LIMIT: Final = 500
"""Values of one parameter, and codes of one value set: enough for a page of ids, too few for a query of death."""

SOUGHT_LIMIT: Final = 10
"""Value sets, or codes with their levels, that one parameter names and R4 does not list."""

VALUES_LIMIT: Final = 1_000
"""Values of all parameters of a search together: each is compared with each row, in the database too."""

CHAIN_LIMIT: Final = 4
"""Steps of one chain, forwards and backwards: each is a search."""

LINKS_LIMIT: Final = 32
"""Steps of all chains of a search together, counted by the types that each may lead to."""

_PREFIXES: Final = frozenset(get_args(Prefix))
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_:.\-]{0,63}")


def refuse(name: str, says: str, *, code: str = "value", todo: str = "", status: int = 400) -> Refusal:
    """Names the parameter where it looks like one; a name made of anything else may be somebody's number."""
    shown = name if _NAME.fullmatch(name) else ""
    return Refusal(
        status, f"Search parameter {shown or '(name not shown)'}: {says}.", where=shown, todo=todo, code=code
    )


Read = Callable[[SearchParameter, str, str, str], Asked]
"""A criterion from its parameter, the name it was asked by, modifier and value."""


@dataclass
class Scope:
    """What the criteria of one search may lead to: `reachable` types, and how many more steps (`links`) and values."""

    reachable: frozenset[str]
    links: int = LINKS_LIMIT
    values: int = VALUES_LIMIT

    def asked(self, type: str, name: str, value: str, *, read: Read | None = None, depth: int = 0) -> Asked:
        """One criterion on a type: plain, chained (`result.code`), or the other way round (`_has:Type:parameter:...`).

        `read` makes the criterion at the far end; `typed` does where there is none.
        """
        known = parameters(type).get(name)
        if known is not None and read is None and not depth:
            return self._within(name, typed(known, name, "", value))
        if name.startswith("_has"):
            return self._pointed(type, name, value, depth)
        step, dot, rest = name.partition(".")
        if dot and step.partition(":")[0] in parameters(type):
            return self._chained(type, step, rest, value, read, depth)
        code, colon, modifier = name.partition(":")
        known = parameters(type).get(code)
        if known is None:
            todo = "" if depth else "Leave it out, or send Prefer: handling=lenient."
            raise refuse(name, f"{type} has no such parameter", code="not-supported", todo=todo)
        if (depth or read) and code in SUBJECT_CODES:
            raise refuse(name, "the patient is named by the header person-id", code="not-supported")
        if colon and not modifier:
            raise refuse(name, "the modifier is empty")
        return self._within(name, (read or typed)(known, name, modifier, value))

    def _within(self, name: str, asked: Asked) -> Asked:
        if isinstance(asked, Criterion):
            self.values -= len(asked.values)
        if self.values < 0:
            raise refuse(name, f"the parameters of a search have at most {VALUES_LIMIT} values", code="too-costly")
        return asked

    def _chained(self, type: str, step: str, rest: str, value: str, read: Read | None, depth: int) -> Asked:
        code, colon, target = step.partition(":")
        known = parameters(type)[code]
        if known.kind != "reference" or not known.leaves or (colon and target not in TYPES):
            raise refuse(step, "a chain goes over a reference, with a type or without")
        if code in SUBJECT_CODES:
            raise refuse(step, "the patient is named by the header person-id", code="not-supported")
        targets = [one for one in known.targets or sorted(TYPES) if one in self.reachable and target in ("", one)]
        if not targets:
            raise refuse(step, f"it leads to no type that is kept together with {type}", code="not-supported")
        able = [one for one in targets if _has_parameter(one, rest)]
        if not able:
            raise refuse(rest, f"{' or '.join(targets)} has no such parameter", code="not-supported")
        self._count(step, depth, len(able))
        return Chained(code, tuple((one, self.asked(one, rest, value, read=read, depth=depth + 1)) for one in able))

    def _pointed(self, type: str, name: str, value: str, depth: int) -> Asked:
        parts = name.split(":", 3)
        if len(parts) != 4 or parts[0] != "_has" or not parts[3]:
            raise refuse("_has", "it is _has:Type:parameter:criterion")
        _, source, code, rest = parts
        if source not in self.reachable:
            raise refuse("_has", f"it names no type that is kept together with {type}", code="not-supported")
        known = parameters(source).get(code)
        if known is None or known.kind != "reference" or not known.leaves or code in SUBJECT_CODES:
            raise refuse("_has", f"{source} has no such reference parameter", code="not-supported")
        if known.targets and type not in known.targets:
            raise refuse("_has", f"{source}:{code} does not point at {type}")
        self._count("_has", depth, 1)
        return Pointed(source, code, self.asked(source, rest, value, depth=depth + 1))

    def _count(self, name: str, depth: int, links: int) -> None:
        self.links -= links
        if depth >= CHAIN_LIMIT:
            raise refuse(name, f"a chain has at most {CHAIN_LIMIT} steps", code="too-costly")
        if self.links < 0:
            raise refuse(name, f"the chains of a search have at most {LINKS_LIMIT} steps", code="too-costly")


def _has_parameter(type: str, rest: str) -> bool:
    code = re.split("[.:]", rest, maxsplit=1)[0]
    return code == "_has" or code in parameters(type)


def typed(known: SearchParameter, name: str, modifier: str, value: str) -> Criterion | Coded:
    """A criterion on one parameter."""
    if not known.leaves and known.composite is None and known.code not in COLUMN_CODES:
        raise refuse(name, "this parameter is not supported", code="not-supported")
    type = ""
    if known.kind == "reference" and modifier in TYPES:
        modifier, type = "", modifier
    if modifier and modifier not in modifiers(known):
        raise refuse(name, "this modifier is not supported here", code="not-supported")
    if modifier == "missing":
        if value not in ("true", "false"):
            raise refuse(name, "it is true or false")
        return Criterion(known.code, known.kind, "missing", (), missing=value == "true")
    texts = _split(value, ",")
    if len(texts) > ALTERNATIVES_LIMIT:
        raise refuse(name, f"at most {ALTERNATIVES_LIMIT} values", code="too-costly")
    if modifier in _BY_CODES and known.kind == "token":
        return _codes(known.code, name, modifier, texts)
    values = tuple(_value(known, name, modifier, type, text) for text in texts)
    return Criterion(known.code, known.kind, modifier, values)


_BY_CODES: Final = frozenset(("in", "not-in", "above", "below"))


def _codes(code: str, name: str, modifier: str, texts: list[str]) -> Criterion | Coded:
    """The codes of a value set, or of what stands over or under a code: R4's own where its package lists them; for others the
    store is asked."""
    found: dict[TokenValue, None] = {}
    sought: dict[Sought, None] = {}
    for text in texts:
        if modifier in ("in", "not-in"):
            wanted = Sought("in", _plain(text))
            listed = concepts.codes(wanted.address)
        else:
            asked = _token(name, text)
            wanted = Sought("above" if modifier == "above" else "below", asked.system or "", asked.code)
            listed = concepts.related(wanted.address, wanted.code, above=modifier == "above")
        if listed is not None:
            found |= dict.fromkeys(TokenValue(system, one) for system, codes in listed.items() for one in sorted(codes))
        elif not wanted.address or (modifier in ("above", "below") and not wanted.code):
            says = (
                "a value is system|code" if modifier in ("above", "below") else "a value is the address of a value set"
            )
            raise refuse(name, says, code="not-supported")
        else:
            sought[wanted] = None
    if len(found) > ALTERNATIVES_LIMIT or len(sought) > SOUGHT_LIMIT:
        most = f"{SOUGHT_LIMIT} value sets or codes with levels" if sought else f"{ALTERNATIVES_LIMIT} codes"
        raise refuse(name, f"it means more than {most}", code="too-costly")
    if sought:
        return Coded(code, name, modifier == "not-in", tuple(found), tuple(sought))
    return Criterion(code, "token", "not" if modifier == "not-in" else "", tuple(found))


def _value(known: SearchParameter, name: str, modifier: str, target: str, text: str) -> Value:
    if known.code == "_id":
        return _id(name, text)
    if known.kind != "composite":
        return _single(known.kind, name, modifier, target, text)
    assert known.composite is not None
    parts = _split(text, "$")
    if len(parts) != len(known.composite[1]):
        raise refuse(name, f"a value has {len(known.composite[1])} parts with $ between")
    pairs = zip(known.composite[1], parts, strict=True)
    return CompositeValue(tuple(_single(component.kind, name, "", "", part) for component, part in pairs))


def _single(kind: str, name: str, modifier: str, target: str, text: str) -> Single:
    if not text:
        raise refuse(name, "a value is empty")
    if modifier == "text":
        return StringValue(_plain(text))
    if modifier == "identifier":
        found = _token(name, text)
        if not found.code:
            raise refuse(name, "a value is value, system|value or |value")
        return found
    if modifier == "of-type":
        return _typed_identifier(name, text)
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
        raise refuse(name, "a value is code, system|code, |code or system|")
    return TokenValue(parts[0], parts[1])


def _typed_identifier(name: str, text: str) -> TypedValue:
    parts = [_plain(part) for part in _split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise refuse(name, "a value is system|code|value: the identifier's type, and the identifier")
    return TypedValue(*parts)


def _id(name: str, text: str) -> TokenValue:
    if not _ID.fullmatch(text):
        raise refuse(name, "a value is no FHIR id")
    return TokenValue(None, text)


def _reference(name: str, target: str, text: str) -> ReferenceValue:
    if _ID.fullmatch(text):
        return ReferenceValue(target, text)
    type, _, id = text.partition("/")
    if type in TYPES and _ID.fullmatch(id):
        if target and type != target:
            raise refuse(name, "the modifier and the value name different types")
        return ReferenceValue(type, id)
    if ":" not in text or any(letter.isspace() for letter in text):
        raise refuse(name, "a value is id, Type/id or an address")
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
        raise refuse(name, "a value is a date like ge2024-03-14 or 2024-03-14T10:00:00+01:00") from None
    return DateValue(prefix, start, end)


def _decimal(name: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise refuse(name, "a value is a number like 5.4, lt5.4 or 5.40e-3")
    return Decimal(text)


def _number(name: str, text: str) -> NumberValue:
    prefix, rest = _prefixed(text)
    return NumberValue(prefix, _decimal(name, rest))


def _quantity(name: str, text: str) -> QuantityValue:
    parts = [_plain(part) for part in _split(text, "|")]
    prefix, rest = _prefixed(parts[0])
    if len(parts) not in (1, 3):
        raise refuse(name, "a value is number, number|system|code or number||code")
    number = _decimal(name, rest)
    system, code = parts[1:] if len(parts) == 3 else ("", "")
    if system and not code:
        raise refuse(name, "a unit's system stands without its code")
    return QuantityValue(prefix, number, system or None, code)


_SINGLES: Final[dict[str, Callable[[str, str], Single]]] = {
    "token": _token,
    "string": lambda _, text: StringValue(_plain(text)),
    "uri": lambda _, text: UriValue(_plain(text)),
    "date": _date,
    "number": _number,
    "quantity": _quantity,
}
