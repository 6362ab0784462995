"""JSON Patch (RFC 6902) over a tree whose decimals are `Decimal`; paths are JSON Pointers (RFC 6901).

Why not a library: decision 27.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.patching import Growth, check_count, refused

MEDIA_TYPE: Final = "application/json-patch+json"
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_WITH_VALUE: Final = frozenset({"add", "replace", "test"})
_WITH_SOURCE: Final = frozenset({"move", "copy"})
OPERATIONS: Final = ("add", "remove", "replace", "move", "copy", "test")

Pointer = tuple[str, ...]
_NOTHING: Final = "there is nothing at this path"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, counted from 1. `path` is the pointer as sent, `steps` what it says; the same of `source` (`from`)."""

    number: int
    op: str
    path: str
    steps: Pointer
    source: Pointer = ()
    value: Any = None


def read(operations: Sequence[Any]) -> tuple[Operation, ...]:
    """The operations of a patch; members that RFC 6902 does not know are passed over, as it says (section 4)."""
    check_count(len(operations))
    if not operations:
        raise Refusal(400, "the patch has no operation", where="body", code="required")
    return tuple(_operation(number, one) for number, one in enumerate(operations, 1))


def _operation(number: int, sent: Any) -> Operation:
    if not isinstance(sent, dict):
        raise _malformed(number, "", "it is no object")
    op, path = sent.get("op"), sent.get("path")
    if not isinstance(path, str):
        raise _malformed(number, "", "path is missing")
    if op not in OPERATIONS:
        raise _malformed(number, path, f"op is one of {', '.join(OPERATIONS)}")
    if op in _WITH_VALUE and "value" not in sent:
        raise _malformed(number, path, "value is missing")
    source = sent.get("from")
    if op in _WITH_SOURCE and not isinstance(source, str):
        raise _malformed(number, path, "from is missing")
    steps = _steps(number, path)
    found = Operation(number, op, path, steps, _steps(number, source) if op in _WITH_SOURCE else (), sent.get("value"))
    if op == "move" and len(steps) > len(found.source) and steps[: len(found.source)] == found.source:
        raise _malformed(number, path, "a value is not moved into itself")
    return found


def _malformed(number: int, path: str, says: str) -> Refusal:
    return refused(number, path, says, status=400, code="structure")


def _steps(number: int, pointer: Any) -> Pointer:
    if pointer == "":
        return ()
    if not pointer.startswith("/") or _BAD_ESCAPE.search(pointer):
        raise _malformed(number, pointer, "a path is a JSON Pointer, such as /status")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def apply(tree: Any, operations: Sequence[Operation]) -> Any:
    """The tree after all operations, in their order. `tree` itself is changed, and half changed where this is refused; what the
    operations bring goes in as copies, so that they can be applied again.

    `Refusal` 409 where a test fails, 422 where an operation cannot be done.
    """
    growth = Growth()
    for one in operations:
        tree = _DONE[one.op](tree, one, growth)
    return tree


def _add(tree: Any, one: Operation, _: Growth) -> Any:
    return _put(tree, one, deepcopy(one.value))


def _put(tree: Any, one: Operation, value: Any) -> Any:
    if not one.steps:
        return value
    holder, last = _found(tree, one, one.steps[:-1]), one.steps[-1]
    if isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else _place(holder, one, last, len(holder)), value)
    elif isinstance(holder, dict):
        holder[last] = value
    else:
        raise refused(one.number, one.path, "what should hold the value can hold none")
    return tree


def _remove(tree: Any, one: Operation, _: Growth) -> Any:
    return _taken(tree, one, one.steps)[0]


def _taken(tree: Any, one: Operation, steps: Pointer) -> tuple[Any, Any]:
    """The tree without what is at `steps`, and that."""
    if not steps:
        raise refused(one.number, one.path, "the whole resource is not taken away by a patch")
    holder, last = _found(tree, one, steps[:-1]), steps[-1]
    if isinstance(holder, list):
        return tree, holder.pop(_place(holder, one, last, len(holder) - 1))
    if not isinstance(holder, dict) or last not in holder:
        raise refused(one.number, one.path, _NOTHING)
    return tree, holder.pop(last)


def _replace(tree: Any, one: Operation, _: Growth) -> Any:
    value = deepcopy(one.value)
    if not one.steps:
        return value
    holder, last = _found(tree, one, one.steps[:-1]), one.steps[-1]
    if isinstance(holder, list):
        holder[_place(holder, one, last, len(holder) - 1)] = value
    elif isinstance(holder, dict) and last in holder:
        # In its own place: the order of members stays as it was.
        holder[last] = value
    else:
        raise refused(one.number, one.path, _NOTHING)
    return tree


def _move(tree: Any, one: Operation, _: Growth) -> Any:
    if one.steps == one.source:
        _found(tree, one, one.source)
        return tree
    tree, value = _taken(tree, one, one.source)
    return _put(tree, one, value)


def _copy(tree: Any, one: Operation, growth: Growth) -> Any:
    value = _found(tree, one, one.source)
    growth.take(one.number, one.path, value)
    return _put(tree, one, deepcopy(value))


def _test(tree: Any, one: Operation, _: Growth) -> Any:
    if not same(_found(tree, one, one.steps), one.value):
        raise refused(one.number, one.path, "the test fails", status=409, code="conflict")
    return tree


_DONE: Final[dict[str, Callable[[Any, Operation, Growth], Any]]] = {
    "add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test,
}  # fmt: skip


def _found(tree: Any, one: Operation, steps: Pointer) -> Any:
    for step in steps:
        if isinstance(tree, list):
            tree = tree[_place(tree, one, step, len(tree) - 1)]
        elif isinstance(tree, dict) and step in tree:
            tree = tree[step]
        else:
            raise refused(one.number, one.path, _NOTHING)
    return tree


def _place(holder: list[Any], one: Operation, step: str, last: int) -> int:
    if not _INDEX.fullmatch(step) or int(step) > last:
        raise refused(one.number, one.path, f"the list has {len(holder)} items, and this is the place of none")
    return int(step)


def same(one: Any, other: Any) -> bool:
    """Equal as RFC 6902 section 4.6 has it: numbers by what they say, so 1.0 is 1, and true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
