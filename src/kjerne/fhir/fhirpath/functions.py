"""FHIRPath's functions, and FHIR's own, by name: each makes an invocation from its arguments (FHIRPath 5, R4 fhirpath.html)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cmp_to_key, lru_cache
from typing import Any, Final

from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath import calendar
from kjerne.fhir.fhirpath.calling import Arguments, Environment, Expression, Invocation, each, once
from kjerne.fhir.fhirpath.converting import CONVERSIONS, NUMBERS, TEXTS
from kjerne.fhir.fhirpath.keys import KEYS
from kjerne.fhir.fhirpath.navigating import children, descendants, is_type, step, type_of
from kjerne.fhir.fhirpath.operators import Misuse, distinct, order, single, truth, union
from kjerne.fhir.fhirpath.values import Items, Node, key, plain
from kjerne.fhir.xhtml import is_safe

Maker = Callable[[Arguments], Invocation]

REPEAT_LIMIT: Final = 10_000


def _plain(work: Callable[[Items], Items]) -> Maker:
    """A function of its focus alone."""

    def make(arguments: Arguments) -> Invocation:
        arguments.between(0, 0)

        def called(focus: Items, this: Items, env: Environment) -> Items:
            spend(len(focus))
            return work(focus)

        return called

    return make


def _with(work: Callable[[Items, Items], Items]) -> Maker:
    """A function of its focus and the value of one argument."""

    def make(arguments: Arguments) -> Invocation:
        arguments.between(1, 1)
        inner = arguments.expression(0)

        def called(focus: Items, this: Items, env: Environment) -> Items:
            other = inner(this, env)
            spend(len(focus) + len(other))
            return work(focus, other)

        return called

    return make


def _beside(work: Callable[[Items, set[Any]], Items]) -> Maker:
    """A function of its focus and the keys of what one argument finds; made once where that stays the same."""

    def make(arguments: Arguments) -> Invocation:
        arguments.between(1, 1)
        inner = arguments.expression(0)

        def names(this: Items, env: Environment) -> set[Any]:
            found = inner(this, env)
            spend(len(found))
            return _keys(found)

        known = once(names) if arguments.is_fixed(0) else names

        def called(focus: Items, this: Items, env: Environment) -> Items:
            spend(len(focus))
            return work(focus, known(this, env))

        return called

    return make


def _exists(arguments: Arguments) -> Invocation:
    arguments.between(0, 1)
    if not len(arguments):
        return lambda focus, this, env: [bool(focus)]
    inner = arguments.expression(0)
    return lambda focus, this, env: [any(truth(found) for _, found in each(inner, focus, env))]


def _where(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    inner = arguments.expression(0)
    return lambda focus, this, env: [one for one, found in each(inner, focus, env) if truth(found)]


def _all(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    inner = arguments.expression(0)
    return lambda focus, this, env: [all(truth(found) for _, found in each(inner, focus, env))]


def _select(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    inner = arguments.expression(0)
    return lambda focus, this, env: [item for _, found in each(inner, focus, env) for item in found]


def _repeat(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    inner = arguments.expression(0)

    def repeat(focus: Items, this: Items, env: Environment) -> Items:
        seen: dict[Any, Any] = {}
        level = focus
        while level:
            found = [item for _, items in each(inner, level, env) for item in items]
            level = [one for one in distinct(found) if key(one) not in seen]
            seen |= {key(one): one for one in level}
            if len(seen) > REPEAT_LIMIT:
                raise Misuse("repeat finds too much")
        return list(seen.values())

    return repeat


def _aggregate(arguments: Arguments) -> Invocation:
    arguments.between(1, 2)
    inner = arguments.expression(0)
    start = arguments.expression(1) if len(arguments) > 1 else None

    def aggregate(focus: Items, this: Items, env: Environment) -> Items:
        outer, env.total = env.total, start(this, env) if start else []
        for place, one in enumerate(focus):
            env.index = place
            env.total = inner([one], env)
        total, env.total = env.total, outer
        return total

    return aggregate


def _iif(arguments: Arguments) -> Invocation:
    arguments.between(2, 3)
    condition, then = arguments.expression(0), arguments.expression(1)
    otherwise = arguments.expression(2) if len(arguments) > 2 else None

    def choose(focus: Items, this: Items, env: Environment) -> Items:
        if len(focus) > 1:
            raise Misuse("iif on more than one item")
        found = condition(focus, env)
        if len(found) == 1 and type(plain(found[0])) is not bool:
            raise Misuse("iif asks for a truth value")
        if truth(found):
            return then(focus, env)
        return otherwise(focus, env) if otherwise else []

    return choose


def _trace(arguments: Arguments) -> Invocation:
    arguments.between(1, 2)
    arguments.expression(0)
    return lambda focus, this, env: focus


def _of_type(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    wanted = arguments.type_name(0)
    return lambda focus, this, env: [one for one in focus if is_type(one, wanted)]


def _is(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    wanted = arguments.type_name(0)

    def check(focus: Items, this: Items, env: Environment) -> Items:
        if len(focus) > 1:
            raise Misuse("is() on more than one item")
        return [is_type(focus[0], wanted)] if focus else []

    return check


def _extension(arguments: Arguments) -> Invocation:
    arguments.between(1, 1)
    address = arguments.expression(0)

    def extension(focus: Items, this: Items, env: Environment) -> Items:
        wanted = single(address(this, env))
        found = step(focus, "extension")
        return [one for one in found if type(one.value) is dict and one.value.get("url") == wanted]

    return extension


def _resolve(arguments: Arguments) -> Invocation:
    arguments.between(0, 0)

    def resolve(focus: Items, this: Items, env: Environment) -> Items:
        found = []
        spend(len(focus))
        for one in focus:
            value = one.value if type(one) is Node else one
            text = value.get("reference") if type(value) is dict else value
            node = env.resolve(text) if type(text) is str else None
            if node is not None:
                found.append(node)
        return found

    return resolve


def _conforms_to(arguments: Arguments) -> Invocation:
    """Of a base type only: whether an item is one."""
    arguments.between(1, 1)
    profile = arguments.expression(0)

    def conforms(focus: Items, this: Items, env: Environment) -> Items:
        address = single(profile(this, env))
        base, _, name = str(address).rpartition("/")
        if base != "http://hl7.org/fhir/StructureDefinition":
            raise Misuse("conformsTo a profile that is not at hand")
        return [all(is_type(one, name) for one in focus)] if focus else []

    return conforms


def _first(focus: Items) -> Items:
    return focus[:1]


def _is_distinct(focus: Items) -> Items:
    if len(focus) < 2:
        return [True]
    return [len({key(one) for one in focus}) == len(focus)]


def _all_are(wanted: bool, *, some: bool = False) -> Maker:
    def work(focus: Items) -> Items:
        values = [plain(one) for one in focus]
        if any(type(value) is not bool for value in values):
            raise Misuse("more than truth values")
        return [any(value is wanted for value in values) if some else all(value is wanted for value in values)]

    return _plain(work)


def _has_value(focus: Items) -> Items:
    return [len(focus) == 1 and (type(focus[0]) is not Node or type(focus[0].value) not in (dict, type(None)))]


def _not(focus: Items) -> Items:
    value = truth(focus)
    return [] if value is None else [not value]


def _keys(items: Items) -> set[Any]:
    return {key(one) for one in items}


def _take(focus: Items, count: Items) -> Items:
    number = single(count)
    if type(number) is not int:
        raise Misuse("take() and skip() ask for a number")
    return focus[:number] if number > 0 else []


def _skip(focus: Items, count: Items) -> Items:
    number = single(count)
    if type(number) is not int:
        raise Misuse("take() and skip() ask for a number")
    return focus[max(0, number) :]


def _exclude(focus: Items, names: set[Any]) -> Items:
    return [one for one in focus if key(one) not in names]


def _intersect(focus: Items, names: set[Any]) -> Items:
    return distinct([one for one in focus if key(one) in names])


def _combine(arguments: Arguments) -> Invocation:
    arguments.between(1, 2)
    inner = arguments.expression(0)
    return lambda focus, this, env: [*focus, *inner(this, env)]


def _comparable(focus: Items, other: Items) -> Items:
    one, two = single(focus), single(other)
    try:
        return [] if one is None or two is None else [order(one, two) is not None]
    except Misuse:
        return [False]


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


def _matches(*, full: bool) -> Maker:
    def work(focus: Items, pattern: Items) -> Items:
        text, wanted = single(focus), single(pattern)
        if text is None or wanted is None:
            return []
        if type(text) is not str or type(wanted) is not str:
            raise Misuse("matches() is for text")
        try:
            found = _pattern(wanted).fullmatch(text) if full else _pattern(wanted).search(text)
        except re.error:
            raise Misuse("not a regular expression") from None
        return [found is not None]

    return _with(work)


def _replace_matches(arguments: Arguments) -> Invocation:
    arguments.between(2, 2)
    pattern, instead = arguments.expression(0), arguments.expression(1)

    def replace(focus: Items, this: Items, env: Environment) -> Items:
        text, wanted, new = single(focus), single(pattern(this, env)), single(instead(this, env))
        if text is None or wanted is None or new is None:
            return []
        if wanted == "":
            return [text]
        if not (type(text) is type(wanted) is type(new) is str):
            raise Misuse("replaceMatches() is for text")
        changed = re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", new.replace("\\", "\\\\"))
        try:
            return [_pattern(wanted).sub(changed, text)]
        except (re.error, IndexError):
            raise Misuse("not a regular expression, or a group that it does not have") from None

    return replace


def _type(focus: Items) -> Items:
    found: Items = []
    for one in focus:
        space, name = type_of(one)
        found.append(Node({"namespace": space, "name": name}, "TypeInfo"))
    return found


def _html_checks(focus: Items) -> Items:
    return [all(type(one) is Node and type(one.value) is str and is_safe(one.value) for one in focus)]


def _sort(arguments: Arguments) -> Invocation:
    keys: list[tuple[Expression, int]] = []
    for place, term in enumerate(arguments.terms):
        turned = term.kind == "sign" and term.value == "-"
        inner = (
            Arguments("sort", term.parts, arguments.compile).expression(0) if turned else arguments.expression(place)
        )
        keys.append((inner, -1 if turned else 1))

    def compare(env: Environment) -> Callable[[Any, Any], int]:
        def by(one: Any, two: Any) -> int:
            for inner, sign in keys or [(lambda this, env: this, 1)]:
                left, right = single(inner([one], env)), single(inner([two], env))
                if left is None or right is None:
                    found: int | None = (left is not None) - (right is not None)
                else:
                    found = order(left, right)
                if found:
                    return found * sign
            return 0

        return by

    return lambda focus, this, env: sorted(focus, key=cmp_to_key(compare(env)))


def _bounds(*, high: bool) -> Maker:
    def make(arguments: Arguments) -> Invocation:
        arguments.between(0, 1)
        inner = arguments.expression(0) if len(arguments) else None

        def bound(focus: Items, this: Items, env: Environment) -> Items:
            value = single(focus)
            if type(value) is Node and value.type == "Period":
                value = single(step(focus, "end" if high else "start"))
            size = single(inner(this, env)) if inner else None
            return [] if value is None else calendar.boundary(value, size, high=high)

        return bound

    return make


def _clock(*, date: bool) -> Maker:
    def make(arguments: Arguments) -> Invocation:
        arguments.between(0, 0)

        def tell(focus: Items, this: Items, env: Environment) -> Items:
            if env.now is None:
                raise Misuse("no time was given")
            return [calendar.moment(env.now, date=date)]

        return tell

    return make


def _subset(focus: Items, other: Items) -> Items:
    return [_keys(focus) <= _keys(other)]


FUNCTIONS: Final[dict[str, Maker]] = {
    "empty": _plain(lambda focus: [not focus]),
    "exists": _exists,
    "not": _plain(_not),
    "count": _plain(lambda focus: [len(focus)]),
    "all": _all,
    "allTrue": _all_are(True),
    "allFalse": _all_are(False),
    "anyTrue": _all_are(True, some=True),
    "anyFalse": _all_are(False, some=True),
    "where": _where,
    "select": _select,
    "repeat": _repeat,
    "aggregate": _aggregate,
    "ofType": _of_type,
    "as": _of_type,
    "is": _is,
    "first": _plain(_first),
    "last": _plain(lambda focus: focus[-1:]),
    "tail": _plain(lambda focus: focus[1:]),
    "single": _plain(lambda focus: [single(focus)] if focus else []),
    "take": _with(_take),
    "skip": _with(_skip),
    "distinct": _plain(distinct),
    "isDistinct": _plain(_is_distinct),
    "subsetOf": _with(_subset),
    "supersetOf": _with(lambda focus, other: _subset(other, focus)),
    "intersect": _beside(_intersect),
    "exclude": _beside(_exclude),
    "union": _with(union),
    "combine": _combine,
    "iif": _iif,
    "trace": _trace,
    "children": _plain(children),
    "descendants": _plain(descendants),
    "hasValue": _plain(_has_value),
    "getValue": _plain(lambda focus: [plain(focus[0])] if _has_value(focus) == [True] else []),
    "extension": _extension,
    "resolve": _resolve,
    "conformsTo": _conforms_to,
    "htmlChecks": _plain(_html_checks),
    "type": _plain(_type),
    "matches": _matches(full=False),
    "matchesFull": _matches(full=True),
    "replaceMatches": _replace_matches,
    "now": _clock(date=False),
    "today": _clock(date=True),
    "comparable": _with(_comparable),
    "sort": _sort,
    "lowBoundary": _bounds(high=False),
    "highBoundary": _bounds(high=True),
    "precision": _plain(lambda focus: calendar.precision(single(focus)) if focus else []),
    **CONVERSIONS,
    **TEXTS,
    **NUMBERS,
    **KEYS,
}
