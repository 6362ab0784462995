"""Steps through a resource: members by name, children, types; over JSON as it was parsed."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from kjerne.fhir import definitions
from kjerne.fhir.effort import spend
from kjerne.fhir.fhirpath.values import PRIMITIVES, Item, Items, Node, Quantity, Temporal

_TYPES: Final = frozenset(definitions.TYPES)
_SYSTEM: Final = {bool: "Boolean", str: "String", int: "Integer"}
_PRIMITIVE_PARENTS: Final = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "oid", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}
_COMPLEX_PARENTS: Final = {
    **dict.fromkeys(("Age", "Count", "Distance", "Duration"), "Quantity"),
    **dict.fromkeys(("Bundle", "Parameters", "Binary"), "Resource"),
    **dict.fromkeys(("Dosage", "Timing", "ElementDefinition"), "BackboneElement"),
}
_SYSTEM_NAMES: Final = frozenset("Boolean String Integer Decimal Date DateTime Time Quantity".split())

FREE_ITEMS: Final = 8
"""A path through fewer is a part of what its expression costs anyway."""
CHILDREN_STEPS: Final = 4
"""Every element that a type has is asked for."""


@cache
def members(type: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """A type's elements by FHIRPath name (`value`): their JSON names and types (`valueQuantity`, `Quantity`)."""
    if type == "TypeInfo":
        return {"namespace": (("namespace", "string"),), "name": (("name", "string"),)}
    if type not in definitions.table().elements:
        return {}
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for element in definitions.elements(type).values():
        if element.choice:
            found[element.name] = tuple((element.name + of[0].upper() + of[1:], of) for of in element.types)
        else:
            found[element.name] = ((element.name, element.types[0]),)
    return found


def root(tree: dict[str, Any]) -> Node:
    """The node of a resource."""
    return Node(tree, str(tree.get("resourceType", "")))


def step(items: Items, name: str) -> Items:
    """The members of that name of every item."""
    found: Items = []
    for item in items:
        if type(item) is Node:
            _member(item, name, found)
    if len(items) + len(found) > FREE_ITEMS:
        spend(len(items) + len(found))
    return found


def _member(node: Node, name: str, found: Items) -> None:
    value = node.value
    if type(value) is not dict:
        if type(node.beside) is dict and name in ("extension", "id"):
            _append(node.beside.get(name), None, "Extension" if name == "extension" else "string", found)
        elif name == "value" and value is not None and node.type in PRIMITIVES:
            found.append(node)  # R4 defines each primitive as a type with a value
        return
    for key, of in members(node.type).get(name, ()):
        if key in value or f"_{key}" in value:
            _append(value.get(key), value.get(f"_{key}"), of, found)


def _append(value: Any, beside: Any, of: str, found: Items) -> None:
    if type(value) is list or type(beside) is list:
        values = value if type(value) is list else []
        shadows = beside if type(beside) is list else []
        for place in range(max(len(values), len(shadows))):
            one = values[place] if place < len(values) else None
            shadow = shadows[place] if place < len(shadows) else None
            if one is not None or shadow is not None:
                found.append(_node(one, of, shadow))
    elif value is not None or beside is not None:
        found.append(_node(value, of, beside))


def _node(value: Any, of: str, beside: Any) -> Node:
    if of == "Resource" and type(value) is dict:
        named = value.get("resourceType")
        of = named if type(named) is str and named in _TYPES else of
    return Node(value, of, beside)


def children(items: Items) -> Items:
    """Every member of every item, in the order of the definitions."""
    found: Items = []
    for item in items:
        if type(item) is not Node:
            continue
        if type(item.value) is dict:
            for name in members(item.type):
                _member(item, name, found)
        elif type(item.beside) is dict:
            for name in ("id", "extension"):
                _member(item, name, found)
        spend(CHILDREN_STEPS)
    return found


def descendants(items: Items) -> Items:
    """Children, their children and so on; not the items themselves."""
    found: Items = []
    level = children(items)
    while level:
        found += level
        level = children(level)
    return found


def type_of(item: Item) -> tuple[str, str]:
    """(namespace, name) of an item's type."""
    if type(item) is Node:
        return "FHIR", ("BackboneElement" if "." in item.type else item.type)
    if type(item) is Quantity:
        return "System", "Quantity"
    if type(item) is Temporal:
        return "System", item.kind
    return "System", _SYSTEM.get(type(item), "Decimal")


def is_type(item: Item, wanted: str) -> bool:
    """Whether an item is of a type or of one that it specialises."""
    space, name = type_of(item)
    if wanted.startswith("System."):
        return space == "System" and name == wanted[7:]
    named = wanted.removeprefix("FHIR.")
    if space == "System":
        return name == named and named == wanted
    if named in _SYSTEM_NAMES and named == wanted and named != "Quantity":
        return False
    return named in _line(name)


@cache
def _line(name: str) -> frozenset[str]:
    """A type and those above it."""
    line = {name}
    if name in PRIMITIVES:
        return frozenset(line | {_PRIMITIVE_PARENTS.get(name, name), "Element"})
    parent = _COMPLEX_PARENTS.get(name, "")
    if name in _TYPES:
        line |= {"Resource"} if parent == "Resource" else {"DomainResource", "Resource"}
    else:
        line |= {parent, "Element"} - {""}
    return frozenset(line)


def known_type(name: str) -> bool:
    """Whether R4 or FHIRPath has a type of this name."""
    name = name.removeprefix("System.")
    bare = name.removeprefix("FHIR.")
    return bare in definitions.table().elements or bare in PRIMITIVES or bare in _SYSTEM_NAMES or bare in _ABOVE


_ABOVE: Final = frozenset(("Resource", "DomainResource", "Element", "BackboneElement"))
