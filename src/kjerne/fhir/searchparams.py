"""R4's base search parameters per resource type, their paths compiled to a tree that is walked once per resource.

Parameters share paths (`code`, `combo-code`): what is indexed is the path (`Leaf`), and a search asks the leaves of its
parameter. A leaf's number stands in stored rows; it comes from the fixed base package, and moves only when that moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from kjerne.fhir import definitions
from kjerne.fhir.definitions import Parameter
from kjerne.fhir.paths import Path, Step, Where, parse

SUBJECT_CODES: Final = frozenset(("patient", "subject"))
"""Parameters that name whose record it is. Every search is inside one patient, so these are checked, not indexed."""

MAIN_DATES: Final = {
    "Observation": "date",
    "DiagnosticReport": "date",
    "ServiceRequest": "authored",
    "Specimen": "collected",
}
"""The parameter behind the columns date_from and date_to, where it is not `date` or the first of its kind."""

COLUMN_CODES: Final = frozenset(("_id", "_lastUpdated"))

_TYPES_BY_KIND: Final = {
    "token": "Coding CodeableConcept Identifier ContactPoint code boolean string id uri oid uuid canonical integer",
    "reference": "Reference canonical uri",
    "string": "string markdown HumanName Address code",
    "uri": "uri url canonical oid uuid",
    "date": "date dateTime instant Period Timing",
    "number": "integer decimal positiveInt unsignedInt Range",
    "quantity": "Quantity Age Duration Count Distance Money Range",
}
_ACCEPTED: Final = {kind: frozenset(types.split()) for kind, types in _TYPES_BY_KIND.items()}

Filter = Callable[[Any], bool]


@dataclass(frozen=True)
class Leaf:
    """One indexed place: the FHIR type found there, how it is searched, and the code system its code list implies."""

    number: int
    path: str
    type: str
    kind: str
    system: str
    many: bool


@dataclass(frozen=True)
class Component:
    """One part of a composite: the parameter that types it, how it is searched, and its tree from the root."""

    code: str
    kind: str
    tree: Node


@dataclass(frozen=True)
class SearchParameter:
    """A parameter of one type. `tree` leads to its own leaves; `composite` is (root tree, parts) for a composite."""

    code: str
    kind: str
    leaves: tuple[Leaf, ...]
    tree: Node
    targets: tuple[str, ...]
    url: str
    expression: str
    composite: tuple[Node, tuple[Component, ...]] | None = None


@dataclass(frozen=True)
class Node:
    """A step of the tree: by JSON name, the edges to follow. `leaves` are taken from the value that led here."""

    leaves: tuple[Leaf, ...]
    edges: Edges


Edges = dict[str, tuple[tuple[Filter | None, Node], ...]]


@dataclass(frozen=True)
class TypeSearch:
    """Everything about searching one type.

    `main` is the parameter behind the date columns, `main_leaves` its places; `main_exact`: the columns say it all.
    """

    type: str
    parameters: dict[str, SearchParameter]
    tree: Node
    main: str
    main_leaves: frozenset[int]
    main_exact: bool


def walk(node: Node, value: dict[str, Any]) -> list[tuple[Leaf, Any]]:
    """Every indexed value in a resource (or part of one) with its leaf."""
    found: list[tuple[Leaf, Any]] = []
    _walk(node.edges, value, found)
    return found


def ends(parameter: SearchParameter, types: Iterable[str]) -> list[str]:
    """To which of these types an include goes by a parameter; none where it is no reference, or one that names a resource by its
    canonical address, which is not followed."""
    if parameter.kind != "reference" or not any(leaf.type == "Reference" for leaf in parameter.leaves):
        return []
    return [one for one in types if not parameter.targets or one in parameter.targets]


def _walk(edges: Edges, value: dict[str, Any], found: list[tuple[Leaf, Any]]) -> None:
    for name, inner in value.items():
        if name in edges:
            for one in inner if type(inner) is list else (inner,):
                for test, target in edges[name]:
                    if one is not None and (test is None or test(one)):
                        for leaf in target.leaves:
                            found.append((leaf, one))  # noqa: PERF401 - a comprehension here costs a call each time
                        if target.edges and type(one) is dict:
                            _walk(target.edges, one, found)


_Keys = tuple[tuple[str, Where | None], ...]
_Key = tuple[_Keys, str, str]


@dataclass(frozen=True)
class _Place:
    """A compiled path: JSON names with tests, and what is there."""

    keys: _Keys
    type: str
    system: str
    many: bool


@cache
def type_search(type: str) -> TypeSearch:
    """The compiled parameters of a resource type; made at first use (a few ms)."""
    made = sorted(_parameters_of(type), key=lambda one: one.code)
    places = {one.code: _places(type, one) for one in made if one.kind in _ACCEPTED and one.code not in COLUMN_CODES}
    leaves = _numbered(made, places)
    parameters = {}
    for one in made:
        keys = {(place.keys, place.type, one.kind) for place in places.get(one.code, ())}
        parameters[one.code] = SearchParameter(
            code=one.code,
            kind=one.kind,
            leaves=tuple(sorted((leaves[key] for key in keys), key=lambda leaf: leaf.number)),
            tree=_tree({key: leaves[key] for key in keys}),
            targets=one.targets,
            url=one.url,
            expression=one.expression,
            composite=_composite(type, one),
        )
    indexed = {
        key: leaf
        for key, leaf in leaves.items()
        if any(leaf in parameter.leaves for parameter in parameters.values() if parameter.code not in SUBJECT_CODES)
    }
    main = _main_date(type, parameters)
    main_leaves = frozenset(leaf.number for leaf in parameters[main].leaves) if main else frozenset[int]()
    return TypeSearch(type, parameters, _tree(indexed), main, main_leaves, _is_exact(parameters, main))


def parameters(type: str) -> dict[str, SearchParameter]:
    """The search parameters of a type by code, those of every resource included."""
    return type_search(type).parameters


def _parameters_of(type: str) -> Iterator[Parameter]:
    seen: set[str] = set()
    for parameter in definitions.table().parameters:
        applies = {type, "Resource", "DomainResource"}.intersection(parameter.bases)
        if applies and parameter.code not in seen and parameter.kind != "special":
            seen.add(parameter.code)
            yield parameter


def _numbered(made: list[Parameter], places: dict[str, tuple[_Place, ...]]) -> dict[_Key, Leaf]:
    found: dict[_Key, _Place] = {}
    for one in made:
        for place in places.get(one.code, ()):
            found.setdefault((place.keys, place.type, one.kind), place)
    ordered = sorted(found.items(), key=lambda item: (_spelled(item[0][0]), item[0][1], item[0][2]))
    return {
        key: Leaf(number, _spelled(key[0]), place.type, key[2], place.system, place.many)
        for number, (key, place) in enumerate(ordered)
    }


def _spelled(keys: _Keys) -> str:
    return ".".join(name + (f"[{test.kind} {test.name} {test.value}]" if test else "") for name, test in keys)


def _places(type: str, parameter: Parameter) -> tuple[_Place, ...]:
    try:
        paths = parse(parameter.expression)
    except ValueError:
        return ()
    bases = {type, "Resource", "DomainResource"}
    found = [place for path in paths if path[0].name in bases for place in _resolve(type, path[1:], parameter.kind)]
    return tuple(dict.fromkeys(found))


def _resolve(type: str, path: Path, kind: str) -> Iterator[_Place]:
    """Follow the path through the definitions, one branch per type that a choice leaves open."""
    open_places = [_Place((), type, "", many=False)]
    for step in path:
        open_places = [after for place in open_places for after in _step(place, step)]
    for place in open_places:
        if place.type == "Extension" and place.keys:
            yield from (one for one in _step(place, Step("value")) if one.type in _ACCEPTED[kind])
        elif kind == "" or place.type in _ACCEPTED[kind]:
            yield place


def _step(place: _Place, step: Step) -> Iterator[_Place]:
    try:
        element = definitions.elements(place.type).get(step.name)
    except KeyError:
        return
    if element is None:
        return
    for type in element.types:
        if step.cast and type.lower() != step.cast.lower():
            continue
        name = element.name + type[0].upper() + type[1:] if element.choice else element.name
        system = element.system if type == "code" else ""
        yield _Place((*place.keys, (name, step.test)), type, system, place.many or element.many)


def _composite(type: str, parameter: Parameter) -> tuple[Node, tuple[Component, ...]] | None:
    """The roots of a composite and, from each root, its parts; None where a part leaves the subset of FHIRPath."""
    if parameter.kind != "composite":
        return None
    try:
        roots = [path[1:] for path in parse(parameter.expression) if path[0].name == type]
        parts = [parse(component.expression) for component in parameter.components]
    except ValueError:
        return None
    codes = {one.code: one.kind for one in _parameters_of(type)}
    kinds = [codes.get(component.code, "") for component in parameter.components]
    places = [place for root in roots for place in _resolve(type, root, "")]
    components = []
    for component, kind, paths in zip(parameter.components, kinds, parts, strict=True):
        found = {
            place for root in places for path in paths for place in _resolve(root.type, path, kind) if kind in _ACCEPTED
        }
        keyed = {
            (place.keys, place.type, kind): Leaf(0, "", place.type, kind, place.system, place.many) for place in found
        }
        if not found:
            # R4's own DocumentReference.relationship has the types of its parts swapped: nothing could ever match.
            return None
        components.append(Component(component.code, kind, _tree(keyed)))
    root_leaf = {(place.keys, place.type, ""): Leaf(0, "", place.type, "", "", place.many) for place in places}
    return _tree(root_leaf), tuple(components)


def _tree(leaves: dict[_Key, Leaf]) -> Node:
    return _node([(key[0], leaf) for key, leaf in leaves.items()])


def _node(rows: list[tuple[_Keys, Leaf]]) -> Node:
    here = tuple(leaf for keys, leaf in rows if not keys)
    grouped: dict[tuple[str, Where | None], list[tuple[_Keys, Leaf]]] = {}
    for keys, leaf in rows:
        if keys:
            grouped.setdefault(keys[0], []).append((keys[1:], leaf))
    edges: Edges = {}
    for (name, test), below in grouped.items():
        edges[name] = (*edges.get(name, ()), (_filter(test), _node(below)))
    return Node(here, edges)


def _filter(test: Where | None) -> Filter | None:
    if test is None or test.kind == "first":
        return None
    if test.kind == "equals":
        return lambda value: type(value) is dict and value.get(test.name) == test.value
    if test.kind == "extension":
        return lambda value: type(value) is dict and value.get("url") == test.value
    pattern = re.compile(rf"(?:^|/){re.escape(test.value)}/")
    return lambda value: type(value) is dict and _points_at(value, test.value, pattern)


def _points_at(reference: dict[str, Any], type: str, pattern: re.Pattern[str]) -> bool:
    """`resolve() is T`, judged by the reference itself: nothing is fetched."""
    text = reference.get("reference")
    return reference.get("type") == type or (isinstance(text, str) and pattern.search(text) is not None)


def _main_date(type: str, parameters: dict[str, SearchParameter]) -> str:
    dates = [
        one.code for one in parameters.values() if one.kind == "date" and one.code not in COLUMN_CODES and one.leaves
    ]
    for wanted in (MAIN_DATES.get(type, "date"), *dates):
        if wanted in dates:
            return wanted
    return ""


def _is_exact(parameters: dict[str, SearchParameter], main: str) -> bool:
    """Whether the date columns say all there is: at most one date per resource, and no other parameter shares it."""
    if not main or any(leaf.many for leaf in parameters[main].leaves):
        return False
    own = set(parameters[main].leaves)
    sharing = [one for one in parameters.values() if own.intersection(one.leaves)]
    return all(set(one.leaves) == own for one in sharing)
