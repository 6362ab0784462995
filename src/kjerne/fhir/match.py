"""Whether found values answer what was asked (FHIR R4 search.html: prefixes, number, date, string, token, quantity).

Each rule stands once here and serves rows' compact values, parts of composites and, for dates, SQL.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal

from kjerne.fhir import systems
from kjerne.fhir.criteria import CodeSet, DateValue, QuantityValue, ReferenceValue, TypedValue, Value
from kjerne.fhir.dates import EARLIEST, LATEST, microseconds
from kjerne.fhir.effort import spend
from kjerne.fhir.index import EXTRACTORS, codings, intervals, reference_forms, unpack
from kjerne.fhir.searchparams import Component, Leaf, Node, walk
from kjerne.fhir.ucum import canonical

STEPS_TO_COMPARE: Final = {"quantity": 7, "number": 7, "date": 2, "string": 2}
"""By kind of parameter what one found value and one asked one take to be compared."""
STEPS_OF_A_CODE: Final = 4
"""The same on the resource itself, where codes and their texts are taken out of it each time."""

ValuesTest = Callable[[bytes, dict[int, list[Any]]], bool]
LeafTest = Callable[[Leaf, Any], bool]
Sign = Literal["<", "<=", ">", ">="]
Rule = tuple[tuple[tuple[Literal["start", "end"], Sign, datetime], ...], ...]

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def date_rule(value: DateValue, at: datetime) -> Rule:
    """What start and end of a found interval must satisfy: alternatives of comparisons that hold together.

    R4 search.html#prefix, with [start, end) on both sides: `eq` contains the found interval whole; `gt` and `lt` reach
    beyond; `sa` and `eb` do not touch; `ap` overlaps after widening by a tenth of the distance to now.
    """
    first, last = value.start, value.end
    within: Rule = ((("start", ">=", first), ("end", "<=", last)),)
    rules: dict[str, Rule] = {
        "eq": within,
        "ne": ((("start", "<", first),), (("end", ">", last),)),
        "gt": ((("end", ">", last),),),
        "lt": ((("start", "<", first),),),
        "ge": ((("end", ">", last),), *within),
        "le": ((("start", "<", first),), *within),
        "sa": ((("start", ">=", last),),),
        "eb": ((("end", "<=", first),),),
        "po": ((("start", "<", last), ("end", ">", first)),),
    }
    if value.prefix != "ap":
        return rules[value.prefix]
    margin = abs(at - first) / 10
    early = first - margin if first - EARLIEST > margin else EARLIEST
    late = last + margin if LATEST - last > margin else LATEST
    return ((("start", "<", late), ("end", ">", early)),)


def missing(leaves: frozenset[int], wanted: bool) -> ValuesTest:
    """`:missing`: true finds rows without any value."""

    def test(present: bytes, _: dict[int, list[Any]]) -> bool:
        spend(1)
        return leaves.isdisjoint(present) == wanted

    return test


def on_values(leaves: frozenset[int], kind: str, modifier: str, values: tuple[Value, ...], at: datetime) -> ValuesTest:
    """A test of a row's values: any found value of these leaves answers any asked one."""
    tests = [_single(kind, modifier, value, at) for value in values]
    each = len(tests) * STEPS_TO_COMPARE[kind]

    def test(_: bytes, fields: dict[int, list[Any]]) -> bool:
        found = [one for leaf in leaves for one in fields.get(leaf, ())]
        spend(1 + len(found) * each)
        return any(single(one) for one in found for single in tests)

    return test


def on_leaf(kind: str, modifier: str, values: tuple[Value, ...], at: datetime = EARLIEST) -> LeafTest:
    """A test of a value as it stands in the resource."""
    if kind in ("token", "uri", "reference"):
        return lambda leaf, found: any(_coded(leaf, found, modifier, value) for value in values)
    tests = [_single(kind, modifier, value, at) for value in values]

    def test(leaf: Leaf, found: Any) -> bool:
        if kind == "date":
            compact = [(microseconds(start), microseconds(end)) for start, end in intervals(leaf.type, found)]
        else:
            compact = EXTRACTORS[kind](leaf.type, found)
        return any(single(one) for one in compact for single in tests)

    return test


def composite(
    root: Node, components: tuple[Component, ...], values: tuple[Value, ...], at: datetime
) -> Callable[[dict[str, Any]], bool]:
    """A test of a resource: on one root, every part of one asked value holds."""
    asked = [
        [
            (component.tree, on_leaf(component.kind, "", (part,), at))
            for component, part in zip(components, value.parts, strict=True)  # type: ignore[union-attr]
        ]
        for value in values
    ]

    def test(tree: dict[str, Any]) -> bool:
        roots = [tree] if root.leaves else []
        roots += [found for _, found in walk(root, tree) if isinstance(found, dict)]
        spend(2 + len(roots) * len(asked) * len(components) * STEPS_TO_COMPARE["quantity"])
        return any(all(_any_leaf(one, *part) for part in parts) for one in roots for parts in asked)

    return test


def _any_leaf(root: dict[str, Any], tree: Node, test: LeafTest) -> bool:
    return any(test(leaf, value) for leaf, value in walk(tree, root))


STEPS_TO_SORT: Final = 20
"""What it takes to make a row's key and to find its place by it among thousands; fractions are the dearest."""


def sort_key(leaves: frozenset[int], kind: str, *, descending: bool) -> Callable[[bytes], Any]:
    """A key from a row's values: the lowest found, or the highest when descending; None where there is none."""
    choose = max if descending else min

    def key(values: bytes) -> Any:
        spend(STEPS_TO_SORT)
        fields = unpack(values)[1]
        found = [_sortable(kind, one) for leaf in leaves for one in fields.get(leaf, ())]
        return choose((one for one in found if one is not None), default=None)

    return key


def tree_sort_key(tree: Node, kind: str, *, descending: bool) -> Callable[[dict[str, Any]], Any]:
    """As `sort_key`, from the resource, for what a row's values do not hold: codes, then their systems; references; addresses."""
    choose = max if descending else min

    def key(resource: dict[str, Any]) -> Any:
        spend(STEPS_TO_SORT)
        found = [one for leaf, value in walk(tree, resource) for one in _spelled(kind, leaf, value)]
        return choose(found, default=None)

    return key


def _spelled(kind: str, leaf: Leaf, value: Any) -> list[tuple[str, str]]:
    if kind != "reference":
        return [(code, systems.canonical(system)) for system, code in codings(leaf, value)]
    text = value.get("reference") if isinstance(value, dict) else value
    return [(text, "")] if isinstance(text, str) and not text.startswith("#") else []


def _sortable(kind: str, found: Any) -> Any:
    if kind == "string":
        return fold(found)
    if kind == "date":
        return found[0]
    text = found[0] or found[1]
    if text is None:
        return None
    number = Fraction(text.lstrip("<>"))
    unit = canonical(found[3]) if kind == "quantity" and found[2] == 1 else None
    return number * unit[0] if unit else number


def _single(kind: str, modifier: str, value: Any, at: datetime) -> Callable[[Any], bool]:
    if kind == "string":
        return _string(value.text, modifier)
    if kind == "date":
        return on_interval(value, at)
    if kind == "number":
        number = _number(value.prefix, value.number)
        return lambda found: number(found[0], found[1], _ONE)
    return _quantity(value)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Case and accents away, spaces made one: how R4 asks strings to be compared."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    return " ".join("".join(one for one in spread if not unicodedata.combining(one)).split())


EQUALS: Final = "equals"


def _string(text: str, modifier: str) -> Callable[[str], bool]:
    if modifier == "exact":
        return lambda found: found == text
    wanted = fold(text)
    if modifier == "contains":
        return lambda found: wanted in fold(found)
    if modifier == EQUALS:
        return lambda found: wanted == fold(found)
    if modifier == "ends":
        return lambda found: fold(found).endswith(wanted)
    return lambda found: fold(found).startswith(wanted)


def on_interval(value: Any, at: datetime) -> Callable[[tuple[int, int]], bool]:
    """A test of a found [start, end) in microseconds."""
    rule = [
        [(0 if side == "start" else 1, _COMPARE[sign], microseconds(moment)) for side, sign, moment in together]
        for together in date_rule(value, at)
    ]
    return lambda found: any(all(compare(found[side], limit) for side, compare, limit in one) for one in rule)


def _number(prefix: str, number: Decimal) -> Callable[[str | None, str | None, Fraction], bool]:
    """A test of a found [low, high], either end open, that is `times` as large in the asked unit."""
    asked, half = Fraction(number), precision(number)
    margin = abs(asked) / 10
    # Made once: each sum of two fractions costs as much as a comparison.
    exact, low_side, high_side = (asked, 0), (asked - half, 0), (asked + half, 0)
    nearly_low, nearly_high = (asked - margin, 0), (asked + margin, 0)

    def test(low: str | None, high: str | None, times: Fraction) -> bool:
        first, last = _low(low, times), _high(high, times)
        if prefix in _PREFIXES:
            side, compare = _PREFIXES[prefix]
            return compare(first if side == "first" else last, exact)
        if prefix == "ap":
            return first <= nearly_high and last >= nearly_low
        return (low_side <= first and last < high_side) == (prefix == "eq")

    return test


def _quantity(value: QuantityValue) -> Callable[[Any], bool]:
    number = _number(value.prefix, value.number)
    asked = None if value.system is None else systems.canonical(value.system)

    def test(found: Any) -> bool:
        low, high, system, code, unit = found
        if not value.code:
            return number(low, high, _ONE)
        if asked is None:
            return value.code in (code, unit) and number(low, high, _ONE)
        if asked != (systems.UCUM if system == 1 else system):
            return False
        times = _ONE if value.code == code else _times(code, value.code) if system == 1 else None
        return times is not None and number(low, high, times)

    return test


_ONE: Final = Fraction(1)


@lru_cache(maxsize=4096)
def _times(code: str, asked: str) -> Fraction | None:
    """How many of the asked UCUM unit one of the found unit is; None where they do not measure the same."""
    found, wanted = canonical(code), canonical(asked)
    return found[0] / wanted[0] if found and wanted and found[1] == wanted[1] else None


End = tuple[Fraction | float, int]
"""An end of an interval: its number, and +1 just above or -1 just below it where the end itself does not belong."""

# Which end of the found interval a prefix looks at, and how.
_PREFIXES: Final[dict[str, tuple[Literal["first", "last"], Callable[[End, End], bool]]]] = {
    "gt": ("last", operator.gt),
    "lt": ("first", operator.lt),
    "ge": ("last", operator.ge),
    "le": ("first", operator.le),
    "sa": ("first", operator.gt),
    "eb": ("last", operator.lt),
}


def _low(text: str | None, times: Fraction) -> End:
    return (_scaled(text.lstrip(">"), times), int(text[0] == ">")) if text else (-math.inf, 0)


def _high(text: str | None, times: Fraction) -> End:
    return (_scaled(text.lstrip("<"), times), -int(text[0] == "<")) if text else (math.inf, 0)


@lru_cache(maxsize=8192)
def _scaled(digits: str, times: Fraction) -> Fraction:
    return Fraction(digits) * times


def precision(number: Decimal) -> Fraction:
    """Half of what the last written digit stands for: 5.4 is [5.35, 5.45). 1e2 is [95, 105), by R4's own example."""
    exponent = int(number.as_tuple().exponent)
    return Fraction(10) ** exponent / (20 if exponent > 0 else 2)


def reference_text(value: ReferenceValue) -> str:
    """How an asked reference is spelled in tokens."""
    return value.url or (f"{value.type}/{value.id}" if value.type else value.id)


def _coded(leaf: Leaf, found: Any, modifier: str, value: Any) -> bool:
    if modifier == "text":
        wanted = fold(value.text)
        return any(wanted in fold(text) for text in _labels(found))
    if leaf.kind == "reference":
        if modifier == "identifier":
            return isinstance(found, dict) and _is_code(codings(_IDENTIFIER, found.get("identifier")), value)
        text = found.get("reference") if isinstance(found, dict) else found
        return isinstance(text, str) and reference_text(value) in reference_forms(text)
    if leaf.kind == "uri":
        return any(_uri(code, value.uri, modifier) for _, code in codings(leaf, found))
    if isinstance(value, TypedValue):
        return _of_type(leaf, found, value)
    return _is_code(codings(leaf, found), value)


def _is_code(found: list[tuple[str, str]], value: Any) -> bool:
    if isinstance(value, CodeSet):
        return any(code in value.codes.get(systems.canonical(system), ()) for system, code in found)
    wanted = None if value.system is None else systems.canonical(value.system)
    return any(
        wanted in (None, systems.canonical(system)) and (not value.code or value.code == code) for system, code in found
    )


_IDENTIFIER: Final = Leaf(0, "identifier", "Identifier", "token", "", many=False)
_CONCEPT: Final = Leaf(0, "type", "CodeableConcept", "token", "", many=False)


def _of_type(leaf: Leaf, found: Any, value: TypedValue) -> bool:
    """An identifier is of a type and has a value (`:of-type`)."""
    if leaf.type != "Identifier" or not isinstance(found, dict) or found.get("value") != value.value:
        return False
    return _is_code(codings(_CONCEPT, found.get("type")), value)


def _uri(found: str, asked: str, modifier: str) -> bool:
    """`:below`: the address itself and what stands under it, whole steps of a path; `:above` the other way round."""
    if not modifier:
        return found == asked
    under, over = (found, asked) if modifier == "below" else (asked, found)
    return under == over or under.startswith(over if over.endswith("/") else over + "/")


def _labels(found: Any) -> list[str]:
    """The texts beside a code: CodeableConcept.text, Coding.display, Identifier.type.text."""
    if not isinstance(found, dict):
        return []
    inner = found.get("coding")
    texts = [found.get("text"), found.get("display")]
    texts += [one.get("display") for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
    kind = found.get("type")
    texts += [kind.get("text")] if isinstance(kind, dict) else []
    return [text for text in texts if isinstance(text, str)]
