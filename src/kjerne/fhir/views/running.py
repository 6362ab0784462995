"""A view run: `runner(view)` once, then the rows of each resource (SQL on FHIR, "Processing Algorithm").

Rows are lists of values in the order of the columns. Where the view and a resource do not go together, `Misfit` is raised.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from kjerne.fhir.fhirpath.calling import Environment
from kjerne.fhir.fhirpath.navigating import root
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.values import Items, Node, plain
from kjerne.fhir.views.columns import Misfit, Shape, Unshaped, checked, simple
from kjerne.fhir.views.definition import Column, Path, Select, View
from kjerne.fhir.views.shortcuts import Otherwise

ROWS_LIMIT: Final = 100_000
"""Of one resource: sibling selects multiply."""
REPEAT_LIMIT: Final = 100_000
DEPTH_LIMIT: Final = 200
"""How deep `repeat` goes: a path that leads back to where it began has no end."""

Row = tuple[Any, ...]
_Emit = Callable[[Any, Environment], list[Row]]


def runner(view: View, now: datetime, *, typed: bool = False) -> Callable[[dict[str, Any]], list[Row]]:
    """What makes rows of a resource of the view's type. `typed`: values are shaped for the columns' SQL types."""
    emit = [_select(select, view, typed=typed) for select in view.selects]

    def rows(tree: dict[str, Any]) -> list[Row]:
        node = root(tree)
        variables = {**view.constants, "rowIndex": [0]}
        env = Environment(node, node, context=[node], variables=variables, now=now)
        for condition in view.where:
            if not _holds(condition, node, env):
                return []
        return _product([one(node, env) for one in emit])

    return rows


def _holds(condition: Path, node: Node, env: Environment) -> bool:
    found = _found(condition, node, env)
    values = [plain(one) for one in found]
    if len(values) > 1 or (values and type(values[0]) is not bool):
        raise Misfit("a condition is not true or false", condition.where, "Compare it, or end it with .exists().")
    return bool(values and values[0])


def _found(path: Path, node: Any, env: Environment) -> Items:
    try:
        return path.run([node], env)
    except Misuse as misuse:
        raise Misfit(f"the path has no answer here: {misuse}", path.where) from None
    except RecursionError:
        raise Misfit("the resource is too deep", path.where) from None


def _select(select: Select, view: View, *, typed: bool) -> _Emit:
    columns = [_column(column, typed=typed) for column in select.columns]
    parts = [_select(one, view, typed=typed) for one in select.selects]
    unions = [_select(one, view, typed=typed) for one in select.unions]

    def once(node: Any, env: Environment) -> list[Row]:
        own = tuple([column(node, env) for column in columns])
        if not parts and not unions:
            return [own]
        found = [part(node, env) for part in parts]
        if unions:
            found.append([row for union in unions for row in union(node, env)])
        return _product([[own], *found])

    if not select.mode:
        return once
    foci = _foci(select)
    empty = _empty(select) if select.mode == "forEachOrNull" else None

    def each(node: Any, env: Environment) -> list[Row]:
        found = foci(node, env)
        if not found:
            return [] if empty is None else [empty]
        if not view.counts_rows:
            return [row for one in found for row in once(one, env)]
        outer, rows = env.variables["rowIndex"], list[Row]()
        for place, one in enumerate(found):
            _count(env, [place])
            rows += once(one, env)
        _count(env, outer)
        return rows

    return each


def _count(env: Environment, place: Items) -> None:
    """What was computed once (`kept`) was computed with another place."""
    env.variables["rowIndex"] = place
    env.kept.clear()


def _empty(select: Select) -> Row:
    return tuple(_nothing(column) for column in select.all_columns())


def _nothing(column: Column) -> Any:
    if column.path.text.strip() == "%rowIndex":
        return 0
    return [] if column.collection else None


def _foci(select: Select) -> Callable[[Any, Environment], Items]:
    if select.mode != "repeat":
        (path,) = select.paths
        return lambda node, env: _found(path, node, env)
    return lambda node, env: list(_descended(select.paths, node, env))


def _descended(paths: tuple[Path, ...], node: Any, env: Environment) -> Iterator[Any]:
    """Every node that the paths lead to, from one to the next, each before what lies in it."""
    count, levels = 0, [iter(_children(paths, node, env))]
    while levels:
        one = next(levels[-1], None)
        if one is None:
            levels.pop()
            continue
        count += 1
        if count > REPEAT_LIMIT or len(levels) > DEPTH_LIMIT:
            raise Misfit("repeat does not come to an end", paths[0].where, "Write a path that leads further in.")
        yield one
        levels.append(iter(_children(paths, one, env)))


def _children(paths: tuple[Path, ...], node: Any, env: Environment) -> Iterator[Any]:
    for path in paths:
        yield from _found(path, node, env)


def _values(path: Path) -> Callable[[Any, Environment], list[Any]]:
    """What a column's path finds, as JSON has it and without what has no value."""
    direct, start = path.direct, path.start

    def values(node: Any, env: Environment) -> list[Any]:
        if direct is not None and type(node) is Node and node.type == start:
            try:
                return direct(node.value)
            except Otherwise:
                pass
        return [value for item in _found(path, node, env) if (value := simple(item)) is not None]

    return values


def _column(column: Column, *, typed: bool) -> Callable[[Any, Environment], Any]:
    values, fits, shape = _values(column.path), checked(column.type), column.sql.shape if typed else None

    def one(value: Any) -> Any:
        if not fits(value):
            raise _unfit(column, value)
        return value if shape is None else _shaped(shape, value, column)

    def single(node: Any, env: Environment) -> Any:
        found = values(node, env)
        if not found:
            return None
        if len(found) > 1:
            todo = "Write .first(), forEach, or collection: true."
            raise Misfit(f"the column {column.name} has several values", column.path.where, todo)
        return one(found[0])

    def many(node: Any, env: Environment) -> Any:
        return [one(value) for value in values(node, env)]

    return many if column.collection else single


def _unfit(column: Column, value: Any) -> Misfit:
    where = column.path.where.removesuffix(".path")
    if not column.type:
        return Misfit(f"the column {column.name} got a structure", where, "Name its type, or go on to a part.")
    of = {bool: "a truth value", str: "a text", dict: "a structure", list: "a list"}.get(type(value), "a number")
    return Misfit(f"the column {column.name} is of the type {column.type}, and got {of}", where)


def _shaped(shape: Shape, value: Any, column: Column) -> Any:
    try:
        return shape(value)
    except (ValueError, ArithmeticError) as error:
        # What Python says of a value shows it: only our own words go on.
        says = str(error) if type(error) is Unshaped else "it cannot be read as that"
        todo = "Take the tag away, or write a path whose values are that (lowBoundary() makes a partial date whole)."
        raise Misfit(
            f"a value of the column {column.name} is no {column.sql.name}: {says}", column.path.where, todo
        ) from None


def _product(parts: list[list[Row]]) -> list[Row]:
    """Each row of each part beside each of the others."""
    if len(parts) == 1:
        return parts[0]
    size = 1
    for part in parts:
        size *= len(part)
    if size > ROWS_LIMIT:
        raise Misfit(
            f"one resource gives more than {ROWS_LIMIT} rows", "ViewDefinition.select", "Make two views of it."
        )
    return [tuple(itertools.chain.from_iterable(rows)) for rows in itertools.product(*parts)]
