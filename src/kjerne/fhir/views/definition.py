"""A ViewDefinition read: each member known, each path compiled, each column of one type; else a `Refusal` that says where.

A member that is not known is refused and never left out of account, since a table would then be another than the one asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.fhirpath.calling import Expression
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import known_type, members
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.reading import Term, parse, variables
from kjerne.fhir.fhirpath.values import PRIMITIVES, Items, Node, plain
from kjerne.fhir.views.columns import SqlType, accepts, sql_type
from kjerne.fhir.views.inferring import Scope, Types, infer
from kjerne.fhir.views.shortcuts import shortcut

DEPTH_LIMIT: Final = 20
COLUMNS_LIMIT: Final = 1_000

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_RESOURCE_MEMBERS: Final = frozenset(
    """
    resourceType id meta implicitRules language text contained extension url identifier version versionAlgorithmString
    versionAlgorithmCoding name title status experimental date publisher contact description useContext jurisdiction purpose
    copyright copyrightLabel resource profile fhirVersion constant select where
    """.split()
)
_SELECT_MEMBERS: Final = frozenset("id extension column select forEach forEachOrNull repeat unionAll".split())
_COLUMN_MEMBERS: Final = frozenset("id extension path name description collection type tag".split())
_WHERE_MEMBERS: Final = frozenset("id extension path description".split())
_ADDRESSES: Final = ("http://hl7.org/fhir/StructureDefinition/", "http://hl7.org/fhirpath/System.")
_BUILT_IN: Final = frozenset("resource rootResource context ucum sct loinc rowIndex".split())
_ITERATING: Final = ("forEach", "forEachOrNull", "repeat")
_NOT_AT_HAND: Final = {
    "resolve": "Join the views by getReferenceKey() instead.",
    "conformsTo": "Ask for what the profile asks for.",
    "trace": "Leave it out.",
}
_CONSTANT_TYPES: Final = {
    f"value{name[0].upper()}{name[1:]}": name
    for name in """
    base64Binary boolean canonical code date dateTime decimal id instant integer integer64 oid string positiveInt time
    unsignedInt uri url uuid
    """.split()
}


@dataclass(frozen=True)
class Path:
    """An expression and its place in the view. `direct` reads its values from the JSON of an element of the type `start`."""

    text: str
    where: str
    run: Expression
    types: Types = None
    start: str = ""
    direct: Callable[[Any], list[Any]] | None = None


@dataclass(frozen=True)
class Column:
    """A column: `type` is what the view says, else what its path tells, else empty (any primitive)."""

    name: str
    path: Path
    type: str
    sql: SqlType
    collection: bool
    description: str


@dataclass(frozen=True)
class Select:
    """A selection structure: for each of `paths` (by `mode`, empty: once), columns beside selects beside a union."""

    mode: str
    paths: tuple[Path, ...]
    columns: tuple[Column, ...]
    selects: tuple[Select, ...]
    unions: tuple[Select, ...]

    def all_columns(self) -> Iterator[Column]:
        """In the order of the table: own ones, those of nested selects, those of the union."""
        yield from self.columns
        for one in self.selects:
            yield from one.all_columns()
        if self.unions:
            yield from self.unions[0].all_columns()


@dataclass(frozen=True)
class View:
    """A view that can be run. `notes` say what in it finds nothing in R4."""

    name: str
    title: str
    description: str
    resource: str
    constants: dict[str, Items]
    where: tuple[Path, ...]
    selects: tuple[Select, ...]
    counts_rows: bool
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in order."""
        return tuple(column for select in self.selects for column in select.all_columns())


def read(tree: Any, name: str = "") -> View:
    """The view of a ViewDefinition; `name` is its name where it says none. `Refusal` (422) with the place of what is wrong."""
    _object(tree, "ViewDefinition", frozenset(("resource", "select")), _RESOURCE_MEMBERS)
    if tree.get("resourceType", "ViewDefinition") != "ViewDefinition":
        raise _wrong("it is a resource of another type", "ViewDefinition.resourceType")
    resource = tree["resource"]
    if type(resource) is not str or resource not in TYPES:
        raise _wrong("R4 has no such type of resource", "ViewDefinition.resource", "Write Patient, Observation ...")
    _check_version(tree)
    constants = dict(_constants(tree))
    reader = _Reader(Scope(resource, {one: node.type for one, node in constants.items()}))
    view = View(
        name=_name(tree["name"], "ViewDefinition.name") if "name" in tree else name,
        title=_string(tree, "title", "ViewDefinition"),
        description=_string(tree, "description", "ViewDefinition"),
        resource=resource,
        constants={one: [plain(node)] for one, node in constants.items()},
        where=tuple(reader.where(tree)),
        selects=tuple(reader.selects(tree["select"], "ViewDefinition.select", frozenset((resource,)), 0)),
        counts_rows=reader.counts_rows,
        notes=tuple(dict.fromkeys(reader.notes)),
    )
    _check_names(view)
    return view


@dataclass
class _Reader:
    """What is gathered while a view is read."""

    scope: Scope
    notes: list[str] = field(default_factory=list)
    counts_rows: bool = False

    def where(self, tree: Mapping[str, Any]) -> Iterator[Path]:
        for place, one in _listed(tree, "where", "ViewDefinition"):
            _object(one, place, frozenset(("path",)), _WHERE_MEMBERS)
            path = self.path(one["path"], f"{place}.path", frozenset((self.scope.resource,)))
            if path.types and "boolean" not in path.types:
                raise _wrong("a condition is true or false", path.where, "Compare it, or end it with .exists().")
            yield path

    def selects(self, found: Any, where: str, this: Types, depth: int) -> Iterator[Select]:
        if type(found) is not list or not found:
            raise _wrong("it is a list with something in it", where)
        if depth > DEPTH_LIMIT:
            raise _wrong(f"selects lie within each other more than {DEPTH_LIMIT} deep", where)
        for place, one in enumerate(found):
            yield self.select(one, f"{where}[{place}]", this, depth)

    def select(self, found: Any, where: str, this: Types, depth: int) -> Select:
        _object(found, where, frozenset(), _SELECT_MEMBERS)
        modes = [mode for mode in _ITERATING if mode in found]
        if len(modes) > 1:
            raise _wrong(f"{' and '.join(modes)} stand together", where, "Put one of them in a select within.")
        mode = modes[0] if modes else ""
        paths = tuple(self.iterated(found, mode, where, this)) if mode else ()
        inner = this if not paths else _together(path.types for path in paths)
        unions: tuple[Select, ...] = ()
        columns = tuple(self.column(one, place, inner) for place, one in _listed(found, "column", where))
        selects = tuple(self.selects(found["select"], f"{where}.select", inner, depth + 1)) if "select" in found else ()
        if "unionAll" in found:
            unions = tuple(self.selects(found["unionAll"], f"{where}.unionAll", inner, depth + 1))
            _check_union(unions, f"{where}.unionAll")
        if not columns and not selects and not unions:
            raise _wrong("it has no column, no select and no unionAll", where, "Give it a column.")
        return Select(mode, paths, columns, selects, unions)

    def iterated(self, found: Mapping[str, Any], mode: str, where: str, this: Types) -> Iterator[Path]:
        if mode != "repeat":
            yield self.path(found[mode], f"{where}.{mode}", this)
            return
        paths = found[mode]
        if type(paths) is not list or not paths:
            raise _wrong("it is a list of paths", f"{where}.repeat", 'Write ["item"].')
        read = [self.path(one, f"{where}.repeat[{place}]", None) for place, one in enumerate(paths)]
        within = self.within(read, this)
        for path in read:
            yield Path(path.text, path.where, path.run, within)

    def within(self, paths: list[Path], this: Types) -> Types:
        """The types of what is repeated: the paths go on from what they find, so that is asked until nothing is new."""
        seen = this
        while True:
            notes: list[str] = []
            found = _together([self.types_of(parse(path.text), path.where, seen, notes) for path in paths])
            if found is None or seen is None or found <= seen:
                self.notes += notes
                return found
            seen |= found

    def types_of(self, term: Term, where: str, this: Types, notes: list[str]) -> Types:
        """What a path leads to; what R4 does not have goes to `notes`."""
        types = infer(term, this, self.scope)
        notes += [f"{where}: {one}, so nothing is found there" for one in self.scope.unknown]
        self.scope.unknown.clear()
        return types

    def column(self, found: Any, where: str, this: Types) -> Column:
        _object(found, where, frozenset(("path", "name")), _COLUMN_MEMBERS)
        name = _name(found["name"], f"{where}.name")
        collection = found.get("collection", False)
        if type(collection) is not bool:
            raise _wrong("it is true or false", f"{where}.collection")
        path = self.path(found["path"], f"{where}.path", this)
        type_ = _type(found, path, where)
        tags = dict(_tags(found, where))
        tag = tags.get("ansi/type", "")
        try:
            sql = sql_type(type_, tag)
        except ValueError:
            todo = "Write BOOLEAN, INTEGER, BIGINT, DECIMAL(18,6), DOUBLE PRECISION, DATE, TIMESTAMP WITH TIME ZONE ..."
            raise _wrong("the tag ansi/type names no type of SQL that is known here", f"{where}.tag", todo) from None
        return Column(name, path, type_, sql, collection, _string(found, "description", where))

    def path(self, text: Any, where: str, this: Types) -> Path:
        if type(text) is not str or not text.strip():
            raise _wrong("a path is a text", where)
        try:
            run, term, used = compiled(text), parse(text), variables(text)
        except (ValueError, Misuse) as error:
            raise _wrong(f"the path cannot be read: {error}", where) from None
        except RecursionError:
            raise _wrong("the path is too deep", where) from None
        for one in sorted(used - _BUILT_IN - self.scope.constants.keys()):
            if not one.startswith(("vs-", "ext-")):
                raise _wrong(f"there is no constant {one}", where, "Declare it in ViewDefinition.constant.")
        for name in _called(term):
            if name in _NOT_AT_HAND:
                raise _wrong(f"a view cannot ask {name}()", where, _NOT_AT_HAND[name])
        self.counts_rows |= "rowIndex" in used
        start = next(iter(this)) if this is not None and len(this) == 1 else ""
        direct = shortcut(term, start) if start else None
        return Path(text, where, run, self.types_of(term, where, this, self.notes), start, direct)


def _together(parts: Iterator[Types] | list[Types]) -> Types:
    found: set[str] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found)


def _called(term: Term) -> Iterator[str]:
    rest = [term]
    while rest:
        one = rest.pop()
        rest.extend(one.parts)
        if one.kind == "call":
            yield str(one.value)


def _type(found: Mapping[str, Any], path: Path, where: str) -> str:
    """The type of a column: what it says, held against its path, else the path's where that has one type."""
    if "type" not in found:
        if not path.types:
            return ""
        if not path.types & (PRIMITIVES | {"xhtml"}):
            what = " or ".join(sorted(path.types)[:3])
            raise _wrong(
                f"the path leads to a structure ({what})", path.where, "Name the column's type, or go on to a part."
            )
        return next(iter(path.types)) if len(path.types) == 1 else ""
    named = found["type"]
    if type(named) is not str:
        raise _wrong("a type is a text", f"{where}.type")
    bare = named
    for address in _ADDRESSES:
        bare = bare.removeprefix(address)
    if bare != named and named.startswith(_ADDRESSES[1]):
        bare = bare[0].lower() + bare[1:]
    if not known_type(bare) and not members(bare):
        raise _wrong("R4 has no such type", f"{where}.type", "Write string, code, dateTime, decimal, Coding ...")
    if path.types and not any(accepts(bare, one) for one in path.types):
        what = " or ".join(sorted(path.types)[:3])
        raise _wrong(f"the column is of the type {bare}, and its path of {what}", f"{where}.type")
    return bare


def _constants(tree: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    seen: set[str] = set()
    for place, one in _listed(tree, "constant", "ViewDefinition"):
        _object(one, place, frozenset(("name",)), frozenset(("id", "extension", "name", *_CONSTANT_TYPES)))
        name = _name(one["name"], f"{place}.name")
        values = [member for member in one if member in _CONSTANT_TYPES]
        if len(values) != 1:
            raise _wrong("a constant has one value", place, "Write valueString, valueCode, valueDecimal ...")
        of = _CONSTANT_TYPES[values[0]]
        if name in _BUILT_IN or name in seen:
            raise _wrong("there is a variable of that name already", f"{place}.name")
        seen.add(name)
        value = one[values[0]]
        if of in ("integer", "positiveInt", "unsignedInt"):
            fits = type(value) is int
        elif of == "boolean":
            fits = type(value) is bool
        elif of == "decimal":
            value = Decimal(repr(value)) if type(value) is float else value
            fits = type(value) is int or type(value) is Decimal
        else:
            fits = type(value) is str
        if not fits:
            raise _wrong(f"its value is no {of}", f"{place}.{values[0]}")
        yield name, Node(value, of)


def _tags(found: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for place, one in _listed(found, "tag", where):
        _object(one, place, frozenset(("name", "value")), frozenset(("id", "extension", "name", "value")))
        yield _string(one, "name", place), _string(one, "value", place)


def _check_union(unions: tuple[Select, ...], where: str) -> None:
    first = [(column.name, column.type) for column in unions[0].all_columns()]
    for place, union in enumerate(unions):
        columns = list(union.all_columns())
        if [column.name for column in columns] != [name for name, _ in first]:
            todo = "Give each select of a unionAll the same names in the same order."
            raise _wrong("its columns are not those of the first", f"{where}[{place}]", todo)
        for column, (name, of) in zip(columns, first, strict=True):
            if of and column.type and not (accepts(of, column.type) or accepts(column.type, of)):
                raise _wrong(f"the column {name} is of another type than in the first", f"{where}[{place}]")


def _check_names(view: View) -> None:
    seen: set[str] = set()
    for column in view.columns:
        folded = column.name.lower()
        if folded in seen:
            where = column.path.where.removesuffix(".path")
            raise _wrong(f"two columns are called {column.name}", where, "In SQL, letters' case is no difference.")
        seen.add(folded)
    if not seen:
        raise _wrong("the view has no column", "ViewDefinition.select")
    if len(seen) > COLUMNS_LIMIT:
        raise _wrong(f"the view has more than {COLUMNS_LIMIT} columns", "ViewDefinition.select")


def _check_version(tree: Mapping[str, Any]) -> None:
    versions = tree.get("fhirVersion", [])
    if type(versions) is not list or (versions and not any(str(one).startswith("4.0") for one in versions)):
        raise _wrong("it is made for another version than R4 (4.0)", "ViewDefinition.fhirVersion")


def _object(found: Any, where: str, required: frozenset[str], known: frozenset[str]) -> None:
    if type(found) is not dict:
        raise _wrong("it is a JSON object", where)
    for name in sorted(required - found.keys()):
        raise _wrong(f"it has no {name}", where, f"Write {name}.")
    for name in found:
        if name.removeprefix("_") not in known:
            shown = name if _NAME.fullmatch(name) else "a member"
            raise _wrong(f"{shown} is not known here", where, f"It may have {', '.join(sorted(known))}.")


def _listed(found: Mapping[str, Any], name: str, where: str) -> Iterator[tuple[str, Any]]:
    many = found.get(name, [])
    if type(many) is not list:
        raise _wrong("it is a list", f"{where}.{name}")
    for place, one in enumerate(many):
        yield f"{where}.{name}[{place}]", one


def _name(found: Any, where: str) -> str:
    if type(found) is not str or not _NAME.fullmatch(found):
        raise _wrong("a name is letters, digits and _, and begins with a letter", where)
    return found


def _string(found: Mapping[str, Any], name: str, where: str) -> str:
    value = found.get(name, "")
    if type(value) is not str:
        raise _wrong("it is a text", f"{where}.{name}")
    return value


def _wrong(says: str, where: str, todo: str = "") -> Refusal:
    return Refusal(422, says, where=where, todo=todo, code="invalid")
