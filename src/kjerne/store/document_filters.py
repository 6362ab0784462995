"""Filters of the list of documents that one of the personnel keeps for herself: a few rows under her own digest.

No patient is in them, so there is no `Grant`: who calls has made a `Caller` of the login first (`pages.live_document_filters`).
What a filter says is sealed with owner and number, since she writes its name and its words herself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.errors import Refusal
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection

FILTERS_LIMIT: Final = 20
"""Filters of one person: as many as a list beside the list can hold."""


class Said(msgspec.Struct, frozen=True):
    """What a filter is called and chooses by, as the list's own address says it; `category_name` is the code in words, for a
    patient who has nothing of the kind."""

    name: str
    category: str = ""
    category_name: str = ""
    institution: str = ""
    period: str = ""
    text: str = ""
    sort: str = ""


class Filter(msgspec.Struct, frozen=True):
    """One that is kept."""

    number: UUID
    said: Said


# Two that are kept at the same moment count one after the other.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 61))"
_LISTED: Final = "SELECT number, told FROM document_filter WHERE owner = $1"
_ADD: Final = "INSERT INTO document_filter (owner, number, told, at) VALUES ($1, $2, $3, $4)"
_CHANGE: Final = "UPDATE document_filter SET told = $3 WHERE owner = $1 AND number = $2"
_DROP: Final = "DELETE FROM document_filter WHERE owner = $1 AND number = $2 RETURNING number"


async def listed(conn: Connection, owner: bytes, sealer: Sealer) -> list[Filter]:
    """All of hers, in no order. One that another key sealed is left out."""
    found = []
    for row in await conn.fetch(_LISTED, owner):
        number = UUID(bytes=row["number"].bytes)
        try:
            raw = sealer.open(row["told"], _place(owner, number))
        except InvalidTag:
            continue
        found.append(Filter(number, msgspec.msgpack.decode(raw, type=Said)))
    return found


async def keep(conn: Connection, owner: bytes, sealer: Sealer, said: Said, now: datetime) -> UUID:
    """A new one; its number. `Refusal` 409 where she has as many as she may, or one of that name. In the caller's transaction."""
    await conn.execute(_ALONE, owner)
    hers = await listed(conn, owner, sealer)
    _check_name(hers, said.name)
    if len(hers) >= FILTERS_LIMIT:
        raise Refusal(409, f"There are {FILTERS_LIMIT} filters already.", where="filter_many")
    number = uuid4()
    await conn.execute(_ADD, owner, number, _sealed(owner, sealer, number, said), now)
    return number


async def rename(conn: Connection, owner: bytes, sealer: Sealer, number: UUID, name: str) -> None:
    """`Refusal` 404 where she has none of this number, 409 where another has the name. In the caller's transaction."""
    await conn.execute(_ALONE, owner)
    hers = await listed(conn, owner, sealer)
    its = next((one for one in hers if one.number == number), None)
    if its is None:
        raise _none()
    _check_name([one for one in hers if one is not its], name)
    said = msgspec.structs.replace(its.said, name=name)
    await conn.execute(_CHANGE, owner, number, _sealed(owner, sealer, number, said))


async def drop(conn: Connection, owner: bytes, number: UUID) -> None:
    """`Refusal` 404 where she has none of this number."""
    if await conn.fetchval(_DROP, owner, number) is None:
        raise _none()


def _check_name(others: Sequence[Filter], name: str) -> None:
    if any(one.said.name.casefold() == name.casefold() for one in others):
        raise Refusal(409, "There is a filter of this name.", where="filter_named")


def _none() -> Refusal:
    return Refusal(404, "There is no such filter.", where="filter_gone")


def _sealed(owner: bytes, sealer: Sealer, number: UUID, said: Said) -> bytes:
    return sealer.seal(msgspec.msgpack.encode(said), _place(owner, number))


def _place(owner: bytes, number: UUID) -> bytes:
    return b"document-filter" + owner + number.bytes
