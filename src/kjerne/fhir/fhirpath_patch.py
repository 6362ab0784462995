"""FHIRPath Patch: operations as Parameters, their places named by FHIRPath (R4 fhirpatch.html).

Lists of primitives keep the list beside them (`_given`) in step, and what an operation leaves empty is taken away, since R4
knows no empty object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.definitions import Element, table
from kjerne.fhir.effort import spend
from kjerne.fhir.patching import check_count, refused
from kjerne.fhir.places import Place, Step, element_of, json_names, members, parse, root_of, walk

OPERATIONS: Final = ("add", "insert", "delete", "replace", "move")
_WITH_VALUE: Final = frozenset({"add", "insert", "replace"})
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {"insert": ("index",), "move": ("source", "destination")}
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """What an operation brings: the value with its R4 type and what stands beside a primitive, or named parts of one."""

    type: str = ""
    value: Any = None
    beside: Any = None
    parts: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, counted from 1. `root` and `steps` are what `path` says; `at` the index of an insertion, or the
    source and destination of a move."""

    number: int
    type: str
    path: str
    root: str
    steps: tuple[Step, ...]
    name: str = ""
    at: tuple[int, ...] = ()
    value: Value = field(default_factory=Value)


def read(parameters: Mapping[str, Any]) -> tuple[Operation, ...]:
    """The operations of a valid Parameters resource. `Refusal` 400 for what is no patch."""
    sent = parameters.get("parameter", [])
    check_count(len(sent))
    if any(one.get("name") != "operation" for one in sent):
        raise Refusal(400, "each parameter of a patch is an operation", where="Parameters.parameter.name")
    return tuple(_operation(number, one.get("part", [])) for number, one in enumerate(sent, 1))


def _operation(number: int, parts: Sequence[Tree]) -> Operation:
    by_name = {part.get("name", ""): part for part in parts}
    type_, path = by_name.get("type", {}).get("valueCode"), by_name.get("path", {}).get("valueString")
    told = path if isinstance(path, str) else ""
    if "" in by_name:
        raise _malformed(number, told, "a part has no name")
    if len(by_name) != len(parts):
        raise _malformed(number, told, "a part stands twice")
    if type_ not in OPERATIONS:
        raise _malformed(number, "", f"type is a valueCode, one of {', '.join(OPERATIONS)}")
    if not isinstance(path, str):
        raise _malformed(number, "", "path is missing, a valueString")
    try:
        root, steps = parse(path)
    except ValueError as error:
        raise _malformed(number, path, str(error)) from None
    name = by_name.get("name", {}).get("valueString", "")
    if type_ == "add" and not name:
        raise _malformed(number, path, "name is missing, a valueString")
    if type_ in _WITH_VALUE and "value" not in by_name:
        raise _malformed(number, path, "value is missing")
    at = tuple(_index(number, path, by_name.get(one, {}), one) for one in _WHOLE.get(type_, ()))
    value = _value(number, path, by_name["value"]) if type_ in _WITH_VALUE else Value()
    return Operation(number, type_, path, root, steps, name, at, value)


def _malformed(number: int, path: str, says: str) -> Refusal:
    return refused(number, path, says, status=400, code="structure")


def _index(number: int, path: str, part: Tree, name: str) -> int:
    found = part.get("valueInteger", part.get("valueUnsignedInt"))
    if not isinstance(found, int) or found < 0:
        raise _malformed(number, path, f"{name} is missing, a valueInteger from 0 on")
    return found


def _value(number: int, path: str, part: Tree) -> Value:
    if "part" in part:
        if any("name" not in one for one in part["part"]):
            raise _malformed(number, path, "a part of the value has no name")
        return Value(parts=tuple((one["name"], _value(number, path, one)) for one in part["part"]))
    if "resource" in part:
        return Value(str(part["resource"]["resourceType"]), part["resource"])
    for name in part:
        bare = name.removeprefix("_")
        if bare.startswith("value"):
            return Value(bare[5:], part.get(bare), part.get("_" + bare))
    raise _malformed(number, path, "a value is value[x], a resource, or parts")


def apply(tree: Tree, operations: Sequence[Operation]) -> Tree:
    """The tree after all operations, in their order. `tree` itself is changed, and half changed where this is refused.

    `Refusal` 422 where an operation cannot be done.
    """
    for one in operations:
        try:
            _DONE[one.type](tree, one)
        except ValueError as error:
            raise refused(one.number, one.path, str(error)) from None
        _tidy(tree)
    return tree


def _one(tree: Tree, one: Operation, steps: Sequence[Step]) -> Place:
    found = walk([root_of(tree, one.root)], steps)
    if len(found) != 1:
        raise ValueError(
            "there is nothing at this path" if not found else f"the path leads to {len(found)} places, not one"
        )
    return found[0]


def _add(tree: Tree, one: Operation) -> None:
    place = _one(tree, one, one.steps)
    held = _opened(place)
    _fill(held, place.type, one.name, one.value)


def _opened(place: Place) -> Tree:
    """What the members of a place stand in; of a primitive it is made where there is none yet."""
    if (held := place.inside) is not None:
        return held
    made: Tree = {}
    if place.index is None:
        place.owner["_" + place.name] = made
    else:
        beside = _beside(place.owner, place.name)
        beside[place.index] = made
    return made


def _beside(owner: Tree, name: str) -> list[Any]:
    """The list beside a list of primitives, as long as it."""
    values = owner.setdefault(name, [])
    beside: list[Any] = owner.setdefault("_" + name, [])
    for one, other in ((values, beside), (beside, values)):
        one.extend([None] * (len(other) - len(one)))
    return beside


def _fill(held: Tree, type_: str, name: str, value: Value) -> None:
    """Adds an element to an object: at the end of its list, or where there is none yet."""
    element, json_name, built = _named(type_, name, value)
    if element.many:
        _place_in(held, json_name, len(held.get(json_name) or held.get("_" + json_name) or ()), built)
        return
    if any(known in held or "_" + known in held for known, _ in json_names(element)):
        raise ValueError(f"{element.name} is there already")
    _set(held, json_name, built)


def _named(type_: str, name: str, value: Value) -> tuple[Element, str, Value]:
    """The element that a name says, its name in JSON for this value, and the value put together."""
    wanted = name.removesuffix("[x]")
    try:
        element = element_of(type_, wanted)
    except ValueError:
        element = _choice(type_, wanted)
    names = json_names(element)
    if element.choice:
        names = [pair for pair in names if pair[0] == element.name + value.type and wanted in (element.name, pair[0])]
    if not names:
        raise ValueError(f"{element.name} has no value of this type")
    json_name, of = names[0]
    return element, json_name, _built(of, element, value)


def _choice(type_: str, name: str) -> Element:
    """The choice of types that a name in JSON belongs to, `valueQuantity` to `value`."""
    for end in range(len(name) - 1, 0, -1):
        try:
            element = element_of(type_, name[:end])
        except ValueError:
            continue
        if element.choice:
            return element
    raise ValueError(f"{type_} has no element of this name")


def _built(type_: str, element: Element, value: Value) -> Value:
    kinds = table().kinds
    if value.parts:
        held: Tree = {}
        for name, part in value.parts:
            _fill(held, type_, name, part)
        return Value(type_, held)
    primitive = kinds.get(type_) == "primitive-type"
    sent = _kinds_in_any_case().get(value.type.lower(), "")
    # Which primitive does not matter, but for a choice: the outcome is validated as any resource is.
    fits = sent == "primitive-type" if primitive else value.type in (type_, *element.types)
    if not fits and not (type_ == "Resource" and sent == "resource"):
        raise ValueError(f"{element.name} has no value of this type")
    # A copy: what later operations do to it must not be in this one when it is applied again.
    return deepcopy(value)


@cache
def _kinds_in_any_case() -> dict[str, str]:
    """The kind of each type by its name in lower case: `valueDateTime` says `DateTime`."""
    return {name.lower(): kind for name, kind in table().kinds.items()}


def _set(held: Tree, name: str, value: Value) -> None:
    for key, part in ((name, value.value), ("_" + name, value.beside)):
        if part is not None:
            held[key] = part


def _place_in(held: Tree, name: str, at: int, value: Value) -> None:
    if value.beside is not None or "_" + name in held:
        _beside(held, name).insert(at, value.beside)
    held.setdefault(name, []).insert(at, value.value)


def _listed(tree: Tree, one: Operation) -> tuple[Tree, str, str, Element, int]:
    """The object that holds the list of a path, its name there and type, its element, and how many are in it."""
    if not one.steps or one.steps[-1].kind != "member":
        raise ValueError("the path does not end with the name of a list")
    holder = _one(tree, one, one.steps[:-1])
    element = element_of(holder.type, one.steps[-1].name)
    if not element.many:
        raise ValueError(f"{element.name} is no list")
    return _opened(holder), element.name, holder.type, element, len(members(holder, element.name))


def _insert(tree: Tree, one: Operation) -> None:
    held, name, type_, _, count = _listed(tree, one)
    (at,) = one.at
    if at > count:
        raise ValueError(f"the list has {count} items, and this is the place of none")
    _place_in(held, name, at, _named(type_, name, one.value)[2])


def _move(tree: Tree, one: Operation) -> None:
    held, name, _, _, count = _listed(tree, one)
    if max(one.at) >= count:
        raise ValueError(f"the list has {count} items, and this is the place of none")
    source, destination = one.at
    if "_" + name in held:
        _beside(held, name)
    for key in (name, "_" + name):
        if key in held:
            held[key].insert(destination, held[key].pop(source))


def _delete(tree: Tree, one: Operation) -> None:
    found = walk([root_of(tree, one.root)], one.steps)
    if not one.steps or len(found) > 1:
        raise ValueError(
            f"the path leads to {len(found)} places, not one" if one.steps else "the resource itself stays"
        )
    for place in found:
        if place.index is None:
            place.owner.pop(place.name, None)
            place.owner.pop("_" + place.name, None)
        else:
            for key in (place.name, "_" + place.name):
                if place.index < len(place.owner.get(key, ())):
                    place.owner[key].pop(place.index)


def _replace(tree: Tree, one: Operation) -> None:
    place = _one(tree, one, one.steps)
    if not one.steps:
        raise ValueError("the resource itself stays")
    holder, element = _holder(tree, one, place)
    _, json_name, built = _named(holder, element, one.value)
    if place.index is None:
        _renamed(place.owner, place.name, json_name)
        place.owner.pop("_" + json_name, None)
        _set(place.owner, json_name, built)
        return
    place.owner[place.name][place.index] = built.value
    if built.beside is not None or "_" + place.name in place.owner:
        _beside(place.owner, place.name)[place.index] = built.beside


def _holder(tree: Tree, one: Operation, place: Place) -> tuple[str, str]:
    """The type of the object that a place stands in, and the name of its element there."""
    last = max(at for at, step in enumerate(one.steps) if step.kind in ("member", "extension"))
    name = one.steps[last].name if one.steps[last].kind == "member" else "extension"
    for holder in walk([root_of(tree, one.root)], one.steps[:last]):
        if holder.inside is place.owner:
            return holder.type, name
    raise ValueError("there is nothing at this path")


def _renamed(owner: Tree, old: str, new: str) -> None:
    """A member under another name in the same place, as a choice has it with a value of another type."""
    if old != new:
        kept = {(new if key == old else key): value for key, value in owner.items() if key != "_" + old}
        owner.clear()
        owner.update(kept)


def _tidy(tree: Tree) -> None:
    """Takes away what has become empty, at any depth."""
    spend(1)
    for name, value in list(tree.items()):
        items = value if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, dict):
                _tidy(item)
        if isinstance(value, list):
            # The list beside primitives keeps its length, any other loses what is empty.
            beside = name.startswith("_")
            value[:] = [None if item == {} else item for item in value if beside or item != {}]
        if value == {} or (isinstance(value, list) and all(item is None for item in value)):
            del tree[name]


_DONE: Final[dict[str, Callable[[Tree, Operation], None]]] = {
    "add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move,
}  # fmt: skip
