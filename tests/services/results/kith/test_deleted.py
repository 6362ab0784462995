"""An examination that its laboratory deleted (8245: 14): withdrawn, with the status of the national table."""

from __future__ import annotations

from typing import Any

from .test_chain import A, B, digits, state, version


def deleted(kith: Any, n: int, value: str, service: str = "M") -> Any:
    gone = kith.item(A, value, id_="1", service=service, state="14")
    return version(kith, n, gone, service="M" if n > 1 else "N")


def test_a_deleted_examination_has_no_value_but_a_past_and_the_status_of_the_table(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1"))
    [result] = state(kith, first, deleted(kith, 2, kith.number("9"))).results
    assert (result.status, result.value) == ("unknown", None)
    assert [(c.kind, digits(c.value), c.status) for c in result.changes] == [("withdrawn", "9", "final")]
    [again] = state(kith, first, deleted(kith, 2, kith.number("9")), deleted(kith, 3, kith.number("9"))).results
    assert (again.value, again.changes) == (None, result.changes)


def test_an_examination_sent_as_deleted_at_once_never_had_a_value_that_stands(kith: Any) -> None:
    [result] = state(kith, deleted(kith, 1, kith.number("9"), "N")).results
    assert (result.status, result.value, digits(result.changes[0].value)) == ("unknown", None, "9")


def test_a_deleted_examination_that_is_sent_anew_stands_and_was_corrected(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1"))
    last = version(kith, 3, kith.item(A, kith.number("8"), id_="1", service="M"), service="M")
    [result] = state(kith, first, deleted(kith, 2, kith.number("9")), last).results
    assert (digits(result.value), [c.kind for c in result.changes]) == ("8", ["withdrawn"])


def test_a_deleted_examination_that_is_then_left_out_stays_deleted(kith: Any) -> None:
    first = version(kith, 1, kith.item(A, kith.number("9"), id_="1") + kith.item(B, id_="2"))
    last = version(kith, 3, kith.item(B, id_="2", service="H"), service="M")
    results = state(kith, first, deleted(kith, 2, kith.number("9")), last).results
    gone = next(one for one in results if one.item.id == "1")
    assert (gone.status, [c.kind for c in gone.changes]) == ("unknown", ["withdrawn"])
