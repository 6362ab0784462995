"""What of a resource can be searched: hashed tokens for SQL, a main date for SQL, and small typed values for the rest.

Tokens are 64-bit hashes of leaf and code: alone, and with its system where the place leaves the system open. Values are
msgpack of [leaves present, {leaf: [value, ...]}]; tokens, references and the main date are only marked present there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import xxhash

from kjerne.errors import Refusal
from kjerne.fhir.dates import EARLIEST, LATEST, Interval, interval, microseconds, period
from kjerne.fhir.definitions import type_number
from kjerne.fhir.searchparams import Edges, Filter, Leaf, type_search
from kjerne.fhir.systems import UCUM, canonical

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[bytes, dict[int, list[Any]]])
_HALF_RANGE: Final = 1 << 63

CURRENCY: Final = "urn:iso:std:iso:4217"

_Quantity = tuple[str | None, str | None, str | int, str, str]


class Indexed(NamedTuple):
    """A row's search columns. [`date_from`, `date_to`) is the hull of the main dates, None where there is none."""

    tokens: list[int]
    values: bytes
    date_from: datetime | None
    date_to: datetime | None


def index(tree: dict[str, Any]) -> Indexed:
    """Extract everything searchable from one resource. Values that are not of their type's form are passed over."""
    type = tree.get("resourceType")
    type_number(type if isinstance(type, str) else "")
    plan, tokens, present = type_search(str(type)), set[int](), set[int]()
    rest: list[tuple[Leaf, Any]] = []
    _gather(_edges(str(type)), tree, tokens, present, rest)
    values: dict[int, list[Any]] = {}
    date_from, date_to = LATEST, EARLIEST
    for leaf, value in rest:
        number = leaf.number
        if leaf.kind == "date":
            for start, end in intervals(leaf.type, value):
                if number in plan.main_leaves:
                    date_from, date_to = min(date_from, start), max(date_to, end)
                    if plan.main_exact:
                        continue
                values.setdefault(number, []).append((microseconds(start), microseconds(end)))
        elif found := EXTRACTORS[leaf.kind](leaf.type, value):
            values.setdefault(number, []).extend(found)
    dated = date_from < date_to
    return Indexed(sorted(tokens), _packed(present, values), date_from if dated else None, date_to if dated else None)


_Taker = Callable[[Leaf, Any], Sequence[int]]
_Edges = dict[str, tuple[tuple[Filter | None, tuple[tuple[Leaf, _Taker | None], ...], Any], ...]]
"""As `searchparams.Edges`, by JSON name: the test, the leaves with how the tokens of each are taken (None: it has none), and the
edges from there."""


def _gather(
    edges: _Edges, value: dict[str, Any], tokens: set[int], present: set[int], rest: list[tuple[Leaf, Any]]
) -> None:
    """As `searchparams.walk`, and takes the tokens on its way; what has none is left in `rest`."""
    for name, inner in value.items():
        ways = edges.get(name)
        if ways is None:
            continue
        for one in inner if type(inner) is list else (inner,):
            for test, leaves, below in ways:
                if one is not None and (test is None or test(one)):
                    for leaf, take in leaves:
                        present.add(leaf.number)
                        if take is None:
                            rest.append((leaf, one))
                        else:
                            tokens.update(take(leaf, one))
                    if below and type(one) is dict:
                        _gather(below, one, tokens, present, rest)


@cache
def _edges(type: str) -> _Edges:
    return _with_takers(type_search(type).tree.edges, _takers(type))


def _with_takers(edges: Edges, takers: dict[int, _Taker]) -> _Edges:
    return {
        name: tuple(
            (test, tuple((leaf, takers.get(leaf.number)) for leaf in node.leaves), _with_takers(node.edges, takers))
            for test, node in ways
        )
        for name, ways in edges.items()
    }


@cache
def _takers(type: str) -> dict[int, _Taker]:
    """How the tokens of each leaf that has them are taken."""
    found: dict[int, _Taker] = {}
    for parameter in type_search(type).parameters.values():
        for leaf in parameter.leaves:
            if leaf.kind in _CODED:
                found[leaf.number] = _TAKERS.get(leaf.type, _coded_tokens)
            elif leaf.kind == "reference":
                found[leaf.number] = _reference_tokens
    return found


def _packed(present: set[int], values: dict[int, list[Any]]) -> bytes:
    try:
        return _ENCODER.encode((bytes(sorted(present)), values))
    except UnicodeEncodeError:
        raise Refusal(400, "A text in the resource holds half a character (a lone surrogate).") from None


def unpack(values: bytes) -> tuple[bytes, dict[int, list[Any]]]:
    """(numbers of the leaves present, values by leaf) of `Indexed.values`."""
    return _DECODER.decode(values)


def token(text: str) -> int:
    """A token's hash as PostgreSQL's signed bigint."""
    hashed: int = xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
    return hashed - (1 << 64) if hashed >= _HALF_RANGE else hashed


def _tokens(leaf: int, system: str | None, code: str) -> tuple[int, ...]:
    alone, exact = token_texts(leaf, system or "", code)
    return (token(alone),) if system is None else (token(alone), token(exact))


_CODED: Final = frozenset(("token", "uri"))
_code_tokens = lru_cache(maxsize=16_384)(_tokens)


def _coded_tokens(leaf: Leaf, value: Any) -> Sequence[int]:
    """The hashes of a token's or uri's value. Most are one code, whose hashes are kept and taken as they lie."""
    hashed = _code_tokens if leaf.type in _REPEATED else _tokens
    found = codings(leaf, value)
    if leaf.type not in _OPEN_SYSTEM:
        return [one for _, code in found for one in hashed(leaf.number, None, code)]
    if len(found) == 1:
        return hashed(leaf.number, *found[0])
    return [one for system, code in found for one in hashed(leaf.number, system, code)]


def _concept_tokens(leaf: Leaf, value: Any) -> Sequence[int]:
    """As `_coded_tokens`, of a CodeableConcept: nearly all have one code."""
    if type(value) is not dict or type(inner := value.get("coding")) is not list:
        return ()
    if len(inner) == 1:
        return _coding_tokens(leaf, inner[0])
    return [one for coding in inner for one in _coding_tokens(leaf, coding)]


def _coding_tokens(leaf: Leaf, value: Any) -> Sequence[int]:
    if type(value) is not dict or type(code := value.get("code")) is not str:
        return ()
    system = value.get("system")
    return _code_tokens(leaf.number, system if type(system) is str else "", code)


def _written_tokens(leaf: Leaf, value: Any) -> Sequence[int]:
    """As `_coded_tokens`, of a code whose place says its system."""
    return _code_tokens(leaf.number, None, value) if type(value) is str else _coded_tokens(leaf, value)


_TAKERS: Final[dict[str, _Taker]] = {
    "CodeableConcept": _concept_tokens,
    "Coding": _coding_tokens,
    "code": _written_tokens,
}
_REPEATED: Final = frozenset(("CodeableConcept", "Coding", "code", "canonical", "boolean"))
"""Types whose values come again in most resources, so their hashes are kept; an identifier's never are."""
_OPEN_SYSTEM: Final = frozenset(("CodeableConcept", "Coding", "Identifier"))
"""Types that say their system themselves. Anywhere else the place decides it, so the code alone is hashed."""


def token_texts(leaf: int, system: str, code: str) -> tuple[str, str]:
    """The two texts that are hashed for a code: alone, and with its system, however that is spelled (empty: it has none)."""
    return plain_text(leaf, code), f"{leaf}\x1f{canonical(system)}\x1f{code}"


def asked_text(leaf: Leaf, system: str | None, code: str) -> str | None:
    """The one text under which a code that is asked for was hashed (system None: any). None: it can be nowhere."""
    if system is None:
        return plain_text(leaf.number, code)
    if leaf.type in _OPEN_SYSTEM:
        return token_texts(leaf.number, system, code)[1]
    return plain_text(leaf.number, code) if system == leaf.system else None


def plain_text(leaf: int, code: str) -> str:
    """The text that is hashed for a code, reference or address alone."""
    return f"{leaf}\x1e{code}"


def identifier_texts(leaf: int, system: str, value: str) -> tuple[str, str]:
    """As `token_texts`, for the identifier in a logical reference (modifier `:identifier`)."""
    return f"{leaf}\x1c{value}", f"{leaf}\x1d{canonical(system)}\x1d{value}"


def codings(leaf: Leaf, value: Any) -> list[tuple[str, str]]:
    """(system, code) pairs of a token's or uri's value; the system is empty where there is none."""
    if type(value) is not dict:
        return _plain_codings(leaf, value)
    if leaf.type == "CodeableConcept":
        inner = value.get("coding")
        return [pair for one in inner if (pair := _pair(one, "code"))] if type(inner) is list else []
    found = _pair(value, "code" if leaf.type == "Coding" else "value")
    # A telephone number's `system` is the kind of contact, no code system.
    return [("", found[1]) if leaf.type == "ContactPoint" else found] if found else []


def _plain_codings(leaf: Leaf, value: Any) -> list[tuple[str, str]]:
    if type(value) is str:
        versioned = leaf.type == "canonical" and "|" in value
        return [("", value), ("", value.partition("|")[0])] if versioned else [(leaf.system, value)]
    if type(value) is bool:
        return [("", "true" if value else "false")]
    return [("", str(value))] if type(value) is int else []


def _pair(value: Any, name: str) -> tuple[str, str] | None:
    if type(value) is not dict or type(code := value.get(name)) is not str:
        return None
    system = value.get("system")
    return (system if type(system) is str else ""), code


def reference_forms(text: str) -> tuple[str, ...]:
    """How a literal reference can be asked for: as written without its version, a relative one by its id alone too."""
    whole = text.partition("/_history/")[0]
    type, slash, id = whole.partition("/")
    return (whole, id) if slash and "/" not in id and ":" not in type else (whole,)


def _reference_tokens(leaf: Leaf, value: Any) -> Sequence[int]:
    if type(value) is str:
        forms = {value, value.partition("|")[0]} if leaf.type == "canonical" else {value}
        return [token(plain_text(leaf.number, one)) for one in forms]
    if type(value) is not dict:
        return ()
    reference = value.get("reference")
    tokens = _literal_tokens(leaf.number, reference) if type(reference) is str and reference[:1] != "#" else ()
    if "identifier" not in value:
        return tokens
    identifier = _pair(value["identifier"], "value")
    return (*tokens, *map(token, identifier_texts(leaf.number, *identifier))) if identifier else tokens


@lru_cache(maxsize=4096)
def _literal_tokens(leaf: int, reference: str) -> tuple[int, ...]:
    """Kept, since the results of one report refer to the same few resources."""
    return tuple(token(plain_text(leaf, one)) for one in reference_forms(reference))


def intervals(type: str, value: Any) -> list[Interval]:
    """The half-open intervals of a date, dateTime, instant, Period or Timing; a Timing's is its outer limits (R4)."""
    if type == "Period":
        found = period(value)
        return [found] if found else []
    if type == "Timing":
        return _timing(value)
    try:
        return [interval(value)] if isinstance(value, str) else []
    except ValueError:
        return []


def _timing(value: Any) -> list[Interval]:
    if not isinstance(value, dict):
        return []
    events = value.get("event")
    found = [one for event in events for one in intervals("dateTime", event)] if isinstance(events, list) else []
    repeat = value.get("repeat")
    bounds = period(repeat.get("boundsPeriod")) if isinstance(repeat, dict) else None
    found += [bounds] if bounds else []
    return [(min(start for start, _ in found), max(end for _, end in found))] if found else []


def _strings(type: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict):
        return []
    names = _NAME_PARTS if type == "HumanName" else _ADDRESS_PARTS
    found = []
    for name in names:
        part = value.get(name)
        found += [one for one in (part if isinstance(part, list) else (part,)) if isinstance(one, str)]
    return found


_NAME_PARTS: Final = ("text", "family", "given", "prefix", "suffix")
_ADDRESS_PARTS: Final = ("text", "line", "city", "district", "state", "postalCode", "country")


def _numeral(value: Any) -> str | None:
    return str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def _numbers(type: str, value: Any) -> list[tuple[str | None, str | None]]:
    """(low, high) with None for an open end; a plain number is both."""
    if type == "Range" and isinstance(value, dict):
        low, high = (_numeral(end.get("value")) if isinstance(end, dict) else None for end in _ends(value))
        return [(low, high)] if low or high else []
    number = _numeral(value)
    return [(number, number)] if number else []


def _ends(value: dict[str, Any]) -> tuple[Any, Any]:
    return value.get("low"), value.get("high")


def _quantities(type: str, value: Any) -> list[_Quantity]:
    """(low, high, system, code, unit). A comparator opens one end, so "<5" is (None, "<5"). UCUM is written as 1."""
    if not isinstance(value, dict):
        return []
    if type == "Range":
        return _range(value)
    number = _numeral(value.get("value"))
    if number is None:
        return []
    if type == "Money":
        return [(number, number, CURRENCY, _text(value, "currency"), "")]
    comparator = value.get("comparator")
    low = None if comparator in ("<", "<=") else ">" + number if comparator == ">" else number
    high = None if comparator in (">", ">=") else "<" + number if comparator == "<" else number
    code, unit = _text(value, "code"), _text(value, "unit")
    system = canonical(_text(value, "system"))
    return [(low, high, 1 if system == UCUM else system, code, "" if unit == code else unit)]


def _range(value: dict[str, Any]) -> list[_Quantity]:
    low, high = (_quantities("Quantity", end) for end in _ends(value))
    if not (low or high):
        return []
    end = (low or high)[0]
    return [(low[0][0] if low else None, high[0][1] if high else None, *end[2:])]


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


EXTRACTORS: Final[dict[str, Callable[[str, Any], list[Any]]]] = {
    "string": _strings,
    "number": _numbers,
    "quantity": _quantities,
}
"""How the values of the kinds that SQL cannot compare are taken."""
