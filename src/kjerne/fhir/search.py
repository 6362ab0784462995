"""A search as a typed value, and how it is answered: what SQL can decide, and what must be matched on typed values.

`wire.search.parse` makes a `Search`; `plan` turns it into a `Plan` for the store. Everything in a plan narrows by AND.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from kjerne.errors import Refusal
from kjerne.fhir import match
from kjerne.fhir.answering import UNEQUAL, answers
from kjerne.fhir.criteria import (
    Among,
    Asked,
    CodeSet,
    Combined,
    CompositeValue,
    Criterion,
    DateValue,
    Reaching,
    ReferenceValue,
    TokenValue,
    UriValue,
    Value,
)
from kjerne.fhir.effort import DEAR_AT_ONCE, Crowded, TooCostly, limited
from kjerne.fhir.index import asked_text, identifier_texts, plain_text, token, unpack
from kjerne.fhir.packages import Definitions
from kjerne.fhir.searchparams import (
    COLUMN_CODES,
    SUBJECT_CODES,
    Leaf,
    SearchParameter,
    TypeSearch,
    type_search,
    walk,
)

TOKENS_LIMIT: Final = 200
"""Records at the end of a chain that SQL looks for by their tokens."""


STEPS_LIMIT: Final = 1_000_000
"""How much one search may look at, in steps of some microsecond of the processor that all share."""


@contextmanager
def counted(*, asked: bool = True) -> Iterator[None]:
    """`Refusal` 422 where the block takes more steps than one search may; 503 where somebody waits for it (`asked`), it is dear
    and as many such are in work already."""
    try:
        with limited(STEPS_LIMIT, among_dear=asked):
            yield
    except Crowded:
        says = f"{DEAR_AT_ONCE} other searches that take as much work are being made"
        todo = "Send it again later, or narrow it with a code or a date."
        raise Refusal(503, says, code="throttled", todo=todo, headers=(("retry-after", "2"),)) from None
    except TooCostly:
        says = f"the search would take more than {STEPS_LIMIT} steps"
        raise Refusal(422, says, code="too-costly", todo="Narrow it with a code or a date, or ask for less.") from None


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: from resources of `source`, by its parameter `code`, to `target` (empty: any)."""

    source: str
    code: str
    target: str = ""
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort key."""

    code: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A whole search of one type. `ignored` names parameters that lenient handling passed over.

    `library` is where packages define value sets, given where a criterion is `Coded`.
    """

    type: str
    criteria: tuple[Asked, ...] = ()
    sort: tuple[Sort, ...] = ()
    count: int = 50
    total: Literal["none", "estimate", "accurate"] | None = None
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    elements: tuple[str, ...] = ()
    summary: Literal["", "true", "text", "data", "count", "false"] = ""
    ignored: tuple[str, ...] = ()
    library: Definitions | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison that SQL makes on one column of the row. A row without the column's value does not pass."""

    column: Literal["date_from", "date_to", "at"]
    operator: Literal["<", "<=", ">", ">="]
    moment: datetime


Bounds = tuple[tuple[Bound, ...], ...]
"""Alternatives (OR) of bounds that hold together (AND)."""


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key: a column of the row, or (column empty) a key taken from `values` or, by `tree_key`, from the resource.

    Rows without it come last.
    """

    column: Literal["date_from", "at", "id", ""]
    descending: bool
    key: Callable[[bytes], Any] | None = None
    tree_key: Callable[[dict[str, Any]], Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is answered.

    `ids`: only these (None: all). `all_of`: of each inner tuple at least one token. `none_of`: none of these tokens.
    `bounds`: each must hold. `patients`: each names, by alternatives, whose records are meant; the caller's door
    compares. `match` looks at `values`, `match_tree` at the resource itself; None where SQL alone is exact.
    """

    type: str
    ids: tuple[str, ...] | None
    all_of: tuple[tuple[int, ...], ...]
    none_of: tuple[int, ...]
    bounds: tuple[Bounds, ...]
    patients: tuple[tuple[Value, ...], ...]
    match: Callable[[bytes], bool] | None
    match_tree: Callable[[dict[str, Any]], bool] | None
    order: tuple[Order, ...]

    @property
    def counted_in_sql(self) -> bool:
        """Whether SQL alone says what matches, in whatever order."""
        return self.match is None and self.match_tree is None

    @property
    def exact_in_sql(self) -> bool:
        """Whether page and total can come from SQL."""
        return self.counted_in_sql and all(one.column for one in self.order)

    @property
    def looks_at_values(self) -> bool:
        """Whether a row's values must be opened."""
        return self.match is not None or any(one.key is not None for one in self.order)

    @property
    def looks_at_tree(self) -> bool:
        """Whether the resource itself must be opened."""
        return self.match_tree is not None or any(one.tree_key is not None for one in self.order)


def plan(search: Search, *, at: datetime) -> Plan:
    """The plan of a search. `at` is the request's time, which `ap` on dates measures its tenth from."""
    types = type_search(search.type)
    draft = _Draft([], [], [], [], [], [], [])
    for criterion in search.criteria:
        _add(draft, types, criterion, at)
    on_values, on_tree = tuple(draft.on_values), tuple(draft.on_tree)
    return Plan(
        type=search.type,
        ids=_common(draft.ids),
        all_of=tuple(draft.all_of),
        none_of=tuple(sorted(set(draft.none_of))),
        bounds=tuple(draft.bounds),
        patients=tuple(draft.patients),
        match=(lambda values: _matches(on_values, values)) if on_values else None,
        match_tree=(lambda tree: all(test(tree) for test in on_tree)) if on_tree else None,
        order=orders(search),
    )


def _common(ids: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The ids that all of them name, in the order of the first; a chain may name all of a record's."""
    if not ids:
        return None
    others = [frozenset(other) for other in ids[1:]]
    return tuple(one for one in dict.fromkeys(ids[0]) if all(one in other for other in others))


def _matches(tests: tuple[match.ValuesTest, ...], values: bytes) -> bool:
    present, fields = unpack(values)
    return all(test(present, fields) for test in tests)


@dataclass
class _Draft:
    ids: list[tuple[str, ...]]
    all_of: list[tuple[int, ...]]
    none_of: list[int]
    bounds: list[Bounds]
    patients: list[tuple[Value, ...]]
    on_values: list[match.ValuesTest]
    on_tree: list[Callable[[dict[str, Any]], bool]]


def _add(draft: _Draft, types: TypeSearch, asked: Asked, at: datetime) -> None:
    if isinstance(asked, Criterion) and asked.modifier != UNEQUAL:
        _add_criterion(draft, types, asked, at)
    elif isinstance(asked, Among):
        draft.ids.append(tuple(sorted(asked.ids)))
    elif isinstance(asked, Reaching) and len(asked.targets) <= TOKENS_LIMIT:
        # More are looked for on the resource, since SQL compares each with each row.
        leaves, targets = types.parameters[asked.code].leaves, sorted(asked.targets)
        draft.all_of.append(tuple(token(plain_text(leaf.number, one)) for leaf in leaves for one in targets))
    elif isinstance(asked, Combined) and asked.sign == "and":
        for part in asked.parts:
            _add(draft, types, part, at)
    else:
        draft.on_tree.append(answers(types, asked, at))


def _add_criterion(draft: _Draft, types: TypeSearch, criterion: Criterion, at: datetime) -> None:
    parameter = types.parameters[criterion.code]
    numbers = frozenset(leaf.number for leaf in parameter.leaves)
    if criterion.code == "_id":
        draft.ids.append(tuple(value.code for value in criterion.values if isinstance(value, TokenValue)))
    elif criterion.code == "_lastUpdated":
        draft.bounds.append(_dated(criterion, at, updated=True))
    elif criterion.code in SUBJECT_CODES:
        draft.patients.append(criterion.values)
    elif criterion.missing is not None:
        draft.on_values.append(match.missing(numbers, criterion.missing))
    elif criterion.kind == "date" and types.main_exact and numbers == types.main_leaves:
        draft.bounds.append(_dated(criterion, at, updated=False))
    elif criterion.kind in ("token", "uri", "reference"):
        _add_tokens(draft, types, criterion, at)
    elif criterion.kind == "composite":
        _add_composite(draft, types, parameter, criterion, at)
    else:
        draft.on_values.append(match.on_values(numbers, criterion.kind, criterion.modifier, criterion.values, at))


def _add_tokens(draft: _Draft, types: TypeSearch, criterion: Criterion, at: datetime) -> None:
    """Tokens in SQL; texts, parts of addresses and whole code systems on the resource, since no token holds them."""
    if criterion.modifier in _ON_TREE or any(_is_of_many(value) for value in criterion.values):
        draft.on_tree.append(answers(types, criterion, at))
        return
    hashes = tuple(
        dict.fromkeys(
            token(text)
            for leaf in types.parameters[criterion.code].leaves
            for value in criterion.values
            if (text := _text(leaf, criterion, value)) is not None
        )
    )
    if criterion.modifier == "not":
        draft.none_of.extend(hashes)
    else:
        draft.all_of.append(hashes)


_ON_TREE: Final = frozenset(("text", "above", "below", "of-type"))


def _is_of_many(value: Value) -> bool:
    return isinstance(value, CodeSet) or (isinstance(value, TokenValue) and not value.code)


def _text(leaf: Leaf, criterion: Criterion, value: Value) -> str | None:
    """What was hashed where a resource answers this; None where none can."""
    if isinstance(value, UriValue):
        return plain_text(leaf.number, value.uri)
    if isinstance(value, ReferenceValue):
        return plain_text(leaf.number, match.reference_text(value))
    assert isinstance(value, TokenValue)
    if criterion.modifier == "identifier":
        alone, exact = identifier_texts(leaf.number, value.system or "", value.code)
        return alone if value.system is None else exact
    return asked_text(leaf, value.system, value.code)


def _add_composite(
    draft: _Draft, types: TypeSearch, parameter: SearchParameter, criterion: Criterion, at: datetime
) -> None:
    """The parts must hold on the same root, which only the resource shows; tokens of coded parts narrow."""
    assert parameter.composite is not None
    root, components = parameter.composite
    draft.on_tree.append(match.composite(root, components, criterion.values, at))
    for place, component in enumerate(components):
        own = types.parameters.get(component.code)
        values = tuple(value.parts[place] for value in criterion.values if isinstance(value, CompositeValue))
        part = Criterion(component.code, component.kind, "", values)
        if own and own.leaves and component.kind == "token" and all(_is_code(value) for value in values):
            _add_tokens(draft, types, part, at)


def _is_code(value: Value) -> bool:
    return isinstance(value, TokenValue) and value.code != ""


def _dated(criterion: Criterion, at: datetime, *, updated: bool) -> Bounds:
    alternatives: list[tuple[Bound, ...]] = []
    for value in criterion.values:
        assert isinstance(value, DateValue)
        for together in match.date_rule(value, at):
            bounds = (
                Bound("date_from" if side == "start" else "date_to", sign, moment) for side, sign, moment in together
            )
            alternatives.append(tuple(map(_on_update, bounds) if updated else bounds))
    return tuple(alternatives)


def _on_update(bound: Bound) -> Bound:
    """The update time is a point: its interval ends a microsecond later, so `end <= x` is `at < x`."""
    if bound.column == "date_to":
        return Bound("at", "<" if bound.operator == "<=" else ">=", bound.moment)
    return replace(bound, column="at")


_COLUMNS: Final[dict[str, Literal["at", "id"]]] = {"_lastUpdated": "at", "_id": "id"}


def orders(search: Search) -> tuple[Order, ...]:
    """By what the matches of a search are sorted, the first before the others."""
    types = type_search(search.type)
    return tuple(_order(types, one) for one in search.sort)


def _order(types: TypeSearch, sort: Sort) -> Order:
    if sort.code in _COLUMNS:
        return Order(_COLUMNS[sort.code], sort.descending)
    parameter = types.parameters[sort.code]
    numbers = frozenset(leaf.number for leaf in parameter.leaves)
    if numbers == types.main_leaves and numbers:
        return Order("date_from", sort.descending)
    if parameter.kind in VALUE_KINDS:
        return Order("", sort.descending, match.sort_key(numbers, parameter.kind, descending=sort.descending))
    tree_key = match.tree_sort_key(parameter.tree, parameter.kind, descending=sort.descending)
    return Order("", sort.descending, tree_key=tree_key)


NOT_ANSWERED: Final = ("_contained", "_containedType", "_list", "_query", "_score", "_type")
"""What R4 lets a search of any type ask, and is refused by name."""

MODIFIERS: Final = {
    "token": frozenset(("missing", "not", "text", "in", "not-in", "above", "below", "of-type")),
    "string": frozenset(("missing", "exact", "contains")),
    "reference": frozenset(("missing", "identifier")),
    "uri": frozenset(("missing", "above", "below")),
    "date": frozenset(("missing",)),
    "number": frozenset(("missing",)),
    "quantity": frozenset(("missing",)),
}
"""By kind of parameter; a composite has none."""


def modifiers(known: SearchParameter) -> frozenset[str]:
    """The modifiers that a parameter is answered with; a reference takes a type as well."""
    if known.code in COLUMN_CODES:
        return frozenset()
    taken = {"missing"} if known.code in SUBJECT_CODES else set()
    if not any(leaf.type == "Identifier" for leaf in known.leaves):
        taken |= {"of-type"}
    return MODIFIERS.get(known.kind, frozenset()) - taken


VALUE_KINDS: Final = frozenset(("date", "string", "number", "quantity"))
"""What a row's values hold; by anything else but a composite is sorted on the resource."""


def is_sortable(known: SearchParameter) -> bool:
    """Whether a search can be sorted by this parameter."""
    return known.code in COLUMN_CODES or (bool(known.leaves) and known.code not in SUBJECT_CODES)


Row = TypeVar("Row")


def ordered(rows: list[tuple[tuple[Any, ...], Row]], order: tuple[Order, ...]) -> list[Row]:
    """The rows in order, each given with a key for each of `order`; those without a key come last, whichever way it runs.

    Rows that are alike in every key stay as they were given.
    """
    for place, one in reversed(list(enumerate(order))):
        there = [pair for pair in rows if pair[0][place] is not None]
        there.sort(key=lambda pair, place=place: pair[0][place], reverse=one.descending)  # type: ignore[misc]
        rows = there + [pair for pair in rows if pair[0][place] is None]
    return [row for _, row in rows]


def references(tree: dict[str, Any], param: str) -> list[str]:
    """The literal references that a parameter finds in a resource, as written: where `_include` follows."""
    parameter = type_search(tree["resourceType"]).parameters.get(param)
    if parameter is None or parameter.kind != "reference":
        return []
    found = (value.get("reference") if isinstance(value, dict) else value for _, value in walk(parameter.tree, tree))
    return list(dict.fromkeys(text for text in found if isinstance(text, str) and not text.startswith("#")))


def reverse_tokens(include: Include, references: list[str]) -> list[int]:
    """Tokens of the rows of `include.source` that point at any of these `Type/id`: where `_revinclude` follows."""
    leaves = type_search(include.source).parameters[include.code].leaves
    return [token(plain_text(leaf.number, text)) for leaf in leaves for text in references]
