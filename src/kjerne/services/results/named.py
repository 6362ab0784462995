"""Names for records that a log tells of: *which* results were seen, in words, for whoever may read both log and results.

Prop. 154 L (2024-2025), § 22 a: the log says which information was made available. The log itself keeps type, id and
version; what a record is called stands in the record, so naming it is a reading of it, with its own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Grant
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.services.results import points
from kjerne.services.results.answers import name_of
from kjerne.services.results.values import When, concept_text
from kjerne.store.log_entry import Seen
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds

NAMED_LIMIT: Final = 500
"""Records named at a time: a page of the log, not the whole of it. Some 50 us each."""
NAMED_TYPES: Final = ("Observation", "DiagnosticReport", "ServiceRequest")
"""Specimens and those who performed come with these, and have no name of their own that says anything."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a record is called, and when it was taken (None where it does not say)."""

    what: str
    at: When | None


def with_names(told: Iterable[Seen]) -> tuple[Seen, ...]:
    """Those that have a name, each record once, in order."""
    return tuple({(seen.type, seen.id): seen for seen in told if seen.type in NAMED_TYPES}.values())


async def named(conn: Connection, reader: Reader, grant: Grant, wanted: Iterable[Seen]) -> dict[str, Named]:
    """Names by record id, of the first `NAMED_LIMIT` of `wanted` that the grant opens today.

    One that is withheld, withdrawn, deleted or not yet released has none. Raises `Stale`.
    """
    named_ = with_names(wanted)[:NAMED_LIMIT]
    asked = [(type_number(seen.type), id_) for seen in named_ if (id_ := SealedIds.parse(seen.id))]
    if not asked:
        return {}
    records = await reader.named(conn, grant, asked)
    return {str(record.id): _named(decode(record.raw)) for record in records}


def _named(tree: Mapping[str, Any]) -> Named:
    report = tree["resourceType"] == "DiagnosticReport"
    return Named(name_of(dict(tree)) if report else concept_text(tree.get("code")), points.taken(dict(tree)))
