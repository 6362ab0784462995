"""Candidates of a search, and the order in which its pages have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.fhir.search import Order, Plan, ordered
from kjerne.store.codec import bound, parted
from kjerne.store.conditions import Conditions
from kjerne.store.pool import moment
from kjerne.store.reading import Record, Unwrapped

NEWEST_FIRST: Final = Order("date_from", descending=True)


class Row(NamedTuple):
    """A candidate: the columns of `OUTER`, its main date, its index values, and a key for each order of the search.

    As fetched, `values` are sealed, and empty where they lie under the body's seal, as they do since migration 0005.
    """

    outer: tuple[Any, ...]
    date_from: datetime | None
    date_to: datetime | None
    values: bytes
    keys: tuple[Any, ...] = ()

    @property
    def id(self) -> UUID:
        return self.outer[2]  # type: ignore[no-any-return]


def sorting(order: Order) -> str:
    direction = "DESC" if order.descending else "ASC"
    return f"r.id {direction}" if order.column == "id" else f"r.{order.column} {direction} NULLS LAST, r.id"


def place_of(order: Order, last: Record, date_from: datetime | None) -> list[Any]:
    key = {"date_from": moment(date_from), "at": last.at}.get(order.column)
    return [key.isoformat() if key else None, str(last.id)]


def beyond(where: Conditions, order: Order, after: list[Any]) -> str:
    """The rows behind the last one of an earlier page, in the same order (keyset paging)."""
    text, id_ = after
    sign = "<" if order.descending else ">"
    last = where.add(UUID(id_))
    if order.column == "id":
        return f"r.id {sign} {last}"
    if text is None:
        return f"(r.{order.column} IS NULL AND r.id > {last})"
    reached = where.add(moment(datetime.fromisoformat(text)))
    column = f"r.{order.column}"
    return f"({column} {sign} {reached} OR ({column} = {reached} AND r.id > {last}) OR {column} IS NULL)"


def resumed(rows: list[Row], after: list[Any]) -> int:
    """Where a page begins after an earlier one: behind its last record, or where that stood if it is gone."""
    id_, reached = after
    for place, row in enumerate(rows):
        if str(row.id) == id_:
            return place + 1
    return int(reached)


def in_order(rows: list[Row], found: Plan) -> list[Row]:
    """Rows with their keys, as the search sorts them."""
    return ordered([(row.keys, row) for row in rows], found.order or (NEWEST_FIRST,))


def key_of(row: Row, order: Order, values: bytes, tree: dict[str, Any]) -> Any:
    if order.key is not None:
        return order.key(values)
    if order.tree_key is not None:
        return order.tree_key(tree)
    return {"date_from": moment(row.date_from), "at": row.outer[6], "id": row.id}[order.column]


def values_of(keys: Unwrapped, row: Row) -> bytes:
    patient, type_, id_, *_, dictionary, _, _, body = row.outer
    place = bound(patient, type_, id_)
    if row.values:
        return keys[patient].open(row.values, place)
    return parted(dictionary, keys[patient].open(body, place))[0]
