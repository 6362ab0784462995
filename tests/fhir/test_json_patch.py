"""JSON Patch: what RFC 6902 says, decimals and order as they were, and a refusal that names the operation."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.encode import encode
from kjerne.fhir.json_patch import apply, read, same


def patched(tree: Any, *operations: dict[str, Any]) -> Any:
    return apply(deepcopy(tree), read(operations))


def refusal(tree: Any, *operations: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        apply(deepcopy(tree), read(operations))
    return caught.value


RESULT = {
    "status": "final",
    "code": {"coding": [{"code": "a"}, {"code": "b"}]},
    "valueQuantity": {"value": Decimal("1.10")},
}


def test_what_is_not_touched_keeps_its_digits_and_its_order() -> None:
    after = patched(RESULT, {"op": "replace", "path": "/status", "value": "amended"})
    assert encode(after) == encode(RESULT).replace(b"final", b"amended")


def test_operations_are_done_one_after_another() -> None:
    after = patched(
        RESULT,
        {"op": "add", "path": "/note", "value": [{"text": "one"}]},
        {"op": "copy", "from": "/note/0", "path": "/note/-"},
        {"op": "replace", "path": "/note/1/text", "value": "two"},
        {"op": "move", "from": "/code/coding/1", "path": "/code/coding/0"},
        {"op": "remove", "path": "/valueQuantity"},
        {"op": "test", "path": "/note/0/text", "value": "one"},
    )
    assert after == {
        "status": "final",
        "code": {"coding": [{"code": "b"}, {"code": "a"}]},
        "note": [{"text": "one"}, {"text": "two"}],
    }


@pytest.mark.parametrize(
    ("operation", "status", "says"),
    [
        ({"op": "remove", "path": "/nothing"}, 422, "nothing at this path"),
        ({"op": "replace", "path": "/nothing", "value": 1}, 422, "nothing at this path"),
        ({"op": "replace", "path": "/code/coding/2", "value": 1}, 422, "the list has 2 items"),
        ({"op": "add", "path": "/code/coding/3", "value": 1}, 422, "the list has 2 items"),
        ({"op": "add", "path": "/code/coding/01", "value": 1}, 422, "the place of none"),
        ({"op": "remove", "path": "/code/coding/-"}, 422, "the place of none"),
        ({"op": "add", "path": "/status/x", "value": 1}, 422, "can hold none"),
        ({"op": "remove", "path": ""}, 422, "not taken away"),
        ({"op": "test", "path": "/status", "value": "amended"}, 409, "the test fails"),
        ({"op": "move", "from": "/code", "path": "/code/x"}, 400, "into itself"),
        ({"op": "copy", "path": "/x"}, 400, "from is missing"),
        ({"op": "add", "path": "/x"}, 400, "value is missing"),
        ({"op": "add", "value": 1}, 400, "path is missing"),
        ({"op": "add", "path": "status", "value": 1}, 400, "JSON Pointer"),
        ({"op": "add", "path": "/a~2b", "value": 1}, 400, "JSON Pointer"),
        ({"op": "merge", "path": "/status"}, 400, "op is one of"),
        ("x", 400, "no object"),
    ],
)
def test_a_refusal_names_the_operation_and_its_path(operation: Any, status: int, says: str) -> None:
    told = refusal(RESULT, {"op": "test", "path": "/status", "value": "final"}, operation)
    assert (told.status, says in told.says) == (status, True)
    assert told.says.startswith("operation 2:")
    path = operation.get("path", "") if isinstance(operation, dict) else ""
    assert told.where == (f"operation 2, {path}" if path else "operation 2")


def test_a_path_in_which_a_number_may_stand_is_not_repeated() -> None:
    for path in ("/subject/13868099910", "/" + "a" * 300, "/navn på noe"):
        told = refusal(RESULT, {"op": "remove", "path": path})
        assert told.where == "operation 1, (path not shown)"
        assert path not in str(told)


def test_no_patch_makes_a_document_that_fills_the_memory() -> None:
    grows = [{"op": "copy", "from": "", "path": f"/x{number}"} for number in range(60)]
    assert refusal({"text": "x" * 1000}, *grows).status == 413
    many = [{"op": "test", "path": "/status", "value": "final"}] * 101
    assert refusal(RESULT, *many).status == 413
    assert refusal(RESULT).status == 400, "and one without operations says nothing"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, Decimal("1.0"), True), (Decimal("1.10"), Decimal("1.1"), True), (True, 1, False), (False, 0, False),
        ("1", 1, False), (None, None, True), ([1, 2], [2, 1], False), ({"a": 1, "b": [True]}, {"b": [True], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False), ([1], {"0": 1}, False),
    ],
)  # fmt: skip
def test_values_are_compared_as_json_has_them(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Whatever JSON a resource could be made of; numbers as the strict reader gives them.
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.integers(-99, 99).map(lambda number: Decimal(number) / 10)
    | st.text(max_size=4)
)
names = st.text("ab/~0", max_size=3)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
documents = st.dictionaries(names, values, max_size=4)


def difference(before: Any, after: Any, at: str = "") -> list[dict[str, Any]]:
    """A patch from one document to another, the simplest that there is: what the property needs, and no more."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[dict[str, Any]] = []
        for name in before.keys() | after.keys():
            path = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                found.append({"op": "remove", "path": path})
            elif name not in before:
                found.append({"op": "add", "path": path, "value": after[name]})
            else:
                found += difference(before[name], after[name], path)
        return found
    return [] if same(before, after) else [{"op": "replace", "path": at, "value": after}]


@QUICK
@given(documents, documents)
def test_a_patch_leads_there_and_its_inverse_back(before: Any, after: Any) -> None:
    there, back = difference(before, after), difference(after, before)
    if there and max(len(there), len(back)) <= 100:
        assert same(patched(before, *there), after)
        assert same(patched(patched(before, *there), *back), before)


@QUICK
@given(documents, documents)
def test_what_replaces_and_tests_does_the_same_twice(before: Any, after: Any) -> None:
    twice = [one for one in difference(before, after) if one["op"] == "replace"]
    twice += [{"op": "test", "path": one["path"], "value": one["value"]} for one in twice]
    if twice and len(twice) <= 100:
        once = patched(before, *twice)
        assert same(patched(once, *twice), once)


operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": st.lists(names | st.sampled_from(["0", "1", "-"]), max_size=3).map(
            lambda steps: "".join(f"/{s}" for s in steps)
        ),
        "from": st.lists(names | st.sampled_from(["0", "1"]), max_size=3).map(
            lambda steps: "".join(f"/{s}" for s in steps)
        ),
        "value": values,
    }
)


@QUICK
@given(documents, st.lists(operations, min_size=1, max_size=6))
def test_any_patch_is_done_or_refused_and_nothing_else(document: Any, several: list[dict[str, Any]]) -> None:
    try:
        patched(document, *several)
    except Refusal as refusal:
        assert refusal.status in (400, 409, 413, 422)
        assert refusal.where.startswith("operation ")


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/note", "value": {"a": [1]}},
        {"op": "replace", "path": "/code", "value": {"a": [1]}},
        {"op": "replace", "path": "", "value": {"a": [1]}},
    ],
)
def test_operations_can_be_applied_again(operation: dict[str, Any]) -> None:
    inside = operation["path"] + "/a/-"
    operations = read([operation, {"op": "add", "path": inside, "value": 2}])
    assert encode(apply(deepcopy(RESULT), operations)) == encode(apply(deepcopy(RESULT), operations))


pointers: st.SearchStrategy[Any] = st.sampled_from(
    ["", "/", "/status", "/code/coding", "/code/coding/0", "/code/coding/-", "/code/coding/1/code", "/valueQuantity/value",
     "/code/coding/99999999999", "/~0", "/~2", "x", "/code/coding/0/code/x", None, 1, []]
)  # fmt: skip
values = st.recursive(
    st.sampled_from([None, True, 1, Decimal("1.0"), "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "code"]), inner, max_size=2),
    max_leaves=4,
)
members = {
    "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x", None, 1, [], {}]),
    "path": pointers,
    "from": pointers,
    "value": values,
}
sent_operations = st.one_of(st.fixed_dictionaries({}, optional=members), st.fixed_dictionaries(members), values)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(sent_operations, max_size=5))
def test_whatever_is_sent_is_done_or_refused(operations: list[Any]) -> None:
    try:
        encode(patched(RESULT, *operations))
    except Refusal as told:
        assert told.status in (400, 409, 422)
