"""Which results a specimen belongs to: what is corrected there is corrected for them.

What is looked at here does not leave: the program alone reads it, and the write because of which it looks has its audit row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.store.pool import Connection
from kjerne.store.reading import OUTER, Reader, Record
from kjerne.store.sealed_id import SealedIds

OBSERVATION: Final = type_number("Observation")
SPECIMEN: Final = type_number("Specimen")

Named = tuple[int, UUID, int]
"""Type, id and version of a record."""

# What was filed on a wrong person is nobody's.
_ROWS: Final = f"""
SELECT {OUTER} FROM record r
WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[]) AND r.labels & {int(Label.WITHDRAWN)} = 0"""


async def of_specimen(conn: Connection, grant: Grant, reader: Reader, specimen: UUID) -> list[Named]:
    """The patient's results that point to a specimen."""
    return [
        (one.type, one.id, one.version)
        for one, tree in await _opened(conn, grant, reader, [OBSERVATION])
        if reference_of(tree.get("specimen")) == specimen
    ]


def reference_of(reference: Any) -> UUID | None:
    """The id that a literal reference names, relative or whole, of a version or not."""
    text = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
    return SealedIds.parse(text.partition("/_history/")[0].rpartition("/")[2])


async def _opened(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]
) -> list[tuple[Record, Mapping[str, Any]]]:
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    records = (reader.open_row(keys, tuple(row)) for row in rows)
    return [(one, decode(one.raw)) for one in records]
